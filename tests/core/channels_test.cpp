#include <cmath>

#include "tests/core/naive.h"

using namespace minima;
using namespace minima::test;

namespace {

const std::vector<Shape> shapes = {{1, 1},       {7, 5},         {300, 200},       {3, 4, 9},
                                   {2, 3, 5, 7}, {33, 16, 8, 8}, {1, 2, 300, 300}, {50, 1, 17}};

size_t channel_of(const Index& index) { return static_cast<size_t>(index[1]); }

}  // namespace

TEST_CASE("the mean and biased variance of each channel agree with a two-pass loop in double") {
  for (const DType dtype : floating_types)
    for (const Shape& shape : shapes) {
      const Tensor x = core::unary(core::UnaryOp::affine, numbers(shape, dtype), 3, 5);
      const auto xs = values(x);
      const double count = static_cast<double>(x.numel() / shape[1]);
      std::vector<double> mean(static_cast<size_t>(shape[1]), 0.0), variance = mean;
      for_each_index(shape, [&](const Index& i) { mean[channel_of(i)] += xs[position(shape, i)] / count; });
      for_each_index(shape, [&](const Index& i) {
        const double d = xs[position(shape, i)] - mean[channel_of(i)];
        variance[channel_of(i)] += d * d / count;
      });
      CAPTURE(shape);
      const auto [got_mean, got_variance] = core::channel_moments(x);
      const Tolerance t = dtype == DType::float32 ? Tolerance{1e-6, 1e-12} : Tolerance{1e-12, 1e-12};
      CHECK_CLOSE(values(got_mean), mean, t);
      CHECK_CLOSE(values(got_variance), variance, t);
    }
}

TEST_CASE("the variance survives a mean that is a million times the deviation") {
  const Tensor noise = numbers({64, 2, 10, 10}, DType::float64);
  const Tensor far = core::unary(core::UnaryOp::affine, noise, 1, 1e6);
  CHECK_CLOSE(values(core::channel_moments(far).second), values(core::channel_moments(noise).second), {1e-9, 0});
  CHECK(values(core::channel_moments(Tensor::full({5, 2, 3}, 0.1)).second) == std::vector<double>{0, 0});
}

TEST_CASE("channel sums, affine maps and combinations agree with scalar loops") {
  for (const DType dtype : floating_types)
    for (const Shape& shape : shapes) {
      const Tensor x = numbers(shape, dtype, 1), y = numbers(shape, dtype, 2);
      const Tensor a = numbers({shape[1]}, dtype, 3), b = numbers({shape[1]}, dtype, 4),
                   c = numbers({shape[1]}, dtype, 5);
      const auto xs = values(x), ys = values(y), as = values(a), bs = values(b), cs = values(c);
      std::vector<double> sum(as.size(), 0.0), product = sum, affine, combined;
      for_each_index(shape, [&](const Index& i) {
        const size_t at = position(shape, i), channel = channel_of(i);
        sum[channel] += xs[at];
        product[channel] += xs[at] * ys[at];
        affine.push_back(as[channel] * xs[at] + bs[channel]);
        combined.push_back(as[channel] * xs[at] + bs[channel] * ys[at] + cs[channel]);
      });
      CAPTURE(shape);
      const Tolerance exact = dtype == DType::float32 ? Tolerance{1e-7, 1e-7} : Tolerance{1e-11, 1e-11};
      const auto [got_sum, got_product] = core::channel_sums(x, y);
      CHECK_CLOSE(values(got_sum), sum, exact);
      CHECK_CLOSE(values(got_product), product, exact);
      CHECK_CLOSE(values(core::channel_affine(x, a, b)), affine, rounding(dtype, 8));
      CHECK_CLOSE(values(core::channel_combine(x, y, a, b, c)), combined, rounding(dtype, 16));
    }
}

TEST_CASE("channels of an empty batch sum to zero, and have no moments") {
  const Tensor x = Tensor::zeros({0, 3, 2});
  CHECK(values(core::channel_sums(x, x).first) == std::vector<double>{0, 0, 0});
  CHECK_ERROR(core::channel_moments(x), "at least one element a channel");
  CHECK_ERROR(core::channel_affine(Tensor::zeros({2, 3}), Tensor::zeros({2}), Tensor::zeros({3})), "coefficients (2,)");
}
