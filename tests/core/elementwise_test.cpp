#include "core/elementwise.h"

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "tests/core/naive.h"

using namespace minima;
using namespace minima::test;

namespace {

/// The share of the normal distribution below x.
double below(double x) { return std::erfc(-x / std::sqrt(2.0)) / 2; }

struct UnaryRow {
  core::UnaryOp op;
  std::function<double(double)> expected;
  double low, high;
  double a = 0, b = 0;
};

const UnaryRow unary_rows[] = {
    {core::UnaryOp::affine, [](double x) { return 2.5 * x - 1.25; }, -4, 4, 2.5, -1.25},
    {core::UnaryOp::power, [](double x) { return x * x; }, -4, 4, 2},
    {core::UnaryOp::power, [](double x) { return std::pow(x, 3); }, -4, 4, 3},
    {core::UnaryOp::power, [](double x) { return std::pow(x, -0.5); }, 0.1, 4, -0.5},
    {core::UnaryOp::reciprocal_above, [](double x) { return x > 0.5 ? 1 / x : 0; }, -4, 4, 0.5},
    {core::UnaryOp::abs, [](double x) { return std::fabs(x); }, -4, 4},
    {core::UnaryOp::sign, [](double x) { return x > 0   ? 1.0
                                                : x < 0 ? -1.0
                                                        : 0.0; }, -4, 4},
    {core::UnaryOp::exp, [](double x) { return std::exp(x); }, -20, 20},
    {core::UnaryOp::log, [](double x) { return std::log(x); }, 1e-6, 10},
    {core::UnaryOp::log1p, [](double x) { return std::log1p(x); }, -0.9, 10},
    {core::UnaryOp::sqrt, [](double x) { return std::sqrt(x); }, 0, 10},
    {core::UnaryOp::sin, [](double x) { return std::sin(x); }, -10, 10},
    {core::UnaryOp::cos, [](double x) { return std::cos(x); }, -10, 10},
    {core::UnaryOp::tanh, [](double x) { return std::tanh(x); }, -6, 6},
    {core::UnaryOp::sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, -30, 30},
    {core::UnaryOp::softplus, [](double x) { return std::log1p(std::exp(x)); }, -30, 30},
    {core::UnaryOp::relu, [](double x) { return std::max(x, 0.0); }, -4, 4},
    {core::UnaryOp::erf, [](double x) { return std::erf(x); }, -4, 4},
    {core::UnaryOp::gelu, [](double x) { return x * below(x); }, -12, 6},
    {core::UnaryOp::gelu_slope, [](double x) { return below(x) + x * std::exp(-x * x / 2) / std::sqrt(2 * M_PI); }, -6,
     6},
};

struct BinaryRow {
  core::BinaryOp op;
  std::function<double(double, double)> expected;
};

const BinaryRow binary_rows[] = {
    {core::BinaryOp::add, [](double x, double y) { return x + y; }},
    {core::BinaryOp::subtract, [](double x, double y) { return x - y; }},
    {core::BinaryOp::multiply, [](double x, double y) { return x * y; }},
    {core::BinaryOp::divide, [](double x, double y) { return x / y; }},
    {core::BinaryOp::maximum, [](double x, double y) { return std::max(x, y); }},
    {core::BinaryOp::minimum, [](double x, double y) { return std::min(x, y); }},
    {core::BinaryOp::greater, [](double x, double y) { return x > y ? 1.0 : 0.0; }},
    {core::BinaryOp::equal, [](double x, double y) { return x == y ? 1.0 : 0.0; }},
    {core::BinaryOp::where_positive, [](double x, double y) { return y > 0 ? x : 0.0; }},
    {core::BinaryOp::chain_multiply, [](double x, double y) { return x * y; }},
    {core::BinaryOp::chain_divide, [](double x, double y) { return x / y; }},
    {core::BinaryOp::bilinear, [](double x, double y) { return x * y; }},
    {core::BinaryOp::binary_cross_entropy,
     [](double x, double y) { return y * std::log1p(std::exp(-x)) + (1 - y) * std::log1p(std::exp(x)); }},
};

std::vector<double> broadcast_loop(const std::function<double(double, double)>& f, const Shape& out, const Tensor& x,
                                   const Tensor& y) {
  const auto a = values(x), b = values(y);
  std::vector<double> result;
  for_each_index(out,
                 [&](const Index& i) { result.push_back(f(a[position(x.shape(), i)], b[position(y.shape(), i)])); });
  return result;
}

/// NumPy's rule, written once more: extents aligned at the end agree or are 1. False when they do not.
bool broadcast(const Shape& a, const Shape& b, Shape& out) {
  out = Shape{};
  const int rank = std::max(a.rank(), b.rank());
  for (int i = 0; i < rank; ++i) {
    const int64_t p = i < rank - a.rank() ? 1 : a[i - (rank - a.rank())];
    const int64_t q = i < rank - b.rank() ? 1 : b[i - (rank - b.rank())];
    if (p != q && p != 1 && q != 1) return false;
    out.push_back(p == 1 ? q : p);
  }
  return true;
}

}  // namespace

TEST_CASE("every unary op agrees with a scalar loop in both dtypes, at one element, at odd sizes and across chunks") {
  for (const DType dtype : floating_types)
    for (const UnaryRow& row : unary_rows)
      for (const int64_t n : {1, 13, 40001}) {
        const Tensor x = Generator{7}.uniform({n}, row.low, row.high, dtype);
        std::vector<double> expected;
        for (const double v : values(x)) expected.push_back(row.expected(v));
        CAPTURE(static_cast<int>(row.op));
        CHECK_CLOSE(values(core::unary(row.op, x, row.a, row.b)), expected, rounding(dtype, 16));
      }
}

namespace {

/// |got - expected| in units in the last place of a float32; infinite where only one of them is finite.
double error_in_last_places(float got, double expected) {
  const float rounded = static_cast<float>(expected);
  if (std::isnan(expected) || !std::isfinite(rounded) || !std::isfinite(got))
    return (std::isnan(expected) && std::isnan(got)) || got == rounded ? 0 : INFINITY;
  const float size = std::abs(rounded);
  return std::abs(static_cast<double>(got) - expected) / static_cast<double>(std::nextafterf(size, INFINITY) - size);
}

}  // namespace

TEST_CASE("exp, log, log1p, tanh and erf of float32 are exact to the last place or so, at one in 4,099 of all floats") {
  std::vector<float> all{0.f,  -0.f,   1.f,     -1.f,      INFINITY, -INFINITY, NAN,
                         -NAN, 1e-45f, -1e-45f, 88.72283f, 88.8f,    -103.97f};
  for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += 4099) {
    const auto word = static_cast<uint32_t>(bits);
    float x;
    std::memcpy(&x, &word, sizeof x);
    all.push_back(x);
  }
  const Tensor x = Tensor::from(all, {static_cast<int64_t>(all.size())});
  struct Row {
    core::UnaryOp op;
    double (*exact)(double);
    double most;
  };
  for (const Row& row : {Row{core::UnaryOp::exp, std::exp, 1},
                         {core::UnaryOp::log, std::log, 1},
                         {core::UnaryOp::log1p, std::log1p, 1.5},
                         {core::UnaryOp::tanh, std::tanh, 1.5},
                         {core::UnaryOp::erf, std::erf, 1.5}}) {
    CAPTURE(name_of(row.op));
    const Tensor y = core::unary(row.op, x);
    double most = 0;
    float worst = 0;
    for (size_t i = 0; i < all.size(); ++i) {
      const double error = error_in_last_places(y.data<float>()[i], row.exact(static_cast<double>(all[i])));
      if (error > most) most = error, worst = all[i];
    }
    CAPTURE(worst);
    CHECK(most < row.most);
    CHECK(most > 0.5);  // no float32 function is always the nearest one: doubles were compared
  }
  const Tensor zero = core::unary(core::UnaryOp::tanh, Tensor::full({1}, -0.0));
  CHECK(std::signbit(zero.data<float>()[0]));
}

TEST_CASE("the normal distribution function of float32 is right to 1.5e-7, on the left to 5e-6 of its values") {
  using core::scalar::normal_distribution;
  for (int64_t i = -1'500'000; i <= 1'500'000; i += 7) {
    const float x = static_cast<float>(i) * 1e-5f;
    const double exact = below(static_cast<double>(x)),
                 error = std::abs(static_cast<double>(normal_distribution(x)) - exact);
    CAPTURE(x);
    REQUIRE(error < 1.5e-7);
    if (x > -13) REQUIRE(error < 5e-6 * exact);
  }
  for (const float tiny : {0.f, -0.f, 1e-45f, -1e-30f, 2.65843e-06f})
    CHECK(std::abs(static_cast<double>(normal_distribution(tiny)) - below(static_cast<double>(tiny))) < 1.5e-7);
  CHECK(normal_distribution(INFINITY) == 1);
  CHECK(normal_distribution(-INFINITY) == 0);
  CHECK(normal_distribution(-1e30f) == 0);
  CHECK(std::isnan(normal_distribution(NAN)));
  // The digits of small values survive in GELU.
  for (const float x : {-4.f, -6.f, -8.f}) {
    const double exact = static_cast<double>(x) * below(static_cast<double>(x));
    CHECK_CLOSE(values(core::unary(core::UnaryOp::gelu, Tensor::from<float>({x}))), std::vector<double>{exact},
                {5e-6, 0});
  }
}

TEST_CASE("every binary op agrees with a scalar loop in both dtypes") {
  for (const DType dtype : floating_types)
    for (const BinaryRow& row : binary_rows)
      for (const int64_t n : {1, 13, 40001}) {
        Tensor x = numbers({n}, dtype, 1), y = numbers({n}, dtype, 2);
        y.slice(0, (n + 1) / 2).copy_from(x.slice(0, (n + 1) / 2));  // some are equal
        if (row.op == core::BinaryOp::binary_cross_entropy) y = core::unary(core::UnaryOp::sigmoid, y);  // targets
        CAPTURE(static_cast<int>(row.op));
        CHECK_CLOSE(values(core::binary(row.op, x, y)), broadcast_loop(row.expected, x.shape(), x, y), rounding(dtype));
      }
}

TEST_CASE("chain_multiply and chain_divide are 0 where the gradient is 0, whatever the slope") {
  const Tensor grad = Tensor::from<double>({0, -0.0, 0, 1}), slope = Tensor::from<double>({INFINITY, NAN, 0, INFINITY});
  CHECK(values(core::binary(core::BinaryOp::chain_multiply, grad, slope)) == std::vector<double>{0, 0, 0, INFINITY});
  CHECK(values(core::binary(core::BinaryOp::chain_divide, grad, slope)) == std::vector<double>{0, 0, 0, 0});
}

TEST_CASE("bilinear is 0 where 0 meets infinity on either side, and hides no NaN") {
  const Tensor x = Tensor::from<double>({0, INFINITY, -INFINITY, 0, NAN, 2, 3});
  const Tensor y = Tensor::from<double>({INFINITY, 0, -0.0, NAN, 0, INFINITY, 4});
  CHECK_CLOSE(values(core::binary(core::BinaryOp::bilinear, x, y)),
              (std::vector<double>{0, 0, 0, NAN, NAN, INFINITY, 12}));
}

TEST_CASE("elementwise ops and reductions refuse operands under their own names") {
  const Tensor integers = Tensor::zeros({2}, DType::int32), x = Tensor::zeros({2});
  for (const UnaryRow& row : unary_rows)
    CHECK_ERROR(core::unary(row.op, integers), text("[", core::name_of(row.op), "] got dtype int32"));
  for (const BinaryRow& row : binary_rows) {
    CHECK_ERROR(core::binary(row.op, integers, integers), text("[", core::name_of(row.op), "] got dtype int32"));
    CHECK_ERROR(core::binary(row.op, x, Tensor::zeros({3})),
                text("[", core::name_of(row.op), "] got shapes (2,) and (3,)"));
    CHECK_ERROR(core::binary(row.op, x, x.to(DType::float64)), text("[", core::name_of(row.op), "] got dtypes"));
  }
  CHECK(std::string(core::name_of(core::UnaryOp::affine)) == "affine");
  CHECK(std::string(core::name_of(core::BinaryOp::binary_cross_entropy)) == "binary_cross_entropy");
  CHECK_ERROR(core::reduce(core::ReduceOp::sum, integers, 0), "[sum] got dtype int32");
  CHECK_ERROR(core::reduce(core::ReduceOp::max, x, 1), "[max] got axis 1");
  CHECK_ERROR(core::reduce(core::ReduceOp::max, Tensor::zeros({2, 0}), 1), "[max] got axis 1 of shape (2, 0)");
}

TEST_CASE("operands broadcast by NumPy's rule, over every pair of a grid of shapes, or are refused") {
  const Shape shapes[] = {
      {},        {1},       {3},          {0},          {1, 1},       {2, 3},       {2, 1},
      {1, 3},    {2, 0},    {4, 2, 3},    {4, 1, 3},    {4, 2, 1},    {1, 2, 1},    {4, 1, 1},
      {1, 1, 3}, {0, 1, 3}, {5, 4, 2, 3}, {5, 1, 2, 1}, {1, 4, 1, 3}, {5, 1, 1, 3}, {2, 5, 4, 2, 3}};
  int compatible = 0;
  for (const Shape& a : shapes)
    for (const Shape& b : shapes) {
      const Tensor x = numbers(a, DType::float64, 1), y = numbers(b, DType::float64, 2);
      Shape out;
      if (broadcast(a, b, out)) {
        ++compatible;
        const Tensor got = core::binary(core::BinaryOp::subtract, x, y);
        CAPTURE(a);
        CAPTURE(b);
        CHECK(got.shape() == out);
        CHECK_CLOSE(values(got), broadcast_loop([](double p, double q) { return p - q; }, out, x, y), {0, 0});
        if (out == b)
          CHECK_SAME_BITS(core::broadcast_to(x, b),
                          core::binary(core::BinaryOp::add, x, Tensor::zeros(b, DType::float64)));
      } else {
        CHECK_ERROR(core::binary(core::BinaryOp::subtract, x, y), "[subtract] got shapes");
      }
    }
  CHECK(compatible > 200);
}

TEST_CASE("broadcasting agrees with a scalar loop where rows and chunks meet") {
  const std::pair<Shape, Shape> pairs[] = {{{300, 1000}, {1000}},
                                           {{300, 1000}, {300, 1}},
                                           {{2, 70000}, {70000}},
                                           {{2, 70000}, {2, 1}},
                                           {{50000, 3}, {3}},
                                           {{50000, 1}, {1, 3}},
                                           {{40, 7, 300}, {7, 1}},
                                           {{40, 7, 300}, {40, 1, 300}},
                                           {{7, 1, 13, 1}, {1, 30, 1, 41}},
                                           {{100001}, {}}};
  for (const auto& [a, b] : pairs) {
    const Tensor x = numbers(a, DType::float32, 1), y = numbers(b, DType::float32, 2);
    Shape out;
    REQUIRE(broadcast(a, b, out));
    const auto minus = [](double p, double q) {
      return static_cast<double>(static_cast<float>(p) - static_cast<float>(q));
    };
    CAPTURE(a);
    CHECK_CLOSE(values(core::binary(core::BinaryOp::subtract, x, y)), broadcast_loop(minus, out, x, y), {0, 0});
    CHECK_CLOSE(values(core::binary(core::BinaryOp::subtract, y, x)), broadcast_loop(minus, out, y, x), {0, 0});
  }
}

TEST_CASE("NaN passes through relu, maximum and minimum, from either side") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const DType dtype : floating_types) {
    const Tensor x = Tensor::from<double>({nan, 1, nan}).to(dtype), y = Tensor::from<double>({2, nan, nan}).to(dtype);
    const std::vector<double> all_nan(3, nan);
    CHECK_CLOSE(values(core::binary(core::BinaryOp::maximum, x, y)), all_nan, {});
    CHECK_CLOSE(values(core::binary(core::BinaryOp::minimum, x, y)), all_nan, {});
    CHECK(std::isnan(core::unary(core::UnaryOp::relu, x).at(0)));
  }
}

TEST_CASE("sigmoid and softplus stay finite at large arguments") {
  const Tensor x = Tensor::from<float>({-1000, 1000});
  CHECK_CLOSE(values(core::unary(core::UnaryOp::sigmoid, x)), (std::vector<double>{0, 1}), {0, 0});
  CHECK_CLOSE(values(core::unary(core::UnaryOp::softplus, x)), (std::vector<double>{0, 1000}), {0, 0});
}

TEST_CASE("add_scaled adds in place") {
  for (const DType dtype : floating_types) {
    Tensor y = counting({70001}, dtype);
    core::add_scaled(y, -0.5, counting({70001}, dtype));
    CHECK_CLOSE(values(y), values(core::unary(core::UnaryOp::affine, counting({70001}, dtype), 0.5)), {0, 0});
  }
}

TEST_CASE("add_scaled into another tensor leaves the first as it was, and gives the same bits") {
  for (const DType dtype : floating_types) {
    const Tensor y = counting({70001}, dtype), x = core::unary(core::UnaryOp::sqrt, y);
    const Tensor scale = Tensor::full({}, 1.0 / 3, DType::float64);
    const Tensor before = y.clone();
    Tensor in_place = y.clone(), out = y.empty_like();
    core::add_scaled(in_place, 0.7, scale, x);
    core::add_scaled(y, 0.7, scale, x, out);
    CHECK_SAME_BITS(out, in_place);
    CHECK_SAME_BITS(y, before);
    Tensor shorter = Tensor::zeros({70000}, dtype);
    CHECK_ERROR(core::add_scaled(y, 1, scale, x, shorter), "[add_scaled] got shape (70000,), expected (70001,)");
  }
}

TEST_CASE("blend computes in double and then converts") {
  const Tensor x = Tensor::from<double>({1.0 / 3, -2, 1e30});
  for (const DType dtype : floating_types) {
    Tensor y = Tensor::from<double>({0.5, 0.1, 7}).to(dtype);
    const std::vector<double> before = values(y);
    core::blend(y, 0.9, 0.1, x);
    for (int i = 0; i < 3; ++i) {
      const double exact = 0.9 * before[static_cast<size_t>(i)] + 0.1 * x.at(i);
      CHECK(y.at(i) == (dtype == DType::float32 ? static_cast<double>(static_cast<float>(exact)) : exact));
    }
    core::blend(y, 0, 2);
    CHECK(values(y) == std::vector<double>{2, 2, 2});
  }
  Tensor count = Tensor::from<int64_t>({5});
  core::blend(count, 1, 1);
  CHECK(count.item() == 6);
  Tensor y = Tensor::zeros({2}), bytes = Tensor::zeros({3}, DType::uint8);
  CHECK_ERROR(core::blend(y, 1, 1, x), "[blend]");
  CHECK_ERROR(core::blend(y, 1, 1, Tensor::zeros({2})), "float64 (2,) on cpu");
  CHECK_ERROR(core::blend(bytes, 1, 1), "[blend]");
  CHECK_ERROR(core::blend(y, 1, 1, Tensor()), "undefined tensor");
  Tensor none;
  CHECK_ERROR(core::blend(none, 1, 1, Tensor::zeros({2}, DType::float64)), "undefined tensor");
}

TEST_CASE("operands of two dtypes, integers and undefined tensors are refused") {
  const Tensor x = Tensor::zeros({2});
  CHECK_ERROR(core::binary(core::BinaryOp::add, x, Tensor::zeros({2}, DType::float64)), "dtypes float32 and float64");
  CHECK_ERROR(core::unary(core::UnaryOp::exp, Tensor::zeros({2}, DType::int64)),
              "Convert with tensor.to(DType::float32)");
  CHECK_ERROR(core::unary(core::UnaryOp::exp, Tensor()), "undefined tensor");
  Tensor y = Tensor::zeros({2});
  CHECK_ERROR(core::add_scaled(y, 1, Tensor::zeros({3})), "[add_scaled]");
}
