#include <cstdio>

#include "examples/kit/session.h"
#include "examples/kit/table.h"

using namespace minima::examples;

int main() {
  auto [train, test] = minima::datasets::digits();
  const Problem problem{.data = "digits", .model = "mlp:32", .train = train, .test = test};
  const int64_t steps = 5 * problem.steps_per_epoch();
  const std::vector<Setting> settings{
      {.optimizer = "sgd", .hyperparameters = {{"lr", 0.05}}, .steps = steps},
      {.optimizer = "msam", .hyperparameters = {{"lr", 0.05}, {"rho", 1}}, .steps = steps}};

  Session session({.directory = "runs/own", .resumable = false});
  const std::vector<Runs> all = session.run({.problems = problem, .settings = settings, .seeds = seeds_from(1, 5)});
  const OfRun accuracy = at_end(&Measurement::test_accuracy);
  for (const Runs& runs : all)
    std::printf("%-5s %s%%\n", runs.name().c_str(), interval_text(runs.mean(accuracy), 100).c_str());
  std::printf("msam - sgd: %s points\n", difference_text(all[1].minus(all[0], accuracy), 100).c_str());
}
