// Lab 3: SGD, Nesterov, Adam, SAM and MSAM on Fashion-MNIST. Twice: all with one learning rate, so that only the rule
// differs, and each tuned on a validation split. With two budgets each: equal epochs, and equal gradient evaluations,
// where SAM gets half the epochs. What a step costs is counted, and timed apart.
//   lab3_optimizers                                       3 seeds
//   lab3_optimizers --seeds 10 --tune full                the long form
//   lab3_optimizers --model cnn --optimizers sgd,sam,msam --images 3000 --test-images 3000 --epochs 8
#include <algorithm>
#include <cmath>

#include "examples/kit/tuning.h"
#include "examples/labs/lab_data.h"
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
        "with one learning rate for all, SAM or MSAM fitting the training data better than SGD does. An advantage in "
        "accuracy is claimed only where its interval leaves out 0; an advantage in test loss is claimed for this one "
        "learning rate, and the lab's last table says what tuning leaves of it.",
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
  const std::vector<std::string> known = optim::optimizer_names();
  for (const std::string& name : options.optimizers)
    if (std::find(known.begin(), known.end(), name) == known.end())
      fail("--optimizers", name, "one of " + listed(known));
  if (std::count(options.optimizers.begin(), options.optimizers.end(), "sgd") != 1)
    fail("--optimizers", listed(options.optimizers), "sgd among them, once: the others are compared with it");
}

const OfRun train_loss = at_end(&Measurement::train_loss), train_accuracy = at_end(&Measurement::train_accuracy),
            test_loss = at_end(&Measurement::test_loss), test_accuracy = at_end(&Measurement::test_accuracy);

// ---- settings

/// One learning rate for all that step along a gradient; rho where ten thousand images and this network like it.
Setting common_setting(const std::string& optimizer) {
  Setting s{.optimizer = optimizer};
  s.hyperparameters["lr"] = optimizer == "adam" || optimizer == "adamw" ? 0.001 : 0.05;
  if (optimizer == "adam") s.hyperparameters["weight_decay"] = Setting{}.value("weight_decay");  // SGD's
  if (optimizer == "sam" || optimizer == "looksam" || optimizer == "esam") s.hyperparameters["rho"] = 0.1;
  return s;
}

/// `count` trials around a setting: learning rates a factor of 2 apart, or with rho two learning rates (one in the
/// quick version) from the middle of the same range, each with three rhos a factor of 3 or so apart.
std::vector<Setting> short_grid(const Setting& start, int64_t count) {
  std::vector<Setting> grid;
  for (int64_t i = 0; i < count; ++i) {
    Setting s = start;
    double& lr = s.hyperparameters["lr"];
    if (start.has("rho")) {
      lr = three_digits(lr / (count == 3 ? 2 : i < 3 ? 4 : 1));
      s.hyperparameters["rho"] = three_digits(start.value("rho") * (i % 3 == 0 ? 0.3 : i % 3 == 1 ? 1.0 : 3.0));
    } else {
      lr = three_digits(lr * std::pow(2.0, static_cast<double>(i + 1 - (count == 3 ? 3 : 5))));
    }
    grid.push_back(s);
  }
  return grid;
}

/// A setting for each optimizer, and for each whose step takes more than one gradient another that gets the gradient
/// evaluations of SGD.
std::vector<Setting> common_settings(const Setup& setup) {
  std::vector<Setting> settings;
  for (const std::string& name : options.optimizers) {
    Setting s = common_setting(name);
    s.steps = setup.epochs * setup.problem.steps_per_epoch();
    settings.push_back(s);
    if (optim::gradients_per_step(name) == 1) continue;
    s.steps = static_cast<int64_t>(static_cast<double>(s.steps) / optim::gradients_per_step(name));
    s.label = name + ", equal gradients";
    settings.push_back(s);
  }
  return settings;
}

bool is_short(const Setting& setting) { return !setting.label.empty(); }

/// The trials of a setting, for as many epochs as it has.
std::vector<Setting> trials_of(const Setup& setup, const Problem& validation, const Setting& setting) {
  std::vector<Setting> trials =
      setup.trials == trials_per_optimizer ? tuning_grid(setting) : short_grid(setting, setup.trials);
  for (Setting& trial : trials)
    trial.steps = setting.steps * validation.steps_per_epoch() / setup.problem.steps_per_epoch();
  return trials;
}

// ---- tables

Table outcome_table(const std::vector<Runs>& all) {
  Table table{{"", "lr", "rho", "gradients", "train loss", "train acc %", "test loss", "test acc %"}};
  for (const Runs& runs : all)
    table.push_back({runs.name(), runs.setting.value_text("lr"), runs.setting.value_text("rho"),
                     interval_text(runs.mean(gradients_at_end)), interval_text(runs.mean(train_loss)),
                     interval_text(runs.mean(train_accuracy), 100), interval_text(runs.mean(test_loss)),
                     interval_text(runs.mean(test_accuracy), 100)});
  return table;
}

/// Runs minus SGD, paired by seed.
Table paired_table(const std::vector<Runs>& all) {
  const Runs& sgd = named(all, "sgd");
  Table table{{"minus sgd", "test loss, %", "test acc, points", "accuracy", "train acc, points"}};
  for (const Runs& runs : all) {
    if (&runs == &sgd) continue;
    const Interval accuracy = runs.minus(sgd, test_accuracy);
    table.push_back({runs.name(), difference_text(runs.relative_to(sgd, test_loss), 100),
                     difference_text(accuracy, 100), separation(accuracy),
                     difference_text(runs.minus(sgd, train_accuracy), 100)});
  }
  return table;
}

/// Those of one budget.
std::vector<Runs> of_budget(const std::vector<Runs>& all, bool equal_gradients) {
  std::vector<Runs> chosen;
  for (const Runs& runs : all)
    if (optim::gradients_per_step(runs.setting.optimizer) == 1 || is_short(runs.setting) == equal_gradients)
      chosen.push_back(runs);
  return chosen;
}

void show_tables(Lab& lab, const Setup& setup, const std::vector<Runs>& all) {
  lab.table(
      text("Means over ", setup.seeds, " seeds at the end, with 95% intervals (Student t; papers often give 68%):"),
      outcome_table(all));
  lab.table(text("Equal epochs (", setup.epochs, "), differences paired by seed:"),
            paired_table(of_budget(all, false)));
  lab.table("Equal gradient evaluations:", paired_table(of_budget(all, true)));
  for (const Runs& runs : all)
    for (const RunResult& run : runs.results)
      if (run.diverged()) lab.say(run.divergence);
  if (!has_name(all, "msam") || !has_name(all, "sam, equal gradients")) return;
  const Interval d = named(all, "msam").minus(named(all, "sam, equal gradients"), test_accuracy);
  lab.say(text("At equal gradient evaluations MSAM minus SAM in test accuracy: ", difference_text(d, 100), " points, ",
               separation(d), "."));
}

// ---- figures

void draw_curves(Lab& lab, const std::string& name, const std::string& headline, const std::string& caption,
                 const Axis& x, const std::vector<Runs>& all) {
  const Axis train_loss{"cross entropy", [](const Measurement& m) { return m.train_loss; }};
  const Axis test_loss{"cross entropy", [](const Measurement& m) { return m.test_loss; }};
  const Axis train_accuracy{"%", [](const Measurement& m) { return 100 * m.train_accuracy; }};
  const Axis test_accuracy{"%", [](const Measurement& m) { return 100 * m.test_accuracy; }};
  const std::vector<Panel> panels{
      curve_panel("Training loss", x, train_loss, all, /*log_y=*/true), curve_panel("Test loss", x, test_loss, all),
      curve_panel("Training accuracy", x, train_accuracy, all), curve_panel("Test accuracy", x, test_accuracy, all)};
  const auto seeds = static_cast<int64_t>(all.front().results.size());
  lab.figure(name, line_figure(name, headline, panels, 2, band_note(seeds)), caption);
}

void draw_all(Lab& lab, const Setup& setup, const std::vector<Runs>& all,
              const std::map<std::string, StepCost>& costs) {
  const std::string data =
      text(setup.problem.data, ", ", setup.problem.train.size(), " samples, ", setup.problem.model);
  draw_curves(lab, "per_epoch", data + ": equal epochs", "One learning rate for all, against epochs.", epoch_axis(),
              of_budget(all, false));
  draw_curves(lab, "per_gradient", data + ": equal gradient evaluations",
              "The same against gradient evaluations: SAM's schedule ends after half the epochs.", gradient_axis(),
              of_budget(all, true));
  // Seconds: steps times the fastest step of the cost table, which no other process has disturbed.
  std::vector<Runs> timed = of_budget(all, false);
  for (Runs& runs : timed)
    for (RunResult& run : runs.results)
      for (Measurement& m : run.curve) m.seconds = static_cast<double>(m.step) * costs.at(runs.name()).seconds;
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

void expect_stated(Lab& lab, const Setup& setup, const std::vector<Runs>& all) {
  const Runs& sgd = named(all, "sgd");
  // With a fifth of the images and two seeds only directions are stated: the interval of two seeds says little.
  const auto expect_below = [&](const std::string& claim, const Interval& difference, double scale, double bound) {
    lab.expect(claim, scale * difference.mean, at_most(setup.quick ? 0 : bound));
    if (!setup.quick) lab.expect(claim + ": upper end of the 95% interval", scale * difference.high(), at_most(0));
  };
  for (const Runs& runs : all) {
    const std::string name = runs.name();
    const Interval relative_loss = runs.relative_to(sgd, test_loss);
    if (name == "nesterov") {
      expect_below("training loss, nesterov - sgd", runs.minus(sgd, train_loss), 1, 0);
      lab.expect("test loss, nesterov relative to sgd, %", 100 * relative_loss.mean, at_least(0));
    }
    if (name == "sam" || name == "msam") {
      expect_below("test loss, " + name + " relative to sgd, %", relative_loss, 100, -12);
      expect_below("training accuracy, " + name + " - sgd, points", runs.minus(sgd, train_accuracy), 100, 0);
    }
  }
}

// ---- the lab

/// The settings with what tuning chose. One with half the steps is tuned for half the steps.
std::vector<Setting> tune(Lab& lab, const Setup& setup, const Problem& validation,
                          const std::vector<Setting>& settings) {
  lab.heading("Tuning");
  std::vector<Setting> all_trials, tuned = settings;
  for (const Setting& setting : settings)
    for (const Setting& trial : trials_of(setup, validation, setting)) all_trials.push_back(trial);
  const std::vector<Runs> all = lab.run({.problems = validation,
                                         .settings = all_trials,
                                         .seeds = seeds_from(first_tuning_seed, setup.tuning_seeds),
                                         .measures = {.every_epoch = false}});
  Tuning tuning, short_tuning;
  for (const Runs& runs : all) (is_short(runs.setting) ? short_tuning : tuning).trials.push_back(runs);
  for (Setting& setting : tuned)
    for (const std::string& name : tuned_hyperparameters(setting.optimizer))
      setting.hyperparameters[name] =
          (is_short(setting) ? short_tuning : tuning).chosen(setting.optimizer).setting.value(name);
  lab.table(text(setup.trials, " trials of each optimizer, ", setup.tuning_seeds,
                 setup.tuning_seeds == 1 ? " seed" : " seeds", " each, on ", validation.train.size(),
                 " samples, judged on the ", validation.test.size(),
                 " others of the training set. The test set is not touched. Chosen is the lowest validation loss:"),
            trial_table(tuning));
  if (!short_tuning.trials.empty())
    lab.table("With the gradient evaluations of SGD, in fewer epochs:", trial_table(short_tuning));
  return tuned;
}

/// How much of an advantage in test loss is one that a better learning rate would give SGD as well.
void show_what_tuning_leaves(Lab& lab, const std::vector<Runs>& common, const std::vector<Runs>& tuned) {
  Table table{{"test loss relative to sgd, %", "one lr for all", "each as tuned"}};
  for (const Runs& runs : common) {
    if (runs.name() == "sgd") continue;
    const auto cell = [&](const std::vector<Runs>& all) {
      return difference_text(named(all, runs.name()).relative_to(named(all, "sgd"), test_loss), 100);
    };
    table.push_back({runs.name(), cell(common), cell(tuned)});
  }
  lab.table("A learning rate chosen for validation loss may regularise SGD too. What this leaves of the differences:",
            table);
}

/// "5e-4", or each optimizer's where they differ.
std::string weight_decays(const std::vector<Setting>& settings) {
  std::map<std::string, std::vector<std::string>> having;
  for (const Setting& s : settings)
    if (!is_short(s)) having[s.value_text("weight_decay")].push_back(s.optimizer);
  if (having.size() == 1) return having.begin()->first;
  std::vector<std::string> parts;
  for (const auto& [value, names] : having) parts.push_back(value + " for " + listed(names));
  return joined(parts);
}

void lab3(Lab& lab) {
  check_options();
  data.take(lab);
  if (options.test_images != Options{}.test_images || options.batch > 0) lab.not_as_stated();
  const Setup setup = set_up(lab);
  const Problem validation = validation_problem(setup.problem);
  const std::vector<Setting> settings = common_settings(setup);
  lab.say(text(setup.problem.data, ", the first ", setup.problem.train.size(), " training samples and ",
               setup.problem.test.size(), " test samples; ", setup.problem.model, ", batch ", setup.problem.batch, ", ",
               setup.epochs, " epochs: ", schedule_text(setup.problem, settings), "; momentum ",
               settings.front().value_text("momentum"), ", weight decay ", weight_decays(settings),
               ". The same seed means the same initial weights and batches for all. Measured at the clean weights; "
               "batch norm, if any, recalibrated there."));

  lab.heading("What a step costs");
  std::vector<Setting> cost_settings;
  for (Setting s : settings) {
    if (is_short(s)) continue;
    s.steps = std::max<int64_t>(20, validation.steps_per_epoch());
    cost_settings.push_back(s);
  }
  const std::map<std::string, StepCost> costs = show_step_costs(lab, validation, cost_settings, setup.repeats);
  expect_costs(lab, costs);
  lab.heading("One learning rate for all");
  const std::vector<uint64_t> seeds = seeds_from(1, setup.seeds);
  const std::vector<Runs> common = lab.run({.problems = setup.problem, .settings = settings, .seeds = seeds});
  show_tables(lab, setup, common);
  draw_all(lab, setup, common, costs);
  expect_stated(lab, setup, common);

  if (setup.trials == 0) return;
  const std::vector<Setting> tuned_settings = tune(lab, setup, validation, settings);
  lab.heading("Each as tuned");
  const std::vector<Runs> tuned = lab.run({.problems = setup.problem, .settings = tuned_settings, .seeds = seeds});
  show_tables(lab, setup, tuned);
  draw_curves(lab, "tuned_per_gradient", "The same with the settings that tuning chose: equal gradient evaluations",
              "Each as tuned, against gradient evaluations.", gradient_axis(), of_budget(tuned, true));
  show_what_tuning_leaves(lab, common, tuned);
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
