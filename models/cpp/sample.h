// Sampling: rows that grow by a token at a time, and the choice of each token.

#pragma once

#include <memory>
#include <numeric>

#include "attention.h"
#include "model.h"

namespace {

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
