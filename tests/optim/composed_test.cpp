// Directions by composition: each old optimizer is a point of it, and what scope, geometry and budget do.
#include "optim/directions/composed.h"

#include "optim/make.h"
#include "tests/check.h"
#include "tests/optim/problem.h"
#include "tests/optim/spy.h"

using namespace minima;
using namespace minima::test;
using optim::Along;
using optim::composed;
using optim::Composition;
using optim::Direction;
using optim::Geometry;
using optim::Layers;
using optim::Scope;
using optim::SGD;
namespace directions = optim::directions;

namespace {

/// Two layers with a weight and a bias each, and a norm layer between them. The second weight is [2, 2].
struct Network {
  Parameters all;
  Layers layers;

  explicit Network(DType dtype = DType::float64) {
    const auto matrix = [&](const Vector& values) {
      return Variable(Tensor::from(values, {2, 2}).to(dtype), requires_grad);
    };
    all = {matrix({1.2, -0.7, 0.4, 0.9}), leaf({0.4, -0.1}, dtype),  leaf({1, 0.8}, dtype),
           leaf({0.3, 0.2}, dtype),       matrix({2, -1.5, 0.3, 1}), leaf({0.6, 0}, dtype)};
    layers.layers = {{all[0], all[1]}, {all[2], all[3]}, {all[4], all[5]}};
    layers.norms = {all[2], all[3]};
    layers.biases = {all[1], all[5]};
  }
};

std::vector<Direction> sources() {
  return {directions::gradient(), directions::momentum(), directions::last_gradient(), directions::friendly_momentum(),
          directions::random()};
}

/// Which elements of Network's parameters are in each part of a scope.
std::vector<std::vector<size_t>> elements_of(const std::string& scope) {
  if (scope == "norms") return {{6, 7, 8, 9}};
  if (scope == "weights") return {{0, 1, 2, 3, 10, 11, 12, 13}};
  if (scope == "layers") return {{0, 1, 2, 3, 4, 5}, {6, 7, 8, 9}, {10, 11, 12, 13, 14, 15}};
  std::vector<size_t> all(16);
  for (size_t i = 0; i < all.size(); ++i) all[i] = i;
  return {all};
}

Scope scope_of(const std::string& name, const Layers& layers) {
  if (name == "norms") return optim::scopes::norms(layers);
  if (name == "weights") return optim::scopes::weights(layers);
  if (name == "layers") return optim::scopes::each_layer(layers);
  return {};
}

/// The unit of the distance at these weights of a Network.
Vector unit_of(Geometry geometry, const Vector& w) {
  Vector unit(w.size(), 1);
  if (geometry == Geometry::euclidean) return unit;
  for (size_t i = 0; i < w.size(); ++i) unit[i] = std::abs(w[i]) + 0.01;
  if (geometry == Geometry::filters)
    for (const size_t row : {0, 2, 10, 12})
      unit[row] = unit[row + 1] = std::sqrt(w[row] * w[row] + w[row + 1] * w[row + 1]) + 0.01;
  return unit;
}

struct Seen {
  Vector clean, e, perturbed;
};

/// Takes three steps; the perturbation of the last.
Seen third_perturbation(const Composition& c, const Parameters& parameters, double rho) {
  Spy spy{parameters, {}};
  Along optimizer{SGD{parameters, {.lr = 0.05, .momentum = 0.9}}, composed(c), {.rho = rho}};
  optimizer.step(spy.closure()), optimizer.step(spy.closure());
  const Vector clean = values(parameters);
  optimizer.step(spy.closure());
  CHECK(optimizer.gradient_evaluations() == (c.source.needs_gradient ? 6 : 3));
  return {clean, spy.seen.back() - clean, spy.seen.back()};
}

void check_same_runs(std::unique_ptr<optim::Optimizer> a, const Parameters& ours, std::unique_ptr<optim::Optimizer> b,
                     const Parameters& theirs) {
  for (int i = 0; i < 30; ++i) {
    const double loss = a->step(training([&] { return rugged(ours); })).item();
    CHECK(loss == b->step(training([&] { return rugged(theirs); })).item());
    for (size_t k = 0; k < ours.size(); ++k) CHECK_SAME_BITS(ours[k].value(), theirs[k].value());
  }
  CHECK(a->gradient_evaluations() == b->gradient_evaluations());
}

}  // namespace

TEST_CASE("every old optimizer that perturbs the weights is its composed form, bit for bit, over every base") {
  // looksam and esam are no points: they change the gradient, or the batch.
  const std::vector<std::pair<std::string, Composition>> points{
      {"sam", {.source = directions::gradient()}},
      {"asam", {.source = directions::gradient(), .geometry = Geometry::adaptive}},
      {"msam", {.source = directions::momentum()}},
      {"along-gradient", {.source = directions::gradient()}},
      {"along-momentum", {.source = directions::momentum()}},
      {"along-last-gradient", {.source = directions::last_gradient()}},
      {"along-friendly-momentum", {.source = directions::friendly_momentum()}},
      {"along-random", {.source = directions::random()}},
      {"along-lr-momentum", {.source = directions::lr_momentum()}}};
  for (const auto& [name, composition] : points)
    for (const std::string& base : base_names())
      for (const DType dtype : {DType::float32, DType::float64}) {
        CAPTURE(name);
        CAPTURE(base);
        const Parameters ours = three_tensors(dtype), theirs = three_tensors(dtype);
        check_same_runs(
            std::make_unique<Along>(make_base(base, ours), composed(composition), optim::AlongOptions{.rho = 0.3}),
            ours, wrap(name, make_base(base, theirs), 0.3), theirs);
      }
}

TEST_CASE("every source in every scope and geometry is rho long in its own unit, with one norm for each part") {
  for (const Direction& source : sources())
    for (const std::string scope : {"everything", "norms", "weights", "layers"})
      for (const Geometry geometry : {Geometry::euclidean, Geometry::adaptive, Geometry::filters})
        for (const DType dtype : {DType::float32, DType::float64})
          for (const double rho : {0.3, -0.3}) {
            CAPTURE(source.name);
            CAPTURE(scope);
            CAPTURE(static_cast<int>(geometry));
            const Network network(dtype);
            const Seen seen = third_perturbation(
                {.source = source, .scope = scope_of(scope, network.layers), .geometry = geometry}, network.all, rho);
            const Vector unit = unit_of(geometry, seen.clean);
            const auto parts = elements_of(scope);
            double inside = 0;
            for (const auto& part : parts) {
              double squares = 0;
              for (const size_t i : part) squares += std::pow(seen.e[i] / unit[i], 2), inside += std::abs(seen.e[i]);
              CHECK_CLOSE(std::sqrt(squares * static_cast<double>(parts.size())), 0.3, {.rtol = 1e-6});
            }
            double everywhere = 0;
            for (const double e : seen.e) everywhere += std::abs(e);
            CHECK_CLOSE(everywhere, inside, {.rtol = 1e-12});
          }
}

TEST_CASE("a geometry turns the direction: e = rho T^2 d / |T d|") {
  for (const Geometry geometry : {Geometry::adaptive, Geometry::filters}) {
    const Network network;
    const Composition c{.source = directions::momentum(), .geometry = geometry};
    Spy spy{network.all, {}};
    Along optimizer{SGD{network.all, {.lr = 0.05, .momentum = 0.9}}, composed(c), {.rho = 0.3}};
    optimizer.step(spy.closure());
    const Vector clean = values(network.all), v = optimizer.momentum().to_vector<double>();
    optimizer.step(spy.closure());
    const Vector unit = unit_of(geometry, clean), e = spy.seen.back() - clean;
    Vector scaled = v;
    for (size_t i = 0; i < v.size(); ++i) scaled[i] *= unit[i];
    for (size_t i = 0; i < v.size(); ++i)
      CHECK_CLOSE(e[i], -0.3 * unit[i] * scaled[i] / norm(scaled), {.rtol = 1e-12, .atol = 1e-15});
  }
}

TEST_CASE("the friendly momentum is the last gradient without the mean that the momentum is") {
  for (const std::string base : {"sgd", "adam"}) {
    const Parameters parameters = three_tensors();
    Spy spy{parameters, {}};
    Along optimizer{make_base(base, parameters), directions::friendly_momentum(0.6), {.rho = 0.3}};
    for (int i = 0; i < 3; ++i) optimizer.step(spy.closure());
    const Vector clean = values(parameters), v = optimizer.momentum().to_vector<double>();
    Vector d = gradient_at(spy.seen.back());
    for (size_t i = 0; i < d.size(); ++i) d[i] -= 0.6 * (base == "sgd" ? 0.1 : 1) * v[i];
    optimizer.step(spy.closure());
    const Vector e = spy.seen.back() - clean;
    for (size_t i = 0; i < d.size(); ++i) CHECK_CLOSE(e[i], 0.3 * d[i] / norm(d), {.rtol = 1e-11, .atol = 1e-14});
  }
}

TEST_CASE("a budget of loss shortens rho to budget / |g|, by the gradient at hand or the last one") {
  for (const Direction& source : {directions::gradient(), directions::momentum()})
    for (const double budget : {0.05, 0.5, 50.0}) {
      CAPTURE(source.name);
      const Parameters parameters = three_tensors();
      Spy spy{parameters, {}};
      Along optimizer{SGD{parameters, {.lr = 0.05, .momentum = 0.9}},
                      composed({.source = source, .loss_budget = budget}),
                      {.rho = 0.3}};
      optimizer.step(spy.closure());
      const Vector last = gradient_at(spy.seen.back()), clean = values(parameters);
      optimizer.step(spy.closure());
      const double g = norm(source.needs_gradient ? gradient_at(clean) : last);
      CHECK_CLOSE(norm(spy.seen.back() - clean), std::min(budget / g, 0.3), {.rtol = 1e-11});
    }
}

TEST_CASE("a budget that has fallen to 0, and a gradient of 0, perturb nothing and give no NaN") {
  const Variable w = leaf({1, 2});
  Along optimizer{SGD{{w}, {.lr = 0.1, .momentum = 0.9}},
                  composed({.source = directions::momentum(), .loss_budget = optim::step_decay(1, 2, 0)}),
                  {.rho = 1}};
  Vector seen;
  for (int i = 0; i < 6; ++i) {
    const Vector clean = values({w});
    optimizer.step([&] {
      seen = values({w});
      return training([&] { return sum(square(w)) * (i < 3 ? 1.0 : 0.0); })();
    });
    CHECK(std::isfinite(values({w})[0]));
    CHECK((norm(seen - clean) > 0.1) == (i == 1));
  }
}

TEST_CASE("where the radius is 0, a direction that needs the gradient takes one, and the step is the base's") {
  const Parameters ours = three_tensors(), theirs = three_tensors();
  const auto sam = optim::make_optimizer("sam+late", ours, {.hyperparameters = {{"lr", 0.05}}, .steps = 20});
  const auto sgd = optim::make_optimizer("sgd", theirs, {.hyperparameters = {{"lr", 0.05}}});
  for (int i = 0; i < 20; ++i) {
    sam->step(training([&] { return rugged(ours); })), sgd->step(training([&] { return rugged(theirs); }));
    CHECK((values(ours) == values(theirs)) == (i < 17));
  }
  CHECK(sam->gradient_evaluations() == 23);
  CHECK(20 * optim::gradients_per_step("sam+late") == 23);
}

TEST_CASE("words behind a name compose its direction") {
  const Network network;
  const optim::Settings settings{.layers = network.layers, .steps = 20, .warmup_steps = 4};
  const auto name_of = [&](const std::string& name) {
    return optim::make_optimizer(name, network.all, settings)->name();
  };
  CHECK(name_of("msam+norms") == "along-momentum+norms");
  CHECK(name_of("along-last-gradient+layers+filters+budget+late") == "along-last-gradient+layers+filters+budget");
  CHECK(name_of("asam+weights") == "along-gradient+weights+adaptive");
  CHECK(name_of("msam+delayed") == "along-momentum");
  CHECK(optim::is_wrapper("msam+adaptive"));
  CHECK(optim::make_optimizer("msam+adaptive", network.all, {.hyperparameters = {{"rho", 3}}})->group(0)["rho"](0) ==
        3);
  CHECK(optim::defaults_of("msam+adaptive")["rho"] == 5);
  CHECK(optim::gradients_per_step("along-gradient+norms") == 2);

  const Network ours, theirs;
  check_same_runs(optim::make_optimizer("sam+adaptive", ours.all, {.hyperparameters = {{"rho", 0.3}}}), ours.all,
                  optim::make_optimizer("asam", theirs.all, {.hyperparameters = {{"rho", 0.3}}}), theirs.all);
  const auto delayed = optim::make_optimizer("msam+delayed", network.all, settings);
  for (int i = 0; i < 6; ++i) {
    delayed->step(training([&] { return rugged(network.all); }));
    CHECK(delayed->last_step().rho == (i < 4 ? 0 : 0.5));
  }
}

TEST_CASE("what cannot be composed is refused and says why") {
  const Network network;
  const auto refused = [&](const std::string& name, const std::string& why, const optim::Settings& settings = {}) {
    CAPTURE(name);
    CHECK_ERROR(optim::make_optimizer(name, network.all, settings), why);
  };
  refused("sgd+norms",
          "[make_optimizer] got words behind the name in \"sgd+norms\", expected sam, asam, msam or along-");
  refused("esam+late", "words behind the name in \"esam+late\"");
  refused("msam+nroms",
          "got +nroms in \"msam+nroms\", expected one of norms, weights, layers, adaptive, filters, late");
  refused("msam+norms+layers", "got +norms and +layers, expected one of them");
  refused("asam+filters", "a geometry for asam, which has one");
  refused("msam+norms", "got +norms without layers, expected the model's layers in Settings::layers");
  refused("msam+late", "got +late without a number of steps");
  refused("msam+budget", "got +budget without a number of steps");
  refused("along-lr-momentum+adaptive", "[composed] got lr-momentum with a scope, a geometry or a budget, expected");
  refused("msam+norms", "a model without batch norm or layer norm", {.layers = {.layers = {{network.all}}}});
  CHECK_ERROR(composed({.source = directions::momentum(), .geometry = Geometry::adaptive, .eta = -1}), "eta = -1");

  const Parameters others = three_tensors();
  Along stranger{SGD{others, {.lr = 0.1, .momentum = 0.9}},
                 composed({.source = directions::momentum(), .scope = optim::scopes::norms(network.layers)})};
  CHECK_ERROR(stranger.step(training([&] { return rugged(others); })),
              "a parameter of the scope norms that the optimizer does not have");
  Along negative{SGD{others, {.lr = 0.1, .momentum = 0.9}},
                 composed({.source = directions::momentum(), .loss_budget = -1})};
  CHECK_ERROR(negative.step(training([&] { return rugged(others); })), "loss_budget = -1 at step 0 (counted from 0)");
  CHECK(negative.steps() == 0);
}

namespace {

/// Each layer by a norm of its own, relative to its weights, within a budget of loss.
optim::Direction relative_to_weights(const optim::Direction& source, const optim::Layers& layers) {
  return optim::composed({.source = source,
                          .scope = optim::scopes::each_layer(layers),
                          .geometry = optim::Geometry::adaptive,
                          .loss_budget = 0.1});
}

}  // namespace

TEST_CASE("a direction of one's own is composed as the library's are") {
  const Network network;
  const Direction outward{.name = "outward", .at = [](const optim::DirectionContext& now) { return now.weights(); }};
  Along optimizer{SGD{network.all, {.lr = 0.05}}, relative_to_weights(outward, network.layers), {.rho = 0.3}};
  CHECK(optimizer.name() == "along-outward+layers+adaptive+budget");
  Spy spy{network.all, {}};
  const Vector w = values(network.all), unit = unit_of(Geometry::adaptive, w);
  optimizer.step(spy.closure());  // there is no last gradient yet, so rho is whole
  for (const auto& part : elements_of("layers")) {
    double squares = 0;
    for (const size_t i : part) squares += std::pow(unit[i] * w[i], 2);
    for (const size_t i : part)
      CHECK_CLOSE(spy.seen[0][i] - w[i], 0.3 / std::sqrt(3.0) * unit[i] * unit[i] * w[i] / std::sqrt(squares),
                  {.rtol = 1e-11, .atol = 1e-15});
  }
}

TEST_CASE("a frozen parameter counts for nothing in its layer's norm, and stands still") {
  const Network network;
  Variable(network.all[4]).set_requires_grad(false);
  Spy spy{network.all, {}};
  Along optimizer{SGD{network.all, {.lr = 0.05}},
                  composed({.source = directions::random(), .scope = optim::scopes::each_layer(network.layers)}),
                  {.rho = 0.3}};
  const Vector clean = values(network.all);
  optimizer.step(spy.closure());
  const Vector e = spy.seen.back() - clean;
  CHECK(norm(Vector(e.begin() + 10, e.begin() + 14)) == 0);
  CHECK_CLOSE(norm(Vector(e.begin() + 14, e.end())), 0.3 / std::sqrt(3.0), {.rtol = 1e-12});
}

TEST_CASE("a composition resumes as it was: its last gradient is saved") {
  const auto make = [](const Network& network) {
    return Along{SGD{network.all, {.lr = 0.05, .momentum = 0.9}},
                 composed({.source = directions::momentum(), .loss_budget = optim::cosine(0.2, 20)}),
                 {.rho = 0.3}};
  };
  const Network whole, first, second;
  Along uninterrupted = make(whole), before = make(first), after = make(second);
  for (int i = 0; i < 12; ++i) uninterrupted.step(training([&] { return rugged(whole.all); }));
  for (int i = 0; i < 5; ++i) before.step(training([&] { return rugged(first.all); }));
  for (size_t i = 0; i < first.all.size(); ++i) Tensor(second.all[i].value()).copy_from(first.all[i].value());
  after.load_state(before.state());
  for (int i = 5; i < 12; ++i) after.step(training([&] { return rugged(second.all); }));
  CHECK(values(second.all) == values(whole.all));
}
