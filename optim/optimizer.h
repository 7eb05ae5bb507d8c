// SPDX-License-Identifier: MIT
// What every optimizer offers (Optimizer) and keeps (OptimizerState), and what those with an update rule of their own
// share (BaseOptimizer: SGD, Nesterov, Adam, AdamW, RMSprop, Adagrad, Lion). SAM, MSAM and the others that perturb the
// weights wrap one of the latter (wrapper.h).
//   optim::SGD optimizer{model.parameters(), {.lr = 0.1, .momentum = 0.9}};
//   optimizer.step([&] {
//     auto loss = nn::cross_entropy(model(images), labels);
//     loss.backward();
//     return loss;
//   });
// Promises: the weights that can be seen between steps are the clean ones, also after a closure that threw; a step
// never changes a gradient; a step never waits for the device (but ESAM, which chooses samples by their losses); a step
// moves only parameters that require a gradient and that the loss reached. All others keep their weights (MSAM: to two
// roundings), their buffers and their count of steps, as in PyTorch after zero_grad().
#pragma once

#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "core/communicator.h"
#include "core/safetensors.h"
#include "core/small_vector.h"
#include "core/update_rules.h"
#include "optim/flat.h"
#include "optim/hyperparameters.h"

namespace minima::optim {

/// Runs forward and backward on the current batch and returns the loss (one element). Called once a step by SGD, Adam
/// and the others that have a rule, and by MSAM, twice by SAM and ASAM, each time with the gradients zeroed: several
/// backward passes inside one closure accumulate. While it runs, denormal numbers count as 0 (core/denormals.h).
using Closure = std::function<Variable()>;

/// Parameters with hyperparameters of their own; what is not named is inherited from the optimizer's options.
///   optim::SGD{{optim::Group{weights}, optim::Group{biases, {{"weight_decay", 0}}}}, {.lr = 0.1, .weight_decay =
///   5e-4}}
struct Group {
  std::vector<Variable> parameters;
  std::vector<NamedSchedule> own{};
};

/// What an optimizer is made of: parameters, as one group or in several.
struct ParameterGroups {
  std::vector<Group> groups;

  ParameterGroups(std::vector<Variable> parameters) : groups{Group{std::move(parameters)}} {}  // NOLINT: implicit
  ParameterGroups(std::initializer_list<Variable> parameters) : groups{Group{parameters}} {}   // NOLINT
  ParameterGroups(std::vector<Group> several) : groups(std::move(several)) {}                  // NOLINT
  ParameterGroups(std::initializer_list<Group> several) : groups(several) {}                   // NOLINT
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
  double gradient_norm = none;                      ///< |g|, g the gradient of `loss`
  double velocity_norm = none;                      ///< |v|
  double cosine = none;                             ///< cos(v, g); NaN while v or g is 0
  double perturbation_norm = none;                  ///< |e|, in steps that perturb
  double loss_clean = none, loss_perturbed = none;  ///< at w and at w + e
};

/// A tensor that an optimizer remembers, by name: "velocity". The memory itself, not a copy.
using Buffer = std::pair<std::string, Tensor>;

/// Everything that an optimizer keeps between steps. A wrapper works on that of its base.
struct OptimizerState {
  const char* rule;  ///< the base's name: "sgd"
  FlatParameters flat;
  std::vector<Hyperparameters> groups;
  std::vector<Buffer> buffers;     ///< of the rule, in its order
  std::vector<Buffer> additional;  ///< of a wrapper
  double max_gradient_norm = std::numeric_limits<double>::infinity();
  bool decay_in_gradient = true;         ///< whether weight decay is part of the gradient (AdamW's is not)
  bool momentum_is_first_buffer = true;  ///< if there is a buffer at all (Adagrad's is none)
  bool keep_momentum_norm =
      false;  ///< each update leaves |momentum|^2 behind, for a wrapper that reads it a step later
  int64_t steps = 0, gradient_evaluations = 0;  ///< of the steps that were completed
  Measure measure = Measure::nothing;

  /// A displacement sign * rho * scale * momentum that the weights carry when the update begins: it is taken off in the
  /// same pass.
  struct Carried {
    double sign;
    Tensor scale;
  };
  std::optional<Carried> carried{};
  /// Sum of squares of the momentum over these runs, when its memory had this version.
  struct MomentumSquares {
    Tensor sum;
    std::vector<FlatParameters::Run> runs;
    int64_t version = -1;
  } momentum_squares{};

  /// What last_step() is made of. One-element tensors, undefined where not measured; they stay on the device until
  /// somebody asks.
  struct Measured {
    Tensor loss, loss_clean, loss_perturbed, gradient_norm, velocity_norm, velocity_dot_gradient, perturbation_norm;
    int64_t gradient_evaluations = 0;
  };
  Measured now{}, last{};  ///< of the step under way, and of the last one that was completed

  Communicator* group = nullptr;  ///< null: this process is alone
  Tensor message{};               ///< what the ranks of the group sum (distributed.cpp)

  /// An error unless `buffer` is a name that no other entry of the saved state has.
  void require_free(const std::string& buffer) const;
};

class Optimizer {
 public:
  Optimizer() = default;
  Optimizer(Optimizer&&) = default;
  Optimizer& operator=(Optimizer&&) = default;
  virtual ~Optimizer() = default;

  /// One step on the batch that the closure trains on. Returns the loss of the (first) call. Errors: a closure that
  /// never calls backward(), an empty one, one that moves parameters to other memory, a schedule that yields NaN or a
  /// number out of range (naming the step), parameters whose dtype or device changed, an optimizer that was moved from.
  /// What the closure throws passes through: the step then has not happened, and weights, buffers and counts are those
  /// before it. What the closure itself has changed until then stays so: batch-norm statistics of a pass that it
  /// completed, random numbers drawn.
  virtual Variable step(const Closure& closure) = 0;
  /// As make_optimizer() knows it: "sgd", "msam", "along-random" ...
  virtual std::string name() const = 0;
  /// What it keeps. A wrapper's is its base's.
  virtual OptimizerState& kept() = 0;
  virtual const OptimizerState& kept() const = 0;

  /// The name of the optimizer whose rule moves the weights: its own, or that of what a wrapper wraps.
  std::string base_name() const { return kept().rule; }
  int groups() const { return static_cast<int>(kept().groups.size()); }
  /// The hyperparameters of one group, to be read and changed between steps: optimizer.group(0)["lr"] = 0.01.
  Hyperparameters& group(int i);
  const Hyperparameters& group(int i) const;
  /// In the order of the flat buffers: group by group.
  const std::vector<Variable>& parameters() const { return kept().flat.parameters(); }
  /// The momentum buffer v (Adam: the raw first moment m), flat, in the order of parameters(). An error without one.
  const Tensor& momentum() const;
  bool has_momentum() const { return kept().momentum_is_first_buffer && !kept().buffers.empty(); }
  /// All that is kept between steps: momentum and the like.
  std::vector<Buffer> buffers() const;

  /// Trains with the other ranks of a group, which must outlive this optimizer. From now on a closure is to return this
  /// rank's part of the loss: the sum over all ranks is the loss, hence its gradient is the sum of theirs, and each
  /// optimizer does what it does on the joined batch. For a mean over samples, the part is the mean over this rank's
  /// samples times Loader::share. A rank that has no samples returns an undefined Variable. One all-reduce for each
  /// gradient: one a step, and two with SAM and ASAM. step() returns the loss of all.
  /// Every rank needs the same weights, hyperparameters, state (require_agreement) and measure() before the first step.
  void distribute(Communicator& group) { kept().group = &group; }

  /// Steps completed.
  int64_t steps() const { return kept().steps; }
  /// Forward-backward passes used for them: 1 a step, 2 with SAM and ASAM. One on a part of the batch counts as one.
  int64_t gradient_evaluations() const { return kept().gradient_evaluations; }
  /// What the last step did; fetched from the device now.
  StepStatistics last_step() const;
  void measure(Measure what) { kept().measure = what; }

  /// Everything a resumed run needs beside the weights: buffers, counters and the hyperparameters that are constants.
  Archive state() const;
  /// Puts a state back; resumed equals uninterrupted, bit for bit, wrappers included. Hyperparameters that are
  /// constants here and there are overwritten; schedules stay those this optimizer was made with. Errors, which change
  /// nothing: the state of another kind of optimizer, other parameter sizes, groups or dtype, missing entries.
  void load_state(const Archive& archive);
};

/// An optimizer with an update rule. One of one's own derives from it: see docs/an-optimizer-of-your-own.md.
class BaseOptimizer : public Optimizer {
 public:
  Variable step(const Closure& closure) override;
  /// Moves the weights by the rule with this flat gradient, and completes the step. Under MSAM the weights are still
  /// the perturbed ones when it begins; apply() takes the perturbation off.
  virtual void update(const Tensor& gradient) = 0;

  std::string name() const override { return state_.rule; }
  OptimizerState& kept() override;
  const OptimizerState& kept() const override;

 protected:
  /// `hyperparameters` are all that the rule reads, with the values that groups inherit; `buffers` name the rule's
  /// states, the first being the momentum unless kept().momentum_is_first_buffer is set to false.
  BaseOptimizer(const char* name, const ParameterGroups& groups, const std::vector<Hyperparameter>& hyperparameters,
                const std::vector<const char*>& buffers,
                double max_gradient_norm = std::numeric_limits<double>::infinity());

 private:
  OptimizerState state_;
};

// ---- the parts of a step

/// Samples and checks the schedules, takes back weights that were moved elsewhere, forgets what an unfinished step
/// measured.
void begin_step(OptimizerState& state);
/// Zeroes the gradients, calls the closure and leaves the gradient in state.flat.gradients().
/// In a group of processes: the sums of all ranks' gradients and losses.
Variable gradient(OptimizerState& state, const Closure& closure);
/// The loss alone, with no trace: batch statistics frozen, random numbers rewound, nothing counted.
Tensor loss_only(OptimizerState& state, const Closure& closure);
/// |momentum| over trainable elements, one float64 element: as the last update left it, or computed now.
Tensor momentum_norm(const OptimizerState& state);
/// Remembers the loss and, on request, g and v for last_step(). Before the update.
void observe(OptimizerState& state, const Variable& loss);

/// What a rule may be made of: the hyperparameters' values in this step, and how often its weights were updated before.
struct RuleContext {
  const Hyperparameters& group;
  int64_t steps;
  double operator[](std::string_view name) const { return group.now(name); }
};
/// Runs a rule over all trainable weights, with the gradient clipped to max_gradient_norm, and completes the step.
/// `rule_of(const RuleContext&)` gives the rule (core/update_rules.h) of each group.
template <class RuleOf>
void apply(OptimizerState& state, const Tensor& gradient, RuleOf rule_of);

namespace detail {
/// Whether a hyperparameter, which groups inherit unless they have their own, is anything but the constant 0 in a
/// group.
bool is_used(const ParameterGroups& groups, const std::string& name, const Schedule& inherited);
Tensor clipped(const OptimizerState& state, const Tensor& gradient);
void run(OptimizerState& state, const FlatParameters::Run& run, const core::UpdateKernel& rule, const Tensor& gradient);
void pass_over(OptimizerState& state, const FlatParameters::Run& run);
void complete_step(OptimizerState& state);
[[noreturn]] void refuse_moved_from(const char* optimizer);
/// The sum over the group of the gradients, which stays in state.flat.gradients(), and of the losses, which is
/// returned.
Variable sum_over_group(OptimizerState& state, const Variable& part_of_loss);
}  // namespace detail

template <class RuleOf>
void apply(OptimizerState& state, const Tensor& gradient, RuleOf rule_of) {
  const Tensor g = detail::clipped(state, gradient);
  core::SmallVector<std::optional<decltype(rule_of(std::declval<RuleContext>()))>, 4>
      rules;  // all first: one may throw
  for (const FlatParameters::Run& run : state.flat.runs())
    rules.push_back(rule_of(RuleContext{state.groups[static_cast<size_t>(run.group)], run.steps}));
  for (int i = 0; i < rules.size(); ++i) {
    const FlatParameters::Run& run = state.flat.runs()[static_cast<size_t>(i)];
    if (run.reached)
      detail::run(state, run, core::kernel_of(*rules[i]), g);
    else
      detail::pass_over(state, run);
  }
  detail::complete_step(state);
}

}  // namespace minima::optim
