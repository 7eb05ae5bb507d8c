// Lab 3: SGD, Nesterov, Adam, SAM and MSAM on Fashion-MNIST. Twice: all with one learning rate, so that only the rule
// differs, and each tuned on a validation split. With two budgets each: equal epochs, and equal gradient evaluations,
// where SAM gets half the epochs. What a step costs is counted, and timed apart.
//   lab3_optimizers                                       3 seeds
//   lab3_optimizers --seeds 10 --tune full                the long form
//   lab3_optimizers --model cnn --optimizers sgd,sam,msam --images 3000 --test-images 3000 --epochs 8
#include <algorithm>
#include <cmath>

#include "examples/kit/arms.h"
#include "examples/kit/comparison.h"
#include "examples/kit/lab_data.h"
#include "examples/kit/tuning.h"
#include "examples/labs/step_costs.h"

using namespace minima;
using namespace minima::examples;

namespace {

const LabAbout about{
    .name = "lab3_optimizers",
    .title = "Lab 3. Fashion-MNIST, all optimizers",
    .question =
        "Which optimizer ends with the lowest training loss, which with the lowest test loss, and which with "
        "the highest test accuracy? By how much, compared with the luck of the seed? And what of it is left "
        "when SAM, whose step costs two gradients, gets half the epochs?",
    .refuted_by =
        "with one learning rate for all, a test loss of SAM or MSAM that is not at least 12% below SGD's, a "
        "training accuracy of theirs that is not below SGD's, or a training loss of Nesterov that is not. An "
        "advantage in accuracy is claimed only where its interval leaves out 0.",
};

LabData data{{.images = 10000, .epochs = 30, .seeds = 3}, {.images = 2000, .epochs = 20, .seeds = 2}};
struct Options {
  std::vector<std::string> optimizers{"sgd", "nesterov", "adam", "sam", "msam"};
  std::string tune = "short";
  int64_t test_images = 10000, batch = 0;
} options;

struct Setup {
  Problem problem;
  int64_t epochs, seeds, trials = 6, tuning_seeds = 1, repeats = 5;
  bool quick;
};

Setup set_up(const Lab& lab) {
  Setup setup{.problem = data.load(), .epochs = data.epochs(), .seeds = data.seeds(), .quick = lab.quick()};
  if (lab.quick()) setup.trials = 3, setup.repeats = 3;
  if (options.tune == "full") setup.trials = trials_per_optimizer, setup.tuning_seeds = 3;
  if (options.tune == "none") setup.trials = 0;
  if (options.batch > 0) setup.problem.batch = options.batch;
  const bool fewer = lab.quick() && options.test_images == Options{}.test_images;
  const int64_t test_images = fewer ? 2000 : options.test_images;
  if (test_images < setup.problem.test.size()) setup.problem.test = setup.problem.test.take(test_images);
  return setup;
}

void check_options() {
  if (options.batch < 0) fail("--batch", text(options.batch), "1 or more, or 0 to choose by the data");
  if (options.test_images < 1) fail("--test-images", text(options.test_images), "1 or more");
  if (options.tune != "none" && options.tune != "short" && options.tune != "full")
    fail("--tune", options.tune, "none, short or full");
  const auto& known = optim::optimizer_names();
  for (const std::string& name : options.optimizers)
    if (std::find(known.begin(), known.end(), name) == known.end())
      fail("--optimizers", name, "one of " + listed(known));
  if (std::count(options.optimizers.begin(), options.optimizers.end(), "sgd") != 1)
    fail("--optimizers", listed(options.optimizers), "sgd among them, once: the others are compared with it");
}

// ---- settings

/// One learning rate for all that step along a gradient; rho where ten thousand images and this network like it.
RunSettings common_setting(const std::string& optimizer) {
  const bool wrapper = optim::is_wrapper(optimizer);
  RunSettings s{.optimizer = optimizer, .base = wrapper ? "sgd" : optimizer, .lr = 0.05, .weight_decay = 5e-4};
  if (optimizer == "adam" || optimizer == "adamw") s.lr = 0.001;
  if (optimizer == "adamw") s.weight_decay = optim::defaults_of("adamw").weight_decay;
  if (wrapper) s.rho = optim::defaults_of(optimizer).rho;
  if (optimizer == "sam" || optimizer == "looksam" || optimizer == "esam") s.rho = 0.1;
  return s;
}

/// `count` trials around a setting: learning rates a factor of 2 apart, or with rho two learning rates (one in the
/// quick version) from the middle of the same range, each with three rhos a factor of 3 or so apart.
std::vector<RunSettings> short_grid(const RunSettings& start, int64_t count) {
  std::vector<RunSettings> grid;
  for (int64_t i = 0; i < count; ++i) {
    RunSettings s = start;
    if (optim::is_wrapper(start.optimizer)) {
      s.lr = three_digits(start.lr / (count == 3 ? 2 : i < 3 ? 4 : 1));
      s.rho = three_digits(start.rho * (i % 3 == 0 ? 0.3 : i % 3 == 1 ? 1.0 : 3.0));
    } else {
      s.lr = three_digits(start.lr * std::pow(2.0, static_cast<double>(i + 1 - (count == 3 ? 3 : 5))));
    }
    grid.push_back(s);
  }
  return grid;
}

/// An arm for each optimizer, and for each whose step takes more than one gradient another that gets the gradient
/// evaluations of SGD.
std::vector<Arm> common_arms(const Setup& setup) {
  std::vector<Arm> arms;
  for (const std::string& name : options.optimizers) {
    RunSettings s = common_setting(name);
    s.steps = setup.epochs * setup.problem.steps_per_epoch();
    arms.push_back({name, name, s});
    if (gradients_per_step(name) == 1) continue;
    s.steps = static_cast<int64_t>(static_cast<double>(s.steps) / gradients_per_step(name));
    arms.push_back({name + ", equal gradients", name, s});
  }
  return arms;
}

bool short_arm(const Arm& arm) { return arm.label != arm.settings.optimizer; }

/// The trials of an arm, with all seeds, for as many epochs as the arm has.
std::vector<Session::Task> tuning_tasks(const Setup& setup, const Problem& validation, const Arm& arm) {
  std::vector<Session::Task> tasks;
  if (setup.trials == 0) return tasks;
  for (RunSettings trial :
       setup.trials == trials_per_optimizer ? tuning_grid(arm.settings) : short_grid(arm.settings, setup.trials))
    for (int64_t i = 0; i < setup.tuning_seeds; ++i) {
      trial.steps = arm.settings.steps * validation.steps_per_epoch() / setup.problem.steps_per_epoch();
      trial.seed = first_tuning_seed + i;
      tasks.push_back({&validation, trial, {.every_epoch = false}});
    }
  return tasks;
}

// ---- tables

Table outcome_table(const std::vector<Arm>& arms) {
  Table table{{"", "lr", "rho", "gradients", "train loss", "train acc %", "test loss", "test acc %"}};
  for (const Arm& arm : arms) {
    const RunSettings& s = arm.settings;
    auto cell = [&](double Measurement::* quantity, double scale) {
      return interval_text(over_seeds(arm, at_end(quantity)), scale);
    };
    const auto gradients = [](const RunResult& run) { return static_cast<double>(run.last().gradient_evaluations); };
    table.push_back({arm.label, number_text(s.lr), optim::is_wrapper(s.optimizer) ? number_text(s.rho) : "-",
                     interval_text(over_seeds(arm, gradients)), cell(&Measurement::train_loss, 1),
                     cell(&Measurement::train_accuracy, 100), cell(&Measurement::test_loss, 1),
                     cell(&Measurement::test_accuracy, 100)});
  }
  return table;
}

/// Arms minus a reference, paired by seed.
Table paired_table(const std::vector<Arm>& arms, const std::string& reference_label) {
  const Arm& reference = arm(arms, reference_label);
  Table table{{"minus " + reference_label, "test loss, %", "test acc, points", "accuracy", "train acc, points"}};
  for (const Arm& arm : arms) {
    if (arm.label == reference_label) continue;
    const Interval accuracy = difference(arm, reference, at_end(&Measurement::test_accuracy));
    table.push_back({arm.label,
                     difference_text(relative_difference(arm, reference, at_end(&Measurement::test_loss)), 100),
                     difference_text(accuracy, 100), separation(accuracy),
                     difference_text(difference(arm, reference, at_end(&Measurement::train_accuracy)), 100)});
  }
  return table;
}

/// The arms of one budget.
std::vector<Arm> of_budget(const std::vector<Arm>& arms, bool equal_gradients) {
  std::vector<Arm> chosen;
  for (const Arm& arm : arms)
    if (gradients_per_step(arm.settings.optimizer) == 1 || short_arm(arm) == equal_gradients) chosen.push_back(arm);
  return chosen;
}

void show_tables(Lab& lab, const Setup& setup, const std::vector<Arm>& arms) {
  lab.table(
      text("Means over ", setup.seeds, " seeds at the end, with 95% intervals (Student t; papers often give 68%):"),
      outcome_table(arms));
  lab.table(text("Equal epochs (", setup.epochs, "), differences paired by seed:"),
            paired_table(of_budget(arms, false), "sgd"));
  lab.table("Equal gradient evaluations:", paired_table(of_budget(arms, true), "sgd"));
  for (const Arm& arm : arms)
    for (const RunResult& run : arm.runs)
      if (run.diverged()) lab.say(run.divergence);
  const auto budget = of_budget(arms, true);
  const auto has = [&](const char* label) {
    return std::any_of(budget.begin(), budget.end(), [&](const Arm& arm) { return arm.label == label; });
  };
  if (!has("msam") || !has("sam, equal gradients")) return;
  const Interval d =
      difference(arm(budget, "msam"), arm(budget, "sam, equal gradients"), at_end(&Measurement::test_accuracy));
  lab.say(text("At equal gradient evaluations MSAM minus SAM in test accuracy: ", difference_text(d, 100), " points, ",
               separation(d), "."));
}

// ---- figures

void draw_curves(Lab& lab, const std::string& name, const std::string& headline, const std::string& caption,
                 const Axis& x, const std::vector<Arm>& arms) {
  const Axis train_loss{"cross entropy", [](const Measurement& m) { return m.train_loss; }};
  const Axis test_loss{"cross entropy", [](const Measurement& m) { return m.test_loss; }};
  const Axis train_accuracy{"%", [](const Measurement& m) { return 100 * m.train_accuracy; }};
  const Axis test_accuracy{"%", [](const Measurement& m) { return 100 * m.test_accuracy; }};
  const std::vector<Panel> panels{
      curve_panel("Training loss", x, train_loss, arms, /*log_y=*/true), curve_panel("Test loss", x, test_loss, arms),
      curve_panel("Training accuracy", x, train_accuracy, arms), curve_panel("Test accuracy", x, test_accuracy, arms)};
  const auto seeds = static_cast<int64_t>(arms.front().runs.size());
  lab.figure(name, line_figure(name, headline, panels, 2, band_note(seeds)), caption);
}

void draw_all(Lab& lab, const Setup& setup, const std::vector<Arm>& arms,
              const std::map<std::string, StepCost>& costs) {
  const std::string data =
      text(setup.problem.data, ", ", setup.problem.train.size(), " samples, ", setup.problem.model);
  draw_curves(lab, "per_epoch", data + ": equal epochs", "One learning rate for all, against epochs.", epoch_axis(),
              of_budget(arms, false));
  draw_curves(lab, "per_gradient", data + ": equal gradient evaluations",
              "The same against gradient evaluations: SAM's schedule ends after half the epochs.", gradient_axis(),
              of_budget(arms, true));
  // Seconds: steps times the fastest step of the cost table, which no other process has disturbed.
  std::vector<Arm> timed = of_budget(arms, false);
  for (Arm& arm : timed)
    for (RunResult& run : arm.runs)
      for (Measurement& m : run.curve)
        m.seconds = static_cast<double>(m.step) * costs.at(arm.settings.optimizer).seconds;
  draw_curves(lab, "per_second", data + ": the same runs in time",
              "The same against seconds of training in one thread: steps times the fastest step of the cost table.",
              {"seconds", [](const Measurement& m) { return m.seconds; }}, timed);
}

// ---- stated figures

void expect_costs(Lab& lab, const std::map<std::string, StepCost>& costs) {
  for (const auto& [name, gradients] : {std::pair("sgd", 1), std::pair("msam", 1), std::pair("sam", 2)})
    if (costs.count(name) == 1)
      lab.expect_always(text("gradients a step: ", name), costs.at(name).gradients, between(gradients, gradients));
}

void expect_stated(Lab& lab, const Setup& setup, const std::vector<Arm>& arms) {
  const Arm& sgd = arm(arms, "sgd");
  // With a fifth of the images and two seeds only directions are stated: the interval of two seeds says little.
  const auto expect_below = [&](const std::string& claim, const Interval& difference, double scale, double bound) {
    lab.expect(claim, scale * difference.mean, at_most(setup.quick ? 0 : bound));
    if (!setup.quick) lab.expect(claim + ": upper end of the 95% interval", scale * difference.high(), at_most(0));
  };
  for (const Arm& a : arms) {
    if (short_arm(a)) continue;
    const Interval test_loss = relative_difference(a, sgd, at_end(&Measurement::test_loss));
    const Interval train_loss = difference(a, sgd, at_end(&Measurement::train_loss));
    const Interval train_accuracy = difference(a, sgd, at_end(&Measurement::train_accuracy));
    if (a.label == "nesterov") {
      expect_below("training loss, nesterov - sgd", train_loss, 1, 0);
      lab.expect("test loss, nesterov relative to sgd, %", 100 * test_loss.mean, at_least(0));
    }
    if (a.label == "sam" || a.label == "msam") {
      expect_below("test loss, " + a.label + " relative to sgd, %", test_loss, 100, -12);
      expect_below("training accuracy, " + a.label + " - sgd, points", train_accuracy, 100, 0);
    }
  }
}

// ---- the lab

/// The arms with the settings that tuning chose. An arm with half the steps is tuned for half the steps.
std::vector<Arm> tune(Lab& lab, const Setup& setup, const Problem& validation, const std::vector<Arm>& arms) {
  lab.heading("Tuning");
  std::vector<Session::Task> tasks;
  for (const Arm& arm : arms)
    for (const Session::Task& task : tuning_tasks(setup, validation, arm)) tasks.push_back(task);
  const std::vector<RunResult> results = lab.run_all(tasks);
  const auto count = static_cast<ptrdiff_t>(results.size() / arms.size());
  std::vector<Arm> tuned;
  std::vector<Trial> trials, short_trials;
  for (auto first = results.begin(); first != results.end(); first += count) {
    tuned.push_back(arms[tuned.size()]);
    Arm& arm = tuned.back();
    const std::vector<Trial> judged = judge_trials({first, first + count});
    const RunSettings& chosen = chosen_trial(judged, arm.settings.optimizer).settings;
    arm.settings.lr = chosen.lr, arm.settings.rho = chosen.rho;
    std::vector<Trial>& kind = short_arm(arm) ? short_trials : trials;
    kind.insert(kind.end(), judged.begin(), judged.end());
  }
  lab.table(text(setup.trials, " trials of each optimizer, ", setup.tuning_seeds,
                 setup.tuning_seeds == 1 ? " seed" : " seeds", " each, on ", validation.train.size(),
                 " samples, judged on the ", validation.test.size(),
                 " others of the training set. The test set is not touched. Chosen is the lowest validation loss:"),
            trial_table(trials));
  if (!short_trials.empty())
    lab.table("With the gradient evaluations of SGD, in fewer epochs:", trial_table(short_trials));
  return tuned;
}

/// How much of an advantage in test loss is one that a better learning rate would give SGD as well.
void show_what_tuning_leaves(Lab& lab, const std::vector<Arm>& common, const std::vector<Arm>& tuned) {
  Table table{{"test loss relative to sgd, %", "one lr for all", "each as tuned"}};
  for (const Arm& a : common) {
    if (a.label == "sgd") continue;
    auto cell = [&](const std::vector<Arm>& arms) {
      return difference_text(relative_difference(arm(arms, a.label), arm(arms, "sgd"), at_end(&Measurement::test_loss)),
                             100);
    };
    table.push_back({a.label, cell(common), cell(tuned)});
  }
  lab.table("A learning rate chosen for validation loss may regularise SGD too. What this leaves of the differences:",
            table);
}

void lab3(Lab& lab) {
  check_options();
  data.take(lab);
  if (options.test_images != Options{}.test_images || options.batch > 0) lab.not_as_stated();
  const Setup setup = set_up(lab);
  const Problem validation = validation_problem(setup.problem);
  std::vector<Arm> arms = common_arms(setup);
  std::vector<RunSettings> cost_runs;
  int64_t work = 0;
  for (const Arm& arm : arms) {
    work += gradient_evaluations(tuning_tasks(setup, validation, arm));
    if (short_arm(arm)) continue;
    cost_runs.push_back(arm.settings);
    cost_runs.back().steps = std::max<int64_t>(20, validation.steps_per_epoch());
    work += setup.repeats * expected_gradients(cost_runs.back());
  }
  const std::vector<Session::Task> tasks = tasks_of(arms, setup.problem, setup.seeds);
  lab.begin_runs(work + (setup.trials == 0 ? 1 : 2) * gradient_evaluations(tasks));
  lab.say(text(setup.problem.data, ", the first ", setup.problem.train.size(), " training samples and ",
               setup.problem.test.size(), " test samples; ", setup.problem.model, ", batch ", setup.problem.batch, ", ",
               setup.epochs, " epochs: lr rises for one epoch, then falls along half a cosine; momentum 0.9, weight ",
               "decay 5e-4. The same seed means the same initial weights and batches for all. Measured at the clean "
               "weights; batch norm, if any, recalibrated there."));

  lab.heading("What a step costs");
  const std::map<std::string, StepCost> costs = show_step_costs(lab, validation, cost_runs, setup.repeats);
  expect_costs(lab, costs);
  lab.heading("One learning rate for all");
  take_runs(arms, lab.run_all(tasks));
  show_tables(lab, setup, arms);
  draw_all(lab, setup, arms, costs);
  expect_stated(lab, setup, arms);

  if (setup.trials == 0) return;
  std::vector<Arm> tuned = tune(lab, setup, validation, common_arms(setup));
  lab.heading("Each as tuned");
  take_runs(tuned, lab.run_all(tasks_of(tuned, setup.problem, setup.seeds)));
  show_tables(lab, setup, tuned);
  draw_curves(lab, "tuned_per_gradient", "The same with the settings that tuning chose: equal gradient evaluations",
              "Each as tuned, against gradient evaluations.", gradient_axis(), of_budget(tuned, true));
  show_what_tuning_leaves(lab, arms, tuned);
}

}  // namespace

int main(int argc, char** argv) {
  return run_lab(argc, argv, about, lab3, [](CommandLine& line) {
    line.option("--optimizers", options.optimizers, "names with commas between, sgd among them");
    data.add_to(line);
    line.option("--test-images", options.test_images, "of the test set (--quick: 2000)");
    line.option("--batch", options.batch, "samples in a step; 0: 128, or a quarter of little data");
    line.option("--tune", options.tune, "none, short (6 trials an optimizer), or full (15, 3 seeds each)");
  });
}
