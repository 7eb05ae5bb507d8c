// A comparison of two optimizers on the digits, small enough to be designed, run and read in one sitting: assignment 9
// of the course. Not here: everything that ./minima compare does beyond that.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace minima::examples::course {

/// An optimizer by its name (optim/make.h), and what is not left at its starting value.
struct Method {
  std::string name;
  std::map<std::string, double> hyperparameters;
};

struct Design {
  std::string question;  ///< one sentence that a number can answer
  Method first, second;
  int64_t epochs_of_first, epochs_of_second;  ///< such that the budget is what the question says
  std::vector<uint64_t> seeds;                ///< at least five, of both methods
};
Design design();

/// Trains the network 64-32-10 with this method; the mean cross entropy on the test images at the end. The seed
/// determines initial weights and batches, and nothing else does.
double test_loss_of(const Method& method, uint64_t seed, int64_t epochs);

/// A mean with half of its 95% interval: NaN for fewer than two samples.
struct PairedInterval {
  double mean, half_width;
};
/// Of a[i] - b[i].
PairedInterval paired_interval(const std::vector<double>& a, const std::vector<double>& b);

/// What such an interval of first - second says of a loss: "first lower", "second lower" or "not separated".
std::string verdict(const PairedInterval& difference);

}  // namespace minima::examples::course
