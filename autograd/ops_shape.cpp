// SPDX-License-Identifier: MIT
// Reductions, and ops that move elements without changing them.
#include <numeric>

#include "autograd/ops.h"
#include "autograd/record.h"
#include "core/ops.h"

namespace minima {

using autograd::Context, autograd::Gradients, autograd::record, autograd::saved;
using core::normalise_axis;

namespace {
// The shape of a reduction over one axis whose extent is kept as 1.
Shape kept_shape(const Shape& shape, int axis) {
  Shape kept = shape;
  kept[axis] = 1;
  return kept;
}
}  // namespace

Variable sum(const Variable& x) {
  return record("sum", core::sum(x.value()), {x},
                [](const Context& c) { return broadcast_to(c.grad, c.input_shape(0)); });
}

Variable sum(const Variable& x, int axis, KeepDims keep) {
  axis = normalise_axis("sum", axis, x.shape().rank());
  return record("sum", core::reduce(core::ReduceOp::sum, x.value(), axis, keep == KeepDims::yes), {x},
                [axis](const Context& c) {
                  const Shape& shape = c.input_shape(0);
                  return broadcast_to(reshape(c.grad, kept_shape(shape, axis)), shape);
                });
}

namespace {
// One part of a mean over `count` elements. The mean of nothing is no number.
double one_of(int64_t count, const Shape& shape) {
  if (count == 0) fail("mean", text("no elements, of shape ", shape), "at least one element");
  return 1 / static_cast<double>(count);
}
}  // namespace

Variable mean(const Variable& x) { return sum(x) * one_of(x.numel(), x.shape()); }

Variable mean(const Variable& x, int axis, KeepDims keep) {
  axis = normalise_axis("mean", axis, x.shape().rank());
  return sum(x, axis, keep) * one_of(x.size(axis), x.shape());
}

// Selects where the gradient goes: a product with 0 would turn an infinite gradient into NaN elsewhere.
Variable max(const Variable& x, int axis, KeepDims keep) {
  axis = normalise_axis("max", axis, x.shape().rank());
  return record("max", saved(core::reduce(core::ReduceOp::max, x.value(), axis, keep == KeepDims::yes)), {saved(x)},
                [axis](const Context& c) {
                  const Shape kept = kept_shape(c.input_shape(0), axis);
                  const Tensor is_max =
                      core::binary(core::BinaryOp::equal, c.input(0).value(), c.output().value().reshape(kept));
                  const Variable ties(core::reduce(core::ReduceOp::sum, is_max, axis, true));
                  return where_positive(reshape(c.grad, kept) / ties, Variable(is_max));
                });
}

Variable sum_to(const Variable& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  return record("sum_to", core::sum_to(x.value(), shape), {x},
                [](const Context& c) { return broadcast_to(c.grad, c.input_shape(0)); });
}

Variable reshape(const Variable& x, const Shape& shape) {
  return record("reshape", x.value().reshape(shape), {x},
                [](const Context& c) { return reshape(c.grad, c.input_shape(0)); });
}

// The driver sums over the axes along which an input was broadcast.
Variable broadcast_to(const Variable& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  return record("broadcast_to", core::broadcast_to(x.value(), shape), {x}, [](const Context& c) { return c.grad; });
}

Variable permute(const Variable& x, const std::vector<int>& order) {
  return record("permute", core::permute(x.value(), order), {x}, [order](const Context& c) {
    const int rank = static_cast<int>(order.size());
    std::vector<int> inverse(order.size());
    for (int i = 0; i < rank; ++i) inverse[normalise_axis("permute", order[i], rank)] = i;
    return permute(c.grad, inverse);
  });
}

Variable transpose(const Variable& x) {
  const int rank = x.shape().rank();
  if (rank < 2) fail("transpose", text("shape ", x.shape()), "at least two axes");
  std::vector<int> order(static_cast<size_t>(rank));
  std::iota(order.begin(), order.end(), 0);
  std::swap(order[order.size() - 1], order[order.size() - 2]);
  return permute(x, order);
}

Variable slice(const Variable& x, int axis, int64_t begin, int64_t end, int64_t step) {
  axis = normalise_axis("slice", axis, x.shape().rank());
  return record("slice", core::slice(x.value(), axis, begin, end, step), {x}, [axis, begin, step](const Context& c) {
    return unslice(c.grad, axis, c.input_shape(0)[axis], begin, step);
  });
}

Variable unslice(const Variable& x, int axis, int64_t size, int64_t begin, int64_t step) {
  axis = normalise_axis("unslice", axis, x.shape().rank());
  return record("unslice", core::unslice(x.value(), axis, size, begin, step), {x},
                [axis, begin, step](const Context& c) {
                  const int64_t count = c.input_shape(0)[axis];
                  const int64_t end = count == 0 ? begin : begin + (count - 1) * step + 1;
                  return slice(c.grad, axis, begin, end, step);
                });
}

Variable concatenate(const std::vector<Variable>& parts, int axis) {
  if (parts.empty()) fail("concatenate", "no tensors", "at least one");
  axis = normalise_axis("concatenate", axis, parts[0].shape().rank());
  std::vector<Tensor> values;
  for (const Variable& part : parts) values.push_back(part.value());
  return autograd::record_list("concatenate", core::concatenate(values, axis), parts,
                               [axis, count = static_cast<int>(parts.size())](const Context& c) {
                                 Gradients gradients;
                                 int64_t begin = 0;
                                 for (int i = 0; i < count; ++i) {
                                   const int64_t end = begin + c.input_shape(i)[axis];
                                   gradients.push_back(c.needs(i) ? slice(c.grad, axis, begin, end) : Variable());
                                   begin = end;
                                 }
                                 return gradients;
                               });
}

// The indices are recorded as an input, a constant one, so that changing them in place is noticed.
Variable gather_rows(const Variable& x, const Tensor& indices) {
  const Variable rows(indices);
  return record("gather_rows", core::gather_rows(x.value(), indices), {x, saved(rows)},
                [](const Context& c) -> Gradients {
                  return {scatter_rows(c.grad, c.input(1).value(), c.input_shape(0)[0]), Variable()};
                });
}

Variable scatter_rows(const Variable& x, const Tensor& indices, int64_t rows) {
  const Variable at(indices);
  return record("scatter_rows", core::scatter_rows(x.value(), indices, rows), {x, saved(at)},
                [](const Context& c) -> Gradients { return {gather_rows(c.grad, c.input(1).value()), Variable()}; });
}

}  // namespace minima
