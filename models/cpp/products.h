// Products of matrices that are too small for a BLAS library, on one core.
//
// All matrices are in row order: x[r * x_row + c]; x_row is how far a line lies behind the one before. The work is done
// by `block`, whose loops the compiler unrolls so that a block of the result stays in registers; everything else cuts a
// product into blocks.

#pragma once

#include <ATen/cpu/vec/functional.h>
#include <ATen/cpu/vec/vec.h>

#include <algorithm>
#include <limits>

namespace {

using Vec = at::vec::Vectorized<float>;
constexpr long LANES = Vec::size();
// A block of ROWS x 2 vectors of a product is kept in registers: AVX2 has 16 of them, AVX-512 and NEON 32.
constexpr long ROWS = LANES == 8 ? 6 : 12;
// Tokens that go through a half-layer at once: few enough that what they become stays in the second-level cache.
constexpr long TILE = 8 * 12;
constexpr long QUERIES = 4 * ROWS;  // queries of one block of attention's backward pass
constexpr long PREFILL = 512;       // tokens of prompts that are read at once
constexpr float NEVER = -std::numeric_limits<float>::infinity();

long rounded(long n) { return (n + LANES - 1) / LANES * LANES; }

// c (R x C vectors) = or += a (R x depth) times b (depth x C vectors). a is read at a[r * a_row + k * a_step], so that
// it may lie transposed; vector j of b's line k is at b[k * b_row + j * b_vec], so that b may lie in tiles (`tile`).
template <int R, int C>
inline __attribute__((always_inline)) void block(long depth, const float* a, long a_row, long a_step, const float* b,
                                                 long b_row, long b_vec, float* c, long c_row, bool add) {
  Vec sum[R][C];
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 16
    for (int j = 0; j < C; j++) sum[r][j] = add ? Vec::loadu(c + r * c_row + j * LANES) : Vec(0.f);
  for (long k = 0; k < depth; k++) {
    Vec line[C];
#pragma GCC unroll 16
    for (int j = 0; j < C; j++) line[j] = Vec::loadu(b + k * b_row + j * b_vec);
#pragma GCC unroll 16
    for (int r = 0; r < R; r++) {
      const Vec one(a[r * a_row + k * a_step]);
#pragma GCC unroll 16
      for (int j = 0; j < C; j++) sum[r][j] = at::vec::fmadd(one, line[j], sum[r][j]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; r++)
#pragma GCC unroll 16
    for (int j = 0; j < C; j++) sum[r][j].store(c + r * c_row + j * LANES);
}

// The same for at most R rows, whose number is known only now.
template <int R, int C>
inline void rest(long rows, long depth, const float* a, long a_row, long a_step, const float* b, long b_row, long b_vec,
                 float* c, long c_row, bool add) {
  if constexpr (R > 0) {
    if (rows == R)
      block<R, C>(depth, a, a_row, a_step, b, b_row, b_vec, c, c_row, add);
    else
      rest<R - 1, C>(rows, depth, a, a_row, a_step, b, b_row, b_vec, c, c_row, add);
  }
}

template <int C>
void strip(long rows, long depth, const float* a, long a_row, long a_step, const float* b, long b_row, long b_vec,
           float* c, long c_row, bool add) {
  long r = 0;
  for (; r + 2 * ROWS <= rows || r + ROWS == rows; r += ROWS)
    block<ROWS, C>(depth, a + r * a_row, a_row, a_step, b, b_row, b_vec, c + r * c_row, c_row, add);
  while (r < rows) {  // two blocks of almost a size rather than a full one and a small one, which would be slow
    const long some = rows - r > ROWS ? (rows - r + 1) / 2 : rows - r;
    rest<ROWS, C>(some, depth, a + r * a_row, a_row, a_step, b, b_row, b_vec, c + r * c_row, c_row, add);
    r += some;
  }
}

// c (rows x cols) = or += a (rows x depth) times b (depth x cols); cols is a multiple of LANES.
void product(long rows, long cols, long depth, const float* a, long a_row, long a_step, const float* b, long b_row,
             float* c, long c_row, bool add) {
  long col = 0;
  for (; col + 2 * LANES <= cols; col += 2 * LANES)
    strip<2>(rows, depth, a, a_row, a_step, b + col, b_row, LANES, c + col, c_row, add);
  if (col < cols) strip<1>(rows, depth, a, a_row, a_step, b + col, b_row, LANES, c + col, c_row, add);
}

// The same for a `b` that lies in panels of 2 * LANES columns, one after the other, so that it is read from one end to
// the other (see `Turned`).
void panels(long rows, long cols, long depth, const float* a, long a_row, const float* b, float* c, long c_row,
            bool add) {
  for (long col = 0; col < cols; col += 2 * LANES, b += depth * 2 * LANES)
    if (col + LANES < cols)
      strip<2>(rows, depth, a, a_row, 1, b, 2 * LANES, LANES, c + col, c_row, add);
    else
      strip<1>(rows, depth, a, a_row, 1, b, 2 * LANES, LANES, c + col, c_row, add);
}

// Keys or values (n x width) lie transposed for scores, in tiles of LANES tokens: x[t][w] is at
// (t / LANES * width + w) * LANES + t % LANES. A tile is read from one end to the other, whatever n is.
void tile(long n, long width, const float* x, long x_row, float* tiles) {
  for (long first = 0; first < n; first += LANES, tiles += width * LANES) {
    const long lanes = std::min(LANES, n - first);
    for (long w = 0; w < width; w++)
      for (long t = 0; t < LANES; t++) tiles[w * LANES + t] = t < lanes ? x[(first + t) * x_row + w] : 0.f;
  }
}

// s (rows x n, and what is left of the last tile) = a (rows x width) times tiled keys; a row at a time is slow to add
// up, so a single row takes several tiles at once.
void scores(long rows, long n, long width, const float* a, long a_row, const float* tiles, float* s, long s_row) {
  const long vectors = rounded(n) / LANES, size = width * LANES;
  long j = 0;
  if (rows == 1) {
    for (; j + 8 <= vectors; j += 8)
      block<1, 8>(width, a, a_row, 1, tiles + j * size, LANES, size, s + j * LANES, s_row, false);
    for (; j + 4 <= vectors; j += 4)
      block<1, 4>(width, a, a_row, 1, tiles + j * size, LANES, size, s + j * LANES, s_row, false);
  }
  for (; j + 2 <= vectors; j += 2)
    strip<2>(rows, width, a, a_row, 1, tiles + j * size, LANES, size, s + j * LANES, s_row, false);
  if (j < vectors) strip<1>(rows, width, a, a_row, 1, tiles + j * size, LANES, size, s + j * LANES, s_row, false);
}

// y (width) += the sum of n lines of v, weighted; four sums at a time, as each addition waits for the one before.
void gather(long n, long width, const float* weight, const float* v, long v_row, float* y) {
  for (long w = 0; w < width; w += 2 * LANES) {
    Vec sum[4][2];
    for (auto& each : sum) each[0] = each[1] = Vec(0.f);
    long t = 0;
    for (; t + 4 <= n; t += 4)
#pragma GCC unroll 4
      for (int i = 0; i < 4; i++) {
        const float* line = v + (t + i) * v_row + w;
        const Vec one(weight[t + i]);
        sum[i][0] = at::vec::fmadd(one, Vec::loadu(line), sum[i][0]);
        sum[i][1] = at::vec::fmadd(one, Vec::loadu(line + LANES), sum[i][1]);
      }
    for (; t < n; t++) {
      const float* line = v + t * v_row + w;
      sum[0][0] = at::vec::fmadd(Vec(weight[t]), Vec::loadu(line), sum[0][0]);
      sum[0][1] = at::vec::fmadd(Vec(weight[t]), Vec::loadu(line + LANES), sum[0][1]);
    }
    for (int j = 0; j < 2; j++) {
      const Vec all = (sum[0][j] + sum[1][j]) + (sum[2][j] + sum[3][j]);
      (Vec::loadu(y + w + j * LANES) + all).store(y + w + j * LANES);
    }
  }
}

void transpose(long rows, long cols, const float* x, float* out, long out_row) {
  constexpr long B = 16;  // in squares, so that what is read and what is written both stay in the cache
  for (long r = 0; r < rows; r += B)
    for (long c = 0; c < cols; c += B)
      for (long j = c; j < std::min(c + B, cols); j++)
        for (long i = r; i < std::min(r + B, rows); i++) out[j * out_row + i] = x[i * cols + j];
}

// c (n x n, a multiple of LANES) = a (n x depth) times b (depth x n), of which it is known that c is symmetric: blocks
// on and above the diagonal are computed, the others copied.
void symmetric(long n, long depth, const float* a, const float* b, float* c) {
  for (long col = 0; col < n; col += 2 * LANES) {
    const long wide = std::min(2 * LANES, n - col);
    product(col + wide, wide, depth, a, depth, 1, b + col, n, c + col, n, false);
    for (long i = 0; i < col; i++)
      for (long j = col; j < col + wide; j++) c[j * n + i] = c[i * n + j];
  }
}

}  // namespace
