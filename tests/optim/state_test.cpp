// Saving and loading: resumed equals uninterrupted (fault 8).
#include "core/random.h"
#include "tests/check.h"
#include "tests/optim/problem.h"

using namespace minima;
using namespace minima::test;
using optim::Optimizer;
using optim::SGD;

namespace {

const std::vector<double> start{1.2, -0.7, 0.4, 2, -1.5};

// A noisy problem: training must go on with the same random numbers too.
optim::Closure noisy(const Parameters& parameters) {
  return training([parameters] {
    return rugged(parameters) +
           sum(parameters[0] * Variable(default_generator().normal({5}, 0, 1, parameters[0].dtype())));
  });
}

}  // namespace

TEST_CASE("resumed equals uninterrupted, bit for bit, for every optimizer and wrapper (fault 8)") {
  for_every_optimizer([](const std::string& wrapper, const std::string& base) {
    for (const DType dtype : {DType::float32, DType::float64}) {
      const auto make = [&](const Variable& w) {
        auto made = make_base(base, {w});
        made->group(0)["lr"] = optim::cosine(0.05, 20);
        return wrap(wrapper, std::move(made), optim::linear_warmup(0.3, 10, 0));
      };
      const Variable whole = leaf(start, dtype);
      const auto uninterrupted = make(whole);
      manual_seed(1);
      for (int i = 0; i < 20; ++i) uninterrupted->step(noisy({whole}));

      const Variable first = leaf(start, dtype);
      const auto before = make(first);
      manual_seed(1);
      for (int i = 0; i < 9; ++i) before->step(noisy({first}));
      const Generator random_numbers = default_generator();
      const Archive state = before->state();
      const int64_t evaluations = before->gradient_evaluations();
      before->step(noisy({first}));  // an archive is a copy: going on does not change it

      const Variable second = leaf(start, dtype);
      const auto after = make(second);
      Variable resumed = second;
      {
        const Variable replay = leaf(start, dtype);  // the weights a checkpoint would hold
        const auto again = make(replay);
        manual_seed(1);
        for (int i = 0; i < 9; ++i) again->step(noisy({replay}));
        resumed.set_value(replay.value().clone());
      }
      after->load_state(state);
      CHECK(after->steps() == 9);
      CHECK(after->gradient_evaluations() == evaluations);
      default_generator() = random_numbers;
      for (int i = 9; i < 20; ++i) after->step(noisy({resumed}));
      CHECK_SAME_BITS(resumed.value(), whole.value());
      CHECK(after->gradient_evaluations() == uninterrupted->gradient_evaluations());
    }
  });
}

TEST_CASE("constants are restored, changed ones included, schedules stay those of the new optimizer") {
  const Variable a = leaf({1}), b = leaf({1});
  const auto make = [](const Variable& x, const Variable& y, double lr) {
    optim::MSAM msam{SGD{{optim::Group{{x}}, optim::Group{{y}}}, {.lr = lr, .momentum = 0.9}},
                     {.rho = optim::cosine(0.3, 10)}};
    msam.group(1)["rho"] = 0.7;
    return msam;
  };
  auto saved = make(a, b, 0.1);
  saved.group(0)["lr"] = 0.025;
  saved.group(1)["weight_decay"] = 0.5;
  const Archive state = saved.state();
  auto loaded = make(leaf({1}), leaf({1}), 0.2);
  loaded.load_state(state);
  CHECK(loaded.group(0)["lr"](0) == 0.025);
  CHECK(loaded.group(1)["lr"](0) == 0.1);
  CHECK(loaded.group(1)["weight_decay"](0) == 0.5);
  CHECK(loaded.group(0)["rho"](5) == saved.group(0)["rho"](5));
  CHECK_FALSE(loaded.group(0)["rho"].is_constant());
  CHECK(loaded.group(1)["rho"](0) == 0.7);
}

TEST_CASE("the state of something else is refused with a reason, and nothing is changed") {
  const auto trained = [](const std::string& wrapper, const std::string& base, const Parameters& parameters) {
    auto optimizer = wrap(wrapper, make_base(base, parameters), 0.1);
    for (int i = 0; i < 3; ++i) optimizer->step(training([&] { return rugged(parameters); }));
    return optimizer;
  };
  const Variable w = leaf({1, 2, 3});
  const auto optimizer = trained("msam", "sgd", {w});
  const Tensor before = optimizer->momentum().clone();
  const auto refuses = [&](const Archive& archive, const std::string& reason) {
    CHECK_ERROR(optimizer->load_state(archive), reason);
    CHECK_SAME_BITS(optimizer->momentum(), before);
    CHECK(optimizer->steps() == 3);
  };
  refuses(trained("sam", "sgd", {leaf({1, 2, 3})})->state(),
          "[load_state] got the state of sam over sgd, expected the state of msam over sgd");
  refuses(trained("none", "sgd", {leaf({1, 2, 3})})->state(),
          "got the state of sgd, expected the state of msam over sgd");
  refuses(trained("msam", "adam", {leaf({1, 2, 3})})->state(), "the state of msam over adam");
  refuses(trained("msam", "sgd", {leaf({1, 2})})->state(), "parameter 0 of 2 elements, expected 3");
  refuses(trained("msam", "sgd", {leaf({1, 2}), leaf({3})})->state(), "2 parameters, expected 1");
  refuses(trained("msam", "sgd", {leaf({1, 2, 3}, DType::float32)})->state(),
          "velocity of float32 (3,), expected float64 (3,)");
  refuses(Archive{}, "[archive] got no metadata entry");
  Archive broken = trained("msam", "sgd", {leaf({1, 2, 3})})->state();
  broken.tensors["steps"] = Tensor::from(std::vector<int64_t>{-1});
  refuses(broken, "steps = -1");
  broken.tensors.erase("steps");
  refuses(broken, "steps");
  Archive other_groups = trained("msam", "sgd", {leaf({1, 2, 3})})->state();
  other_groups.tensors["groups.lr"] = Tensor::zeros({2}, DType::float64);
  refuses(other_groups, "groups.lr of float64 (2,), expected float64 (1,)");
}

TEST_CASE("a state travels under a prefix in a larger archive") {
  const Variable w = leaf({1, 2}), u = leaf({1, 2});
  SGD optimizer{{w}, {.lr = 0.1, .momentum = 0.9}}, other{{u}, {.lr = 0.1, .momentum = 0.9}};
  optimizer.step(training([&] { return rugged({w}); }));
  Archive checkpoint;
  checkpoint.insert("optimizer.", optimizer.state());
  other.load_state(checkpoint.extract("optimizer."));
  CHECK_SAME_BITS(other.momentum(), optimizer.momentum());
}
