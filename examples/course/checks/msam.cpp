// Assignment 6: MSAM over SGD, its weights kept at the perturbed point.
#include <cmath>
#include <numbers>

#include "examples/course/checks/checks.h"
#include "examples/labs/textbook.h"

namespace minima::examples::course {

namespace {

/// The student's MSAM on rugged(), and what can be seen of it.
class Watched {
 public:
  explicit Watched(const TextbookOptions& options, const std::vector<Variable>& w = three_tensors())
      : options_(options), w_(w), msam_(w_, options), clean_(evaluated()) {}

  void step() {
    before_ = clean_;
    velocity_before_ = velocity();
    msam_.step(training(w_, &seen_));
    clean_ = evaluated();
  }
  /// As after an interruption: a new optimizer, with what a checkpoint holds.
  void resume() {
    const TextbookMsam::State state = msam_.save();
    msam_ = TextbookMsam(w_, options_);
    msam_.load(state);
    clean_ = evaluated();
  }
  void finish() { msam_.finish(); }

  const std::vector<Variable>& weights() const { return w_; }
  const Numbers& clean() const { return clean_; }
  const Numbers& before() const { return before_; }
  const Numbers& velocity_before() const { return velocity_before_; }
  /// Where the last gradient was taken.
  const Numbers& seen() const { return seen_.back(); }
  Numbers velocity() const {
    Numbers all;
    for (const Tensor& v : msam_.velocity())
      for (const double x : v.to_vector<double>()) all.push_back(x);
    return all;
  }

 private:
  /// The weights after move_back(), which is then forgotten: by the weights, and by the optimizer, as a copy of it is
  /// called. So it makes no difference whether move_back() changes the factors.
  Numbers evaluated() {
    std::vector<Tensor> kept;
    for (const Variable& p : w_) kept.push_back(p.value().clone());
    TextbookMsam copy = msam_;
    copy.move_back();
    Numbers values = values_of(w_);
    for (size_t i = 0; i < w_.size(); ++i) {
      Tensor value = w_[i].value();
      value.copy_from(kept[i]);
    }
    return values;
  }

  TextbookOptions options_;
  std::vector<Variable> w_;
  TextbookMsam msam_;
  std::vector<Numbers> seen_;
  Numbers clean_, before_, velocity_before_;
};

constexpr double lr = 0.01, rho = 0.3;

/// The clean weights, beside those of the library's MSAM.
std::string beside_library(const optim::Schedule& rate, const optim::Schedule& radius, double decay, int steps) {
  Watched ours({.lr = rate, .rho = radius, .weight_decay = decay});
  const std::vector<Variable> theirs = three_tensors();
  optim::MSAM library{optim::SGD{theirs, {.lr = rate, .momentum = 0.9, .weight_decay = decay}}, {.rho = radius}};
  for (int i = 0; i < steps; ++i) {
    ours.step();
    library.step(training(theirs));
    const std::string problem = differs(ours.clean(), values_of(theirs), 1e-9);
    if (!problem.empty()) return text("after step ", i + 1, ": ", problem);
  }
  return "";
}

}  // namespace

void check_msam(Checks& checks) {
  checks.claim(10, "the first step, without momentum yet, is that of SGD", [] {
    Watched msam({.lr = lr, .rho = rho});
    const Numbers start = values_of(three_tensors());
    msam.step();
    const std::string problem = differs(msam.seen(), start, 0);
    return problem.empty() ? differs(msam.clean(), plus(start, -lr, rugged_gradient(start)), 1e-12) : problem;
  });
  checks.claim(10, "the gradient is taken ahead of the weights, along the coming update", [] {
    Watched msam({.lr = lr, .rho = rho});
    for (int i = 0; i < 4; ++i) msam.step();
    const Numbers e = minus(msam.seen(), msam.before()), &v = msam.velocity_before();
    double along = 0;
    for (size_t i = 0; i < e.size(); ++i) along -= e[i] * v[i];
    const double cosine = along / (norm(e) * norm(v));
    return cosine > 1 - 1e-10 ? std::string() : text("the cosine between the way there and the update is ", cosine);
  });
  checks.claim(10, "it is taken at distance rho, measured over all tensors together", [] {
    Watched msam({.lr = lr, .rho = rho});
    for (int i = 0; i < 4; ++i) msam.step();
    return differs({norm(minus(msam.seen(), msam.before()))}, {rho});
  });
  checks.claim(10, "each step leads from w to w - lr * velocity", [] {
    Watched msam({.lr = lr, .rho = rho});
    for (int i = 0; i < 6; ++i) {
      msam.step();
      const std::string problem = differs(msam.clean(), plus(msam.before(), -lr, msam.velocity()), 1e-11);
      if (!problem.empty()) return text("in step ", i + 1, ": ", problem);
    }
    return std::string();
  });
  checks.claim(15, "120 steps are those of optim::MSAM", [] { return beside_library(lr, rho, 0, 120); });
  checks.claim(10, "they are when lr and rho change from step to step, too", [] {
    const optim::Schedule radius = [](int64_t step) {
      return step < 5 ? 0 : 0.3 * (1 - static_cast<double>(step) / 60);
    };
    return beside_library(optim::cosine(lr, 60), radius, 0, 50);
  });
  checks.claim(10, "weight decay is taken at w", [] { return beside_library(lr, rho, 0.3, 30); });
  checks.claim(5, "the gradient that was computed is still there after the step", [] {
    Watched msam({.lr = lr, .rho = rho, .weight_decay = 0.3});
    for (int i = 0; i < 3; ++i) msam.step();
    return differs(gradients_of(msam.weights()), rugged_gradient(msam.seen()), 1e-12);
  });
  checks.claim(10, "a training that is interrupted and resumed goes on as if it had not been", [] {
    Watched whole({.lr = lr, .rho = rho}), resumed({.lr = lr, .rho = rho});
    for (int i = 0; i < 20; ++i) {
      whole.step();
      resumed.step();
      if (i == 9) resumed.resume();
    }
    return differs(resumed.clean(), whole.clean(), 1e-13);
  });
  checks.claim(5, "after finish() the weights are the clean ones", [] {
    Watched msam({.lr = lr, .rho = rho});
    for (int i = 0; i < 5; ++i) msam.step();
    const Numbers clean = msam.clean();
    msam.finish();
    return differs(values_of(msam.weights()), clean, 1e-13);
  });
  checks.claim(5, "rho_schedule rises once, and then only falls, along half a cosine, to a quarter", [] {
    const optim::Schedule schedule = rho_schedule(0.4, 100);
    Numbers got, expected;
    for (int64_t step = 60; step < 100; ++step) {
      const double share = static_cast<double>(step - 60) / 40;
      got.push_back(schedule(step)), expected.push_back(0.1 + 0.3 * (1 + std::cos(std::numbers::pi * share)) / 2);
    }
    return differs(got, expected, 1e-12);
  });
}

}  // namespace minima::examples::course
