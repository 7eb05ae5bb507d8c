// An optimizer of one's own, as docs/an-optimizer-of-your-own.md shows it: Signum, a rule, its options and one line.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>

#include "optim/make.h"
#include "tests/check.h"
#include "tests/optim/problem.h"

using namespace minima;
using namespace minima::test;

// ---- begin signum

/// Signum (Bernstein et al., 2018): the sign of the momentum, with decoupled decay.
struct SignumRule {
  double lr, momentum, weight_decay;

  template <class T>
  MINIMA_HOST_DEVICE void operator()(T& weight, T grad, T& mean) const {
    mean = T(momentum) * mean + T(1 - momentum) * grad;
    weight -= T(lr) * (T((mean > 0) - (mean < 0)) + T(weight_decay) * weight);
  }
};

struct SignumOptions {
  optim::Schedule lr = 1e-3, momentum = 0.9, weight_decay = 0;
};

struct Signum : optim::BaseOptimizer {
  explicit Signum(const optim::ParameterGroups& groups, const SignumOptions& options = {})
      : BaseOptimizer("signum", groups,
                      {{"lr", options.lr, optim::Range::learning_rate},
                       {"momentum", options.momentum, optim::Range::below_1},
                       {"weight_decay", options.weight_decay}},
                      {"mean"}) {}

  void update(const Tensor& gradient) override {
    optim::apply(kept(), gradient, [](const optim::RuleContext& now) {
      return SignumRule{now["lr"], now["momentum"], now["weight_decay"]};
    });
  }
};
// ---- end signum

namespace {

/// MSAM around Signum. The rate falls along a cosine; biases do not decay.
optim::MSAM msam_around_signum(std::vector<Variable> weights, std::vector<Variable> biases) {
  Signum signum{{optim::Group{weights}, optim::Group{biases, {{"weight_decay", 0}}}},
                {.lr = optim::cosine(0.01, 1000), .weight_decay = 0.1}};
  return optim::MSAM{std::move(signum), {.rho = 0.5}};
}

std::string contents(const std::string& path) {
  std::ifstream file(MINIMA_SOURCE_DIR "/" + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

const char* const page = "docs/an-optimizer-of-your-own.md";

/// The lines between two texts, without the empty ones.
std::vector<std::string> lines_between(const std::string& text, const std::string& begin, const std::string& end) {
  const size_t from = text.find('\n', text.find(begin)), to = text.find(end, from);
  REQUIRE(to != std::string::npos);
  std::istringstream part(text.substr(from, to - from));
  std::vector<std::string> lines;
  for (std::string line; std::getline(part, line);)
    if (!line.empty()) lines.push_back(line);
  return lines;
}

// Six states: each counts the steps, the k-th by k.
struct SixRule {
  template <class T>
  MINIMA_HOST_DEVICE void operator()(T& weight, T grad, T& a, T& b, T& c, T& d, T& e, T& f) const {
    a += 1, b += 2, c += 3, d += 4, e += 5, f += 6;
    weight -= grad;
  }
};

struct Six : optim::BaseOptimizer {
  explicit Six(const optim::ParameterGroups& groups, const std::vector<const char*>& buffers)
      : BaseOptimizer("six", groups, {{"lr", 1, optim::Range::learning_rate}}, buffers) {}
  void update(const Tensor& gradient) override {
    optim::apply(kept(), gradient, [](const optim::RuleContext&) { return SixRule{}; });
  }
};

void register_once() {
  static const bool done = [] {
    optim::register_optimizer<Signum>("signum", {{"lr", 1e-3}, {"momentum", 0.9}, {"weight_decay", 0.1}});
    return true;
  }();
  (void)done;
}

}  // namespace

TEST_CASE("Signum, written in under 40 lines, makes the published steps") {
  const Variable w = leaf({1, -2});
  Signum signum{{w}, {.lr = 0.1, .momentum = 0.5, .weight_decay = 0.5}};
  std::vector<double> x{1, -2}, m{0, 0};
  const std::vector<std::vector<double>> gradients{{3, -1}, {-1, 4}, {0.5, 0.5}, {-6, 1}};
  for (const auto& g : gradients) {
    signum.step(training([&] { return sum(w * Variable(Tensor::from(g))); }));
    for (size_t i = 0; i < 2; ++i) {
      m[i] = 0.5 * m[i] + 0.5 * g[i];
      x[i] -= 0.1 * ((m[i] > 0) - (m[i] < 0) + 0.5 * x[i]);
    }
    CHECK_CLOSE(w.value(), Tensor::from(x), {.rtol = 1e-14});
    CHECK_CLOSE(signum.momentum(), Tensor::from(m), {.rtol = 1e-14});
  }
}

TEST_CASE("an optimizer of one's own has groups, schedules, statistics, clipping, states and wrappers as any") {
  register_once();
  const Variable a = leaf({1}), b = leaf({1});
  Signum signum{{optim::Group{{a}}, optim::Group{{b}, {{"lr", optim::step_decay(0.2, 1, 0.5)}}}}, {.lr = 0.1}};
  signum.measure(optim::Measure::norms);
  signum.step(training([&] { return sum(a * 3.0) + sum(b * 4.0); }));
  signum.step(training([&] { return sum(a * 3.0) + sum(b * 4.0); }));
  CHECK_CLOSE(a.value(), Tensor::from(std::vector{0.8}), {.rtol = 1e-14});
  CHECK_CLOSE(b.value(), Tensor::from(std::vector{0.7}), {.rtol = 1e-14});
  CHECK_CLOSE(std::vector{signum.last_step().gradient_norm}, std::vector{5.0}, {.rtol = 1e-14});
  const Variable c = leaf({1}), d = leaf({1});
  Signum other{{optim::Group{{c}}, optim::Group{{d}}}, {.lr = 0.7}};
  other.load_state(signum.state());
  CHECK_SAME_BITS(other.momentum(), signum.momentum());
  CHECK(other.group(0)["lr"](0) == 0.1);

  for (const std::string& wrapper : wrapper_names()) {
    CAPTURE(wrapper);
    const Variable w = leaf({1, 2});
    const auto made =
        optim::make_optimizer(wrapper, {w}, {.base = "signum", .hyperparameters = {{"lr", 0.05}, {"momentum", 0.8}}});
    CHECK(made->base_name() == "signum");
    CHECK(made->group(0)["momentum"](0) == 0.8);
    const double before = rugged({w}).item();
    for (int i = 0; i < 10; ++i) made->step(training([&] { return rugged({w}); }));
    CHECK(rugged({w}).item() < before);
  }
}

TEST_CASE(
    "MSAM around Signum takes the gradient ahead along Signum's momentum, with groups and schedules as Signum has") {
  const Variable w = leaf({1, -2}), b = leaf({3});
  optim::MSAM optimizer = msam_around_signum({w}, {b});
  std::vector<double> seen;
  const auto closure = [&] {
    seen = w.value().to_vector<double>();
    return training([&] { return sum(w * Variable(Tensor::from(std::vector<double>{3, 4}))) + sum(b * 12.0); })();
  };
  optimizer.step(closure);  // mean = 0.1 * (3, 4, 12), of length 1.3
  CHECK_CLOSE(w.value(), Tensor::from(std::vector{1 - 0.01 * (1 + 0.1), -2 - 0.01 * (1 - 0.2)}), {.rtol = 1e-14});
  CHECK_CLOSE(b.value(), Tensor::from(std::vector{3 - 0.01}), {.rtol = 1e-14});
  const std::vector<double> clean = w.value().to_vector<double>();
  optimizer.step(closure);
  CHECK_CLOSE(seen, (std::vector{clean[0] - 0.5 * 3 / 13, clean[1] - 0.5 * 4 / 13}), {.rtol = 1e-12});
  CHECK(optimizer.last_step().lr < 0.01);
}

TEST_CASE("the errors of an optimizer of one's own carry its name, and the page shows them as they are") {
  const std::string text = contents(page);
  const auto shown = [&](const std::string& message) {
    CHECK_MESSAGE(contains(text, message + "\n"), message << " is not in " << page);
    return message;
  };
  const Variable w = leaf({1});
  CHECK_ERROR((Signum{{w}, {.lr = -1}}), shown("[signum] got lr = -1 in group 0, expected a number above 0"));
  Signum signum{{w}, {.momentum = [](int64_t step) { return 0.9 + 0.1 * static_cast<double>(step); }}};
  CHECK_ERROR(signum.group(0)["beta2"],
              shown("[signum] got beta2 in group 0, expected what signum reads: lr, momentum, weight_decay"));
  signum.step(training([&] { return sum(w); }));
  CHECK_ERROR(signum.step(training([&] { return sum(w); })),
              shown("[signum] got momentum = 1 in group 0 at step 1 (counted from 0), expected a number in [0, 1)"));
  CHECK(signum.steps() == 1);
}

TEST_CASE("the page on an optimizer of one's own shows all of Signum and nothing else as its code, in under 40 lines") {
  const auto here =
      lines_between(contents("tests/optim/own_optimizer_test.cpp"), "// ---- begin signum", "// ---- end");
  std::vector<std::string> there;
  std::string rest = contents(page);
  for (const char* part : {"struct SignumRule", "struct SignumOptions", "struct Signum :"}) {
    const size_t marker = rest.find("<!-- source: tests/optim/own_optimizer_test.cpp " + std::string(part));
    REQUIRE_MESSAGE(marker != std::string::npos, part);
    rest = rest.substr(marker);
    for (const std::string& line : lines_between(rest, "```cpp", "```\n<!-- end -->")) there.push_back(line);
  }
  CHECK(there == here);
  CHECK(here.size() < 40);
}

TEST_CASE("a registered optimizer is known by name, with its defaults, once") {
  register_once();
  const auto names = optim::optimizer_names();
  CHECK(std::count(names.begin(), names.end(), "signum") == 1);
  CHECK(optim::defaults_of("msam", "signum").at("lr") == 1e-3);
  CHECK(optim::make_optimizer("signum", {leaf({1})})->group(0)["weight_decay"](0) == 0.1);
  CHECK_ERROR(optim::register_optimizer<Signum>("signum", {}), "[register_optimizer] got the name \"signum\"");
  CHECK_ERROR(optim::register_optimizer<Signum>("sam", {}), "[register_optimizer] got the name \"sam\"");
}

TEST_CASE("a rule may have any number of states up to six, and a number other than the buffers' is refused") {
  const Variable w = leaf({1, 2, 3});
  Six six{{w}, {"a", "b", "c", "d", "e", "f"}};
  six.step(training([&] { return sum(w); })), six.step(training([&] { return sum(w); }));
  for (int k = 0; k < 6; ++k)
    CHECK_CLOSE(six.buffers()[static_cast<size_t>(k)].second, Tensor::full({3}, 2.0 * (k + 1), DType::float64));
  const std::vector<std::vector<const char*>> wrong_buffers{{}, {"a"}, {"a", "b", "c", "d", "e", "f", "g"}};
  for (const auto& buffers : wrong_buffers) {
    Six wrong{{leaf({1})}, buffers};
    CHECK_ERROR(wrong.step(training([&] { return sum(wrong.parameters()[0]); })),
                text("[six] got a rule with 6 state elements, expected ", buffers.size()));
    CHECK(wrong.steps() == 0);
  }
}

TEST_CASE("an optimizer whose first buffer is no momentum trains, saves it, and is refused by MSAM") {
  const Variable w = leaf({1, -2});
  optim::Adagrad optimizer{{w}};
  optimizer.measure(optim::Measure::norms);
  for (int i = 0; i < 3; ++i) optimizer.step(training([&] { return sum(square(w)); }));
  CHECK(optimizer.state().tensors.count("squares") == 1);
  CHECK_FALSE(optimizer.has_momentum());
  CHECK(std::isnan(optimizer.last_step().velocity_norm));
  CHECK(optimizer.last_step().gradient_norm > 0);
  CHECK_ERROR(optimizer.momentum(), "[adagrad] got adagrad without momentum");
  CHECK_ERROR((optim::MSAM{optim::Adagrad{{w}}}),
              "[msam] got adagrad, which keeps no momentum, expected a base with momentum");
  optim::SAM sam{optim::Adagrad{{w}}, {.rho = 0.1}};
  sam.step(training([&] { return sum(square(w)); }));
}

namespace {

/// A rule that reads a hyperparameter "rho" and keeps the buffers that it is told to.
struct Named : optim::BaseOptimizer {
  Named(const Variable& w, const char* hyperparameter, const std::vector<const char*>& buffers)
      : BaseOptimizer("named", {w}, {{"lr", 0.1}, {hyperparameter, 0.9}}, buffers) {}
  void update(const Tensor& gradient) override {
    apply(kept(), gradient, [](const optim::RuleContext& now) { return core::GradientDescentRule{now["lr"], 0}; });
  }
};

}  // namespace

TEST_CASE("names that an optimizer's hyperparameters or buffers would share are refused") {
  const Variable w = leaf({1});
  CHECK_ERROR(Named(w, "lr", {}), "[named] got a second hyperparameter \"lr\"");
  for (const char* wrapper : {"sam", "asam", "msam", "looksam", "esam", "along-random"})
    CHECK_ERROR(wrap(wrapper, std::make_unique<Named>(w, "rho", std::vector{"v"}), 0.05),
                text("[", wrapper, "] got a second hyperparameter \"rho\", beside that of named"));
  CHECK_ERROR(Named(w, "mu", {"m", "m"}), "[named] got a second entry \"m\" of the saved state");
  for (const char* name : {"steps", "gradient_evaluations", "parameter_sizes", "parameter_steps", "groups.lr"})
    CHECK_ERROR(Named(w, "mu", {name}), text("a second entry \"", name, "\" of the saved state"));
  CHECK_ERROR(wrap("looksam", std::make_unique<Named>(w, "mu", std::vector{"u"}), 0.05), "a second entry \"u\"");
  CHECK_ERROR(wrap("along-last-gradient", std::make_unique<Named>(w, "mu", std::vector{"last_gradient"}), 0.05),
              "a second entry \"last_gradient\"");
}
