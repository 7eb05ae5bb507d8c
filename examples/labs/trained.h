// Trained networks for labs that look at where a training ended, rather than at its curves: several trainings at once,
// one a processor, each handed over with its weights and its momentum.
// Not here: a single training (run.h), what is measured at the weights (optim/curvature.h, optim/landscape.h).
#pragma once

#include <string>
#include <vector>

#include "examples/labs/lab.h"

namespace minima::examples {

/// SGD, Nesterov, SAM or MSAM as the labs train them: lr 0.05, else optim's starting values. The label is "sam 0.1", or
/// the optimizer's name without a radius.
Setting lab_setting(const std::string& optimizer, double rho, const std::string& style, int64_t steps);

/// Weights drawn as He et al. (2015) do, biases 0, instead of the smaller ones of the layers' default.
void initialise_as_he(Run& run);

/// What lr does to SGD, on a validation part (a fifth) of the training set: a table, before anything is compared.
void tabulate_learning_rates(Lab& lab, const Problem& problem, int64_t epochs);

struct Trained {
  Setting setting;
  uint64_t seed;
  Measurement last;
  Tensor momentum;           ///< flat, after the last step
  std::vector<Tensor> path;  ///< flat weights: at the start and after each epoch, or the last ones alone
  const Tensor& weights() const { return path.back(); }
  std::string name() const { return setting.name(); }
};

/// Trains every setting with every seed, num_threads() at once; seeds are outermost in the result as well. Seconds are
/// those of a processor that does something else as well. A loss that is not finite is an error, for these settings are
/// known to converge.
std::vector<Trained> train_all(Lab& lab, const Problem& problem, const std::vector<Setting>& settings,
                               const std::vector<uint64_t>& seeds, bool paths);

/// A model of the problem's kind, ready to have weights put into it.
nn::AnyModule make_model(const Problem& problem);
/// Puts flat weights into it, in eval mode, with batch norm gathered at these weights.
void put(nn::Module& model, const Tensor& weights, const Problem& problem);

/// value * x, elementwise product and quotient of flat vectors.
Tensor times(double factor, const Tensor& x);
Tensor times(const Tensor& x, const Tensor& y);

/// "0.0123", "1.2e-05": three significant digits.
std::string short_number(double value);

/// `count` values from low to high, both included.
std::vector<double> evenly_from(double low, double high, int count);

}  // namespace minima::examples
