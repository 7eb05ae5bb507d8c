// What every optimizer offers (Optimizer), and what those with an update rule of their own share (BaseOptimizer: SGD,
// Nesterov, Adam, AdamW). SAM, MSAM and the others that perturb the weights wrap one of the latter (wrapper.h).
//   optim::SGD optimizer{model.parameters(), {.lr = 0.1, .momentum = 0.9}};
//   optimizer.step([&] {
//     auto loss = nn::cross_entropy(model(images), labels);
//     loss.backward();
//     return loss;
//   });
// Promises: the weights that can be seen between steps are the clean ones, also after a closure that threw; a step
// never changes a gradient; only parameters that require a gradient are touched, and a parameter that the loss does not
// reach has a gradient of zero (it still decays and moves on with its momentum).
#pragma once

#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "core/safetensors.h"
#include "core/update_rules.h"
#include "optim/flat.h"
#include "optim/schedule.h"

namespace minima::optim {

/// Runs forward and backward on the current batch and returns the loss (one element). Called once a step by SGD,
/// Nesterov, Adam, AdamW and MSAM, twice by SAM and ASAM, each time with the gradients zeroed: several backward passes
/// inside one closure accumulate.
using Closure = std::function<Variable()>;

/// The losses of these samples of the current batch, one each: rows int64 [k] -> [k], all of the batch where rows is
/// undefined. For optimizers that choose among the samples (ESAM); the mean and backward() are the optimizer's.
///   optimizer.step([&](const Tensor& rows) {
///     const auto of = [&](const Tensor& all) { return rows.defined() ? core::gather_rows(all, rows) : all; };
///     return nn::cross_entropies(model(of(images)), of(labels));
///   });
using SampleLosses = std::function<Variable(const Tensor& rows)>;

/// The hyperparameters of one group; read and change them between steps: optimizer.group(0).lr = 0.01. An optimizer
/// reads only those that its own options name.
struct Hyperparameters {
  Schedule lr = 0.1, momentum = 0;
  std::optional<Schedule> rho;  ///< radius of a wrapper's perturbation; a wrapper fills it in
  double weight_decay = 0, dampening = 0, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
};

/// What a group has of its own; everything else it inherits from the optimizer's options.
struct GroupOptions {
  std::optional<Schedule> lr{}, momentum{}, rho{};
  std::optional<double> weight_decay{}, dampening{}, beta1{}, beta2{}, epsilon{};
};

/// Parameters with hyperparameters of their own:
///   optim::SGD{{optim::Group{weights}, optim::Group{biases, {.weight_decay = 0}}}, {.lr = 0.1, .weight_decay = 5e-4}}
struct Group {
  std::vector<Variable> parameters;
  GroupOptions options{};
};

/// What last_step() tells beyond the loss and the hyperparameters. Each level includes those before it.
enum class Measure {
  nothing,
  norms,   ///< norms and cosine: a few more passes over flat memory
  losses,  ///< and the loss at clean weights under MSAM, which costs a run of the closure that nothing counts
};

/// What the last step did. NaN where it was not measured or does not exist. lr, momentum and rho are those of group 0;
/// norms are over all trainable parameters of all groups; v is the momentum buffer before the step.
struct StepStatistics {
  static constexpr double none = std::numeric_limits<double>::quiet_NaN();
  int64_t step = 0;    ///< 1 for the first
  double loss = none;  ///< what step() returned: at w, or at w + e where that is the step's only gradient (MSAM)
  double lr = none, momentum = none, rho = none;
  double gradient_norm = none;      ///< |g|, g the gradient of `loss`
  double velocity_norm = none;      ///< |v|
  double cosine = none;             ///< cos(v, g); NaN while v or g is 0
  double perturbation_norm = none;  ///< |e|, in steps that perturb
  double loss_clean = none, loss_perturbed = none;  ///< at w and at w + e
};

class BaseOptimizer;

class Optimizer {
 public:
  Optimizer() = default;
  Optimizer(Optimizer&&) = default;
  Optimizer& operator=(Optimizer&&) = default;
  virtual ~Optimizer() = default;

  /// One step on the batch that the closure trains on. Returns the loss of the (first) call. Errors: a closure that
  /// never calls backward(), a schedule that yields NaN or a number out of range (naming the step), parameters whose
  /// dtype or device changed. What the closure throws passes through; the step then has not happened.
  virtual Variable step(const Closure& closure) = 0;
  /// The same on the mean of the samples' losses; ESAM takes its second gradient on some of them only.
  virtual Variable step(const SampleLosses& losses);
  /// As make_optimizer() knows it: "sgd", "msam", "along-random" ...
  virtual std::string name() const = 0;
  /// The optimizer whose rule moves the weights: this one, or what a wrapper wraps.
  virtual BaseOptimizer& base() = 0;
  const BaseOptimizer& base() const { return const_cast<Optimizer*>(this)->base(); }

  int groups() const;
  Hyperparameters& group(int i);
  const Hyperparameters& group(int i) const { return const_cast<Optimizer*>(this)->group(i); }
  /// In the order of the flat buffers: group by group.
  const std::vector<Variable>& parameters() const;
  /// The momentum buffer v (Adam: the raw first moment m), flat, in the order of parameters(). An error without one.
  const Tensor& momentum() const;

  /// What is kept between steps, by name: momentum and the like. The memory itself, not a copy.
  using Buffers = std::vector<std::pair<std::string, Tensor>>;
  virtual Buffers buffers() const = 0;

  /// Steps completed.
  int64_t steps() const;
  /// Forward-backward passes used for them: 1 a step, 2 with SAM and ASAM. One on a part of the batch counts as one.
  int64_t gradient_evaluations() const;
  const StepStatistics& last_step() const;
  void measure(Measure what);

  /// Everything a resumed run needs beside the weights: buffers, counters and the hyperparameters that are constants.
  Archive state() const;
  /// Puts a state back; resumed equals uninterrupted, bit for bit, wrappers included. Hyperparameters that are
  /// constants here and there are overwritten; schedules stay those this optimizer was made with. Errors, which change
  /// nothing: the state of another kind of optimizer, other parameter sizes, groups or dtype, missing entries.
  void load_state(const Archive& archive);
};

/// An optimizer with an update rule, and the parts that its step and a wrapper's are made of.
class BaseOptimizer : public Optimizer {
 public:
  /// What distinguishes one optimizer from another, beside its rule.
  struct Setup {
    const char* name;
    std::vector<const char*> options;  ///< the hyperparameters that this optimizer reads
    std::vector<const char*> states;   ///< its buffers; the first is the momentum
    double max_gradient_norm;
  };

  /// A group's scheduled values at this step.
  struct Values {
    double lr, momentum, rho;
  };

  Variable step(const Closure& closure) override;
  using Optimizer::step;
  std::string name() const override { return name_; }
  BaseOptimizer& base() override { return *this; }
  using Optimizer::base;
  Buffers buffers() const override;

  // ---- the parts of a step, for wrappers
  /// Samples and checks the schedules.
  void begin_step();
  /// Zeroes the gradients, calls the closure and leaves the gradient in flat().gradients().
  Variable gradient(const Closure& closure);
  /// The loss alone, with no trace: batch statistics frozen, random numbers rewound, nothing counted.
  double loss_only(const Closure& closure);
  /// Tells last_step() about the loss and, on request, g and v. Before update().
  void observe(const Variable& loss);
  StepStatistics& statistics() { return statistics_; }
  Measure measured() const { return measure_; }
  /// Moves the weights by the rule with this flat gradient, and completes the step.
  void update(const Tensor& gradient);

  const FlatParameters& flat() const { return flat_; }
  const Values& values(int group) const { return values_[group]; }
  bool has_momentum() const { return !states_.empty(); }
  /// Whether weight decay is part of the gradient (AdamW's is not).
  virtual bool decay_in_gradient() const { return true; }

 protected:
  BaseOptimizer(const Setup& setup, const std::vector<Group>& groups, const Hyperparameters& defaults);
  /// The rule of one group at the coming step.
  virtual UpdateRule rule(const Hyperparameters& group, const Values& now) const = 0;

 private:
  friend class Optimizer;
  static constexpr int64_t when_made = -1;
  void check(int group, int64_t step) const;
  Tensor clipped(const Tensor& gradient) const;

  const char* name_;
  std::vector<const char*> options_, state_names_;
  double max_gradient_norm_;
  FlatParameters flat_;
  std::vector<Hyperparameters> groups_;
  std::vector<Values> values_;
  std::vector<Tensor> states_;
  int64_t steps_ = 0, gradient_evaluations_ = 0;
  Measure measure_ = Measure::nothing;
  StepStatistics statistics_;
};

namespace detail {
/// One group of all parameters.
std::vector<Group> single_group(std::vector<Variable> parameters);
/// " at step 3 (counted from 0)", for errors; nothing for a negative step.
std::string at_step(int64_t step);
/// Runs the samples' losses and checks that there is one for each of `rows` (all: undefined).
Variable losses_of(const std::string& where, const SampleLosses& losses, const Tensor& rows);
/// The closure of their mean.
Closure mean_of(const std::string& where, const SampleLosses& losses);
}  // namespace detail

}  // namespace minima::optim
