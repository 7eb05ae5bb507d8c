// SPDX-License-Identifier: MIT
// ESAM, Efficient SAM (Du et al., 2022): SAM that perturbs some of the tensors and takes the second gradient on some of
// the samples.
#pragma once

#include "optim/wrapper.h"

namespace minima::optim {

struct EsamOptions {
  Schedule rho = 0.05;  ///< >= 0
  double beta = 0.5;    ///< in (0, 1]: the chance of each parameter tensor to be perturbed
  double gamma = 0.5;   ///< in (0, 1]: the share of samples, those whose loss rises most, for the second gradient
  uint64_t seed = 0;    ///< of the choice of tensors, which is a function of seed and step
};

/// The losses of these samples of the current batch, one each: rows int64 [k] -> [k], all of the batch where rows is
/// undefined. The mean and backward() are the optimizer's.
///   optimizer.step([&](const Tensor& rows) {
///     const auto of = [&](const Tensor& all) { return rows.defined() ? core::gather_rows(all, rows) : all; };
///     return cross_entropies(model(of(images)), of(labels));
///   });
using SampleLosses = std::function<Variable(const Tensor& rows)>;

/// ESAM: m being 1 for the tensors chosen in this step and 0 for the others,
///   e = rho / beta * m * g / |g|        (over the choices, SAM's e on average),
///   w <- rule(w, gradient at w + e of the mean loss of the samples that rise most from w to w + e).
/// Which samples do is only known to step(SampleLosses); with step(Closure), which gives no losses of samples, the
/// second gradient is on the whole batch. In a group of processes there is step(Closure) alone. beta = gamma = 1 is
/// SAM, bit for bit. Where rho = 0, or no tensor was chosen, there is no second pass, and the step is the base's. Costs
/// a gradient, one on the share gamma and, for choosing, a forward pass: 1 + gamma + 1/3 where a forward pass is a
/// third of a gradient. Unlike the authors' code it computes the whole first gradient and masks it: the same kind of e
/// without their saving in the backward pass, but no tensor is moved back by what an earlier step moved it, and |g|
/// does not depend on the choice. Of the samples it takes the nearest whole number to gamma * batch, at least 2 for
/// batch norm's sake; dropout draws new masks for the chosen ones. step() returns the loss at w.
class ESAM : public Wrapper {
 public:
  explicit ESAM(Wrapped base, const EsamOptions& options = {});

  Variable step(const Closure& closure) override;
  Variable step(const SampleLosses& losses);

 private:
  Variable step_with(const Closure& at_weights, const Closure& perturbed);
  Perturbation ascent() const;

  double beta_, gamma_;
  uint64_t seed_;
};

}  // namespace minima::optim
