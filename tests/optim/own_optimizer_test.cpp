// An optimizer of one's own, as docs/an-optimizer-of-your-own.md shows it: Lion, a rule, its options and one line.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>

#include "optim/make.h"
#include "tests/check.h"
#include "tests/optim/problem.h"

using namespace minima;
using namespace minima::test;

// ---- begin lion

/// Lion (Chen et al., 2023): the sign of an average of momentum and gradient, with decoupled decay.
struct LionRule {
  double lr, beta1, beta2, weight_decay;

  template <class T>
  MINIMA_HOST_DEVICE void operator()(T& weight, T grad, T& momentum) const {
    const T c = T(beta1) * momentum + T(1 - beta1) * grad;
    weight -= T(lr) * (T((c > 0) - (c < 0)) + T(weight_decay) * weight);
    momentum = T(beta2) * momentum + T(1 - beta2) * grad;
  }
};

struct LionOptions {
  optim::Schedule lr = 1e-4, beta1 = 0.9, beta2 = 0.99, weight_decay = 0;
};

struct Lion : optim::BaseOptimizer {
  explicit Lion(const optim::ParameterGroups& groups, const LionOptions& options = {})
      : BaseOptimizer("lion", groups,
                      {{"lr", options.lr, optim::Range::learning_rate},
                       {"beta1", options.beta1, optim::Range::below_1},
                       {"beta2", options.beta2, optim::Range::below_1},
                       {"weight_decay", options.weight_decay}},
                      {"momentum"}) {}

  void update(const Tensor& gradient) override {
    optim::apply(kept(), gradient, [](const optim::RuleContext& now) {
      return LionRule{now["lr"], now["beta1"], now["beta2"], now["weight_decay"]};
    });
  }
};
// ---- end lion

namespace {

/// MSAM around Lion. The rate falls along a cosine; biases do not decay.
optim::MSAM msam_around_lion(std::vector<Variable> weights, std::vector<Variable> biases) {
  Lion lion{{optim::Group{weights}, optim::Group{biases, {{"weight_decay", 0}}}},
            {.lr = optim::cosine(0.01, 1000), .weight_decay = 0.1}};
  return optim::MSAM{std::move(lion), {.rho = 0.5}};
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

/// RMSprop: it remembers a mean of squares, and no momentum.
struct RmsPropRule {
  double lr, alpha;
  template <class T>
  MINIMA_HOST_DEVICE void operator()(T& weight, T grad, T& s) const {
    s = T(alpha) * s + T(1 - alpha) * grad * grad;
    weight -= T(lr) * grad / (std::sqrt(s) + T(1e-8));
  }
};

struct RmsProp : optim::BaseOptimizer {
  explicit RmsProp(const optim::ParameterGroups& groups)
      : BaseOptimizer("rmsprop", groups, {{"lr", 0.01}, {"alpha", 0.99, optim::Range::below_1}}, {"s"}) {
    kept().momentum_is_first_buffer = false;
  }
  void update(const Tensor& gradient) override {
    optim::apply(kept(), gradient, [](const optim::RuleContext& now) { return RmsPropRule{now["lr"], now["alpha"]}; });
  }
};

void register_once() {
  static const bool done = [] {
    optim::register_optimizer<Lion>("lion", {{"lr", 1e-4}, {"beta1", 0.9}, {"weight_decay", 0.1}});
    return true;
  }();
  (void)done;
}

}  // namespace

TEST_CASE("Lion, written in under 40 lines, makes the published steps") {
  const Variable w = leaf({1, -2});
  Lion lion{{w}, {.lr = 0.1, .beta1 = 0.5, .beta2 = 0.8, .weight_decay = 0.5}};
  std::vector<double> x{1, -2}, m{0, 0};
  const std::vector<std::vector<double>> gradients{{3, -1}, {-1, 4}, {0.5, 0.5}, {-6, 1}};
  for (const auto& g : gradients) {
    lion.step(training([&] { return sum(w * Variable(Tensor::from(g))); }));
    for (size_t i = 0; i < 2; ++i) {
      const double c = 0.5 * m[i] + 0.5 * g[i];
      x[i] -= 0.1 * ((c > 0) - (c < 0) + 0.5 * x[i]);
      m[i] = 0.8 * m[i] + 0.2 * g[i];
    }
    CHECK_CLOSE(w.value(), Tensor::from(x), {.rtol = 1e-14});
    CHECK_CLOSE(lion.momentum(), Tensor::from(m), {.rtol = 1e-14});
  }
}

TEST_CASE("an optimizer of one's own has groups, schedules, statistics, clipping, states and wrappers as any") {
  register_once();
  const Variable a = leaf({1}), b = leaf({1});
  Lion lion{{optim::Group{{a}}, optim::Group{{b}, {{"lr", optim::step_decay(0.2, 1, 0.5)}}}}, {.lr = 0.1}};
  lion.measure(optim::Measure::norms);
  lion.step(training([&] { return sum(a * 3.0) + sum(b * 4.0); }));
  lion.step(training([&] { return sum(a * 3.0) + sum(b * 4.0); }));
  CHECK_CLOSE(a.value(), Tensor::from(std::vector{0.8}), {.rtol = 1e-14});
  CHECK_CLOSE(b.value(), Tensor::from(std::vector{0.7}), {.rtol = 1e-14});
  CHECK_CLOSE(std::vector{lion.last_step().gradient_norm}, std::vector{5.0}, {.rtol = 1e-14});
  const Variable c = leaf({1}), d = leaf({1});
  Lion other{{optim::Group{{c}}, optim::Group{{d}}}, {.lr = 0.7}};
  other.load_state(lion.state());
  CHECK_SAME_BITS(other.momentum(), lion.momentum());
  CHECK(other.group(0)["lr"](0) == 0.1);

  for (const std::string& wrapper : wrapper_names()) {
    CAPTURE(wrapper);
    const Variable w = leaf({1, 2});
    const auto made = optim::make_optimizer(
        wrapper, {w}, {.base = "lion", .hyperparameters = {{"lr", 0.05}, {"momentum", 0.8}, {"beta2", 0.9}}});
    CHECK(made->base_name() == "lion");
    CHECK(made->group(0)["beta1"](0) == 0.8);
    const double before = rugged({w}).item();
    for (int i = 0; i < 10; ++i) made->step(training([&] { return rugged({w}); }));
    CHECK(rugged({w}).item() < before);
  }
}

TEST_CASE("MSAM around Lion takes the gradient ahead along Lion's momentum, with groups and schedules as Lion has") {
  const Variable w = leaf({1, -2}), b = leaf({3});
  optim::MSAM optimizer = msam_around_lion({w}, {b});
  std::vector<double> seen;
  const auto closure = [&] {
    seen = w.value().to_vector<double>();
    return training([&] { return sum(w * Variable(Tensor::from(std::vector<double>{3, 4}))) + sum(b * 12.0); })();
  };
  optimizer.step(closure);  // momentum = 0.01 * (3, 4, 12), of length 0.13
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
  CHECK_ERROR((Lion{{w}, {.lr = -1}}), shown("[lion] got lr = -1 in group 0, expected a number above 0"));
  Lion lion{{w}, {.beta1 = [](int64_t step) { return 0.9 + 0.1 * static_cast<double>(step); }}};
  CHECK_ERROR(lion.group(0)["momentum"],
              shown("[lion] got momentum in group 0, expected what lion reads: lr, beta1, beta2, weight_decay"));
  lion.step(training([&] { return sum(w); }));
  CHECK_ERROR(lion.step(training([&] { return sum(w); })),
              shown("[lion] got beta1 = 1 in group 0 at step 1 (counted from 0), expected a number in [0, 1)"));
  CHECK(lion.steps() == 1);
}

TEST_CASE("the page on an optimizer of one's own shows all of Lion and nothing else as its code, in under 40 lines") {
  const auto here = lines_between(contents("tests/optim/own_optimizer_test.cpp"), "// ---- begin lion", "// ---- end");
  std::vector<std::string> there;
  std::string rest = contents(page);
  for (const char* part : {"struct LionRule", "struct LionOptions", "struct Lion :"}) {
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
  CHECK(std::count(names.begin(), names.end(), "lion") == 1);
  CHECK(optim::defaults_of("msam", "lion").at("lr") == 1e-4);
  CHECK(optim::make_optimizer("lion", {leaf({1})})->group(0)["weight_decay"](0) == 0.1);
  CHECK_ERROR(optim::register_optimizer<Lion>("lion", {}), "[register_optimizer] got the name \"lion\"");
  CHECK_ERROR(optim::register_optimizer<Lion>("sam", {}), "[register_optimizer] got the name \"sam\"");
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

TEST_CASE("an optimizer whose buffer is no momentum trains, saves it, and is refused by MSAM") {
  const Variable w = leaf({1, -2});
  RmsProp optimizer{{w}};
  optimizer.measure(optim::Measure::norms);
  for (int i = 0; i < 3; ++i) optimizer.step(training([&] { return sum(square(w)); }));
  CHECK(optimizer.state().tensors.count("s") == 1);
  CHECK_FALSE(optimizer.has_momentum());
  CHECK(std::isnan(optimizer.last_step().velocity_norm));
  CHECK(optimizer.last_step().gradient_norm > 0);
  CHECK_ERROR(optimizer.momentum(), "[rmsprop] got rmsprop without momentum");
  CHECK_ERROR((optim::MSAM{RmsProp{{w}}}),
              "[msam] got rmsprop, which keeps no momentum, expected a base with momentum");
  optim::SAM sam{RmsProp{{w}}, {.rho = 0.1}};
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
