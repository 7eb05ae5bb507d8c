#include <cmath>
#include <limits>

#include "tests/core/naive.h"

using namespace minima;
using namespace minima::test;

namespace {

std::vector<double> reduce_loop(core::ReduceOp op, const Tensor& x, int axis) {
  Shape kept = x.shape();
  kept[axis] = 1;
  std::vector<double> result(static_cast<size_t>(kept.numel()),
                             op == core::ReduceOp::sum ? 0.0 : -std::numeric_limits<double>::infinity());
  const auto from = values(x);
  for_each_index(x.shape(), [&](const Index& i) {
    double& r = result[position(kept, i)];
    const double v = from[position(x.shape(), i)];
    r = op == core::ReduceOp::sum ? r + v : std::max(r, v);
  });
  return result;
}

}  // namespace

TEST_CASE("sum and max over each axis agree with a scalar loop") {
  const Shape shapes[] = {{1},           {7},           {1000},       {70001},      {3, 5},
                          {1, 9},        {200, 300},    {5000, 3},    {3, 5000},    {4, 3, 5},
                          {2, 70000, 2}, {2, 3, 40, 5}, {130, 70, 9}, {1, 1, 1},    {3, 1, 700},
                          {40, 2000, 1}, {70001, 3},    {3000, 300},  {2, 3000, 40}};
  for (const DType dtype : floating_types)
    for (const Shape& shape : shapes)
      for (int axis = 0; axis < shape.rank(); ++axis) {
        const Tensor x = numbers(shape, dtype);
        CAPTURE(shape);
        CAPTURE(axis);
        const double size = static_cast<double>(shape[axis]);
        CHECK_CLOSE(values(core::reduce(core::ReduceOp::sum, x, axis)), reduce_loop(core::ReduceOp::sum, x, axis),
                    rounding(dtype, 16 * std::sqrt(size)));
        CHECK_CLOSE(values(core::reduce(core::ReduceOp::max, x, axis)), reduce_loop(core::ReduceOp::max, x, axis),
                    {0, 0});
      }
}

TEST_CASE("a reduction drops its axis or keeps it with extent 1") {
  const Tensor x = Tensor::zeros({2, 3, 4});
  CHECK(core::reduce(core::ReduceOp::sum, x, 1).shape() == Shape{2, 4});
  CHECK(core::reduce(core::ReduceOp::sum, x, -1, true).shape() == Shape{2, 3, 1});
  CHECK(core::sum(x).shape() == Shape{});
  CHECK_ERROR(core::reduce(core::ReduceOp::sum, x, 3), "axis 3");
}

TEST_CASE("the sum of nothing is 0 and the maximum of nothing an error") {
  const Tensor x = Tensor::zeros({3, 0});
  CHECK(values(core::reduce(core::ReduceOp::sum, x, 1)) == std::vector<double>{0, 0, 0});
  CHECK(core::reduce(core::ReduceOp::sum, x, 0).numel() == 0);
  const Tensor used = Tensor::full({600}, 7);  // memory that the results may take again
  for (const Shape& shape : {Shape{0, 3}, Shape{0, 300}, Shape{0, 1}})
    CHECK(values(core::reduce(core::ReduceOp::sum, Tensor::zeros(shape), 0)) ==
          std::vector<double>(static_cast<size_t>(shape[1]), 0));
  CHECK(values(core::reduce(core::ReduceOp::sum, Tensor::zeros({2, 0, 5}), 1)) == std::vector<double>(10, 0));
  CHECK(core::sum(x).item() == 0);
  CHECK(core::dot(x, x).item() == 0);
  CHECK_ERROR(core::reduce(core::ReduceOp::max, x, 1), "an axis with elements");
}

TEST_CASE("ten million equal float32 numbers sum to six digits") {
  const Tensor x = Tensor::full({10000000}, 0.1);
  const double exact = static_cast<double>(0.1f) * 1e7;
  CHECK_CLOSE(std::vector<double>{core::sum(x).item()}, std::vector<double>{exact}, {3e-7, 0});
  CHECK_CLOSE(values(core::reduce(core::ReduceOp::sum, x.reshape({5000000, 2}), 0)), std::vector<double>(2, exact / 2),
              {1e-6, 0});
}

TEST_CASE("pieces of a tall float32 matrix are added in double") {
  // A piece with 3e38 twice is beyond float32. The last piece brings the sum back.
  Tensor x = Tensor::zeros({80000, 3});
  float* to = x.mutable_data<float>();
  for (int64_t i : {0, 5000}) to[i * 3] = 3e38f, to[(79999 - i) * 3] = -3e38f;
  to[3 * 40000] = 5;
  CHECK(std::abs(core::reduce(core::ReduceOp::sum, x, 0).at(0)) < 1e32);
}

TEST_CASE("a NaN anywhere is the maximum") {
  for (const DType dtype : floating_types)
    for (const int64_t at : {0, 1, 31, 32, 1500, 69999}) {
      Tensor x = numbers({70000}, dtype);
      x.slice(at, at + 1).fill(std::numeric_limits<double>::quiet_NaN());
      CHECK(std::isnan(core::reduce(core::ReduceOp::max, x, 0).item()));
      CHECK(std::isnan(core::reduce(core::ReduceOp::max, x.reshape({700, 100}), 0).at(at % 100)));
    }
}

TEST_CASE("infinities are summed and compared as such") {
  const double infinity = std::numeric_limits<double>::infinity();
  const Tensor x = Tensor::from<double>({-infinity, -infinity, 1, infinity}, {2, 2});
  CHECK(values(core::reduce(core::ReduceOp::max, x, 1)) == std::vector<double>{-infinity, infinity});
  CHECK(values(core::reduce(core::ReduceOp::sum, x, 1)) == std::vector<double>{-infinity, infinity});
}

TEST_CASE("dot accumulates in double") {
  const Tensor x = Tensor::from<float>({1e8f, 1, -1e8f});
  CHECK(core::dot(x, Tensor::full({3}, 1)).item() == 1);
  const Tensor a = numbers({100003}, DType::float32, 1), b = numbers({100003}, DType::float32, 2);
  double expected = 0;
  for (int64_t i = 0; i < a.numel(); ++i) expected += a.at(i) * b.at(i);
  CHECK_CLOSE(std::vector<double>{core::dot(a, b).item()}, std::vector<double>{expected}, {1e-12, 0});
  CHECK_CLOSE(std::vector<double>{core::norm(a).item()}, std::vector<double>{std::sqrt(core::dot(a, a).item())},
              {1e-15, 0});
}

TEST_CASE("sum_to undoes a broadcast for every way one shape broadcasts to another") {
  const Shape full{3, 4, 5, 2};
  const Shape smaller[] = {{},        {1},       {2},          {5, 1},       {5, 2},       {4, 1, 1},
                           {4, 5, 2}, {1, 5, 1}, {3, 1, 1, 1}, {3, 1, 5, 1}, {1, 4, 1, 2}, {3, 4, 5, 2}};
  for (const Shape& shape : smaller) {
    const Tensor x = numbers(full, DType::float64);
    std::vector<double> expected(static_cast<size_t>(shape.numel()), 0.0);
    const auto from = values(x);
    for_each_index(full, [&](const Index& i) { expected[position(shape, i)] += from[position(full, i)]; });
    CAPTURE(shape);
    const Tensor got = core::sum_to(x, shape);
    CHECK(got.shape() == shape);
    CHECK_CLOSE(values(got), expected, {1e-13, 1e-13});
  }
  CHECK_ERROR(core::sum_to(Tensor::zeros({2, 3}), {4, 2, 3}), "[sum_to]");
}

TEST_CASE("argmax finds the first of equal maxima, and a NaN before all else") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor x = Tensor::from<double>({1, 5, 5, 2, nan, 9, -3, -1, -2}, {3, 3});
  CHECK(core::argmax(x).to_vector<int64_t>() == std::vector<int64_t>{1, 1, 1});
  CHECK(core::argmax(x).dtype() == DType::int64);
  const Tensor big = numbers({500, 211});
  const auto got = core::argmax(big).to_vector<int64_t>();
  for (int64_t i = 0; i < 500; ++i)
    CHECK(big.at(i * 211 + got[static_cast<size_t>(i)]) == core::reduce(core::ReduceOp::max, big, 1).at(i));
  CHECK_ERROR(core::argmax(Tensor::zeros({3, 0})), "a last axis with elements");
}

TEST_CASE("all_finite finds one NaN or infinity among many") {
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    Tensor x = numbers({100000});
    CHECK(core::all_finite(x));
    x.slice(77777, 77778).fill(bad);
    CHECK_FALSE(core::all_finite(x));
  }
}
