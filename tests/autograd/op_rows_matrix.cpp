// Rows of the op table: matrix products and classification.
#include "tests/autograd/op_table.h"

namespace minima::test {

namespace {

using Args = std::vector<Variable>;
using Arrays = std::vector<Array>;
using At = std::vector<int64_t>;

// Both operands with their batch axes; a missing batch axis repeats.
Array matmul_loop(const Array& a, const Array& b, bool ta, bool tb) {
  const int rank = std::max(a.shape.rank(), b.shape.rank());
  Shape shape = a.shape.rank() >= b.shape.rank() ? a.shape : b.shape;
  shape[-2] = a.shape[ta ? -1 : -2];
  shape[-1] = b.shape[tb ? -2 : -1];
  const int64_t inner = a.shape[ta ? -2 : -1];
  auto element = [rank](const Array& x, const At& at, int64_t row, int64_t column) {
    At mine(at.begin(), at.begin() + (x.shape.rank() == rank ? rank - 2 : 0));
    mine.push_back(row);
    mine.push_back(column);
    return x(mine);
  };
  return make_array(shape, [&](const At& at) {
    const int64_t i = at[at.size() - 2], j = at.back();
    double sum = 0;
    for (int64_t k = 0; k < inner; ++k)
      sum += (ta ? element(a, at, k, i) : element(a, at, i, k)) * (tb ? element(b, at, j, k) : element(b, at, k, j));
    return sum;
  });
}

Row matmul_row(const Shape& a, const Shape& b, bool ta, bool tb, const Shape& large_a, const Shape& large_b,
               const Shape& empty_a, const Shape& empty_b) {
  return {"matmul(Variable, Variable, bool, bool)",
          [ta, tb](const Args& x) { return matmul(x[0], x[1], ta, tb); },
          [ta, tb](const Arrays& x) { return matmul_loop(x[0], x[1], ta, tb); },
          {a, b},
          -2,
          2,
          {large_a, large_b},
          {empty_a, empty_b}};
}

Array softmax_loop(const Array& x, bool log) {
  return make_array(x.shape, [&](At at) {
    const double mine = x(at);
    double sum = 0;
    for (at.back() = 0; at.back() < x.shape[-1]; ++at.back()) sum += std::exp(x(at));
    return log ? mine - std::log(sum) : std::exp(mine) / sum;
  });
}

Array cross_entropies_loop(const Array& logits, const std::vector<int64_t>& labels, double smoothing) {
  const Array log_p = softmax_loop(logits, true);
  const int64_t classes = logits.shape[1];
  return make_array({logits.shape[0]}, [&](const At& at) {
    double loss = 0;
    for (int64_t k = 0; k < classes; ++k)
      loss -=
          ((k == labels[static_cast<size_t>(at[0])] ? 1 - smoothing : 0) + smoothing / static_cast<double>(classes)) *
          log_p({at[0], k});
    return loss;
  });
}

// The row of cross_entropies with labels of type T.
template <class T>
Row cross_entropies_row(double smoothing) {
  auto labels_of = [](int64_t batch) {
    std::vector<T> labels;
    for (int64_t i = 0; i < batch; ++i) labels.push_back(static_cast<T>((3 * i + 1) % 5));
    return labels;
  };
  return {"cross_entropies(Variable, Tensor, double)",
          [=](const Args& x) {
            return cross_entropies(x[0], Tensor::from(labels_of(x[0].size(0))).to(x[0].device()), smoothing);
          },
          [=](const Arrays& x) {
            const std::vector<T> labels = labels_of(x[0].shape[0]);
            return cross_entropies_loop(x[0], std::vector<int64_t>(labels.begin(), labels.end()), smoothing);
          },
          {{4, 5}},
          -2,
          2,
          {{30000, 5}},
          {{0, 5}}};
}

Row linear_row(bool bias, Activation activation) {
  const auto shapes = [bias](const Shape& x, const Shape& weight) {
    std::vector<Shape> shapes{x, weight};
    if (bias) shapes.push_back({weight[0]});
    return shapes;
  };
  return {"linear(Variable, Variable, Variable, Activation)",
          [=](const Args& x) { return linear(x[0], x[1], bias ? x[2] : Variable(), activation); },
          [=](const Arrays& x) {
            Array y = matmul_loop(x[0], x[1], false, true);
            for (size_t i = 0; i < y.values.size(); ++i) {
              if (bias) y.values[i] += x[2].values[i % x[2].values.size()];
              if (activation == Activation::relu) y.values[i] = std::max(y.values[i], 0.0);
            }
            return y;
          },
          shapes({3, 4}, {2, 4}),
          -2,
          2,
          shapes({300, 200}, {250, 200}),
          shapes({0, 4}, {2, 4})};
}

}  // namespace

std::vector<Row> matrix_rows() {
  std::vector<Row> rows = {
      matmul_row({3, 4}, {4, 2}, false, false, {300, 200}, {200, 250}, {3, 0}, {0, 2}),
      matmul_row({4, 3}, {4, 2}, true, false, {200, 300}, {200, 250}, {4, 0}, {4, 2}),
      matmul_row({3, 4}, {2, 4}, false, true, {300, 200}, {250, 200}, {0, 4}, {2, 4}),
      matmul_row({4, 3}, {2, 4}, true, true, {200, 300}, {250, 200}, {4, 3}, {0, 4}),
      matmul_row({2, 3, 4}, {2, 4, 2}, false, false, {20, 60, 50}, {20, 50, 70}, {0, 3, 4}, {0, 4, 2}),
      matmul_row({2, 4, 3}, {2, 2, 4}, true, true, {20, 50, 60}, {20, 70, 50}, {2, 4, 0}, {2, 2, 4}),
      matmul_row({2, 3, 4}, {4, 2}, false, false, {20, 60, 50}, {50, 70}, {0, 3, 4}, {4, 2}),
      matmul_row({2, 3, 4}, {2, 4}, false, true, {20, 60, 50}, {70, 50}, {2, 0, 4}, {2, 4}),
      matmul_row({2, 4, 3}, {4, 2}, true, false, {20, 50, 60}, {50, 70}, {0, 4, 3}, {4, 2}),
      matmul_row({3, 4}, {2, 4, 2}, false, false, {60, 50}, {20, 50, 70}, {3, 4}, {0, 4, 2}),
      linear_row(true, Activation::none),
      linear_row(false, Activation::none),
      linear_row(true, Activation::relu),
      linear_row(false, Activation::relu),
      {"softmax(Variable)",
       [](const Args& x) { return softmax(x[0]); },
       [](const Arrays& x) { return softmax_loop(x[0], false); },
       {{2, 3, 4}},
       -2,
       2,
       {{30, 1000, 10}},
       {{0, 3, 4}}},
      {"log_softmax(Variable)",
       [](const Args& x) { return log_softmax(x[0]); },
       [](const Arrays& x) { return softmax_loop(x[0], true); },
       {{3, 5}},
       -2,
       2,
       {{30000, 10}},
       {{0, 5}}},
  };
  rows.push_back(cross_entropies_row<int64_t>(0));
  rows.push_back(cross_entropies_row<int32_t>(0.1));
  return rows;
}

}  // namespace minima::test
