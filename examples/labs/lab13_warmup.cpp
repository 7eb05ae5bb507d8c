// lab13_warmup: whether rho has to wait until the learning rate has risen. A vision transformer and a language model
// with AdamW, alone and within MSAM and SAM, each at the radius that validation data choose.
#include <algorithm>
#include <array>
#include <cmath>

#include "examples/kit/tuning.h"
#include "examples/labs/lab_data.h"
#include "examples/labs/warmup_text.h"

using namespace minima;
using namespace minima::examples;

namespace {

const LabAbout about{
    .name = "lab13_warmup",
    .title = "Lab 13. Warm-up",
    .question =
        "A transformer is trained by AdamW with a learning rate that rises at first. The paper on MSAM reports that a "
        "rho which counts from the first step on costs what MSAM gains, and more, and that MSAM gains if rho waits for "
        "the end of the warm-up. How much is it here, on a transformer of 27,000 weights? Is it the same for SAM? And "
        "if the learning rate does not rise at all, must rho still wait?",
    .refuted_by =
        "at the paper's size, nothing that is found here: a warm-up of some dozen steps is not one of thousands. Here "
        "it would be a rho which, chosen from a wider or finer grid, turns a difference round."};

// ---- what is trained

LabData data{{.images = 2000, .epochs = 20, .seeds = 5}, {.images = 400, .epochs = 4, .seeds = 2}, "vit:7,32,2,4"};
int64_t first_seed = 1, text_steps = 800;
double image_lr = 0.002, text_lr = 0.004;

/// What the arms are tried on, and how it is judged.
struct Task {
  std::string name, loss_words;
  JudgedBy by;  ///< what chooses rho
  double lr;
  int64_t steps;
  bool more_is_better;  ///< of the reading below
  OfRun reading;        ///< what the verdicts are about
  double scale;         ///< of the reading, for people
  std::string unit;
  std::function<std::vector<Runs>(const std::vector<Setting>&, const std::vector<uint64_t>& seeds, bool validation)>
      train;
};

const OfRun test_accuracy = at_end(&Measurement::test_accuracy), test_loss = at_end(&Measurement::test_loss);

Task image_task(Lab& lab) {
  const Images images = data.load_with_validation();
  Problem problem = images.problem, validation = images.problem;
  validation.test = images.validation;
  lab.say(text("Images: ", problem.data, ", ", problem.train.size(), " to train, ", validation.test.size(),
               " others for validation, ", problem.test.size(), " for testing; ", problem.model, ", batches of ",
               problem.batch, ", ", data.epochs(), " epochs, lr ", image_lr, "."));
  return {.name = problem.model + ", " + problem.data,
          .loss_words = "loss",
          .by = JudgedBy::accuracy,
          .lr = image_lr,
          .steps = data.epochs() * problem.steps_per_epoch(),
          .more_is_better = true,
          .reading = test_accuracy,
          .scale = 100,
          .unit = "points of test accuracy",
          .train = [&lab, problem, validation](const std::vector<Setting>& settings, const std::vector<uint64_t>& seeds,
                                               bool on_validation) {
            return lab.run({.problems = on_validation ? validation : problem,
                            .settings = settings,
                            .seeds = seeds,
                            .measures = {.every_epoch = false}});
          }};
}

/// The end of the text is for testing, what comes before it for validation.
Task text_task(Lab& lab) {
  const auto [rest, test] = datasets::split(datasets::alice());
  const auto [train, validation] = datasets::split(rest);
  const TextTask task{.train = train, .judged_on = test, .size = {.width = 32, .depth = 2, .heads = 4}};
  TextTask tuning = task;
  tuning.judged_on = validation;
  lab.say(text("Text: Alice's Adventures in Wonderland, ", train.size(), " characters to train, ", validation.size(),
               " for validation, ", test.size(), " for testing; a language model of width ", task.size.width, " with ",
               task.size.depth, " blocks, ", task.batch, " windows of ", task.context, " characters in a step, ",
               text_steps, " steps, lr ", text_lr, "."));
  return {.name = "language model, Alice",
          .loss_words = "bits per character",
          .by = JudgedBy::loss,
          .lr = text_lr,
          .steps = text_steps,
          .more_is_better = false,
          .reading = test_loss,
          .scale = 1,
          .unit = "bits per character",
          .train = [&lab, task, tuning](const std::vector<Setting>& settings, const std::vector<uint64_t>& seeds,
                                        bool on_validation) {
            return train_writers(on_validation ? tuning : task, settings, seeds, lab.workers());
          }};
}

std::vector<Runs> train(Lab& lab, const Task& task, const std::vector<Setting>& settings,
                        const std::vector<uint64_t>& seeds, bool validation) {
  const std::vector<Runs> all = task.train(settings, seeds, validation);
  for (const Runs& runs : all)
    for (const RunResult& r : runs.results)
      lab.record("runs", {{"task", task.name},
                          {"judged_on", validation ? "validation" : "test"},
                          {"arm", runs.setting.label},
                          {"rho", runs.setting.value("rho")},
                          {"lr", runs.setting.value("lr")},
                          {"seed", static_cast<int64_t>(r.seed)},
                          {"steps", runs.setting.steps},
                          {"gradient_evaluations", r.last().gradient_evaluations},
                          {"loss", r.last().test_loss},
                          {"accuracy", r.last().test_accuracy},
                          {"diverged", r.divergence}});
  return all;
}

// ---- the radii

std::vector<double> grid(bool quick) {
  return quick ? std::vector<double>{0.1, 1} : std::vector<double>{0.03, 0.1, 0.3, 1, 3};
}

/// All arms that have a radius, at every radius of the grid, on validation data.
std::vector<Runs> try_radii(Lab& lab, const Task& task) {
  std::vector<Setting> settings;
  for (const Arm& arm : arms())
    for (const double rho : grid(lab.quick()))
      if (arm.wraps()) settings.push_back(setting_of(arm, task.lr, rho, task.steps));
  return train(lab, task, settings, seeds_from(first_tuning_seed, lab.quick() ? 1 : 2), /*validation=*/true);
}

/// The radius of an arm that did best. One that diverged is not chosen.
double chosen(const std::vector<Runs>& tried, const Task& task, const Arm& arm) {
  const Runs* best = nullptr;
  for (const Runs& runs : tried)
    if (runs.setting.label == arm.words && runs.diverged() == 0 && (!best || better(runs, *best, task.by)))
      best = &runs;
  if (!best) fail("lab13_warmup", arm.words + " diverged at every radius", "one that does not", "Try a smaller lr.");
  return best->setting.value("rho");
}

void show_radii(Lab& lab, const Task& task, const std::vector<Runs>& tried) {
  Table table{{"on validation data"}};
  for (const double rho : grid(lab.quick())) table[0].push_back("rho " + number_text(rho));
  for (const Arm& arm : arms()) {
    if (!arm.wraps()) continue;
    std::vector<std::string> row{arm.words};
    for (const Runs& runs : tried)
      if (runs.setting.label == arm.words)
        row.push_back(runs.diverged() > 0 ? "diverged"
                                          : fixed(100 * validation_accuracy(runs).mean, 1) + " / " +
                                                fixed(validation_loss(runs).mean, 3));
    table.push_back(row);
  }
  lab.table(text("Accuracy in % / ", task.loss_words, ", means over ", tried.front().results.size(),
                 " seeds of their own. For each arm the radius is chosen by the ",
                 task.by == JudgedBy::accuracy ? "accuracy" : task.loss_words, "."),
            table);
}

Panel radius_panel(const Task& task, const std::vector<Runs>& tried) {
  Panel panel{.title = task.name, .x_title = "rho", .y_title = "validation, " + task.unit, .log_x = true};
  if (task.by == JudgedBy::accuracy) panel.y_title = "validation accuracy, %";
  for (const Arm& arm : arms()) {
    if (!arm.wraps()) continue;
    Series series{.label = arm.words, .style = arm.style.empty() ? arm.optimizer : arm.style};
    series.draw = Series::Draw::line_and_points;
    for (const Runs& runs : tried)
      if (runs.setting.label == arm.words && runs.diverged() == 0) {
        series.x.push_back(runs.setting.value("rho"));
        series.y.push_back(task.scale * runs.mean(task.reading).mean);
      }
    panel.series.push_back(series);
  }
  return panel;
}

// ---- what came of it

/// The arms at their radii.
std::vector<Setting> finalists(const Task& task, const std::vector<Runs>& tried) {
  std::vector<Setting> settings;
  for (const Arm& arm : arms()) {
    const double rho = arm.wraps() ? chosen(tried, task, arm) : 0;
    settings.push_back(setting_of(arm, task.lr, rho, task.steps));
  }
  return settings;
}

/// A difference that is asked about, and what the paper has for it (ViT-S/32, ImageNet, in points), if anything.
struct Question {
  const char *a, *b, *paper;
};
constexpr std::array<Question, 9> questions{
    {{"MSAM from the start", "AdamW", "-1.0"},
     {"MSAM after the warm-up", "AdamW", "+2.0"},
     {"MSAM after the warm-up", "MSAM from the start", "+3.0"},
     {"SAM from the start", "AdamW", "+2.1"},
     {"SAM after the warm-up", "AdamW", "+2.7"},
     {"SAM after the warm-up", "SAM from the start", "+0.6"},
     {"AdamW, lr does not rise", "AdamW", ""},
     {"MSAM after those steps, lr does not rise", "AdamW", ""},
     {"MSAM after those steps, lr does not rise", "MSAM from the start, lr does not rise", ""}}};

Interval difference(const std::vector<Runs>& all, const Task& task, const char* a, const char* b) {
  return named(all, a).minus(named(all, b), task.reading);
}

/// The waiting arm minus the other at the waiting arm's radius: what waiting does while nothing else differs.
struct AtOneRadius {
  double rho;
  Interval difference;
};

AtOneRadius at_one_radius(Lab& lab, const Task& task, const std::vector<Runs>& all) {
  const Runs &waiting = named(all, "MSAM after the warm-up"), &other = named(all, "MSAM from the start");
  const double rho = waiting.setting.value("rho");
  if (other.setting.value("rho") == rho) return {rho, waiting.minus(other, task.reading)};
  const std::vector<Runs> same = train(lab, task, {setting_of(arm(other.name()), task.lr, rho, task.steps)},
                                       seeds_from(static_cast<uint64_t>(first_seed), data.seeds()), false);
  return {rho, waiting.minus(same.front(), task.reading)};
}

void show(Lab& lab, const Task& task, const std::vector<Runs>& all, const AtOneRadius& same) {
  Table arms_table{{"", "rho", "gradients a step", "test accuracy %", "test " + task.loss_words, "diverged"}};
  for (const Runs& runs : all)
    arms_table.push_back({runs.name(), runs.setting.value_text("rho"),
                          fixed(optim::gradients_per_step(runs.setting.optimizer), 0),
                          interval_text(runs.mean(test_accuracy), 100), interval_text(runs.mean(test_loss)),
                          runs.diverged() > 0 ? text(runs.diverged()) : ""});
  lab.table(text("Means over ", data.seeds(), " seeds with 95% intervals. All have the same number of steps, of which ",
                 warmup_of(task.steps), " of ", task.steps, " are the warm-up:"),
            arms_table);
  Table table{{"", "minus", "here", "separated", "the paper"}};
  for (const Question& q : questions) {
    const Interval d = difference(all, task, q.a, q.b);
    table.push_back({q.a, q.b, difference_text(d, task.scale), separation(d), q.paper});
  }
  table.push_back({"MSAM after the warm-up", text("MSAM from the start, rho ", same.rho),
                   difference_text(same.difference, task.scale), separation(same.difference), ""});
  lab.table(text("Differences paired by seed with 95% Student-t intervals, in ", task.unit,
                 task.more_is_better ? "" : " (below 0 is better)",
                 "; the paper's are points of accuracy, ViT-S/32 on ImageNet, one run each:"),
            table);
}

void expect_stated(Lab&, const Task&, const std::vector<Runs>&) {}

void expect_costs(Lab& lab, const Task& task, const std::vector<Runs>& all) {
  double largest_miss = 0;
  for (const Runs& runs : all)
    for (const RunResult& run : runs.results)
      if (!run.diverged())
        largest_miss =
            std::max(largest_miss, std::abs(gradients_at_end(run) - double(expected_gradients(runs.setting))));
  lab.expect_always(task.name + ": gradients taken beyond one a step (SAM two), the largest of all arms", largest_miss,
                    at_most(0));
}

void warmup(Lab& lab) {
  if (first_seed < 0) fail("--first-seed", text(first_seed), "a whole number of at least 0");
  if (text_steps < 1) fail("--text-steps", text(text_steps), "at least 1");
  for (const auto& [option, lr] : {std::pair{"--lr", image_lr}, {"--text-lr", text_lr}})
    if (!(lr > 0 && std::isfinite(lr))) fail(option, number_text(lr), "a number above 0");
  data.take(lab);
  if (lab.quick()) text_steps = std::min<int64_t>(text_steps, 80);
  std::vector<Panel> panels;
  for (Task (*task_of)(Lab&) : {image_task, text_task}) {
    lab.heading(task_of == image_task ? "Images" : "Text");
    const Task task = task_of(lab);
    const std::vector<Runs> tried = try_radii(lab, task);
    show_radii(lab, task, tried);
    panels.push_back(radius_panel(task, tried));
    const std::vector<Runs> all =
        train(lab, task, finalists(task, tried), seeds_from(static_cast<uint64_t>(first_seed), data.seeds()), false);
    show(lab, task, all, at_one_radius(lab, task, all));
    expect_costs(lab, task, all);
    expect_stated(lab, task, all);
  }
  lab.figure("radii", line_figure("radii", "With rho from the start and after the warm-up", panels, 2),
             "What each radius gives on validation data.");
}

}  // namespace

int main(int argc, char** argv) {
  return run_lab(argc, argv, about, warmup, [](CommandLine& line) {
    data.add_to(line);
    line.option("--first-seed", first_seed, "of the runs that are compared: this one and those after it");
    line.option("--lr", image_lr, "highest learning rate on the images");
    line.option("--text-lr", text_lr, "highest learning rate on the text");
    line.option("--text-steps", text_steps, "steps on the text");
  });
}
