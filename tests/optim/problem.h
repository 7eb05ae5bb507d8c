// The test problems of tests/optim.
#pragma once

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "autograd/ops.h"
#include "core/ops.h"
#include "optim/adam.h"
#include "optim/directions/along.h"
#include "optim/directions/esam.h"
#include "optim/directions/looksam.h"
#include "optim/lion.h"
#include "optim/msam.h"
#include "optim/rmsprop.h"
#include "optim/sam.h"
#include "optim/sgd.h"
#include "tests/check.h"

namespace minima::test {

/// Three tensors whose gradient is a prescribed smooth, bounded function of weight and step, the same as in
/// tests/golden/generate_optim.py: nothing but the optimizer's own arithmetic is left to differ.
struct Prescribed {
  std::vector<Variable> parameters;

  explicit Prescribed(DType dtype) {
    int i = 0;
    for (const Shape& shape : {Shape{3, 2}, Shape{5}, Shape{2, 2}}) {
      std::vector<double> start;
      for (int64_t k = 0; k < shape.numel(); ++k, ++i) start.push_back(centre(i) + 0.5 - (5 * i % 7) / 7.0);
      parameters.emplace_back(Tensor::from(start, shape).to(dtype), requires_grad);
    }
  }

  static double centre(int i) { return 4 + 0.1 * i; }

  /// Backward without forward: the loss returned is 0.
  optim::Closure closure(const optim::Optimizer& optimizer) {
    return [this, &optimizer] {
      int i = 0;
      const int64_t t = optimizer.steps();
      for (Variable& parameter : parameters) {
        std::vector<double> gradient;
        for (const double w : parameter.value().to_vector<double>()) {
          const double x = w - centre(i), force = 0.2 * (static_cast<double>((7 * t + 3 * i) % 11) / 11 - 0.5);
          gradient.push_back((0.2 + 0.12 * i) * x / std::sqrt(1 + x * x) + force);
          ++i;
        }
        parameter.backward(Tensor::from(gradient, parameter.shape()).to(parameter.dtype()));
      }
      return Variable(Tensor::zeros({}));
    };
  }

  std::vector<double> weights() const {
    std::vector<double> all;
    for (const Variable& parameter : parameters)
      for (const double w : parameter.value().to_vector<double>()) all.push_back(w);
    return all;
  }
};

/// A tensor of its own for each group of values, float64 unless told otherwise.
inline Variable leaf(const std::vector<double>& values, DType dtype = DType::float64) {
  return Variable(Tensor::from(values).to(dtype), requires_grad);
}

/// The closure of a loss.
inline optim::Closure training(const std::function<Variable()>& loss) {
  return [loss] {
    Variable value = loss();
    value.backward();
    return value;
  };
}

/// A smooth, non-quadratic loss in any tensors: sum of log(1 + exp(w)) - w / 3 + w^4 / 40, and a coupling between them.
inline Variable rugged(const std::vector<Variable>& parameters) {
  Variable total(Tensor::zeros({}, parameters[0].dtype())), coupling = total;
  for (const Variable& w : parameters) {
    total = total + sum(softplus(w) - w / 3 + square(square(w)) / 40);
    coupling = coupling + sum(sin(w));
  }
  return total + square(coupling) / 10;
}

/// Every base optimizer that has a momentum, on these parameters, and each wrapper around each. Adagrad, which has
/// none, is in for_every_optimizer() besides.
using Parameters = std::vector<Variable>;
inline const std::vector<std::string>& base_names() {
  static const std::vector<std::string> names{"sgd", "nesterov", "adam", "adamw", "rmsprop", "lion"};
  return names;
}
inline std::unique_ptr<optim::BaseOptimizer> make_base(const std::string& name, const Parameters& parameters,
                                                       double lr = 0.05, double weight_decay = 0.01) {
  using namespace optim;
  if (name == "sgd")
    return std::make_unique<SGD>(parameters, SgdOptions{.lr = lr, .momentum = 0.9, .weight_decay = weight_decay});
  if (name == "nesterov")
    return std::make_unique<Nesterov>(parameters, SgdOptions{.lr = lr, .weight_decay = weight_decay});
  if (name == "adam") return std::make_unique<Adam>(parameters, AdamOptions{.lr = lr, .weight_decay = weight_decay});
  if (name == "rmsprop")
    return std::make_unique<RMSprop>(parameters,
                                     RmsPropOptions{.lr = lr / 10, .momentum = 0.9, .weight_decay = weight_decay});
  if (name == "adagrad")
    return std::make_unique<Adagrad>(parameters, AdagradOptions{.lr = lr, .weight_decay = weight_decay});
  if (name == "lion") return std::make_unique<Lion>(parameters, LionOptions{.lr = lr, .weight_decay = weight_decay});
  return std::make_unique<AdamW>(parameters, AdamOptions{.lr = lr, .weight_decay = weight_decay});
}
inline const std::vector<std::string>& wrapper_names() {
  static const std::vector<std::string> names{"sam",
                                              "asam",
                                              "msam",
                                              "looksam",
                                              "esam",
                                              "along-gradient",
                                              "along-momentum",
                                              "along-last-gradient",
                                              "along-friendly-momentum",
                                              "along-random",
                                              "along-lr-momentum"};
  return names;
}
inline std::unique_ptr<optim::Optimizer> wrap(const std::string& wrapper, std::unique_ptr<optim::BaseOptimizer> base,
                                              const optim::Schedule& rho) {
  using namespace optim;
  if (wrapper == "sam") return std::make_unique<SAM>(std::move(base), SamOptions{.rho = rho});
  if (wrapper == "asam") return std::make_unique<ASAM>(std::move(base), AsamOptions{.rho = rho});
  if (wrapper == "msam") return std::make_unique<MSAM>(std::move(base), MsamOptions{.rho = rho});
  if (wrapper == "looksam") return std::make_unique<LookSAM>(std::move(base), LookSamOptions{.rho = rho});
  if (wrapper == "esam") return std::make_unique<ESAM>(std::move(base), EsamOptions{.rho = rho});
  for (const Direction& direction : {directions::gradient(), directions::momentum(), directions::last_gradient(),
                                     directions::friendly_momentum(), directions::random(), directions::lr_momentum()})
    if (wrapper == "along-" + direction.name)
      return std::make_unique<Along>(std::move(base), direction, AlongOptions{.rho = rho});
  return base;
}

/// Whether a wrapper goes along the momentum, so that it needs a base that has one.
inline bool needs_momentum(const std::string& wrapper) { return wrapper == "msam" || wrapper.ends_with("momentum"); }

/// Calls f(wrapper, base) with the names of every base, alone ("none") and in every wrapper that it fits.
template <class F>
void for_every_optimizer(F f) {
  std::vector<std::string> wrappers = wrapper_names(), bases = base_names();
  wrappers.push_back("none"), bases.push_back("adagrad");
  for (const std::string& wrapper : wrappers)
    for (const std::string& base : bases) {
      if (base == "adagrad" && needs_momentum(wrapper)) continue;
      CAPTURE(wrapper);
      CAPTURE(base);
      f(wrapper, base);
    }
}

}  // namespace minima::test
