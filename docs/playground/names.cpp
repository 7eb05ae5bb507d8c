#include "docs/playground/names.h"

#include "optim/make.h"

namespace minima::playground {

std::string name_in_minima(const std::string& name) {
  if (name == "gd" || name == "momentum") return "sgd";
  return name == "msam-nesterov" ? "along-lr-momentum" : name;
}

std::vector<std::pair<std::string, double>> values_by_name(const std::string& name, double lr, double momentum,
                                                           double rho, double weight_decay) {
  const bool adam = name == "adam" || name == "adamw";
  std::vector<std::pair<std::string, double>> all{
      {"lr", lr}, {"weight_decay", weight_decay}, {adam ? "beta1" : "momentum", name == "gd" ? 0 : momentum}};
  if (name == "msam-nesterov")
    all.emplace_back("rho", momentum);  // of along-lr-momentum: e = -rho * lr * v
  else if (optim::is_wrapper(name_in_minima(name)))
    all.emplace_back("rho", rho);
  return all;
}

}  // namespace minima::playground
