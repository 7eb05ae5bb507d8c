// SPDX-License-Identifier: MIT
// Functions of one element and of two, each written once for CPU and GPU: a line of the tables below gives the op code,
// the name in messages and the formula. The rest of the file is made from the tables: nothing else lists the functions.
// exp, log, log1p, tanh, erf and normal_distribution are those of float_functions.h.
// Not here: the loops over elements (cpu/elementwise.cpp), derivatives (autograd/ops_elementwise.cpp).
#pragma once

#include <cmath>
#include <cstdint>

#include "core/float_functions.h"
#include "core/host_device.h"

namespace minima::core {

// clang-format off

/// f(name, formula): functions of x. T is x's type; a and b are the op's parameters where it has any.
#define MINIMA_UNARY_FUNCTIONS(f)                                                                                      \
  f(affine,   a * x + b)                                                                                               \
  f(power,    a == T(2) ? x * x : pow(x, a))                                                                           \
  f(abs,      abs(x))                                                                                                  \
  f(sign,     T(x > 0) - T(x < 0))                                                                                     \
  f(exp,      exp(x))                                                                                                  \
  f(log,      log(x))                                                                                                  \
  f(log1p,    log1p(x))                                                                /* log(1 + x), exact near 0 */  \
  f(sqrt,     sqrt(x))                                                                                                 \
  f(sin,      sin(x))                                                                                                  \
  f(cos,      cos(x))                                                                                                  \
  f(tanh,     tanh(x))                                                                                                 \
  f(sigmoid,  1 / (1 + exp(-x)))                                                                                       \
  f(softplus, softplus(x))                                                                          /* log(1 + e^x) */ \
  f(relu,     x < 0 ? T(0) : x)                                                                     /* NaN stays NaN */\
  f(erf,      erf(x))                                                                                                  \
  f(reciprocal_above, x > a ? 1 / x : T(0))                                                /* 1 / x, and 0 up to a */ \
  f(gelu,     x < -100 ? T(0) : x * normal_distribution(x))                                 /* 0 at -infinity too */ \
  f(gelu_slope, gelu_slope(x))

/// f(name, formula): functions of x and y. Comparisons give 1 or 0 in the operands' type.
#define MINIMA_BINARY_FUNCTIONS(f)                                                                                     \
  f(add,            x + y)                                                                                             \
  f(subtract,       x - y)                                                                                             \
  f(multiply,       x * y)                                                                                             \
  f(divide,         x / y)                                                                                             \
  f(maximum,        x > y || x != x ? x : y)                                                                           \
  f(minimum,        x < y || x != x ? x : y)                                                                           \
  f(greater,        T(x > y))                                                                                          \
  f(equal,          T(x == y))                                                                                         \
  f(where_positive, y > 0 ? x : T(0))                                                                                  \
  f(chain_multiply, x == 0 ? T(0) : x * y)             /* a gradient x times a slope y, which may be infinite */       \
  f(chain_divide,   x == 0 ? T(0) : x / y)                                                                             \
  f(bilinear,       x * y != x * y && x == x && y == y ? T(0) : x * y)        /* x y, where 0 times infinity is 0 */   \
  f(binary_cross_entropy, (y == 0 ? T(0) : y * softplus(-x)) + (y == 1 ? T(0) : (1 - y) * softplus(x)))

// clang-format on

#define MINIMA_CODE(name, formula) name,
enum class UnaryOp : uint8_t { MINIMA_UNARY_FUNCTIONS(MINIMA_CODE) };
enum class BinaryOp : uint8_t { MINIMA_BINARY_FUNCTIONS(MINIMA_CODE) };
#undef MINIMA_CODE

/// "exp", for messages.
#define MINIMA_NAME(name, formula) #name,
constexpr const char* name_of(UnaryOp op) {
  constexpr const char* names[] = {MINIMA_UNARY_FUNCTIONS(MINIMA_NAME)};
  return names[static_cast<int>(op)];
}
constexpr const char* name_of(BinaryOp op) {
  constexpr const char* names[] = {MINIMA_BINARY_FUNCTIONS(MINIMA_NAME)};
  return names[static_cast<int>(op)];
}
#undef MINIMA_NAME

namespace scalar {

using std::abs, std::cos, std::pow, std::sin, std::sqrt;

#if defined(__CUDACC__)
inline namespace on_gpu {  // other functions than the CPU's, so under another name to the linker
#endif

/// log(1 + exp(x)), without overflow.
template <class T>
[[gnu::always_inline]] MINIMA_HOST_DEVICE inline T softplus(T x) {
  return (x > 0 ? x : T(0)) + log1p(exp(-abs(x)));
}

/// The derivative of gelu: the normal distribution function plus x times its density. Beyond 40 the density is 0; at
/// infinity the product would be 0 * infinity.
template <class T>
[[gnu::always_inline]] MINIMA_HOST_DEVICE inline T gelu_slope(T x) {
  const T density = exp(x * x / -2) * T(0.39894228040143267794);  // 1 / sqrt(2 pi)
  return normal_distribution(x) + (abs(x) > 40 ? T(0) : x * density);
}

/// The function of an op code, as a type that a kernel is compiled for: Unary<UnaryOp::exp, float>.
template <UnaryOp op, class T>
struct Unary;
template <BinaryOp op, class T>
struct Binary;

#define MINIMA_FUNCTION(name, formula)                             \
  template <class T>                                               \
  struct Unary<UnaryOp::name, T> {                                 \
    T a, b;                                                        \
    MINIMA_HOST_DEVICE T operator()(T x) const { return formula; } \
  };
MINIMA_UNARY_FUNCTIONS(MINIMA_FUNCTION)
#undef MINIMA_FUNCTION

#define MINIMA_FUNCTION(name, formula)                                  \
  template <class T>                                                    \
  struct Binary<BinaryOp::name, T> {                                    \
    MINIMA_HOST_DEVICE T operator()(T x, T y) const { return formula; } \
  };
MINIMA_BINARY_FUNCTIONS(MINIMA_FUNCTION)
#undef MINIMA_FUNCTION

#if defined(__CUDACC__)
}  // namespace on_gpu
#endif
}  // namespace scalar

/// Calls f with the scalar function of `op`: the one step from a code known at run time to a type.
#define MINIMA_CASE(name, formula) \
  case UnaryOp::name: return f(scalar::Unary<UnaryOp::name, T>{T(a), T(b)});
template <class T, class F>
void visit(UnaryOp op, double a, double b, F&& f) {
  switch (op) { MINIMA_UNARY_FUNCTIONS(MINIMA_CASE) }
}
#undef MINIMA_CASE

#define MINIMA_CASE(name, formula) \
  case BinaryOp::name: return f(scalar::Binary<BinaryOp::name, T>{});
template <class T, class F>
void visit(BinaryOp op, F&& f) {
  switch (op) { MINIMA_BINARY_FUNCTIONS(MINIMA_CASE) }
}
#undef MINIMA_CASE

#undef MINIMA_UNARY_FUNCTIONS
#undef MINIMA_BINARY_FUNCTIONS

}  // namespace minima::core
