// SPDX-License-Identifier: MIT
// Directions by composition: a perturbation is source x scope x geometry x time.
//   source     which vector: the gradient, the momentum, the last gradient ... (direction.h)
//   scope      of which parameters, and with how many norms
//   geometry   what "distance rho" means: plain, or relative to each weight, or to each filter
//   time       rho is a Schedule: late is join({0, rho}, {step}); or a budget of loss, below
//   auto direction = optim::composed({.source = optim::directions::momentum(), .scope = optim::scopes::norms(layers)});
//   optim::Along optimizer{optim::SGD{parameters, {.lr = 0.1, .momentum = 0.9}}, direction, {.rho = 0.5}};
// SAM, ASAM, MSAM and all of direction.h are points of this; sam.cpp and msam.cpp have them written out, to be read.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "optim/directions/direction.h"

namespace minima::optim {

/// What the parameters of a model are for. Each parameter is in one of the layers; some are in the lists besides.
struct Layers {
  std::vector<std::vector<Variable>> layers;  ///< a weight with its bias, a scale with its shift
  std::vector<Variable> norms;                ///< scales and shifts of batch-norm and layer-norm layers
  std::vector<Variable> biases;               ///< of the other layers
};

/// Parts of the parameters. A perturbation moves them alone, and each part by a norm of its own: with k parts, of which
/// none is zero, each by rho / sqrt(k). No parts: all parameters, one norm.
struct Scope {
  std::string name{};
  std::vector<std::vector<Variable>> parts{};
};

namespace scopes {
/// Scale and shift of the norm layers alone, with the norm over those (SAM-ON: Mueller et al., 2023). An error where
/// the model has none.
Scope norms(const Layers& layers);
/// Everything but biases, scales and shifts.
Scope weights(const Layers& layers);
/// Everything, each layer with a norm of its own.
Scope each_layer(const Layers& layers);
}  // namespace scopes

/// The unit T of the distance: |e / T| = rho, e = rho * T^2 d / |T d| (elementwise), which is the point of that ball
/// farthest along d.
enum class Geometry : uint8_t {
  euclidean,  ///< T = 1
  adaptive,   ///< T = |w| + eta, as in ASAM
  filters     ///< T = |row of w| + eta for weights with two axes or more, whose rows are the filters; else as adaptive
};

struct Composition {
  Direction source;
  Scope scope{};
  Geometry geometry = Geometry::euclidean;
  double eta = 0.01;  ///< >= 0, as ASAM's
  /// e is shortened until rho_t |g| <= budget: rho_t = min(budget / |g|, rho) (LE-SAM, 2026), |g| being the norm of the
  /// gradient where the source has it, else of the last gradient. In units of the loss, >= 0; a schedule that falls to
  /// 0 ends the training at the weights themselves.
  std::optional<Schedule> loss_budget{};
};

/// The composed direction, named "momentum+norms+adaptive+budget" after what it is made of. It costs what its source
/// costs: one gradient a step, or two; and a flat copy or two for a scope or a geometry. A composition of a source
/// alone is that source, bit for bit. Nothing in it waits for the device. Errors: a source that is not normalised
/// (lr_momentum) with more than itself; eta below 0; in the step that meets it, a scope with a parameter that the
/// optimizer has not, or a budget that is not a number of at least 0.
Direction composed(const Composition& composition);

}  // namespace minima::optim
