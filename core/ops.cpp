// SPDX-License-Identifier: MIT
// Elementwise operations, reductions and movement.
#include "core/ops.h"

#include <algorithm>

#include "core/checks.h"

namespace minima::core {
namespace {
void require_alike(const char* op, const Tensor& x, const Tensor& y) {
  require_floating(op, x);
  require_defined(op, y);
  require_same_type(op, x, y);
}

// A whole row-major tensor.
Block row_major(const Shape& shape) {
  Block block;
  row_major_strides(shape, block.strides);
  return block;
}

// Axis `axis` of x as the middle one of [outer, extent, inner].
Fold fold_axis(const Shape& shape, int axis) {
  Fold fold;
  for (int i = 0; i < axis; ++i) fold.outer *= shape[i];
  fold.folded = shape[axis];
  for (int i = axis + 1; i < shape.rank(); ++i) fold.inner *= shape[i];
  return fold;
}

// Where a target is no probability, the binary cross entropy can fall without bound. On a GPU nobody looks: a step
// would have to wait for it.
void require_probabilities(const char* op, const Tensor& targets) {
  if (targets.device() != Device::cpu) return;
  dispatch_floating(op, targets.dtype(), [&](auto zero) {
    const auto* t = reinterpret_cast<const decltype(zero)*>(targets.raw());
    for (int64_t i = 0; i < targets.numel(); ++i)
      if (!(t[i] >= 0 && t[i] <= 1)) fail(op, text("target ", t[i], " at position ", i), "a number from 0 to 1");
  });
}

// Indices as int64 where x is. On the CPU each is checked to lie in [0, rows); on the GPU the kernel looks, so that
// nobody waits, and the next read from the device throws.
Tensor checked_indices(const char* op, const Tensor& x, const Tensor& indices, int64_t rows) {
  require_defined(op, indices);
  if (indices.dtype() != DType::int64 && indices.dtype() != DType::int32)
    fail(op, text("indices of dtype ", name_of(indices.dtype())), "int32 or int64");
  const Tensor wide = indices.to(DType::int64);
  if (wide.device() != Device::cpu) {
    require_same_device(op, x, wide);
    return wide;
  }
  const int64_t* values = wide.data<int64_t>();
  for (int64_t i = 0; i < wide.numel(); ++i)
    if (values[i] < 0 || values[i] >= rows)
      fail(op, text("index ", values[i], " at position ", i), text("an index in [0, ", rows, ")"));
  return wide.to(x.device());
}
}  // namespace

Tensor unary(UnaryOp op, const Tensor& x, double a, double b) {
  require_floating(name_of(op), x);
  Tensor out = x.empty_like();
  backend(x.device()).unary(op, a, b, x, out);
  return out;
}

Tensor binary(BinaryOp op, const Tensor& x, const Tensor& y) {
  require_alike(name_of(op), x, y);
  const Shape shape = broadcast_shapes(name_of(op), x.shape(), y.shape());
  if (op == BinaryOp::binary_cross_entropy) require_probabilities(name_of(op), y);
  Tensor out = Tensor::empty(shape, x.dtype(), x.device());
  backend(x.device()).binary(op, plan_broadcast(shape, x.shape(), y.shape()), x, y, out);
  return out;
}

void add_scaled(Tensor& y, double alpha, const Tensor& x) { add_scaled(y, alpha, Tensor(), x); }

void add_scaled(Tensor& y, double alpha, const Tensor& scale, const Tensor& x) { add_scaled(y, alpha, scale, x, y); }

void add_scaled(const Tensor& y, double alpha, const Tensor& scale, const Tensor& x, Tensor& out) {
  require_alike("add_scaled", y, x);
  require_alike("add_scaled", y, out);
  for (const Tensor* operand : {&x, static_cast<const Tensor*>(&out)})
    if (operand->shape() != y.shape()) fail("add_scaled", text("shape ", operand->shape()), text(y.shape()));
  if (scale.defined() && (scale.numel() != 1 || scale.dtype() != DType::float64 || scale.device() != y.device()))
    fail("add_scaled", text("a scale of ", name_of(scale.dtype()), " ", scale.shape(), " on ", name_of(scale.device())),
         text("one float64 element on ", name_of(y.device())));
  out.bump_version();
  backend(y.device()).add_scaled(y, alpha, scale, x, out);
}

namespace {
void require_blendable(const Tensor& y) {
  if (!y.defined() || y.dtype() != DType::int64) require_floating("blend", y);
}
}  // namespace

void blend(Tensor& y, double keep, double share, const Tensor& x) {
  require_blendable(y);
  require_floating("blend", x);
  if (x.dtype() != DType::float64 || x.device() != y.device() || x.shape() != y.shape())
    fail("blend", text("x: ", name_of(x.dtype()), " ", x.shape(), " on ", name_of(x.device())),
         text("float64 ", y.shape(), " on ", name_of(y.device()), ", the shape and device of y"));
  y.bump_version();
  backend(y.device()).blend(keep, share, x, y);
}

void blend(Tensor& y, double keep, double share) {
  require_blendable(y);
  y.bump_version();
  backend(y.device()).blend(keep, share, Tensor(), y);
}

Tensor reduce(ReduceOp op, const Tensor& x, int axis, bool keep_dim) {
  const char* name = op == ReduceOp::sum ? "sum" : "max";
  require_floating(name, x);
  axis = normalise_axis(name, axis, x.rank());
  const Fold fold = fold_axis(x.shape(), axis);
  if (op == ReduceOp::max && fold.folded == 0)
    fail(name, text("axis ", axis, " of shape ", x.shape()), "an axis with elements");
  Shape shape;
  for (int i = 0; i < x.rank(); ++i)
    if (i != axis)
      shape.push_back(x.shape()[i]);
    else if (keep_dim)
      shape.push_back(1);
  Tensor out = Tensor::empty(shape, x.dtype(), x.device());
  backend(x.device()).reduce(op, fold, x, out);
  return out;
}

Tensor sum(const Tensor& x) {
  require_floating("sum", x);
  Tensor out = Tensor::empty({}, x.dtype(), x.device());
  backend(x.device()).reduce(ReduceOp::sum, Fold{1, x.numel(), 1}, x, out);
  return out;
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  require_floating("sum_to", x);
  if (x.shape() == shape) return x;
  if (broadcast_shapes("sum_to", x.shape(), shape) != x.shape())
    fail("sum_to", text("shape ", x.shape(), " to ", shape), "a shape that broadcasts to the first");
  const int added = x.rank() - shape.rank();
  Tensor result = x;
  // Neighbouring axes that are all summed are folded in one pass.
  for (int end = x.rank(); end > 0;) {
    const auto summed = [&](int axis) { return axis < added || (shape[axis - added] == 1 && x.shape()[axis] != 1); };
    if (!summed(end - 1)) {
      --end;
      continue;
    }
    int begin = end - 1;
    while (begin > 0 && summed(begin - 1)) --begin;
    Fold fold;
    Shape reduced;
    for (int i = 0; i < result.rank(); ++i) {
      const int64_t extent = result.shape()[i];
      (i < begin ? fold.outer : i < end ? fold.folded : fold.inner) *= extent;
      reduced.push_back(i < begin || i >= end ? extent : 1);
    }
    Tensor out = Tensor::empty(reduced, x.dtype(), x.device());
    backend(x.device()).reduce(ReduceOp::sum, fold, result, out);
    result = out;
    end = begin;
  }
  return result.reshape(shape);
}

Tensor argmax(const Tensor& x) {
  require_floating("argmax", x);
  if (x.rank() == 0 || x.size(-1) == 0) fail("argmax", text("shape ", x.shape()), "a last axis with elements");
  Shape shape;
  for (int i = 0; i + 1 < x.rank(); ++i) shape.push_back(x.shape()[i]);
  Tensor out = Tensor::empty(shape, DType::int64, x.device());
  backend(x.device()).argmax(x.reshape({shape.numel(), x.size(-1)}), out);
  return out;
}

Tensor dot(const Tensor& x, const Tensor& y) {
  require_alike("dot", x, y);
  if (x.numel() != y.numel()) fail("dot", text("shapes ", x.shape(), " and ", y.shape()), "equally many elements");
  Tensor out = Tensor::empty({}, DType::float64, x.device());
  backend(x.device()).dot(x, y, out);
  return out;
}

Tensor norm(const Tensor& x) { return unary(UnaryOp::sqrt, dot(x, x)); }

bool all_finite(const Tensor& x) {
  require_floating("all_finite", x);
  // 0 * x is 0 for a finite x and NaN otherwise; sums of zeros are exact.
  return sum(unary(UnaryOp::affine, x, 0, 0)).item() == 0;
}

Tensor broadcast_to(const Tensor& x, const Shape& shape) {
  require_defined("broadcast_to", x);
  if (x.shape() == shape) return x;
  for (const int64_t extent : shape)
    if (extent < 0) fail("broadcast_to", text(x.shape(), " to ", shape), "extents that are not negative");
  if (broadcast_shapes("broadcast_to", x.shape(), shape) != shape)
    fail("broadcast_to", text("shape ", x.shape()), text("one that broadcasts to ", shape));
  Tensor out = Tensor::empty(shape, x.dtype(), x.device());
  const Broadcast plan = plan_broadcast(shape, x.shape(), x.shape());
  Block from;
  std::copy(plan.a_strides, plan.a_strides + max_rank, from.strides);
  backend(x.device()).copy_block(plan.shape, x, from, out, row_major(plan.shape));
  return out;
}

Tensor permute(const Tensor& x, const std::vector<int>& order) {
  require_defined("permute", x);
  const Block whole = row_major(x.shape());
  Shape shape;
  Block from;
  unsigned seen = 0;
  for (size_t i = 0; i < order.size() && static_cast<int>(i) < x.rank(); ++i) {
    const int axis = normalise_axis("permute", order[i], x.rank());
    seen |= 1u << axis;
    shape.push_back(x.shape()[axis]);
    from.strides[i] = whole.strides[axis];
  }
  if (static_cast<int>(order.size()) != x.rank() || seen != (1u << x.rank()) - 1)
    fail("permute", text("an order of ", order.size(), " axes for shape ", x.shape()), "every axis exactly once");
  Tensor out = Tensor::empty(shape, x.dtype(), x.device());
  backend(x.device()).copy_block(shape, x, from, out, row_major(shape));
  return out;
}

Tensor slice(const Tensor& x, int axis, int64_t begin, int64_t end, int64_t step) {
  require_defined("slice", x);
  axis = normalise_axis("slice", axis, x.rank());
  if (begin < 0 || begin > end || end > x.shape()[axis] || step < 1)
    fail("slice", text("[", begin, ":", end, ":", step, "] of axis ", axis, " of ", x.shape()),
         text("0 <= begin <= end <= ", x.shape()[axis], " and step >= 1"));
  Shape shape = x.shape();
  shape[axis] = begin == end ? 0 : (end - begin - 1) / step + 1;
  Tensor out = Tensor::empty(shape, x.dtype(), x.device());
  Block from = row_major(x.shape()), to = row_major(shape);
  from.offset = begin * from.strides[axis];
  from.strides[axis] *= step;
  backend(x.device()).copy_block(shape, x, from, out, to);
  return out;
}

Tensor unslice(const Tensor& x, int axis, int64_t size, int64_t begin, int64_t step) {
  require_defined("unslice", x);
  axis = normalise_axis("unslice", axis, x.rank());
  const int64_t extent = x.shape()[axis];
  if (begin < 0 || step < 1 || size < 0 || (extent > 0 && (begin >= size || (extent - 1) > (size - 1 - begin) / step)))
    fail("unslice", text(extent, " indices from ", begin, " by ", step, " into an axis of ", size),
         "indices that fit the axis");
  Shape shape = x.shape();
  shape[axis] = size;
  Tensor out = Tensor::zeros(shape, x.dtype(), x.device());
  Block from = row_major(x.shape()), to = row_major(shape);
  to.offset = begin * to.strides[axis];
  to.strides[axis] *= step;
  backend(x.device()).copy_block(x.shape(), x, from, out, to);
  return out;
}

Tensor concatenate(const std::vector<Tensor>& parts, int axis) {
  if (parts.empty()) fail("concatenate", "no tensors", "at least one");
  require_defined("concatenate", parts[0]);
  axis = normalise_axis("concatenate", axis, parts[0].rank());
  Shape shape = parts[0].shape();
  shape[axis] = 0;
  for (const Tensor& part : parts) {
    require_defined("concatenate", part);
    require_same_device("concatenate", parts[0], part);
    Shape expected = part.shape();
    if (part.rank() == shape.rank()) expected[axis] = shape[axis];
    if (expected != shape || part.dtype() != parts[0].dtype())
      fail("concatenate",
           text(name_of(part.dtype()), " ", part.shape(), " beside ", name_of(parts[0].dtype()), " ", parts[0].shape()),
           text("one dtype, and extents that agree but along axis ", axis));
    shape[axis] += part.shape()[axis];
  }
  Tensor out = Tensor::empty(shape, parts[0].dtype(), parts[0].device());
  Block to = row_major(shape);
  for (const Tensor& part : parts) {
    backend(out.device()).copy_block(part.shape(), part, row_major(part.shape()), out, to);
    to.offset += part.shape()[axis] * to.strides[axis];
  }
  return out;
}

Tensor gather_rows(const Tensor& x, const Tensor& indices) {
  require_defined("gather_rows", x);
  if (x.rank() == 0) fail("gather_rows", "a scalar", "at least one axis");
  const Tensor rows = checked_indices("gather_rows", x, indices, x.shape()[0]);
  Shape shape = indices.shape();
  for (int i = 1; i < x.rank(); ++i) shape.push_back(x.shape()[i]);
  Tensor out = Tensor::empty(shape, x.dtype(), x.device());
  backend(x.device()).gather_rows(x, rows, out);
  return out;
}

Tensor scatter_rows(const Tensor& x, const Tensor& indices, int64_t rows) {
  require_floating("scatter_rows", x);
  const Tensor targets = checked_indices("scatter_rows", x, indices, rows);
  Shape shape{rows};
  for (int i = indices.rank(); i < x.rank(); ++i) shape.push_back(x.shape()[i]);
  for (int i = 0; i < indices.rank(); ++i)
    if (x.rank() < indices.rank() || x.shape()[i] != indices.shape()[i])
      fail("scatter_rows", text("values ", x.shape(), " for indices ", indices.shape()),
           "values whose leading extents are those of the indices");
  Tensor out = Tensor::empty(shape, x.dtype(), x.device());
  backend(x.device()).scatter_rows(x, targets, out);
  return out;
}

}  // namespace minima::core
