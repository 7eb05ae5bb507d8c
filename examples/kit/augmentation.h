// What training samples go through before a step: flips, shifts, cutout, mixup. What a model is judged by stays as it
// is. Not here: how each is done (datasets/dataset.h).
#pragma once

#include <string>
#include <vector>

#include "examples/kit/program.h"
#include "minima.h"

namespace minima::examples {

struct Augmentation {
  bool flip = false;              ///< left to right, every second image
  int64_t shift = 0, cutout = 0;  ///< in pixels; 0: none
  double mixup = 0;               ///< alpha; 0: none

  /// From {"flip", "shift=2", "cutout=8", "mixup=0.2"}, each at most once; anything else is an error of --augment.
  static Augmentation from(const std::vector<std::string>& words);

  /// The samples as the loader is to see them.
  datasets::Dataset of(datasets::Dataset train, uint64_t seed) const;
  /// The batch of a step, mixed if there is mixup; else its share is 1 and there is no other_y.
  datasets::MixedBatch mixed(const datasets::Batch& batch, uint64_t seed, int64_t step) const;
};

/// As in evaluation.h, for a batch that may be mixed.
Variable loss_of(const Variable& outputs, const datasets::MixedBatch& batch);
Variable losses_of(const Variable& outputs, const datasets::MixedBatch& batch);

/// --augment, whose words Augmentation::from reads.
void add_augmentation_option(CommandLine& line, std::vector<std::string>& words);

}  // namespace minima::examples
