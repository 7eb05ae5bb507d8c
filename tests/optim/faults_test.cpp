// Where implementations of these optimizers are known to err, each fault as a claim of the opposite. Fault 7 (a second
// SAM pass that counts in batch norm or draws another dropout mask) is in network_test.cpp, fault 8 (resuming) in
// state_test.cpp.
#include "core/random.h"
#include "tests/check.h"
#include "tests/optim/problem.h"
#include "tests/optim/spy.h"

using namespace minima;
using namespace minima::test;
using optim::SGD;

TEST_CASE("MSAM looks ahead along the coming update, -v, a negative rho looks back along +v (fault 1)") {
  for (const double rho : {0.5, -0.5}) {
    const Variable w = leaf({1, 1});
    Vector seen;
    optim::MSAM optimizer{SGD{{w}, {.lr = 0.1, .momentum = 0.9}}, {.rho = rho}};
    const auto closure = [&] {
      seen = w.value().to_vector<double>();
      return training([&] { return sum(w * Variable(Tensor::from(Vector{3, 4}))); })();
    };
    optimizer.step(closure);  // v = 0: a plain step
    CHECK_CLOSE(seen, (Vector{1, 1}), {.rtol = 0, .atol = 0});
    CHECK_CLOSE(w.value(), Tensor::from(Vector{0.7, 0.6}), {.rtol = 1e-15});
    optimizer.step(closure);  // v = (3, 4), |v| = 5
    CHECK_CLOSE(seen, (Vector{0.7 - rho * 0.6, 0.6 - rho * 0.8}), {.rtol = 1e-15});
    CHECK_CLOSE(w.value(), Tensor::from(Vector{0.7 - 0.1 * 1.9 * 3, 0.6 - 0.1 * 1.9 * 4}), {.rtol = 1e-14});
  }
}

TEST_CASE("SAM looks uphill, along +g (fault 1)") {
  Spy spy{three_tensors(), {}};
  optim::SAM optimizer{SGD{spy.parameters, {.lr = 0.1}}, {.rho = 0.5}};
  optimizer.step(spy.closure());
  const Vector e = spy.seen[1] - spy.seen[0], g = gradient_at(spy.seen[0]);
  for (size_t i = 0; i < e.size(); ++i) CHECK_CLOSE(Vector{e[i]}, Vector{0.5 * g[i] / norm(g)}, {.rtol = 1e-13});
}

TEST_CASE("the perturbation of a model of three tensors has the norm rho, not each tensor (fault 2)") {
  for (const std::string wrapper : {"sam", "msam"})
    for (const std::string& base : base_names())
      for (const DType dtype : {DType::float32, DType::float64}) {
        CAPTURE(wrapper);
        CAPTURE(base);
        const double rho = 0.3;
        Spy spy{three_tensors(dtype), {}};
        const auto optimizer = wrap(wrapper, make_base(base, spy.parameters), rho);
        optimizer->measure(optim::Measure::norms);
        optimizer->step(spy.closure());
        const Vector clean = wrapper == "sam" ? spy.seen[0] : values(spy.parameters);
        if (wrapper == "msam") optimizer->step(spy.closure());
        CHECK_CLOSE(Vector{norm(spy.seen[1] - clean)}, Vector{rho}, {.rtol = 1e-6, .atol = 0});
        CHECK_CLOSE(Vector{optimizer->last_step().perturbation_norm}, Vector{rho}, {.rtol = 1e-12, .atol = 0});
      }
}

TEST_CASE("ASAM's perturbation is rho T^2 g / |T g|, relative to each weight (fault 2)") {
  for (const double eta : {0.0, 0.01}) {
    Spy spy{three_tensors(), {}};
    optim::ASAM optimizer{SGD{spy.parameters, {.lr = 0.1}}, {.rho = 0.5, .eta = eta}};
    optimizer.step(spy.closure());
    const Vector w = spy.seen[0], e = spy.seen[1] - w, g = gradient_at(w);
    Vector scaled = g;
    for (size_t i = 0; i < g.size(); ++i) scaled[i] *= std::abs(w[i]) + eta;
    for (size_t i = 0; i < e.size(); ++i)
      CHECK_CLOSE(Vector{e[i]}, Vector{0.5 * (std::abs(w[i]) + eta) * scaled[i] / norm(scaled)}, {.rtol = 1e-12});
  }
}

TEST_CASE(
    "the weights between steps are the clean ones: the rule's, not those where the gradient was taken (fault 3)") {
  Spy spy{three_tensors(), {}};
  optim::MSAM optimizer{SGD{spy.parameters, {.lr = 0.1, .momentum = 0.9}}, {.rho = 0.3}};
  for (int i = 0; i < 5; ++i) {
    const Vector before = values(spy.parameters);
    optimizer.step(spy.closure());
    const Vector v = optimizer.momentum().to_vector<double>();
    Vector after = before;
    for (size_t k = 0; k < v.size(); ++k) after[k] -= 0.1 * v[k];
    CHECK_CLOSE(values(spy.parameters), after, {.rtol = 1e-14, .atol = 1e-15});
    CHECK_CLOSE(Vector{norm(spy.seen.back() - before)}, Vector{i == 0 ? 0 : 0.3}, {.rtol = 1e-13, .atol = 0});
  }
}

TEST_CASE("schedules of rho and lr never undo another perturbation than the one applied (fault 4)") {
  // The closed form: w' = w - lr_t v', v' = mu v + g(w - rho_t v / |v|).
  const optim::Schedule lr = optim::cosine(0.05, 60), mu = optim::linear_warmup(0.9, 30, 0.5),
                        rho = optim::join({0.0, optim::linear_warmup(1, 10, 0), -0.2}, {20, 40});
  const Parameters parameters = three_tensors();
  optim::MSAM optimizer{SGD{parameters, {.lr = lr, .momentum = mu}}, {.rho = rho}};
  Vector w = values(parameters), v(w.size(), 0);
  for (int64_t t = 0; t < 60; ++t) {
    optimizer.step(training([&] { return rugged(parameters); }));
    Vector ahead = w;
    if (t > 0)
      for (size_t i = 0; i < w.size(); ++i) ahead[i] -= rho(t) * v[i] / norm(v);
    const Vector g = gradient_at(ahead);
    for (size_t i = 0; i < w.size(); ++i) v[i] = mu(t) * v[i] + g[i], w[i] -= lr(t) * v[i];
    CHECK_CLOSE(values(parameters), w, {.rtol = 1e-12, .atol = 1e-13});
    CHECK(optimizer.last_step().rho == rho(t));
  }
}

TEST_CASE("the perturbation is undone with the momentum it was made of, not the updated one (fault 5)") {
  // Against the authors' order of operations, with the weights stored perturbed, for 100 steps.
  const double lr = 0.05, mu = 0.9, rho = 0.4;
  const Parameters parameters = three_tensors();
  optim::MSAM optimizer{SGD{parameters, {.lr = lr, .momentum = mu}}, {.rho = rho}};
  Vector perturbed = values(parameters), v(perturbed.size(), 0);
  double factor = 0;
  for (int t = 0; t < 100; ++t) {
    optimizer.step(training([&] { return rugged(parameters); }));
    const Vector g = gradient_at(perturbed);
    Vector w = perturbed;
    for (size_t i = 0; i < w.size(); ++i) {
      w[i] += factor * v[i];
      v[i] = mu * v[i] + g[i];
      w[i] -= lr * v[i];
    }
    factor = rho / norm(v);
    for (size_t i = 0; i < w.size(); ++i) perturbed[i] = w[i] - factor * v[i];
    CHECK_CLOSE(values(parameters), w, {.rtol = 1e-12, .atol = 1e-13});
  }
}

TEST_CASE("weight decay is no part of SAM's ascent and is taken at the clean weights (fault 6)") {
  const double lr = 0.1, mu = 0.9, decay = 0.3, rho = 0.2;
  Spy spy{three_tensors(), {}};
  optim::SAM optimizer{SGD{spy.parameters, {.lr = lr, .momentum = mu, .weight_decay = decay}}, {.rho = rho}};
  Vector w = values(spy.parameters), v(w.size(), 0);
  for (int t = 0; t < 20; ++t) {
    optimizer.step(spy.closure());
    const Vector g = gradient_at(w);
    Vector up = w;
    for (size_t i = 0; i < w.size(); ++i) up[i] += rho * g[i] / norm(g);
    CHECK_CLOSE(spy.seen.back(), up, {.rtol = 1e-12, .atol = 1e-13});
    const Vector g2 = gradient_at(up);
    for (size_t i = 0; i < w.size(); ++i) v[i] = mu * v[i] + g2[i] + decay * w[i], w[i] -= lr * v[i];
    CHECK_CLOSE(values(spy.parameters), w, {.rtol = 1e-12, .atol = 1e-13});
  }
}

TEST_CASE("MSAM decays the clean weights, or the perturbed ones where asked to (fault 6)") {
  const double lr = 0.05, mu = 0.9, decay = 0.3, rho = 0.4;
  for (const bool at_perturbed : {false, true}) {
    CAPTURE(at_perturbed);
    const Parameters parameters = three_tensors();
    optim::MSAM optimizer{SGD{parameters, {.lr = lr, .momentum = mu, .weight_decay = decay}},
                          {.rho = rho, .weight_decay_at_perturbed = at_perturbed}};
    Vector w = values(parameters), v(w.size(), 0);
    for (int t = 0; t < 50; ++t) {
      optimizer.step(training([&] { return rugged(parameters); }));
      Vector ahead = w;
      if (t > 0)
        for (size_t i = 0; i < w.size(); ++i) ahead[i] -= rho * v[i] / norm(v);
      const Vector g = gradient_at(ahead), decayed = at_perturbed ? ahead : w;
      for (size_t i = 0; i < w.size(); ++i) v[i] = mu * v[i] + g[i] + decay * decayed[i], w[i] -= lr * v[i];
      CHECK_CLOSE(values(parameters), w, {.rtol = 1e-12, .atol = 1e-13});
    }
  }
  CHECK_ERROR((optim::MSAM{optim::AdamW{three_tensors()}, {.weight_decay_at_perturbed = true}}),
              "[msam] got weight_decay_at_perturbed over adamw");
}

TEST_CASE("clipping concerns SAM's second gradient only (fault 6)") {
  const Parameters parameters = three_tensors();
  const double lr = 0.1, rho = 0.5, limit = 0.01;
  optim::SAM optimizer{SGD{parameters, {.lr = lr, .max_gradient_norm = limit}}, {.rho = rho}};
  const Vector w = values(parameters), g = gradient_at(w);
  optimizer.step(training([&] { return rugged(parameters); }));
  Vector up = w;
  for (size_t i = 0; i < w.size(); ++i) up[i] += rho * g[i] / norm(g);  // as far as without clipping
  const Vector g2 = gradient_at(up);
  Vector expected = w;
  for (size_t i = 0; i < w.size(); ++i) expected[i] -= lr * limit / norm(g2) * g2[i];
  CHECK_CLOSE(values(parameters), expected, {.rtol = 1e-13});
}

TEST_CASE("a zero gradient perturbs nothing and stays finite, at the first step and at an exact minimum (fault 10)") {
  for (const std::string& wrapper : wrapper_names())
    for (const std::string& base : base_names()) {
      CAPTURE(wrapper);
      CAPTURE(base);
      if (wrapper == "along-random") continue;  // goes where it likes
      const Variable w = leaf({0, 0, 0}, DType::float32);
      const auto optimizer = wrap(wrapper, make_base(base, {w}), 0.5);
      optimizer->measure(optim::Measure::norms);
      for (int i = 0; i < 3; ++i) {
        optimizer->step(training([&] { return sum(square(w)); }));
        const double perturbed_by = optimizer->last_step().perturbation_norm;
        CHECK((perturbed_by == 0 || std::isnan(perturbed_by)));  // NaN: no second pass at all
      }
      CHECK_SAME_BITS(w.value(), Tensor::zeros({3}));
    }
}

TEST_CASE("a direction too short to be normalised in float32 perturbs nothing (fault 10)") {
  const Variable w = leaf({1, 1}, DType::float32);
  optim::SAM optimizer{SGD{{w}, {.lr = 0.1}}, {.rho = 0.5}};
  for (int i = 0; i < 3; ++i) {
    optimizer.step(training([&] { return sum(w * 1e-40); }));
    CHECK(optimizer.last_step().loss_perturbed == optimizer.last_step().loss_clean);
  }
  CHECK_SAME_BITS(w.value(), Tensor::full({2}, 1));
}

TEST_CASE("SAM puts the weights back exactly: with lr = 0 a step changes no bit (fault 12)") {
  for (const std::string wrapper : {"sam", "asam"}) {
    Spy spy{three_tensors(DType::float32), {}};
    const auto optimizer = wrap(
        wrapper, std::make_unique<SGD>(spy.parameters, optim::SgdOptions{.lr = optim::step_decay(0.1, 1, 0)}), 0.3);
    optimizer->step(spy.closure());
    const Vector before = values(spy.parameters);
    for (int i = 0; i < 20; ++i) optimizer->step(spy.closure());
    CHECK(spy.seen.back() != before);  // the perturbed point was another
    CHECK(values(spy.parameters) == before);
  }
}

TEST_CASE("MSAM puts the weights back to two roundings, one each way, and does not drift (fault 12)") {
  const double rounding = std::ldexp(1, -24);  // of float32, relative
  Spy spy{{Variable(Generator{4}.normal({1000}), requires_grad)}, {}};
  optim::MSAM optimizer{SGD{spy.parameters, {.lr = optim::step_decay(0.1, 1, 0), .momentum = 0.9}}, {.rho = 5}};
  optimizer.step(spy.closure());
  const Vector start = values(spy.parameters);
  Vector before = start;
  double worst = 0;  // in roundings of the larger of w and w + e
  int changed = 0;
  for (int i = 0; i < 200; ++i) {
    optimizer.step(spy.closure());
    const Vector after = values(spy.parameters);
    for (size_t k = 0; k < after.size(); ++k) {
      const double size = std::max(std::abs(before[k]), std::abs(spy.seen.back()[k]));
      worst = std::max(worst, std::abs(after[k] - before[k]) / (rounding * size));
      changed += after[k] != before[k];
    }
    before = after;
  }
  MESSAGE("undo error: at most ", worst, " roundings of w + e; ", changed,
          " of 200,000 weights changed at all; after 200 steps ", largest(before - start) / rounding,
          " units of 2^-24");
  CHECK(changed > 0);  // the test sees the error
  CHECK(worst <= 2);   // one on the way there, one back
  CHECK(largest(before - start) < 50 * rounding);
}

TEST_CASE("a perturbation far longer than the weights is taken back without their digits") {
  for (const std::string wrapper : {"msam", "along-random", "along-momentum"})
    for (const double rho : {40.0, 1e6, -1e6}) {
      CAPTURE(wrapper);
      CAPTURE(rho);
      Spy spy{{Variable(Generator{4}.normal({1000}), requires_grad)}, {}};
      const auto optimizer = wrap(
          wrapper,
          std::make_unique<SGD>(spy.parameters, optim::SgdOptions{.lr = [](int64_t) { return 0.0; }, .momentum = 0.9}),
          rho);
      optimizer->step(spy.closure());
      const Vector start = values(spy.parameters);
      for (int i = 0; i < 20; ++i) optimizer->step(spy.closure());
      CHECK(largest(spy.seen.back() - start) > std::abs(rho) / 100);  // the gradient was taken far away
      CHECK(values(spy.parameters) == start);
    }
}

TEST_CASE("a cosine for rho does not come back in mid-training (fault 13)") {
  const Variable w = leaf({1});
  optim::SAM optimizer{SGD{{w}, {.lr = 0.01}}, {.rho = optim::cosine(0.5, 40)}};
  double before = 1;
  for (int i = 0; i < 60; ++i) {
    optimizer.step(training([&] { return rugged({w}); }));
    const double rho = optimizer.last_step().rho;
    CHECK((i < 40 ? rho < before : rho == 0));
    before = rho;
  }
}

TEST_CASE("gradient evaluations are counted: 1, 1, 1, 1, 2, 2, 1 a step (fault 14)") {
  const auto evaluations = [](const std::string& wrapper, const std::string& base) {
    const Variable w = leaf({1});
    const auto optimizer = wrap(wrapper, make_base(base, {w}), 0.1);
    int64_t calls = 0;
    for (int i = 0; i < 5; ++i)
      optimizer->step([&] {
        ++calls;
        return training([&] { return rugged({w}); })();
      });
    CHECK(optimizer->gradient_evaluations() == calls);
    CHECK(optimizer->steps() == 5);
    return calls / 5;
  };
  for (const std::string& base : base_names()) {
    CAPTURE(base);
    CHECK(evaluations("none", base) == 1);
    CHECK(evaluations("sam", base) == 2);
    CHECK(evaluations("asam", base) == 2);
    CHECK(evaluations("msam", base) == 1);
  }
}
