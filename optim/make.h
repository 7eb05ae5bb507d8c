// SPDX-License-Identifier: MIT
// Optimizers by name, for programs that read names from their command line.
// Not here: which names a program offers, tuning.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "optim/directions/composed.h"

namespace minima::optim {

/// Values by name: {"lr", 0.05}, {"momentum", 0.9}, {"rho", 0.3}, {"beta2", 0.99} ... Where an optimizer reads beta1
/// and no momentum (Adam, Lion), "momentum" means its beta1.
using NamedSchedules = std::map<std::string, Schedule>;

/// Starting values, to be tuned: lr, momentum, weight_decay and, for those that perturb the weights, rho. They come
/// from small image tasks (a fully connected network on 10,000 Fashion-MNIST images), where any lr within a factor of
/// two of these does about as well; rho does not transfer to other networks.
///   sgd, nesterov   lr 0.05   momentum 0.9   weight_decay 5e-4
///   adam            lr 0.001  momentum 0.9   weight_decay 0
///   adamw           lr 0.001  momentum 0.9   weight_decay 0.01
///   rmsprop         lr 0.0002 momentum 0.9   weight_decay 0
///   adagrad         lr 0.01   (no momentum)  weight_decay 0
///   lion            lr 0.0005 momentum 0.9   weight_decay 0.1   (these three: 3,000 images, one seed)
///   sam, looksam, esam, along-gradient: those of the base, and rho 0.05
///   asam, msam, along-momentum, along-last-gradient, along-friendly-momentum, along-random: those of the base, rho 0.5
///   along-lr-momentum: those of the base, and rho 0.9, which with momentum 0.9 is Nesterov's original method
/// With "+adaptive" ten times the radius, as it is relative to the weights.
std::map<std::string, double> defaults_of(const std::string& name, const std::string& base = "sgd");

struct Settings {
  std::string base = "sgd";          ///< what is wrapped by those that perturb the weights: sgd, nesterov, adam ...
  NamedSchedules hyperparameters{};  ///< what is not named takes its default
  uint64_t seed = 0;  ///< of what is drawn at random: along-random's directions, esam's choice of tensors
  // For words behind a name:
  Layers layers{};           ///< which parameters are the norm layers', and so on
  int64_t steps = 0;         ///< of the whole training
  int64_t warmup_steps = 0;  ///< those in which the learning rate rises
  double loss_budget = 0.1;  ///< at the beginning; falls along a cosine to 0
};

/// sgd, nesterov, adam, adamw, rmsprop, adagrad, lion and what was registered; and those that perturb the weights: sam,
/// asam, msam, looksam, esam, along-gradient, along-momentum, along-last-gradient, along-friendly-momentum,
/// along-random, along-lr-momentum. Words may stand behind sam, asam, msam and along-..., which compose another
/// direction of theirs (directions/composed.h): "msam+norms+late".
///   +norms, +weights, +layers   scope: the norm layers alone; no biases and norms; each layer with a norm of its own
///   +adaptive, +filters         geometry: relative to each weight, to each filter
///   +late, +delayed             time: in the last 15% of the steps; not while the learning rate rises
///   +budget                     time: as long as the loss rises, to first order, by no more than Settings::loss_budget
/// Other words belong to the steps of sam and msam themselves, and do not stand beside those above: "msam+memory+auto".
///   +auto                       no rho: it is found while training (radius.h). +ratio, +rise, +edge: by this rule;
///                               their hyperparameter is "target"
///   +memory                     msam along a mean of gradients of its own; hyperparameter "memory", 0.98
///   +fade                       msam whose rho fades where its direction tells nothing; hyperparameter "fade", 0.03
std::vector<std::string> optimizer_names();
/// Whether the name is one of those that perturb the weights, around a base.
bool is_wrapper(const std::string& name);
/// Forward-backward passes that a step takes on average, with default options: 1; 2 for sam, asam, esam (whose second
/// is on half of the samples, if it is given their losses) and along-gradient; 1.2 for looksam; 1.15 for sam+late.
double gradients_per_step(const std::string& name);
/// Errors: an unknown name (the error lists the known ones), a hyperparameter that the optimizer does not read.
std::unique_ptr<Optimizer> make_optimizer(const std::string& name, std::vector<Variable> parameters,
                                          const Settings& settings = {});

using MakeBase = std::unique_ptr<BaseOptimizer> (*)(const ParameterGroups&);
namespace detail {
void register_optimizer(const std::string& name, std::map<std::string, double> defaults, MakeBase make);
}  // namespace detail

/// Makes an optimizer of one's own known by name, alone and as a base: in every program that makes optimizers by name
/// it is then one more. Before any optimizer is made; a name that is taken is an error.
///   optim::register_optimizer<Signum>("signum", {{"lr", 1e-3}, {"momentum", 0.9}});
template <class T>
void register_optimizer(const std::string& name, std::map<std::string, double> defaults) {
  detail::register_optimizer(
      name, std::move(defaults),
      [](const ParameterGroups& groups) -> std::unique_ptr<BaseOptimizer> { return std::make_unique<T>(groups); });
}

}  // namespace minima::optim
