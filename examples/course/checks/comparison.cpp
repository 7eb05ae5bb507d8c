// Assignment 9: a comparison of one's own. Whether the question is worth asking is graded by hand.
#include <cmath>
#include <set>

#include "examples/course/checks/checks.h"
#include "examples/course/own_comparison.h"

namespace minima::examples::course {

namespace {

double gradients(const Method& method, int64_t epochs) {
  return optim::gradients_per_step(method.name) * static_cast<double>(epochs);
}

}  // namespace

void check_comparison(Checks& checks) {
  checks.claim(10, "the design asks a question, and compares two methods that differ", [] {
    const Design d = design();
    if (d.question.size() < 20 || d.question.find('?') == std::string::npos)
      return std::string("the question is no sentence with a question mark");
    return d.first.name == d.second.name && d.first.hyperparameters == d.second.hyperparameters
               ? std::string("both methods are the same")
               : std::string();
  });
  checks.claim(10, "it has five different seeds or more, and a budget that is equal, or said to be unequal", [] {
    const Design d = design();
    if (std::set<uint64_t>(d.seeds.begin(), d.seeds.end()).size() < 5) return text("fewer than five different seeds");
    const double first = gradients(d.first, d.epochs_of_first), second = gradients(d.second, d.epochs_of_second);
    const bool said = d.question.find("epoch") != std::string::npos;
    return std::abs(first / second - 1) < 0.05 || said
               ? std::string()
               : text("the first takes ", first / second, " times as many gradients, and the question does not say so");
  });
  const Method sgd{"sgd", {{"lr", 0.05}}}, msam_without_radius{"msam", {{"lr", 0.05}, {"rho", 0}}};
  checks.claim(10, "training lowers the test loss", [=] {
    const double loss = test_loss_of(sgd, 1, 8);
    return loss > 0 && loss < 0.8 ? std::string() : text("after 8 epochs of SGD it is ", loss);
  });
  checks.claim(10, "the same seed gives the same loss, another seed another one", [=] {
    const double a = test_loss_of(sgd, 1, 2), again = test_loss_of(sgd, 1, 2), b = test_loss_of(sgd, 2, 2);
    if (a != again) return std::string("the same seed gives two losses");
    return std::string(a == b ? "two seeds give one loss" : "");
  });
  checks.claim(15, "both methods of a seed have the same start and batches: MSAM with rho = 0 ends where SGD ends",
               [=] { return differs({test_loss_of(msam_without_radius, 3, 3)}, {test_loss_of(sgd, 3, 3)}, 1e-12); });
  checks.claim(20, "the interval is that of paired differences: 0.40 +- 0.12 for the numbers of exercise 9.1", [] {
    const PairedInterval d = paired_interval({90.4, 91.3, 89.5, 90.8, 90.0}, {90.0, 91.0, 89.0, 90.5, 89.5});
    return differs({d.mean, d.half_width}, {0.40, 0.1242}, 1e-3);
  });
  checks.claim(10, "two samples have the wide interval that two samples deserve, one has none", [] {
    const PairedInterval two = paired_interval({1, 2}, {0, 0}), one = paired_interval({1}, {0});
    const std::string problem = differs({two.mean, two.half_width}, {1.5, 12.706 * 0.5}, 1e-3);
    return problem.empty() && !std::isnan(one.half_width) ? std::string("one sample has an interval") : problem;
  });
  checks.claim(15, "the verdict is \"not separated\" where the interval holds 0, or does not exist", [] {
    for (const auto& [difference, expected] : {std::pair{PairedInterval{-1, 0.5}, "first lower"},
                                               {PairedInterval{1, 0.5}, "second lower"},
                                               {PairedInterval{0.4, 0.5}, "not separated"},
                                               {PairedInterval{-0.4, 0.5}, "not separated"},
                                               {PairedInterval{1, NAN}, "not separated"}})
      if (verdict(difference) != expected)
        return text("[", difference.mean - difference.half_width, ", ", difference.mean + difference.half_width,
                    "]: \"", verdict(difference), "\"");
    return std::string();
  });
}

}  // namespace minima::examples::course
