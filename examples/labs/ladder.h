// Lab 8 on images: the ladder from Nesterov to MSAM with several radii on each rung. Only the perturbation differs:
//   scaled by lr    e = -rho lr v       rho = mu is Nesterov's original method
//   not scaled      e = -rho v
//   normalised      e = -rho v / |v|    MSAM
// Not here: the identities and the valley (lab8_nesterov_msam.cpp).
#pragma once

#include <vector>

#include "examples/labs/lab_data.h"
#include "examples/labs/probes.h"

namespace minima::examples {

class ImageLadder {
 public:
  ImageLadder(bool quick, const LabData& data);
  const Problem& problem() const { return images_.problem; }

  /// SGD, and each rung with each radius, with every seed; the label of a setting is its rung.
  std::vector<Runs> run(Lab& lab) const;

  int64_t epochs() const { return epochs_; }
  int64_t seeds() const { return seeds_; }
  int64_t steps() const { return epochs_ * images_.problem.steps_per_epoch(); }

 private:
  bool quick_;
  int64_t epochs_, seeds_;
  Images images_;
};

/// Runs the ladder, shows it, and states what is expected of it.
void show_ladder(Lab& lab, const ImageLadder& ladder);

}  // namespace minima::examples
