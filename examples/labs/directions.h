// The runs of lab 5: SGD at several learning rates, then at one of them every direction at every radius, SAM with half
// the epochs, and the likeness of SAM's and MSAM's gradients. Not here: tables, figures and what is expected
// (lab5_directions.cpp).
#pragma once

#include <string>
#include <vector>

#include "examples/labs/lab_data.h"
#include "examples/labs/likeness.h"
#include "examples/labs/probes.h"

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
  std::vector<double> lrs;  ///< for SGD; the first is that of all directions, unless SGD diverges with it
  int64_t epochs, seeds;
  int64_t sgd_seeds;  ///< at least `seeds`: what SGD's steps tell is read off so many runs
};

class Directions {
 public:
  Directions(Lab& lab, const Plan& plan, const Images& images) : lab_(lab), plan_(plan), images_(images) {
    sgd_.setting.steps = plan.epochs * images_.problem.steps_per_epoch();
  }

  /// SGD at each learning rate. All directions get the first at which it does not diverge; the one of the lowest
  /// validation loss is kept beside, as an opponent that is tuned for what the lab measures.
  void choose_lr();
  void more_of_sgd();
  void sweep();
  /// SAM at the best radius with half the steps: the gradient evaluations of the others.
  void half_the_epochs();
  void compare_gradients();

  const Runs& sgd() const { return sgd_; }
  /// SGD at the learning rate of the lowest validation loss.
  const Runs& sgd_by_loss() const { return sgd_by_loss_; }
  /// SGD with more seeds, for statistics of its steps.
  const Runs& sgd_steps() const { return sgd_steps_; }
  const Runs& half() const { return half_; }
  std::vector<const Runs*> of(const Ladder& ladder) const;
  std::vector<const Runs*> of(const std::string& optimizer, int sign) const;
  const Runs& at(const std::string& optimizer, double rho) const;
  /// The runs with the lowest validation loss.
  const Runs& best(const std::string& optimizer, int sign = +1) const;
  const std::vector<double>& msam_rhos() const { return msam_rhos_; }
  /// What likeness() noted, for each seed; the values are in the order of msam_rhos().
  const Runs& likenesses() const { return likenesses_; }
  const Plan& plan() const { return plan_; }
  int64_t steps() const { return sgd_.setting.steps; }
  const Images& images() const { return images_; }

 private:
  std::vector<Runs> run(const std::vector<Setting>& settings, int64_t first_seed, int64_t seeds, int64_t every = 10) {
    return run_probed(lab_, images_.problem, images_.validation, settings,
                      seeds_from(static_cast<uint64_t>(first_seed), seeds), every);
  }
  Setting with(const std::string& optimizer, double rho) const {
    Setting setting = sgd_.setting;
    setting.optimizer = optimizer, setting.hyperparameters["rho"] = rho;
    return setting;
  }

  Lab& lab_;
  Plan plan_;
  Images images_;
  Runs sgd_, sgd_by_loss_, sgd_steps_, half_, likenesses_;
  std::vector<Runs> runs_;
  std::vector<double> msam_rhos_;
};

}  // namespace minima::examples
