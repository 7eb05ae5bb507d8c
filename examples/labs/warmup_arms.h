// The arms of lab 13: AdamW alone, and with MSAM or SAM around it; lr that rises in a warm-up or does not; rho that
// counts from the first step on or begins after it. Schedules are functions of the step, so an arm is its schedules.
// Not here: what the arms are trained on (lab13_warmup.cpp, warmup_text.h).
#pragma once

#include <string>
#include <vector>

#include "examples/kit/runs.h"

namespace minima::examples {

struct Arm {
  std::string words;
  std::string optimizer;           ///< adamw, or msam or sam around it
  bool lr_rises = true;            ///< false: lr is at its height from the first step on
  bool rho_from_the_start = true;  ///< false: rho is 0 in the steps of the warm-up
  std::string style{};             ///< as in Setting

  bool wraps() const { return optimizer != "adamw"; }
};

/// In the order of the tables; the first is AdamW with a warm-up, with which all are compared.
const std::vector<Arm>& arms();
const Arm& arm(const std::string& words);

/// The share of the steps that are the warm-up: near the paper's 8 epochs of 90.
inline constexpr double warmup_share = 0.1;
int64_t warmup_of(int64_t steps);

/// lr rises over the warm-up, or does not, and falls along a cosine to 0 after it; rho is constant where it counts.
Setting setting_of(const Arm& arm, double lr, double rho, int64_t steps);
/// Gives an optimizer the two schedules of a setting that was made above.
void schedule(const Arm& arm, const Setting& setting, optim::Optimizer& optimizer);

}  // namespace minima::examples
