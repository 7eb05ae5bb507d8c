#include <algorithm>
#include <numeric>

#include "tests/core/naive.h"

using namespace minima;
using namespace minima::test;

TEST_CASE("permute agrees with index arithmetic for every order of the axes, in every size of element") {
  const Shape shapes[] = {{},        {5},         {3, 4},          {2, 3, 4},     {2, 1, 4, 3},
                          {2, 0, 3}, {17, 5, 33}, {2, 3, 2, 5, 4}, {9, 33, 6, 50}};
  for (const DType dtype : {DType::uint8, DType::float32, DType::int64})
    for (const Shape& shape : shapes) {
      const Tensor x = counting(shape, dtype);
      const auto from = values(x);
      std::vector<int> order(static_cast<size_t>(shape.rank()));
      std::iota(order.begin(), order.end(), 0);
      do {
        const Tensor y = core::permute(x, order);
        std::vector<double> expected;
        for_each_index(y.shape(), [&](const Index& i) {
          Index source(i.size());
          for (size_t axis = 0; axis < i.size(); ++axis) source[static_cast<size_t>(order[axis])] = i[axis];
          expected.push_back(from[position(shape, source)]);
        });
        CAPTURE(shape);
        CHECK(values(y) == expected);
      } while (std::next_permutation(order.begin(), order.end()));
    }
}

TEST_CASE("a large transposition moves every element, and twice is the identity") {
  const Tensor x = numbers({517, 1031});
  const Tensor y = core::permute(x, {1, 0});
  for (const int64_t i : {0, 100, 516})
    for (const int64_t j : {0, 77, 1030}) CHECK(y.at(j * 517 + i) == x.at(i * 1031 + j));
  CHECK_SAME_BITS(core::permute(y, {1, 0}), x);
}

TEST_CASE("long parts are joined, and a slice of many long lines is taken, element by element") {
  for (const DType dtype : {DType::uint8, DType::float32, DType::int64}) {
    const Tensor a = counting({50001}, dtype), b = counting({70000}, dtype);
    const Tensor joined = core::concatenate(std::vector<Tensor>{a, b}, 0);
    CHECK_SAME_BITS(joined.slice(0, 50001), a);
    CHECK_SAME_BITS(joined.slice(50001, 120001), b);
    const Tensor lines = core::slice(joined.slice(0, 120000).reshape({3, 40000}), 1, 100, 39999);
    for (int64_t i = 0; i < 3; ++i)
      CHECK_SAME_BITS(lines.flatten().slice(i * 39899, (i + 1) * 39899),
                      joined.slice(i * 40000 + 100, i * 40000 + 39999));
  }
}

TEST_CASE("an order that is not one of the axes is refused") {
  const Tensor x = Tensor::zeros({2, 3});
  CHECK_ERROR(core::permute(x, {0, 0}), "every axis exactly once");
  CHECK_ERROR(core::permute(x, {0}), "every axis exactly once");
  CHECK_ERROR(core::permute(x, {0, 2}), "axis 2");
}

TEST_CASE("slice takes every step-th index of its axis") {
  const Tensor x = counting({4, 7, 3}, DType::float64);
  const auto from = values(x);
  for (int axis = 0; axis < 3; ++axis)
    for (const int64_t begin : {0, 1})
      for (const int64_t step : {1, 2, 3}) {
        const int64_t end = x.size(axis) - (begin > 0 ? 1 : 0);
        const Tensor y = core::slice(x, axis, begin, end, step);
        std::vector<double> expected;
        for_each_index(y.shape(), [&](Index i) {
          i[static_cast<size_t>(axis)] = begin + step * i[static_cast<size_t>(axis)];
          expected.push_back(from[position(x.shape(), i)]);
        });
        CHECK(values(y) == expected);
        // unslice is the transpose: <slice x, y> = <x, unslice y>
        const Tensor w = numbers(y.shape(), DType::float64), back = core::unslice(w, axis, x.size(axis), begin, step);
        CHECK(back.shape() == x.shape());
        CHECK_CLOSE(std::vector<double>{core::dot(y, w).item()}, std::vector<double>{core::dot(x, back).item()},
                    {1e-13, 0});
      }
  CHECK(core::slice(x, 1, 3, 3).numel() == 0);
  CHECK_ERROR(core::slice(x, 1, 0, 8), "end <= 7");
  CHECK_ERROR(core::slice(x, 1, 0, 7, 0), "step >= 1");
  CHECK_ERROR(core::unslice(x, 1, 6, 0), "[unslice]");
}

TEST_CASE("concatenate joins along any axis, and slices give the parts back") {
  for (const DType dtype : {DType::uint8, DType::float32, DType::int64})
    for (int axis = 0; axis < 3; ++axis) {
      std::vector<Tensor> parts;
      for (const int64_t extent : {2, 0, 1, 5}) {
        Shape shape{3, 4, 2};
        shape[axis] = extent;
        parts.push_back(counting(shape, dtype));
      }
      const Tensor joined = core::concatenate(parts, axis);
      int64_t at = 0;
      for (const Tensor& part : parts) {
        CHECK_SAME_BITS(core::slice(joined, axis, at, at + part.size(axis)), part);
        at += part.size(axis);
      }
      CHECK(joined.size(axis) == at);
    }
  CHECK_ERROR(core::concatenate({}, 0), "at least one");
  CHECK_ERROR(core::concatenate({Tensor::zeros({2, 3}), Tensor::zeros({2, 4})}, 0), "extents that agree");
  CHECK_ERROR(core::concatenate({Tensor::zeros({2}), Tensor::zeros({2}, DType::float64)}, 0), "one dtype");
}

TEST_CASE("broadcast_to repeats along the new axes") {
  const Tensor x = counting({3, 1}, DType::int64);
  CHECK(core::broadcast_to(x, {2, 3, 2}).to_vector<int64_t>() ==
        std::vector<int64_t>{0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2});
  CHECK(core::broadcast_to(Tensor::full({}, 5), {3, 0}).numel() == 0);
  const Tensor large = core::broadcast_to(counting({70, 1}, DType::float32), {70, 1500});
  CHECK_CLOSE(values(core::reduce(core::ReduceOp::sum, large, 1)),
              values(core::unary(core::UnaryOp::affine, counting({70}, DType::float32), 1500)), {0, 0});
  CHECK_ERROR(core::broadcast_to(x, {4, 2}), "[broadcast_to]");
}
