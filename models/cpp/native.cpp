// The small GPT of gpt.py on one CPU core, in float32, without Python between its operations: training and sampling.
//
// models/native.py compiles this file and calls its functions; gpt.py and sample.py say the same in
// torch, and are what the tests hold it against.
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

//
// To be read in this order: products.h and rows.h (arithmetic), model.h (weights and memory), attention.h, gpt.h
// (training), sample.h (sampling), and this file (what Python calls).

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "gpt.h"
#include "sample.h"

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
