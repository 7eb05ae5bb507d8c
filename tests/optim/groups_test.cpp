// Groups of parameters with hyperparameters of their own.
#include "tests/check.h"
#include "tests/optim/problem.h"

using namespace minima;
using namespace minima::test;
using optim::Group;
using optim::SGD;

TEST_CASE("a group inherits every option that it does not set, whatever the value of the one it sets") {
  const Variable a = leaf({1}), b = leaf({1}), c = leaf({1});
  SGD optimizer{{Group{{a}}, Group{{b}, {{"lr", 0.1}}}, Group{{c}, {{"momentum", 0}, {"weight_decay", 0}}}},
                {.lr = 0.5, .momentum = 0.9, .weight_decay = 0.01}};
  CHECK(optimizer.groups() == 3);
  CHECK(optimizer.group(0)["lr"](0) == 0.5);
  CHECK(optimizer.group(1)["lr"](0) == 0.1);  // equal to the class's default, yet set
  CHECK(optimizer.group(1)["momentum"](0) == 0.9);
  CHECK(optimizer.group(1)["weight_decay"](0) == 0.01);
  CHECK(optimizer.group(2)["momentum"](0) == 0);
  CHECK(optimizer.group(2)["lr"](0) == 0.5);
  CHECK_ERROR(optimizer.group(3), "[sgd] got group 3");
}

TEST_CASE("each group moves by its own hyperparameters, and a change acts at the next step") {
  const Variable a = leaf({1}), b = leaf({1});
  SGD optimizer{{Group{{a}}, Group{{b}, {{"lr", optim::step_decay(1, 1, 0.5)}, {"weight_decay", 0}}}},
                {.lr = 0.1, .weight_decay = 1}};
  const auto closure = training([&] { return sum(a) + sum(b); });
  optimizer.step(closure);
  CHECK_CLOSE(a.value(), Tensor::from(std::vector{1 - 0.1 * 2}), {.rtol = 1e-15});
  CHECK(b.value().item() == 0);
  optimizer.group(0)["lr"] = 0.01;
  optimizer.step(closure);
  CHECK_CLOSE(a.value(), Tensor::from(std::vector{0.8 - 0.01 * 1.8}), {.rtol = 1e-15});
  CHECK(b.value().item() == -0.5);
}

TEST_CASE("an option that the optimizer does not read is refused with those it does") {
  const Variable w = leaf({1});
  CHECK_ERROR((SGD{{Group{{w}, {{"beta1", 0.5}}}}}),
              "[sgd] got beta1 in group 0, expected what sgd reads: lr, momentum, dampening, weight_decay");
  CHECK_ERROR((optim::Adam{{Group{{w}, {{"momentum", 0.5}}}}}), "[adam] got momentum in group 0");
  CHECK_ERROR((SGD{{Group{{w}, {{"lr", -1}}}}}), "lr = -1 in group 0");
  CHECK_ERROR((SGD{{Group{{w}, {{"rho", 0.5}}}}}), "[sgd] got rho in group 0");
  SGD optimizer{{w}};
  CHECK_ERROR(optimizer.group(0)["rho"] = 0.5, "[sgd] got rho in group 0");
  CHECK_ERROR(optimizer.group(0)["Lr"], "[sgd] got Lr in group 0, expected what sgd reads: lr,");
  optim::MSAM msam{SGD{{w}, {.momentum = 0.9}}};
  CHECK_ERROR(msam.group(0)["beta1"] = 0.5,
              "[msam] got beta1 in group 0, expected what msam reads: lr, momentum, dampening, weight_decay, rho");
  CHECK_ERROR((optim::Nesterov{{w}, {.momentum = 0.9, .dampening = 0.1}}),
              "[nesterov] got dampening, expected what nesterov reads: lr, momentum, weight_decay");
}

TEST_CASE("a parameter in two groups is refused") {
  const Variable w = leaf({1}), b = leaf({1});
  CHECK_ERROR((SGD{{Group{{w}}, Group{{b, w}}}}), "parameter 2 given before");
}

TEST_CASE("the norm is one over all groups, the radius each group's own") {
  // Gradients (3) and (4): |g| = 5, so the groups move uphill by rho_i * g_i / 5.
  for (const std::string wrapper : {"sam", "msam"}) {
    CAPTURE(wrapper);
    const Variable a = leaf({0}), b = leaf({0});
    const auto base = [&] {
      return std::make_unique<SGD>(std::vector{Group{{a}}, Group{{b}}}, optim::SgdOptions{.lr = 1, .momentum = 0.5});
    };
    const auto optimizer = wrap(wrapper, base(), 0.1);
    optimizer->group(1)["rho"] = 0.2;
    CHECK(optimizer->group(0)["rho"](0) == 0.1);
    CHECK(optimizer->group(1)["rho"](0) == 0.2);
    std::vector<double> seen_a, seen_b;
    const auto closure = [&] {
      seen_a.push_back(a.value().item()), seen_b.push_back(b.value().item());
      return training([&] { return sum(a * 3.0) + sum(b * 4.0); })();
    };
    optimizer->measure(optim::Measure::norms);
    optimizer->step(closure);
    if (wrapper == "msam") optimizer->step(closure);  // the first step has no momentum yet
    const double sign = wrapper == "sam" ? 1 : -1, clean_a = wrapper == "sam" ? 0 : -3,
                 clean_b = wrapper == "sam" ? 0 : -4;
    CHECK_CLOSE(std::vector{seen_a[1] - clean_a}, std::vector{sign * 0.1 * 3 / 5}, {.rtol = 1e-14});
    CHECK_CLOSE(std::vector{seen_b[1] - clean_b}, std::vector{sign * 0.2 * 4 / 5}, {.rtol = 1e-14});
    CHECK_CLOSE(std::vector{optimizer->last_step().perturbation_norm}, std::vector{std::hypot(0.06, 0.16)},
                {.rtol = 1e-14});
  }
}

TEST_CASE("splitting a model into groups of equal options changes nothing but rounding") {
  for (const std::string& wrapper : wrapper_names()) {
    CAPTURE(wrapper);
    const Parameters one{leaf({1, 2}), leaf({3})}, two{leaf({1, 2}), leaf({3})};
    const optim::SgdOptions options{.lr = 0.05, .momentum = 0.9, .weight_decay = 0.01};
    const auto whole = wrap(wrapper, std::make_unique<SGD>(one, options), 0.1);
    const auto split =
        wrap(wrapper, std::make_unique<SGD>(std::vector{Group{{two[0]}}, Group{{two[1]}}}, options), 0.1);
    for (int i = 0; i < 20; ++i) {
      whole->step(training([&] { return rugged(one); }));
      split->step(training([&] { return rugged(two); }));
    }
    CHECK_CLOSE(one[0].value(), two[0].value(), {.rtol = 1e-13});
    CHECK_CLOSE(one[1].value(), two[1].value(), {.rtol = 1e-13});
  }
}
