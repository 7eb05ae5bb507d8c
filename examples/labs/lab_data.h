// What the labs that train networks do it on: data, network, and how much of them, as options with the same names and
// meanings in all of these labs. The figures that a lab states are those of its defaults.
// Not here: the labs' own options, training (session.h).
#pragma once

#include <string>

#include "examples/labs/lab.h"

namespace minima::examples {

struct Amounts {
  int64_t images, epochs, seeds;
};

/// A training set and its test set, and training samples that are kept out for choosing settings.
struct Images {
  Problem problem;
  datasets::Dataset validation;
};

class LabData {
 public:
  /// The lab's defaults, and what --quick takes instead of each that is not chosen.
  LabData(const Amounts& normal, const Amounts& quick, const std::string& model = "mlp:256,256")
      : amounts_(normal), normal_(normal), quick_(quick), model_(model), stated_model_(model) {}

  /// --data, --label, --model, --device, --images, --epochs, --seeds
  void add_to(CommandLine& line);
  /// After the options are read. Errors: nothing to train on, or less than two seeds, since intervals need them.
  /// Unless all that the stated figures depend on is as it was stated for (seeds may be more), tells the lab so.
  void take(Lab& lab);

  const std::string& data() const { return data_; }
  const std::string& model() const { return model_; }
  int64_t epochs() const { return amounts_.epochs; }
  int64_t seeds() const { return amounts_.seeds; }

  /// The first `images` training samples, or all if there are fewer, and the test set. Batches of 128, or a quarter of
  /// little data.
  Problem load() const;
  /// The same with as many training samples after those for validation, or what is left: a fifth of all at least.
  Images load_with_validation() const;

 private:
  datasets::Split split(int64_t train_limit) const;
  Problem problem(const datasets::Dataset& train, const datasets::Dataset& test) const;

  Amounts amounts_, normal_, quick_;
  std::string data_ = stated_data, label_, model_, stated_model_, device_ = "cpu";
  static constexpr const char* stated_data = "fashion-mnist";
};

}  // namespace minima::examples
