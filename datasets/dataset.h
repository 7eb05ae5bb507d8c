// SPDX-License-Identifier: MIT
// Dataset: labelled samples in memory, and the views that training needs: subsets, splits, augmented or relabelled
// copies. A batch is one gather over the stored bytes; images stay uint8 until then. Not here: where data come from
// (sources.h), in which order they are visited (loader.h).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace minima::datasets {

/// x float32 [batch, input_shape...], y int64 [batch] (float32 where quantities are predicted).
/// `auto [images, labels] = data.all();`
struct Batch {
  Tensor x, y;
};

struct Split;

/// A cheap handle on data that never change: copies and views share the samples. Safe to read from several threads.
/// Sample i is addressed by its position in this view, 0 .. size()-1; labels are 0 .. classes()-1.
class Dataset {
 public:
  /// No samples at all.
  Dataset();
  /// A copy is so cheap that moving is copying: what was moved from stays as it was.
  Dataset(const Dataset&) = default;
  Dataset& operator=(const Dataset&) = default;
  /// Images of 8-bit pixels, sample after sample in row-major order; image is {height, width, channels}. A value p
  /// becomes p / white in a batch. One class name per class.
  static Dataset from_pixels(std::vector<uint8_t> pixels, const Shape& image, int white, std::vector<int32_t> labels,
                             std::vector<std::string> class_names);
  /// Samples of any shape given as numbers, usually a table with input {features}.
  static Dataset from_values(std::vector<float> values, const Shape& input, std::vector<int32_t> labels,
                             std::vector<std::string> class_names);
  /// Samples with a quantity to predict instead of a class: there are no classes then, and no labels.
  static Dataset from_targets(std::vector<float> values, const Shape& input, std::vector<float> targets);

  int64_t size() const;
  /// The shape of one sample: (height, width, channels) of an image, (features) of a table row.
  const Shape& input_shape() const;
  int64_t classes() const;
  const std::vector<std::string>& class_names() const;
  /// Whether quantities are predicted; and what they are, [size()].
  bool has_targets() const;
  std::vector<float> targets() const;
  /// Labels as a batch would hold them, noise included; and as they were before any label noise.
  std::vector<int64_t> labels() const;
  std::vector<int64_t> true_labels() const;

  /// Whether samples change from epoch to epoch: random_flip, random_shift, cutout.
  bool is_random() const;

  // ---- batches
  /// The samples at these positions, in this order; a position may occur twice. Random augmentations depend on (their
  /// seed, epoch, sample) alone, so neither the order of loading nor threads can change them.
  Batch batch(std::span<const int64_t> indices, int64_t epoch = 0) const;
  Batch batch(const std::vector<int64_t>& indices, int64_t epoch = 0) const { return batch(std::span(indices), epoch); }
  /// Every sample, in order.
  Batch all() const;

  // ---- views: the same samples, seen differently; this one stays as it is
  /// The samples at these positions, in this order.
  Dataset subset(const std::vector<int64_t>& indices) const;
  /// The first n samples, 1 <= n <= size().
  Dataset take(int64_t n) const;
  /// Two parts that keep the proportions of the classes; `fraction` (0 to 1, exclusive) of each class, at least one
  /// sample, goes to `test`. Both parts are in a random order that depends on the seed alone. The only sample of a
  /// class goes to `train`. Grouped samples are split by whole groups, which the seed draws, and timed ones so that the
  /// latest go to `test`; the classes' proportions do not count then.
  Split split(double fraction, uint64_t seed) const;
  /// Samples with the same number in `groups`, one a sample, belong together: `split` does not part them.
  Dataset grouped(std::vector<int64_t> groups) const;
  /// `split` follows these times, one a sample, instead of groups.
  Dataset timed(std::vector<double> times) const;
  /// The group of each sample; empty where they are not grouped.
  const std::vector<int64_t>& groups() const;
  /// The first `train` samples and those after them.
  Split split_at(int64_t train) const;
  /// Subtracts `mean` and divides by `deviation` > 0, after the steps already there: for images, values in [0, 1].
  Dataset normalise(double mean, double deviation) const;
  /// Mirrors an image left to right with probability 1/2. Images only.
  Dataset random_flip(uint64_t seed) const;
  /// Pads an image by `pixels` black pixels on every side and crops it to its size at a random place. Images only.
  Dataset random_shift(int pixels, uint64_t seed) const;
  /// Sets a square of pixels x pixels to 0, the mean of normalised images, whose centre is anywhere in the image: part
  /// of it may lie outside (DeVries & Taylor, 2017). Images only.
  Dataset cutout(int pixels, uint64_t seed) const;
  /// Symmetric label noise: round(rate * size()) labels become one of the other classes, each equally likely.
  Dataset label_noise(double rate, uint64_t seed) const;

 private:
  struct Samples;
  struct View;
  explicit Dataset(std::shared_ptr<const View> view);
  static Dataset from_samples(const char* where, Samples samples, double scale);
  std::shared_ptr<const View> view_;
};

/// A batch of which each sample is mixed with another one of it: x = share x + (1 - share) x of the other. The loss is
/// share * loss(model(x), y) + (1 - share) * loss(model(x), other_y).
struct MixedBatch {
  Tensor x, y, other_y;
  double share;
};
/// Mixup (Zhang et al., 2018). One share for the batch, drawn from Beta(alpha, alpha), 0 < alpha <= 1: the smaller
/// alpha, the closer to 0 or 1. Share and partners depend on (seed, step) alone.
MixedBatch mixup(const Batch& batch, double alpha, uint64_t seed, int64_t step);

/// What a learner sees, and what it is judged by. `auto [train, test] = datasets::digits();`
struct Split {
  Dataset train, test;
};

namespace detail {
/// The positions that Dataset::split gives to each part; `where` stands in its errors.
struct Positions {
  std::vector<int64_t> train, test;
};
/// begin, begin + 1 ... end - 1
std::vector<int64_t> counting(int64_t begin, int64_t end);
Positions split_positions(const std::string& where, const std::vector<int32_t>& labels,
                          const std::vector<std::string>& class_names, double fraction, uint64_t seed);
/// Whole groups, in random order, test until they have their share of the rows. One number a row says of which group.
Positions split_by_group(const std::string& where, const std::vector<int64_t>& groups, double fraction, uint64_t seed);
/// The latest rows test; rows of the same time stay together.
Positions split_by_time(const std::string& where, const std::vector<double>& times, double fraction);

/// Notes a sentence each for the classes that the training part lacks, and for those that the test part lacks.
void note_classes(const Split& split, std::vector<std::string>& notes);
}  // namespace detail

}  // namespace minima::datasets
