#include "examples/labs/directions.h"

#include <algorithm>
#include <cmath>

namespace minima::examples {

void Directions::choose_lr() {
  std::vector<Setting> settings;
  for (const double lr : plan_.lrs) {
    settings.push_back(sgd_.setting);
    settings.back().hyperparameters = {{"lr", lr}};
  }
  const std::vector<Runs> tried = run(settings, 1, plan_.seeds, /*every=*/2);
  size_t common = 0;
  while (common + 1 < tried.size() && tried[common].diverged() > 0) ++common;
  const auto loss = [](const Runs& runs) { return runs.mean_of_all(validation_loss_of).mean; };  // NaN: diverged
  size_t lowest = common;
  for (size_t i = 0; i < tried.size(); ++i)
    if (loss(tried[i]) < loss(tried[lowest])) lowest = i;
  Table table{{"learning rate", "validation accuracy %", "validation loss", "train loss", ""}};
  for (size_t i = 0; i < tried.size(); ++i)
    table.push_back(
        {tried[i].setting.value_text("lr"), interval_text(tried[i].mean_of_all(validation_accuracy_of), 100),
         interval_text(tried[i].mean_of_all(validation_loss_of)),
         interval_text(tried[i].mean_of_all(at_end(&Measurement::train_loss))),
         joined(std::vector<std::string>{i == common ? "for all directions" : "", i == lowest ? "lowest loss" : ""},
                i == common && i == lowest ? ", " : "")});
  lab_.table(
      "SGD at several learning rates. All directions get the same one, so that nothing but the direction differs "
      "between them; the one of the lowest validation loss is an opponent to compare with.",
      table);
  sgd_ = tried[common], sgd_by_loss_ = tried[lowest];
}

void Directions::more_of_sgd() {
  sgd_steps_ = sgd_;
  const std::vector<Runs> more = run({sgd_.setting}, plan_.seeds + 1, plan_.sgd_seeds - plan_.seeds, /*every=*/2);
  for (const RunResult& result : more.front().results) sgd_steps_.results.push_back(result);
}

void Directions::sweep() {
  std::vector<Setting> settings;
  for (const Ladder& ladder : plan_.ladders)
    for (const double rho : ladder.rhos) settings.push_back(with(ladder.optimizer, ladder.sign * rho));
  runs_ = run(settings, 1, plan_.seeds);
}

void Directions::half_the_epochs() {
  Setting half = best("along-gradient").setting;
  half.steps /= 2;
  half_ = run({half}, 1, plan_.seeds).front();
}

void Directions::compare_gradients() {
  msam_rhos_ = {0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5};
  const int64_t looks = std::min<int64_t>(24, steps() - 1);  // the first step has no momentum to go along
  likenesses_ = lab_.run({.problems = images_.problem,
                          .settings = {sgd_.setting},
                          .seeds = seeds_from(1, plan_.seeds),
                          .measures = {.every_epoch = false},
                          .observe = likeness(best("along-gradient").setting.value("rho"), msam_rhos_, looks)})
                    .front();
}

std::vector<const Runs*> Directions::of(const std::string& optimizer, int sign) const {
  std::vector<const Runs*> found;
  for (const Runs& runs : runs_)
    if (runs.setting.optimizer == optimizer && runs.setting.value("rho") * sign > 0) found.push_back(&runs);
  return found;
}

std::vector<const Runs*> Directions::of(const Ladder& ladder) const { return of(ladder.optimizer, ladder.sign); }

const Runs& Directions::at(const std::string& optimizer, double rho) const {
  for (const Runs& runs : runs_)
    if (runs.setting.optimizer == optimizer && runs.setting.value("rho") == rho) return runs;
  fail("lab5_directions", text(optimizer, " at rho = ", rho), "one of the radii that were tried");
}

const Runs& Directions::best(const std::string& optimizer, int sign) const {
  const std::vector<const Runs*> all = of(optimizer, sign);
  return **std::min_element(all.begin(), all.end(), [](const Runs* a, const Runs* b) {
    const double x = a->mean_of_all(validation_loss_of).mean, y = b->mean_of_all(validation_loss_of).mean;
    return std::isnan(y) ? !std::isnan(x) : x < y;
  });
}

}  // namespace minima::examples
