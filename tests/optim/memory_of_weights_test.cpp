// Where the weights lie: shared (tied), swapped and replaced values, and how often each parameter has been updated.
#include <cmath>

#include "tests/check.h"
#include "tests/optim/problem.h"

using namespace minima;
using namespace minima::test;
using optim::SGD;

namespace {

// sum(a) + 10 sum(b)
optim::Closure one_and_ten(const Variable& a, const Variable& b) {
  return training([a, b] { return sum(a) + sum(b * 10.0); });
}

double only(const Variable& x) { return x.value().item(); }

// How far w moves in each step, in units of lr, with a gradient of 3 throughout.
std::vector<double> moves(optim::Optimizer& optimizer, const Variable& w, const Variable& other, int steps) {
  std::vector<double> all;
  for (int i = 0; i < steps; ++i) {
    const double before = only(w);
    optimizer.step(training([&] { return sum(w * 3.0) + sum(other); }));
    all.push_back((before - only(w)) / 0.01);
  }
  return all;
}

}  // namespace

TEST_CASE("weights that were tied after the optimizer was made move by both gradients and stay tied") {
  for (const std::string wrapper : {"none", "sam", "msam", "looksam", "along-gradient"}) {
    CAPTURE(wrapper);
    const Variable a = leaf({1}), b = leaf({2});
    const auto optimizer =
        wrap(wrapper, std::make_unique<SGD>(std::vector{a, b}, optim::SgdOptions{.lr = 0.1, .momentum = 0.5}), 0.0);
    Variable(b).set_value(a.value());
    optimizer->step(one_and_ten(a, b));
    CHECK_CLOSE(a.value(), Tensor::from(std::vector{-0.1}), {.rtol = 1e-14});
    CHECK_SAME_BITS(b.value(), a.value());
    optimizer->step(one_and_ten(a, b));  // velocities 1.5 and 15
    CHECK_CLOSE(a.value(), Tensor::from(std::vector{-0.1 - 1.65}), {.rtol = 1e-14});
    CHECK_SAME_BITS(b.value(), a.value());
    CHECK(a.grad().item() == 1);
    CHECK(b.grad().item() == 10);
  }
}

TEST_CASE("weights that are tied before the optimizer is made stay tied") {
  const Variable a = leaf({1}), b = leaf({2});
  Variable(b).set_value(a.value());
  SGD optimizer{{a, b}, {.lr = 0.1}};
  optimizer.step(one_and_ten(a, b));
  CHECK_CLOSE(a.value(), Tensor::from(std::vector{-0.1}), {.rtol = 1e-14});
  CHECK_SAME_BITS(b.value(), a.value());
}

TEST_CASE("SAM moves tied weights by the perturbation of both and puts them back exactly") {
  const Variable a = leaf({1}), b = leaf({2});
  optim::SAM optimizer{SGD{{a, b}, {.lr = 0.1}}, {.rho = 1}};
  Variable(b).set_value(a.value());
  std::vector<double> seen;
  optimizer.step([&] {
    seen.push_back(only(a));
    return one_and_ten(a, b)();
  });
  CHECK_CLOSE(seen, (std::vector{1, 1 + 11 / std::sqrt(101.0)}), {.rtol = 1e-14});
  CHECK_CLOSE(a.value(), Tensor::from(std::vector{-0.1}), {.rtol = 1e-14});
}

TEST_CASE("SAM takes its second gradient at a copy of all weights: the weights themselves never move") {
  const Variable frozen = leaf({1}), b = leaf({2}), other = leaf({5}), tied = leaf({1});
  Variable(tied).set_value(frozen.value());
  Variable(frozen).set_requires_grad(false);
  Variable(other).set_requires_grad(false);
  optim::SAM optimizer{SGD{{frozen, b, other, tied}, {.lr = 0.1}}, {.rho = 0.1}};
  const Tensor memory = b.value();
  std::vector<std::vector<double>> seen;
  optimizer.step(training([&] {
    seen.push_back({only(frozen), only(b), only(other), only(tied), memory.item()});
    return sum(frozen) + sum(b * 2.0) + sum(other) + sum(tied * 3.0);
  }));
  const double unit = 0.1 / std::sqrt(13.0);
  CHECK(seen[0] == std::vector<double>{1, 2, 5, 1, 2});
  CHECK_CLOSE(seen[1], (std::vector<double>{1 + 3 * unit, 2 + 2 * unit, 5, 1 + 3 * unit, 2}), {.rtol = 1e-14});
  CHECK_CLOSE(std::vector<double>({only(frozen), only(b), only(other), only(tied)}),
              (std::vector<double>{0.7, 1.8, 5, 0.7}), {.rtol = 1e-14});
  CHECK(b.value().raw() == memory.raw());
}

TEST_CASE("a value that the closure puts in place of a perturbed one is refused, and stays") {
  const Variable a = leaf({1}), b = leaf({2});
  optim::SAM optimizer{SGD{{a, b}, {.lr = 0.1}}, {.rho = 0.1}};
  int calls = 0;
  CHECK_ERROR(optimizer.step(training([&] {
    if (++calls == 2) Variable(a).set_value(Tensor::from(std::vector{7.0}));
    return sum(a) + sum(b);
  })),
              "another tensor for its value");
  CHECK(only(a) == 7);
  CHECK(only(b) == 2);
}

TEST_CASE("weights whose values were swapped move by their own gradients") {
  const Variable a = leaf({1}), b = leaf({2});
  SGD optimizer{{a, b}, {.lr = 0.1}};
  const Tensor of_a = a.value(), of_b = b.value();
  Variable(a).set_value(of_b);
  Variable(b).set_value(of_a);
  optimizer.step(one_and_ten(a, b));
  CHECK_CLOSE(a.value(), Tensor::from(std::vector{1.9}), {.rtol = 1e-14});
  CHECK_CLOSE(b.value(), Tensor::from(std::vector{0.0}), {.rtol = 0, .atol = 1e-15});
}

TEST_CASE("a new value for one of two tied weights unties them, and the other keeps its own") {
  const Variable a = leaf({1}), b = leaf({2});
  SGD optimizer{{a, b}, {.lr = 0.1}};
  Variable(b).set_value(a.value());
  optimizer.step(one_and_ten(a, b));  // both -0.1
  Variable(a).set_value(Tensor::from(std::vector{5.0}));
  optimizer.step(one_and_ten(a, b));
  CHECK_CLOSE(a.value(), Tensor::from(std::vector{4.9}), {.rtol = 1e-14});
  CHECK_CLOSE(b.value(), Tensor::from(std::vector{-1.1}), {.rtol = 1e-14});
}

TEST_CASE("weights that share a part of their memory are refused by name") {
  const Tensor memory = Tensor::zeros({4}, DType::float64);
  Variable a(memory.slice(0, 3), requires_grad), b(memory.slice(2, 4), requires_grad);
  CHECK_ERROR((SGD{{a, b}}), "[sgd] got parameters 0 and 1, which share a part of their memory");
}

TEST_CASE("a tied weight's own direction and ASAM's radius use the weights that the layers see") {
  const Variable a = leaf({2}), b = leaf({7});
  optim::ASAM optimizer{SGD{{a, b}, {.lr = 0.1}}, {.rho = 0.5, .eta = 0}};
  Variable(b).set_value(a.value());
  std::vector<double> seen;
  optimizer.step([&] {
    seen.push_back(only(a));
    return one_and_ten(a, b)();
  });
  // T = 2 for both: e = rho (4 * 1, 4 * 10) / |(2, 20)|, and both move the one weight.
  CHECK_CLOSE(seen, (std::vector{2, 2 + 0.5 * 44 / std::hypot(2.0, 20.0)}), {.rtol = 1e-14});
}

TEST_CASE("a parameter that is thawed starts with the bias correction of its own first step") {
  for (const std::string base : {"adam", "adamw"})
    for (const std::string wrapper : {"none", "sam", "msam"})
      for (const int frozen_for : {0, 1000}) {
        CAPTURE(base);
        CAPTURE(wrapper);
        const Variable w = leaf({1}), other = leaf({1});
        std::vector<optim::Group> groups{optim::Group{{other}}, optim::Group{{w}}};
        const optim::AdamOptions options{.lr = 0.01, .weight_decay = 0};
        std::unique_ptr<optim::BaseOptimizer> adam;
        if (base == "adam")
          adam = std::make_unique<optim::Adam>(groups, options);
        else
          adam = std::make_unique<optim::AdamW>(groups, options);
        const auto optimizer = wrap(wrapper, std::move(adam), 0.0);
        Variable(w).set_requires_grad(false);
        for (int i = 0; i < frozen_for; ++i) optimizer->step(training([&] { return sum(other); }));
        Variable(w).set_requires_grad(true);
        CHECK_CLOSE(moves(*optimizer, w, other, 5), (std::vector<double>(5, 1.0)), {.rtol = 1e-6});
      }
}

TEST_CASE("a thawed parameter's first velocity is its whole gradient, whatever the dampening") {
  const Variable w = leaf({1}), other = leaf({1});
  SGD optimizer{{other, w}, {.lr = 0.1, .momentum = 0.5, .dampening = 0.5}};
  Variable(w).set_requires_grad(false);
  for (int i = 0; i < 3; ++i) optimizer.step(training([&] { return sum(other); }));
  Variable(w).set_requires_grad(true);
  optimizer.step(training([&] { return sum(w * 3.0) + sum(other); }));
  CHECK_CLOSE(w.value(), Tensor::from(std::vector{0.7}), {.rtol = 1e-14});
}

TEST_CASE("the steps that each parameter has had are saved and restored") {
  const auto frozen_then_thawed = [](optim::Adam& adam, Variable w, const Variable& other) {
    w.set_requires_grad(false);
    for (int i = 0; i < 20; ++i) adam.step(training([&] { return sum(other); }));
    w.set_requires_grad(true);
  };
  const Variable w = leaf({1}), other = leaf({1}), u = leaf({1}), other2 = leaf({1});
  optim::Adam whole{{w, other}, {.lr = 0.01}}, resumed{{u, other2}, {.lr = 0.01}};
  frozen_then_thawed(whole, w, other);
  resumed.load_state(whole.state());
  CHECK_CLOSE(moves(resumed, u, other2, 3), (std::vector{1.0, 1.0, 1.0}), {.rtol = 1e-6});
  Archive broken = whole.state();
  broken.tensors["parameter_steps"] = Tensor::from(std::vector<int64_t>{0, 21});
  CHECK_ERROR(resumed.load_state(broken), "parameter_steps that hold 21, expected 0 to 20");
}

TEST_CASE("freezing during a step counts from the next step on") {
  const Variable w = leaf({1}), other = leaf({1});
  optim::Adam adam{{w, other}, {.lr = 0.01}};
  adam.step([&] {
    Variable loss = training([&] { return sum(w * 3.0) + sum(other); })();
    Variable(w).set_requires_grad(false);
    return loss;
  });
  CHECK(adam.kept().flat.steps() == std::vector<int64_t>{1, 1});
}
