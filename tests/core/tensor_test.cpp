#include "core/tensor.h"

#include <functional>

#include "tests/core/naive.h"

using namespace minima;
using namespace minima::test;

namespace {
constexpr DType all_types[] = {DType::float32, DType::float64, DType::int32, DType::int64, DType::uint8};
}

TEST_CASE("a tensor keeps the values it is made from, in row-major order") {
  const Tensor x = Tensor::from<float>({1, 2, 3, 4, 5, 6}, {2, 3});
  CHECK(x.shape() == Shape{2, 3});
  CHECK(x.numel() == 6);
  CHECK(x.at(4) == 5);
  CHECK(x.to_vector<int32_t>() == std::vector<int32_t>{1, 2, 3, 4, 5, 6});
  CHECK(Tensor::from<int64_t>({7, 8}).shape() == Shape{2});
}

TEST_CASE("zeros, full and fill set every element in every dtype") {
  for (const DType dtype : all_types) {
    Tensor x = Tensor::zeros({3, 5}, dtype);
    CHECK(values(x) == std::vector<double>(15, 0.0));
    x.fill(7);
    CHECK(values(x) == std::vector<double>(15, 7.0));
    CHECK(values(Tensor::full({100000}, 3, dtype)) == std::vector<double>(100000, 3.0));
  }
}

TEST_CASE("a scalar has rank 0 and one element") {
  const Tensor x = Tensor::full({}, 2.5);
  CHECK(x.rank() == 0);
  CHECK(x.numel() == 1);
  CHECK(x.item() == 2.5);
}

TEST_CASE("reshape and slice are views: a change through one is seen by all") {
  Tensor x = counting({4, 3}, DType::float32);
  Tensor rows = x.slice(1, 3);
  CHECK(rows.shares_storage_with(x));
  CHECK(values(rows) == std::vector<double>{3, 4, 5, 6, 7, 8});
  rows.reshape({3, 2}).mutable_data<float>()[0] = 40;
  CHECK(x.at(3) == 40);
  CHECK(x.reshape({-1}).shape() == Shape{12});
  CHECK(x.reshape({2, -1, 3}).shape() == Shape{2, 2, 3});
  CHECK(values(rows.slice(1, 2)) == std::vector<double>{6, 7, 8});
}

TEST_CASE("a shape with a negative extent is refused, and -1 stands for one extent of a reshape alone") {
  const Tensor six = Tensor::zeros({6}), one = Tensor::zeros({1});
  CHECK_ERROR(six.reshape({-2, -3}), "[reshape] got (6,) to (-2, -3), expected extents that are not negative");
  CHECK_ERROR(one.reshape({-1, -1}), "[reshape] got (1,) to (-1, -1)");
  CHECK_ERROR(six.reshape({-1, -6}), "[reshape]");
  CHECK_ERROR(six.reshape({4, -1}), "[reshape] got (6,) (6 elements) to (4, -1)");
  CHECK(Tensor::zeros({0, 3}).reshape({0, -1}).shape() == Shape{0, 0});
  CHECK_ERROR(Tensor::empty({2, -1}), "[Shape] got (2, -1), expected extents that are not negative.");
  CHECK_ERROR(Tensor::zeros({-2, -3}), "[Shape] got (-2, -3)");
  CHECK_ERROR(Tensor::full({0, -1}, 1), "[Shape] got (0, -1)");
  CHECK_ERROR(Shape({-1}).numel(), "[Shape] got (-1,)");
  CHECK_ERROR(Tensor::from(std::vector<float>(6), {-2, -3}), "[Shape] got (-2, -3)");
}

TEST_CASE("a shape of more elements than can be counted is refused, also where the product would wrap to a small one") {
  const int64_t large = int64_t{1} << 32;
  CHECK_ERROR(Tensor::empty({large, large}),
              "[Shape] got (4294967296, 4294967296), expected fewer than 2^60 elements.");
  CHECK_ERROR(Tensor::zeros({0}).reshape({large, large}), "[Shape]");  // the product wraps to 0
  CHECK_ERROR(Tensor::zeros({8}).reshape({large, large, -1}), "[Shape]");
  CHECK(Shape({large, large, 0}).numel() == 0);
  CHECK(Shape({int64_t{1} << 59}).numel() == int64_t{1} << 59);
}

TEST_CASE("an axis that a shape does not have, and rows that a tensor does not have, are refused") {
  const Tensor x = Tensor::zeros({3, 4});
  CHECK_ERROR(x.shape()[2], "[Shape] got axis 2 of (3, 4), expected an axis in [-2, 2).");
  CHECK_ERROR(x.shape()[-3], "[Shape] got axis -3");
  CHECK_ERROR(x.size(2), "axis 2 of a tensor with 2 axes");
  CHECK_ERROR(Shape{}[0], "[Shape] got axis 0 of ()");
  CHECK_ERROR(Shape({1, 1, 1, 1, 1, 1, 1, 1, 1}), "[Shape] got more than 8 axes");
  for (const auto& [begin, end] : {std::pair{-1, 2}, {2, 1}, {0, 4}, {4, 4}})
    CHECK_ERROR(x.slice(begin, end), "[Tensor::slice]");
  CHECK(x.slice(3, 3).shape() == Shape{0, 4});
  CHECK_ERROR(core::slice(x, 1, 0, 5), "[slice]");
  CHECK(core::slice(x, 1, 1, 4, INT64_MAX).shape() == Shape{3, 1});
  CHECK_ERROR(core::unslice(x, 1, 4, 2, INT64_MAX), "[unslice]");
  CHECK_ERROR(core::unslice(x, 1, -1, 0), "[unslice]");
}

TEST_CASE("an undefined tensor cannot be written to") {
  Tensor nothing;
  CHECK_ERROR(nothing.fill(1), "an undefined tensor");
  CHECK_ERROR(nothing.mutable_data<float>(), "an undefined tensor");
  CHECK_ERROR(nothing.copy_from(Tensor::zeros({})), "an undefined tensor");
  CHECK_ERROR(Tensor::zeros({}).copy_from(nothing), "[copy_from] got an undefined tensor");
}

TEST_CASE("a tensor that was moved from is undefined: no shape, no elements, usual errors") {
  for (const bool assigned : {false, true}) {
    Tensor from = Tensor::full({2, 3}, 1).slice(1, 2), to;
    if (assigned)
      to = std::move(from);
    else
      to = Tensor(std::move(from));
    CHECK(values(to) == std::vector<double>{1, 1, 1});
    CHECK(!from.defined());
    CHECK(from.shape() == Shape{});
    CHECK(from.numel() == 0);
    CHECK_ERROR(from.at(0), "[at] got element 0 of 0");
    CHECK_ERROR(from.slice(0, 1), "[Tensor::slice]");
    CHECK_ERROR(from.fill(1), "an undefined tensor");
    CHECK_ERROR(to.copy_from(from), "an undefined tensor");
    from = to;
    CHECK(values(from) == std::vector<double>{1, 1, 1});
  }
}

TEST_CASE("every operation refuses an undefined tensor, as each of its operands") {
  const Tensor none, one = Tensor::zeros({}), pair = Tensor::zeros({2, 2}), image = Tensor::zeros({1, 2, 2, 2}),
                     channels = Tensor::zeros({2}), labels = Tensor::zeros({2}, DType::int64),
                     positions = Tensor::zeros({1, 1, 1, 2}, DType::int32);
  const core::Window window{2, 2, 2};
  Tensor written = Tensor::zeros({});
  const std::function<void()> uses[] = {
      [&] { none.item(); },
      [&] { none.at(0); },
      [&] { none.to_vector<float>(); },
      [&] { none.to_vector<int64_t>(); },
      [&] { none.data<float>(); },
      [&] { none.slice(0, 0); },
      [&] { none.size(0); },
      [&] { core::unary(core::UnaryOp::exp, none); },
      [&] { core::binary(core::BinaryOp::add, none, one); },
      [&] { core::binary(core::BinaryOp::add, one, none); },
      [&] { core::add_scaled(written, 1, none); },
      [&] { core::blend(written, 1, 1, none); },
      [&] { core::reduce(core::ReduceOp::sum, none, 0); },
      [&] { core::sum(none); },
      [&] { core::sum_to(none, {1}); },
      [&] { core::argmax(none); },
      [&] { core::dot(none, one); },
      [&] { core::dot(one, none); },
      [&] { core::norm(none); },
      [&] { core::all_finite(none); },
      [&] { core::broadcast_to(none, {2}); },
      [&] { core::permute(none, {}); },
      [&] { core::slice(none, 0, 0, 0); },
      [&] { core::unslice(none, 0, 1, 0); },
      [&] { core::concatenate({none}, 0); },
      [&] { core::concatenate({pair, none}, 0); },
      [&] { core::gather_rows(none, labels); },
      [&] { core::gather_rows(pair, none); },
      [&] { core::scatter_rows(none, labels, 2); },
      [&] { core::scatter_rows(pair, none, 2); },
      [&] { core::matmul(none, pair); },
      [&] { core::matmul(pair, none); },
      [&] { core::linear(none, pair, channels); },
      [&] { core::linear(pair, none, channels); },
      [&] { core::softmax(none); },
      [&] { core::log_softmax(none); },
      [&] { core::cross_entropy(none, labels); },
      [&] { core::cross_entropy(pair, none); },
      [&] { core::cross_entropy_backward(pair, labels, 0, none); },
      [&] { core::conv2d(none, image, channels); },
      [&] { core::conv2d(image, none, channels); },
      [&] { core::conv2d_transpose(none, image, {1, 3, 3, 2}, 1, 0); },
      [&] { core::conv2d_transpose(image, none, {1, 3, 3, 2}, 1, 0); },
      [&] { core::conv2d_correlate(none, image, {2, 1, 1, 2}, 1, 0); },
      [&] { core::conv2d_correlate(image, none, {2, 1, 1, 2}, 1, 0); },
      [&] { core::max_pool2d(none, window); },
      [&] { core::gather_positions(none, positions); },
      [&] { core::gather_positions(image, none); },
      [&] { core::scatter_positions(none, positions, image.shape(), window); },
      [&] { core::scatter_positions(image, none, image.shape(), window); },
      [&] { core::avg_pool2d(none, window); },
      [&] { core::avg_pool2d_transpose(none, image.shape(), window); },
      [&] { core::channel_moments(none); },
      [&] { core::normalise(none, {channels, channels}, channels, channels, 0); },
      [&] { core::normalise(image, {none, channels}, channels, channels, 0); },
      [&] { core::normalise(image, {channels, none}, channels, channels, 0); },
      [&] { core::normalise(image, {channels, channels}, none, channels, 0); },
      [&] { core::normalise(image, {channels, channels}, channels, none, 0); },
      [&] { core::normalise_backward(none, image, {channels, channels}, channels, channels, 0); },
      [&] { core::normalise_backward(image, none, {channels, channels}, channels, channels, 0); },
      [&] { core::normalise_backward(image, image, {none, channels}, channels, channels, 0); },
      [&] { core::normalise_backward(image, image, {channels, channels}, none, channels, 0); },
  };
  for (size_t i = 0; i < std::size(uses); ++i) {
    CAPTURE(i);
    CHECK_THROWS_AS(uses[i](), Error);
  }
}

TEST_CASE("clone shares nothing with its source") {
  Tensor x = counting({5}, DType::float64), y = x.clone();
  CHECK_FALSE(y.shares_storage_with(x));
  x.fill(0);
  CHECK(values(y) == std::vector<double>{0, 1, 2, 3, 4});
}

TEST_CASE("every dtype converts to every other and back") {
  for (const DType from : all_types)
    for (const DType to : all_types) {
      const Tensor x = counting({2, 50}, from);
      CHECK(x.to(to).dtype() == to);
      CHECK(values(x.to(to).to(from)) == values(x));
    }
  CHECK(Tensor::from<double>({1.9, -1.9}).to(DType::int64).to_vector<int64_t>() == std::vector<int64_t>{1, -1});
}

TEST_CASE("copy_from converts and leaves the source alone") {
  Tensor x = Tensor::zeros({2, 2});
  x.copy_from(Tensor::from<int64_t>({1, 2, 3, 4}, {2, 2}));
  CHECK(values(x) == std::vector<double>{1, 2, 3, 4});
  CHECK_ERROR(x.copy_from(Tensor::zeros({4})), "[copy_from] got shape (4,), expected (2, 2)");
}

TEST_CASE("an in-place change raises the version seen through every view") {
  Tensor x = Tensor::zeros({4, 2});
  const Tensor view = x.slice(0, 2);
  const int64_t before = view.version();
  x.fill(1);
  CHECK(view.version() == before + 1);
  x.mutable_data<float>();
  CHECK(view.version() == before + 2);
  core::add_scaled(x, 2, Tensor::zeros({4, 2}));
  CHECK(view.version() == before + 3);
}

TEST_CASE("tensors without elements are ordinary tensors") {
  const Tensor x = Tensor::zeros({3, 0, 2});
  CHECK(x.defined());
  CHECK(x.numel() == 0);
  CHECK(values(x.clone()).empty());
  CHECK(x.reshape({0, 7}).shape() == Shape{0, 7});
  CHECK(Tensor::zeros({5, 2}).slice(2, 2).numel() == 0);
  CHECK(core::unary(core::UnaryOp::exp, x).shape() == x.shape());
}

TEST_CASE("wrong use of a tensor is an error that says what was got and what was expected") {
  const Tensor x = Tensor::zeros({2, 3});
  CHECK_ERROR(Tensor::from<float>({1, 2, 3}, {2, 2}),
              "[Tensor::from] got 3 values for shape (2, 2), expected 4 values");
  CHECK_ERROR(Tensor::zeros({2, -1}), "extents that are not negative");
  CHECK_ERROR(Tensor::empty({INT64_MAX, 4}), "fewer than 2^60 elements");
  CHECK_ERROR(x.reshape({4, 2}), "[reshape] got (2, 3) (6 elements) to (4, 2)");
  CHECK_ERROR(x.reshape({4, -1}), "[reshape]");
  CHECK_ERROR(x.slice(1, 3), "rows [1, 3) of (2, 3)");
  CHECK_ERROR(x.item(), "exactly one element");
  CHECK_ERROR(x.at(6), "element 6 of 6");
  CHECK_ERROR(x.size(2), "axis 2 of a tensor with 2 axes");
  CHECK_ERROR(x.data<double>(), "float64 access to a float32 tensor");
  CHECK_ERROR(Tensor().item(), "undefined tensor");
  CHECK_ERROR(Tensor().data<float>(), "undefined tensor");
  CHECK_ERROR(Shape({1, 1, 1, 1, 1, 1, 1, 1, 1}), "at most 8");
}

TEST_CASE("in a build without CUDA, asking for the GPU says so") {
  if (!cuda_unavailable_reason().empty())
    CHECK_ERROR(Tensor::zeros({2}, DType::float32, Device::cuda), "Use Device::cpu");
}
