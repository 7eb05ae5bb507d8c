// An optimizer of a user's own, whose rule is also compiled for the GPU (own_rule.cu), and one whose rule is not.
#pragma once

#include <cmath>

#include "core/host_device.h"

namespace minima::test {

/// RMSprop (Tieleman and Hinton, 2012).
struct RmsPropRule {
  double lr, decay, epsilon;

  template <class T>
  MINIMA_HOST_DEVICE void operator()(T& weight, T grad, T& square) const {
    using std::sqrt;
    square = T(decay) * square + T(1 - decay) * grad * grad;
    weight -= T(lr) * grad / (sqrt(square) + T(epsilon));
  }
};

/// Half a step of gradient descent. Nobody has compiled it for the GPU.
struct HalfStepRule {
  double lr;

  template <class T>
  MINIMA_HOST_DEVICE void operator()(T& weight, T grad) const {
    weight -= T(lr / 2) * grad;
  }
};

}  // namespace minima::test
