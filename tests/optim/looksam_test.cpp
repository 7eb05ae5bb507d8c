// LookSAM against its formula, line by line.
#include "tests/check.h"
#include "tests/optim/problem.h"
#include "tests/optim/spy.h"

using namespace minima;
using namespace minima::test;
using optim::LookSAM;
using optim::SGD;

namespace {

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

Vector sum_of(Vector a, double factor, const Vector& b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] += factor * b[i];
  return a;
}

}  // namespace

TEST_CASE("LookSAM follows its formula over two periods, and over periods of one") {
  const double lr = 0.05, mu = 0.9, decay = 0.1, rho = 0.3, alpha = 0.7;
  for (const int period : {3, 1}) {
    CAPTURE(period);
    const Parameters parameters = three_tensors();
    LookSAM optimizer{SGD{parameters, {.lr = lr, .momentum = mu, .weight_decay = decay}},
                      {.rho = rho, .period = period, .alpha = alpha}};
    Vector w = values(parameters), v(w.size(), 0), u(w.size(), 0);
    for (int t = 0; t < 2 * period + 1; ++t) {
      const double loss = optimizer.step(training([&] { return rugged(parameters); })).item();
      const Parameters at{leaf({w[0], w[1]}), leaf({w[2]}), leaf({w[3], w[4], w[5]})};
      CHECK_CLOSE(Vector{loss}, Vector{rugged(at).item()}, {.rtol = 1e-13});
      const Vector g = gradient_at(w);
      Vector applied;
      if (t % period == 0) {
        const Vector g2 = gradient_at(sum_of(w, rho / norm(g), g));
        const Vector p = sum_of(g2, -dot(g2, g) / dot(g, g), g);
        u = sum_of(Vector(w.size(), 0), 1 / norm(p), p);
        CHECK(std::abs(dot(u, g)) < 1e-12 * norm(g));
        applied = g2;
      } else {
        applied = sum_of(g, alpha * norm(g), u);
      }
      for (size_t i = 0; i < w.size(); ++i) v[i] = mu * v[i] + applied[i] + decay * w[i], w[i] -= lr * v[i];
      CHECK_CLOSE(values(parameters), w, {.rtol = 1e-11, .atol = 1e-12});
    }
    CHECK(optimizer.gradient_evaluations() == (period == 1 ? 6 : 7 + 3));
  }
}

TEST_CASE("LookSAM with a period of one is SAM, bit for bit") {
  const Parameters ours = three_tensors(DType::float32), theirs = three_tensors(DType::float32);
  LookSAM optimizer{SGD{ours, {.lr = 0.05, .momentum = 0.9}}, {.rho = 0.3, .period = 1}};
  optim::SAM sam{SGD{theirs, {.lr = 0.05, .momentum = 0.9}}, {.rho = 0.3}};
  for (int i = 0; i < 20; ++i) {
    optimizer.step(training([&] { return rugged(ours); }));
    sam.step(training([&] { return rugged(theirs); }));
    for (size_t k = 0; k < ours.size(); ++k) CHECK_SAME_BITS(ours[k].value(), theirs[k].value());
  }
}

TEST_CASE("where the second gradient is parallel to the first, LookSAM remembers nothing rather than rounding or NaN") {
  // On a bowl every gradient points to the centre.
  for (const DType dtype : {DType::float32, DType::float64}) {
    const Variable w = leaf({1.3, -0.7, 0.9, 2.1}, dtype), u = leaf({1.3, -0.7, 0.9, 2.1}, dtype);
    LookSAM optimizer{SGD{{w}, {.lr = 0.05}}, {.rho = 0.3, .period = 2, .alpha = 1}};
    SGD reference{{u}, {.lr = 0.05}};
    optimizer.step(training([&] { return sum(square(w)); }));
    CHECK_SAME_BITS(optimizer.state().tensor("u"), Tensor::zeros({4}, dtype));
    Variable(u).set_value(w.value().clone());
    optimizer.step(training([&] { return sum(square(w)); }));
    reference.step(training([&] { return sum(square(u)); }));
    CHECK_SAME_BITS(w.value(), u.value());
  }
}

TEST_CASE("a step of LookSAM from memory perturbs nothing and says so") {
  Spy spy{three_tensors(), {}};
  LookSAM optimizer{SGD{spy.parameters, {.lr = 0.05}}, {.rho = 0.3, .period = 2}};
  optimizer.measure(optim::Measure::norms);
  optimizer.step(spy.closure());
  CHECK_CLOSE(Vector{optimizer.last_step().perturbation_norm}, Vector{0.3}, {.rtol = 1e-12});
  const Vector clean = values(spy.parameters);
  optimizer.step(spy.closure());
  CHECK(spy.seen.size() == 3);
  CHECK(spy.seen.back() == clean);
  CHECK(std::isnan(optimizer.last_step().perturbation_norm));
  CHECK(optimizer.last_step().loss_clean == optimizer.last_step().loss);
}

TEST_CASE("what throws in LookSAM's second pass leaves weights and memory as they were") {
  Spy spy{three_tensors(), {}};
  LookSAM optimizer{SGD{spy.parameters, {.lr = 0.05}}, {.rho = 0.3, .period = 1}};
  optimizer.step(spy.closure());
  const Vector w = values(spy.parameters);
  const Tensor u = optimizer.state().tensor("u");
  int calls = 0;
  CHECK_THROWS_AS(optimizer.step([&] {
    if (++calls == 2) throw std::runtime_error("out of data");
    return spy();
  }),
                  std::runtime_error);
  CHECK(values(spy.parameters) == w);
  CHECK_SAME_BITS(optimizer.state().tensor("u"), u);
}

TEST_CASE("LookSAM refuses a period or alpha out of range") {
  const auto base = [] { return SGD{{leaf({1})}, {.lr = 0.1}}; };
  CHECK_ERROR((LookSAM{base(), {.period = 0}}), "[looksam] got period = 0, expected at least 1");
  CHECK_ERROR((LookSAM{base(), {.alpha = -0.1}}), "[looksam] got alpha = -0.1, expected a finite number of at least 0");
  CHECK_ERROR((LookSAM{base(), {.alpha = NAN}}), "[looksam] got alpha = nan");
  CHECK_ERROR((LookSAM{base(), {.rho = -1}}), "[looksam] got rho = -1 in group 0");
}
