// The small GPT of gpt.py on one CPU core, in float32, without Python between its operations: training and sampling.
//
// models/native.py compiles this file and calls the four functions at its end; gpt.py and sample.py say the same in
// torch, and are what the tests hold this file against.
//
// Why it is faster than torch at this size: rows of tokens lie end to end, so nothing is padded; what follows a matrix
// product is done while its result is in the cache; products are made by one small kernel that the compiler unrolls
// for the machine it runs on (BLAS libraries are tuned for larger matrices, and some not for this machine's vendor);
// and there is no allocation and no dispatch between operations.
//
// Nothing here starts a thread. Python calls it from several threads at once, each with memory of its own, and every
// sum runs in an order that depends on the rows alone, so that the number of threads changes no bit.
//
// Shapes: M tokens, N chosen tokens, D width, H query heads, K key heads, W head width, E = H * W, F hidden, V tokens
// of the vocabulary, U prompts, P tokens of a prompt. All matrices are in row order: x_MD[m * D + d].

#include <ATen/cpu/vec/functional.h>
#include <ATen/cpu/vec/vec.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <vector>

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

// --- products --------------------------------------------------------------------------------------------------------

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

// --- sums and functions of one row -----------------------------------------------------------------------------------

float total(const Vec& x) {
  return at::vec::vec_reduce_all<float>([](const Vec& a, const Vec& b) { return a + b; }, x);
}

float dot(long n, const float* a, const float* b) {
  Vec sum(0.f);
  for (long i = 0; i < n; i += LANES) sum = at::vec::fmadd(Vec::loadu(a + i), Vec::loadu(b + i), sum);
  return total(sum);
}

// s (n, a multiple of LANES) becomes exp(s - max); returns the logarithm of the sum of exp(s), and the sum in `sum`.
float exponentials(long n, float* s, float& sum) {
  Vec most(NEVER), all(0.f);
  for (long i = 0; i < n; i += LANES) most = at::vec::maximum(most, Vec::loadu(s + i));
  const float top =
      at::vec::vec_reduce_all<float>([](const Vec& a, const Vec& b) { return at::vec::maximum(a, b); }, most);
  for (long i = 0; i < n; i += LANES) {
    const Vec e = (Vec::loadu(s + i) - Vec(top)).exp();
    e.store(s + i);
    all = all + e;
  }
  sum = total(all);
  return top + std::log(sum);
}

// RMSNorm: h = x * r * weight, r = 1 / sqrt(mean(x^2) + eps) (kernels.norm).
void normalise(long rows, long width, const float* x, const float* weight, float eps, float* h, float* scale) {
  for (long m = 0; m < rows; m++, x += width, h += width) {
    const float r = 1.f / std::sqrt(dot(width, x, x) / width + eps);
    scale[m] = r;
    for (long i = 0; i < width; i += LANES)
      (Vec::loadu(x + i) * Vec(r) * Vec::loadu(weight + i)).store(h + i);
  }
}

// h again, from the scale that `normalise` found.
void normalised(long rows, long width, const float* x, const float* weight, const float* scale, float* h) {
  for (long m = 0; m < rows; m++)
    for (long i = m * width, d = 0; d < width; d += LANES)
      (Vec::loadu(x + i + d) * Vec(scale[m]) * Vec::loadu(weight + d)).store(h + i + d);
}

// Gradients of `normalise`: dx += those of x, dweight += those of the weight. With u = x * r and g = dh * weight,
// dx = r * (g - u * mean(g * u)): what changes x along itself changes h not at all.
void normalise_back(long rows, long width, const float* dh, const float* x, const float* weight, const float* scale,
                    float* dx, float* dweight) {
  for (long m = 0; m < rows; m++, dh += width, x += width, dx += width) {
    const Vec r(scale[m]);
    Vec along(0.f);
    for (long i = 0; i < width; i += LANES) {
      const Vec both = Vec::loadu(dh + i) * Vec::loadu(x + i) * r;
      (Vec::loadu(dweight + i) + both).store(dweight + i);
      along = at::vec::fmadd(both, Vec::loadu(weight + i), along);
    }
    const Vec mean(total(along) / width);
    for (long i = 0; i < width; i += LANES) {
      const Vec g = Vec::loadu(dh + i) * Vec::loadu(weight + i);
      (Vec::loadu(dx + i) + r * (g - Vec::loadu(x + i) * r * mean)).store(dx + i);
    }
  }
}

Vec sigmoid(const Vec& x) { return Vec(1.f) / (Vec(1.f) + x.neg().exp()); }

// act = silu(gate) * up, where gate and up are the halves of a row.
void swiglu(long rows, long hidden, const float* gate_up, float* act) {
  for (long m = 0; m < rows; m++, gate_up += 2 * hidden, act += hidden)
    for (long i = 0; i < hidden; i += LANES) {
      const Vec gate = Vec::loadu(gate_up + i);
      (gate * sigmoid(gate) * Vec::loadu(gate_up + hidden + i)).store(act + i);
    }
}

// --- the model -------------------------------------------------------------------------------------------------------

struct Sizes {  // as native.Sizes in Python
  int64_t layers, width, heads, kv_heads, head_width, hidden, vocab;
  double eps;
  long A() const { return heads + kv_heads; }                    // heads that are rotated
  long E() const { return heads * head_width; }
  long rows() const { return (A() + kv_heads) * head_width; }    // of the query, key and value matrices
  long padded() const { return rounded(vocab); }                 // logits of a token, and what is left of a vector
};

struct Layer {  // a null pointer where a model has no such weight
  float *attention_norm, *qkv, *qkv_bias, *q_norm, *k_norm, *out, *mlp_norm, *gate_up, *down;
};

// Weights or their gradients, in the order of native.weights: embed, norm, head (the embeddings where they are tied),
// and nine of each layer.
struct Weights {
  float *embed, *norm, *head;
  std::vector<Layer> layers;
  Weights(const Sizes& s, float* const* at) : embed(at[0]), norm(at[1]), head(at[2]) {
    for (long l = 0; l < s.layers; l++, at += 9)
      layers.push_back({at[3], at[4], at[5], at[6], at[7], at[8], at[9], at[10], at[11]});
  }
};

// Memory is one piece that Python owns. Without a base it is only counted.
struct Room {
  float* base;
  size_t used = 0;
  float* take(size_t n) {
    float* at = base ? base + used : nullptr;
    used += (n + 15) / 16 * 16;
    return at;
  }
};

// The weights transposed, in panels: outputs are then neighbours, which is what a product reads. Made anew in every
// call, so that they cannot be those of another step; that takes one part in fifty of it. Without weights, memory is
// only divided: the backward pass needs none of them.
struct Turned {
  struct Four {
    float *qkv, *out, *gate_up, *down;
  };
  std::vector<Four> layers;
  float* head;

  Turned(const Sizes& s, const Weights* w, Room& room) {
    auto turned = [&](long rows, long cols, auto from) {
      constexpr long wide = 2 * LANES;
      float* at = room.take((rows + wide - 1) / wide * wide * cols);
      if (w)
        for (long r = 0; r < rows; r += wide) {
          float* panel = at + r * cols;
          if (rows - r < wide) std::fill(panel, panel + wide * cols, 0.f);
          transpose(std::min(wide, rows - r), cols, from() + r * cols, panel, wide);
        }
      return at;
    };
    for (long l = 0; l < s.layers; l++)
      layers.push_back({turned(s.rows(), s.width, [&] { return w->layers[l].qkv; }),
                        turned(s.width, s.E(), [&] { return w->layers[l].out; }),
                        turned(2 * s.hidden, s.width, [&] { return w->layers[l].gate_up; }),
                        turned(s.width, s.hidden, [&] { return w->layers[l].down; })});
    head = turned(s.vocab, s.width, [&] { return w->head; });
  }
};

// Rows of tokens, end to end, and the tokens from which something is predicted (ascending).
struct Rows {
  long count, tokens, chosen, longest = 0;
  const int64_t *start, *ids, *index;
  std::vector<int64_t> position, first, asking;  // of each token; of each row's first chosen token; of each of these

  Rows(long count, const int64_t* start, const int64_t* ids, long chosen, const int64_t* index)
      : count(count), tokens(start[count]), chosen(chosen), start(start), ids(ids), index(index), position(tokens) {
    long n = 0;
    for (long r = 0; r < count; r++) {
      first.push_back(n);
      for (long m = start[r]; m < start[r + 1]; m++) position[m] = m - start[r];
      for (; n < chosen && index[n] < start[r + 1]; n++) asking.push_back(index[n] - start[r]);
      longest = std::max(longest, long(start[r + 1] - start[r]));
    }
    first.push_back(n);
  }
};

// What the forward pass leaves behind. The last layer's attention and all that follows is done for chosen tokens only.
// Where no gradient is wanted, all layers use the same memory.
struct Tape {
  struct One {
    float *x, *scale1;            // M x D the residual stream before the layer; M
    float *qkv, *unit, *turned;   // M x rows; M x A scales of heads; M x A * W queries and keys after rotation
    float *query;                 // N x E, the last layer only: chosen queries side by side
    float *y, *sums;              // M or N x E what attention gathered; M or N x H logarithms of its sums
    float *mid, *scale2;          // M or N x D the residual stream between the half-layers; M or N
    float *gate_up;               // M or N x 2F
  };
  std::vector<One> layers;
  float *x, *scale, *logits, *log_sum;        // N x D after the last layer; N; N x V; N
  float *h, *act, *keys, *values, *s, *ds;    // for a tile of tokens, or for one head of a row
  float *dx, *dy, *dqkv, *dquery, *dgate_up, *dact;  // backward only

  Tape(const Sizes& s_, long M, long N, long longest, bool keep, Room& room) {
    const long D = s_.width, E = s_.E(), W = s_.head_width, F = s_.hidden;
    const long n = rounded(longest), spare = std::min(M, TILE);
    auto make = [&](long Q, bool last) {
      return One{room.take(M * D), room.take(M), room.take(M * s_.rows()), room.take(M * s_.A()),
                 room.take(M * s_.A() * W), room.take(last ? N * E : 0), room.take(Q * E), room.take(Q * s_.heads),
                 room.take(Q * D), room.take(Q), room.take((keep ? Q : spare) * 2 * F)};
    };
    if (keep) {
      for (long l = 0; l < s_.layers; l++) layers.push_back(make(l + 1 == s_.layers ? N : M, l + 1 == s_.layers));
    } else {
      layers.assign(s_.layers, make(std::max(M, N), true));
      float* other = room.take(M * D);  // a layer reads one and writes the other
      for (long l = 1; l < s_.layers; l += 2) layers[l].x = other;
    }
    x = room.take(N * D), scale = room.take(N), logits = room.take(N * s_.padded()), log_sum = room.take(N);
    h = room.take(TILE * std::max(D, E)), act = room.take(TILE * F);
    keys = room.take(n * W), values = room.take(n * W);
    s = room.take(QUERIES * n), ds = room.take(QUERIES * n);
    if (!keep) return;
    dx = room.take(M * D), dy = room.take(M * E), dqkv = room.take(M * s_.rows()), dquery = room.take(N * E);
    dgate_up = room.take(TILE * 2 * F), dact = room.take(TILE * F);
  }
};

struct Model {
  Sizes s;
  Weights w;
  Turned turned;
  const float* angles;  // positions x W / 2 pairs of cosine and sine
  float scale;          // of scores

  Model(const Sizes& s, float* const* at, const float* angles, Room& room, bool turn = true)
      : s(s), w(s, at), turned(s, turn ? &w : nullptr, room), angles(angles),
        scale(1.f / std::sqrt(float(s.head_width))) {}

  // One head of one token, normalised where the model does so, and rotated: neighbours are one number in the plane.
  // Queries are scaled here, once, instead of every score.
  float rotate(const float* x, const float* weight, long position, float times, float* out) const {
    const long W = s.head_width;
    const float* angle = angles + position * W;
    const float r = weight ? 1.f / std::sqrt(dot(W, x, x) / W + float(s.eps)) : 1.f;
    for (long i = 0; i < W; i += 2) {
      const float a = x[i] * r * (weight ? weight[i] : 1.f), b = x[i + 1] * r * (weight ? weight[i + 1] : 1.f);
      out[i] = (a * angle[i] - b * angle[i + 1]) * times;
      out[i + 1] = (b * angle[i] + a * angle[i + 1]) * times;
    }
    return r;
  }

  // From the gradient of `rotate`'s result, in place, to that of its input; dweight += that of the weight.
  void rotate_back(float* d, const float* x, float r, const float* weight, long position, float times,
                   float* dweight) const {
    const long W = s.head_width;
    const float* angle = angles + position * W;
    for (long i = 0; i < W; i += 2) {
      const float a = d[i] * times, b = d[i + 1] * times;
      d[i] = a * angle[i] + b * angle[i + 1];
      d[i + 1] = b * angle[i] - a * angle[i + 1];
    }
    if (!weight) return;
    alignas(64) float dh[128], zero[128] = {};
    std::memcpy(dh, d, W * sizeof(float));
    normalise_back(1, W, dh, x, weight, &r, zero, dweight);
    std::memcpy(d, zero, W * sizeof(float));
  }

  // qkv (n x rows) of n tokens from their residual stream; h is left normalised.
  void project(long l, long n, const float* x, float* h, float* scales, float* qkv) const {
    const Layer& a = w.layers[l];
    normalise(n, s.width, x, a.attention_norm, s.eps, h, scales);
    if (a.qkv_bias)
      for (long m = 0; m < n; m++) std::memcpy(qkv + m * s.rows(), a.qkv_bias, s.rows() * sizeof(float));
    panels(n, s.rows(), s.width, h, s.width, turned.layers[l].qkv, qkv, s.rows(), a.qkv_bias);
  }

  // What follows attention: mid = x + y out^T, and next = mid + its feed-forward. x may be mid, and mid may be next.
  void finish(long l, long n, const float* x, const float* y, float* mid, float* scales, float* gate_up, float* next,
              float* h, float* act) const {
    const long D = s.width, F = s.hidden;
    if (mid != x) std::memcpy(mid, x, n * D * sizeof(float));
    panels(n, D, s.E(), y, s.E(), turned.layers[l].out, mid, D, true);
    normalise(n, D, mid, w.layers[l].mlp_norm, s.eps, h, scales);
    panels(n, 2 * F, D, h, D, turned.layers[l].gate_up, gate_up, 2 * F, false);
    swiglu(n, F, gate_up, act);
    if (next != mid) std::memcpy(next, mid, n * D * sizeof(float));
    panels(n, D, F, act, F, turned.layers[l].down, next, D, true);
  }

  // Logits of n tokens, padded to whole vectors with -inf; h and scales are scratch.
  void predict(long n, const float* x, float* h, float* scales, float* logits) const {
    const long V = s.vocab, padded = s.padded();
    for (long m = 0; m < n; m += TILE) {
      const long some = std::min(TILE, n - m);
      normalise(some, s.width, x + m * s.width, w.norm, s.eps, h, scales + m);
      panels(some, padded, s.width, h, s.width, turned.head, logits + m * padded, padded, false);
    }
    for (long m = 0; m < n; m++) std::fill(logits + m * padded + V, logits + (m + 1) * padded, NEVER);
  }
};

// --- attention over a row --------------------------------------------------------------------------------------------

// y (n x W) of n queries of one head; query i sees the keys up to its position. The logarithm of each query's sum of
// exponentials is kept: with it the backward pass makes the weights again, which costs less than keeping them.
void attend(long n, const int64_t* position, long W, const float* q, long q_row, const float* keys, const float* v,
            long v_row, float* s, long s_row, float* y, long y_row, float* sums, long sums_row) {
  for (long i = 0; i < n; i += ROWS) {
    const long rows = std::min(ROWS, n - i), seen = position[i + rows - 1] + 1;
    scores(rows, seen, W, q + i * q_row, q_row, keys, s, s_row);
    float sum[ROWS];
    for (long r = 0; r < rows; r++) {
      float* line = s + r * s_row;
      std::fill(line + position[i + r] + 1, line + rounded(seen), NEVER);
      sums[(i + r) * sums_row] = exponentials(rounded(seen), line, sum[r]);
    }
    float* out = y + i * y_row;
    product(rows, W, seen, s, s_row, 1, v, v_row, out, y_row, false);
    for (long r = 0; r < rows; r++)
      for (long w = 0; w < W; w += LANES) {
        float* at = out + r * y_row + w;
        (Vec::loadu(at) * Vec(1.f / sum[r])).store(at);
      }
  }
}

// The gradients of `attend`: writes dq, and adds to dk and dv. A block of queries at a time, so that their weights
// (s) and the gradients of their scores (ds) stay in the cache.
void attend_back(long n, const int64_t* position, long W, const float* q, long q_row, const float* k, long k_row,
                 const float* keys, const float* values, const float* y, const float* dy, long y_row, const float* sums,
                 long sums_row, float* s, float* ds, long s_row, float* dq, long dq_row, float* dk, float* dv,
                 long dk_row) {
  for (long begin = 0; begin < n; begin += QUERIES) {
    const long end = std::min(begin + QUERIES, n), all = rounded(position[end - 1] + 1);
    for (long i = begin; i < end; i += ROWS) {
      const long rows = std::min(ROWS, end - i), seen = position[i + rows - 1] + 1;
      float *weight = s + (i - begin) * s_row, *slope = ds + (i - begin) * s_row;
      scores(rows, seen, W, q + i * q_row, q_row, keys, weight, s_row);
      scores(rows, seen, W, dy + i * y_row, y_row, values, slope, s_row);
      for (long r = 0; r < rows; r++) {
        float *p = weight + r * s_row, *d = slope + r * s_row;
        const Vec log_sum(sums[(i + r) * sums_row]);
        const Vec mean(dot(W, dy + (i + r) * y_row, y + (i + r) * y_row));  // of d, weighted
        std::fill(p + position[i + r] + 1, p + all, NEVER);
        std::fill(d + position[i + r] + 1, d + all, 0.f);
        for (long t = 0; t < all; t += LANES) {
          const Vec e = (Vec::loadu(p + t) - log_sum).exp();
          e.store(p + t);
          (e * (Vec::loadu(d + t) - mean)).store(d + t);
        }
      }
      product(rows, W, seen, slope, s_row, 1, k, k_row, dq + i * dq_row, dq_row, false);
    }
    long from = begin;  // the first query that sees key t
    for (long t = 0; t <= position[end - 1]; t += ROWS) {
      const long rows = std::min(ROWS, position[end - 1] + 1 - t);
      while (position[from] < t) from++;
      const long at = (from - begin) * s_row + t;
      product(rows, W, end - from, ds + at, 1, s_row, q + from * q_row, q_row, dk + t * dk_row, dk_row, true);
      product(rows, W, end - from, s + at, 1, s_row, dy + from * y_row, y_row, dv + t * dk_row, dk_row, true);
    }
  }
}

// --- forward and backward over rows ----------------------------------------------------------------------------------

// The residual stream of chosen tokens after the last layer, tape.x. seen(l) is told when layer l's keys (tape.turned)
// and values (tape.qkv) are there.
template <class Seen>
void forward(const Model& model, const Rows& rows, Tape& tape, bool keep, Seen seen) {
  const Sizes& s = model.s;
  const long D = s.width, E = s.E(), W = s.head_width, M = rows.tokens, wide = s.rows(), turned_row = s.A() * W;
  const long ratio = s.heads / s.kv_heads, s_row = rounded(rows.longest);
  for (long m = 0; m < M; m++)
    std::memcpy(tape.layers[0].x + m * D, model.w.embed + rows.ids[m] * D, D * sizeof(float));
  for (long l = 0; l < s.layers; l++) {
    const Layer& w = model.w.layers[l];
    Tape::One& at = tape.layers[l];
    const bool last = l + 1 == s.layers;
    for (long m = 0; m < M; m += TILE) {
      const long n = std::min(TILE, M - m);
      model.project(l, n, at.x + m * D, tape.h, at.scale1 + m, at.qkv + m * wide);
      for (long i = m; i < m + n; i++)
        for (long a = 0; a < s.A(); a++) {
          const bool query = a < s.heads;
          at.unit[i * s.A() + a] =
              model.rotate(at.qkv + i * wide + a * W, query ? w.q_norm : w.k_norm, rows.position[i],
                           query ? model.scale : 1.f, at.turned + i * turned_row + a * W);
        }
    }
    seen(l);
    if (last)
      for (long n = 0; n < rows.chosen; n++)
        std::memcpy(at.query + n * E, at.turned + rows.index[n] * turned_row, E * sizeof(float));
    for (long r = 0; r < rows.count; r++) {
      const long begin = rows.start[r], tokens = rows.start[r + 1] - begin, first = last ? rows.first[r] : begin;
      const long queries = last ? rows.first[r + 1] - first : tokens, q_row = last ? E : turned_row;
      if (!queries) continue;
      const int64_t* position = (last ? rows.asking : rows.position).data() + first;
      for (long k = 0; k < s.kv_heads; k++) {
        tile(tokens, W, at.turned + begin * turned_row + (s.heads + k) * W, turned_row, tape.keys);
        const float* v = at.qkv + begin * wide + (s.A() + k) * W;
        for (long h = k * ratio; h < (k + 1) * ratio; h++)
          attend(queries, position, W, (last ? at.query : at.turned) + first * q_row + h * W, q_row, tape.keys, v, wide,
                 tape.s, s_row, at.y + first * E + h * W, E, at.sums + first * s.heads + h, s.heads);
      }
    }
    const long Q = last ? rows.chosen : M;
    const float* x = at.x;
    if (last) {
      for (long n = 0; n < Q; n++) std::memcpy(at.mid + n * D, at.x + rows.index[n] * D, D * sizeof(float));
      x = at.mid;
    }
    float* next = last ? tape.x : tape.layers[l + 1].x;
    for (long m = 0; m < Q; m += TILE)
      model.finish(l, std::min(TILE, Q - m), x + m * D, at.y + m * E, at.mid + m * D, at.scale2 + m,
                   at.gate_up + (keep ? m * 2 * s.hidden : 0), next + m * D, tape.h, tape.act);
  }
}

// Adds to `grads` the gradients of the sum of slope * logp over the chosen tokens, from what `forward` left behind.
void backward(const Model& model, const Weights& grads, const Rows& rows, Tape& tape, const int64_t* targets,
              double temperature, const float* slope) {
  const Sizes& s = model.s;
  const long D = s.width, E = s.E(), W = s.head_width, F = s.hidden, V = s.vocab, M = rows.tokens, N = rows.chosen;
  const long wide = s.rows(), turned_row = s.A() * W, ratio = s.heads / s.kv_heads, s_row = rounded(rows.longest);
  const long padded = s.padded();
  std::vector<float> dlogits(TILE * padded), dh(TILE * std::max(D, E));
  float* dx = tape.dx;
  std::fill(dx, dx + N * D, 0.f);
  for (long m = 0; m < N; m += TILE) {  // the head: the gradient of logp is what is not predicted, minus what is
    const long n = std::min(TILE, N - m);
    for (long i = 0; i < n; i++) {
      const float *logits = tape.logits + (m + i) * padded, each = slope[m + i] / float(temperature);
      float* d = dlogits.data() + i * padded;
      for (long t = 0; t < padded; t += LANES)
        ((Vec::loadu(logits + t) - Vec(tape.log_sum[m + i])).exp() * Vec(-each)).store(d + t);
      d[targets[m + i]] += each;
    }
    const float* x = tape.x + m * D;
    normalised(n, D, x, model.w.norm, tape.scale + m, tape.h);
    product(V, D, n, dlogits.data(), 1, padded, tape.h, D, grads.head, D, true);
    product(n, D, V, dlogits.data(), padded, 1, model.w.head, D, dh.data(), D, false);
    normalise_back(n, D, dh.data(), x, model.w.norm, tape.scale + m, dx + m * D, grads.norm);
  }
  for (long l = s.layers - 1; l >= 0; l--) {
    const Layer &w = model.w.layers[l], &g = grads.layers[l];
    const Tape::One& at = tape.layers[l];
    const bool last = l + 1 == s.layers;
    const long Q = last ? N : M;
    for (long m = 0; m < Q; m += TILE) {  // the feed-forward, then attention's output
      const long n = std::min(TILE, Q - m);
      float* d = dx + m * D;
      product(n, F, D, d, D, 1, w.down, F, tape.dact, F, false);
      for (long i = 0; i < n; i++) {
        const float *gate_up = at.gate_up + (m + i) * 2 * F, *dact = tape.dact + i * F;
        float *dgate_up = tape.dgate_up + i * 2 * F, *act = tape.act + i * F;
        for (long f = 0; f < F; f += LANES) {
          const Vec gate = Vec::loadu(gate_up + f), up = Vec::loadu(gate_up + F + f), da = Vec::loadu(dact + f);
          const Vec share = sigmoid(gate), silu = gate * share;
          (silu * up).store(act + f);
          (da * silu).store(dgate_up + F + f);
          (da * up * share * (Vec(1.f) + gate - silu)).store(dgate_up + f);
        }
      }
      product(D, F, n, d, 1, D, tape.act, F, g.down, F, true);
      normalised(n, D, at.mid + m * D, w.mlp_norm, at.scale2 + m, tape.h);
      product(2 * F, D, n, tape.dgate_up, 1, 2 * F, tape.h, D, g.gate_up, D, true);
      product(n, D, 2 * F, tape.dgate_up, 2 * F, 1, w.gate_up, D, dh.data(), D, false);
      normalise_back(n, D, dh.data(), at.mid + m * D, w.mlp_norm, at.scale2 + m, d, g.mlp_norm);
      product(D, E, n, d, 1, D, at.y + m * E, E, g.out, E, true);
      product(n, E, D, d, D, 1, w.out, E, tape.dy + m * E, E, false);
    }
    if (last) {  // from chosen tokens to all; from the last to the first, as they move to places further on
      long m = M;
      for (long n = N; n-- > 0;) {
        for (; m > rows.index[n] + 1; m--) std::fill(dx + (m - 1) * D, dx + m * D, 0.f);
        std::memmove(dx + --m * D, dx + n * D, D * sizeof(float));
      }
      std::fill(dx, dx + m * D, 0.f);
    }
    std::fill(tape.dqkv, tape.dqkv + M * wide, 0.f);
    for (long r = 0; r < rows.count; r++) {
      const long begin = rows.start[r], tokens = rows.start[r + 1] - begin, first = last ? rows.first[r] : begin;
      const long queries = last ? rows.first[r + 1] - first : tokens, q_row = last ? E : turned_row;
      if (!queries) continue;
      const int64_t* position = (last ? rows.asking : rows.position).data() + first;
      float *dq = last ? tape.dquery : tape.dqkv, *d = tape.dqkv + begin * wide;
      const long dq_row = last ? E : wide;
      for (long k = 0; k < s.kv_heads; k++) {
        const float *key = at.turned + begin * turned_row + (s.heads + k) * W;
        tile(tokens, W, key, turned_row, tape.keys);
        tile(tokens, W, at.qkv + begin * wide + (s.A() + k) * W, wide, tape.values);
        for (long h = k * ratio; h < (k + 1) * ratio; h++)
          attend_back(queries, position, W, (last ? at.query : at.turned) + first * q_row + h * W, q_row, key,
                      turned_row, tape.keys, tape.values, at.y + first * E + h * W, tape.dy + first * E + h * W, E,
                      at.sums + first * s.heads + h, s.heads, tape.s, tape.ds, s_row, dq + first * dq_row + h * W,
                      dq_row, d + (s.heads + k) * W, d + (s.A() + k) * W, wide);
      }
    }
    if (last)
      for (long n = 0; n < N; n++)
        std::memcpy(tape.dqkv + rows.index[n] * wide, tape.dquery + n * E, E * sizeof(float));
    for (long m = 0; m < M; m += TILE) {  // rotation and projection
      const long n = std::min(TILE, M - m);
      float* d = tape.dqkv + m * wide;
      for (long i = 0; i < n; i++) {
        for (long a = 0; a < s.A(); a++) {
          const bool query = a < s.heads;
          model.rotate_back(d + i * wide + a * W, at.qkv + (m + i) * wide + a * W, at.unit[(m + i) * s.A() + a],
                            query ? w.q_norm : w.k_norm, rows.position[m + i], query ? model.scale : 1.f,
                            query ? g.q_norm : g.k_norm);
        }
        if (g.qkv_bias)
          for (long j = 0; j < wide; j++) g.qkv_bias[j] += d[i * wide + j];
      }
      normalised(n, D, at.x + m * D, w.attention_norm, at.scale1 + m, tape.h);
      product(wide, D, n, d, 1, wide, tape.h, D, g.qkv, D, true);
      product(n, D, wide, d, wide, 1, w.qkv, D, dh.data(), D, false);
      normalise_back(n, D, dh.data(), at.x + m * D, w.attention_norm, at.scale1 + m, dx + m * D, g.attention_norm);
    }
  }
  for (long m = 0; m < M; m++) {
    float* g = grads.embed + rows.ids[m] * D;
    for (long i = 0; i < D; i += LANES) (Vec::loadu(g + i) + Vec::loadu(dx + m * D + i)).store(g + i);
  }
}

// --- sampling --------------------------------------------------------------------------------------------------------

// The rule of sample.choose: a token by inverse CDF in vocabulary order, in float64, and its log-probability.
struct Choice {
  double temperature, top_p;
  std::vector<double> mass;
  std::vector<long> order;

  Choice(long vocab, double temperature, double top_p)
      : temperature(temperature), top_p(top_p), mass(vocab), order(vocab) {}

  // False if a logit is NaN or infinite. `logits` is changed; it is padded with -inf.
  bool choose(float* logits, long padded, double uniform, int64_t& chosen, float& logp) {
    const long V = mass.size();
    const float divisor = temperature == 0 ? 1.f : float(temperature);
    for (long i = 0; i < padded; i += LANES) (Vec::loadu(logits + i) / Vec(divisor)).store(logits + i);
    copy.assign(logits, logits + padded);
    float sum;
    const float log_sum = exponentials(padded, copy.data(), sum);
    if (!std::isfinite(log_sum)) return false;
    if (temperature == 0)
      chosen = std::max_element(logits, logits + V) - logits;
    else {
      using Wide = at::vec::Vectorized<double>;
      for (long i = 0; i < V; i++) mass[i] = logits[i] - log_sum;  // in float32, as torch subtracts
      for (long i = 0; i < V; i += Wide::size()) {
        const int count = std::min<long>(Wide::size(), V - i);
        Wide::loadu(mass.data() + i, count).exp().store(mass.data() + i, count);
      }
      if (top_p < 1) nucleus();
      chosen = invert(uniform);
    }
    logp = logits[chosen] - log_sum;
    return true;
  }

 private:
  std::vector<float> copy;

  // Zeros outside the smallest set of most probable tokens whose mass reaches top_p.
  void nucleus() {
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](long a, long b) { return mass[a] > mass[b]; });
    double before = 0;
    for (long i : order) {
      const double upto = before + mass[i];
      if (upto - mass[i] >= top_p) mass[i] = 0;
      before = upto;
    }
  }

  // The first token at which the cumulative mass exceeds uniform * total.
  long invert(double uniform) {
    double sum = 0;
    for (double& each : mass) each = sum += each;
    const double goal = uniform * sum;
    return std::upper_bound(mass.begin(), mass.end(), goal) - mass.begin();
  }
};

// Rows that grow by a token at a time. Keys and values of a prompt are kept once for all rows that begin with it, and
// those of a row's own tokens in a place of its own, which nothing ever moves: a row that has ended is skipped.
struct Decoder {
  const Model& model;
  const Sizes& s;
  long rows, tokens, room;                 // tokens of all prompts, each in whole vectors; of a row's own, likewise
  std::vector<long> size, place;           // of each prompt, its tokens and where they begin
  // By layer, then prompt or row, then head; keys in tiles. Not cleared first: nothing is read before it is written but
  // what lies in a row's last tile beyond its last key, and scores of that are thrown away.
  std::unique_ptr<float[]> prompt_k, prompt_v, own_k, own_v;

  Decoder(const Model& model, long rows, long most, const std::vector<long>& size)
      : model(model), s(model.s), rows(rows), tokens(0), room(rounded(most)), size(size) {
    for (long n : size) place.push_back(tokens), tokens += rounded(n);
    const size_t each = s.layers * s.kv_heads * s.head_width;
    for (auto* store : {&prompt_k, &prompt_v}) store->reset(new float[each * tokens]);
    for (auto* store : {&own_k, &own_v}) store->reset(new float[each * rows * room]);
  }

  size_t of_prompt(long l, long u, long k) const {
    return ((l * tokens + place[u]) * s.kv_heads + k * rounded(size[u])) * s.head_width;
  }
  size_t of_row(long l, long b, long k) const { return ((l * rows + b) * s.kv_heads + k) * room * s.head_width; }

  // Keep what a forward pass over prompts first, first + 1, ... found in layer l.
  void keep(long l, long first, const Rows& read, const Tape::One& at) {
    const long W = s.head_width, turned_row = s.A() * W;
    for (long r = 0; r < read.count; r++)
      for (long k = 0; k < s.kv_heads; k++) {
        const size_t where = of_prompt(l, first + r, k);
        tile(size[first + r], W, at.turned + read.start[r] * turned_row + (s.heads + k) * W, turned_row,
             prompt_k.get() + where);
        for (long t = 0; t < size[first + r]; t++)
          std::memcpy(prompt_v.get() + where + t * W,
                      at.qkv + (read.start[r] + t) * s.rows() + (s.A() + k) * W, W * sizeof(float));
      }
  }

  struct Scratch {
    std::vector<float> x, h, scale, qkv, query, y, gate_up, act, s;
    Scratch(const Sizes& z, long rows, long keys)
        : x(rows * z.width), h(rows * z.width), scale(rows), qkv(rows * z.rows()), query(rows * z.E()),
          y(rows * z.E()), gate_up(TILE * 2 * z.hidden), act(TILE * z.hidden), s(ROWS * keys) {}
  };

  // One more token for each of the rows `alive`, the t-th of its own; logits of the next are left in `logits`. Rows of
  // a prompt are neighbours in `alive`.
  void step(const std::vector<long>& alive, const std::vector<long>& group, const std::vector<int64_t>& ids, long t,
            Scratch& with, float* logits) {
    const long D = s.width, E = s.E(), W = s.head_width, wide = s.rows(), n = alive.size();
    const long ratio = s.heads / s.kv_heads;
    for (long a = 0; a < n; a++) std::memcpy(with.x.data() + a * D, model.w.embed + ids[a] * D, D * sizeof(float));
    for (long l = 0; l < s.layers; l++) {
      const Layer& w = model.w.layers[l];
      for (long m = 0; m < n; m += TILE)
        model.project(l, std::min(TILE, n - m), with.x.data() + m * D, with.h.data() + m * D, with.scale.data(),
                      with.qkv.data() + m * wide);
      for (long a = 0; a < n; a++) {
        const float* qkv = with.qkv.data() + a * wide;
        const long position = size[group[alive[a]]] + t;
        for (long h = 0; h < s.heads; h++)  // by key head, then row: what one prompt's keys meet lies together
          model.rotate(qkv + h * W, w.q_norm, position, model.scale,
                       with.query.data() + ((h / ratio * n + a) * ratio + h % ratio) * W);
        for (long k = 0; k < s.kv_heads; k++) {
          float key[128];
          model.rotate(qkv + (s.heads + k) * W, w.k_norm, position, 1.f, key);
          const size_t where = of_row(l, alive[a], k);
          float* tile = own_k.get() + where + t / LANES * W * LANES + t % LANES;
          for (long i = 0; i < W; i++) tile[i * LANES] = key[i];
          std::memcpy(own_v.get() + where + t * W, qkv + (s.A() + k) * W, W * sizeof(float));
        }
      }
      for (long from = 0, to = 0; from < n; from = to) {
        while (to < n && group[alive[to]] == group[alive[from]]) to++;
        for (long k = 0; k < s.kv_heads; k++) attend(l, k, from, to, alive, group[alive[from]], t, with);
      }
      for (long m = 0; m < n; m += TILE)
        model.finish(l, std::min(TILE, n - m), with.x.data() + m * D, with.y.data() + m * E, with.x.data() + m * D,
                     with.scale.data(), with.gate_up.data(), with.x.data() + m * D, with.h.data() + m * D,
                     with.act.data());
    }
    model.predict(n, with.x.data(), with.h.data(), with.scale.data(), logits);
  }

 private:
  // Of the rows alive[from..to), which have one prompt, the queries of key head k: over the prompt together, over each
  // row's own t + 1 tokens one by one; one softmax runs over both.
  void attend(long l, long k, long from, long to, const std::vector<long>& alive, long u, long t, Scratch& with) {
    const long W = s.head_width, ratio = s.heads / s.kv_heads, n = alive.size(), E = s.E();
    const long P = size[u], own = t + 1, before = rounded(P), s_row = before + rounded(own);
    const float *pk = prompt_k.get() + of_prompt(l, u, k), *pv = prompt_v.get() + of_prompt(l, u, k);
    const float* query = with.query.data() + (k * n + from) * ratio * W;
    for (long i = 0; i < (to - from) * ratio; i += ROWS) {
      const long some = std::min(ROWS, (to - from) * ratio - i);
      scores(some, P, W, query + i * W, W, pk, with.s.data(), s_row);
      float sum[ROWS], y[ROWS * 128];
      for (long r = 0; r < some; r++) {
        float* line = with.s.data() + r * s_row;
        const size_t where = of_row(l, alive[from + (i + r) / ratio], k);
        scores(1, own, W, query + (i + r) * W, W, own_k.get() + where, line + before, s_row);
        std::fill(line + P, line + before, NEVER);
        std::fill(line + before + own, line + s_row, NEVER);
        exponentials(s_row, line, sum[r]);
      }
      if (some == 1) {
        std::fill(y, y + W, 0.f);
        gather(P, W, with.s.data(), pv, W, y);
      } else
        product(some, W, P, with.s.data(), s_row, 1, pv, W, y, W, false);
      for (long r = 0; r < some; r++) {
        const long row = from + (i + r) / ratio, h = k * ratio + (i + r) % ratio;
        gather(own, W, with.s.data() + r * s_row + before, own_v.get() + of_row(l, alive[row], k), W, y + r * W);
        for (long w = 0; w < W; w += LANES)
          (Vec::loadu(y + r * W + w) * Vec(1.f / sum[r])).store(with.y.data() + row * E + h * W + w);
      }
    }
  }
};

}  // namespace

// --- what Python calls -----------------------------------------------------------------------------------------------

extern "C" {

// Floats that a call over M tokens needs, of which N are chosen, in rows of at most `longest` tokens.
int64_t native_room(const Sizes* s, int64_t M, int64_t N, int64_t longest, int keep) {
  Room room{nullptr};
  Turned turned(*s, nullptr, room);
  Tape tape(*s, M, N, longest, keep, room);
  return room.used;
}

// logp[n]: the log-probability of targets[n] after token index[n]. With `keep`, `memory` holds what native_backward
// needs.
void native_forward(const Sizes* s, float* const* weights, const float* angles, int64_t count, const int64_t* start,
                    const int64_t* ids, int64_t chosen, const int64_t* index, const int64_t* targets,
                    double temperature, int keep, float* memory, float* logp) {
  Room room{memory};
  const Model model(*s, weights, angles, room);
  const Rows rows(count, start, ids, chosen, index);
  Tape tape(*s, rows.tokens, chosen, rows.longest, keep, room);
  forward(model, rows, tape, keep, [](long) {});
  model.predict(chosen, tape.x, tape.h, tape.scale, tape.logits);
  std::vector<float> line(s->padded());
  for (long n = 0; n < chosen; n++) {
    float *logits = tape.logits + n * s->padded(), sum;
    for (long i = 0; i < s->padded(); i += LANES) (Vec::loadu(logits + i) / Vec(float(temperature))).store(logits + i);
    std::copy(logits, logits + s->padded(), line.begin());
    tape.log_sum[n] = exponentials(s->padded(), line.data(), sum);
    logp[n] = logits[targets[n]] - tape.log_sum[n];
  }
}

// Adds to `grads`, which lie as `weights` do, the gradients of the sum of slope[n] * logp[n]. `memory` keeps what it
// held of the forward pass, so that a second call finds the same.
void native_backward(const Sizes* s, float* const* weights, const float* angles, int64_t count, const int64_t* start,
                     const int64_t* ids, int64_t chosen, const int64_t* index, const int64_t* targets,
                     double temperature, float* memory, const float* slope, float* const* grads) {
  Room room{memory};
  const Model model(*s, weights, angles, room, false);
  const Rows rows(count, start, ids, chosen, index);
  Tape tape(*s, rows.tokens, chosen, rows.longest, true, room);
  backward(model, Weights(*s, grads), rows, tape, targets, temperature, slope);
}

// optim.orthogonal for `count` matrices (R x C, R <= C, multiples of 16), in place. scratch: 2 R C + 2 R R floats.
void native_orthogonal(int64_t count, int64_t R, int64_t C, int64_t iterations, double a, double b, double c, float* x,
                       float* scratch) {
  float *turned = scratch, *next = turned + R * C, *gram = next + R * C, *mix = gram + R * R;
  for (; count-- > 0; x += R * C) {
    double squares = 0;
    for (long r = 0; r < R; r++) squares += dot(C, x + r * C, x + r * C);
    const float norm = std::max(float(std::sqrt(squares)), 1e-7f);
    for (long i = 0; i < R * C; i++) x[i] /= norm;
    for (long n = 0; n < iterations; n++) {  // x = a x + (b g + c g g) x, where g = x x^T
      transpose(R, C, x, turned, R);
      symmetric(R, C, x, turned, gram);
      symmetric(R, R, gram, gram, mix);
      for (long i = 0; i < R * R; i++) mix[i] = float(b) * gram[i] + float(c) * mix[i];
      for (long i = 0; i < R * C; i++) next[i] = float(a) * x[i];
      product(R, C, R, mix, R, 1, x, C, next, C, true);
      std::memcpy(x, next, R * C * sizeof(float));
    }
  }
}

// Continue `rows` prompts, which lie end to end (start, ids), by at most max_new tokens each, as sample.sample_piece
// does: out and logp are rows x max_new, and hold `pad` and 0 after a row's last token. uniforms[b * streams + t]
// chooses token t of row b. stop: the token that ends a row, or -1, and how many more it has. Returns 1 for logits that
// are not finite, otherwise 0.
int native_sample(const Sizes* s, float* const* weights, const float* angles, int64_t rows, const int64_t* start,
                  const int64_t* ids, const double* uniforms, int64_t streams, int64_t max_new, double temperature,
                  double top_p, int64_t stop, int64_t after, int64_t end, int64_t pad, int64_t* out, float* logp) {
  std::fill(out, out + rows * max_new, pad);
  std::fill(logp, logp + rows * max_new, 0.f);

  // Each distinct prompt once, and the rows in the order of their prompts, so that those of one are neighbours.
  std::map<std::vector<int64_t>, std::vector<long>> same;
  for (long b = 0; b < rows; b++) same[{ids + start[b], ids + start[b + 1]}].push_back(b);
  std::vector<long> group(rows), size, alive;
  std::vector<int64_t> read, begin{0}, last;
  for (const auto& [prompt, members] : same) {
    for (long b : members) group[b] = size.size(), alive.push_back(b);
    size.push_back(prompt.size());
    read.insert(read.end(), prompt.begin(), prompt.end());
    begin.push_back(read.size());
  }

  Room count{nullptr};
  Turned(*s, nullptr, count);
  std::unique_ptr<float[]> packed(new float[count.used]);
  Room room{packed.get()};
  const Model model(*s, weights, angles, room);
  Decoder decoder(model, rows, max_new, size);
  const long padded = s->padded(), prompts = size.size();
  std::vector<float> first(prompts * padded), logits(rows * padded);
  for (long u = 0, to = 0; u < prompts; u = to) {  // read the prompts, some at a time
    while (to < prompts && (to == u || begin[to + 1] - begin[u] <= PREFILL)) to++;
    std::vector<int64_t> where, ends;
    for (long v = u; v <= to; v++) where.push_back(begin[v] - begin[u]);
    for (long v = u; v < to; v++) ends.push_back(where[v - u + 1] - 1);
    const Rows some(to - u, where.data(), read.data() + begin[u], to - u, ends.data());
    Room need{nullptr};
    Tape(*s, some.tokens, some.chosen, some.longest, false, need);
    std::unique_ptr<float[]> memory(new float[need.used]);
    Room own{memory.get()};
    Tape tape(*s, some.tokens, some.chosen, some.longest, false, own);
    forward(model, some, tape, false, [&](long l) { decoder.keep(l, u, some, tape.layers[l]); });
    model.predict(some.chosen, tape.x, tape.h, tape.scale, first.data() + u * padded);
  }
  for (long a = 0; a < rows; a++)
    std::copy_n(first.data() + group[alive[a]] * padded, padded, logits.data() + a * padded);

  const long longest = *std::max_element(size.begin(), size.end());
  Decoder::Scratch with(*s, rows, rounded(longest) + rounded(max_new));
  Choice choice(s->vocab, temperature, top_p);
  std::vector<long> limit(rows, max_new);  // the position of each row's last token
  for (long t = 0;; t++) {
    std::vector<long> going;
    std::vector<int64_t> chosen;
    for (size_t a = 0; a < alive.size(); a++) {
      const long b = alive[a];
      int64_t token;
      if (!choice.choose(logits.data() + a * padded, padded, uniforms[b * streams + t], token, logp[b * max_new + t]))
        return 1;
      out[b * max_new + t] = token;
      if (token == stop) limit[b] = std::min(limit[b], t + long(after));
      if (token != end && t < limit[b]) going.push_back(b), chosen.push_back(token);
    }
    alive = going;
    if (alive.empty() || t + 1 == max_new) return 0;
    decoder.step(alive, group, chosen, t, with, logits.data());
  }
}
}
