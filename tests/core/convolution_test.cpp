#include <cmath>

#include "tests/core/naive.h"

using namespace minima;
using namespace minima::test;

namespace {

struct Case {
  Shape x, weight;
  int64_t stride, padding;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const int64_t stride : {1, 2, 3})
    for (const int64_t padding : {0, 1, 2, 4})
      for (const Shape& kernel : {Shape{1, 1}, Shape{3, 3}, Shape{5, 5}, Shape{2, 3}, Shape{3, 1}, Shape{4, 4}})
        for (const Shape& image : {Shape{5, 5}, Shape{8, 8}, Shape{7, 10}})
          all.push_back({{2, 3, image[0], image[1]}, {4, 3, kernel[0], kernel[1]}, stride, padding});
  all.push_back({{1, 1, 1, 1}, {1, 1, 1, 1}, 1, 0});
  all.push_back({{1, 1, 1, 1}, {2, 1, 3, 3}, 1, 1});
  all.push_back({{3, 2, 4, 5}, {2, 2, 4, 5}, 1, 0});   // one position
  all.push_back({{37, 2, 6, 6}, {3, 2, 3, 3}, 1, 1});  // uneven groups of images
  all.push_back({{5, 8, 9, 9}, {6, 8, 1, 1}, 2, 0});
  // Many patches, made in several strips, the last one shorter.
  all.push_back({{2, 16, 32, 32}, {16, 16, 3, 3}, 1, 1});
  all.push_back({{2, 16, 33, 31}, {5, 16, 5, 5}, 1, 2});
  all.push_back({{2, 16, 65, 37}, {4, 16, 3, 2}, 2, 1});
  all.push_back({{2, 24, 40, 30}, {3, 24, 3, 3}, 1, 0});
  all.push_back({{2, 24, 40, 30}, {3, 24, 2, 3}, 3, 2});
  return all;
}

Shape output(const Case& c) {
  const auto extent = [&](int axis) { return (c.x[axis] + 2 * c.padding - c.weight[axis]) / c.stride + 1; };
  return {c.x[0], c.weight[0], extent(2), extent(3)};
}

/// Calls f(position in x, in weight, in y) for every product that a convolution sums.
template <class F>
void for_each_product(const Case& c, F&& f) {
  const Shape y = output(c);
  for_each_index(y, [&](const Index& o) {
    for_each_index({c.weight[1], c.weight[2], c.weight[3]}, [&](const Index& k) {
      const int64_t row = o[2] * c.stride - c.padding + k[1], column = o[3] * c.stride - c.padding + k[2];
      if (row < 0 || row >= c.x[2] || column < 0 || column >= c.x[3]) return;
      f(position(c.x, {o[0], k[0], row, column}), position(c.weight, {o[1], k[0], k[1], k[2]}), position(y, o));
    });
  });
}

}  // namespace

TEST_CASE(
    "convolution and both its transposes agree with plain loops, over strides, paddings, kernels and odd images") {
  for (const DType dtype : floating_types)
    for (const Case& c : cases()) {
      const Shape y_shape = output(c);
      const Tensor x = numbers(c.x, dtype, 1), weight = numbers(c.weight, dtype, 2), y = numbers(y_shape, dtype, 3);
      const auto xs = values(x), ws = values(weight), ys = values(y);
      std::vector<double> forward(ys.size(), 0.0), transpose(xs.size(), 0.0), correlate(ws.size(), 0.0);
      for_each_product(c, [&](size_t at_x, size_t at_w, size_t at_y) {
        forward[at_y] += xs[at_x] * ws[at_w];
        transpose[at_x] += ys[at_y] * ws[at_w];
        correlate[at_w] += xs[at_x] * ys[at_y];
      });
      CAPTURE(c.x);
      CAPTURE(c.weight);
      CAPTURE(c.stride);
      CAPTURE(c.padding);
      const Tolerance tolerance = rounding(dtype, 3000);
      const Tensor got = core::conv2d(x, weight, c.stride, c.padding);
      CHECK(got.shape() == y_shape);
      CHECK_CLOSE(values(got), forward, tolerance);
      CHECK_CLOSE(values(core::conv2d_transpose(y, weight, c.x, c.stride, c.padding)), transpose, tolerance);
      CHECK_CLOSE(values(core::conv2d_correlate(x, y, c.weight, c.stride, c.padding)), correlate, tolerance);
    }
}

TEST_CASE("<conv(x, w), y> = <x, conv_transpose(y, w)> = <w, correlate(x, y)>") {
  for (const Case& c : cases()) {
    const Tensor x = numbers(c.x, DType::float64, 1), w = numbers(c.weight, DType::float64, 2),
                 y = numbers(output(c), DType::float64, 3);
    const double forward = core::dot(core::conv2d(x, w, c.stride, c.padding), y);
    const double size = std::sqrt(core::norm(y) * core::norm(y)) * core::norm(core::conv2d(x, w, c.stride, c.padding));
    const std::vector<double> adjoint{core::dot(x, core::conv2d_transpose(y, w, c.x, c.stride, c.padding)),
                                      core::dot(w, core::conv2d_correlate(x, y, c.weight, c.stride, c.padding))};
    CHECK_CLOSE(adjoint, std::vector<double>(2, forward), {0, 1e-14 * size + 1e-300});
  }
}

TEST_CASE("a batch without images convolves to one without images, and its weight gradient is zero") {
  const Tensor x = Tensor::zeros({0, 3, 8, 8}), weight = numbers({4, 3, 3, 3});
  const Tensor y = core::conv2d(x, weight, 1, 1);
  CHECK(y.shape() == Shape{0, 4, 8, 8});
  CHECK(core::conv2d_transpose(y, weight, x.shape(), 1, 1).shape() == x.shape());
  CHECK(values(core::conv2d_correlate(x, y, weight.shape(), 1, 1)) == std::vector<double>(108, 0.0));
}

TEST_CASE("images that a convolution cannot take are refused") {
  const Tensor x = Tensor::zeros({2, 3, 8, 8});
  CHECK_ERROR(core::conv2d(x, Tensor::zeros({4, 2, 3, 3})), "2 input channels");
  CHECK_ERROR(core::conv2d(x, Tensor::zeros({4, 3, 9, 9})), "The images are too small");
  CHECK_ERROR(core::conv2d(x, Tensor::zeros({4, 3, 3, 3}), 0, 1), "stride 0");
  CHECK_ERROR(core::conv2d(x, Tensor::zeros({4, 3, 3, 3}), 1, -1), "padding -1");
  CHECK_ERROR(core::conv2d(Tensor::zeros({3, 8, 8}), Tensor::zeros({4, 3, 3, 3})), "[conv2d]");
  CHECK_ERROR(core::conv2d_transpose(Tensor::zeros({2, 4, 7, 7}), Tensor::zeros({4, 3, 3, 3}), {2, 3, 8, 8}, 1, 1),
              "[conv2d_transpose]");
}
