// Tables and figures of lab 6: accuracies in the last and in the best epoch, and which labels have been learnt.
// Not here: the runs, what they are expected to show (lab6_label_noise.cpp).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "examples/labs/lab.h"

namespace minima::examples {

/// Of the last epoch: accuracy on clean test data, and the share of the wrong training labels that has been learnt.
double last_accuracy(const RunResult& run);
double corrupted_fit(const RunResult& run);
/// The highest test accuracy of all measurements. It is read off the test set, so that it flatters.
double best_test_accuracy(const RunResult& run);

/// "sam 0.2": a setting with a radius and lr 0.05.
std::string radius_label(const std::string& optimizer, double rho);

/// Runs by the share of wrong labels.
using ByNoise = std::map<double, std::vector<Runs>>;

Table outcome_table(const std::vector<Runs>& all);
/// Runs minus a reference, paired by seed.
Table paired_table(const std::vector<Runs>& all, const std::string& reference);
/// A row for each setting and a column for each noise: accuracy in the last epoch, and in the best.
Table noise_table(const ByNoise& by_noise);

/// Accuracy, loss and labels learnt against epochs.
void draw_curves(Lab& lab, const std::string& data, const std::vector<Runs>& all);
/// Against rho, for the settings whose label is a radius_label; sgd and nesterov as lines beside them.
void draw_radii(Lab& lab, const std::string& data, const std::vector<Runs>& all);
void draw_noises(Lab& lab, const std::string& data, const ByNoise& by_noise);

}  // namespace minima::examples
