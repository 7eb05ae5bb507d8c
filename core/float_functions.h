// SPDX-License-Identifier: MIT
// exp, log, log1p, tanh, erf and the normal distribution function of float32, without branches and calls: a loop over
// elements becomes vector instructions, several times faster than calls of the C library. Each is made of polynomials,
// after a step that makes the argument small where that is needed. Errors over all floats, in units in the last place:
// exp and log 1, log1p, tanh and erf 1.5. The normal distribution function is right to 1.5e-7, and its values on the
// left to 5e-6 of themselves. tests/core/elementwise_test.cpp checks these bounds. float64, and float32 on a GPU, go to
// the C library.
//
// The polynomials are the best in relative error, found by weighted least squares whose weights grow where the error is
// largest (Lawson's algorithm).
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "core/host_device.h"

namespace minima::core::scalar {

/// c[0] + c[1] x + c[2] x^2 + ...
template <int n>
[[gnu::always_inline]] constexpr float polynomial(const float (&c)[n], float x) {
  float sum = c[n - 1];
  for (int i = n - 2; i >= 0; --i) sum = sum * x + c[i];
  return sum;
}

MINIMA_HOST_DEVICE inline double exp(double x) { return std::exp(x); }
MINIMA_HOST_DEVICE inline double log(double x) { return std::log(x); }
MINIMA_HOST_DEVICE inline double log1p(double x) { return std::log1p(x); }
MINIMA_HOST_DEVICE inline double tanh(double x) { return std::tanh(x); }
MINIMA_HOST_DEVICE inline double erf(double x) { return std::erf(x); }
MINIMA_HOST_DEVICE inline double normal_distribution(double x) { return std::erfc(x * -0.70710678118654752440) / 2; }

#if defined(__CUDACC__)
inline namespace on_gpu {
MINIMA_HOST_DEVICE inline float exp(float x) { return ::expf(x); }
MINIMA_HOST_DEVICE inline float log(float x) { return ::logf(x); }
MINIMA_HOST_DEVICE inline float log1p(float x) { return ::log1pf(x); }
MINIMA_HOST_DEVICE inline float tanh(float x) { return ::tanhf(x); }
MINIMA_HOST_DEVICE inline float erf(float x) { return ::erff(x); }
MINIMA_HOST_DEVICE inline float normal_distribution(float x) { return ::normcdff(x); }
}  // namespace on_gpu
#else

/// e^x = 2^n e^r, with r of at most log(2) / 2.
[[gnu::always_inline]] inline float exp(float given) {
  constexpr float rounds = 0x1.8p23f;  // in a sum with this, a float has no digits after the point
  constexpr float ln2_high = 0x1.62ep-1f, ln2_low = 0x1.0bfbe8p-15f;  // n * ln2_high is exact
  constexpr float c[] = {0.49999994f, 0.1666652f, 0.041668393f, 0.008368781f, 0.0013814467f};
  // Into -104 .. 89, as whole numbers: among selects of float constants, GCC finds branches, and makes no vectors.
  const uint32_t above = std::min(std::bit_cast<uint32_t>(given), std::bit_cast<uint32_t>(-104.f));
  const int32_t bits = std::min(static_cast<int32_t>(above), std::bit_cast<int32_t>(89.f));
  const float x = std::bit_cast<float>(bits);
  const float shifted = x * 1.44269504f + rounds, n = shifted - rounds;
  const float r = x - n * ln2_high - n * ln2_low;
  const float power = 1 + (r + r * r * polynomial(c, r));
  // 2^n in two factors, so that neither overflows where the result does not
  const int32_t exponent = std::bit_cast<int32_t>(shifted) - std::bit_cast<int32_t>(rounds), half = exponent >> 1;
  const float y =
      power * std::bit_cast<float>((half + 127) << 23) * std::bit_cast<float>((exponent - half + 127) << 23);
  return given == given ? y : given;  // NaN
}

/// log(x) = n log(2) + log(1 + f), with 1 + f from sqrt(1/2) to sqrt(2).
[[gnu::always_inline]] inline float log(float x) {
  constexpr float ln2_high = 0x1.62ep-1f, ln2_low = 0x1.0bfbe8p-15f;
  constexpr float c[] = {0.33333313f,  -0.2500001f, 0.2000212f,    -0.16667996f, 0.14219552f,
                         -0.12405589f, 0.11888162f, -0.116756521f, 0.06746641f};
  constexpr uint32_t root = 0x3f3504f3;  // sqrt(1/2)
  const bool tiny = x < std::numeric_limits<float>::min();
  const uint32_t bits = std::bit_cast<uint32_t>(tiny ? x * 0x1p23f : x) - root;
  const float n = static_cast<float>((static_cast<int32_t>(bits) >> 23) - (tiny ? 23 : 0));
  const float f = std::bit_cast<float>((bits & 0x7fffff) + root) - 1;
  const float y = n * ln2_high + (f + (n * ln2_low + f * f * (f * polynomial(c, f) - 0.5f)));
  constexpr float infinity = std::numeric_limits<float>::infinity();
  const float outside = x == 0 ? -infinity : x == infinity ? infinity : std::numeric_limits<float>::quiet_NaN();
  return x > 0 && x < infinity ? y : outside;
}

/// log(1 + x): what 1 + x rounds away is added again.
[[gnu::always_inline]] inline float log1p(float x) {
  const float u = 1 + x, lost = x - (u - 1);
  const bool finite = u > 0 && u < std::numeric_limits<float>::infinity();
  return u == 1 ? x : log(u) + (finite ? lost / u : 0.f);
}

[[gnu::always_inline]] inline float tanh(float x) {
  constexpr float c[] = {-0.333333f, 0.13331924f, -0.05378383f, 0.02079597f, -0.0058951583f};
  const float size = std::abs(x), square = x * x;
  const float small = size + size * square * polynomial(c, square), large = 1 - 2 / (exp(2 * size) + 1);
  return std::copysign(size < 0.6f ? small : large, x);
}

/// Near 0 an odd polynomial; beyond, 1 - erf is e to a polynomial.
[[gnu::always_inline]] inline float erf(float x) {
  constexpr float near[] = {0.12837917f,  -0.37612635f,    0.11283715f,   -0.02686051f,
                            0.005203860f, -0.00081756449f, 8.5131251e-05f};
  constexpr float far[] = {0.00010452333f, 1.12806106f,   0.6365189f,     0.104525946f,
                           -0.022519061f,  0.0031178559f, -0.00020367691f};
  const float size = std::abs(x), square = x * x;
  const float small = size + size * polynomial(near, square);
  const float large = 1 - exp(-polynomial(far, size > 4 ? 4.f : size));
  return std::copysign(size < 0.875f ? small : large, x);
}

/// The share of the normal distribution below x. The share beyond |x| is the density times a smooth function of |x|
/// (Mills' ratio), here a quotient of polynomials. So small results keep their digits.
[[gnu::always_inline]] inline float normal_distribution(float x) {
  constexpr float above[] = {1.2533141f, 1.098644f, 0.45930353f, 0.10185279f, 0.010318116f};
  constexpr float below[] = {1, 1.6744761f, 1.202505f, 0.46947184f, 0.101859234f, 0.010317997f};
  const float size = std::abs(x) > 15 ? 15.f : std::abs(x);
  const float tail = 0.39894228f * exp(x * x / -2) * (polynomial(above, size) / polynomial(below, size));
  return x < 0 ? tail : 1 - tail;
}
#endif

}  // namespace minima::core::scalar
