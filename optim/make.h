// SPDX-License-Identifier: MIT
// Optimizers by name, for programs that read names from their command line.
// Not here: which names a program offers, tuning.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "optim/optimizer.h"

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
///   lion            lr 0.0002 momentum 0.9   weight_decay 0.1
///   sam, looksam, esam, along-gradient: those of the base, and rho 0.05
///   asam, msam, along-momentum, along-last-gradient, along-random: those of the base, and rho 0.5
///   along-lr-momentum: those of the base, and rho 0.9, which with momentum 0.9 is Nesterov's original method
std::map<std::string, double> defaults_of(const std::string& name, const std::string& base = "sgd");

struct Settings {
  std::string base = "sgd";          ///< what is wrapped by those that perturb the weights: sgd, nesterov, adam ...
  NamedSchedules hyperparameters{};  ///< what is not named takes its default
  uint64_t seed = 0;  ///< of what is drawn at random: along-random's directions, esam's choice of tensors
};

/// sgd, nesterov, adam, adamw, rmsprop, adagrad, lion and what was registered; and those that perturb the weights: sam,
/// asam, msam, looksam, esam, along-gradient, along-momentum, along-last-gradient, along-random, along-lr-momentum
std::vector<std::string> optimizer_names();
/// Whether the name is one of those that perturb the weights, around a base.
bool is_wrapper(const std::string& name);
/// Forward-backward passes that a step takes on average, with default options: 1; 2 for sam, asam, esam (whose second
/// is on half of the samples, if it is given their losses) and along-gradient; 1.2 for looksam.
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
