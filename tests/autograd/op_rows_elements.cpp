// Rows of the op table: arithmetic and functions of one element.
#include <algorithm>

#include "tests/autograd/op_table.h"

namespace minima::test {

namespace {

using Args = std::vector<Variable>;

// NumPy's rule, written out: coordinates count from the end, an extent of 1 repeats.
double element(const Array& a, const std::vector<int64_t>& at) {
  std::vector<int64_t> mine(at.end() - a.shape.rank(), at.end());
  for (int i = 0; i < a.shape.rank(); ++i)
    if (a.shape[i] == 1) mine[static_cast<size_t>(i)] = 0;
  return a(mine);
}

Shape joint_shape(const Shape& a, const Shape& b) {
  Shape shape = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  for (int i = 1; i <= shorter.rank(); ++i)
    if (shape[-i] == 1) shape[-i] = shorter[-i];
  return shape;
}

Row binary_row(const std::string& op, Variable (*f)(const Variable&, const Variable&), double (*scalar)(double, double),
               double low = -2, double high = 2) {
  return {.op = op,
          .f = [f](const Args& x) { return f(x[0], x[1]); },
          .reference =
              [scalar](const std::vector<Array>& x) {
                return make_array(joint_shape(x[0].shape, x[1].shape), [&](const std::vector<int64_t>& at) {
                  return scalar(element(x[0], at), element(x[1], at));
                });
              },
          .shapes = {{3, 4}, {3, 4}},
          .low = low,
          .high = high,
          .large = {{300, 700}, {300, 700}},
          .empty = {{0, 4}, {0, 4}},
          .broadcasts = true};
}

template <class F, class G>
Row unary_row(const std::string& op, F f, G scalar, double low = -2, double high = 2) {
  return {.op = op,
          .f = [f](const Args& x) { return f(x[0]); },
          .reference =
              [scalar](const std::vector<Array>& x) {
                return make_array(x[0].shape, [&](const std::vector<int64_t>& at) { return scalar(x[0](at)); });
              },
          .shapes = {{3, 5}},
          .low = low,
          .high = high,
          .large = {{300, 700}},
          .empty = {{0, 5}}};
}

}  // namespace

std::vector<Row> arithmetic_rows() {
  using V = const Variable&;
  using d = double;
  return {
      binary_row(
          "operator+(Variable, Variable)", [](V x, V y) { return x + y; }, [](d x, d y) { return x + y; }),
      binary_row(
          "operator-(Variable, Variable)", [](V x, V y) { return x - y; }, [](d x, d y) { return x - y; }),
      binary_row(
          "operator*(Variable, Variable)", [](V x, V y) { return x * y; }, [](d x, d y) { return x * y; }),
      binary_row(
          "operator/(Variable, Variable)", [](V x, V y) { return x / y; }, [](d x, d y) { return x / y; }, 0.5, 3),
      binary_row(
          "maximum(Variable, Variable)", [](V x, V y) { return maximum(x, y); },
          [](d x, d y) { return std::max(x, y); }),
      binary_row(
          "minimum(Variable, Variable)", [](V x, V y) { return minimum(x, y); },
          [](d x, d y) { return std::min(x, y); }),
      binary_row(
          "where_positive(Variable, Variable)", [](V x, V y) { return where_positive(x, y); },
          [](d x, d y) { return y > 0 ? x : 0; }),
      binary_row(
          "binary_cross_entropies(Variable, Variable)", [](V z, V t) { return binary_cross_entropies(z, t); },
          [](d z, d t) { return -t * std::log(1 / (1 + std::exp(-z))) - (1 - t) * std::log(1 / (1 + std::exp(z))); },
          0.05, 0.95),
      unary_row(
          "operator+(Variable, double)", [](V x) { return x + 1.5; }, [](d x) { return x + 1.5; }),
      unary_row(
          "operator-(Variable, double)", [](V x) { return x - 1.5; }, [](d x) { return x - 1.5; }),
      unary_row(
          "operator*(Variable, double)", [](V x) { return x * 1.5; }, [](d x) { return x * 1.5; }),
      unary_row(
          "operator/(Variable, double)", [](V x) { return x / 1.5; }, [](d x) { return x / 1.5; }),
      unary_row(
          "operator+(double, Variable)", [](V x) { return 1.5 + x; }, [](d x) { return 1.5 + x; }),
      unary_row(
          "operator-(double, Variable)", [](V x) { return 1.5 - x; }, [](d x) { return 1.5 - x; }),
      unary_row(
          "operator*(double, Variable)", [](V x) { return 1.5 * x; }, [](d x) { return 1.5 * x; }),
      unary_row(
          "operator/(double, Variable)", [](V x) { return 1.5 / x; }, [](d x) { return 1.5 / x; }, 0.5, 3),
      unary_row(
          "operator-(Variable)", [](V x) { return -x; }, [](d x) { return -x; }),
      unary_row(
          "affine(Variable, double, double)", [](V x) { return affine(x, -2, 0.5); }, [](d x) { return -2 * x + 0.5; }),
  };
}

std::vector<Row> element_rows() {
  using V = const Variable&;
  using d = double;
  const double pi = std::acos(-1.0);
  return {
      unary_row(
          "exp(Variable)", [](V x) { return exp(x); }, [](d x) { return std::exp(x); }),
      unary_row(
          "log(Variable)", [](V x) { return log(x); }, [](d x) { return std::log(x); }, 0.3, 4),
      unary_row(
          "log1p(Variable)", [](V x) { return log1p(x); }, [](d x) { return std::log(1 + x); }, -0.6, 4),
      unary_row(
          "sqrt(Variable)", [](V x) { return sqrt(x); }, [](d x) { return std::sqrt(x); }, 0.3, 4),
      unary_row(
          "pow(Variable, double)", [](V x) { return pow(x, 2.5); }, [](d x) { return std::pow(x, 2.5); }, 0.3, 3),
      unary_row(
          "pow(Variable, double)", [](V x) { return pow(x, 3); }, [](d x) { return x * x * x; }),
      unary_row(
          "pow(Variable, double)", [](V x) { return pow(x, 2); }, [](d x) { return x * x; }),
      unary_row(
          "pow(Variable, double)", [](V x) { return pow(x, -1); }, [](d x) { return 1 / x; }, 0.5, 3),
      unary_row(
          "square(Variable)", [](V x) { return square(x); }, [](d x) { return x * x; }),
      unary_row(
          "abs(Variable)", [](V x) { return abs(x); }, [](d x) { return std::fabs(x); }),
      unary_row(
          "sin(Variable)", [](V x) { return sin(x); }, [](d x) { return std::sin(x); }),
      unary_row(
          "cos(Variable)", [](V x) { return cos(x); }, [](d x) { return std::cos(x); }),
      unary_row(
          "tanh(Variable)", [](V x) { return tanh(x); }, [](d x) { return std::tanh(x); }),
      unary_row(
          "sigmoid(Variable)", [](V x) { return sigmoid(x); }, [](d x) { return 1 / (1 + std::exp(-x)); }),
      unary_row(
          "softplus(Variable)", [](V x) { return softplus(x); }, [](d x) { return std::log(1 + std::exp(x)); }),
      unary_row(
          "relu(Variable)", [](V x) { return relu(x); }, [](d x) { return x > 0 ? x : 0; }),
      unary_row(
          "erf(Variable)", [](V x) { return erf(x); }, [](d x) { return std::erf(x); }),
      unary_row(
          "gelu(Variable)", [](V x) { return gelu(x); }, [](d x) { return x * 0.5 * std::erfc(-x / std::sqrt(2.0)); }),
      // Integrates the normal density: an expression for gelu that has no erf in it.
      unary_row(
          "gelu(Variable)", [](V x) { return gelu(x); },
          [pi](d x) {
            const int steps = 2000;
            double area = 0;
            for (int i = 0; i <= steps; ++i) {
              const double t = x * i / steps;
              area += (i == 0 || i == steps ? 1 : i % 2 ? 4 : 2) * std::exp(-t * t / 2);
            }
            return x * (0.5 + area * x / steps / 3 / std::sqrt(2 * pi));
          }),
      // Replays the generator: the same stream, the same mask.
      {.op = "dropout(Variable, double)",
       .f = [](const Args& x) { return manual_seed(3), dropout(x[0], 0.4); },
       .reference =
           [](const std::vector<Array>& x) {
             const std::vector<double> kept = Generator{3}.bernoulli(x[0].shape, 0.6).to_vector<double>();
             Array y = x[0];
             for (size_t i = 0; i < kept.size(); ++i) y.values[i] *= kept[i] / 0.6;
             return y;
           },
       .shapes = {{4, 5}},
       .large = {{300, 700}},
       .empty = {{0, 5}}},
  };
}

}  // namespace minima::test
