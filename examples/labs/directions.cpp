#include "examples/labs/directions.h"

#include <algorithm>
#include <cmath>

namespace minima::examples {

void Directions::tune_lr() {
  std::vector<ProbeTask> tasks;
  for (int64_t seed = 1; seed <= plan_.seeds; ++seed)
    for (double lr : plan_.lrs) {
      tasks.push_back({with("sgd", 0, seed)});
      tasks.back().settings.lr = lr;
    }
  const std::vector<Rung> tried = run(tasks, /*every=*/2);
  const Reading accuracy = [](const ProbedRun& run) { return run.validation.accuracy; };
  size_t chosen = 0;
  while (chosen + 1 < tried.size() && tried[chosen].diverged()) ++chosen;
  for (size_t i = chosen + 1; i < tried.size(); ++i) {
    const Interval gain = tried[i].minus(tried[chosen], accuracy);
    if (gain.separated() && gain.mean > 0) chosen = i;
  }
  Table table{{"learning rate", "validation accuracy %", "validation loss", "train loss", ""}};
  for (const Rung& rung : tried)
    table.push_back({number_text(rung.settings.lr), interval_text(rung.mean(accuracy), 100),
                     interval_text(rung.mean(readings::validation_loss)),
                     interval_text(rung.mean(readings::train_loss)), &rung == &tried[chosen] ? "kept" : ""});
  lab_.table("The learning rate, tuned on SGD alone; " + number_text(plan_.lrs[0]) +
                 " is kept unless another is better by more than the 95% interval of the paired difference.",
             table);
  sgd_ = tried[chosen];
  settings_.lr = sgd_.settings.lr;
}

void Directions::more_of_sgd() {
  sgd_steps_ = sgd_;
  std::vector<ProbeTask> tasks;
  for (int64_t seed = plan_.seeds + 1; seed <= plan_.sgd_seeds; ++seed) tasks.push_back({with("sgd", 0, seed)});
  for (const Rung& rung : run(tasks, /*every=*/2))
    sgd_steps_.runs.insert(sgd_steps_.runs.end(), rung.runs.begin(), rung.runs.end());
}

void Directions::sweep() {
  std::vector<ProbeTask> tasks;
  for (int64_t seed = 1; seed <= plan_.seeds; ++seed)
    for (const Ladder& ladder : plan_.ladders)
      for (double rho : ladder.rhos) tasks.push_back({with(ladder.optimizer, ladder.sign * rho, seed)});
  rungs_ = run(tasks);
}

void Directions::half_the_epochs() {
  std::vector<ProbeTask> tasks;
  for (int64_t seed = 1; seed <= plan_.seeds; ++seed) {
    tasks.push_back({with("along-gradient", best("along-gradient").settings.rho, seed)});
    tasks.back().settings.steps /= 2;
  }
  half_ = run(tasks);
}

void Directions::compare_gradients() {
  msam_rhos_ = {0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5};
  std::vector<RunSettings> settings;
  for (int64_t seed = 1; seed <= plan_.seeds; ++seed) settings.push_back(with("sgd", 0, seed));
  const int64_t looks = std::min<int64_t>(24, settings_.steps - 1);  // the first step has no momentum to go along
  likenesses_ = likeness(lab_, images_.problem, settings, best("along-gradient").settings.rho, msam_rhos_, looks);
}

std::vector<const Rung*> Directions::of(const std::string& optimizer, int sign) const {
  std::vector<const Rung*> found;
  for (const Rung& rung : rungs_)
    if (rung.settings.optimizer == optimizer && rung.settings.rho * sign > 0) found.push_back(&rung);
  return found;
}

std::vector<const Rung*> Directions::of(const Ladder& ladder) const { return of(ladder.optimizer, ladder.sign); }

const Rung& Directions::at(const std::string& optimizer, double rho) const {
  for (const Rung& rung : rungs_)
    if (rung.settings.optimizer == optimizer && rung.settings.rho == rho) return rung;
  fail("lab5_directions", text(optimizer, " at rho = ", rho), "one of the radii that were tried");
}

const Rung& Directions::best(const std::string& optimizer, int sign) const {
  const std::vector<const Rung*> rungs = of(optimizer, sign);
  return **std::min_element(rungs.begin(), rungs.end(), [](const Rung* a, const Rung* b) {
    const double x = a->mean(readings::validation_loss).mean, y = b->mean(readings::validation_loss).mean;
    return std::isnan(y) ? !std::isnan(x) : x < y;
  });
}

}  // namespace minima::examples
