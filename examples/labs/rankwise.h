// Ranks that perturb, each for itself: what SAM and MSAM become on several processes where each takes its gradient at a
// point of its own. The same lines run on real ranks, where this process has one of them, and on ranks that one process
// simulates by taking one gradient after the other.
// Not here: training in which all ranks perturb alike, which is Optimizer::distribute().
#pragma once

#include <string>
#include <vector>

#include "core/communicator.h"
#include "optim/sgd.h"

namespace minima::examples {

/// Where a rank takes the gradient of its part g_r(w) of the loss. v is the momentum of the summed gradients, v_r that
/// of rank r's own; they add up to v.
enum class Point {
  weights,          ///< w: SGD
  joined_momentum,  ///< w - rho v / |v|: MSAM
  own_momentum,     ///< w - rho v_r / |v_r|
  joined_gradient,  ///< w + rho g / |g|, g the sum of all g_r(w): SAM; a second sum over the ranks
  own_gradient      ///< w + rho g_r(w) / |g_r(w)|: SAM with m-sharpness, m samples being a rank's part
};

class Rankwise {
 public:
  /// `ranks` are how many this process computes: all, if `group` is a group of one, or 1 of a larger group. The base's
  /// momentum and weight decay must be constants, the same for all parameters.
  Rankwise(optim::SGD base, Point point, double rho, int ranks, Communicator& group);

  /// One step. parts[i] runs forward and backward on the batch of this process's i-th rank and returns that rank's part
  /// of the loss, as Optimizer::distribute() asks for it; none is empty. Returns the sum of these parts.
  double step(const std::vector<optim::Closure>& parts);

  optim::SGD& base() { return base_; }
  /// Of this process's i-th rank, flat.
  const Tensor& own_momentum(int i) const { return own_[static_cast<size_t>(i)]; }
  /// Gradients that one rank has taken.
  int64_t gradients() const { return gradients_; }

 private:
  Tensor gradient_of(const optim::Closure& part);
  void sum_over_group(Tensor& sum);

  optim::SGD base_;
  Point point_;
  double rho_, loss_ = 0;
  std::vector<Tensor> own_;
  Communicator* group_;
  int64_t gradients_ = 0;
};

}  // namespace minima::examples
