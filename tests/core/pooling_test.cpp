#include <cmath>
#include <limits>

#include "tests/core/naive.h"

using namespace minima;
using namespace minima::test;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

struct Case {
  Shape x;
  core::Window window;
};

std::vector<Case> cases(bool max) {
  std::vector<Case> all;
  for (const int64_t stride : {1, 2, 3})
    for (const int64_t padding : {0, 1})
      for (const Shape& kernel : {Shape{1, 1}, Shape{2, 2}, Shape{3, 3}, Shape{2, 3}, Shape{5, 4}})
        for (const Shape& image : {Shape{5, 5}, Shape{8, 8}, Shape{7, 10}})
          if (!max || 2 * padding <= std::min(kernel[0], kernel[1]))
            all.push_back({{2, image[0], image[1], 3}, {kernel[0], kernel[1], stride, padding}});
  all.push_back({{40, 28, 28, 33}, {2, 2, 2, 0}});
  all.push_back({{1, 70, 66, 20}, {2, 2, 2, 0}});  // few images: the threads share their rows
  all.push_back({{3, 61, 64, 9}, {3, 3, 2, 1}});
  return all;
}

Shape output(const Case& c) {
  return {c.x[0], c.window.out_extent(c.x[1], c.window.kernel_h), c.window.out_extent(c.x[2], c.window.kernel_w),
          c.x[3]};
}

/// Calls f(position in y, position in x, position in its image of x) for everything a window sees.
template <class F>
void for_each_seen(const Case& c, F&& f) {
  for_each_index(output(c), [&](const Index& o) {
    for (int64_t i = 0; i < c.window.kernel_h; ++i)
      for (int64_t j = 0; j < c.window.kernel_w; ++j) {
        const int64_t row = o[1] * c.window.stride - c.window.padding + i,
                      column = o[2] * c.window.stride - c.window.padding + j;
        if (row < 0 || row >= c.x[1] || column < 0 || column >= c.x[2]) continue;
        f(position(output(c), o), position(c.x, {o[0], row, column, o[3]}), (row * c.x[2] + column) * c.x[3] + o[3]);
      }
  });
}

}  // namespace

TEST_CASE("max pooling finds the first maximum of each window and its position") {
  for (const DType dtype : floating_types)
    for (const Case& c : cases(true)) {
      // Small integers: ties are common.
      const Tensor x = core::unary(core::UnaryOp::affine, numbers(c.x, dtype), 2).to(DType::int32).to(dtype);
      const auto xs = values(x);
      std::vector<double> best(static_cast<size_t>(output(c).numel()), -infinity), at(best.size(), 0.0);
      for_each_seen(c, [&](size_t in_y, size_t in_x, int64_t in_image) {
        if (xs[in_x] > best[in_y]) best[in_y] = xs[in_x], at[in_y] = static_cast<double>(in_image);
      });
      const auto [y, positions] = core::max_pool2d(x, c.window);
      CAPTURE(c.x);
      CHECK(y.shape() == output(c));
      CHECK_CLOSE(values(y), best, {0, 0});
      CHECK_CLOSE(values(positions), at, {0, 0});
      CHECK_SAME_BITS(core::gather_positions(x, positions), y);
    }
}

TEST_CASE("padding never wins a maximum, not even among -inf, and NaN does") {
  const Tensor low = Tensor::full({1, 4, 4, 1}, -5);
  CHECK(values(core::max_pool2d(low, {3, 3, 2, 1}).first) == std::vector<double>(4, -5.0));
  const auto [y, positions] = core::max_pool2d(Tensor::full({1, 4, 4, 1}, -infinity), {3, 3, 2, 1});
  CHECK(values(y) == std::vector<double>(4, -infinity));
  CHECK(positions.to_vector<int32_t>() == std::vector<int32_t>{0, 1, 4, 5});
  for (int64_t at = 0; at < 16; ++at) {
    Tensor x = numbers({1, 4, 4, 1});
    x.flatten().slice(at, at + 1).fill(std::numeric_limits<double>::quiet_NaN());
    const auto [pooled, where] = core::max_pool2d(x, {2, 2, 2, 0});
    const int64_t window = at / 8 * 2 + at % 4 / 2;
    for (int64_t i = 0; i < 4; ++i) CHECK(std::isnan(pooled.at(i)) == (i == window));
    CHECK(where.at(window) == static_cast<double>(at));
  }
}

TEST_CASE("a position that is no element of its image is refused with its index") {
  const Tensor x = numbers({2, 2, 2, 3}, DType::float32), y = numbers({2, 1, 1, 3}, DType::float32);
  for (const int32_t wrong : {-1, 12, INT32_MIN, INT32_MAX}) {
    const Tensor positions = Tensor::from<int32_t>({0, 11, 5, 0, wrong, 2}, {2, 1, 1, 3});
    const std::string complaint = text("got position ", wrong, " at index 4, expected 0 to 11.");
    CHECK_ERROR(core::gather_positions(x, positions), "[gather_positions] " + complaint);
    CHECK_ERROR(core::scatter_positions(y, positions, x.shape(), {2, 2, 2}), "[scatter_positions] " + complaint);
  }
  const Tensor positions = Tensor::zeros({2, 1, 1, 3}, DType::int32);
  CHECK_ERROR(core::scatter_positions(y, positions, {1, 2, 2, 3}, {2, 2, 2}), "int32 positions for the same batch");
  CHECK_ERROR(core::scatter_positions(y, positions.to(DType::int64), x.shape(), {2, 2, 2}),
              "int64 positions (2, 1, 1, 3)");
}

TEST_CASE("scatter_positions is the transpose of gather_positions, also where windows overlap") {
  for (const Case& c : cases(true)) {
    const auto [y, positions] = core::max_pool2d(numbers(c.x, DType::float64), c.window);
    const Tensor a = numbers(c.x, DType::float64, 2), b = numbers(y.shape(), DType::float64, 3);
    const double size = core::norm(a).item() * core::norm(b).item();
    CHECK_CLOSE(std::vector<double>{core::dot(core::gather_positions(a, positions), b).item()},
                std::vector<double>{core::dot(a, core::scatter_positions(b, positions, c.x, c.window)).item()},
                {0, 1e-14 * size});
  }
}

TEST_CASE("average pooling counts padding as zeros, and its transpose is its transpose") {
  for (const DType dtype : floating_types)
    for (const Case& c : cases(false)) {
      const Tensor x = numbers(c.x, dtype, 1), y = numbers(output(c), dtype, 2);
      const auto xs = values(x), ys = values(y);
      std::vector<double> mean(ys.size(), 0.0), back(xs.size(), 0.0);
      const double area = static_cast<double>(c.window.kernel_h * c.window.kernel_w);
      for_each_seen(c, [&](size_t in_y, size_t in_x, int64_t) {
        mean[in_y] += xs[in_x] / area;
        back[in_x] += ys[in_y] / area;
      });
      CAPTURE(c.x);
      CHECK_CLOSE(values(core::avg_pool2d(x, c.window)), mean, rounding(dtype, 16));
      CHECK_CLOSE(values(core::avg_pool2d_transpose(y, c.x, c.window)), back, rounding(dtype, 16));
    }
}

TEST_CASE("windows that do not fit are refused") {
  const Tensor x = Tensor::zeros({1, 4, 4, 1});
  CHECK_ERROR(core::max_pool2d(x, {5, 5, 1, 0}), "The images are too small");
  CHECK_ERROR(core::max_pool2d(x, {2, 2, 2, 2}), "at most half the kernel");
  CHECK_ERROR(core::avg_pool2d(x, {2, 2, 0, 0}), "stride 0");
  // Of images without pixels, padding alone would be left.
  for (const Shape& shape : {Shape{1, 0, 4, 1}, Shape{1, 4, 0, 1}}) {
    const Tensor nothing = Tensor::zeros(shape), weight = Tensor::zeros({1, 2, 2, 1});
    const std::string complaint = text("got images of ", shape[1], "x", shape[2], ", expected at least one pixel");
    const Tensor y = Tensor::zeros({1, shape[1] / 2 + 1, shape[2] / 2 + 1, 1});
    CHECK_ERROR(core::max_pool2d(nothing, {2, 2, 2, 1}), "[max_pool2d] " + complaint);
    CHECK_ERROR(core::avg_pool2d(nothing, {2, 2, 2, 1}), "[avg_pool2d] " + complaint);
    CHECK_ERROR(core::avg_pool2d_transpose(y, shape, {2, 2, 2, 1}), "[avg_pool2d_transpose] " + complaint);
    CHECK_ERROR(core::conv2d(nothing, weight, Tensor(), 2, 1), "[conv2d] " + complaint);
    CHECK_ERROR(core::conv2d_transpose(y, weight, shape, 2, 1), "[conv2d_transpose] " + complaint);
    CHECK_ERROR(core::conv2d_correlate(nothing, y, weight.shape(), 2, 1), "[conv2d_correlate] " + complaint);
  }
  CHECK(core::max_pool2d(Tensor::zeros({0, 4, 4, 2}), {2, 2, 2, 0}).first.shape() == Shape{0, 2, 2, 2});
}
