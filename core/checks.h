// SPDX-License-Identifier: MIT
// What the operations of core/ops.h ask of their operands. Internal to ops*.cpp, here and in autograd/.
#pragma once

#include <algorithm>

#include "core/tensor.h"

#pragma GCC visibility push(hidden)  // not public: docs/house.md
namespace minima::core {

inline void require_defined(const char* op, const Tensor& x) {
  if (!x.defined()) fail(op, "an undefined tensor", "a tensor");
}

inline void require_floating(const char* op, const Tensor& x) {
  require_defined(op, x);
  if (!is_floating(x.dtype()))
    fail(op, text("dtype ", name_of(x.dtype())), "float32 or float64", "Convert with tensor.to(DType::float32).");
}

inline void require_same_device(const char* op, const Tensor& x, const Tensor& y) {
  if (x.device() != y.device())
    fail(op, text("devices ", name_of(x.device()), " and ", name_of(y.device())), "operands on one device",
         "Move one side with tensor.to(device).");
}

/// One dtype and one device.
inline void require_same_type(const char* op, const Tensor& x, const Tensor& y) {
  if (x.dtype() != y.dtype())
    fail(op, text("dtypes ", name_of(x.dtype()), " and ", name_of(y.dtype())), "operands of one dtype",
         "Convert one side with tensor.to(dtype).");
  require_same_device(op, x, y);
}

/// y has x's dtype, device and shape; `what` is its name in messages.
inline void require_like(const char* op, const char* what, const Tensor& y, const Tensor& x) {
  require_defined(op, y);
  require_same_type(op, x, y);
  if (y.shape() != x.shape()) fail(op, text(what, " ", y.shape()), text(x.shape()));
}

/// A bias of n numbers of x's type, or none.
inline void require_bias(const char* op, const Tensor& bias, int64_t n, const Tensor& x) {
  if (!bias.defined()) return;
  require_same_type(op, x, bias);
  if (bias.shape() != Shape{n}) fail(op, text("bias ", bias.shape()), text(Shape{n}));
}

/// x [..., n] as rows [all the others, n].
inline Tensor as_rows(const char* op, const Tensor& x) {
  require_floating(op, x);
  if (x.rank() == 0) fail(op, "a scalar", "at least one axis");
  return x.reshape({x.numel() / std::max<int64_t>(1, x.size(-1)), x.size(-1)});
}

inline Shape channels_of(const char* op, const Tensor& x) {
  require_floating(op, x);
  if (x.rank() < 2) fail(op, text("x of shape ", x.shape()), "[batch, ..., channels]");
  return {x.size(-1)};
}

inline void require_per_channel(const char* op, const char* what, const Tensor& coefficient, const Tensor& x) {
  require_defined(op, coefficient);
  if (coefficient.shape() != Shape{x.size(-1)})
    fail(op, text(what, " ", coefficient.shape(), " for x ", x.shape()),
         text(Shape{x.size(-1)}, ", a number for each channel of x"));
  require_same_device(op, x, coefficient);
}

/// What normalisation asks for: a weight and a bias for each channel of x, and an epsilon that is not negative.
inline void require_affine(const char* op, const Tensor& weight, const Tensor& bias, double epsilon, const Tensor& x) {
  if (!(epsilon >= 0)) fail(op, text("epsilon ", epsilon), "a number >= 0");
  channels_of(op, x);
  require_per_channel(op, "weight", weight, x);
  require_per_channel(op, "bias", bias, x);
  require_same_type(op, x, weight);
  require_same_type(op, x, bias);
}

/// Where an op writes its result: `into` if the caller gave one, else new memory.
inline Tensor result_memory(const char* op, Tensor into, const Shape& shape, const Tensor& like) {
  if (!into.defined()) return Tensor::empty(shape, like.dtype(), like.device());
  require_same_type(op, into, like);
  if (into.shape() != shape) fail(op, text("a result of shape ", shape), text("one that fits into ", into.shape()));
  into.bump_version();
  return into;
}

}  // namespace minima::core
#pragma GCC visibility pop
