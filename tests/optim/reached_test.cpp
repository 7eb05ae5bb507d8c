// Parameters that a step passes over: frozen ones, and those that the loss did not reach; what a closure may not do.
#include "tests/check.h"
#include "tests/optim/problem.h"

using namespace minima;
using namespace minima::test;
using optim::SGD;

namespace {

double only(const Variable& x) { return x.value().item(); }

std::vector<int64_t> steps_of_each(const optim::Optimizer& optimizer) {
  return optimizer.state().tensor("parameter_steps").to_vector<int64_t>();
}

// A rule that is told to throw where lr is above 0.15.
struct Plain {
  double lr;
  template <class T>
  void operator()(T& weight, T grad, T& momentum) const {
    momentum = grad;
    weight -= T(lr) * grad;
  }
};
struct Moody : optim::BaseOptimizer {
  bool throws = false;
  explicit Moody(const optim::ParameterGroups& groups) : BaseOptimizer("moody", groups, {{"lr", 0.1}}, {"momentum"}) {}
  void update(const Tensor& gradient) override {
    apply(kept(), gradient, [this](const optim::RuleContext& now) {
      if (throws && now["lr"] > 0.15) fail("moody", "a bad day", "a good one");
      return Plain{now["lr"]};
    });
  }
};

}  // namespace

TEST_CASE("a parameter that the loss does not reach keeps its weights, buffers and count of steps") {
  for_every_optimizer([](const std::string& wrapper, const std::string& base) {
    const Parameters parameters{leaf({1, -0.3}), leaf({2, 0.5, 1}), leaf({0.7})};
    const auto optimizer = wrap(wrapper, make_base(base, parameters), 0.1);
    for (int i = 0; i < 3; ++i) optimizer->step(training([&] { return rugged(parameters); }));
    const Tensor before = parameters[1].value().clone();
    std::vector<Tensor> buffers;
    const size_t of_the_rule = optimizer->kept().buffers.size();
    const auto part = [&](const Tensor& flat) { return optimizer->kept().flat.layout().part(flat, 1); };
    for (const auto& [name, buffer] : optimizer->buffers()) buffers.push_back(part(buffer).clone());
    for (int i = 0; i < 4; ++i) optimizer->step(training([&] { return rugged({parameters[0], parameters[2]}); }));
    CHECK_CLOSE(parameters[1].value(), before, {.rtol = 1e-14});
    for (size_t i = 0; i < of_the_rule; ++i) CHECK_SAME_BITS(part(optimizer->buffers()[i].second), buffers[i]);
    CHECK(steps_of_each(*optimizer) == std::vector<int64_t>{7, 3, 7});
    CHECK_FALSE(parameters[1].has_grad());
    CHECK(parameters[1].grad().at(0) == 0);
    optimizer->step(training([&] { return rugged(parameters); }));
    CHECK(parameters[1].value().at(0) != before.at(0));
  });
}

TEST_CASE("SGD's parameter that was not reached in between has PyTorch's values") {
  const Variable a = leaf({1}), b = leaf({1});
  SGD optimizer{{a, b}, {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.1}};
  optimizer.step(training([&] { return sum(a) + sum(b); }));  // v = 1.1
  optimizer.step(training([&] { return sum(a); }));
  CHECK_CLOSE(b.value(), Tensor::from(std::vector{0.89}), {.rtol = 1e-14});
  optimizer.step(training([&] { return sum(a) + sum(b); }));  // v = 0.9 * 1.1 + 1.089
  CHECK_CLOSE(b.value(), Tensor::from(std::vector{0.89 - 0.1 * 2.079}), {.rtol = 1e-14});
}

TEST_CASE("Adam's bias correction counts the steps in which the loss reached a parameter") {
  for (const std::string wrapper : {"none", "sam", "msam", "looksam"})
    for (const std::string base : {"adam", "adamw"})
      for (const bool at_first : {false, true}) {  // reached at the very first step, or not
        CAPTURE(wrapper);
        CAPTURE(base);
        const Variable a = leaf({1}), b = leaf({1});
        const auto optimizer = wrap(wrapper, make_base(base, {a, b}, 0.001, 0), 1e-6);
        const auto step = [&](bool both) {
          optimizer->step(training([&] { return both ? sum(a) + sum(b * 3.0) : sum(a); }));
        };
        if (at_first) step(true);
        for (int i = 0; i < 1000; ++i) step(false);
        for (int i = 0; i < 4; ++i) {
          const double before = only(b);
          step(true);
          CHECK((before - only(b)) / 0.001 == doctest::Approx(1).epsilon(1e-4));
        }
      }
}

TEST_CASE(
    "what a frozen parameter's gradient was before takes no part, whatever the optimizer remembers of gradients") {
  for_every_optimizer([](const std::string& wrapper, const std::string& base) {
    if (wrapper == "msam" || wrapper == "along-momentum" || wrapper == "along-lr-momentum")
      return;  // the momentum is kept, as PyTorch does
    Variable a = leaf({1, 2}), b = leaf({1});
    const auto optimizer = wrap(wrapper, make_base(base, {a, b}, 0.1, 0), 0.01);
    double slope = 1000;
    const auto step = [&] { optimizer->step(training([&] { return rugged({a}) + sum(b) * slope; })); };
    step();
    b.set_requires_grad(false);
    for (int i = 0; i < 6; ++i) step();
    CHECK(optimizer->kept().flat.layout().part(optimizer->kept().flat.gradients(), 1).item() == 0);
    for (const auto& [name, buffer] : optimizer->kept().additional)
      CHECK(optimizer->kept().flat.layout().part(buffer, 1).item() == 0);
  });
}

TEST_CASE("LookSAM thaws a parameter with its gradient alone") {
  Variable a = leaf({1, 2}), b = leaf({1});
  optim::LookSAM optimizer{SGD{{a, b}, {.lr = 0.1}}, {.rho = 0.05, .alpha = 0.7}};
  double slope = 1000;
  const auto step = [&] { optimizer.step(training([&] { return rugged({a}) + sum(b) * slope; })); };
  step();
  b.set_requires_grad(false);
  for (int i = 0; i < 5; ++i) step();
  b.set_requires_grad(true);
  slope = 1;
  const double before = only(b);
  step();
  CHECK(before - only(b) == doctest::Approx(0.1).epsilon(1e-12));
}

TEST_CASE("resumed equals uninterrupted, bit for bit, also where a parameter was frozen or not reached when saved") {
  for_every_optimizer([](const std::string& wrapper, const std::string& base) {
    for (const bool frozen : {false, true}) {
      const auto made = [&](Parameters& parameters) {
        parameters = {leaf({1, -0.3}), leaf({2, 0.5, 1}), leaf({0.7})};
        return wrap(wrapper, make_base(base, parameters), 0.1);
      };
      const auto step = [&](optim::Optimizer& optimizer, Parameters& p, int k) {
        const bool apart = k >= 3 && k < 6;
        p[1].set_requires_grad(!(frozen && apart));
        optimizer.step(training([&] { return apart ? rugged({p[0], p[2]}) : rugged(p); }));
      };
      Parameters p, q;
      const auto whole = made(p), resumed = made(q);
      for (int k = 0; k < 4; ++k) step(*whole, p, k);
      const Archive saved = whole->state();
      for (size_t i = 0; i < p.size(); ++i) Tensor(q[i].value()).copy_from(p[i].value());
      q[1].set_requires_grad(!frozen);
      resumed->load_state(saved);
      for (int k = 4; k < 9; ++k) step(*whole, p, k), step(*resumed, q, k);
      for (size_t i = 0; i < p.size(); ++i) CHECK_SAME_BITS(q[i].value(), p[i].value());
    }
  });
}

TEST_CASE("a closure that freezes a parameter stops it in this very step") {
  for (const std::string wrapper : {"none", "sam", "msam"}) {
    CAPTURE(wrapper);
    Variable a = leaf({1}), b = leaf({1});
    const auto optimizer =
        wrap(wrapper, std::make_unique<SGD>(std::vector{a, b}, optim::SgdOptions{.lr = 0.1, .momentum = 0.9}), 0.01);
    optimizer->step(training([&] { return sum(a) + sum(b * 2.0); }));
    const double before = only(b);
    optimizer->step([&] {
      b.set_requires_grad(false);
      Variable loss = sum(a) + sum(b * 2.0);
      loss.backward();
      return loss;
    });
    CHECK(only(b) == doctest::Approx(before).epsilon(1e-14));
    CHECK(steps_of_each(*optimizer) == std::vector<int64_t>{2, 1});
  }
}

TEST_CASE("a closure that moves a parameter to other memory is refused, and nothing has happened") {
  for (const std::string wrapper : {"none", "sam", "looksam"}) {
    CAPTURE(wrapper);
    Variable a = leaf({1}), b = leaf({1});
    const auto optimizer = wrap(wrapper, make_base("sgd", {a, b}), 0.01);
    const auto refuses = [&](const std::function<void()>& moves) {
      CHECK_ERROR(optimizer->step(training([&] {
        moves();
        return sum(a) + sum(b);
      })),
                  "a closure that gave a parameter another tensor for its value or its gradient");
      CHECK(only(a) == 1);
      CHECK(optimizer->steps() == 0);
    };
    refuses([&] { b.set_value(Tensor::from(std::vector{5.0})); });
    refuses([&] { b.bind_grad(Tensor::zeros({1}, DType::float64)); });
    refuses([&] { SGD{{a, b}, {.lr = 0.1}}; });  // another optimizer gathers them
    optimizer->step(training([&] { return sum(a) + sum(b); }));
    CHECK(only(b) < 5);
  }
}

TEST_CASE("gradients reach the optimizer wherever value and gradient have been between steps") {
  const auto check = [](DType dtype, const std::function<void(Variable & a, Variable & b)>& between) {
    Variable a = leaf({1}, dtype), b = leaf({1}, dtype);
    SGD optimizer{{a, b}, {.lr = 0.1}};
    optimizer.step(training([&] { return sum(a) + sum(b) * 2.0; }));
    between(a, b);
    optimizer.step(training([&] { return sum(a) + sum(b) * 5.0; }));
    CHECK_CLOSE(a.value(), Tensor::from(std::vector{0.8}).to(dtype), {.rtol = 1e-6});
    CHECK_CLOSE(b.value(), Tensor::from(std::vector{0.3}).to(dtype), {.rtol = 1e-6});
  };
  check(DType::float32, [](Variable&, Variable& b) {
    const Tensor value = b.value();
    b.set_value(value.to(DType::float64));
    b.set_value(value);
  });
  check(DType::float32, [](Variable&, Variable& b) { b.bind_grad(Tensor::zeros({1})); });
  check(DType::float64, [](Variable& a, Variable& b) {
    const Tensor of_a = a.value(), of_b = b.value();
    SGD other{{b, a}, {.lr = 0.1}};
    other.step(training([&] { return sum(a) + sum(b); }));
    a.set_value(of_a), b.set_value(of_b);
  });
}

TEST_CASE("a rule that cannot be made for one group leaves all groups as they were") {
  for (const std::string wrapper : {"none", "sam", "msam", "looksam"}) {
    CAPTURE(wrapper);
    const Variable a = leaf({1}), b = leaf({1});
    auto base = std::make_unique<Moody>(std::vector<optim::Group>{optim::Group{{a}}, optim::Group{{b}, {{"lr", 0.2}}}});
    Moody& moody = *base;
    const auto optimizer = wrap(wrapper, std::move(base), 0.5);
    const auto closure = training([&] { return sum(a) + sum(b); });
    optimizer->step(closure);
    const double of_a = only(a), of_b = only(b);
    moody.throws = true;
    CHECK_ERROR(optimizer->step(closure), "a bad day");
    CHECK(only(a) == doctest::Approx(of_a).epsilon(1e-14));
    CHECK(only(b) == doctest::Approx(of_b).epsilon(1e-14));
  }
}
