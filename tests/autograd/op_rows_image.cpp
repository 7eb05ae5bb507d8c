// Rows of the op table: convolution, pooling and batch normalisation.
#include <algorithm>

#include "core/ops.h"
#include "tests/autograd/op_table.h"

namespace minima::test {

namespace {

using Args = std::vector<Variable>;
using Arrays = std::vector<Array>;
using At = std::vector<int64_t>;

// The element at (row, column) of a plane of x, or `outside` beyond its edge.
double pixel(const Array& x, int64_t n, int64_t c, int64_t row, int64_t column, double outside) {
  const bool inside = row >= 0 && row < x.shape[2] && column >= 0 && column < x.shape[3];
  return inside ? x({n, c, row, column}) : outside;
}

Array conv2d_loop(const Array& x, const Array& w, int64_t stride, int64_t padding) {
  const int64_t kh = w.shape[2], kw = w.shape[3];
  const Shape shape{x.shape[0], w.shape[0], (x.shape[2] + 2 * padding - kh) / stride + 1,
                    (x.shape[3] + 2 * padding - kw) / stride + 1};
  return make_array(shape, [&](const At& at) {
    double sum = 0;
    for (int64_t c = 0; c < w.shape[1]; ++c)
      for (int64_t i = 0; i < kh; ++i)
        for (int64_t j = 0; j < kw; ++j)
          sum +=
              pixel(x, at[0], c, at[2] * stride + i - padding, at[3] * stride + j - padding, 0) * w({at[1], c, i, j});
    return sum;
  });
}

Row conv2d_row(const Shape& x, const Shape& w, int64_t stride, int64_t padding, const Shape& large_x,
               const Shape& large_w) {
  Shape none = x;
  none[0] = 0;
  return {"conv2d(Variable, Variable, int64_t, int64_t)",
          [=](const Args& args) { return conv2d(args[0], args[1], stride, padding); },
          [=](const Arrays& args) { return conv2d_loop(args[0], args[1], stride, padding); },
          {x, w},
          -1,
          1,
          {large_x, large_w},
          {none, w}};
}

Array pool_loop(const Array& x, const Window& w, bool largest) {
  const Shape shape{x.shape[0], x.shape[1], (x.shape[2] + 2 * w.padding - w.kernel_h) / w.stride + 1,
                    (x.shape[3] + 2 * w.padding - w.kernel_w) / w.stride + 1};
  return make_array(shape, [&](const At& at) {
    double result = largest ? -INFINITY : 0;
    for (int64_t i = 0; i < w.kernel_h; ++i)
      for (int64_t j = 0; j < w.kernel_w; ++j) {
        const double value = pixel(x, at[0], at[1], at[2] * w.stride + i - w.padding, at[3] * w.stride + j - w.padding,
                                   largest ? -INFINITY : 0);
        result = largest ? std::max(result, value) : result + value / static_cast<double>(w.kernel_h * w.kernel_w);
      }
    return result;
  });
}

Row pool_row(bool largest, const Window& window) {
  return {largest ? "max_pool2d(Variable, Window)" : "avg_pool2d(Variable, Window)",
          [=](const Args& x) { return largest ? max_pool2d(x[0], window) : avg_pool2d(x[0], window); },
          [=](const Arrays& x) { return pool_loop(x[0], window, largest); },
          {{2, 2, 5, 6}},
          -2,
          2,
          {{20, 8, 40, 41}},
          {{0, 2, 5, 6}}};
}

Array batch_norm_loop(const Arrays& args, double epsilon) {
  const Array& x = args[0];
  const int64_t channels = x.shape[1];
  const auto inner = static_cast<int64_t>(x.values.size()) / x.shape[0] / channels;
  auto channel = [&](size_t i) { return static_cast<size_t>(static_cast<int64_t>(i) / inner % channels); };
  const double n = static_cast<double>(x.shape[0] * inner);
  std::vector<double> mean(static_cast<size_t>(channels)), variance(mean.size());
  for (size_t i = 0; i < x.values.size(); ++i) mean[channel(i)] += x.values[i] / n;
  for (size_t i = 0; i < x.values.size(); ++i) variance[channel(i)] += std::pow(x.values[i] - mean[channel(i)], 2) / n;
  Array y = x;
  for (size_t i = 0; i < y.values.size(); ++i) {
    const size_t c = channel(i);
    y.values[i] = (x.values[i] - mean[c]) / std::sqrt(variance[c] + epsilon) * args[1].values[c] + args[2].values[c];
  }
  return y;
}

Row batch_norm_row(const Shape& x, const Shape& large) {
  const Shape channels{x[1]}, many{large[1]};
  return {"batch_norm(Variable, Variable, Variable, Tensor, Tensor, double)",
          [](const Args& args) {
            const auto [mean, variance] = core::channel_moments(args[0].value());
            return batch_norm(args[0], args[1], args[2], mean, variance, 1e-3);
          },
          [](const Arrays& args) { return batch_norm_loop(args, 1e-3); },
          {x, channels, channels},
          -2,
          2,
          {large, many, many},
          {}};
}

}  // namespace

std::vector<Row> image_rows() {
  return {
      conv2d_row({2, 2, 5, 4}, {3, 2, 3, 3}, 1, 1, {8, 16, 30, 31}, {12, 16, 3, 3}),
      conv2d_row({2, 1, 5, 6}, {2, 1, 2, 3}, 1, 0, {8, 1, 60, 61}, {12, 1, 5, 5}),
      conv2d_row({1, 2, 6, 5}, {2, 2, 3, 3}, 2, 1, {8, 16, 30, 31}, {12, 16, 3, 3}),  // a last row no window reaches
      conv2d_row({2, 3, 3, 4}, {2, 3, 1, 1}, 1, 0, {8, 16, 30, 31}, {12, 16, 1, 1}),
      conv2d_row({1, 2, 7, 7}, {2, 2, 2, 2}, 3, 0, {8, 16, 30, 31}, {12, 16, 2, 2}),
      pool_row(true, {2, 2, 2, 0}),
      pool_row(true, {3, 2, 1, 1}),
      pool_row(true, {3, 3, 2, 1}),
      pool_row(false, {2, 2, 2, 0}),
      pool_row(false, {3, 2, 1, 1}),
      pool_row(false, {3, 3, 2, 1}),
      batch_norm_row({3, 2, 2, 3}, {20, 30, 16, 15}),
      batch_norm_row({5, 3}, {5000, 60}),
  };
}

}  // namespace minima::test
