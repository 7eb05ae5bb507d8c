// Along: every direction and both signs against hand-computed steps, and what it takes to add a direction.
#include "core/random.h"
#include "tests/check.h"
#include "tests/optim/problem.h"
#include "tests/optim/spy.h"

using namespace minima;
using namespace minima::test;
using optim::Along;
using optim::Direction;
using optim::DirectionContext;
using optim::SGD;
namespace directions = optim::directions;

namespace {

// The loss slope . w of two weights at 0, of another slope in each step; notes where it was called.
struct Slopes {
  Variable w = leaf({0, 0});
  std::vector<Vector> slopes, seen{};
  int64_t step = 0, calls_a_step = 1;

  optim::Closure closure() {
    return [this] {
      seen.push_back(w.value().to_vector<double>());
      const size_t now = (seen.size() - 1) / static_cast<size_t>(calls_a_step);
      return training([&] { return sum(w * Variable(Tensor::from(slopes[now]))); })();
    };
  }
};

// Takes two steps with lr = 0.1 and momentum 0.5 and returns the perturbation of the second.
Vector second_perturbation(const Direction& direction, double rho, const std::vector<Vector>& slopes) {
  Slopes problem{.slopes = slopes};
  problem.calls_a_step = direction.needs_gradient ? 2 : 1;
  Along optimizer{SGD{{problem.w}, {.lr = 0.1, .momentum = 0.5}}, direction, {.rho = rho}};
  optimizer.step(problem.closure());
  const Vector clean = values({problem.w});
  optimizer.step(problem.closure());
  return problem.seen.back() - clean;
}

// Runs an optimizer and its reference side by side; every step must give the same bits.
void check_same_runs(const std::function<std::unique_ptr<optim::Optimizer>(const Parameters&)>& make,
                     const std::function<std::unique_ptr<optim::Optimizer>(const Parameters&)>& reference,
                     DType dtype) {
  const Parameters ours = three_tensors(dtype), theirs = three_tensors(dtype);
  const auto a = make(ours), b = reference(theirs);
  for (int i = 0; i < 30; ++i) {
    const double loss = a->step(training([&] { return rugged(ours); })).item();
    CHECK(loss == b->step(training([&] { return rugged(theirs); })).item());
    for (size_t k = 0; k < ours.size(); ++k) CHECK_SAME_BITS(ours[k].value(), theirs[k].value());
  }
  CHECK(a->gradient_evaluations() == b->gradient_evaluations());
}

}  // namespace

TEST_CASE("each direction goes where its sign says: hand-computed second steps") {
  // Slopes (3, 4), then (0, 2): v = (3, 4) when the second step begins.
  const std::vector<Vector> slopes{{3, 4}, {0, 2}};
  const Tolerance rounding{.rtol = 1e-14, .atol = 1e-15};
  for (const double rho : {0.5, -0.5}) {
    CAPTURE(rho);
    CHECK_CLOSE(second_perturbation(directions::gradient(), rho, slopes), (Vector{0, rho}), rounding);
    CHECK_CLOSE(second_perturbation(directions::momentum(), rho, slopes), (Vector{-0.6 * rho, -0.8 * rho}), rounding);
    CHECK_CLOSE(second_perturbation(directions::last_gradient(), rho, slopes), (Vector{-0.6 * rho, -0.8 * rho}),
                rounding);
    CHECK_CLOSE(second_perturbation(directions::lr_momentum(), rho, slopes), (Vector{-0.3 * rho, -0.4 * rho}),
                rounding);
  }
}

TEST_CASE("the last gradient is the one that the step before applied, not the momentum") {
  const Vector e = [] {
    Slopes problem{.slopes = {{3, 4}, {0, 2}, {1, 1}}};
    Along optimizer{SGD{{problem.w}, {.lr = 0.1, .momentum = 0.5}}, directions::last_gradient(), {.rho = 0.5}};
    optimizer.step(problem.closure()), optimizer.step(problem.closure());
    const Vector clean = values({problem.w});
    optimizer.step(problem.closure());
    return problem.seen.back() - clean;
  }();
  CHECK_CLOSE(e, (Vector{0, -0.5}), {.rtol = 1e-14, .atol = 1e-15});  // v is (1.5, 4)

  // On a curved loss: the gradient at w + e, where the step before took it.
  Spy spy{three_tensors(), {}};
  Along optimizer{SGD{spy.parameters, {.lr = 0.1}}, directions::last_gradient(), {.rho = 0.3}};
  for (int i = 0; i < 5; ++i) {
    const Vector clean = values(spy.parameters);
    optimizer.step(spy.closure());
    if (i == 0) {
      CHECK(spy.seen[0] == clean);  // there is none yet
      continue;
    }
    const Vector e = spy.seen.back() - clean, last = gradient_at(spy.seen[spy.seen.size() - 2]);
    for (size_t k = 0; k < e.size(); ++k)
      CHECK_CLOSE(Vector{e[k]}, Vector{-0.3 * last[k] / norm(last)}, {.rtol = 1e-12, .atol = 1e-14});
  }
}

TEST_CASE("a perturbation along any normalised direction has the length |rho| over a model of three tensors") {
  for (const Direction& direction :
       {directions::gradient(), directions::momentum(), directions::last_gradient(), directions::random()})
    for (const DType dtype : {DType::float32, DType::float64})
      for (const double rho : {0.3, -0.3}) {
        CAPTURE(direction.name);
        Spy spy{three_tensors(dtype), {}};
        Along optimizer{SGD{spy.parameters, {.lr = 0.05, .momentum = 0.9}}, direction, {.rho = rho}};
        optimizer.measure(optim::Measure::norms);
        optimizer.step(spy.closure());
        const Vector clean = values(spy.parameters);
        optimizer.step(spy.closure());
        CHECK_CLOSE(Vector{norm(spy.seen.back() - clean)}, Vector{0.3}, {.rtol = 1e-6, .atol = 0});
        CHECK_CLOSE(Vector{optimizer.last_step().perturbation_norm}, Vector{0.3}, {.rtol = 1e-12, .atol = 0});
      }
}

TEST_CASE("along the gradient is SAM, along the momentum is MSAM, bit for bit, over every base") {
  for (const std::string& base : base_names())
    for (const DType dtype : {DType::float32, DType::float64}) {
      CAPTURE(base);
      const auto make = [&](const std::string& wrapper) {
        return
            [&base, wrapper](const Parameters& parameters) { return wrap(wrapper, make_base(base, parameters), 0.3); };
      };
      check_same_runs(make("along-gradient"), make("sam"), dtype);
      check_same_runs(make("along-momentum"), make("msam"), dtype);
    }
}

TEST_CASE("along the lr-scaled momentum with rho = momentum is Nesterov's original method") {
  const double lr = 0.05, mu = 0.9;
  const Parameters parameters = three_tensors();
  Along optimizer{SGD{parameters, {.lr = lr, .momentum = mu}}, directions::lr_momentum(), {.rho = mu}};
  Vector w = values(parameters), v(w.size(), 0);
  for (int i = 0; i < 200; ++i) {
    optimizer.step(training([&] { return rugged(parameters); }));
    Vector ahead = w;
    for (size_t k = 0; k < w.size(); ++k) ahead[k] -= mu * lr * v[k];
    const Vector g = gradient_at(ahead);
    for (size_t k = 0; k < w.size(); ++k) v[k] = mu * v[k] + g[k], w[k] -= lr * v[k];
    CHECK_CLOSE(values(parameters), w, {.rtol = 1e-12, .atol = 1e-14});
  }
}

TEST_CASE("the lr-scaled momentum takes each group's own rate") {
  const Variable a = leaf({0}), b = leaf({0});
  std::vector<optim::Group> groups{{{a}}, {{b}, {{"lr", 0.3}}}};
  Along optimizer{SGD{groups, {.lr = 0.1, .momentum = 0.5}}, directions::lr_momentum(), {.rho = 2}};
  Vector seen;
  const auto closure = [&] {
    seen = values({a, b});
    return training([&] { return sum(a) + sum(b); })();
  };
  optimizer.step(closure);
  const Vector clean = values({a, b});
  optimizer.step(closure);
  CHECK_CLOSE(seen - clean, (Vector{-0.2, -0.6}), {.rtol = 1e-14});
}

TEST_CASE("random directions are another in each step and for each seed, and the same again for the same seed") {
  const auto perturbations = [](uint64_t seed) {
    Spy spy{three_tensors(), {}};
    Along optimizer{SGD{spy.parameters, {.lr = 0.05}}, directions::random(seed), {.rho = 0.5}};
    std::vector<Vector> all;
    for (int i = 0; i < 3; ++i) {
      const Vector clean = values(spy.parameters);
      optimizer.step(spy.closure());
      all.push_back(spy.seen.back() - clean);
    }
    return all;
  };
  const auto first = perturbations(1), again = perturbations(1), other = perturbations(2);
  CHECK(first == again);
  CHECK(largest(first[0] - first[1]) > 0.01);
  CHECK(largest(first[1] - first[2]) > 0.01);
  CHECK(largest(first[0] - other[0]) > 0.01);
}

TEST_CASE("a random direction neither disturbs the default stream nor repeats the initial weights of the same seed") {
  const Variable w = leaf(Vector(64, 0.0));
  manual_seed(5);
  const Generator before = default_generator();
  const Tensor initial = Generator{5}.normal({64}, 0, 1, DType::float64);
  Vector seen;
  Along optimizer{SGD{{w}, {.lr = 0.1}}, directions::random(5), {.rho = 1}};
  optimizer.step([&] {
    seen = values({w});
    return training([&] { return sum(square(w)); })();
  });
  CHECK(default_generator().offset == before.offset);
  double dot = 0;
  for (size_t i = 0; i < seen.size(); ++i) dot += seen[i] * initial.at(static_cast<int64_t>(i));
  CHECK(std::abs(dot / (norm(seen) * norm(initial.to_vector<double>()))) < 0.5);  // four standard deviations
}

namespace {

/// The gradient minus the momentum: between SAM's direction and MSAM's.
optim::Direction mixed() {
  const auto at = [](const optim::DirectionContext& now) {
    Tensor d = now.gradient().clone();
    core::add_scaled(d, -1, now.momentum());
    return d;
  };
  return {.name = "mixed", .at = at, .needs_gradient = true};
}

}  // namespace

TEST_CASE("a direction of one's own is ten lines: SAM's and MSAM's mixed") {
  Spy spy{three_tensors(), {}};
  Along optimizer{SGD{spy.parameters, {.lr = 0.05, .momentum = 0.9}}, mixed(), {.rho = 0.3}};
  CHECK(optimizer.name() == "along-mixed");
  optimizer.step(spy.closure());
  const Vector clean = values(spy.parameters), g = gradient_at(clean), v = optimizer.momentum().to_vector<double>(),
               d = g - v;
  optimizer.step(spy.closure());
  const Vector e = spy.seen.back() - clean;
  for (size_t i = 0; i < e.size(); ++i) CHECK_CLOSE(Vector{e[i]}, Vector{0.3 * d[i] / norm(d)}, {.rtol = 1e-12});
  CHECK(optimizer.gradient_evaluations() == 4);
}

TEST_CASE("a direction may be the weights themselves, or nothing in some steps") {
  const Variable w = leaf({3, 4});
  const Direction outward{.name = "outward", .at = [](const DirectionContext& now) {
                            CHECK(now.lr() == 0.1);
                            return now.step() == 1 ? Tensor() : now.weights();
                          }};
  std::vector<Vector> seen;
  Along optimizer{SGD{{w}, {.lr = 0.1}}, outward, {.rho = 1}};
  const auto closure = [&] {
    seen.push_back(values({w}));
    return training([&] { return sum(w) * 0.0; })();
  };
  for (int i = 0; i < 3; ++i) optimizer.step(closure);
  CHECK_CLOSE(seen[0], (Vector{3.6, 4.8}), {.rtol = 1e-15});
  CHECK_CLOSE(seen[1], (Vector{3, 4}), {.rtol = 1e-15});
  CHECK_CLOSE(seen[2], (Vector{3.6, 4.8}), {.rtol = 1e-15});
  CHECK_CLOSE(w.value(), Tensor::from(Vector{3, 4}), {.rtol = 1e-15});
}

TEST_CASE("what the steps tell: the loss where the gradient was taken, and at the weights where that was computed") {
  const auto told = [](const Direction& direction) {
    const Variable w = leaf({2});
    Along optimizer{SGD{{w}, {.lr = 0.25, .momentum = 0.5}}, direction, {.rho = 0.5}};
    optimizer.step(training([&] { return sum(square(w)); }));  // to w = 1, or 0.75 from the gradient at 2.5
    const double returned = optimizer.step(training([&] { return sum(square(w)); })).item();
    return Vector{returned, optimizer.last_step().loss_clean, optimizer.last_step().loss_perturbed};
  };
  CHECK_CLOSE(told(directions::momentum()), (Vector{0.25, NAN, 0.25}), {.rtol = 1e-14});
  CHECK_CLOSE(told(directions::gradient()), (Vector{0.5625, 0.5625, 1.5625}), {.rtol = 1e-14});
}

TEST_CASE("a direction that cannot be used is refused and says why, and the step has not happened") {
  const Variable w = leaf({1, 2});
  const auto base = [&] { return SGD{{w}, {.lr = 0.1}}; };
  CHECK_ERROR((Along{base(), Direction{}}), "[along] got a direction without a name, expected a Direction with .name");
  CHECK_ERROR((Along{base(), Direction{.name = "empty"}}), "[along] got empty without a function");
  CHECK_ERROR((Along{base(), directions::random(), {.rho = NAN}}), "[along-random] got rho = nan in group 0");

  const auto refuses = [&](const std::function<optim::Heading(const DirectionContext&)>& at, const std::string& why) {
    Along optimizer{base(), Direction{.name = "mine", .at = at}};
    CHECK_ERROR(optimizer.step(training([&] { return rugged({w}); })), why);
    CHECK(optimizer.steps() == 0);
    CHECK_SAME_BITS(w.value(), Tensor::from(Vector{1, 2}));
  };
  refuses([](const DirectionContext&) { return Tensor::from(Vector{1, 2, 3}); },
          "[along-mine] got a direction of float64 (3,) on cpu, expected float64 (2,) on cpu. It is flat");
  refuses([](const DirectionContext&) { return Tensor::from(std::vector{1.0f, 2.0f}); },
          "a direction of float32 (2,) on cpu");
  refuses([](const DirectionContext& now) { return now.gradient(); },
          "a use of gradient() without notice, expected .needs_gradient = true");
  refuses([](const DirectionContext& now) { return now.last_gradient(); },
          "a use of last_gradient() without notice, expected .needs_last_gradient = true");
  refuses([](const DirectionContext& now) { return now.momentum(); }, "sgd without momentum");
  refuses([](const DirectionContext& now) { return optim::Heading(now.weights(), 0.0 / 0.0); },
          "[along-mine] got a heading times nan, expected a finite factor");
}

TEST_CASE("a direction that is NaN shows in the loss") {
  const Variable w = leaf({1, 2});
  const Direction broken{.name = "broken", .at = [](const DirectionContext&) { return Tensor::from(Vector{1, NAN}); }};
  Along optimizer{SGD{{w}, {.lr = 0.1}}, broken};
  CHECK(std::isnan(optimizer.step(training([&] { return rugged({w}); })).item()));
}

TEST_CASE("the last gradient is saved with the state, under its name") {
  const Variable w = leaf({1, 2});
  Along optimizer{SGD{{w}, {.lr = 0.1}}, directions::last_gradient()};
  const auto gradient = grad(rugged({w}), {w})[0].value();
  optimizer.step(training([&] { return rugged({w}); }));
  CHECK_SAME_BITS(optimizer.state().tensor("last_gradient"), gradient);
  Along random{SGD{{leaf({1, 2})}, {.lr = 0.1}}, directions::random()};
  CHECK_ERROR(random.load_state(optimizer.state()),
              "got the state of along-last-gradient over sgd, expected the state "
              "of along-random over sgd");
}
