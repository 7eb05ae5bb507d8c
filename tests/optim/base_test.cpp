// SGD, Nesterov, Adam, AdamW, and what all optimizers have in common.
#include "tests/check.h"
#include "tests/optim/problem.h"

using namespace minima;
using namespace minima::test;
using optim::SGD;

namespace {

// These draw other random numbers for a parameter in another place.
bool draws_by_position(const std::string& wrapper) { return wrapper == "esam" || wrapper == "along-random"; }

// The gradient is g whatever the weights.
optim::Closure constant_gradient(const Variable& w, const std::vector<double>& g) {
  const Variable slope(Tensor::from(g, w.shape()).to(w.dtype()));
  return training([w, slope] { return sum(w * slope); });
}

}  // namespace

TEST_CASE("SGD without momentum is gradient descent with coupled decay and keeps no state") {
  const Variable w = leaf({1, -2});
  SGD optimizer{{w}, {.lr = 0.1, .weight_decay = 0.5}};
  optimizer.step(constant_gradient(w, {3, 4}));
  CHECK_CLOSE(w.value(), Tensor::from(std::vector{1 - 0.1 * 3.5, -2 - 0.1 * 3.0}), {.rtol = 1e-15});
  CHECK_ERROR(optimizer.momentum(), "sgd without momentum");
}

TEST_CASE("the learning rate stays outside the velocity and the first velocity is the whole gradient") {
  const Variable w = leaf({0});
  SGD optimizer{{w}, {.lr = 0.1, .momentum = 0.5, .dampening = 0.25}};
  const auto closure = constant_gradient(w, {8});
  optimizer.step(closure);  // v = 8
  CHECK_CLOSE(w.value(), Tensor::from(std::vector{-0.8}));
  optimizer.group(0)["lr"] = 1;
  optimizer.step(closure);  // v = 0.5 * 8 + 0.75 * 8 = 10
  CHECK_CLOSE(w.value(), Tensor::from(std::vector{-10.8}));
  CHECK_CLOSE(optimizer.momentum(), Tensor::from(std::vector{10.0}));
}

TEST_CASE("a step zeroes the gradients first and several backward passes in one closure accumulate") {
  const Variable w = leaf({1});
  SGD optimizer{{w}, {.lr = 1}};
  const auto once = constant_gradient(w, {2});
  const auto thrice = [&] { return once(), once(), once(); };
  optimizer.step(thrice);
  CHECK(w.value().item() == 1 - 6);
  CHECK(w.grad().item() == 6);
  optimizer.step(once);
  CHECK(w.value().item() == -5 - 2);
}

TEST_CASE("step returns the loss of the closure, also inside a NoGrad scope") {
  const Variable w = leaf({3});
  SGD optimizer{{w}, {.lr = 0.1}};
  NoGrad nothing_recorded;
  CHECK(optimizer.step(training([&] { return sum(square(w)); })).item() == 9);
  CHECK_CLOSE(w.value(), Tensor::from(std::vector{2.4}), {.rtol = 1e-15});
}

TEST_CASE("no optimizer changes a gradient, decay and clipping included") {
  for_every_optimizer([](const std::string& wrapper, const std::string& base) {
    const Parameters parameters{leaf({1, -2, 3}), leaf({0.5})};
    const auto optimizer = wrap(wrapper, make_base(base, parameters, 0.05, 0.1), 0.1);
    std::vector<Tensor> last;
    for (int i = 0; i < 3; ++i) {
      optimizer->step([&] {
        const Variable loss = training([&] { return rugged(parameters); })();
        last.clear();
        for (const Variable& parameter : parameters) last.push_back(parameter.grad().clone());
        return loss;
      });
      for (size_t k = 0; k < parameters.size(); ++k) CHECK_SAME_BITS(parameters[k].grad(), last[k]);
    }
  });
  const Variable w = leaf({0, 0});
  SGD clipped{{w}, {.lr = 1, .max_gradient_norm = 1}};
  clipped.step(constant_gradient(w, {30, 40}));
  CHECK_CLOSE(w.value(), Tensor::from(std::vector{-0.6, -0.8}), {.rtol = 1e-15});
  CHECK_SAME_BITS(w.grad(), Tensor::from(std::vector{30.0, 40.0}));
}

TEST_CASE("identical tensors move identically, the tenth as the first") {
  for_every_optimizer([](const std::string& wrapper, const std::string& base) {
    if (draws_by_position(wrapper)) return;
    for (const DType dtype : {DType::float32, DType::float64}) {
      Parameters parameters;
      for (int i = 0; i < 10; ++i) parameters.push_back(leaf({1, -0.3, 2, 0.7, -1}, dtype));
      const auto optimizer = wrap(wrapper, make_base(base, parameters), 0.1);
      for (int i = 0; i < 5; ++i) optimizer->step(training([&] { return rugged(parameters); }));
      for (const Variable& parameter : parameters) CHECK_SAME_BITS(parameter.value(), parameters[0].value());
      CHECK(parameters[0].value().at(0) != 1);
    }
  });
}

TEST_CASE("a frozen parameter is not touched by decay, momentum, perturbation or norms") {
  for_every_optimizer([](const std::string& wrapper, const std::string& base) {
    Parameters with{leaf({1, 2}), leaf({3, 4, 5}), leaf({6})}, without{leaf({1, 2}), leaf({6})};
    const Tensor before = with[1].value().clone();
    with[1].set_requires_grad(false);
    const auto frozen = wrap(wrapper, make_base(base, with), 0.1),
               absent = wrap(wrapper, make_base(base, without), 0.1);
    for (int i = 0; i < 4; ++i) {
      frozen->step([&] {
        CHECK_SAME_BITS(with[1].value(), before);
        return training([&] { return rugged({with[0], with[2]}); })();
      });
      absent->step(training([&] { return rugged(without); }));
    }
    CHECK_SAME_BITS(with[1].value(), before);
    if (draws_by_position(wrapper)) return;
    CHECK_CLOSE(with[0].value(), without[0].value(), {.rtol = 1e-14});
    CHECK_CLOSE(with[2].value(), without[1].value(), {.rtol = 1e-14});
  });
}

TEST_CASE("freezing in mid-training stops a parameter at once, and thawing resumes with its old velocity") {
  Variable w = leaf({1}), other = leaf({1});
  SGD optimizer{{w, other}, {.lr = 0.1, .momentum = 0.5}};
  const auto closure = training([&] { return sum(w * 4.0) + sum(other); });
  optimizer.step(closure);
  w.set_requires_grad(false);
  optimizer.step(closure);
  CHECK_CLOSE(w.value(), Tensor::from(std::vector{0.6}), {.rtol = 1e-15});
  w.set_requires_grad(true);
  optimizer.step(closure);  // v = 0.5 * 4 + 4
  CHECK_CLOSE(w.value(), Tensor::from(std::vector{0.0}), {.rtol = 0, .atol = 1e-15});
}

TEST_CASE("a closure that never calls backward is an error and changes nothing") {
  for_every_optimizer([](const std::string& wrapper, const std::string& base) {
    const Variable w = leaf({1, 2});
    const auto optimizer = wrap(wrapper, make_base(base, {w}), 0.1);
    CHECK_ERROR(optimizer->step([&] { return sum(w); }), "loss.backward()");
    CHECK(optimizer->steps() == 0);
    CHECK_SAME_BITS(w.value(), Tensor::from(std::vector{1.0, 2.0}));
  });
  const Variable w = leaf({1, 2});
  SGD optimizer{{w}};
  CHECK_ERROR(optimizer.step([&] { return Variable(); }), "a closure that returns nothing, expected the loss");
  CHECK_ERROR(optimizer.step([&] { return sum(w).backward(), w; }),
              "returns shape (2,), expected the loss, one element");
}

TEST_CASE("an optimizer that was moved from, alone or into a wrapper, says so whatever is asked of it") {
  const Variable w = leaf({1});
  SGD sgd{{w}, {.lr = 0.1, .momentum = 0.9}};
  const Archive state = sgd.state();
  const auto refuses = [&](optim::Optimizer& optimizer) {
    for (const std::function<void()>& use : std::vector<std::function<void()>>{
             [&] { optimizer.step(constant_gradient(w, {1})); }, [&] { optimizer.last_step(); },
             [&] { optimizer.group(0); }, [&] { optimizer.parameters(); }, [&] { optimizer.buffers(); },
             [&] { optimizer.momentum(); }, [&] { optimizer.steps(); }, [&] { optimizer.state(); },
             [&] { optimizer.load_state(state); }, [&] { optimizer.measure(optim::Measure::norms); }})
      CHECK_ERROR(use(), "got an optimizer that was moved from, expected the one that it was moved into");
  };
  optim::MSAM msam{std::move(sgd)};
  refuses(sgd);  // NOLINT: what is tested
  optim::MSAM other{std::move(msam)};
  refuses(msam);  // NOLINT
  other.step(constant_gradient(w, {1}));
  CHECK_ERROR(optim::SAM(std::move(sgd)), "an optimizer that was moved from");  // NOLINT
  sgd = SGD{{w}, {.lr = 0.1}};
  sgd.step(constant_gradient(w, {1}));
}

TEST_CASE("a null pointer to wrap and an empty closure are errors, not crashes") {
  const Variable w = leaf({1});
  CHECK_ERROR(optim::SAM{std::unique_ptr<SGD>()}, "got a null pointer to wrap, expected an optimizer such as SGD");
  CHECK_ERROR(optim::Along(std::unique_ptr<optim::BaseOptimizer>(), optim::directions::gradient()), "a null pointer");
  for_every_optimizer([&](const std::string& wrapper, const std::string& base) {
    const auto optimizer = wrap(wrapper, make_base(base, {w}), 0.1);
    CHECK_ERROR(optimizer->step(optim::Closure()), "got an empty closure, expected a function that runs forward");
    CHECK(optimizer->gradient_evaluations() == 0);
  });
  optim::ESAM esam{SGD{{w}}};
  CHECK_ERROR(esam.step(optim::SampleLosses()), "[esam] got an empty function");
}

TEST_CASE("a closure that throws leaves the clean weights and the step undone, in every pass") {
  for (const DType dtype : {DType::float32, DType::float64})
    for_every_optimizer([dtype](const std::string& wrapper, const std::string& base) {
      const Variable w = leaf({1, 2, -0.7}, dtype);
      const auto optimizer = wrap(wrapper, make_base(base, {w}), 0.3);
      const auto closure = training([&] { return rugged({w}); });
      optimizer->step(closure);
      const Tensor before = w.value().clone();
      const int64_t evaluations = optimizer->gradient_evaluations();
      const double loss = optimizer->last_step().loss;
      std::vector<Tensor> buffers;
      for (const auto& [name, buffer] : optimizer->buffers()) buffers.push_back(buffer.clone());
      const auto twin = wrap(wrapper, make_base(base, {leaf({1, 2, -0.7}, dtype)}), 0.3);
      const auto twin_step = [&] { twin->step(training([&] { return rugged(twin->parameters()); })); };
      twin_step();
      int64_t passes = -twin->gradient_evaluations();
      twin_step();
      passes += twin->gradient_evaluations();
      const bool by_subtraction = wrapper == "msam" || (contains(wrapper, "along") && wrapper != "along-gradient");
      for (int64_t last = 1; last <= passes; ++last) {
        int64_t calls = 0;
        CHECK_THROWS_AS(optimizer->step([&] {
          if (++calls == last) throw std::runtime_error("out of data");
          return closure();
        }),
                        std::runtime_error);
        CHECK(calls == last);
        if (by_subtraction)
          CHECK_CLOSE(w.value(), before, {.rtol = 3e-7, .atol = 0});
        else
          CHECK_SAME_BITS(w.value(), before);
        CHECK(optimizer->steps() == 1);
        CHECK(optimizer->gradient_evaluations() == evaluations);
        CHECK(optimizer->last_step().loss == loss);
        for (size_t i = 0; i < buffers.size(); ++i) CHECK_SAME_BITS(optimizer->buffers()[i].second, buffers[i]);
      }
    });
}

TEST_CASE("two optimizers may share a model, one after the other or in turns") {
  const Variable w = leaf({1, 2}), b = leaf({3});
  const auto closure = training([&] { return rugged({w, b}); });
  SGD first{{w, b}, {.lr = 0.1}};
  first.step(closure);
  optim::Adam second{{b, w}, {.lr = 0.1}};
  second.step(closure);
  const Tensor before = w.value().clone();
  first.step(closure);
  second.step(closure);
  CHECK(before.at(0) != w.value().at(0));

  // The same by hand, in plain copies.
  const Variable w2 = leaf({1, 2}), b2 = leaf({3});
  const auto closure2 = training([&] { return rugged({w2, b2}); });
  SGD alone{{w2, b2}, {.lr = 0.1}};
  alone.step(closure2);
  {
    optim::Adam other{{b2, w2}, {.lr = 0.1}};
    other.step(closure2);
  }
  CHECK_SAME_BITS(w2.value(), before);
}

TEST_CASE("an optimizer keeps working when it is moved, and its parameters when it is gone") {
  const Variable w = leaf({1, 2});
  const auto closure = training([&] { return rugged({w}); });
  {
    SGD made{{w}, {.lr = 0.1, .momentum = 0.9}};
    made.step(closure);
    SGD moved{std::move(made)};
    moved.step(closure);
    optim::MSAM wrapped{std::move(moved), {.rho = 0.1}};
    wrapped.step(closure);
    optim::MSAM again{std::move(wrapped)};
    again.step(closure);
    CHECK(again.steps() == 4);
  }
  CHECK(w.value().numel() == 2);
  CHECK(w.value().at(0) < 1);
}

TEST_CASE("parameters that cannot share one flat buffer are refused") {
  const Variable w = leaf({1}), f = leaf({1}, DType::float32);
  CHECK_ERROR(SGD{Parameters{}}, "[sgd] got no parameters");
  CHECK_ERROR((SGD{{w, w}}), "parameter 1 given before");
  CHECK_ERROR((SGD{{w, f}}), "parameter 1 in float32 on cpu, expected float64 on cpu");
  CHECK_ERROR((SGD{{w, Variable(Tensor::zeros({2}))}}), "a constant or the result of an op");
  CHECK_ERROR((SGD{{w, w * 2.0}}), "a constant or the result of an op");
}

TEST_CASE("a model converted behind the optimizer's back is an error that says what to do") {
  Variable w = leaf({1});
  SGD optimizer{{w}};
  w.set_value(w.value().to(DType::float32));
  CHECK_ERROR(optimizer.step(training([&] { return sum(w); })), "Convert the model first, then make the optimizer");
}

TEST_CASE("a value put in a parameter's place is taken over at the next step") {
  Variable w = leaf({1});
  SGD optimizer{{w}, {.lr = 0.5}};
  w.set_value(Tensor::from(std::vector{10.0}));
  optimizer.step(constant_gradient(w, {4}));
  CHECK(w.value().item() == 8);
}

TEST_CASE("hyperparameters out of range are refused with their value") {
  const Variable w = leaf({1});
  const double nan = std::nan("");
  CHECK_ERROR((SGD{{w}, {.lr = 0}}), "[sgd] got lr = 0 in group 0, expected a number above 0");
  CHECK_ERROR((SGD{{w}, {.lr = -0.1}}), "lr = -0.1");
  CHECK_ERROR((SGD{{w}, {.lr = nan}}), "lr = nan");
  CHECK_ERROR((SGD{{w}, {.lr = INFINITY}}), "lr = inf");
  CHECK_ERROR((SGD{{w}, {.momentum = 1}}), "momentum = 1 in group 0, expected a number in [0, 1)");
  CHECK_ERROR((SGD{{w}, {.momentum = -0.5}}), "momentum = -0.5");
  CHECK_ERROR((SGD{{w}, {.momentum = 0.9, .dampening = 1.5}}), "dampening = 1.5");
  CHECK_ERROR((SGD{{w}, {.weight_decay = -1}}), "weight_decay = -1");
  CHECK_ERROR((SGD{{w}, {.max_gradient_norm = 0}}), "max_gradient_norm = 0");
  CHECK_ERROR((optim::Nesterov{{w}, {.momentum = 0}}), "[nesterov] got momentum = 0");
  CHECK_ERROR((optim::Adam{{w}, {.beta1 = 1}}), "[adam] got beta1 = 1");
  CHECK_ERROR((optim::Adam{{w}, {.beta2 = nan}}), "beta2 = nan");
  CHECK_ERROR((optim::AdamW{{w}, {.epsilon = 0}}), "[adamw] got epsilon = 0");
}

TEST_CASE("a schedule that goes wrong is an error that names the step, and the step does not happen") {
  const Variable w = leaf({1});
  const auto closure = constant_gradient(w, {1});
  SGD optimizer{{w}, {.lr = [](int64_t step) { return step < 3 ? 0.0 : std::sqrt(-1.0 * static_cast<double>(step)); }}};
  for (int i = 0; i < 3; ++i) optimizer.step(closure);  // lr = 0 is a legal end of a schedule
  CHECK(w.value().item() == 1);
  CHECK_ERROR(optimizer.step(closure),
              "nan in group 0 at step 3 (counted from 0), expected a finite number of at least 0");
  CHECK(optimizer.steps() == 3);
  optim::SAM sam{SGD{{w}, {.lr = 0.1}}, {.rho = [](int64_t) { return -0.1; }}};
  CHECK_ERROR(sam.step(closure), "[sam] got rho = -0.1 in group 0 at step 0");
  optimizer.group(0)["lr"] = -1;
  CHECK_ERROR(optimizer.step(closure), "lr = -1 in group 0 at step 3");
}

TEST_CASE("momentum cannot be switched on where no buffer was made for it") {
  const Variable w = leaf({1});
  SGD optimizer{{w}, {.lr = 0.1}};
  optimizer.group(0)["momentum"] = 0.9;
  CHECK_ERROR(optimizer.step(constant_gradient(w, {1})), "made without momentum");
}

TEST_CASE("schedules are sampled once a step, before anything else, with the number of steps done") {
  const Variable w = leaf({1});
  std::vector<int64_t> asked;
  bool closure_ran = false;
  optim::SAM optimizer{SGD{{w},
                           {.lr =
                                [&](int64_t step) {
                                  CHECK_FALSE(closure_ran);
                                  asked.push_back(step);
                                  return 0.1;
                                }}},
                       {.rho = 0.1}};
  for (int i = 0; i < 3; ++i) {
    closure_ran = false;
    optimizer.step([&] {
      closure_ran = true;
      return constant_gradient(w, {1})();
    });
  }
  CHECK(asked == std::vector<int64_t>{0, 1, 2});
}

TEST_CASE(
    "the rule sees the gradient scaled to the largest norm where it exceeds it, by one norm over all parameters") {
  const Variable a = leaf({0, 0}), b = leaf({0});
  const optim::Closure closure =
      training([&] { return sum(a * Variable(Tensor::from(std::vector{1.0, 2.0}))) + sum(b * 2.0); });
  SGD{{a, b}, {.lr = 1, .max_gradient_norm = 5}}.step(closure);  // the norm is 3
  CHECK_SAME_BITS(a.value(), Tensor::from(std::vector{-1.0, -2.0}));
  SGD{{a, b}, {.lr = 1, .max_gradient_norm = 1.5}}.step(closure);
  CHECK_CLOSE(a.value(), Tensor::from(std::vector{-1.5, -3.0}), {.rtol = 1e-15});
  CHECK_CLOSE(b.value(), Tensor::from(std::vector{-3.0}), {.rtol = 1e-15});
  CHECK_SAME_BITS(a.grad(), Tensor::from(std::vector{1.0, 2.0}));
}

TEST_CASE("dampening leaves the gradient whole where momentum is 0, in a group or for a while") {
  const Variable plain = leaf({1}), fast = leaf({1});
  const optim::Schedule momentum = [](int64_t step) { return step < 2 ? 0.5 : 0.0; };
  SGD optimizer{{optim::Group{{plain}, {{"momentum", 0}}}, optim::Group{{fast}}},
                {.lr = 1, .momentum = momentum, .dampening = 0.5}};
  const optim::Closure closure = training([&] { return sum(plain) + sum(fast); });
  const double expected_plain[] = {0, -1, -2}, expected_fast[] = {0, -1, -2};  // v = 1, then 0.5 + 0.5, then g alone
  for (int i = 0; i < 3; ++i) {
    optimizer.step(closure);
    CHECK(plain.value().item() == expected_plain[i]);
    CHECK(fast.value().item() == expected_fast[i]);
  }
}

#if defined(__SSE2__) || defined(__aarch64__)
TEST_CASE("the momentum of a weight that gets no more gradient ends at 0, not at a denormal number") {
  const Variable w = leaf({1, 1}, DType::float32);
  optim::SGD optimizer{{w}, {.lr = 0.1, .momentum = 0.9}};
  double slope = 1;
  for (int step = 0; step < 1200; ++step, slope = 0)
    optimizer.step([&] {
      w.backward(Tensor::full({2}, slope));
      return Variable(Tensor::zeros({}));
    });
  CHECK(optimizer.momentum().to_vector<double>() == std::vector<double>{0, 0});
}
#endif
