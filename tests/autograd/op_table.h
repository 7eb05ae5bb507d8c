// The op table: one row (or more) for every differentiable op of autograd/ops.h. A row says how to call the op, what a
// plain loop makes of the same numbers, and which shapes to try; op_table_test.cpp derives every check from it.
#pragma once

#include <string>
#include <vector>

#include "tests/gradcheck.h"

namespace minima::test {

/// A plain array for reference loops.
struct Array {
  Shape shape;
  std::vector<double> values;

  double operator()(const std::vector<int64_t>& at) const {
    int64_t index = 0;
    for (int i = 0; i < shape.rank(); ++i) index = index * shape[i] + at[static_cast<size_t>(i)];
    return values[static_cast<size_t>(index)];
  }
};

/// The array whose element at coordinates `at` is f(at).
template <class F>
Array make_array(const Shape& shape, F&& f) {
  Array array{shape, {}};
  std::vector<int64_t> at(static_cast<size_t>(shape.rank()));
  for (int64_t i = 0; i < shape.numel(); ++i) {
    int64_t rest = i;
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      at[static_cast<size_t>(axis)] = rest % shape[axis];
      rest /= shape[axis];
    }
    array.values.push_back(f(at));
  }
  return array;
}

using Reference = std::function<Array(const std::vector<Array>&)>;

struct Row {
  std::string op;  ///< as declared in ops.h, types only: "sum(Variable, int, KeepDims)"
  Function f;
  Reference reference;
  std::vector<Shape> shapes;      ///< of the inputs
  double low = -2, high = 2;      ///< their values are distinct numbers in this range
  std::vector<Shape> large = {};  ///< shapes large enough for several threads
  std::vector<Shape> empty = {};  ///< shapes without elements; none: the op refuses them
  bool broadcasts = false;        ///< an elementwise op of two operands
};

std::vector<Row> arithmetic_rows();
std::vector<Row> element_rows();
std::vector<Row> shape_rows();
std::vector<Row> matrix_rows();
std::vector<Row> image_rows();

inline std::vector<Row> op_table() {
  std::vector<Row> table;
  for (auto rows : {arithmetic_rows, element_rows, shape_rows, matrix_rows, image_rows})
    for (Row& row : rows()) table.push_back(std::move(row));
  return table;
}

/// Leaves whose values are distinct, in a random order, and none of them 0.
inline std::vector<Variable> make_inputs(const std::vector<Shape>& shapes, double low, double high,
                                         DType dtype = DType::float64, Device device = Device::cpu) {
  int64_t total = 0;
  for (const Shape& shape : shapes) total += shape.numel();
  const std::vector<int64_t> order = Generator{5}.permutation(total);
  std::vector<Variable> inputs;
  size_t next = 0;
  for (const Shape& shape : shapes) {
    const Array array = make_array(shape, [&](const auto&) {
      return low + (high - low) * (static_cast<double>(order[next++]) + 0.37) / static_cast<double>(total);
    });
    inputs.emplace_back(Tensor::from(array.values, shape).to(dtype).to(device), requires_grad);
  }
  return inputs;
}

inline std::vector<Variable> make_inputs(const Row& row, DType dtype = DType::float64) {
  return make_inputs(row.shapes, row.low, row.high, dtype);
}

}  // namespace minima::test
