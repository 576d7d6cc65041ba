// Forward and backward passes over rows of tokens: what training is made of.

#pragma once

#include "attention.h"
#include "model.h"

namespace {

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

}  // namespace
