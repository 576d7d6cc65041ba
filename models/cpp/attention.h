// Causal attention of one head over one row of tokens, and its gradients.

#pragma once

#include <cstdint>

#include "rows.h"

namespace {

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

}  // namespace
