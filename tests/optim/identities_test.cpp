// What must hold exactly: MSAM and Nesterov are one family, and quadratics have closed forms.
#include "tests/check.h"
#include "tests/optim/problem.h"

using namespace minima;
using namespace minima::test;
using optim::SGD;

namespace {

using Vector = std::vector<double>;

const Vector start{1.5, -0.8, 2.2, 0.1, -1.9};

// The gradient of rugged() in one tensor.
Vector gradient_at(const Vector& w) {
  const Variable at = leaf(w);
  return grad(rugged({at}), {at})[0].value().to_vector<double>();
}

double norm(const Vector& x) {
  double sum = 0;
  for (const double value : x) sum += value * value;
  return std::sqrt(sum);
}

// Nesterov's original method: the gradient is taken at w - lr * mu * v.
struct OriginalNesterov {
  Vector w = start, v = Vector(start.size(), 0);

  void step(double lr, double mu) {
    const Vector g = gradient_at(ahead(lr, mu));
    for (size_t i = 0; i < w.size(); ++i) {
      v[i] = mu * v[i] + g[i];
      w[i] -= lr * v[i];
    }
  }
  Vector ahead(double lr, double mu) const {
    Vector point = w;
    for (size_t i = 0; i < w.size(); ++i) point[i] -= lr * mu * v[i];
    return point;
  }
};

// Minimises h w^2 / 2 from w = 1 and returns |w| at the end.
double settles_at(optim::Optimizer& optimizer, const Variable& w, double h, int steps) {
  for (int i = 0; i < steps; ++i) optimizer.step(training([&] { return sum(square(w)) * (h / 2); }));
  return std::abs(w.value().item());
}

}  // namespace

TEST_CASE("MSAM with rho = lr * mu * |v| is Nesterov's original method") {
  const double lr = 0.05, mu = 0.9;
  const Variable w = leaf(start);
  optim::MSAM optimizer{SGD{{w}, {.lr = lr, .momentum = mu}}};
  optimizer.group(0)["rho"] = [&](int64_t) { return lr * mu * core::norm(optimizer.momentum()).item(); };
  OriginalNesterov reference;
  for (int i = 0; i < 300; ++i) {
    optimizer.step(training([&] { return rugged({w}); }));
    reference.step(lr, mu);
    CHECK_CLOSE(w.value().to_vector<double>(), reference.w, {.rtol = 1e-12, .atol = 1e-14});
  }
  CHECK(norm(gradient_at(reference.w)) < 1e-3 * norm(gradient_at(start)));  // it went somewhere
}

TEST_CASE(
    "PyTorch's Nesterov walks the original method's look-ahead points while lr is constant, but not with a cosine") {
  const double mu = 0.9;
  for (const bool decaying : {false, true}) {
    const optim::Schedule lr = decaying ? optim::cosine(0.05, 100) : 0.05;
    const Variable w = leaf(start);
    optim::Nesterov optimizer{{w}, {.lr = lr, .momentum = mu}};
    OriginalNesterov reference;
    double worst = 0;
    for (int64_t t = 0; t < 60; ++t) {
      optimizer.step(training([&] { return rugged({w}); }));
      reference.step(lr(t), mu);
      const Vector got = w.value().to_vector<double>(), expected = reference.ahead(lr(t + 1), mu);
      for (size_t i = 0; i < got.size(); ++i) worst = std::max(worst, std::abs(got[i] - expected[i]));
    }
    CAPTURE(worst);
    if (decaying)
      CHECK(worst > 1e-5);
    else
      CHECK(worst < 1e-13);
  }
}

TEST_CASE("rho = 0 is the base, bit for bit, for every wrapper over every base in both precisions") {
  for (const DType dtype : {DType::float32, DType::float64})
    for (const std::string& wrapper : wrapper_names())
      for (const std::string& base : base_names()) {
        CAPTURE(wrapper);
        CAPTURE(base);
        const Variable wrapped = leaf(start, dtype), plain = leaf(start, dtype);
        const auto optimizer = wrap(wrapper, make_base(base, {wrapped}), 0);
        const auto reference = make_base(base, {plain});
        for (int i = 0; i < 20; ++i) {
          optimizer->step(training([&] { return rugged({wrapped}); }));
          reference->step(training([&] { return rugged({plain}); }));
          CHECK_SAME_BITS(wrapped.value(), plain.value());
        }
      }
}

TEST_CASE("SAM on a parabola ends in a two-cycle of amplitude lr h rho / (2 - lr h)") {
  for (const double h : {1.0, 4.0}) {
    const double lr = 0.1, rho = 0.1;
    const Variable w = leaf({1});
    optim::SAM optimizer{SGD{{w}, {.lr = lr}}, {.rho = rho}};
    CHECK_CLOSE(Vector{settles_at(optimizer, w, h, 1000)}, Vector{lr * h * rho / (2 - lr * h)},
                {.rtol = 1e-12, .atol = 0});
  }
}

TEST_CASE("MSAM on a parabola parks at distance rho where momentum never overshoots, and cycles where it does") {
  const double mu = 0.9, rho = 0.1;
  for (const double lr_h : {0.001, 0.002, 0.003, 0.1}) {
    CAPTURE(lr_h);
    const Variable w = leaf({1});
    optim::MSAM optimizer{SGD{{w}, {.lr = lr_h, .momentum = mu}}, {.rho = rho}};
    const bool overdamped = lr_h < std::pow(1 - std::sqrt(mu), 2);
    const double expected = overdamped ? rho : lr_h * rho / (2 + 2 * mu - lr_h);
    CHECK_CLOSE(Vector{settles_at(optimizer, w, 1, 6000)}, Vector{expected}, {.rtol = 1e-10, .atol = 0});
  }
}

TEST_CASE("heavy ball and Nesterov become unstable where theory says") {
  const double mu = 0.9;
  const auto shrinks = [&](bool nesterov, double lr) {
    const Variable w = leaf({1});
    std::unique_ptr<optim::Optimizer> optimizer;
    if (nesterov)
      optimizer = std::make_unique<optim::Nesterov>(Parameters{w}, optim::SgdOptions{.lr = lr, .momentum = mu});
    else
      optimizer = std::make_unique<SGD>(Parameters{w}, optim::SgdOptions{.lr = lr, .momentum = mu});
    return settles_at(*optimizer, w, 1, 2000) < 1;
  };
  const double heavy_ball = 2 + 2 * mu, nesterov = (2 + 2 * mu) / (1 + 2 * mu);
  CHECK(shrinks(false, heavy_ball - 0.02));
  CHECK_FALSE(shrinks(false, heavy_ball + 0.02));
  CHECK(shrinks(true, nesterov - 0.02));
  CHECK_FALSE(shrinks(true, nesterov + 0.02));
}

TEST_CASE(
    "in the valley (xy - 1)^2 / 2 SAM and MSAM walk to the flattest minimum, where momentum and Nesterov do not") {
  // Every point of xy = 1 is a minimum, of curvature x^2 + y^2: 2 at the flattest.
  const auto curvature_reached = [](const std::string& name, double rho) {
    const Variable w = leaf({3, 0.5});
    const auto optimizer = wrap(name == "sam" || name == "msam" ? name : "none",
                                make_base(name == "nesterov" ? name : "sgd", {w}, 0.02, 0), rho);
    for (int i = 0; i < 5000; ++i)
      optimizer->step(training([&] { return sum(square(slice(w, 0, 0, 1) * slice(w, 0, 1, 2) - 1)) / 2; }));
    return std::pow(w.value().at(0), 2) + std::pow(w.value().at(1), 2);
  };
  const Tolerance percent{.rtol = 0.01, .atol = 0};
  CHECK_CLOSE(Vector{curvature_reached("sgd", 0)}, Vector{8.51}, percent);
  CHECK_CLOSE(Vector{curvature_reached("nesterov", 0)}, Vector{8.80}, percent);
  CHECK_CLOSE(Vector{curvature_reached("sam", 0.05)}, Vector{2.0}, percent);
  CHECK_CLOSE(Vector{curvature_reached("msam", 0.05)}, Vector{2.0}, percent);
}
