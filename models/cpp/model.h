// The weights of the small GPT, the memory of a pass over rows of tokens, and the steps of a layer around attention.

#pragma once

#include <cstring>
#include <vector>

#include "rows.h"

namespace {

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

}  // namespace
