// own_lab: does momentum fit the training data better at the same learning rate? The lab of the page "a lab of your
// own".
#include "examples/labs/lab_data.h"

using namespace minima;
using namespace minima::examples;

namespace {

const LabAbout about{
    .name = "own_lab",
    .title = "A lab of your own. Momentum",
    .question = "Does SGD end at a lower training loss with momentum 0.9 than with 0, at the same learning rate?",
    .refuted_by = "momentum 0 with ten times the learning rate doing as well: then it was the length of the steps."};

LabData data{{.images = 1000, .epochs = 6, .seeds = 5}, {.images = 500, .epochs = 3, .seeds = 3}};

void momentum(Lab& lab) {
  data.take(lab);
  const Problem problem = data.load();
  std::vector<Setting> settings;
  for (const double value : {0.0, 0.9})
    settings.push_back({.optimizer = "sgd",
                        .hyperparameters = {{"lr", 0.01}, {"momentum", value}},
                        .steps = data.epochs() * problem.steps_per_epoch(),
                        .label = text("momentum ", value)});
  const std::vector<Runs> all =
      lab.run({.problems = problem, .settings = settings, .seeds = seeds_from(1, data.seeds())});
  const OfRun loss = at_end(&Measurement::train_loss);
  Table table{{"", "training loss"}};
  for (const Runs& runs : all) table.push_back({runs.name(), interval_text(runs.mean(loss))});
  lab.table(text("Means over ", data.seeds(), " seeds with 95% intervals:"), table);
  lab.figure("curves",
             line_figure("curves", "Training loss",
                         {curve_panel("", epoch_axis(), {"loss", [](const Measurement& m) { return m.train_loss; }},
                                      all, /*log_y=*/true)},
                         1, band_note(data.seeds())),
             "Training loss against epochs.");
  lab.expect("training loss, momentum 0.9 - momentum 0", all[1].minus(all[0], loss).mean, at_most(0));
}

}  // namespace

int main(int argc, char** argv) {
  return run_lab(argc, argv, about, momentum, [](CommandLine& line) { data.add_to(line); });
}
