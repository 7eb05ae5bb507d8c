// The page's names of optimizers, and the hyperparameters that each of them reads.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace minima::playground {

/// gd and momentum are SGD; msam-nesterov is MSAM with rho = lr * momentum * |v|. Others are called as optim/make.h
/// does.
std::string name_in_minima(const std::string& name);

/// What this optimizer reads, by the names of its group: no momentum in gd, momentum as beta1 in Adam, rho in those
/// alone that perturb the weights.
std::vector<std::pair<std::string, double>> values_by_name(const std::string& name, double lr, double momentum,
                                                           double rho, double weight_decay);

}  // namespace minima::playground
