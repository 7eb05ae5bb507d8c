// Assignment 4: Adam and AdamW.
#include <cmath>

#include "examples/course/checks/checks.h"

namespace minima::examples::course {

void check_adam(Checks& checks) {
  checks.claim(15, "the first step moves the weight by lr, whatever the gradient's size", [] {
    for (const double gradient : {1e-3, 1.0, 1e3}) {
      const std::string problem =
          differs(driven<optim::Adam>({.lr = 0.1, .weight_decay = 0}, {gradient}, 1), {0.9}, 2e-6);
      if (!problem.empty()) return text("gradient ", gradient, ": ", problem);
    }
    return std::string();
  });
  checks.claim(10, "the correction of the second step is that of t = 2", [] {
    const double m = 0.9 * 0.1, s = 0.999 * 0.001;  // after the gradients 1 and 0
    const double second = 0.1 * (m / (1 - 0.81)) / (std::sqrt(s / (1 - 0.999 * 0.999)) + 1e-8);
    return differs(driven<optim::Adam>({.lr = 0.1, .weight_decay = 0}, {1, 0}, 1), {0.9 + 1e-9, 0.9 + 1e-9 - second},
                   1e-8);
  });
  checks.claim(10, "epsilon is added after the root is taken, not within it", [] {
    const double gradient = 1e-6, epsilon = 1e-6;
    const Numbers w = driven<optim::Adam>({.lr = 0.1, .epsilon = epsilon, .weight_decay = 0}, {gradient}, 1);
    return differs(w, {1 - 0.1 * gradient / (gradient + epsilon)}, 1e-10);
  });
  checks.path_as_library(20, "Adam takes the library's path",
                         [] { return path<optim::Adam>({.lr = 0.02, .weight_decay = 0}, 80); });
  checks.path_as_library(5, "Adam with weight decay takes the library's path",
                         [] { return path<optim::Adam>({.lr = 0.02, .weight_decay = 0.1}, 80); });
  checks.claim(10, "Adam's weight decay goes through the division: it moves an idle weight by lr",
               [] { return differs(driven<optim::Adam>({.lr = 0.01, .weight_decay = 0.1}, {0}, 1), {0.99}, 1e-6); });
  checks.claim(15, "AdamW's weight decay does not: it multiplies an idle weight by 1 - lr * weight_decay", [] {
    return differs(driven<optim::AdamW>({.lr = 0.01, .weight_decay = 0.1}, {0, 0}, 1), {0.999, 0.999 * 0.999}, 1e-12);
  });
  checks.path_as_library(15, "AdamW takes the library's path",
                         [] { return path<optim::AdamW>({.lr = 0.02, .weight_decay = 0.1}, 80); });
}

}  // namespace minima::examples::course
