// The options of compare: what they are, what they default to, and what they mean in words.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "examples/compare/comparison.h"
#include "examples/kit/session.h"

namespace minima::examples {

struct CompareOptions {
  std::string data = "digits", label, model = "mlp", base = "sgd", budget = "epochs", device = "cpu";
  std::string out;  ///< parse() fills in runs/compare-DATA-MODEL
  std::vector<std::string> optimizers{"sgd", "nesterov", "adam", "sam", "msam"};
  datasets::LoadOptions how;      ///< the other options of the data
  int64_t epochs = 0, batch = 0;  ///< 0: 30 and 64 for data that have a name, else by the size; load() fills them in
  int64_t seeds = 10, threads = 0, workers = 0, train_limit = 0;
  std::vector<std::string> augment{};
  int64_t curvature = -1;  ///< samples of the training set; -1: 1000 for an MLP, 128 for every other model
  double momentum = 0.9, label_noise = 0;
  bool tune = false, resume = false;
  std::vector<Setting> settings;  ///< one for each optimizer; their steps are set by load()

  /// False when --help was printed. A value that cannot work is an error that names the option.
  bool parse(int argc, const char* const* argv);
  /// Sets the threads, makes sure that `out` can be written, and loads the data.
  Problem load();
  /// Whether each seed splits the data anew: where the data have no test part of their own, and nothing is tuned (what
  /// is tuned on one training part has seen the test rows of other splits).
  bool splits_anew(const Problem& loaded) const;
  /// The problem of each seed.
  Problems problems(const Problem& loaded) const;
  /// The share of the budget: an epoch of SGD is the unit, and SAM's steps cost two gradients.
  int64_t steps_for(const Problem& problem, const std::string& optimizer) const;

  /// The options that change results, as text.
  std::map<std::string, std::string> configuration() const;
  int64_t curvature_samples(const Problem& problem) const;
  /// The command line with --resume.
  std::string resume_command() const;

  // in words, for the terminal and the report
  std::string headline(const Comparison& comparison) const;
  std::string how_measured(const Comparison& comparison, const Problem& problem) const;

 private:
  void check() const;
  /// The data under another split, counted from 0.
  Problem problem_of(uint64_t split) const;
  /// Where an optimizer's lr and rho come from, in words: what was tuned for this data was tuned for this optimizer,
  /// with all else as it is here.
  std::string origin(const Setting& setting) const;
  std::string origins() const;
  std::string weight_decays() const;
  std::vector<std::string> command_;
  std::map<std::string, std::vector<std::string>> typed_;  ///< hyperparameters, by option
  std::map<std::string, Hyperparameters> given_;           ///< by optimizer: those that were typed
};

}  // namespace minima::examples
