// SAM, ASAM and MSAM as wrappers: what they accept, what they tell. Their arithmetic is in faults_test.cpp.
#include "core/random.h"
#include "tests/check.h"
#include "tests/optim/problem.h"

using namespace minima;
using namespace minima::test;
using optim::Measure;
using optim::MSAM;
using optim::SAM;
using optim::SGD;

// Wrapping a wrapper does not compile; any base does.
static_assert(std::is_constructible_v<MSAM, SGD> && std::is_constructible_v<MSAM, SGD, optim::MsamOptions>);
static_assert(std::is_constructible_v<SAM, optim::Nesterov> && std::is_constructible_v<optim::ASAM, optim::AdamW>);
static_assert(!std::is_constructible_v<MSAM, SAM> && !std::is_constructible_v<MSAM, SAM, optim::MsamOptions>);
static_assert(!std::is_constructible_v<SAM, MSAM, optim::SamOptions> && !std::is_constructible_v<SAM, optim::ASAM>);
// Two optimizers never share one state.
static_assert(!std::is_copy_constructible_v<SGD> && !std::is_copy_constructible_v<MSAM>);

TEST_CASE("MSAM refuses a base without momentum and says how to get one") {
  const Variable w = leaf({1});
  CHECK_ERROR((MSAM{SGD{{w}, {.lr = 0.1}}, {.rho = 0.3}}),
              "[msam] got sgd with momentum = 0, expected a base with momentum");
  CHECK_ERROR((MSAM{SGD{{w}, {.lr = 0.1}}}), "give the base .momentum = 0.9");
}

TEST_CASE("a radius out of range is refused, MSAM's may be negative") {
  const Variable w = leaf({1});
  const auto base = [&] { return SGD{{w}, {.lr = 0.1, .momentum = 0.9}}; };
  CHECK_ERROR((SAM{base(), {.rho = -0.1}}), "[sam] got rho = -0.1 in group 0, expected a finite number of at least 0");
  CHECK_ERROR((optim::ASAM{base(), {.rho = std::nan("")}}), "[asam] got rho = nan");
  CHECK_ERROR((optim::ASAM{base(), {.eta = -1}}), "[asam] got eta = -1");
  CHECK_ERROR((MSAM{base(), {.rho = INFINITY}}), "[msam] got rho = inf in group 0, expected a finite number");
  MSAM backwards{base(), {.rho = -0.3}};
  backwards.step(training([&] { return rugged({w}); }));
}

TEST_CASE("a wrapper shows its base's groups, momentum and parameters") {
  const Variable w = leaf({1, 2});
  MSAM optimizer{optim::Adam{{w}, {.lr = 0.1}}, {.rho = 0.3}};
  CHECK(optimizer.name() == "msam");
  CHECK(optimizer.base_name() == "adam");
  CHECK(optimizer.parameters().size() == 1);
  CHECK(optimizer.group(0)["lr"](0) == 0.1);
  optimizer.step(training([&] { return sum(w * Variable(Tensor::from(std::vector{3.0, 4.0}))); }));
  CHECK_CLOSE(optimizer.momentum(), Tensor::from(std::vector{0.3, 0.4}), {.rtol = 1e-14});
}

TEST_CASE("MSAM over Adam looks ahead along the raw first moment, not the preconditioned step") {
  const Variable w = leaf({0, 0});
  MSAM optimizer{optim::Adam{{w}, {.lr = 0.1}}, {.rho = 1}};
  std::vector<double> clean, seen;
  for (int i = 0; i < 2; ++i) {
    clean = w.value().to_vector<double>();
    optimizer.step([&] {
      seen = w.value().to_vector<double>();
      return training([&] { return sum(w * Variable(Tensor::from(std::vector{3.0, 4.0}))); })();
    });
  }
  CHECK_CLOSE((std::vector{seen[0] - clean[0], seen[1] - clean[1]}), (std::vector{-0.6, -0.8}), {.rtol = 1e-14});
}

TEST_CASE("SAM returns the loss at the clean weights, MSAM the one where it took the gradient") {
  const Variable w = leaf({2}), u = leaf({2});
  const auto loss = [](const Variable& x) { return training([x] { return sum(square(x)); }); };
  SAM sam{SGD{{w}, {.lr = 0.1}}, {.rho = 1}};
  CHECK(sam.step(loss(w)).item() == 4);
  CHECK(sam.last_step().loss_clean == 4);
  CHECK(sam.last_step().loss_perturbed == 9);
  MSAM msam{SGD{{u}, {.lr = 0.25, .momentum = 0.5}}, {.rho = 0.5}};
  CHECK(msam.step(loss(u)).item() == 4);  // w = 2 - 0.25 * 4
  CHECK(msam.step(loss(u)).item() == 0.25);
  CHECK(msam.last_step().loss_perturbed == 0.25);
  CHECK(std::isnan(msam.last_step().loss_clean));
}

TEST_CASE("both passes of SAM draw the same random numbers, and the stream goes on once") {
  const Variable w = leaf({1, 1, 1, 1});
  std::vector<Tensor> drawn;
  const auto closure = [&] {
    drawn.push_back(default_generator().uniform({4}, 0, 1, DType::float64));
    return training([&] { return sum(w * Variable(drawn.back())); })();
  };
  manual_seed(7);
  SAM sam{SGD{{w}, {.lr = 0.1}}, {.rho = 0.1}};
  sam.step(closure), sam.step(closure);
  manual_seed(7);
  SGD sgd{{w}, {.lr = 0.1}};
  sgd.step(closure), sgd.step(closure);
  CHECK_SAME_BITS(drawn[0], drawn[1]);
  CHECK_SAME_BITS(drawn[2], drawn[3]);
  CHECK_SAME_BITS(drawn[0], drawn[4]);
  CHECK_SAME_BITS(drawn[2], drawn[5]);
  CHECK(drawn[0].at(0) != drawn[2].at(0));
}

TEST_CASE("last_step tells the loss and hyperparameters always, norms and the cosine on request") {
  const Variable w = leaf({0, 0});
  const Variable first(Tensor::from(std::vector{3.0, 4.0})), second(Tensor::from(std::vector{4.0, -3.0}));
  SGD optimizer{{w}, {.lr = optim::step_decay(0.1, 1, 0.5), .momentum = 0.9}};
  optimizer.step(training([&] { return sum(w * first); }));
  CHECK(optimizer.last_step().step == 1);
  CHECK(optimizer.last_step().loss == 0);
  CHECK(optimizer.last_step().lr == 0.1);
  CHECK(optimizer.last_step().momentum == 0.9);
  CHECK(std::isnan(optimizer.last_step().rho));
  CHECK(std::isnan(optimizer.last_step().gradient_norm));
  optimizer.measure(Measure::norms);
  optimizer.step(training([&] { return sum(w * (first * 3.0 + second * 4.0)); }));  // v = first
  CHECK(optimizer.last_step().step == 2);
  CHECK(optimizer.last_step().lr == 0.05);
  CHECK_CLOSE(std::vector{optimizer.last_step().gradient_norm}, std::vector{25.0}, {.rtol = 1e-15});
  CHECK_CLOSE(std::vector{optimizer.last_step().velocity_norm}, std::vector{5.0}, {.rtol = 1e-15});
  CHECK_CLOSE(std::vector{optimizer.last_step().cosine}, std::vector{0.6}, {.rtol = 1e-14});
  CHECK(std::isnan(optimizer.last_step().perturbation_norm));
}

TEST_CASE("measuring MSAM's loss at the clean weights leaves no trace on training") {
  const Variable w = leaf({1, -2}), u = leaf({1, -2});
  MSAM measured{SGD{{w}, {.lr = 0.1, .momentum = 0.9}}, {.rho = 0.5}};
  MSAM plain{SGD{{u}, {.lr = 0.1, .momentum = 0.9}}, {.rho = 0.5}};
  measured.measure(Measure::losses);
  const auto noisy = [](const Variable& x) {
    return training(
        [x] { return rugged({x}) + sum(x * Variable(default_generator().normal({2}, 0, 1, DType::float64))); });
  };
  std::vector<double> clean;
  for (auto [optimizer, x] : {std::pair<MSAM*, Variable>{&measured, w}, {&plain, u}}) {
    manual_seed(3);
    for (int i = 0; i < 5; ++i) {
      const Generator before = default_generator();
      const double at_clean = noisy(x)().item();
      default_generator() = before;
      optimizer->step(noisy(x));
      if (optimizer == &measured) {
        CHECK(measured.last_step().loss_clean == at_clean);
        if (i > 0) CHECK(measured.last_step().loss_clean != measured.last_step().loss_perturbed);
      }
    }
  }
  CHECK_SAME_BITS(w.value(), u.value());
  CHECK(measured.gradient_evaluations() == 5);
}

TEST_CASE("every wrapper over every base goes down in both precisions, which agree at first") {
  for (const std::string& wrapper : wrapper_names())
    for (const std::string& base : base_names()) {
      CAPTURE(wrapper);
      CAPTURE(base);
      std::vector<Tensor> tenth;
      for (const DType dtype : {DType::float64, DType::float32}) {
        const Variable w = leaf({2, -1, 0.5}, dtype);
        const auto optimizer = wrap(wrapper, make_base(base, {w}), 0.05);
        const double before = rugged({w}).item();
        for (int i = 0; i < 100; ++i) {
          optimizer->step(training([&] { return rugged({w}); }));
          if (i == 9) tenth.push_back(w.value().clone());  // later, cycles around the minimum may part
        }
        CHECK(rugged({w}).item() < before - 0.5);
      }
      if (wrapper == "along-random") continue;  // the two precisions draw different numbers
      CHECK_CLOSE(tenth[1], tenth[0], {.rtol = 1e-5, .atol = 1e-6});
    }
}
