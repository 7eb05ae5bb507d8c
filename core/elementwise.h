// Elementwise functions, each written once for CPU and GPU: the scalar formula, its op code, and the switch that
// leads from one to the other. A new function is three lines here, its derivative in autograd/ops.h and .cpp, and one
// row in the op table of tests/.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/host_device.h"

namespace minima {

/// Functions of one element. `a` and `b` are the op's parameters where it has any.
enum class UnaryOp : uint8_t {
  affine,  ///< a * x + b
  power,   ///< x ^ a
  abs,     ///< |x|
  sign,    ///< -1, 0 or 1
  exp,
  log,
  sqrt,
  sin,
  cos,
  tanh,
  sigmoid,   ///< 1 / (1 + exp(-x))
  softplus,  ///< log(1 + exp(x)), without overflow
  relu,      ///< max(x, 0)
  erf,
  gelu,  ///< x * (1 + erf(x / sqrt 2)) / 2
};

/// Functions of two elements; comparisons give 1 or 0 in the operands' dtype.
enum class BinaryOp : uint8_t {
  add,
  subtract,
  multiply,
  divide,
  maximum,
  minimum,
  greater,
  equal,
  where_positive,  ///< x where y > 0, else 0
};

namespace scalar {

using std::abs, std::cos, std::erf, std::exp, std::log, std::log1p, std::pow, std::sin, std::sqrt, std::tanh;

// clang-format off
template <class T> struct Affine { T a, b; MINIMA_HOST_DEVICE T operator()(T x) const { return a * x + b; } };
template <class T> struct Power { T a; MINIMA_HOST_DEVICE T operator()(T x) const { return a == T(2) ? x * x : pow(x, a); } };
template <class T> struct Abs { MINIMA_HOST_DEVICE T operator()(T x) const { return x < 0 ? -x : x; } };
template <class T> struct Sign { MINIMA_HOST_DEVICE T operator()(T x) const { return T(x > 0) - T(x < 0); } };
template <class T> struct Exp { MINIMA_HOST_DEVICE T operator()(T x) const { return exp(x); } };
template <class T> struct Log { MINIMA_HOST_DEVICE T operator()(T x) const { return log(x); } };
template <class T> struct Sqrt { MINIMA_HOST_DEVICE T operator()(T x) const { return sqrt(x); } };
template <class T> struct Sin { MINIMA_HOST_DEVICE T operator()(T x) const { return sin(x); } };
template <class T> struct Cos { MINIMA_HOST_DEVICE T operator()(T x) const { return cos(x); } };
template <class T> struct Tanh { MINIMA_HOST_DEVICE T operator()(T x) const { return tanh(x); } };
template <class T> struct Sigmoid { MINIMA_HOST_DEVICE T operator()(T x) const { return 1 / (1 + exp(-x)); } };
template <class T> struct Softplus { MINIMA_HOST_DEVICE T operator()(T x) const { return (x > 0 ? x : T(0)) + log1p(exp(x > 0 ? -x : x)); } };
template <class T> struct Relu { MINIMA_HOST_DEVICE T operator()(T x) const { return x < 0 ? T(0) : x; } };  // NaN stays NaN
template <class T> struct Erf { MINIMA_HOST_DEVICE T operator()(T x) const { return erf(x); } };
template <class T> struct Gelu { MINIMA_HOST_DEVICE T operator()(T x) const { return x * (1 + erf(x * T(0.70710678118654752440))) / 2; } };

template <class T> struct Add { MINIMA_HOST_DEVICE T operator()(T x, T y) const { return x + y; } };
template <class T> struct Subtract { MINIMA_HOST_DEVICE T operator()(T x, T y) const { return x - y; } };
template <class T> struct Multiply { MINIMA_HOST_DEVICE T operator()(T x, T y) const { return x * y; } };
template <class T> struct Divide { MINIMA_HOST_DEVICE T operator()(T x, T y) const { return x / y; } };
template <class T> struct Maximum { MINIMA_HOST_DEVICE T operator()(T x, T y) const { return x > y || x != x ? x : y; } };
template <class T> struct Minimum { MINIMA_HOST_DEVICE T operator()(T x, T y) const { return x < y || x != x ? x : y; } };
template <class T> struct Greater { MINIMA_HOST_DEVICE T operator()(T x, T y) const { return T(x > y); } };
template <class T> struct Equal { MINIMA_HOST_DEVICE T operator()(T x, T y) const { return T(x == y); } };
template <class T> struct WherePositive { MINIMA_HOST_DEVICE T operator()(T x, T y) const { return y > 0 ? x : T(0); } };
// clang-format on

}  // namespace scalar

/// Calls f with the scalar function of `op`.
template <class T, class F>
void visit(UnaryOp op, double a, double b, F&& f) {
  switch (op) {
    case UnaryOp::affine: return f(scalar::Affine<T>{T(a), T(b)});
    case UnaryOp::power: return f(scalar::Power<T>{T(a)});
    case UnaryOp::abs: return f(scalar::Abs<T>{});
    case UnaryOp::sign: return f(scalar::Sign<T>{});
    case UnaryOp::exp: return f(scalar::Exp<T>{});
    case UnaryOp::log: return f(scalar::Log<T>{});
    case UnaryOp::sqrt: return f(scalar::Sqrt<T>{});
    case UnaryOp::sin: return f(scalar::Sin<T>{});
    case UnaryOp::cos: return f(scalar::Cos<T>{});
    case UnaryOp::tanh: return f(scalar::Tanh<T>{});
    case UnaryOp::sigmoid: return f(scalar::Sigmoid<T>{});
    case UnaryOp::softplus: return f(scalar::Softplus<T>{});
    case UnaryOp::relu: return f(scalar::Relu<T>{});
    case UnaryOp::erf: return f(scalar::Erf<T>{});
    case UnaryOp::gelu: return f(scalar::Gelu<T>{});
  }
}

template <class T, class F>
void visit(BinaryOp op, F&& f) {
  switch (op) {
    case BinaryOp::add: return f(scalar::Add<T>{});
    case BinaryOp::subtract: return f(scalar::Subtract<T>{});
    case BinaryOp::multiply: return f(scalar::Multiply<T>{});
    case BinaryOp::divide: return f(scalar::Divide<T>{});
    case BinaryOp::maximum: return f(scalar::Maximum<T>{});
    case BinaryOp::minimum: return f(scalar::Minimum<T>{});
    case BinaryOp::greater: return f(scalar::Greater<T>{});
    case BinaryOp::equal: return f(scalar::Equal<T>{});
    case BinaryOp::where_positive: return f(scalar::WherePositive<T>{});
  }
}

}  // namespace minima
