// One optimizer on a surface of two weights, step by step, with all that a picture of a step needs; and what a map of
// the surface needs. The surfaces are those of examples/labs/surfaces.h, bowls of any shape and a formula.
// Not here: what the page can call (exports.cpp), drawing (the .js files).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "examples/walkthrough/surface.h"
#include "optim/optimizer.h"

namespace minima::playground {

using examples::Surface;

/// Which surface; what a kind of surface does not need is ignored.
struct SurfaceChoice {
  std::string name;       ///< bowl, formula, noisy-valley, or a name of examples/labs/surfaces.h
  double condition = 10;  ///< bowl: its larger curvature; the smaller is 1
  double degrees = 0;     ///< bowl: how far it is turned to the left
  std::string formula{};  ///< formula.h
};

/// Errors: an unknown name; what formula.h refuses.
Surface surface_of(const SurfaceChoice& choice);

/// What the person at the page may change between two steps.
struct Settings {
  double lr = 0.02, momentum = 0.9, rho = 0.05, weight_decay = 0;
  /// Standard deviation of what chance does to each step. In the noisy valley, of the label; elsewhere, of a normal
  /// number added to each part of the gradient. Both gradients of one step of SAM see the same.
  double noise = 0;
};

/// A step as it happened. The first two numbers are the weights before it; v is the velocity (Adam: m) after it, 0
/// where the optimizer has none.
struct Step {
  double w1, w2;
  double at_w1, at_w2;  ///< where the gradient was taken that moved the weights
  double g1, g2;        ///< that gradient, with its noise and without weight decay
  double v1, v2;
};

class Walker {
 public:
  /// `optimizer` is gd, momentum, msam-nesterov (MSAM with rho = lr * momentum * |v|, which is Nesterov's original
  /// method) or a name that optim/make.h knows. Errors: those of the optimizer, in its words.
  Walker(const std::string& optimizer, const Surface& surface, bool noisy_label, double w1, double w2,
         const Settings& settings, uint64_t seed);

  /// Takes effect with the next step.
  void change(const Settings& settings);
  Step step();
  double w1() const { return w1_.item(); }
  double w2() const { return w2_.item(); }

 private:
  Variable loss_of_step() const;

  std::string name_;
  Surface surface_;
  bool noisy_label_;
  Settings settings_;
  uint64_t seed_;
  Variable w1_, w2_;
  std::unique_ptr<optim::Optimizer> optimizer_;
};

/// Whether the surface's noise is in its label, as lab 1 has it.
bool has_noisy_label(const SurfaceChoice& choice);

/// The loss and the largest eigenvalue of the Hessian at each point. One graph for all: the Hessian is exact.
struct Heights {
  std::vector<double> loss, curvature;
};
Heights heights(const Surface& surface, const std::vector<double>& w1, const std::vector<double>& w2);
/// The loss alone.
std::vector<double> losses(const Surface& surface, const std::vector<double>& w1, const std::vector<double>& w2);

}  // namespace minima::playground
