// The parts of lab 4 that are about the measure and not about the optimizers: whether its numbers are exact, and how
// little a rescaling that changes nothing leaves of them. Not here: trained networks and what is measured at them
// (lab4_sharpness.cpp).
#pragma once

#include "examples/labs/trained.h"

namespace minima::examples {

/// Hessian-vector products against a dense Hessian, symmetry, and a spectrum known beforehand.
void check_exactness(Lab& lab);

/// One Hessian-vector product of this ReLU network against central differences of several widths.
void compare_with_differences(Lab& lab, const Problem& problem, const Trained& trained);

/// Layer 1 times a, layer 2 divided by a: the same function, another curvature (Dinh et al., 2017). For an mlp.
void rescale_layers(Lab& lab, const Problem& problem, const Trained& trained);

}  // namespace minima::examples
