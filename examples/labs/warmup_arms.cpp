#include "examples/labs/warmup_arms.h"

#include <algorithm>
#include <cmath>

namespace minima::examples {

const std::vector<Arm>& arms() {
  static const std::vector<Arm> all{
      {.words = "AdamW", .optimizer = "adamw"},
      {.words = "MSAM from the start", .optimizer = "msam"},
      {.words = "MSAM after the warm-up", .optimizer = "msam", .rho_from_the_start = false, .style = "msam'"},
      {.words = "SAM from the start", .optimizer = "sam"},
      {.words = "SAM after the warm-up", .optimizer = "sam", .rho_from_the_start = false, .style = "sam'"},
      {.words = "AdamW, lr does not rise", .optimizer = "adamw", .lr_rises = false, .style = "adamw'"},
      {.words = "MSAM after those steps, lr does not rise",
       .optimizer = "msam",
       .lr_rises = false,
       .rho_from_the_start = false,
       .style = "msam''"}};
  return all;
}

const Arm& arm(const std::string& words) {
  const auto found = std::find_if(arms().begin(), arms().end(), [&](const Arm& arm) { return arm.words == words; });
  if (found == arms().end()) fail("arm", words, "the words of one of arms()");
  return *found;
}

int64_t warmup_of(int64_t steps) { return std::max<int64_t>(1, std::llround(warmup_share * double(steps))); }

void schedule(const Arm& arm, const Setting& setting, optim::Optimizer& optimizer) {
  const double lr = setting.value("lr"), rho = setting.value("rho");
  const int64_t warmup = warmup_of(setting.steps);
  const optim::Schedule begin =
      arm.lr_rises ? optim::linear_warmup(lr, warmup, 1 / static_cast<double>(warmup)) : optim::Schedule(lr);
  const optim::Schedule fall = optim::cosine(lr, std::max<int64_t>(1, setting.steps - warmup));
  optimizer.group(0)["lr"] = optim::join({begin, fall}, {warmup});
  if (arm.wraps() && !arm.rho_from_the_start) optimizer.group(0)["rho"] = optim::join({0, rho}, {warmup});
}

Setting setting_of(const Arm& arm, double lr, double rho, int64_t steps) {
  Setting setting{.optimizer = arm.optimizer,
                  .base = "adamw",
                  .hyperparameters = {{"lr", lr}},
                  .steps = steps,
                  .label = arm.words,
                  .style = arm.style};
  if (arm.wraps()) setting.hyperparameters["rho"] = rho;
  const Setting plain = setting;  // without the function that is made here
  setting.prepare = [arm, plain](Run& run) { schedule(arm, plain, run.optimizer()); };
  return setting;
}

}  // namespace minima::examples
