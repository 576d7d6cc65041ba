// Sums and functions of one row of numbers: softmax, RMSNorm, SwiGLU, and their gradients.

#pragma once

#include <cmath>

#include "products.h"

namespace {

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

// Gradients of `swiglu` for one token: dgate_up from dact; act is made again, as that costs less than keeping it.
void swiglu_back(long hidden, const float* dact, const float* gate_up, float* act, float* dgate_up) {
  for (long f = 0; f < hidden; f += LANES) {
    const Vec gate = Vec::loadu(gate_up + f), up = Vec::loadu(gate_up + hidden + f), da = Vec::loadu(dact + f);
    const Vec share = sigmoid(gate), silu = gate * share;
    (silu * up).store(act + f);
    (da * silu).store(dgate_up + hidden + f);
    (da * up * share * (Vec(1.f) + gate - silu)).store(dgate_up + f);
  }
}

}  // namespace
