#include <cmath>
#include <limits>

#include "tests/core/naive.h"

using namespace minima;
using namespace minima::test;

TEST_CASE("gather_rows takes rows by index, of any dtype, by int32 or int64") {
  const auto rows = std::vector<double>{2, 0, 2, 3};
  for (const DType dtype : {DType::uint8, DType::float32, DType::int64})
    for (const DType index_type : {DType::int32, DType::int64}) {
      const Tensor x = counting({4, 2, 3}, dtype), indices = Tensor::from(rows, {2, 2}).to(index_type);
      const Tensor y = core::gather_rows(x, indices);
      CHECK(y.shape() == Shape{2, 2, 2, 3});
      for (int64_t i = 0; i < 4; ++i)
        CHECK_SAME_BITS(y.reshape({4, 2, 3}).slice(i, i + 1),
                        x.slice(static_cast<int64_t>(rows[i]), static_cast<int64_t>(rows[i]) + 1));
    }
  CHECK(core::gather_rows(Tensor::zeros({4, 2}), Tensor::zeros({0}, DType::int64)).shape() == Shape{0, 2});
  CHECK(core::gather_rows(counting({4}, DType::float32), Tensor::from<int64_t>({3, 1})).to_vector<float>() ==
        std::vector<float>{3, 1});
}

TEST_CASE("scatter_rows adds rows that share an index, and is the transpose of gather_rows") {
  const Tensor indices = Tensor::from<int64_t>({1, 3, 1});
  const Tensor x = Tensor::from<float>({1, 2, 10, 20, 100, 200}, {3, 2});
  CHECK(values(core::scatter_rows(x, indices, 4)) == std::vector<double>{0, 0, 101, 202, 0, 0, 10, 20});
  for (const DType dtype : floating_types) {
    std::vector<int64_t> many;
    Generator generator{3};
    for (int i = 0; i < 1000; ++i) many.push_back(static_cast<int64_t>(generator.below(50)));
    const Tensor index = Tensor::from(many), a = numbers({50, 70}, dtype, 1), b = numbers({1000, 70}, dtype, 2);
    CHECK_CLOSE(std::vector<double>{core::dot(core::gather_rows(a, index), b).item()},
                std::vector<double>{core::dot(a, core::scatter_rows(b, index, 50)).item()},
                {dtype == DType::float32 ? 1e-4 : 1e-12, 0});
  }
}

TEST_CASE("an index out of range is an error that names it and its place") {
  const Tensor x = Tensor::zeros({4, 2});
  CHECK_ERROR(core::gather_rows(x, Tensor::from<int64_t>({0, 4})),
              "index 4 at position 1, expected an index in [0, 4)");
  CHECK_ERROR(core::gather_rows(x, Tensor::from<int32_t>({-1})), "index -1 at position 0");
  CHECK_ERROR(core::scatter_rows(x, Tensor::from<int64_t>({0, 1, 2, 9}), 5), "index 9 at position 3");
  CHECK_ERROR(core::scatter_rows(x, Tensor::from<int64_t>({0, 1}), 5), "[scatter_rows]");
  CHECK_ERROR(core::gather_rows(x, Tensor::zeros({2})), "indices of dtype float32");
}

namespace {

/// y, grad_x, grad_weight and grad_bias of layer normalisation by loops over numbers, one row after the other.
std::vector<std::vector<double>> layer_norm_loop(const Tensor& x, const Tensor& weight, const Tensor& bias,
                                                 const Tensor& grad, double epsilon) {
  const int64_t n = weight.numel();
  const double features = static_cast<double>(n);
  std::vector<double> y, grad_x, grad_weight(static_cast<size_t>(n)), grad_bias(static_cast<size_t>(n));
  for (int64_t row = 0; row < x.numel(); row += n) {
    double mean = 0, variance = 0, mean_g = 0, mean_product = 0;
    for (int64_t j = 0; j < n; ++j) mean += x.at(row + j) / features;
    for (int64_t j = 0; j < n; ++j) variance += std::pow(x.at(row + j) - mean, 2) / features;
    const double deviation = std::sqrt(variance + epsilon);
    const auto normalised = [&](int64_t j) { return (x.at(row + j) - mean) / deviation; };
    const auto g = [&](int64_t j) { return grad.at(row + j) * weight.at(j); };
    for (int64_t j = 0; j < n; ++j) mean_g += g(j) / features, mean_product += g(j) * normalised(j) / features;
    for (int64_t j = 0; j < n; ++j) {
      y.push_back(normalised(j) * weight.at(j) + bias.at(j));
      grad_x.push_back((g(j) - mean_g - normalised(j) * mean_product) / deviation);
      grad_weight[static_cast<size_t>(j)] += grad.at(row + j) * normalised(j);
      grad_bias[static_cast<size_t>(j)] += grad.at(row + j);
    }
  }
  return {y, grad_x, grad_weight, grad_bias};
}

}  // namespace

TEST_CASE("layer normalisation agrees with loops over numbers, gradients included, far from zero too") {
  for (const DType dtype : floating_types)
    for (const Shape& shape :
         {Shape{1}, Shape{7}, Shape{3, 16}, Shape{5, 2, 33}, Shape{700, 131}, Shape{3, 3000}, Shape{2100, 5}})
      for (const double far : {0.0, 1000.0}) {
        CAPTURE(shape);
        CAPTURE(far);
        const Shape features{shape[-1]};
        const Tensor x = core::unary(core::UnaryOp::affine, numbers(shape, dtype, 1), 1, far);
        const Tensor weight = numbers(features, dtype, 2), bias = numbers(features, dtype, 3);
        const Tensor grad = numbers(shape, dtype, 4);
        const auto expected = layer_norm_loop(x, weight, bias, grad, 1e-5);
        const core::NormaliseGradients gradients = core::layer_norm_backward(grad, x, weight, 1e-5);
        // A row of one number has no deviation: gradients are multiplied by 1 / sqrt(epsilon).
        const Tolerance close = dtype == DType::float64 ? Tolerance{1e-9, 1e-10} : Tolerance{2e-4, 2e-4};
        CHECK_CLOSE(values(core::layer_norm(x, weight, bias, 1e-5)), expected[0], close);
        CHECK_CLOSE(values(gradients.x), expected[1], close);
        CHECK_CLOSE(values(gradients.weight), expected[2], close);
        CHECK_CLOSE(values(gradients.bias), expected[3], close);
      }
  const core::NormaliseGradients none =
      core::layer_norm_backward(Tensor::zeros({0, 3}), Tensor::zeros({0, 3}), Tensor::zeros({3}), 1e-5);
  CHECK(none.x.shape() == Shape{0, 3});
  CHECK_SAME_BITS(none.weight, Tensor::zeros({3}));
  CHECK_SAME_BITS(none.bias, Tensor::zeros({3}));
}

TEST_CASE("layer normalisation knows means that lie between two numbers of the type") {
  // 1e6 and its neighbour: the mean is in the middle, a float32 is not.
  const Tensor near = Tensor::from<float>({1e6f, 1e6f + .0625f, 1e6f, 1e6f + .0625f});
  const Tensor ones = Tensor::full({4}, 1), zeros = Tensor::zeros({4});
  CHECK_CLOSE(values(core::layer_norm(near, ones, zeros, 0)), (std::vector<double>{-1, 1, -1, 1}), {1e-6, 0});
  for (const double far : {1e6, 1e8}) {
    const Tensor noise = numbers({3, 768}, DType::float64, 1);
    const Tensor x = core::unary(core::UnaryOp::affine, noise, 1, far);
    const Tensor back = core::unary(core::UnaryOp::affine, x, 1, -far);  // what x holds, near zero
    const Tensor weight = Tensor::full({768}, 1, DType::float64), bias = Tensor::zeros({768}, DType::float64);
    CHECK_CLOSE(values(core::layer_norm(x, weight, bias, 1e-5)), values(core::layer_norm(back, weight, bias, 1e-5)),
                {1e-12, 1e-12});
  }
}

TEST_CASE("layer normalisation refuses what does not fit, in its own name") {
  const Tensor x = Tensor::zeros({2, 3}), three = Tensor::zeros({3}), two = Tensor::zeros({2});
  CHECK_ERROR(core::layer_norm(x, two, three, 1e-5), "[layer_norm] got weight (2,) for x (2, 3)");
  CHECK_ERROR(core::layer_norm(x, three, two, 1e-5), "[layer_norm] got bias (2,) for x (2, 3)");
  CHECK_ERROR(core::layer_norm(x, three, three, -1), "[layer_norm] got epsilon -1");
  CHECK_ERROR(core::layer_norm(Tensor::zeros({}), three, three, 1e-5), "[layer_norm] got a scalar");
  CHECK_ERROR(core::layer_norm(Tensor::zeros({5, 2, 3}), two, three, 1e-5), "got weight (2,) for x (5, 2, 3)");
  CHECK_ERROR(core::layer_norm(three, two, three, 1e-5), "got weight (2,) for x (3,)");
  CHECK_ERROR(core::layer_norm(Tensor::zeros({2, 0}), Tensor::zeros({0}), Tensor::zeros({0}), 1e-5),
              "[layer_norm] got x of shape (2, 0), expected at least one feature");
  CHECK_ERROR(core::layer_norm(x, three.to(DType::float64), three, 1e-5), "[layer_norm]");
  CHECK_ERROR(core::layer_norm_backward(two, x, three, 1e-5), "[layer_norm_backward]");
}

TEST_CASE("softmax and log_softmax agree with the formula") {
  for (const DType dtype : floating_types)
    for (const Shape& shape : {Shape{1}, Shape{3, 10}, Shape{2, 3, 5}, Shape{700, 131}}) {
      const Tensor x = numbers(shape, dtype), p = core::softmax(x), log_p = core::log_softmax(x);
      const int64_t columns = shape[-1];
      std::vector<double> expected, expected_log;
      for (int64_t row = 0; row < x.numel() / columns; ++row) {
        double sum = 0;
        for (int64_t j = 0; j < columns; ++j) sum += std::exp(x.at(row * columns + j));
        for (int64_t j = 0; j < columns; ++j) {
          expected.push_back(std::exp(x.at(row * columns + j)) / sum);
          expected_log.push_back(x.at(row * columns + j) - std::log(sum));
        }
      }
      CHECK(p.shape() == shape);
      CHECK_CLOSE(values(p), expected, rounding(dtype, 16));
      CHECK_CLOSE(values(log_p), expected_log, rounding(dtype, 32));
    }
}

TEST_CASE("softmax_backward is y times what the gradient has beyond its mean, weighted by y") {
  for (const DType dtype : floating_types)
    for (const Shape& shape : {Shape{1}, Shape{3, 10}, Shape{2, 3, 5}, Shape{700, 131}}) {
      const Tensor y = core::softmax(numbers(shape, dtype, 1)), grad = numbers(shape, dtype, 2);
      const int64_t columns = shape[-1];
      std::vector<double> expected;
      for (int64_t row = 0; row < y.numel(); row += columns) {
        double mean = 0;
        for (int64_t j = row; j < row + columns; ++j) mean += grad.at(j) * y.at(j);
        for (int64_t j = row; j < row + columns; ++j) expected.push_back(y.at(j) * (grad.at(j) - mean));
      }
      CHECK_CLOSE(values(core::softmax_backward(grad, y)), expected,
                  dtype == DType::float64 ? Tolerance{1e-12, 1e-14} : Tolerance{1e-5, 1e-7});
    }
  CHECK(core::softmax_backward(Tensor::zeros({0, 3}), Tensor::zeros({0, 3})).shape() == Shape{0, 3});
  CHECK_ERROR(core::softmax_backward(Tensor::zeros({3}), Tensor::zeros({2})), "[softmax_backward] got a gradient (3,)");
  CHECK_ERROR(core::softmax_backward(Tensor::zeros({}), Tensor::zeros({})), "[softmax_backward] got a scalar");
}

TEST_CASE("softmax is stable at logits of 10,000, and invariant to a shift") {
  const Tensor x = Tensor::from<float>({1e4f, 1e4f - 1, -1e4f, -1e4f, -1e4f - 2, -1e4f}, {2, 3});
  const double e = std::exp(-1.0), f = std::exp(-2.0);
  CHECK_CLOSE(values(core::softmax(x)),
              (std::vector<double>{1 / (1 + e), e / (1 + e), 0, 1 / (2 + f), f / (2 + f), 1 / (2 + f)}), {1e-6, 1e-12});
  const auto log_p = values(core::log_softmax(x));
  CHECK_CLOSE(log_p,
              (std::vector<double>{-std::log(1 + e), -1 - std::log(1 + e), -2e4 - std::log(1 + e), -std::log(2 + f),
                                   -2 - std::log(2 + f), -std::log(2 + f)}),
              {1e-6, 1e-6});
}

TEST_CASE("a logit of -inf has probability 0, and a NaN spoils its own row only") {
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor x = Tensor::from<double>({0, -infinity, 0, nan, 1, 2}, {2, 3});
  CHECK_CLOSE(values(core::softmax(x)), (std::vector<double>{0.5, 0, 0.5, nan, nan, nan}), {1e-15, 0});
  CHECK(core::softmax(Tensor::zeros({0, 3})).numel() == 0);
  CHECK(core::softmax(Tensor::zeros({3, 0})).numel() == 0);
}

TEST_CASE("cross entropy and log_softmax of masked, infinite and missing logits, in short rows and long") {
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  for (const DType dtype : floating_types)
    for (const int64_t n : {3, 40, 700}) {
      CAPTURE(n);
      std::vector<double> x(static_cast<size_t>(5 * n), 0.0);
      const auto at = [&](int64_t row, int64_t column) -> double& { return x[static_cast<size_t>(row * n + column)]; };
      at(0, n - 1) = -infinity;  // masked
      at(1, n - 2) = nan;
      at(2, n - 1) = infinity;             // certain, and it is not the label
      at(3, 1) = at(3, n - 1) = infinity;  // infinity - infinity
      at(4, 0) = 80;                       // the label, almost certain
      const Tensor logits = Tensor::from(x, {5, n}).to(dtype), labels = Tensor::zeros({5}, DType::int64);
      const double count = static_cast<double>(n - 1), rounding = dtype == DType::float32 ? 1e-6 : 1e-14;
      CHECK_CLOSE(values(core::cross_entropy(logits, labels)),
                  (std::vector<double>{std::log(count), nan, infinity, nan, std::log1p(count * std::exp(-80.0))}),
                  {rounding, 0});
      const auto log_p = values(core::log_softmax(logits));
      CHECK(log_p[static_cast<size_t>(n - 1)] == -infinity);
      CHECK(log_p[0] == doctest::Approx(-std::log(count)).epsilon(rounding));
      for (int64_t j = 0; j < n; ++j) CHECK(std::isnan(log_p[static_cast<size_t>(n + j)]));
      const auto p = values(core::softmax(logits));
      CHECK(p[static_cast<size_t>(n - 1)] == 0);
      CHECK(p[0] == doctest::Approx(1 / count).epsilon(rounding));
      const Tensor slopes = core::cross_entropy_backward(logits, labels, 0, Tensor::full({5}, 1, dtype));
      CHECK(values(slopes)[0] == doctest::Approx(1 / count - 1).epsilon(rounding));
    }
}

TEST_CASE("the way back through a relu agrees with plain loops, for rows of 1 to 2,100 numbers, column sums included") {
  for (const DType dtype : floating_types)
    for (const Shape& shape : {Shape{700, 1}, {9, 3}, {300, 10}, {130, 65}, {70, 1024}, {70, 1030}, {40, 2100}}) {
      CAPTURE(shape);
      const Tensor grad = numbers(shape, dtype, 1), y = numbers(shape, dtype, 2);
      const Tensor sums = Tensor::empty({shape[1]}, dtype);
      const Tensor out = core::epilogue_backward(core::Activation::relu, grad, y, sums);
      std::vector<double> expected = values(grad), results = values(y), columns(static_cast<size_t>(shape[1]));
      for (size_t i = 0; i < expected.size(); ++i) {
        if (!(results[i] > 0)) expected[i] = 0;
        columns[i % columns.size()] += expected[i];
      }
      CHECK(values(out) == expected);
      CHECK_CLOSE(values(sums), columns,
                  {dtype == DType::float32 ? 1e-5 : 1e-13, dtype == DType::float32 ? 1e-4 : 1e-12});
      CHECK_SAME_BITS(core::epilogue_backward(core::Activation::relu, grad, y, Tensor()), out);
    }
}
