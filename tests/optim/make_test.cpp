#include "optim/make.h"

#include "tests/check.h"
#include "tests/optim/problem.h"

using namespace minima;
using namespace minima::test;
using optim::make_optimizer;

TEST_CASE("every name makes the optimizer of that name, over every base") {
  for (const std::string& name : optim::optimizer_names()) {
    CAPTURE(name);
    const Variable w = leaf({1, 2});
    const auto optimizer = make_optimizer(name, {w});
    CHECK(optimizer->name() == name);
    CHECK(optimizer->base_name() == (optim::is_wrapper(name) ? "sgd" : name));
    const double before = rugged({w}).item();
    for (int i = 0; i < 10; ++i) optimizer->step(training([&] { return rugged({w}); }));
    CHECK(rugged({w}).item() < before);
    if (!optim::is_wrapper(name)) continue;
    for (const std::string& base : base_names())
      CHECK(make_optimizer(name, {leaf({1})}, {.base = base})->base_name() == base);
  }
}

TEST_CASE("the gradients a step is said to take are those it takes") {
  for (const std::string& name : optim::optimizer_names()) {
    CAPTURE(name);
    // Tensors enough and a seed with which esam finds a tensor to perturb in each of the steps.
    const Parameters parameters{leaf({1, 2}), leaf({3}), leaf({4, 5}), leaf({1}), leaf({2}), leaf({3})};
    const auto optimizer = make_optimizer(name, parameters, {.seed = 1});
    for (int i = 0; i < 10; ++i) optimizer->step(training([&] { return rugged(parameters); }));
    CHECK(static_cast<double>(optimizer->gradient_evaluations()) == 10 * optim::gradients_per_step(name));
  }
  CHECK_ERROR(optim::gradients_per_step("sdg"), "the unknown optimizer \"sdg\"");
}

TEST_CASE("the seed is that of what is drawn at random") {
  const auto after = [](const std::string& name, uint64_t seed) {
    const Parameters parameters{leaf({1, 2}), leaf({3})};
    const auto optimizer = make_optimizer(name, parameters, {.seed = seed});
    for (int i = 0; i < 10; ++i) optimizer->step(training([&] { return rugged(parameters); }));
    return parameters[0].value().clone();
  };
  for (const std::string name : {"along-random", "esam"}) {
    CHECK_SAME_BITS(after(name, 1), after(name, 1));
    CHECK(bit_difference(after(name, 1), after(name, 2)) != "");
  }
}

TEST_CASE("unset settings are the documented defaults, set ones are passed on") {
  const auto sgd = make_optimizer("sgd", {leaf({1})});
  CHECK(sgd->group(0)["lr"](0) == 0.05);
  CHECK(sgd->group(0)["momentum"](0) == 0.9);
  CHECK(sgd->group(0)["weight_decay"](0) == 5e-4);
  CHECK(make_optimizer("sam", {leaf({1})})->group(0)["rho"](0) == 0.05);
  CHECK(make_optimizer("msam", {leaf({1})})->group(0)["rho"](0) == 0.5);
  CHECK(optim::defaults_of("msam", "adamw")["weight_decay"] == 0.01);
  CHECK(optim::defaults_of("msam", "adamw")["momentum"] == 0.9);
  CHECK(optim::defaults_of("lion")["momentum"] == 0.9);
  CHECK_FALSE(optim::defaults_of("adagrad").count("momentum"));
  CHECK_FALSE(optim::defaults_of("nesterov").count("rho"));
  CHECK(optim::defaults_of("looksam")["rho"] == 0.05);
  CHECK(optim::defaults_of("along-lr-momentum")["rho"] == 0.9);
  const auto msam = make_optimizer(
      "msam", {leaf({1})},
      {.base = "adam",
       .hyperparameters = {{"lr", optim::cosine(0.3, 10)}, {"momentum", 0.8}, {"rho", -0.1}, {"weight_decay", 0.2}}});
  CHECK(msam->group(0)["lr"](0) == 0.3);
  CHECK(msam->group(0)["beta1"](0) == 0.8);
  CHECK(msam->group(0)["rho"](0) == -0.1);
  CHECK(msam->group(0)["weight_decay"](0) == 0.2);
}

TEST_CASE("an unknown name is an error that lists the known ones") {
  CHECK_ERROR(make_optimizer("sdg", {leaf({1})}),
              "[make_optimizer] got the unknown optimizer \"sdg\", expected one of sgd, nesterov, adam, adamw, "
              "rmsprop, adagrad, lion, sam, asam, msam, looksam, esam, along-gradient, along-momentum, "
              "along-last-gradient, along-friendly-momentum, along-random, "
              "along-lr-momentum.");
  CHECK_ERROR(make_optimizer("sam", {leaf({1})}, {.base = "msam"}),
              "the base \"msam\" for sam, expected one of sgd, nesterov, adam, adamw, rmsprop, adagrad, lion");
  CHECK_ERROR(make_optimizer("sgd", {leaf({1})}, {.hyperparameters = {{"rho", 0.1}}}),
              "[sgd] got rho in group 0, expected what sgd reads: lr, momentum, dampening, weight_decay");
  CHECK_ERROR(make_optimizer("adam", {leaf({1})}, {.hyperparameters = {{"momentum", optim::cosine(0.9, 10)}}}),
              "[adam] got a schedule for beta1 in group 0, expected a constant");
  CHECK_ERROR(make_optimizer("sgd", {leaf({1})}, {.hyperparameters = {{"lr", -0.5}}}), "lr = -0.5");
}

TEST_CASE("what would be passed over in silence is refused: beta1 beside momentum, a base that there is not") {
  const Variable w = leaf({1});
  const auto both = optim::NamedSchedules{{"momentum", 0.5}, {"beta1", 0.7}};
  for (const std::string name : {"adam", "adamw"})
    CHECK_ERROR(optim::make_optimizer(name, {w}, {.hyperparameters = both}), "momentum and beta1 for " + name);
  CHECK_ERROR(optim::make_optimizer("msam", {w}, {.base = "adam", .hyperparameters = both}), "momentum and beta1");
  for (const std::string name : {"sgd", "adam", "sam"})
    CHECK_ERROR(optim::make_optimizer(name, {w}, {.base = "nonsense"}), "the base \"nonsense\" for " + name);
}
