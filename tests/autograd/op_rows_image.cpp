// Rows of the op table: convolution, pooling and normalisation.
#include <algorithm>

#include "tests/autograd/op_table.h"

namespace minima::test {

namespace {

using Args = std::vector<Variable>;
using Arrays = std::vector<Array>;
using At = std::vector<int64_t>;

// The element of channel c at (row, column) of image n, or `outside` beyond its edge.
double pixel(const Array& x, int64_t n, int64_t row, int64_t column, int64_t c, double outside) {
  const bool inside = row >= 0 && row < x.shape[1] && column >= 0 && column < x.shape[2];
  return inside ? x({n, row, column, c}) : outside;
}

Array conv2d_loop(const Arrays& args, int64_t stride, int64_t padding) {
  const Array &x = args[0], &w = args[1];
  const int64_t kh = w.shape[1], kw = w.shape[2];
  const Shape shape{x.shape[0], (x.shape[1] + 2 * padding - kh) / stride + 1,
                    (x.shape[2] + 2 * padding - kw) / stride + 1, w.shape[0]};
  return make_array(shape, [&](const At& at) {
    double sum = args.size() > 2 ? args[2].values[static_cast<size_t>(at[3])] : 0;
    for (int64_t i = 0; i < kh; ++i)
      for (int64_t j = 0; j < kw; ++j)
        for (int64_t c = 0; c < w.shape[3]; ++c)
          sum +=
              pixel(x, at[0], at[1] * stride + i - padding, at[2] * stride + j - padding, c, 0) * w({at[3], i, j, c});
    return sum;
  });
}

// What the loops make of an activation.
Array activated(Array y, Activation activation) {
  if (activation == Activation::relu)
    for (double& value : y.values) value = std::max(value, 0.0);
  return y;
}

Row conv2d_row(bool bias, const Shape& x, const Shape& w, int64_t stride, int64_t padding, const Shape& large_x,
               const Shape& large_w, Activation activation = Activation::none) {
  Shape none = x;
  none[0] = 0;
  const auto with_bias = [bias](const Shape& images, const Shape& weight) {
    std::vector<Shape> shapes{images, weight};
    if (bias) shapes.push_back({weight[0]});
    return shapes;
  };
  return {"conv2d(Variable, Variable, Variable, int64_t, int64_t, Activation)",
          [=](const Args& args) {
            return conv2d(args[0], args[1], bias ? args[2] : Variable(), stride, padding, activation);
          },
          [=](const Arrays& args) { return activated(conv2d_loop(args, stride, padding), activation); },
          with_bias(x, w),
          -1,
          1,
          with_bias(large_x, large_w),
          with_bias(none, w)};
}

// Each number of y is spread over its window of x.
Array conv2d_transpose_loop(const Arrays& args, const Shape& x_shape, int64_t stride, int64_t padding) {
  const Array &y = args[0], &w = args[1];
  return make_array(x_shape, [&](const At& at) {
    double sum = 0;
    for (int64_t row = 0; row < y.shape[1]; ++row)
      for (int64_t column = 0; column < y.shape[2]; ++column) {
        const int64_t i = at[1] + padding - row * stride, j = at[2] + padding - column * stride;
        if (i < 0 || j < 0 || i >= w.shape[1] || j >= w.shape[2]) continue;
        for (int64_t c = 0; c < w.shape[0]; ++c) sum += y({at[0], row, column, c}) * w({c, i, j, at[3]});
      }
    return sum;
  });
}

Row conv2d_transpose_row(const Shape& y, const Shape& w, int64_t stride, int64_t padding, int64_t more,
                         const Shape& large_y, const Shape& large_w) {
  const auto x_shape = [=](const Shape& y, const Shape& w) {
    const auto extent = [=](int64_t out, int64_t kernel) { return (out - 1) * stride - 2 * padding + kernel + more; };
    return Shape{y[0], extent(y[1], w[1]), extent(y[2], w[2]), w[3]};
  };
  return {"conv2d_transpose(Variable, Variable, Shape, int64_t, int64_t)",
          [=](const Args& args) {
            return conv2d_transpose(args[0], args[1], x_shape(args[0].shape(), args[1].shape()), stride, padding);
          },
          [=](const Arrays& args) {
            return conv2d_transpose_loop(args, x_shape(args[0].shape, args[1].shape), stride, padding);
          },
          {y, w},
          -1,
          1,
          {large_y, large_w},
          {{0, y[1], y[2], y[3]}, w}};
}

Array pool_loop(const Array& x, const core::Window& w, bool largest) {
  const Shape shape{x.shape[0], (x.shape[1] + 2 * w.padding - w.kernel_h) / w.stride + 1,
                    (x.shape[2] + 2 * w.padding - w.kernel_w) / w.stride + 1, x.shape[3]};
  return make_array(shape, [&](const At& at) {
    double result = largest ? -INFINITY : 0;
    for (int64_t i = 0; i < w.kernel_h; ++i)
      for (int64_t j = 0; j < w.kernel_w; ++j) {
        const double value = pixel(x, at[0], at[1] * w.stride + i - w.padding, at[2] * w.stride + j - w.padding, at[3],
                                   largest ? -INFINITY : 0);
        result = largest ? std::max(result, value) : result + value / static_cast<double>(w.kernel_h * w.kernel_w);
      }
    return result;
  });
}

Row pool_row(bool largest, const core::Window& window) {
  return {largest ? "max_pool2d(Variable, core::Window)" : "avg_pool2d(Variable, core::Window)",
          [=](const Args& x) { return largest ? max_pool2d(x[0], window) : avg_pool2d(x[0], window); },
          [=](const Arrays& x) { return pool_loop(x[0], window, largest); },
          {{2, 5, 6, 2}},
          -2,
          2,
          {{20, 40, 41, 8}},
          {{0, 5, 6, 2}}};
}

// The formula with these moments of each channel.
Array normalise_loop(const Arrays& args, const std::vector<double>& mean, const std::vector<double>& variance,
                     double epsilon) {
  Array y = args[0];
  for (size_t i = 0; i < y.values.size(); ++i) {
    const size_t c = i % mean.size();
    y.values[i] = (y.values[i] - mean[c]) / std::sqrt(variance[c] + epsilon) * args[1].values[c] + args[2].values[c];
  }
  return y;
}

Array batch_norm_loop(const Arrays& args, double epsilon) {
  const Array& x = args[0];
  const auto channels = static_cast<size_t>(x.shape[-1]);
  const double n = static_cast<double>(x.values.size() / channels);
  std::vector<double> mean(channels), variance(channels);
  for (size_t i = 0; i < x.values.size(); ++i) mean[i % channels] += x.values[i] / n;
  for (size_t i = 0; i < x.values.size(); ++i)
    variance[i % channels] += std::pow(x.values[i] - mean[i % channels], 2) / n;
  return normalise_loop(args, mean, variance, epsilon);
}

// The arguments of a normalisation: the residual is the last, where there is one.
Epilogue epilogue_of(const Args& args, Activation activation) {
  return {.residual = args.size() > 3 ? args[3] : Variable(), .activation = activation};
}
Array after_epilogue(Array y, const Arrays& args, Activation activation) {
  if (args.size() > 3)
    for (size_t i = 0; i < y.values.size(); ++i) y.values[i] += args[3].values[i];
  return activated(std::move(y), activation);
}
std::vector<Shape> normalise_shapes(const Shape& x, bool residual) {
  std::vector<Shape> shapes{x, {x[-1]}, {x[-1]}};
  if (residual) shapes.push_back(x);
  return shapes;
}

Row batch_norm_row(const Shape& x, const Shape& large, bool residual = false,
                   Activation activation = Activation::none) {
  return {"batch_norm(Variable, Variable, Variable, double, Epilogue)",
          [=](const Args& args) {
            return batch_norm(args[0], args[1], args[2], 1e-3, epilogue_of(args, activation)).first;
          },
          [=](const Arrays& args) { return after_epilogue(batch_norm_loop(args, 1e-3), args, activation); },
          normalise_shapes(x, residual),
          -2,
          2,
          normalise_shapes(large, residual),
          {}};
}

Row normalise_row(const Shape& x, const Shape& large, bool residual = false, Activation activation = Activation::none) {
  Shape none = x;
  none[0] = 0;
  const auto mean = [](int64_t c) { return 0.3 * static_cast<double>(c % 5) - 0.5; };
  const auto variance = [](int64_t c) { return 0.5 + static_cast<double>(c % 3); };
  const auto each = [](int64_t count, const auto& f) {
    std::vector<double> values;
    for (int64_t c = 0; c < count; ++c) values.push_back(f(c));
    return values;
  };
  return {"normalise(Variable, core::Moments, Variable, Variable, double, Epilogue)",
          [=](const Args& args) {
            const int64_t count = args[1].numel();
            const core::Moments moments{Tensor::from(each(count, mean)).to(args[0].device()),
                                        Tensor::from(each(count, variance)).to(args[0].device())};
            return normalise(args[0], moments, args[1], args[2], 1e-3, epilogue_of(args, activation));
          },
          [=](const Arrays& args) {
            const int64_t count = args[1].shape[0];
            return after_epilogue(normalise_loop(args, each(count, mean), each(count, variance), 1e-3), args,
                                  activation);
          },
          normalise_shapes(x, residual),
          -2,
          2,
          normalise_shapes(large, residual),
          normalise_shapes(none, residual)};
}

Row layer_norm_row(const Shape& x, const Shape& large, const Shape& none) {
  const auto shapes = [](const Shape& of) { return normalise_shapes(of, false); };
  return {"layer_norm(Variable, Variable, Variable, double)",
          [](const Args& args) { return layer_norm(args[0], args[1], args[2], 1e-3); },
          [](const Arrays& args) {
            Array y = args[0];
            const auto features = static_cast<size_t>(y.shape[-1]);
            for (size_t row = 0; row < y.values.size(); row += features) {
              double mean = 0, variance = 0;
              for (size_t j = 0; j < features; ++j) mean += y.values[row + j] / static_cast<double>(features);
              for (size_t j = 0; j < features; ++j)
                variance += std::pow(y.values[row + j] - mean, 2) / static_cast<double>(features);
              for (size_t j = 0; j < features; ++j)
                y.values[row + j] =
                    (y.values[row + j] - mean) / std::sqrt(variance + 1e-3) * args[1].values[j] + args[2].values[j];
            }
            return y;
          },
          shapes(x),
          -2,
          2,
          shapes(large),
          shapes(none)};
}

}  // namespace

std::vector<Row> image_rows() {
  return {
      conv2d_row(false, {2, 5, 4, 2}, {3, 3, 3, 2}, 1, 1, {8, 30, 31, 16}, {12, 3, 3, 16}),
      conv2d_row(true, {2, 5, 6, 1}, {2, 2, 3, 1}, 1, 0, {8, 60, 61, 1}, {12, 5, 5, 1}),
      conv2d_row(false, {1, 6, 5, 2}, {2, 3, 3, 2}, 2, 1, {8, 30, 31, 16}, {12, 3, 3, 16}),  // a row no window reaches
      conv2d_row(true, {2, 3, 4, 3}, {2, 1, 1, 3}, 1, 0, {8, 30, 31, 16}, {12, 1, 1, 16}),
      conv2d_row(false, {1, 7, 7, 2}, {2, 2, 2, 2}, 3, 0, {8, 30, 31, 16}, {12, 2, 2, 16}),
      conv2d_row(true, {2, 5, 4, 2}, {3, 3, 3, 2}, 1, 1, {8, 30, 31, 16}, {12, 3, 3, 16}, Activation::relu),
      conv2d_row(false, {1, 5, 4, 2}, {2, 1, 1, 2}, 2, 0, {8, 30, 31, 16}, {12, 1, 1, 16}, Activation::relu),
      conv2d_transpose_row({2, 3, 4, 2}, {2, 3, 3, 3}, 1, 1, 0, {8, 30, 31, 12}, {12, 3, 3, 16}),
      conv2d_transpose_row({1, 3, 2, 3}, {3, 2, 3, 2}, 2, 1, 1, {8, 15, 16, 12}, {12, 3, 3, 16}),
      pool_row(true, {2, 2, 2, 0}),
      pool_row(true, {3, 2, 1, 1}),
      pool_row(true, {3, 3, 2, 1}),
      pool_row(false, {2, 2, 2, 0}),
      pool_row(false, {3, 2, 1, 1}),
      pool_row(false, {3, 3, 2, 1}),
      batch_norm_row({3, 2, 3, 2}, {20, 16, 15, 35}),
      batch_norm_row({5, 3}, {5000, 60}),
      batch_norm_row({3, 2, 2, 2}, {20, 16, 15, 35}, true),
      batch_norm_row({3, 2, 2, 3}, {20, 16, 15, 35}, false, Activation::relu),
      batch_norm_row({3, 2, 2, 3}, {20, 16, 15, 35}, true, Activation::relu),
      normalise_row({3, 2, 3, 2}, {20, 16, 15, 35}),
      normalise_row({5, 3}, {5000, 60}),
      normalise_row({3, 2, 2, 3}, {20, 16, 15, 35}, true, Activation::relu),
      layer_norm_row({5, 3}, {5000, 60}, {0, 3}),
      layer_norm_row({4}, {3, 40000}, {2, 0, 4}),
  };
}

}  // namespace minima::test
