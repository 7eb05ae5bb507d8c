// The runs of lab 5: SGD at several learning rates, then every direction at every radius, SAM with half the epochs, and
// the likeness of SAM's and MSAM's gradients. Not here: tables, figures and what is expected (lab5_directions.cpp).
#pragma once

#include <string>
#include <vector>

#include "examples/kit/lab_data.h"
#include "examples/kit/probed_runs.h"
#include "examples/labs/likeness.h"

namespace minima::examples {

/// One direction and the radii to try, all positive; `sign` is the radius's.
struct Ladder {
  std::string optimizer;
  int sign;
  std::string words;
  std::vector<double> rhos;
};

struct Plan {
  std::vector<Ladder> ladders;
  std::vector<double> lrs;  ///< for SGD; the first is kept unless another is better
  int64_t epochs, seeds;
  int64_t sgd_seeds;  ///< at least `seeds`: what SGD's steps tell is read off so many runs
};

class Directions {
 public:
  Directions(Lab& lab, const Plan& plan, const Images& images) : lab_(lab), plan_(plan), images_(images) {
    settings_.steps = plan.epochs * images_.problem.steps_per_epoch();
  }

  /// SGD at each learning rate; keeps the first unless another's validation accuracy is better beyond its interval.
  void tune_lr();
  void more_of_sgd();
  void sweep();
  /// SAM at the best radius with half the steps: the gradient evaluations of the others.
  void half_the_epochs();
  void compare_gradients();

  const Rung& sgd() const { return sgd_; }
  /// SGD with more seeds, for statistics of its steps.
  const Rung& sgd_steps() const { return sgd_steps_; }
  const Rung& half() const { return half_.front(); }
  std::vector<const Rung*> of(const Ladder& ladder) const;
  std::vector<const Rung*> of(const std::string& optimizer, int sign) const;
  const Rung& at(const std::string& optimizer, double rho) const;
  /// The rung with the lowest validation loss.
  const Rung& best(const std::string& optimizer, int sign = +1) const;
  const std::vector<double>& msam_rhos() const { return msam_rhos_; }
  const std::vector<Likeness>& likenesses() const { return likenesses_; }
  const Plan& plan() const { return plan_; }
  int64_t steps() const { return settings_.steps; }
  const Images& images() const { return images_; }

 private:
  std::vector<Rung> run(const std::vector<ProbeTask>& tasks, int64_t every = 10) {
    return run_probed(lab_, images_.problem, images_.validation, tasks, every);
  }
  RunSettings with(const std::string& optimizer, double rho, int64_t seed) const {
    RunSettings settings = settings_;
    settings.optimizer = optimizer, settings.rho = rho, settings.seed = static_cast<uint64_t>(seed);
    return settings;
  }

  Lab& lab_;
  Plan plan_;
  Images images_;
  RunSettings settings_;
  Rung sgd_, sgd_steps_;
  std::vector<Rung> rungs_, half_;
  std::vector<double> msam_rhos_;
  std::vector<Likeness> likenesses_;
};

}  // namespace minima::examples
