// SPDX-License-Identifier: MIT
#include "core/shape.h"

#include <algorithm>

#include "core/error.h"

namespace minima {

Shape::Shape(std::initializer_list<int64_t> extents) {
  for (int64_t extent : extents) push_back(extent);
}

Shape::Shape(const std::vector<int64_t>& extents) {
  for (int64_t extent : extents) push_back(extent);
}

void Shape::push_back(int64_t extent) {
  if (rank_ == core::max_rank)
    fail("Shape", text("more than ", core::max_rank, " axes"), text("at most ", core::max_rank));
  extents_[rank_++] = extent;
}

int64_t Shape::numel() const {
  constexpr int64_t most = INT64_MAX / 8;  // bytes are counted in int64_t, too
  int64_t count = 1;
  bool too_many = false;
  for (int64_t extent : *this) {
    if (extent < 0) fail("Shape", to_string(), "extents that are not negative");
    // (A division costs more than the rest: only where a product may be too large.)
    too_many = too_many || (((count | extent) >> 29) != 0 && extent > 0 && count > most / extent);
    count = too_many && extent > 0 ? most : count * extent;
  }
  if (too_many && count != 0) fail("Shape", to_string(), "fewer than 2^60 elements");
  return count;
}

void Shape::no_such_axis(int axis) const {
  fail("Shape", text("axis ", axis, " of ", *this), text("an axis in [", -rank_, ", ", rank_, ")"));
}

bool Shape::operator==(const Shape& other) const { return std::equal(begin(), end(), other.begin(), other.end()); }

std::string Shape::to_string() const {
  std::string result = "(";
  for (int i = 0; i < rank_; ++i) result += (i ? ", " : "") + std::to_string(extents_[i]);
  return result + (rank_ == 1 ? ",)" : ")");
}

namespace core {

int normalise_axis(const char* op, int axis, int rank) {
  if (axis < -rank || axis >= rank)
    fail(op, text("axis ", axis, " of a tensor with ", rank, " axes"), text("an axis in [", -rank, ", ", rank, ")"));
  return axis < 0 ? axis + rank : axis;
}

Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b) {
  if (a == b) return a;
  const int rank = a.rank() > b.rank() ? a.rank() : b.rank();
  Shape out;
  for (int i = -rank; i < 0; ++i) {
    const int64_t extent_a = -i <= a.rank() ? a[i] : 1, extent_b = -i <= b.rank() ? b[i] : 1;
    if (extent_a != extent_b && extent_a != 1 && extent_b != 1)
      fail(op, text("shapes ", a, " and ", b), text("extents that agree or are 1 (axis ", i, " from the end)"),
           "Insert an axis of extent 1 with reshape, or transpose one side.");
    out.push_back(extent_a == 1 ? extent_b : extent_a);
  }
  return out;
}

void row_major_strides(const Shape& shape, int64_t* strides) {
  int64_t stride = 1;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    strides[i] = stride;
    stride *= shape[i];
  }
}

namespace {
// Strides by which an operand of shape `from` is read for an output of a rank: 0 along a broadcast axis.
void broadcast_strides(int rank, const Shape& from, int64_t* strides) {
  const int added = rank - from.rank();
  std::fill(strides, strides + added, 0);
  row_major_strides(from, strides + added);
  for (int i = 0; i < from.rank(); ++i)
    if (from[i] == 1) strides[added + i] = 0;
}
}  // namespace

Broadcast plan_broadcast(const Shape& out, const Shape& a, const Shape& b) {
  Broadcast plan;
  if (a == out && b == out) {  // the common case: one loop
    plan.shape = Shape{out.numel()};
    plan.a_strides[0] = plan.b_strides[0] = 1;
    return plan;
  }
  int64_t a_strides[max_rank], b_strides[max_rank];
  broadcast_strides(out.rank(), a, a_strides);
  broadcast_strides(out.rank(), b, b_strides);
  // Axis i joins the merged axis before it when both operands step over the pair as over one axis.
  for (int i = 0; i < out.rank(); ++i) {
    if (out[i] == 1) continue;
    const int last = plan.shape.rank() - 1;
    if (last >= 0 && plan.a_strides[last] == a_strides[i] * out[i] && plan.b_strides[last] == b_strides[i] * out[i])
      plan.shape[last] *= out[i];
    else
      plan.shape.push_back(out[i]);
    plan.a_strides[plan.shape.rank() - 1] = a_strides[i];
    plan.b_strides[plan.shape.rank() - 1] = b_strides[i];
  }
  if (plan.shape.rank() == 0) plan.shape.push_back(1);
  return plan;
}

}  // namespace core
}  // namespace minima
