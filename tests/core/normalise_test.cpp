#include <cmath>

#include "tests/core/naive.h"

using namespace minima;
using namespace minima::test;

namespace {

const std::vector<Shape> shapes = {{1, 1},         {7, 5},           {300, 200},  {3, 9, 4},    {2, 5, 7, 3},
                                   {33, 8, 8, 16}, {1, 300, 300, 2}, {50, 17, 1}, {9, 3, 3, 37}};

size_t channel_of(const Index& index) { return static_cast<size_t>(index.back()); }

/// Mean and biased variance of each channel by two passes in double.
struct TwoPasses {
  std::vector<double> mean, variance;

  explicit TwoPasses(const Tensor& x) : mean(static_cast<size_t>(x.size(-1)), 0.0), variance(mean) {
    const auto xs = values(x);
    const double count = static_cast<double>(x.numel() / x.size(-1));
    for_each_index(x.shape(), [&](const Index& i) { mean[channel_of(i)] += xs[position(x.shape(), i)] / count; });
    for_each_index(x.shape(), [&](const Index& i) {
      const double d = xs[position(x.shape(), i)] - mean[channel_of(i)];
      variance[channel_of(i)] += d * d / count;
    });
  }
};

}  // namespace

TEST_CASE("the mean and biased variance of each channel agree with a two-pass loop in double") {
  for (const DType dtype : floating_types)
    for (const Shape& shape : shapes) {
      const Tensor x = core::unary(core::UnaryOp::affine, numbers(shape, dtype), 3, 5);
      const TwoPasses expected(x);
      CAPTURE(shape);
      const core::Moments got = core::channel_moments(x);
      const Tolerance tolerance = dtype == DType::float32 ? Tolerance{1e-7, 1e-8} : Tolerance{1e-12, 1e-12};
      CHECK_CLOSE(values(got.mean), expected.mean, tolerance);
      CHECK_CLOSE(values(got.variance), expected.variance, tolerance);
    }
}

TEST_CASE("the variance survives a mean that is a million times the deviation") {
  const Tensor noise = numbers({64, 10, 10, 2}, DType::float64);
  const Tensor far = core::unary(core::UnaryOp::affine, noise, 1, 1e6);
  CHECK_CLOSE(values(core::channel_moments(far).variance), values(core::channel_moments(noise).variance), {1e-9, 0});
  const Tensor in_float32 = far.to(DType::float32);
  CHECK_CLOSE(values(core::channel_moments(in_float32).variance), TwoPasses(in_float32).variance, {1e-9, 0});
  CHECK(values(core::channel_moments(Tensor::full({5, 3, 2}, 0.1)).variance) == std::vector<double>{0, 0});
}

TEST_CASE("normalising, and its gradient through the moments, agree with scalar loops in double") {
  constexpr double epsilon = 1e-3;
  for (const DType dtype : floating_types)
    for (const Shape& shape : shapes) {
      const Tensor x = core::unary(core::UnaryOp::affine, numbers(shape, dtype, 1), 2, 1),
                   grad = numbers(shape, dtype, 2);
      const Tensor weight = numbers({shape[-1]}, dtype, 3), bias = numbers({shape[-1]}, dtype, 4);
      const auto xs = values(x), gs = values(grad), ws = values(weight), bs = values(bias);
      const TwoPasses moments(x);
      const double n = static_cast<double>(x.numel() / shape[-1]);
      const auto inverse = [&](size_t c) { return 1 / std::sqrt(moments.variance[c] + epsilon); };
      std::vector<double> y, gx, gweight(ws.size(), 0.0), gbias = gweight;
      for_each_index(shape, [&](const Index& i) {
        const size_t at = position(shape, i), c = channel_of(i);
        const double normal = (xs[at] - moments.mean[c]) * inverse(c);
        y.push_back(normal * ws[c] + bs[c]);
        gweight[c] += gs[at] * normal;
        gbias[c] += gs[at];
      });
      for_each_index(shape, [&](const Index& i) {
        const size_t at = position(shape, i), c = channel_of(i);
        const double normal = (xs[at] - moments.mean[c]) * inverse(c);
        gx.push_back(ws[c] * inverse(c) * (gs[at] - gbias[c] / n - normal * gweight[c] / n));
      });
      CAPTURE(shape);
      const core::Moments got = core::channel_moments(x);
      const auto [got_gx, got_gweight, got_gbias, none] = core::normalise_backward(grad, x, got, weight, bias, epsilon);
      const Tolerance exact = dtype == DType::float32 ? Tolerance{1e-6, 1e-6} : Tolerance{1e-11, 1e-11};
      const Tolerance rounded = dtype == DType::float32 ? Tolerance{1e-5, 1e-5} : Tolerance{1e-11, 1e-11};
      CHECK_CLOSE(values(core::normalise(x, got, weight, bias, epsilon)), y, exact);
      CHECK_CLOSE(values(got_gx), gx, rounded);
      CHECK_CLOSE(values(got_gweight), gweight, rounded);
      CHECK_CLOSE(values(got_gbias), gbias, rounded);
    }
}

TEST_CASE("an empty batch normalises to an empty batch, and has no moments") {
  const Tensor x = Tensor::zeros({0, 2, 3}), three = Tensor::zeros({3});
  CHECK(core::normalise(x, {three, three}, three, three, 1).shape() == x.shape());
  CHECK(values(core::normalise_backward(x, x, {three, three}, three, three, 1).bias) == std::vector<double>{0, 0, 0});
  CHECK_ERROR(core::channel_moments(x), "at least one element a channel");
}

TEST_CASE("normalising refuses coefficients that are not one a channel, and tensors without channels") {
  const Tensor x = Tensor::zeros({2, 3}), two = Tensor::zeros({2}), three = Tensor::zeros({3});
  CHECK_ERROR(core::normalise(x, {two, three}, three, three, 1), "[normalise] got mean (2,) for x (2, 3)");
  CHECK_ERROR(core::normalise(x, {three, three}, two, three, 1), "[normalise] got weight (2,)");
  CHECK_ERROR(core::normalise(x, {three, three}, three, three.to(DType::float64), 1), "dtypes float32 and float64");
  CHECK_ERROR(core::normalise_backward(Tensor::zeros({3, 3}), x, {three, three}, three, three, 1),
              "got a gradient (3, 3)");
  CHECK_ERROR(core::channel_moments(three), "[channel_moments] got x of shape (3,)");
}
