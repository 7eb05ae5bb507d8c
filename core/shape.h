// SPDX-License-Identifier: MIT
// Shape: the extents of a tensor, stored inline (no heap), and the two plans that are worked out from shapes
// once, before a kernel runs: how operands broadcast, and which axes a reduction folds.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <string>
#include <vector>

namespace minima {

namespace core {
inline constexpr int max_rank = 8;
}

/// Up to 8 extents, outermost first. Shape{} is a scalar (rank 0, one element).
class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<int64_t> extents);
  explicit Shape(const std::vector<int64_t>& extents);

  int rank() const { return rank_; }
  /// The product of the extents. A negative extent or 2^60 elements and more are errors.
  int64_t numel() const;
  /// The extent of an axis; negative axes count from the end. An axis that is not there is an error.
  int64_t operator[](int axis) const { return extents_[position(axis)]; }
  int64_t& operator[](int axis) { return extents_[position(axis)]; }
  const int64_t* begin() const { return extents_; }
  const int64_t* end() const { return extents_ + rank_; }
  void push_back(int64_t extent);
  bool operator==(const Shape& other) const;
  /// "(3, 4)"
  std::string to_string() const;

 private:
  int position(int axis) const {
    if (axis < -rank_ || axis >= rank_) no_such_axis(axis);
    return axis < 0 ? axis + rank_ : axis;
  }
  [[noreturn]] void no_such_axis(int axis) const;

  int64_t extents_[core::max_rank] = {};
  int rank_ = 0;
};

inline std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << shape.to_string(); }

namespace core {

/// The axis as a number in [0, rank), or an error in the name of `op`.
int normalise_axis(const char* op, int axis, int rank);

/// The shape that a and b broadcast to (NumPy's rule: extents agree or are 1, aligned at the end), or an error.
Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b);

/// How two operands are read for one output: adjacent axes that behave alike are merged, so that most ops run as
/// one loop. A stride is in elements, 0 along a broadcast axis.
struct Broadcast {
  Shape shape;  ///< merged output shape
  int64_t a_strides[max_rank] = {}, b_strides[max_rank] = {};
};
Broadcast plan_broadcast(const Shape& out, const Shape& a, const Shape& b);

/// Row-major strides of a shape, in elements, into `strides`.
void row_major_strides(const Shape& shape, int64_t* strides);

/// A reduction as [outer, folded, inner] -> [outer, inner]. Axes that are not adjacent are folded in several passes.
struct Fold {
  int64_t outer = 1, folded = 1, inner = 1;
};

}  // namespace core
}  // namespace minima
