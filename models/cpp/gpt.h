// Forward and backward passes over rows of tokens: what training is made of.
//
// A layer is done in three parts. Around attention, tokens are on their own and go through in tiles of TILE; attention
// goes row by row and head by head. Of the last layer only chosen tokens are asked for: their queries are laid side by
// side (at.query), and all that follows has N lines instead of M.

#pragma once

#include "attention.h"
#include "model.h"

namespace {

// The queries of one row in one layer: those of all its tokens, in the last layer those of its chosen ones.
struct Queries {
  long begin, tokens;       // where the row begins among all M tokens, and how many it has
  long first, count;        // where its queries begin among M or N, and how many there are
  const int64_t* position;  // of each in its row

  Queries(const Rows& rows, long r, bool last)
      : begin(rows.start[r]), tokens(rows.start[r + 1] - begin), first(last ? rows.first[r] : begin),
        count(last ? rows.first[r + 1] - first : tokens),
        position((last ? rows.asking : rows.position).data() + first) {}
};

// --- forward ---------------------------------------------------------------------------------------------------------

// Queries, keys and values of all tokens (at.qkv), and the first two normalised and rotated (at.turned).
void project_rows(const Model& model, long l, const Rows& rows, Tape& tape) {
  const Sizes& s = model.s;
  const Layer& w = model.w.layers[l];
  Tape::One& at = tape.layers[l];
  const long D = s.width, W = s.head_width, M = rows.tokens, wide = s.rows(), turned_row = s.A() * W;
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
}

// What the queries of all rows gather (at.y). Query heads of one key head share its keys.
void attend_rows(const Model& model, long l, const Rows& rows, Tape& tape) {
  const Sizes& s = model.s;
  Tape::One& at = tape.layers[l];
  const bool last = l + 1 == s.layers;
  const long E = s.E(), W = s.head_width, wide = s.rows(), turned_row = s.A() * W, ratio = s.heads / s.kv_heads;
  const float* q = last ? at.query : at.turned;
  const long q_row = last ? E : turned_row;
  for (long r = 0; r < rows.count; r++) {
    const Queries some(rows, r, last);
    if (!some.count) continue;
    for (long k = 0; k < s.kv_heads; k++) {
      tile(some.tokens, W, at.turned + some.begin * turned_row + (s.heads + k) * W, turned_row, tape.keys);
      const float* v = at.qkv + some.begin * wide + (s.A() + k) * W;
      for (long h = k * ratio; h < (k + 1) * ratio; h++)
        attend(some.count, some.position, W, q + some.first * q_row + h * W, q_row, tape.keys, v, wide, tape.s,
               rounded(rows.longest), at.y + some.first * E + h * W, E, at.sums + some.first * s.heads + h, s.heads);
    }
  }
}

// The residual stream of chosen tokens after the last layer, tape.x. seen(l) is told when layer l's keys (at.turned)
// and values (at.qkv) are there. With `keep`, the tape holds all that `backward` needs.
template <class Seen>
void forward(const Model& model, const Rows& rows, Tape& tape, bool keep, Seen seen) {
  const Sizes& s = model.s;
  const long D = s.width, E = s.E(), M = rows.tokens, N = rows.chosen, turned_row = s.A() * s.head_width;
  for (long m = 0; m < M; m++)
    std::memcpy(tape.layers[0].x + m * D, model.w.embed + rows.ids[m] * D, D * sizeof(float));
  for (long l = 0; l < s.layers; l++) {
    Tape::One& at = tape.layers[l];
    const bool last = l + 1 == s.layers;
    project_rows(model, l, rows, tape);
    seen(l);
    if (last)
      for (long n = 0; n < N; n++) {
        std::memcpy(at.query + n * E, at.turned + rows.index[n] * turned_row, E * sizeof(float));
        std::memcpy(at.mid + n * D, at.x + rows.index[n] * D, D * sizeof(float));
      }
    attend_rows(model, l, rows, tape);
    const long Q = last ? N : M;
    const float* x = last ? at.mid : at.x;
    float* next = last ? tape.x : tape.layers[l + 1].x;
    for (long m = 0; m < Q; m += TILE)
      model.finish(l, std::min(TILE, Q - m), x + m * D, at.y + m * E, at.mid + m * D, at.scale2 + m,
                   at.gate_up + (keep ? m * 2 * s.hidden : 0), next + m * D, tape.h, tape.act);
  }
}

// --- backward --------------------------------------------------------------------------------------------------------

// What the parts of the backward pass share. dx (M x D) is the gradient of the residual stream: after the head that of
// N chosen tokens after the last layer, and from then on taken back layer by layer.
struct Back {
  const Model& model;
  const Weights& grads;  // are added to
  const Rows& rows;
  Tape& tape;
  const Sizes& s = model.s;
  const long D = s.width, E = s.E(), W = s.head_width, F = s.hidden, M = rows.tokens, N = rows.chosen;
  const long wide = s.rows();
  float* const dx = tape.dx;
  std::vector<float> dh = std::vector<float>(TILE * std::max(D, E));

  // Through the head and the last norm. The gradient of logp to the logits is what is not predicted: one at the target,
  // minus the probability of each token.
  void head(const int64_t* targets, double temperature, const float* slope) {
    const long V = s.vocab, padded = s.padded();
    std::vector<float> dlogits(TILE * padded);
    std::fill(dx, dx + N * D, 0.f);
    for (long m = 0; m < N; m += TILE) {
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
  }

  // Through the feed-forward, and to what attention gathered (tape.dy), for Q tokens.
  void finish(long l, long Q) {
    const Layer &w = model.w.layers[l], &g = grads.layers[l];
    const Tape::One& at = tape.layers[l];
    for (long m = 0; m < Q; m += TILE) {
      const long n = std::min(TILE, Q - m);
      float* d = dx + m * D;
      product(n, F, D, d, D, 1, w.down, F, tape.dact, F, false);
      for (long i = 0; i < n; i++)
        swiglu_back(F, tape.dact + i * F, at.gate_up + (m + i) * 2 * F, tape.act + i * F, tape.dgate_up + i * 2 * F);
      product(D, F, n, d, 1, D, tape.act, F, g.down, F, true);
      normalised(n, D, at.mid + m * D, w.mlp_norm, at.scale2 + m, tape.h);
      product(2 * F, D, n, tape.dgate_up, 1, 2 * F, tape.h, D, g.gate_up, D, true);
      product(n, D, 2 * F, tape.dgate_up, 2 * F, 1, w.gate_up, D, dh.data(), D, false);
      normalise_back(n, D, dh.data(), at.mid + m * D, w.mlp_norm, at.scale2 + m, d, g.mlp_norm);
      product(D, E, n, d, 1, D, at.y + m * E, E, g.out, E, true);
      product(n, E, D, d, D, 1, w.out, E, tape.dy + m * E, E, false);
    }
  }

  // dx of the N chosen tokens becomes dx of all M, zero where none is chosen: in place, and so from the last to the
  // first, as they move to places further on.
  void spread() {
    long m = M;
    for (long n = N; n-- > 0;) {
      for (; m > rows.index[n] + 1; m--) std::fill(dx + (m - 1) * D, dx + m * D, 0.f);
      std::memmove(dx + --m * D, dx + n * D, D * sizeof(float));
    }
    std::fill(dx, dx + m * D, 0.f);
  }

  // Through attention, to rotated queries and keys and to values (tape.dqkv).
  void attend_rows(long l, bool last) {
    const Tape::One& at = tape.layers[l];
    const long turned_row = s.A() * W, ratio = s.heads / s.kv_heads;
    const float* q = last ? at.query : at.turned;
    float* dq = last ? tape.dquery : tape.dqkv;
    const long q_row = last ? E : turned_row, dq_row = last ? E : wide;
    std::fill(tape.dqkv, tape.dqkv + M * wide, 0.f);
    for (long r = 0; r < rows.count; r++) {
      const Queries some(rows, r, last);
      if (!some.count) continue;
      float* d = tape.dqkv + some.begin * wide;
      for (long k = 0; k < s.kv_heads; k++) {
        const float* key = at.turned + some.begin * turned_row + (s.heads + k) * W;
        tile(some.tokens, W, key, turned_row, tape.keys);
        tile(some.tokens, W, at.qkv + some.begin * wide + (s.A() + k) * W, wide, tape.values);
        for (long h = k * ratio; h < (k + 1) * ratio; h++)
          attend_back(some.count, some.position, W, q + some.first * q_row + h * W, q_row, key, turned_row, tape.keys,
                      tape.values, at.y + some.first * E + h * W, tape.dy + some.first * E + h * W, E,
                      at.sums + some.first * s.heads + h, s.heads, tape.s, tape.ds, rounded(rows.longest),
                      dq + some.first * dq_row + h * W, dq_row, d + (s.heads + k) * W, d + (s.A() + k) * W, wide);
      }
    }
    if (last)
      for (long n = 0; n < N; n++)
        std::memcpy(tape.dqkv + rows.index[n] * wide, tape.dquery + n * E, E * sizeof(float));
  }

  // Through the rotation and the projection, to the residual stream before the layer.
  void project_rows(long l) {
    const Layer &w = model.w.layers[l], &g = grads.layers[l];
    const Tape::One& at = tape.layers[l];
    for (long m = 0; m < M; m += TILE) {
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

  void embeddings() {
    for (long m = 0; m < M; m++) {
      float* g = grads.embed + rows.ids[m] * D;
      for (long i = 0; i < D; i += LANES) (Vec::loadu(g + i) + Vec::loadu(dx + m * D + i)).store(g + i);
    }
  }
};

// Adds to `grads` the gradients of the sum of slope * logp over the chosen tokens, from what `forward` left behind.
void backward(const Model& model, const Weights& grads, const Rows& rows, Tape& tape, const int64_t* targets,
              double temperature, const float* slope) {
  Back back{model, grads, rows, tape};
  back.head(targets, temperature, slope);
  for (long l = model.s.layers - 1; l >= 0; l--) {
    const bool last = l + 1 == model.s.layers;
    back.finish(l, last ? rows.chosen : rows.tokens);
    if (last) back.spread();
    back.attend_rows(l, last);
    back.project_rows(l);
  }
  back.embeddings();
}

}  // namespace
