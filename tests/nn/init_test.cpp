// Initialisers: their distributions, and that the layers use PyTorch's by default.
#include "nn/init.h"

#include "core/ops.h"
#include "core/random.h"
#include "nn/layers.h"
#include "tests/check.h"

using namespace minima;

namespace {

struct Moments {
  double mean = 0, deviation = 0, largest = 0, kurtosis = 0;
};

Moments moments_of(const Tensor& tensor) {
  const std::vector<double> values = tensor.to_vector<double>();
  const double n = static_cast<double>(values.size());
  Moments m;
  for (double v : values) m.mean += v / n, m.largest = std::max(m.largest, std::abs(v));
  double fourth = 0;
  for (double v : values) m.deviation += std::pow(v - m.mean, 2) / n, fourth += std::pow(v - m.mean, 4) / n;
  m.kurtosis = fourth / (m.deviation * m.deviation);
  m.deviation = std::sqrt(m.deviation);
  return m;
}

// 200 x 100 x 2 x 2: fan_in 400, fan_out 800, 80,000 draws. Moments of a sample of this size lie within 2%.
const Shape shape{200, 100, 2, 2};
constexpr double fan_in = 400, fan_out = 800;

void check_uniform(const Tensor& tensor, double bound) {
  const Moments m = moments_of(tensor);
  CHECK(std::abs(m.mean) < 0.02 * bound);
  CHECK(m.largest <= bound);
  CHECK(m.largest > 0.999 * bound);
  CHECK(std::abs(m.deviation / (bound / std::sqrt(3.0)) - 1) < 0.02);
  CHECK(std::abs(m.kurtosis - 1.8) < 0.05);
}

void check_normal(const Tensor& tensor, double mean, double deviation) {
  const Moments m = moments_of(tensor);
  CHECK(std::abs(m.mean - mean) < 0.02 * deviation);
  CHECK(std::abs(m.deviation / deviation - 1) < 0.02);
  CHECK(std::abs(m.kurtosis - 3) < 0.15);
}

}  // namespace

TEST_CASE("initialisers have the mean, width and form that their papers give") {
  manual_seed(1);
  check_uniform(nn::kaiming_uniform()(shape), 1 / std::sqrt(fan_in));
  check_uniform(nn::kaiming_uniform(0)(shape), std::sqrt(6 / fan_in));
  check_uniform(nn::xavier_uniform()(shape), std::sqrt(6 / (fan_in + fan_out)));
  check_uniform(nn::xavier_uniform(2)(shape), 2 * std::sqrt(6 / (fan_in + fan_out)));
  check_uniform(nn::uniform(-3, 3)(shape), 3);
  check_normal(nn::kaiming_normal()(shape), 0, std::sqrt(2 / fan_in));
  check_normal(nn::kaiming_normal(1)(shape), 0, std::sqrt(1 / fan_in));
  check_normal(nn::xavier_normal()(shape), 0, std::sqrt(2 / (fan_in + fan_out)));
  check_normal(nn::normal(5, 0.1)(shape), 5, 0.1);
}

TEST_CASE("constant initialisers fill") {
  CHECK_SAME_BITS(nn::zeros()({2, 3}), Tensor::zeros({2, 3}));
  CHECK_SAME_BITS(nn::ones()({4}), Tensor::full({4}, 1));
  CHECK_SAME_BITS(nn::constant(0.5)({2}), Tensor::full({2}, 0.5));
}

TEST_CASE("layers draw weight and bias within 1 / sqrt(fan_in), as PyTorch does") {
  manual_seed(2);
  nn::Linear linear{400, 300};
  check_uniform(linear.weight.value(), 1.0 / 20);
  CHECK(moments_of(linear.bias.value()).largest <= 1.0 / 20);
  CHECK(moments_of(linear.bias.value()).largest > 0.95 / 20);
  nn::Conv2d conv{100, 200, 2};
  check_uniform(conv.weight.value(), 1.0 / 20);
  CHECK(moments_of(conv.bias.value()).largest <= 1.0 / 20);
  CHECK(moments_of(conv.bias.value()).largest > 0.95 / 20);
}

TEST_CASE("the same seed draws the same weights, and a given initialiser is the one used") {
  manual_seed(3);
  nn::Linear first{5, 4};
  manual_seed(3);
  nn::Linear again{5, 4}, other{5, 4};
  CHECK_SAME_BITS(first.weight.value(), again.weight.value());
  CHECK_SAME_BITS(first.bias.value(), again.bias.value());
  CHECK(test::bit_difference(first.weight.value(), other.weight.value()) != "");
  manual_seed(4);
  const Tensor drawn = nn::kaiming_uniform()({4, 3, 5, 5});
  manual_seed(4);
  nn::Conv2d convolution{3, 4, 5};  // the draws of PyTorch's layout, and then permuted
  CHECK_SAME_BITS(convolution.weight.value(), core::permute(drawn, {0, 2, 3, 1}));
  nn::Conv2d filled{2, 3, 3, {.init = nn::constant(2)}};
  CHECK_SAME_BITS(filled.weight.value(), Tensor::full({3, 3, 3, 2}, 2));
}

TEST_CASE("an initialiser without fans to go by, without a function, or of another shape is refused") {
  CHECK_ERROR(nn::kaiming_uniform()({4}),
              "[kaiming_uniform] got shape (4,), expected a weight [out, in, ...] with elements.");
  CHECK_ERROR(nn::xavier_normal()({4, 0}), "[xavier_normal] got shape (4, 0)");
  CHECK_ERROR((nn::Linear{2, 3, {.init = nullptr}}), "[Linear] got an empty initialiser");
  CHECK_ERROR((nn::Linear{2, 3, {.init = [](const Shape&) { return Tensor::zeros({2, 3}); }}}),
              "[Linear] got an initialiser that returns (2, 3), expected shape (3, 2).");
}
