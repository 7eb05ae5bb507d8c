#include <cmath>

#include "core/cpu/microkernels.h"
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
    for (const int64_t padding : {0, 2, 4, 1})
      for (const Shape& kernel : {Shape{1, 1}, Shape{3, 3}, Shape{5, 5}, Shape{2, 3}, Shape{3, 1}, Shape{4, 4}})
        for (const Shape& image : {Shape{5, 5}, Shape{8, 8}, Shape{7, 10}})
          all.push_back({{2, image[0], image[1], 3}, {4, kernel[0], kernel[1], 3}, stride, padding});
  all.push_back({{1, 1, 1, 1}, {1, 1, 1, 1}, 1, 0});
  all.push_back({{1, 1, 1, 1}, {2, 3, 3, 1}, 1, 1});
  all.push_back({{3, 4, 5, 2}, {2, 4, 5, 2}, 1, 0});   // one position
  all.push_back({{37, 6, 6, 2}, {3, 3, 3, 2}, 1, 1});  // uneven groups of images
  all.push_back({{5, 9, 9, 8}, {6, 1, 1, 8}, 2, 0});
  // Many patches, made in several strips, the last one shorter.
  all.push_back({{2, 32, 32, 16}, {16, 3, 3, 16}, 1, 1});
  all.push_back({{2, 33, 31, 16}, {5, 5, 5, 16}, 1, 2});
  all.push_back({{2, 65, 37, 16}, {4, 3, 2, 16}, 2, 1});
  all.push_back({{2, 40, 30, 24}, {3, 3, 3, 24}, 1, 0});
  all.push_back({{2, 40, 30, 24}, {3, 2, 3, 24}, 3, 2});
  return all;
}

/// The algorithm, and back to the default.
struct Algorithm {
  explicit Algorithm(core::ConvAlgorithm algorithm) { core::set_conv_algorithm(algorithm); }
  ~Algorithm() { core::set_conv_algorithm(core::ConvAlgorithm::automatic); }
};

/// Calls f() with the kernels of each instruction set that the processor has.
template <class F>
void for_each_instruction_set(F&& f) {
  const std::string before = core::cpu::kernels().name;
  for (const std::string& name : core::cpu::instruction_sets()) {
    CAPTURE(name);
    core::cpu::set_instruction_set(name);
    f();
  }
  core::cpu::set_instruction_set(before);
}

Shape output(const Case& c) {
  const auto extent = [&](int axis) { return (c.x[axis] + 2 * c.padding - c.weight[axis]) / c.stride + 1; };
  return {c.x[0], extent(1), extent(2), c.weight[0]};
}

/// Calls f(position in x, in weight, in y) for every product that a convolution sums.
template <class F>
void for_each_product(const Case& c, F&& f) {
  const Shape y = output(c);
  for_each_index(y, [&](const Index& o) {
    for_each_index({c.weight[1], c.weight[2], c.weight[3]}, [&](const Index& k) {
      const int64_t row = o[1] * c.stride - c.padding + k[0], column = o[2] * c.stride - c.padding + k[1];
      if (row < 0 || row >= c.x[1] || column < 0 || column >= c.x[2]) return;
      f(position(c.x, {o[0], row, column, k[2]}), position(c.weight, {o[3], k[0], k[1], k[2]}), position(y, o));
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
      const Tensor got = core::conv2d(x, weight, Tensor(), c.stride, c.padding);
      CHECK(got.shape() == y_shape);
      CHECK_CLOSE(values(got), forward, tolerance);
      CHECK_CLOSE(values(core::conv2d_transpose(y, weight, c.x, c.stride, c.padding)), transpose, tolerance);
      CHECK_CLOSE(values(core::conv2d_correlate(x, y, c.weight, c.stride, c.padding)), correlate, tolerance);
    }
}

namespace {

/// How far float32 results lie from those of float64, relative to the latter's root mean square: on average and at
/// most.
struct Difference {
  double average, most;
};

Difference difference(const Tensor& got, const Tensor& expected) {
  const auto g = values(got), e = values(expected);
  double squares = 0, errors = 0, most = 0;
  for (size_t i = 0; i < e.size(); ++i) {
    squares += e[i] * e[i], errors += (g[i] - e[i]) * (g[i] - e[i]);
    most = std::max(most, std::abs(g[i] - e[i]));
  }
  return {std::sqrt(errors / squares), most / std::sqrt(squares / static_cast<double>(e.size()))};
}

/// The largest difference of the three directions.
Difference difference_of(const Case& c) {
  const Tensor x = numbers(c.x, DType::float32, 1), w = numbers(c.weight, DType::float32, 2),
               y = numbers(output(c), DType::float32, 3), bias = numbers({c.weight[0]}, DType::float32, 4);
  const auto exact = [](const Tensor& t) { return t.to(DType::float64); };
  const Difference all[] = {difference(core::conv2d(x, w, bias, c.stride, c.padding),
                                       core::conv2d(exact(x), exact(w), exact(bias), c.stride, c.padding)),
                            difference(core::conv2d_transpose(y, w, c.x, c.stride, c.padding),
                                       core::conv2d_transpose(exact(y), exact(w), c.x, c.stride, c.padding)),
                            difference(core::conv2d_correlate(x, y, c.weight, c.stride, c.padding),
                                       core::conv2d_correlate(exact(x), exact(y), c.weight, c.stride, c.padding))};
  Difference worst{0, 0};
  for (const Difference& d : all) worst = {std::max(worst.average, d.average), std::max(worst.most, d.most)};
  return worst;
}

}  // namespace

TEST_CASE(
    "every algorithm on every instruction set agrees with float64, at odd sizes and channels of no whole vector") {
  std::vector<Case> all;
  for (const Shape& channels : {Shape{1, 6}, Shape{3, 16}, Shape{6, 16}, Shape{17, 5}, Shape{20, 33}, Shape{50, 24}})
    for (const Shape& image : {Shape{1, 1, 3}, Shape{1, 2, 2}, Shape{3, 5, 9}, Shape{2, 13, 7}, Shape{1, 29, 30}})
      for (const int64_t kernel : {1, 3, 5})
        for (const int64_t stride : {1, 2})
          for (const int64_t padding : {0, 1, 3})
            if (image[1] + 2 * padding >= kernel && (stride == 1 || padding == 1))
              all.push_back({{image[0], image[1], image[2], channels[0]},
                             {channels[1], kernel, kernel, channels[0]},
                             stride,
                             padding});
  all.push_back({{67, 8, 8, 32}, {40, 3, 3, 32}, 1, 1});   // several rounds of Winograd's weight gradient
  all.push_back({{3, 70, 60, 16}, {16, 3, 3, 16}, 1, 1});  // several strips of one image
  all.push_back({{1, 12, 20, 70}, {90, 3, 3, 70}, 1, 1});  // few tiles, several blocks of channels
  // im2col: one position an image; short rows; fewer positions than channels; many passes back.
  all.push_back({{37, 5, 5, 16}, {120, 5, 5, 16}, 1, 0});
  all.push_back({{200, 1, 1, 40}, {30, 1, 1, 40}, 1, 0});
  all.push_back({{1, 1, 1, 64}, {33, 1, 1, 64}, 1, 0});
  all.push_back({{6, 40, 2, 24}, {40, 3, 2, 24}, 1, 1});
  all.push_back({{9, 4, 4, 60}, {90, 3, 3, 60}, 2, 1});
  all.push_back({{1, 5, 4, 70}, {210, 3, 3, 70}, 1, 1});
  all.push_back({{5, 16, 16, 3}, {50, 4, 4, 3}, 4, 0});
  all.push_back({{5, 16, 12, 2}, {20, 3, 3, 2}, 2, 1});     // few channels of x
  all.push_back({{2, 200, 100, 3}, {70, 5, 5, 3}, 1, 2});   // several strips of an image
  all.push_back({{70, 12, 12, 30}, {40, 3, 3, 30}, 3, 1});  // several strips of whole images
  for_each_instruction_set([&] {
    for (const auto algorithm :
         {core::ConvAlgorithm::direct, core::ConvAlgorithm::winograd, core::ConvAlgorithm::automatic}) {
      const Algorithm use(algorithm);
      for (const Case& c : all) {
        CAPTURE(algorithm);
        CAPTURE(c.x);
        CAPTURE(c.weight);
        CAPTURE(c.stride);
        CAPTURE(c.padding);
        CHECK(difference_of(c).most < 5e-5);
      }
    }
  });
}

TEST_CASE("rounding errors of convolution are as small as core/cpu/winograd.cpp says") {
  const Case by_4{{16, 16, 16, 64}, {64, 3, 3, 64}, 1, 1}, by_2{{256, 2, 2, 64}, {64, 3, 3, 64}, 1, 1};
  for_each_instruction_set([&] {
    {
      const Algorithm direct(core::ConvAlgorithm::direct);
      CHECK(difference_of(by_4).average < 1e-6);
    }
    const Algorithm winograd(core::ConvAlgorithm::winograd);
    const double coarse = difference_of(by_4).average, fine = difference_of(by_2).average;
    CHECK(coarse < 2e-6);
    CHECK(fine < 1e-6);
    CHECK(fine < coarse);
  });
}

TEST_CASE("sums over many pixels round little") {
  const Algorithm winograd(core::ConvAlgorithm::winograd);
  CHECK(difference_of({{128, 32, 32, 16}, {16, 3, 3, 16}, 1, 1}).average < 3e-6);
}

TEST_CASE("an algorithm or an instruction set that is asked for is used") {
  const Tensor x = numbers({2, 16, 16, 32}, DType::float32, 1), w = numbers({32, 3, 3, 32}, DType::float32, 2);
  const auto convolve = [&](core::ConvAlgorithm algorithm) {
    const Algorithm use(algorithm);
    CHECK(core::conv_algorithm() == algorithm);
    return values(core::conv2d(x, w, Tensor(), 1, 1));
  };
  const auto direct = convolve(core::ConvAlgorithm::direct), winograd = convolve(core::ConvAlgorithm::winograd);
  CHECK(direct != winograd);  // they round differently
  CHECK(convolve(core::ConvAlgorithm::automatic) == winograd);
  CHECK_ERROR(core::cpu::set_instruction_set("mmx"), "[set_instruction_set] got 'mmx', expected an instruction set");
  std::vector<std::string> used;
  for_each_instruction_set([&] { used.push_back(core::cpu::kernels().name); });
  CHECK(used == core::cpu::instruction_sets());
  CHECK(used.back() == "baseline");
}

TEST_CASE("what is not a number stays with the pixels that see it") {
  Tensor x = numbers({1, 12, 12, 20});
  x.mutable_data<float>()[0] = NAN;
  for (const auto algorithm : {core::ConvAlgorithm::direct, core::ConvAlgorithm::winograd}) {
    const Algorithm use(algorithm);
    const auto y = values(core::conv2d(x, numbers({18, 3, 3, 20}), Tensor(), 1, 1));
    CHECK(std::isnan(y[0]));
    for (size_t i = 5 * 12 * 18; i < y.size(); ++i) CHECK(std::isfinite(y[i]));
  }
}

TEST_CASE("infinite and huge pixels reach the pixels that see them, and no other, in every algorithm and direction") {
  const Tensor weight = Tensor::full({16, 3, 3, 16}, 0.1), y = Tensor::full({2, 16, 16, 16}, 0.25);
  const auto same = [](const Tensor& got, const Tensor& expected) {
    CHECK_CLOSE(got, expected, {.rtol = 1e-5, .atol = 1e-5});
  };
  for_each_instruction_set([&] {
    for (const float pixel : {INFINITY, -INFINITY, NAN, 1e38f, -3e38f}) {
      CAPTURE(pixel);
      Tensor x = Tensor::full({2, 16, 16, 16}, 1);
      x.mutable_data<float>()[(8 * 16 + 8) * 16] = pixel;
      const auto forward = [&](core::Activation activation) {
        return core::conv2d(x, weight, Tensor(), 1, 1, activation);
      };
      core::set_conv_algorithm(core::ConvAlgorithm::direct);
      const Tensor expected = forward(core::Activation::none), active = forward(core::Activation::relu);
      const Tensor back = core::conv2d_transpose(x, weight, x.shape(), 1, 1);
      const Tensor correlated = core::conv2d_correlate(x, y, weight.shape(), 1, 1);
      for (const auto algorithm : {core::ConvAlgorithm::winograd, core::ConvAlgorithm::automatic}) {
        const Algorithm use(algorithm);
        same(forward(core::Activation::none), expected);
        same(forward(core::Activation::relu), active);
        same(core::conv2d_transpose(x, weight, x.shape(), 1, 1), back);
        same(core::conv2d_correlate(x, y, weight.shape(), 1, 1), correlated);
      }
    }
  });
}

TEST_CASE("<conv(x, w), y> = <x, conv_transpose(y, w)> = <w, correlate(x, y)>") {
  for (const Case& c : cases()) {
    const Tensor x = numbers(c.x, DType::float64, 1), w = numbers(c.weight, DType::float64, 2),
                 y = numbers(output(c), DType::float64, 3);
    const double forward = core::dot(core::conv2d(x, w, Tensor(), c.stride, c.padding), y).item();
    const double size = std::sqrt(core::norm(y).item() * core::norm(y).item()) *
                        core::norm(core::conv2d(x, w, Tensor(), c.stride, c.padding)).item();
    const std::vector<double> adjoint{core::dot(x, core::conv2d_transpose(y, w, c.x, c.stride, c.padding)).item(),
                                      core::dot(w, core::conv2d_correlate(x, y, c.weight, c.stride, c.padding)).item()};
    CHECK_CLOSE(adjoint, std::vector<double>(2, forward), {0, 1e-14 * size + 1e-300});
  }
}

TEST_CASE("a batch without images convolves to one without images, and its weight gradient is zero") {
  const Tensor x = Tensor::zeros({0, 8, 8, 3}), weight = numbers({4, 3, 3, 3});
  const Tensor y = core::conv2d(x, weight, Tensor(), 1, 1);
  CHECK(y.shape() == Shape{0, 8, 8, 4});
  CHECK(core::conv2d_transpose(y, weight, x.shape(), 1, 1).shape() == x.shape());
  CHECK(values(core::conv2d_correlate(x, y, weight.shape(), 1, 1)) == std::vector<double>(108, 0.0));
}

TEST_CASE("a convolution's bias is added to each of its channels") {
  for (const DType dtype : floating_types) {
    const Tensor x = numbers({3, 7, 6, 2}, dtype, 1), weight = numbers({5, 3, 3, 2}, dtype, 2);
    const Tensor bias = numbers({5}, dtype, 3), plain = core::conv2d(x, weight, Tensor(), 2, 1);
    CHECK_CLOSE(core::conv2d(x, weight, bias, 2, 1), core::binary(core::BinaryOp::add, plain, bias),
                rounding(dtype, 16));
  }
  CHECK_ERROR(core::conv2d(numbers({1, 3, 3, 2}), numbers({5, 3, 3, 2}), numbers({2})),
              "[conv2d] got bias (2,), expected (5,)");
}

TEST_CASE("images that a convolution cannot take are refused") {
  const Tensor x = Tensor::zeros({2, 8, 8, 3}), none;
  CHECK_ERROR(core::conv2d(x, Tensor::zeros({4, 3, 3, 2}), none), "2 input channels");
  CHECK_ERROR(core::conv2d(x, Tensor::zeros({4, 9, 9, 3}), none), "The images are too small");
  CHECK_ERROR(core::conv2d(x, Tensor::zeros({4, 3, 3, 3}), none, 0, 1), "stride 0");
  CHECK_ERROR(core::conv2d(x, Tensor::zeros({4, 3, 3, 3}), none, 1, -1), "padding -1");
  CHECK_ERROR(core::conv2d(Tensor::zeros({8, 8, 3}), Tensor::zeros({4, 3, 3, 3}), none), "[conv2d]");
  CHECK_ERROR(core::conv2d_transpose(Tensor::zeros({2, 7, 7, 4}), Tensor::zeros({4, 3, 3, 3}), {2, 8, 8, 3}, 1, 1),
              "[conv2d_transpose]");
}

TEST_CASE("images that lie as (batch, channels, height, width) are refused with both readings of their shape") {
  const std::string message =
      error_of([] { core::conv2d(Tensor::zeros({2, 3, 8, 9}), Tensor::zeros({4, 3, 3, 3}), Tensor()); });
  CHECK_MESSAGE(contains(message, "Read as (batch, height, width, channels), these are 3 x 8 pixels of 9 channels"),
                message);
  CHECK_MESSAGE(contains(message, "read as (batch, channels, height, width), 8 x 9 pixels of 3 channels"), message);
  CHECK_MESSAGE(contains(message, "permute(x, {0, 2, 3, 1})"), message);
  // Where the second reading fits no better, only the channels are named.
  const std::string other =
      error_of([] { core::conv2d(Tensor::zeros({2, 8, 8, 1}), Tensor::zeros({4, 3, 3, 3}), Tensor()); });
  CHECK_MESSAGE((contains(other, "3 input channels") && !contains(other, "permute")), other);
}
