// SAM and MSAM over SGD as a student writes them from the papers: plain tensors, one loop over the parameters, no flat
// memory. Lab 9 plants its faults here, and the course strips two assignments and its mysteries from the sources, so
// these two classes are written to be read: a fault is a line of its own, `if (options_.fault == 4) ...`, or a choice
// in parentheses, `(options_.fault == 1 ? wrong : right)`; a text without the other branch is made of it
// (course/source.h). For anything else: optim/sam.h and optim/msam.h.
#pragma once

#include <cmath>
#include <vector>

#include "minima.h"

namespace minima::examples {

constexpr int no_fault = 0;

struct TextbookOptions {
  optim::Schedule lr, rho;
  double momentum = 0.9, weight_decay = 0;
  int fault = no_fault;
};

/// MSAM in its authors' order of operations: the weights are kept at the perturbed point w - rho * v / |v| and have to
/// be moved back before anything else looks at them.
class TextbookMsam {
 public:
  TextbookMsam(std::vector<Variable> parameters, TextbookOptions options);

  /// One step: the closure computes the gradient where the weights are, at the perturbed point.
  void step(const optim::Closure& closure);
  /// From the perturbed point to the weights that are evaluated and saved.
  void move_back();
  /// After the last step: the weights are the clean ones from then on.
  void finish();

  const std::vector<Tensor>& velocity() const { return velocity_; }

  /// What a checkpoint holds beside the model.
  struct State {
    std::vector<Tensor> velocity;
    std::vector<double> factors;
    int64_t steps;
  };
  State save() const;
  void load(const State& state);

 private:
  /// rho / |v| for each tensor, |v| being one norm over all of them.
  std::vector<double> factors(double rho) const;
  /// weights += sign * factor * velocity, tensor by tensor.
  void add(const std::vector<double>& factors, double sign);

  std::vector<Variable> parameters_;
  TextbookOptions options_;
  std::vector<Tensor> velocity_;
  std::vector<double> factors_;  // by which velocity_ is in the weights: rho / |v|, one for each tensor
  int64_t steps_ = 0;
};

/// SAM, with the weights clean between steps.
class TextbookSam {
 public:
  TextbookSam(std::vector<Variable> parameters, TextbookOptions options);

  void step(const optim::Closure& closure);
  /// How many it says it took.
  int64_t gradient_evaluations() const { return gradient_evaluations_; }

 private:
  std::vector<Variable> parameters_;
  TextbookOptions options_;
  std::vector<Tensor> velocity_;
  int64_t steps_ = 0, gradient_evaluations_ = 0;
};

/// 0 during the first fifth of the steps, rho until three fifths, then half a cosine down to rho / 4.
optim::Schedule rho_schedule(double rho, int64_t steps, int fault = no_fault);

// ---- the parts of both

inline std::vector<Tensor> zeros_like(const std::vector<Variable>& parameters) {
  std::vector<Tensor> zeros;
  for (const Variable& p : parameters) zeros.push_back(Tensor::zeros(p.shape(), p.dtype()));
  return zeros;
}

/// One norm over all tensors together.
inline double norm_of(const std::vector<Tensor>& tensors) {
  double sum = 0;
  for (const Tensor& tensor : tensors) sum += core::dot(tensor, tensor).item();
  return std::sqrt(sum);
}

inline void zero_gradients(std::vector<Variable>& parameters) {
  for (Variable& p : parameters) p.zero_grad();
}

/// velocity = momentum * velocity + g;  weight -= lr * velocity. The tensors are handles: their memory is changed.
inline void sgd(Tensor weight, Tensor velocity, const Tensor& g, double lr, double momentum) {
  velocity.copy_from(core::unary(core::UnaryOp::affine, velocity, momentum, 0));
  core::add_scaled(velocity, 1, g);
  core::add_scaled(weight, -lr, velocity);
}

}  // namespace minima::examples
