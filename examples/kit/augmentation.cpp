#include "examples/kit/augmentation.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "examples/kit/evaluation.h"

namespace minima::examples {

namespace {

[[noreturn]] void refuse(const std::string& word) {
  fail("--augment", "\"" + word + "\"",
       "flip, shift=PIXELS, cutout=PIXELS or mixup=ALPHA, each once, with commas between");
}

/// "shift=2" after "shift=" as a T.
template <class T>
T value_in(const std::string& word) {
  T value{};
  const char *begin = word.data() + word.find('=') + 1, *end = word.data() + word.size();
  const auto [stop, problem] = std::from_chars(begin, end, value);
  if (problem != std::errc() || stop != end || !(value > 0)) refuse(word);
  return value;
}

}  // namespace

Augmentation Augmentation::from(const std::vector<std::string>& words) {
  Augmentation augmentation;
  std::set<std::string> seen;
  for (const std::string& word : words) {
    const std::string name = word.substr(0, word.find('='));
    if (!seen.insert(name).second) refuse(word);
    if (word == "flip")
      augmentation.flip = true;
    else if (word.starts_with("shift="))
      augmentation.shift = value_in<int64_t>(word);
    else if (word.starts_with("cutout="))
      augmentation.cutout = value_in<int64_t>(word);
    else if (word.starts_with("mixup="))
      augmentation.mixup = value_in<double>(word);
    else
      refuse(word);
  }
  if (augmentation.mixup > 1) fail("--augment", text("mixup=", augmentation.mixup), "an alpha of at most 1");
  return augmentation;
}

datasets::Dataset Augmentation::of(datasets::Dataset train, uint64_t seed) const {
  if (flip) train = train.random_flip(seed);
  if (shift > 0) train = train.random_shift(static_cast<int>(std::min<int64_t>(shift, 1 << 20)), seed);
  if (cutout > 0) train = train.cutout(static_cast<int>(std::min<int64_t>(cutout, 1 << 20)), seed);
  return train;
}

datasets::MixedBatch Augmentation::mixed(const datasets::Batch& batch, uint64_t seed, int64_t step) const {
  if (mixup == 0) return {batch.x, batch.y, Tensor(), 1};
  return datasets::mixup(batch, mixup, seed, step);
}

Variable loss_of(const Variable& outputs, const datasets::MixedBatch& batch) {
  const Variable loss = loss_of(outputs, batch.y);
  return batch.other_y.defined() ? batch.share * loss + (1 - batch.share) * loss_of(outputs, batch.other_y) : loss;
}

Variable losses_of(const Variable& outputs, const datasets::MixedBatch& batch) {
  const Variable losses = losses_of(outputs, batch.y);
  return batch.other_y.defined() ? batch.share * losses + (1 - batch.share) * losses_of(outputs, batch.other_y)
                                 : losses;
}

void add_augmentation_option(CommandLine& line, std::vector<std::string>& words) {
  line.option("--augment", words, "of training images: flip,shift=2,cutout=3,mixup=0.2 or some of these");
}

}  // namespace minima::examples
