// Every kernel of the Backend, on the GPU and on the CPU, at shapes that take one thread, part of a warp, several
// warps, several blocks, and several passes.
#include <limits>

#include "tests/cuda/on_device.h"

using namespace minima;
using namespace minima::test;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

const Shape folds[] = {{1, 1, 1},     {3, 7, 1},    {2, 33, 5},    {1, 300, 1},   {5, 1025, 1},
                       {1, 70000, 1}, {1, 5000, 3}, {1, 700, 130}, {4, 129, 40},  {600, 12, 1},
                       {1, 1, 77},    {2, 0, 3},    {0, 4, 3},     {1, 9000, 16}, {2, 4097, 2}};

Tensor indices(int64_t count, int64_t below, uint64_t seed) {
  Generator generator{seed};
  std::vector<int64_t> values(static_cast<size_t>(count));
  for (int64_t& value : values) value = static_cast<int64_t>(generator.below(static_cast<uint64_t>(below)));
  return Tensor::from(values);
}

}  // namespace

TEST_CASE("what goes to the GPU comes back, of every dtype and of sizes around the pieces of an upload") {
  for (const int64_t n : {0, 1, 5, 1 << 18, (1 << 18) + 1, 5 << 20}) {
    const Tensor x = numbers({n}, DType::float32);
    CHECK_SAME_BITS(x.to(Device::cuda).to(Device::cpu), x);
  }
  for (const DType dtype : {DType::float32, DType::float64, DType::int32, DType::int64, DType::uint8}) {
    const Tensor x = core::unary(core::UnaryOp::abs, numbers({1000}, DType::float64)).to(dtype);
    CHECK_SAME_BITS(x.to(Device::cuda).to(Device::cpu), x);
    CHECK_SAME_BITS(x.to(Device::cuda).clone().to(Device::cpu), x);
    for (const DType to : {DType::float32, DType::float64, DType::int32, DType::int64, DType::uint8})
      CHECK_SAME_BITS(x.to(Device::cuda).to(to).to(Device::cpu), x.to(to));
    CHECK(Tensor::full({77}, 3, dtype, Device::cuda).to_vector<double>() == std::vector<double>(77, 3.0));
  }
}

TEST_CASE("an upload waits for what still reads its target, and its readers wait for it") {
  Tensor target = Tensor::empty({1 << 15}, DType::float32, Device::cuda);  // crosses the bus beside the kernels
  std::vector<Tensor> sums;
  for (int i = 0; i < 40; ++i) {  // more than can be on their way
    target.copy_from(Tensor::full({1 << 15}, i));
    sums.push_back(core::sum(target));
  }
  for (int i = 0; i < 40; ++i) CHECK(sums[static_cast<size_t>(i)].item() == i * (1 << 15));
}

TEST_CASE("a view on the GPU reads and writes its part alone") {
  Tensor x = Tensor::zeros({10, 3}, DType::float32, Device::cuda);
  Tensor rows = x.slice(2, 4);
  rows.fill(1);
  CHECK(core::sum(x).item() == 6);
  CHECK(x.at(6) == 1);
  CHECK(x.at(5) == 0);
  x.slice(9, 10).copy_from(numbers({1, 3}, DType::float64).to(DType::float32));
  CHECK_SAME_BITS(x.slice(9, 10).to(Device::cpu), numbers({1, 3}, DType::float64).to(DType::float32));
}

TEST_CASE("every function of one element is the CPU's") {
  using core::UnaryOp;
  const std::vector<double> special{0.0, -0.0, 1.0, -1.0, infinity, -infinity, std::nan(""), 1e-30, 88.0, -104.0};
  for (const DType dtype : floating_types)
    for (int op = 0; op <= static_cast<int>(UnaryOp::gelu_slope); ++op) {
      const UnaryOp f = static_cast<UnaryOp>(op);
      CAPTURE(std::string(core::name_of(f)));
      Tolerance close = dtype == DType::float64 ? Tolerance{1e-13, 1e-46} : Tolerance{2e-6, 1e-37};
      if (f == UnaryOp::gelu) close.rtol *= 3;  // the normal distribution function left of 0
      if (f == UnaryOp::gelu_slope) close.atol = dtype == DType::float64 ? 1e-15 : 5e-7;  // two terms cancel near -.75
      const Tensor x = core::concatenate({numbers({3000}, dtype), Tensor::from(special).to(dtype)}, 0);
      for (const double a : {2.0, 0.5})
        check_devices([&](auto move) { return std::vector{core::unary(f, move(x), a, 0.25)}; }, close);
    }
}

TEST_CASE("every function of two elements is the CPU's, however its operands broadcast") {
  using core::BinaryOp;
  const std::pair<Shape, Shape> shapes[] = {{{2000}, {2000}},
                                            {{40, 7}, {7}},
                                            {{40, 7}, {40, 1}},
                                            {{}, {500}},
                                            {{500}, {}},
                                            {{3, 1, 5}, {4, 1}},
                                            {{2, 3, 1, 5, 1}, {3, 4, 1, 6}},
                                            {{0, 3}, {3}},
                                            {{1}, {1}}};
  for (const DType dtype : floating_types)
    for (int op = 0; op <= static_cast<int>(BinaryOp::binary_cross_entropy); ++op)
      for (const auto& [a, b] : shapes) {
        const BinaryOp f = static_cast<BinaryOp>(op);
        CAPTURE(std::string(core::name_of(f)));
        CAPTURE(a);
        CAPTURE(b);
        const Tensor x = numbers(a, dtype, 1);
        Tensor y = numbers(b, dtype, 2);
        if (f == BinaryOp::binary_cross_entropy) y = core::unary(core::UnaryOp::sigmoid, y);  // targets
        check_devices([&](auto move) { return std::vector{core::binary(f, move(x), move(y))}; },
                      {dtype == DType::float64 ? 1e-14 : 1e-6, 1e-7});
      }
}

TEST_CASE("a scaled sum takes its factor from the GPU") {
  for (const DType dtype : floating_types) {
    const Tensor x = numbers({700}, dtype, 1), y = numbers({700}, dtype, 2);
    const Tensor scale = Tensor::full({}, 0.75, DType::float64);
    check_devices(
        [&](auto move) {
          Tensor plain = move(y).clone(), scaled = move(y).clone();
          core::add_scaled(plain, 0.5, move(x));
          core::add_scaled(scaled, 0.5, move(scale), move(x));
          const Tensor kept = move(y);
          Tensor elsewhere = kept.empty_like();
          core::add_scaled(kept, 0.5, move(scale), move(x), elsewhere);
          return std::vector{plain, scaled, elsewhere, kept};
        },
        {dtype == DType::float64 ? 1e-15 : 1e-6, 1e-7});
  }
}

TEST_CASE("a blend is the CPU's, of counts too") {
  const Tensor x = numbers({700}, DType::float64, 1);
  for (const DType dtype : floating_types)
    check_devices(
        [&](auto move) {
          Tensor followed = move(numbers({700}, dtype, 2)).clone(), shifted = followed.clone();
          Tensor count = move(Tensor::from<int64_t>({5})).clone();
          core::blend(followed, 0.9, 0.125, move(x));
          core::blend(shifted, 0.5, 3);
          core::blend(count, 1, 1);
          return std::vector{followed, shifted, count.to(dtype)};
        },
        {dtype == DType::float64 ? 1e-15 : 1e-7, 1e-9});
}

TEST_CASE("movement between strided blocks is the CPU's") {
  for (const DType dtype : {DType::float32, DType::float64, DType::uint8}) {
    const Tensor x = core::unary(core::UnaryOp::affine, numbers({4, 5, 6, 7}, DType::float64), 20, 100).to(dtype);
    check_devices(
        [&](auto move) {
          const Tensor on = move(x);
          return std::vector{
              core::permute(on, {3, 1, 0, 2}), core::permute(on, {0, 2, 3, 1}),
              core::slice(on, 1, 1, 5, 2),     core::unslice(on, 2, 20, 3, 2),
              core::concatenate({on, on}, 1),  core::broadcast_to(core::slice(on, 2, 3, 4), {4, 5, 9, 7})};
        },
        {0, 0});
  }
}

TEST_CASE("the same seed gives the GPU the CPU's random numbers") {
  for (const DType dtype : floating_types)
    for (const int64_t n : {1, 3, 4, 5, 1000}) {
      const auto draw = [&](Device device) {
        Generator generator{.seed = 7, .offset = 3};
        return std::vector{generator.uniform({n}, 0, 1, dtype, device), generator.bernoulli({n}, 0.3, dtype, device),
                           generator.uniform({n}, -2, 5, dtype, device), generator.normal({n}, 1, 2, dtype, device)};
      };
      const auto host = draw(Device::cpu), device = draw(Device::cuda);
      for (size_t i = 0; i < 2; ++i) CHECK_SAME_BITS(device[i], host[i]);
      const Tolerance close = dtype == DType::float64 ? Tolerance{1e-13, 1e-13} : Tolerance{1e-5, 1e-5};
      for (size_t i = 2; i < 4; ++i) CHECK_CLOSE(device[i], host[i], close);
    }
}

TEST_CASE("sums and maxima are the CPU's, along any axis") {
  for (const DType dtype : floating_types)
    for (const Shape& shape : folds) {
      CAPTURE(shape);
      const Tensor x = numbers(shape, dtype);
      check_devices([&](auto move) { return std::vector{core::reduce(core::ReduceOp::sum, move(x), 1)}; },
                    {dtype == DType::float64 ? 1e-12 : 1e-5, dtype == DType::float64 ? 1e-11 : 1e-4});
      check_devices([&](auto move) { return std::vector{core::sum(move(x)), core::dot(move(x), move(x))}; },
                    {dtype == DType::float64 ? 1e-12 : 1e-5, dtype == DType::float64 ? 1e-11 : 1e-4});
      if (shape[1] > 0)
        check_devices([&](auto move) { return std::vector{core::reduce(core::ReduceOp::max, move(x), 1)}; }, {0, 0});
    }
  const Tensor with_nan = Tensor::from(std::vector<double>{1, std::nan(""), 3, -infinity}, {2, 2});
  check_devices([&](auto move) { return std::vector{core::reduce(core::ReduceOp::max, move(with_nan), 1)}; }, {0, 0});
}

TEST_CASE("rows are gathered, added up and searched as on the CPU") {
  const Shape shapes[] = {{5, 3}, {40, 1}, {300, 33}, {7, 70}};
  for (const DType dtype : floating_types)
    for (const Shape& shape : shapes) {
      CAPTURE(shape);
      const Tensor x = numbers(shape, dtype), which = indices(90, shape[0], 3),
                   values = numbers({90, shape[1]}, dtype, 4);
      check_devices(
          [&](auto move) { return std::vector{core::gather_rows(move(x), move(which)), core::argmax(move(x))}; },
          {0, 0});
      check_devices([&](auto move) { return std::vector{core::scatter_rows(move(values), move(which), shape[0])}; },
                    rounding(dtype));
    }
  const Tensor ties = Tensor::from(
      std::vector<double>{2, 2, 1, 5, std::nan(""), std::nan(""), -infinity, -infinity, -infinity}, {3, 3});
  check_devices([&](auto move) { return std::vector{core::argmax(move(ties))}; }, {0, 0});
  CHECK(core::gather_rows(numbers({4, 2}, DType::float32).to(Device::cuda), indices(3, 4, 1)).device() == Device::cuda);
}

TEST_CASE("softmax and cross entropy are the CPU's") {
  const Shape shapes[] = {{1, 1}, {3, 2}, {70, 10}, {9, 33}, {300, 100}, {2, 3000}};
  for (const DType dtype : floating_types)
    for (const Shape& shape : shapes) {
      CAPTURE(shape);
      const Tensor x = core::unary(core::UnaryOp::affine, numbers(shape, dtype), 5, 0);
      const Tensor labels = indices(shape[0], shape[1], 2), slopes = numbers({shape[0]}, dtype, 5);
      const Tolerance close = dtype == DType::float64 ? Tolerance{1e-12, 1e-14} : Tolerance{2e-6, 1e-7};
      check_devices([&](auto move) { return std::vector{core::softmax(move(x)), core::log_softmax(move(x))}; }, close);
      const Tensor y = core::softmax(x), slope = numbers(x.shape(), dtype, 3);
      const Tolerance difference = dtype == DType::float64 ? Tolerance{1e-12, 1e-14} : Tolerance{2e-6, 1e-6};
      check_devices([&](auto move) { return std::vector{core::softmax_backward(move(slope), move(y))}; }, difference);
      for (const double smoothing : {0.0, 0.1, 1.0})
        check_devices(
            [&](auto move) {
              return std::vector{core::cross_entropy(move(x), move(labels), smoothing),
                                 core::cross_entropy_backward(move(x), move(labels), smoothing, move(slopes))};
            },
            close);
    }
  const Tensor masked = Tensor::from(std::vector<double>{1, -infinity, 3, -infinity, 2, 2}, {2, 3});
  const Tensor label = Tensor::from(std::vector<int64_t>{2, 2});
  check_devices([&](auto move) { return std::vector{core::cross_entropy(move(masked), move(label), 0)}; }, {1e-14, 0});
}

TEST_CASE("matrix products are the CPU's, transposed, batched, with bias and activation") {
  const Shape shapes[] = {{1, 1, 1},  {3, 5, 7},  {33, 17, 64}, {64, 128, 100},
                          {1, 40, 9}, {30, 1, 8}, {4, 3, 0}};  // m n k
  for (const DType dtype : floating_types)
    for (const Shape& s : shapes)
      for (const bool transpose_a : {false, true})
        for (const bool transpose_b : {false, true}) {
          CAPTURE(s);
          const int64_t m = s[0], n = s[1], k = s[2];
          const auto pair = [](bool swap, int64_t a, int64_t b) { return swap ? Shape{b, a} : Shape{a, b}; };
          const auto batch = [&](const Shape& one) { return Shape{3, one[0], one[1]}; };
          const Shape a = pair(transpose_a, m, k), b = pair(transpose_b, k, n);
          const Tensor x = numbers(a, dtype, 1), y = numbers(b, dtype, 2);
          const Tensor xs = numbers(batch(a), dtype, 3), ys = numbers(batch(b), dtype, 4);
          check_devices(
              [&](auto move) {
                return std::vector{core::matmul(move(x), move(y), transpose_a, transpose_b),
                                   core::matmul(move(xs), move(ys), transpose_a, transpose_b),
                                   core::matmul(move(xs), move(y), transpose_a, transpose_b),
                                   core::matmul(move(x), move(ys), transpose_a, transpose_b)};
              },
              rounding(dtype));
        }
  for (const DType dtype : floating_types)
    for (const core::Activation activation : {core::Activation::none, core::Activation::relu}) {
      const Tensor x = numbers({50, 30}, dtype, 1), weight = numbers({20, 30}, dtype, 2),
                   bias = numbers({20}, dtype, 3);
      const Tensor grad = numbers({50, 20}, dtype, 4);
      check_devices(
          [&](auto move) {
            const Tensor y = core::linear(move(x), move(weight), move(bias), activation);
            Tensor grad_bias = move(bias).empty_like();
            const Tensor back = core::epilogue_backward(activation, move(grad), y, grad_bias);
            return std::vector{y, back, grad_bias, core::epilogue_backward(activation, move(grad), y, Tensor())};
          },
          rounding(dtype));
    }
}

TEST_CASE("convolution and its transposes are the CPU's, with every tile") {
  struct Case {
    Shape x;
    int64_t out, kernel_h, kernel_w, stride, padding;
  };
  const Case cases[] = {
      {{2, 8, 9, 3}, 4, 3, 3, 1, 1},
      {{1, 7, 7, 1}, 6, 5, 5, 2, 0},
      {{3, 6, 6, 2}, 20, 3, 3, 2, 1},
      {{2, 5, 4, 8}, 40, 3, 2, 1, 2},
      {{5, 4, 4, 40}, 70, 3, 3, 1, 1},
      {{2, 6, 6, 5}, 7, 1, 1, 1, 0},
      {{2, 7, 6, 5}, 9, 1, 1, 2, 0},
      {{0, 5, 5, 2}, 3, 3, 3, 1, 1},
      {{9, 9, 9, 17}, 33, 3, 3, 2, 1},
      {{2, 30, 30, 4}, 16, 3, 3, 1, 1},
      {{1, 5, 5, 2}, 3, 5, 5, 1, 0},
      {{2, 4, 4, 3}, 5, 2, 2, 3, 1},
      // channels that are read four at a time: each width of tile, k in parts, few and many
      {{2, 6, 5, 16}, 16, 3, 3, 1, 1},
      {{3, 9, 9, 20}, 28, 3, 2, 2, 1},
      {{2, 7, 7, 64}, 64, 3, 3, 1, 1},
      {{6, 9, 9, 132}, 136, 3, 3, 1, 1},
      {{20, 12, 12, 4}, 8, 3, 3, 1, 1},
      {{40, 30, 30, 4}, 4, 2, 2, 1, 1},
      {{2, 5, 5, 8}, 10, 3, 3, 1, 1},
      // strides: phases without a place in the kernel, or without pixels; padding beyond the kernel, small images
      {{2, 7, 6, 8}, 16, 1, 1, 2, 0},
      {{2, 7, 7, 4}, 8, 2, 2, 3, 1},
      {{1, 1, 1, 4}, 8, 3, 3, 1, 1},
      {{3, 3, 3, 4}, 4, 2, 2, 1, 3},
      {{2, 3, 2, 4}, 4, 3, 3, 5, 2},
      {{1, 9, 8, 3}, 4, 4, 3, 3, 2}};
  for (const DType dtype : floating_types)
    for (const Case& c : cases) {
      CAPTURE(c.x);
      const Shape weight_shape{c.out, c.kernel_h, c.kernel_w, c.x[3]};
      const Tensor x = numbers(c.x, dtype, 1), weight = numbers(weight_shape, dtype, 2),
                   bias = numbers({c.out}, dtype, 3);
      const Tensor y = core::conv2d(x, weight, Tensor(), c.stride, c.padding), grad = numbers(y.shape(), dtype, 4);
      check_devices(
          [&](auto move) {
            return std::vector{
                core::conv2d(move(x), move(weight), Tensor(), c.stride, c.padding),
                core::conv2d(move(x), move(weight), move(bias), c.stride, c.padding, core::Activation::relu),
                core::conv2d_transpose(move(grad), move(weight), c.x, c.stride, c.padding),
                core::conv2d_correlate(move(x), move(grad), weight_shape, c.stride, c.padding)};
          },
          {dtype == DType::float64 ? 1e-11 : 2e-4, dtype == DType::float64 ? 1e-11 : 2e-4});
    }
}

TEST_CASE("a convolution whose operands are not aligned is the CPU's") {
  const Shape x_shape{2, 6, 6, 4}, weight_shape{8, 3, 3, 4}, y_shape{2, 6, 6, 8};
  const auto shifted = [](auto move, const Shape& shape, uint64_t seed) {  // as in an optimizer's buffer
    return move(numbers({shape.numel() + 1}, DType::float32, seed)).slice(1, shape.numel() + 1).reshape(shape);
  };
  for (int which = 0; which < 3; ++which)
    check_devices(
        [&](auto move) {
          const auto operand = [&](int number, const Shape& shape, uint64_t seed) {
            return number == which ? shifted(move, shape, seed) : move(numbers(shape, DType::float32, seed));
          };
          const Tensor x = operand(0, x_shape, 1), weight = operand(1, weight_shape, 2), y = operand(2, y_shape, 3);
          const Tensor into = shifted(move, weight_shape, 4);
          return std::vector{core::conv2d(x, weight, Tensor(), 1, 1), core::conv2d_transpose(y, weight, x_shape, 1, 1),
                             core::conv2d_correlate(x, y, weight_shape, 1, 1, into)};
        },
        {1e-4, 1e-4});
}

TEST_CASE("a convolution of many blocks is the CPU's") {
  const Tensor x = numbers({70, 20, 20, 3}, DType::float32, 1), weight = numbers({64, 3, 3, 3}, DType::float32, 2);
  const Tensor grad = numbers({70, 20, 20, 64}, DType::float32, 3);
  check_devices(
      [&](auto move) {
        return std::vector{core::conv2d(move(x), move(weight), Tensor(), 1, 1),
                           core::conv2d_correlate(move(x), move(grad), weight.shape(), 1, 1)};
      },
      {5e-5, 1e-3});
}

TEST_CASE("pooling is the CPU's, also where windows overlap") {
  struct Case {
    Shape x;
    core::Window window;
  };
  const Case cases[] = {{{2, 8, 8, 3}, {2, 2, 2, 0}}, {{3, 7, 9, 5}, {3, 3, 2, 1}}, {{1, 5, 5, 33}, {3, 2, 1, 1}},
                        {{2, 6, 6, 1}, {2, 3, 3, 1}}, {{0, 6, 6, 2}, {2, 2, 2, 0}}, {{2, 9, 9, 4}, {4, 4, 1, 2}}};
  for (const DType dtype : floating_types)
    for (const Case& c : cases) {
      CAPTURE(c.x);
      const Tensor x = numbers(c.x, dtype, 1);
      const Tensor y = core::avg_pool2d(x, c.window), grad = numbers(y.shape(), dtype, 2);
      check_devices(
          [&](auto move) {
            const auto [pooled, positions] = core::max_pool2d(move(x), c.window);
            return std::vector{pooled, positions, core::gather_positions(move(x), positions)};
          },
          {0, 0});
      check_devices(
          [&](auto move) {
            const auto [pooled, positions] = core::max_pool2d(move(x), c.window);
            return std::vector{core::scatter_positions(move(grad), positions, c.x, c.window),
                               core::avg_pool2d(move(x), c.window),
                               core::avg_pool2d_transpose(move(grad), c.x, c.window)};
          },
          rounding(dtype));
    }
}

TEST_CASE("layer normalisation is the CPU's, far from zero too") {
  const Shape shapes[] = {{4, 3}, {7}, {5, 1}, {7, 2, 2, 5}, {64, 70}, {33, 40}, {3000, 2}, {2, 300}, {0, 3}};
  for (const DType dtype : floating_types)
    for (const Shape& shape : shapes) {
      CAPTURE(shape);
      const Shape features{shape[-1]};
      const Tensor x = core::unary(core::UnaryOp::affine, numbers(shape, dtype, 1), 1, 1e4);
      const Tensor weight = numbers(features, dtype, 2), bias = numbers(features, dtype, 3);
      const Tensor grad = numbers(shape, dtype, 4);
      check_devices(
          [&](auto move) {
            const core::NormaliseGradients g = core::layer_norm_backward(move(grad), move(x), move(weight), 1e-5);
            return std::vector<Tensor>{core::layer_norm(move(x), move(weight), move(bias), 1e-5), g.x, g.weight,
                                       g.bias};
          },
          {dtype == DType::float64 ? 1e-9 : 1e-4, dtype == DType::float64 ? 1e-9 : 1e-4});
    }
}

TEST_CASE("batch normalisation is the CPU's, with residual and activation, far from zero too") {
  const Shape shapes[] = {{4, 3}, {7, 2, 2, 5}, {64, 5, 5, 16}, {33, 40}, {3000, 2}, {2, 300}};
  for (const DType dtype : floating_types)
    for (const Shape& shape : shapes)
      for (const bool residual : {false, true})
        for (const core::Activation activation : {core::Activation::none, core::Activation::relu}) {
          CAPTURE(shape);
          const Shape channels{shape[-1]};
          const Tensor x = core::unary(core::UnaryOp::affine, numbers(shape, dtype, 1), 1, 100);
          const Tensor weight = numbers(channels, dtype, 2), bias = numbers(channels, dtype, 3);
          const Tensor added = numbers(shape, dtype, 4), grad = numbers(shape, dtype, 5);
          check_devices(
              [&](auto move) {
                const core::Moments moments = core::channel_moments(move(x));
                const Tensor y = core::normalise(move(x), moments, move(weight), move(bias), 1e-5,
                                                 residual ? move(added) : Tensor(), activation);
                const core::NormaliseGradients g =
                    core::normalise_backward(move(grad), move(x), moments, move(weight), move(bias), 1e-5,
                                             {.activation = activation, .has_residual = residual, .y = y});
                std::vector<Tensor> all{moments.mean, moments.variance, y, g.x, g.weight, g.bias};
                if (residual) all.push_back(g.residual);
                return all;
              },
              {dtype == DType::float64 ? 1e-10 : 1e-4, dtype == DType::float64 ? 1e-10 : 1e-4});
        }
}
