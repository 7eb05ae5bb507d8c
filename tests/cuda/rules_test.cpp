// The rules of optimizers on the GPU: minima's and a user's own. Their numbers (learning rate, step count) change from
// step to step, and lie in device memory.
#include "core/cuda/cuda_backend.h"
#include "optim/schedule.h"
#include "tests/cuda/on_device.h"
#include "tests/cuda/own_rule.h"
#include "tests/cuda/training.h"

using namespace minima;
using namespace minima::test;

namespace {

struct RmsProp : optim::BaseOptimizer {
  explicit RmsProp(const std::vector<Variable>& parameters, const optim::Schedule& lr)
      : BaseOptimizer("rmsprop", parameters, {{"lr", lr, optim::Range::learning_rate}}, {"square"}) {}
  void update(const Tensor& gradient) override {
    optim::apply(kept(), gradient, [](const optim::RuleContext& now) { return RmsPropRule{now["lr"], 0.9, 1e-3}; });
  }
};

struct HalfSteps : optim::BaseOptimizer {
  explicit HalfSteps(const std::vector<Variable>& parameters)
      : BaseOptimizer("half steps", parameters, {{"lr", 0.1, optim::Range::learning_rate}}, {}) {}
  void update(const Tensor& gradient) override {
    optim::apply(kept(), gradient, [](const optim::RuleContext& now) { return HalfStepRule{now["lr"]}; });
  }
};

/// Three steps of a rule over n weights, each with other numbers: the weights and states.
template <class MakeRule>
std::vector<Tensor> three_steps(const MakeRule& rule_of_step, int states, int64_t n, DType dtype, Device device) {
  std::vector<Tensor> all{numbers({n}, dtype, 1).to(device)};
  for (int i = 0; i < states; ++i) all.push_back(Tensor::zeros({n}, dtype, device));
  for (int step = 0; step < 3; ++step) {
    const auto rule = rule_of_step(step);
    const Tensor grad = numbers({n}, dtype, 10 + static_cast<uint64_t>(step)).to(device);
    core::backend(device).update(core::kernel_of(rule), all[0], grad, all.data() + 1, {});
  }
  return all;
}

template <class MakeRule>
void check_rule(const MakeRule& rule_of_step, int states) {
  for (const DType dtype : floating_types)
    for (const int64_t n : {1, 700, 5000}) {
      CAPTURE(n);
      const auto on = [&](Device device) { return three_steps(rule_of_step, states, n, dtype, device); };
      const auto host = on(Device::cpu), device = on(Device::cuda);
      for (size_t i = 0; i < host.size(); ++i) CHECK_CLOSE(device[i], host[i], rounding(dtype));
    }
}

/// Weights after some steps of one linear layer.
template <class MakeOptimizer>
Tensor trained(Device device, const MakeOptimizer& make) {
  manual_seed(2);
  nn::Linear model{12, 5};
  model.to(DType::float64);
  model.to(device);
  auto optimizer = make(model.parameters());
  const Tensor x = numbers({8, 12}, DType::float64).to(device);
  for (int i = 0; i < 12; ++i)
    optimizer.step([&] {
      Variable loss = mean(square(model(x)));
      loss.backward();
      return loss;
    });
  return model.weight.value();
}

}  // namespace

TEST_CASE("every rule's step is the CPU's, with other numbers at each step") {
  check_rule([](int step) { return core::GradientDescentRule{0.1 + step, 0.01}; }, 0);
  check_rule([](int step) { return core::SgdRule{0.1 + step, 0.9, step == 0 ? 0.0 : 0.2, 0.01}; }, 1);
  check_rule([](int step) { return core::NesterovRule{0.1 + step, 0.9, 0.01}; }, 1);
  for (const bool decoupled : {false, true})
    check_rule(
        [=](int step) {
          return core::AdamRule{
              0.01, 0.9, 0.99, 1e-8, 0.1, 1 - std::pow(0.9, step + 1), 1 - std::pow(0.99, step + 1), decoupled};
        },
        2);
  check_rule([](int step) { return core::RmsPropRule{0.1 + step, 0.9, 1e-3, 0.8, 0.01}; }, 2);
  check_rule([](int step) { return core::AdagradRule{0.1 + step, 1e-3, 0.01}; }, 1);
  check_rule([](int step) { return core::LionRule{0.1 + step, 0.9, 0.99, 0.01}; }, 1);
  check_rule([](int step) { return core::AverageRule{1.0 / (1 + step)}; }, 0);
  check_rule([](int step) { return RmsPropRule{0.1 + step, 0.9, 1e-3}; }, 1);
}

TEST_CASE("an optimizer of one's own trains on the GPU as on the CPU, alone and within SAM") {
  const optim::Schedule falling = optim::cosine(0.05, 20);
  const auto alone = [&](const std::vector<Variable>& parameters) { return RmsProp(parameters, falling); };
  CHECK_CLOSE(trained(Device::cuda, alone), trained(Device::cpu, alone), {1e-9, 1e-11});
  const auto within = [&](const std::vector<Variable>& parameters) {
    return optim::SAM{RmsProp(parameters, falling), {.rho = optim::cosine(0.1, 20)}};
  };
  CHECK_CLOSE(trained(Device::cuda, within), trained(Device::cpu, within), {1e-9, 1e-11});
}

TEST_CASE("a rule that was not compiled for the GPU is an error that says how to do that") {
  nn::Linear model{3, 2};
  model.to(Device::cuda);
  HalfSteps optimizer(model.parameters());
  const Tensor before = model.weight.value().to(Device::cpu);
  const auto step = [&] {
    optimizer.step([&] {
      Variable loss = sum(model(numbers({4, 3}, DType::float32).to(Device::cuda)));
      loss.backward();
      return loss;
    });
  };
  CHECK_ERROR(step(), "the rule minima::test::HalfStepRule on the GPU");
  CHECK_ERROR(step(), "static const minima::core::cuda::OnCuda<minima::test::HalfStepRule> on_cuda;");
  CHECK_SAME_BITS(model.weight.value().to(Device::cpu), before);
}
