// MSAM with a memory of its own, a radius that fades, and a radius that is found while training.
#include "optim/radius.h"

#include "core/random.h"
#include "optim/make.h"
#include "tests/check.h"
#include "tests/optim/problem.h"
#include "tests/optim/spy.h"

using namespace minima;
using namespace minima::test;
using optim::Automatic;
using optim::automatic;
using optim::MSAM;
using optim::SAM;
using optim::SGD;
using optim::Wanted;

namespace {

/// By name, over sgd unless told otherwise: all that this file is about.
const std::vector<std::string> names{"msam+memory", "msam+fade", "msam+memory+fade", "msam+auto",
                                     "msam+ratio",  "msam+rise", "msam+edge",        "msam+memory+auto",
                                     "sam+auto",    "sam+ratio", "sam+rise",         "sam+edge"};

double buffer(const optim::Optimizer& optimizer, const std::string& name) {
  for (const auto& [each, tensor] : optimizer.buffers())
    if (each == name) return tensor.item();
  return NAN;
}

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

double clamp(double x, double low, double high) { return std::min(std::max(x, low), high); }

}  // namespace

TEST_CASE("a memory as long as the momentum's, without decay, is MSAM along the momentum") {
  const Parameters own = three_tensors(), plain = three_tensors();
  MSAM with_memory{SGD{own, {.lr = 0.05, .momentum = 0.9}}, {.rho = 0.3, .memory = 0.9}};
  MSAM without{SGD{plain, {.lr = 0.05, .momentum = 0.9}}, {.rho = 0.3}};
  for (int i = 0; i < 50; ++i) {
    with_memory.step(training([&] { return rugged(own); }));
    without.step(training([&] { return rugged(plain); }));
  }
  CHECK(largest(values(own) - values(plain)) < 1e-12);
}

TEST_CASE("with a memory, e = -rho * m / |m| over a base without momentum, for one buffer and one gradient a step") {
  const double rho = 0.4, memory = 0.7, lr = 0.05;
  Spy spy{three_tensors(), {}};
  MSAM msam{SGD{spy.parameters, {.lr = lr}}, {.rho = rho, .memory = memory}};
  REQUIRE(msam.buffers().size() == 1);
  CHECK(msam.buffers()[0].second.numel() == 6);
  Vector w = values(spy.parameters), m(6, 0);
  for (int t = 0; t < 20; ++t) {
    msam.step(spy.closure());
    const double length = norm(m);
    Vector ahead = w;
    for (size_t i = 0; i < w.size(); ++i) ahead[i] -= length > 0 ? rho * m[i] / length : 0;
    CHECK(largest(spy.seen.back() - ahead) < 1e-12);
    if (t > 0) CHECK(std::abs(norm(spy.seen.back() - w) / rho - 1) < 1e-6);
    const Vector g = gradient_at(ahead);
    for (size_t i = 0; i < w.size(); ++i) m[i] = memory * m[i] + (1 - memory) * g[i], w[i] -= lr * g[i];
    CHECK(largest(values(spy.parameters) - w) < 1e-12);
  }
  CHECK(msam.gradient_evaluations() == 20);
}

TEST_CASE("the mean of gradients stays where a parameter is frozen or not reached") {
  const Variable a = leaf({1, 2}), b = leaf({3}), c = leaf({-1});
  MSAM msam{SGD{{a, b, c}, {.lr = 0.05}}, {.rho = 0.3, .memory = 0.5}};
  const auto mean = [&] { return msam.buffers()[0].second.to_vector<double>(); };
  msam.step(training([&] { return rugged({a, b, c}); }));
  const Vector before = mean();
  Variable frozen = b;
  frozen.set_requires_grad(false);
  msam.step(training([&] { return rugged({a}); }));
  CHECK(mean()[0] != before[0]);
  CHECK(mean()[2] == before[2]);
  CHECK(mean()[3] == before[3]);
}

TEST_CASE("a fading radius is rho * min(|average cos(v, g)| / reference, 1)") {
  const double rho = 0.4, reference = 0.6, lr = 0.05, momentum = 0.9;
  Spy spy{three_tensors(), {}};
  MSAM msam{SGD{spy.parameters, {.lr = lr, .momentum = momentum}}, {.rho = rho, .fade = reference}};
  Vector w = values(spy.parameters), v(6, 0);
  double over = 0, under = 0;
  bool faded = false;
  for (int t = 0; t < 40; ++t) {
    msam.step(spy.closure());
    const double share = under > 0 ? std::min(std::abs(over / under) / reference, 1.0) : 0;
    faded = faded || (share > 0.01 && share < 0.99);
    Vector ahead = w;
    for (size_t i = 0; i < w.size(); ++i) ahead[i] -= norm(v) > 0 ? rho * share * v[i] / norm(v) : 0;
    CHECK(largest(spy.seen.back() - ahead) < 1e-11);
    if (share > 0) CHECK(std::abs(norm(spy.seen.back() - w) / (rho * share) - 1) < 1e-6);
    const Vector g = gradient_at(ahead);
    over = 0.99 * over + 0.01 * dot(v, g), under = 0.99 * under + 0.01 * norm(v) * norm(g);
    for (size_t i = 0; i < w.size(); ++i) v[i] = momentum * v[i] + g[i], w[i] -= lr * v[i];
  }
  CHECK(faded);
  CHECK(msam.gradient_evaluations() == 40);
}

TEST_CASE("gradients that have nothing to do with each other fade the radius, steady ones leave it") {
  const auto share_after = [](double noise) {
    const Variable w(Tensor::zeros({200}, DType::float64), requires_grad);
    MSAM msam{SGD{{w}, {.lr = 1e-3, .momentum = 0.9}}, {.rho = 1, .fade = 0.2}};
    Generator random{7, 0};
    msam.measure(optim::Measure::norms);
    for (int i = 0; i < 400; ++i) {
      const Tensor slope = random.normal({200}, 0, noise, DType::float64);
      msam.step(training([&] { return sum(w * Variable(slope)) + (1 - noise) * sum(w); }));
    }
    return msam.last_step().perturbation_norm;
  };
  CHECK(share_after(0) == 1);
  CHECK(share_after(1) < 0.2);
}

TEST_CASE("rho of SAM follows the rise of the loss, as the formula says") {
  const double target = 0.02, lr = 0.02;
  Spy spy{three_tensors(), {}};
  SAM sam{SGD{spy.parameters, {.lr = lr}}, {.rho = Automatic{Wanted::rise, target}}};
  const auto loss_at = [](const Vector& w) {
    return rugged({leaf({w[0], w[1]}), leaf({w[2]}), leaf({w[3], w[4], w[5]})}).item();
  };
  double rho = 0.003 * norm(values(spy.parameters)), rise = 0, count = 0, loss = 0, steps = 0;
  for (int t = 0; t < 60; ++t) {
    const Vector w = values(spy.parameters);
    sam.step(spy.closure());
    CHECK(std::abs(norm(spy.seen.back() - w) / rho - 1) < 1e-6);
    rise = 0.95 * rise + 0.05 * (loss_at(spy.seen.back()) - loss_at(w)), count = 0.95 * count + 0.05;
    loss += loss_at(w), ++steps;
    const double wanted = target * loss / steps, is = std::max(rise / count, 1e-3 * std::abs(wanted));
    rho = clamp(rho * clamp(std::pow(std::max(wanted, 0.0) / is, 0.2), 0.95, 1.02), 1e-6, std::sqrt(6.0));
    CHECK(std::abs(buffer(sam, "automatic_rho") / rho - 1) < 1e-9);
  }
  CHECK(sam.gradient_evaluations() == 120);
}

TEST_CASE("rho of MSAM follows the slope along e") {
  const double target = 0.1, lr = 0.02, momentum = 0.9;
  Spy spy{three_tensors(), {}};
  MSAM msam{SGD{spy.parameters, {.lr = lr, .momentum = momentum}}, {.rho = Automatic{Wanted::rise, target}}};
  double rho = 0.003 * norm(values(spy.parameters)), rise = 0, count = 0, loss = 0, steps = 0;
  Vector v(6, 0);
  for (int t = 0; t < 60; ++t) {
    const Vector w = values(spy.parameters);
    const double seen = msam.step(spy.closure()).item();
    const Vector g = gradient_at(spy.seen.back());
    if (t > 0) CHECK(std::abs(norm(spy.seen.back() - w) / rho - 1) < 1e-6);
    rise = 0.95 * rise + 0.05 * (norm(v) > 0 ? -rho * dot(v, g) / norm(v) : 0), count = 0.95 * count + 0.05;
    loss += seen, ++steps;
    const double wanted = target * loss / steps, is = std::max(rise / count, 1e-3 * std::abs(wanted));
    rho = clamp(rho * clamp(std::pow(std::max(wanted, 0.0) / is, 0.2), 0.95, 1.02), 1e-6, std::sqrt(6.0));
    CHECK(std::abs(buffer(msam, "automatic_rho") / rho - 1) < 1e-9);
    for (size_t i = 0; i < v.size(); ++i) v[i] = momentum * v[i] + g[i];
  }
  CHECK(msam.gradient_evaluations() == 60);
}

TEST_CASE("by ratio, |e| is the target times the mean length of the updates") {
  Spy spy{three_tensors(), {}};
  MSAM msam{SGD{spy.parameters, {.lr = 0.05, .momentum = 0.9}}, {.rho = Automatic{Wanted::ratio, 4}}};
  double lengths = 0;
  for (int t = 0; t < 20; ++t) {
    const Vector w = values(spy.parameters);
    const double length = 0.05 * norm(msam.momentum().to_vector<double>());
    msam.step(spy.closure());
    CHECK(std::abs(norm(spy.seen.back() - w) - (t > 0 ? 4 * lengths / t : 0)) < 1e-12);
    lengths += length;
  }
}

TEST_CASE("on a parabola SAM measures the curvature, and holds the radius still where it is the wanted one") {
  // curvature 3 in every direction; lr / (2 (1 - momentum)) = 0.25, so the measured share of the edge is 0.75
  const auto rho_after = [](double target) {
    const Variable w = leaf({1, 2, 3});
    SAM sam{SGD{{w}, {.lr = 0.05, .momentum = 0.9}}, {.rho = Automatic{Wanted::edge, target}}};
    for (int i = 0; i < 30; ++i) sam.step(training([&] { return 1.5 * sum(square(w)); }));
    return buffer(sam, "automatic_rho");
  };
  const double start = 0.003 * std::sqrt(14.0);
  CHECK(std::abs(rho_after(0.75) / start - 1) < 1e-6);
  CHECK(rho_after(0.5) > start);
  CHECK(rho_after(1) < start);
}

TEST_CASE("a given radius is the same bits whether it is a number, a schedule or a Radius") {
  const auto after = [](const optim::Radius& rho) {
    const Parameters w = three_tensors(DType::float32);
    MSAM msam{SGD{w, {.lr = 0.05, .momentum = 0.9}}, {.rho = rho}};
    CHECK(msam.buffers().size() == 1);
    for (int i = 0; i < 20; ++i) msam.step(training([&] { return rugged(w); }));
    return w[2].value().clone();
  };
  CHECK_SAME_BITS(after(0.3), after([](int64_t) { return 0.3; }));
  CHECK_SAME_BITS(after(0.3), after(optim::Schedule(0.3)));
  const Parameters w = three_tensors(DType::float32);
  const auto along = wrap("along-momentum", make_base("sgd", w, 0.05, 0), 0.3);
  for (int i = 0; i < 20; ++i) along->step(training([&] { return rugged(w); }));
  CHECK_SAME_BITS(after(0.3), w[2].value());
}

TEST_CASE("resumed equals uninterrupted, bit for bit, and gradients are those stated, for every word") {
  for (const std::string& name : names)
    for (const DType dtype : {DType::float32, DType::float64}) {
      CAPTURE(name);
      const auto noisy = [](const Parameters& w) {
        return training(
            [w] { return 3 + rugged(w) + sum(w[0] * Variable(default_generator().normal({2}, 0, 1, w[0].dtype()))); });
      };
      const Parameters whole = three_tensors(dtype), first = three_tensors(dtype);
      const auto uninterrupted = optim::make_optimizer(name, whole);
      const auto before = optim::make_optimizer(name, first);
      manual_seed(1);
      for (int i = 0; i < 30; ++i) uninterrupted->step(noisy(whole));
      manual_seed(1);
      for (int i = 0; i < 13; ++i) before->step(noisy(first));
      const Archive state = before->state();
      Parameters resumed;
      for (const Variable& w : first) resumed.emplace_back(w.value().clone(), requires_grad);
      const auto after = optim::make_optimizer(name, resumed);
      after->load_state(state);
      for (int i = 13; i < 30; ++i) after->step(noisy(resumed));
      for (size_t i = 0; i < whole.size(); ++i) CHECK_SAME_BITS(resumed[i].value(), whole[i].value());
      CHECK(after->gradient_evaluations() == 30 * static_cast<int64_t>(optim::gradients_per_step(name)));
      CHECK(values(whole) != values(three_tensors(dtype)));
    }
}

TEST_CASE("from weights that are all 0, an automatic radius begins at a length that is not lost") {
  for (const char* name : {"sam+rise", "msam+rise", "sam+edge", "msam+edge"}) {
    CAPTURE(std::string(name));
    const Variable w(Tensor::zeros({4}, DType::float64), requires_grad);
    const auto optimizer = optim::make_optimizer(name, {w});
    optimizer->step(training([&] { return sum(square(w - 1)); }));
    CHECK(buffer(*optimizer, "automatic_rho") >= 0.95 * 1e-3);
    CHECK(buffer(*optimizer, "automatic_rho") <= 1.02 * 1e-3);
  }
}

TEST_CASE("a step whose closure throws has not happened, with what steers the radius") {
  for (const std::string& name : names) {
    CAPTURE(name);
    const Parameters w = three_tensors();
    const auto optimizer = optim::make_optimizer(name, w);
    for (int i = 0; i < 5; ++i) optimizer->step(training([&] { return rugged(w); }));
    const Archive before = optimizer->state();
    const Vector weights = values(w);
    CHECK_THROWS(optimizer->step([]() -> Variable { throw Error("no batch"); }));
    CHECK(largest(values(w) - weights) < 1e-14);
    for (const auto& [entry, tensor] : optimizer->state().tensors) CHECK_SAME_BITS(tensor, before.tensors.at(entry));
  }
}

TEST_CASE("the state of one kind of radius or direction is not loaded into another") {
  for (const std::string& name : names)
    for (const std::string& other : names) {
      CAPTURE(name);
      CAPTURE(other);
      const Parameters w = three_tensors(), v = three_tensors();
      const auto from = optim::make_optimizer(name, w), to = optim::make_optimizer(other, v);
      from->step(training([&] { return rugged(w); }));
      const auto spelled_out = [](std::string kind) {
        const size_t at = kind.find("auto");
        return at == std::string::npos ? kind : kind.replace(at, 4, "rise");
      };
      const bool same = spelled_out(name) == spelled_out(other);
      if (same)
        to->load_state(from->state());
      else
        CHECK_ERROR(to->load_state(from->state()), from->name());
      CHECK(to->steps() == (same ? 1 : 0));
    }
  CHECK(optim::make_optimizer("msam+auto", three_tensors())->name() == "msam+rise");
  CHECK(optim::make_optimizer("sam", three_tensors())->name() == "sam");
}

TEST_CASE("a loss that overflows once leaves the radius able to grow again") {
  const Variable w = leaf({1, 2});
  optim::SAM optimizer{SGD{{w}, {.lr = 1e-3}}, {.rho = optim::automatic}};
  const auto step = [&](double perturbed) {
    int call = 0;
    optimizer.step(training([&] { return sum(square(w)) + (++call == 2 ? perturbed : 0.0); }));
  };
  for (int i = 0; i < 3; ++i) step(0);
  step(INFINITY);
  for (int i = 0; i < 200; ++i) step(0);
  const double low = optimizer.buffers()[0].second.item();
  for (int i = 0; i < 50; ++i) step(0);
  CHECK(optimizer.buffers()[0].second.item() > low);
}

TEST_CASE("what does not fit together is refused in words") {
  const Parameters w{leaf({1, 2})};
  CHECK_ERROR((MSAM{SGD{w, {.lr = 0.1}}, {}}), "or MSAM a .memory of its own");
  CHECK_ERROR((MSAM{SGD{w, {.lr = 0.1}}, {.memory = 1.0}}), "[msam] got memory = 1, expected a number in [0, 1)");
  CHECK_ERROR((MSAM{SGD{w, {.lr = 0.1, .momentum = 0.9}}, {.fade = 0.0}}), "expected a cosine above 0 and up to 1");
  CHECK_ERROR((MSAM{SGD{w, {.lr = 0.1, .momentum = 0.9}}, {.rho = automatic, .fade = 0.1}}),
              "[msam] got fade and an automatic rho, expected one of them");
  CHECK_ERROR((SAM{SGD{w, {.lr = 0.1}}, {.rho = Automatic{Wanted::rise, -1}}}),
              "[automatic] got target = -1, expected a number above 0");
  CHECK_ERROR((SAM{SGD{w, {.lr = 0.1}}, {.rho = Automatic{Wanted::ratio}}}), "expected momentum above 0");
  CHECK_ERROR((SAM{optim::Adam{w}, {.rho = Automatic{Wanted::edge}}}),
              "[automatic] got Wanted::edge over adam, expected sgd. Only its updates are lr * momentum. Wanted::rise "
              "fits every base.");
  CHECK_ERROR(optim::make_optimizer("msam+auto", w, {.hyperparameters = {{"rho", 0.1}}}),
              "got rho for msam+auto, expected none");
  CHECK_ERROR(optim::make_optimizer("sam+memory", w), "got +memory in \"sam+memory\", expected one of auto");
  CHECK_ERROR(optim::make_optimizer("asam+auto", w), "expected sam or msam before it");
  CHECK_ERROR(optim::make_optimizer("msam+auto+norms", w), "words that do cannot stand beside them");
  CHECK_ERROR(optim::make_optimizer("msam+rise+edge", w), "expected one of them");
}

TEST_CASE("an automatic radius has no rho among its defaults, and takes its target by name") {
  CHECK(optim::defaults_of("msam+auto").count("rho") == 0);
  CHECK(optim::defaults_of("msam+memory").at("rho") == 0.5);
  const Parameters a = three_tensors(), b = three_tensors();
  const auto named = optim::make_optimizer("msam+ratio", a, {.hyperparameters = {{"target", 4}, {"weight_decay", 0}}});
  MSAM made{SGD{b, {.lr = 0.05, .momentum = 0.9}}, {.rho = Automatic{Wanted::ratio, 4}}};
  for (int i = 0; i < 10; ++i) {
    named->step(training([&] { return rugged(a); }));
    made.step(training([&] { return rugged(b); }));
  }
  CHECK(values(a) == values(b));
  for (const std::string& base : base_names()) optim::make_optimizer("sam+auto", {leaf({1})}, {.base = base});
}
