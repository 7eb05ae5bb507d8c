// A program outside minima, built and run against it in every way of docs/install.md. It uses what is easily lost on
// the way into a library of one's own: classes that are derived from, rules that are compiled here, errors that cross
// over.
#include <cmath>
#include <cstdio>
#include <cstring>

#include "core/tensor.h"
#include "minima.h"
#include "testing.h"

using namespace minima;

/// What a program calls its own is its own, also where it says `using namespace minima`.
namespace detail {
constexpr double learnt = 0.85;
}

namespace {

/// A layer of the program's own: x * weight.
struct Scale : nn::Module {
  Variable weight{Tensor::full({32}, 1), requires_grad};
  Variable forward(const Variable& x) override { return x * weight; }
  void visit(nn::Visitor& visitor) override { visitor("weight", weight); }
};

struct PlainRule {
  double lr;
  template <class T>
  MINIMA_HOST_DEVICE void operator()(T& weight, T grad, T& velocity) const {
    velocity = T(0.9) * velocity + grad;
    weight -= T(lr) * velocity;
  }
};

/// An optimizer of the program's own: SGD with a momentum of 0.9.
struct Plain : optim::BaseOptimizer {
  explicit Plain(const optim::ParameterGroups& groups, double lr)
      : BaseOptimizer("plain", groups, {{"lr", lr, optim::Range::learning_rate}}, {"velocity"}) {}
  void update(const Tensor& gradient) override {
    optim::apply(kept(), gradient, [](const optim::RuleContext& now) { return PlainRule{now["lr"]}; });
  }
};

/// The share of the test digits that a small network gets right after five epochs.
template <class Optimizer>
double accuracy_with(Optimizer&& optimizer_of) {
  auto [train, test] = datasets::digits();
  manual_seed(1);
  nn::Sequential model{nn::Flatten{}, nn::Linear{64, 32}, nn::ReLU{}, Scale{}, nn::Linear{32, 10}};
  auto optimizer = optimizer_of(model.parameters());
  datasets::Loader batches{train, {.batch_size = 64, .seed = 1}};
  for (int epoch = 0; epoch < 5; ++epoch)
    for (auto [images, labels] : batches.epoch(epoch))
      optimizer.step([&] {
        Variable loss = nn::cross_entropy(model(images), labels);
        loss.backward();
        return loss;
      });
  model.eval();
  NoGrad no_grad;
  auto [images, labels] = test.all();
  return nn::accuracy(model(images), labels);
}

int failures = 0;

void check(bool holds, const char* what) {
  std::printf("%s %s\n", holds ? "ok      " : "FAILED  ", what);
  failures += !holds;
}

}  // namespace

int main() {
  std::printf("minima %s\n", version());
  const double own = accuracy_with([](auto w) { return Plain{w, 0.05}; });
  const double sgd = accuracy_with([](auto w) { return optim::SGD{w, {.lr = 0.05, .momentum = 0.9}}; });
  const double msam = accuracy_with([](auto w) { return optim::MSAM{optim::SGD{w, {.lr = 0.05, .momentum = 0.9}}}; });
  std::printf("test accuracy: %.3f with an optimizer of this program, %.3f with SGD, %.3f with MSAM\n", own, sgd, msam);
  check(sgd > detail::learnt && msam > detail::learnt, "the digits are learnt");
  check(std::abs(own - sgd) < 0.02, "the optimizer of this program does what SGD does");

  try {
    datasets::load("no-such-file.csv", {});
    check(false, "an error of the library is caught as minima::Error");
  } catch (const Error& error) {
    check(std::strstr(error.what(), "no-such-file.csv") != nullptr,
          "an error of the library is caught as minima::Error");
  }
  return failures == 0 ? 0 : 1;
}
