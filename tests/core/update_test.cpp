#include <cmath>

#include "tests/core/naive.h"

using namespace minima;
using namespace minima::test;

namespace {

/// Applies the rule for three steps to tensors, and `scalar` to each element; compares weights and states.
template <class Rule, class F>
void check_rule(const Rule& rule, int state_count, F&& scalar) {
  CHECK(core::kernel_of(rule).states == state_count);
  for (const DType dtype : floating_types)
    for (const int64_t n : {1, 7, 100003}) {
      Tensor weight = numbers({n}, dtype, 1);
      Tensor states[2] = {Tensor::zeros({n}, dtype), Tensor::zeros({n}, dtype)};
      auto w = values(weight), s = values(states[0]), t = values(states[1]);
      for (uint64_t step = 0; step < 3; ++step) {
        const Tensor grad = numbers({n}, dtype, 10 + step), copy = grad.clone();
        core::backend(Device::cpu).update(core::kernel_of(rule), weight, grad, state_count == 0 ? nullptr : states);
        CHECK_SAME_BITS(grad, copy);
        const auto g = values(grad);
        for (size_t i = 0; i < g.size(); ++i) scalar(w[i], g[i], s[i], t[i]);
      }
      CAPTURE(n);
      CHECK_CLOSE(values(weight), w, rounding(dtype, 64));
      CHECK_CLOSE(values(states[0]), s, rounding(dtype, 64));
      CHECK_CLOSE(values(states[1]), t, rounding(dtype, 64));
    }
}

}  // namespace

TEST_CASE("plain gradient descent agrees with a scalar loop") {
  check_rule(core::GradientDescentRule{0.1, 0.01}, 0,
             [](double& w, double g, double&, double&) { w -= 0.1 * (g + 0.01 * w); });
}

TEST_CASE("momentum agrees with a scalar loop") {
  check_rule(core::SgdRule{0.1, 0.9, 0.2, 0.01}, 1, [](double& w, double g, double& v, double&) {
    v = 0.9 * v + 0.8 * (g + 0.01 * w);
    w -= 0.1 * v;
  });
}

TEST_CASE("Nesterov's method agrees with a scalar loop") {
  check_rule(core::NesterovRule{0.1, 0.9, 0.01}, 1, [](double& w, double g, double& v, double&) {
    g += 0.01 * w;
    v = 0.9 * v + g;
    w -= 0.1 * (g + 0.9 * v);
  });
}

TEST_CASE("Adam and AdamW agree with a scalar loop") {
  for (const bool decoupled : {false, true})
    check_rule(core::AdamRule{0.01, 0.9, 0.99, 1e-8, 0.1, 0.19, 0.0199, decoupled}, 2,
               [&](double& w, double g, double& m, double& s) {
                 if (decoupled)
                   w -= 0.01 * 0.1 * w;
                 else
                   g += 0.1 * w;
                 m = 0.9 * m + 0.1 * g;
                 s = 0.99 * s + 0.01 * g * g;
                 w -= 0.01 * (m / 0.19) / (std::sqrt(s / 0.0199) + 1e-8);
               });
}

TEST_CASE("RMSprop agrees with a scalar loop") {
  check_rule(core::RmsPropRule{0.01, 0.9, 1e-3, 0.8, 0.1}, 2, [](double& w, double g, double& v, double& s) {
    g += 0.1 * w;
    s = 0.9 * s + 0.1 * g * g;
    v = 0.8 * v + g / (std::sqrt(s) + 1e-3);
    w -= 0.01 * v;
  });
}

TEST_CASE("Adagrad agrees with a scalar loop") {
  check_rule(core::AdagradRule{0.01, 1e-3, 0.1}, 1, [](double& w, double g, double& s, double&) {
    g += 0.1 * w;
    s += g * g;
    w -= 0.01 * g / (std::sqrt(s) + 1e-3);
  });
}

TEST_CASE("Lion agrees with a scalar loop, and stands still where the average is zero") {
  check_rule(core::LionRule{0.01, 0.9, 0.99, 0.1}, 1, [](double& w, double g, double& m, double&) {
    const double c = 0.9 * m + 0.1 * g;
    w -= 0.01 * ((c > 0) - (c < 0) + 0.1 * w);
    m = 0.99 * m + 0.01 * g;
  });
  double w = 3, m = 0;
  core::LionRule{0.1, 0.9, 0.99, 0}(w, 0.0, m);
  CHECK(w == 3);
}

TEST_CASE("the rule of averages agrees with a scalar loop") {
  check_rule(core::AverageRule{0.3}, 0,
             [](double& average, double w, double&, double&) { average = 0.7 * average + 0.3 * w; });
}

TEST_CASE("what goes along with an update gives the bits of the steps one by one") {
  const core::SgdRule rule{0.1, 0.9, 0, 0.01};
  for (const DType dtype : floating_types)
    for (const int64_t n : {1, 1000, 100003}) {
      const Tensor grad = numbers({n}, dtype, 1), scale = Tensor::full({}, 0.3, DType::float64);
      Tensor weight = numbers({n}, dtype, 2), velocity = numbers({n}, dtype, 3);
      Tensor together = weight.clone(), kept = velocity.clone(), squares = Tensor::empty({}, DType::float64);
      core::add_scaled(weight, -0.7, scale, velocity);
      core::backend(Device::cpu).update(core::kernel_of(rule), weight, grad, &velocity);
      core::backend(Device::cpu)
          .update(core::kernel_of(rule), together, grad, &kept, {.move = -0.7, .scale = scale, .squares = squares});
      CHECK_SAME_BITS(together, weight);
      CHECK_SAME_BITS(kept, velocity);
      CHECK_SAME_BITS(squares, core::dot(velocity, velocity));
    }
}
