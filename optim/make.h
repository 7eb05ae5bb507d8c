// Optimizers by name, for programs that read names from their command line.
// Not here: which names a program offers, tuning.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "optim/optimizer.h"

namespace minima::optim {

/// Starting values, to be tuned. They come from small image tasks (a fully connected network on 10,000 Fashion-MNIST
/// images), where any lr within a factor of two of these does about as well; rho does not transfer to other networks.
///   sgd, nesterov   lr 0.05   momentum 0.9   weight_decay 5e-4
///   adam            lr 0.001                 weight_decay 0
///   adamw           lr 0.001                 weight_decay 0.01
///   sam, looksam, esam, along-gradient: those of the base, and rho 0.05
///   asam, msam, along-momentum, along-last-gradient, along-random: those of the base, and rho 0.5
///   along-lr-momentum: those of the base, and rho 0.9, which with momentum 0.9 is Nesterov's original method
struct Defaults {
  double lr, momentum, weight_decay, rho;  ///< momentum: beta1 for Adam and AdamW; rho: 0 where there is none
};
Defaults defaults_of(const std::string& name, const std::string& base = "sgd");

/// Unset fields take the defaults.
struct Settings {
  std::string base = "sgd";  ///< what is wrapped by those that perturb the weights: sgd, nesterov, adam or adamw
  std::optional<Schedule> lr{};
  std::optional<Schedule> momentum{};  ///< must be a constant for Adam and AdamW, where it is beta1
  std::optional<Schedule> rho{};       ///< of any sign for msam and along-*
  std::optional<double> weight_decay{};
  double max_gradient_norm = std::numeric_limits<double>::infinity();
  uint64_t seed = 0;  ///< of what is drawn at random: along-random's directions, esam's choice of tensors
};

/// sgd, nesterov, adam, adamw; and those that perturb the weights: sam, asam, msam, looksam, esam, along-gradient,
/// along-momentum, along-last-gradient, along-random, along-lr-momentum
const std::vector<std::string>& optimizer_names();
/// Whether the name is one of those that perturb the weights, around a base.
bool is_wrapper(const std::string& name);
/// Forward-backward passes that a step takes on average, with default options: 1; 2 for sam, asam, esam (whose second
/// is on half of the samples, if it is given their losses) and along-gradient; 1.2 for looksam.
double gradients_per_step(const std::string& name);
/// An unknown name is an error that lists the known ones.
std::unique_ptr<Optimizer> make_optimizer(const std::string& name, std::vector<Variable> parameters,
                                          const Settings& settings = {});

}  // namespace minima::optim
