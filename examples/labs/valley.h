// Lab 1: the valley (xy - 1)^2 / 2. All of xy = 1 is a minimum of loss 0; which of them does an optimizer walk to?
#pragma once

#include "examples/labs/lab.h"

namespace minima::examples {

/// Walks of SGD with momentum, Nesterov, SAM and MSAM with several rho, and with a noisy label: tables, figures, and
/// the stated figures.
void show_valley(Lab& lab);

}  // namespace minima::examples
