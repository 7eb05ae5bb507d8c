// Lab 6: wrong labels. A share of the training labels is replaced by others; the test set stays clean. Who learns the
// wrong labels by heart, what does it cost, and when?
//   lab6_label_noise
//   lab6_label_noise --seeds 5 --seeds-elsewhere 3 --out runs/lab6-long
#include <algorithm>
#include <cmath>
#include <deque>

#include "examples/common/arms.h"
#include "examples/common/comparison.h"
#include "examples/common/lab.h"
#include "examples/common/tuning.h"

using namespace minima;
using namespace minima::examples;

namespace {

const LabAbout about{
    .name = "lab6_label_noise",
    .title = "Lab 6. Label noise",
    .question =
        "40% of the training labels are wrong. How accurate is SGD on clean test data after 30 epochs, and how "
        "accurate was it at its best epoch? What share of the wrong labels has it learnt? What changes with SAM "
        "and with MSAM, and does any rho help?",
    .refuted_by =
        "at 40% noise, a test accuracy in the last epoch of SAM (rho 0.2) less than 7 points or of MSAM (rho "
        "1) less than 5 points above SGD's, or an interval that holds 0; an advantage at the best epochs of "
        "more than half of that; SAM having learnt more than half as many wrong labels as SGD; MSAM with rho "
        "0.2 above SGD; or SGD with a tuned learning rate closing less than half of the distance to SAM.",
};

struct Options {
  int64_t images = 10000, epochs = 30, seeds = 3, seeds_elsewhere = 1;
} options;

constexpr double main_noise = 0.4;
constexpr double sam_radius = 0.2, msam_radius = 1, small_msam_radius = 0.2;

/// What is tried; as many learning rates as radii of each.
struct Grid {
  std::vector<double> other_noises{0, 0.2, 0.6};
  std::vector<double> sam_radii{0.05, 0.1, 0.2, 0.4, 0.8}, msam_radii{0.2, 0.5, 1, 1.5, 2};
  std::vector<double> learning_rates{0.003, 0.00625, 0.0125, 0.025, 0.05};
} grid;
const Grid quick_grid{{0, 0.6}, {0.05, 0.2, 0.8}, {0.2, 1, 2}, {0.00625, 0.0125, 0.05}};

/// Clean data, and what is made of it: each seed corrupts other labels.
struct Data {
  Problem clean;
  int64_t epochs, seeds, seeds_elsewhere;
  std::deque<Problem> noisy{};  ///< tasks point to them

  const Problem& problem(double noise, uint64_t seed) {
    noisy.push_back(clean);
    noisy.back().train = clean.train.label_noise(noise, seed);
    return noisy.back();
  }
  int64_t steps() const { return epochs * clean.steps_per_epoch(); }
};

Data load(const Lab& lab) {
  Data data{.epochs = options.epochs, .seeds = options.seeds, .seeds_elsewhere = options.seeds_elsewhere};
  if (lab.quick()) data.epochs = 20, data.seeds = 2, data.seeds_elsewhere = 1, grid = quick_grid;
  auto [train, test] = datasets::load("fashion-mnist", {.train_limit = lab.quick() ? 2000 : options.images});
  data.clean = {.data = "fashion-mnist", .model = "mlp:256,256", .train = train, .test = test, .batch = 128};
  if (lab.quick()) data.clean.test = test.take(2000);
  return data;
}

// ---- arms

RunSettings setting(const std::string& optimizer, double lr, double rho, int64_t steps) {
  RunSettings s{.optimizer = optimizer, .base = optim::is_wrapper(optimizer) ? "sgd" : optimizer};
  s.lr = lr, s.rho = rho, s.steps = steps;
  return s;
}

Arm radius_arm(const std::string& optimizer, double rho, int64_t steps) {
  return {text(optimizer, " ", rho), optimizer, setting(optimizer, 0.05, rho, steps)};
}

std::vector<Arm> main_arms(int64_t steps) {
  std::vector<Arm> arms{{"sgd", "sgd", setting("sgd", 0.05, 0, steps)},
                        {"nesterov", "nesterov", setting("nesterov", 0.05, 0, steps)}};
  arms.push_back(radius_arm("sam", sam_radius, steps));
  arms.push_back(radius_arm("msam", small_msam_radius, steps));
  arms.back().draw = Series::Draw::dashed;
  arms.push_back(radius_arm("msam", msam_radius, steps));
  return arms;
}

/// The radii that are not among the main arms.
std::vector<Arm> other_radii(int64_t steps) {
  std::vector<Arm> arms;
  for (const double rho : grid.sam_radii)
    if (rho != sam_radius) arms.push_back(radius_arm("sam", rho, steps));
  for (const double rho : grid.msam_radii)
    if (rho != msam_radius && rho != small_msam_radius) arms.push_back(radius_arm("msam", rho, steps));
  return arms;
}

std::vector<Session::Task> noisy_tasks(Data& data, const std::vector<Arm>& arms, double noise, int64_t seeds) {
  std::vector<Session::Task> tasks;
  for (int64_t seed = 1; seed <= seeds; ++seed) {
    const Problem& problem = data.problem(noise, static_cast<uint64_t>(seed));
    for (const Arm& arm : arms) {
      tasks.push_back({&problem, arm.settings});
      tasks.back().settings.seed = static_cast<uint64_t>(seed);
    }
  }
  return tasks;
}

// ---- tuning

/// A learning rate for SGD and Nesterov, a radius for SAM and MSAM, as many trials for each. The validation split has
/// wrong labels as well: nobody who has wrong labels has others.
std::vector<Session::Task> tuning_tasks(Data& data) {
  data.noisy.push_back(validation_problem(data.problem(main_noise, first_tuning_seed)));
  const Problem& validation = data.noisy.back();
  const int64_t steps = data.epochs * validation.steps_per_epoch();
  std::vector<RunSettings> trials;
  for (const char* optimizer : {"sgd", "nesterov"})
    for (const double lr : grid.learning_rates) trials.push_back(setting(optimizer, lr, 0, steps));
  for (const double rho : grid.sam_radii) trials.push_back(setting("sam", 0.05, rho, steps));
  for (const double rho : grid.msam_radii) trials.push_back(setting("msam", 0.05, rho, steps));
  std::vector<Session::Task> tasks;
  for (RunSettings& trial : trials) {
    trial.seed = first_tuning_seed;
    tasks.push_back({&validation, trial, {.every_epoch = false}});
  }
  return tasks;
}

/// What tuning chose, as arms, but for what `arms` holds already.
std::vector<Arm> tuned_arms(const std::vector<Trial>& trials, const std::vector<Arm>& arms, int64_t steps) {
  std::vector<Arm> tuned;
  for (const char* optimizer : {"sgd", "nesterov", "sam", "msam"}) {
    const RunSettings& chosen = chosen_trial(trials, optimizer).settings;
    const bool known = std::any_of(arms.begin(), arms.end(), [&](const Arm& arm) {
      return arm.settings.optimizer == optimizer && arm.settings.lr == chosen.lr && arm.settings.rho == chosen.rho;
    });
    if (known) continue;
    if (optim::is_wrapper(optimizer))
      tuned.push_back(radius_arm(optimizer, chosen.rho, steps));
    else
      tuned.push_back({text(optimizer, ", lr ", chosen.lr), optimizer, setting(optimizer, chosen.lr, 0, steps)});
    tuned.back().draw = Series::Draw::dashed;
  }
  return tuned;
}

// ---- tables

const OfRun last_accuracy = at_end(&Measurement::test_accuracy);
const OfRun corrupted_fit = at_end(&Measurement::corrupted_fit);

double best_epoch(const RunResult& run) {
  for (const Measurement& m : run.curve)
    if (m.test_accuracy == best_test_accuracy(run)) return m.epoch;
  return NAN;
}

Table outcome_table(const std::vector<Arm>& arms) {
  Table table{{"", "last epoch", "best epoch", "(which)", "clean labels learnt", "wrong labels learnt", "test loss"}};
  for (const Arm& arm : arms)
    table.push_back({arm.label, interval_text(over_seeds(arm, last_accuracy), 100),
                     interval_text(over_seeds(arm, best_test_accuracy), 100),
                     interval_text(over_seeds(arm, best_epoch)),
                     interval_text(over_seeds(arm, at_end(&Measurement::clean_fit)), 100),
                     interval_text(over_seeds(arm, corrupted_fit), 100),
                     interval_text(over_seeds(arm, at_end(&Measurement::test_loss)))});
  return table;
}

Table paired_table(const std::vector<Arm>& arms, const std::string& reference_label) {
  const Arm& reference = arm(arms, reference_label);
  Table table{{"minus " + reference_label + ", points", "last epoch", "", "best epochs", "", "wrong labels learnt"}};
  for (const Arm& arm : arms) {
    if (arm.label == reference_label) continue;
    const Interval last = difference(arm, reference, last_accuracy);
    const Interval best = difference(arm, reference, best_test_accuracy);
    table.push_back({arm.label, difference_text(last, 100), separation(last), difference_text(best, 100),
                     separation(best), difference_text(difference(arm, reference, corrupted_fit), 100)});
  }
  return table;
}

/// One row an arm, one column a rate of noise: last (best).
Table noise_table(const std::map<double, std::vector<Arm>>& by_noise) {
  Table table{{"last (best) epoch, %"}};
  for (const auto& [noise, arms] : by_noise) {
    table[0].push_back(text(100 * noise, "% wrong"));
    for (size_t i = 0; i < arms.size(); ++i) {
      if (table.size() == i + 1) table.push_back({arms[i].label});
      table[i + 1].push_back(fixed(100 * over_seeds(arms[i], last_accuracy).mean, 1) + " (" +
                             fixed(100 * over_seeds(arms[i], best_test_accuracy).mean, 1) + ")");
    }
  }
  return table;
}

// ---- figures

void draw_curves(Lab& lab, const std::vector<Arm>& arms, int64_t seeds) {
  const Axis accuracy{"%", [](const Measurement& m) { return 100 * m.test_accuracy; }};
  const Axis loss{"cross entropy", [](const Measurement& m) { return m.test_loss; }};
  const Axis clean{"%", [](const Measurement& m) { return 100 * m.clean_fit; }};
  const Axis corrupted{"%", [](const Measurement& m) { return 100 * m.corrupted_fit; }};
  lab.figure(
      "curves",
      line_figure("curves", "Fashion-MNIST with 40% wrong labels",
                  {curve_panel("Accuracy on clean test data", epoch_axis(), accuracy, arms),
                   curve_panel("Loss on clean test data", epoch_axis(), loss, arms),
                   curve_panel("Clean training labels learnt", epoch_axis(), clean, arms),
                   curve_panel("Wrong training labels learnt", epoch_axis(), corrupted, arms)},
                  2, band_note(seeds)),
      "First everyone learns what is right. Then the wrong labels are learnt by heart, and test accuracy falls.");
}

const std::pair<const char*, OfRun> quantities[] = {{"Test accuracy, last epoch", last_accuracy},
                                                    {"Test accuracy, best epoch", best_test_accuracy},
                                                    {"Wrong labels learnt", corrupted_fit}};

/// Points over rho for the arms of one optimizer.
Series radius_series(const std::vector<Arm>& arms, const std::string& optimizer, const OfRun& quantity) {
  std::vector<const Arm*> found;
  for (const Arm& arm : arms)
    if (arm.settings.optimizer == optimizer) found.push_back(&arm);
  std::sort(found.begin(), found.end(), [](auto* a, auto* b) { return a->settings.rho < b->settings.rho; });
  Series series{.label = optimizer, .style = optimizer, .draw = Series::Draw::line_and_points};
  for (const Arm* arm : found) {
    series.x.push_back(arm->settings.rho);
    series.y.push_back(100 * over_seeds(*arm, quantity).mean);
  }
  return series;
}

void draw_radii(Lab& lab, const std::vector<Arm>& arms) {
  std::vector<Panel> panels;
  for (const auto& [title, quantity] : quantities) {
    Panel panel{.title = title, .x_title = "rho", .y_title = "%", .log_x = true};
    panel.series = {radius_series(arms, "sam", quantity), radius_series(arms, "msam", quantity)};
    for (const char* flat : {"sgd", "nesterov"}) {
      const double mean = 100 * over_seeds(arm(arms, flat), quantity).mean;
      panel.series.push_back(
          {.label = flat, .style = flat, .x = {grid.sam_radii.front(), grid.msam_radii.back()}, .y = {mean, mean}});
    }
    panels.push_back(panel);
  }
  lab.figure(
      "radii", line_figure("radii", "40% wrong labels: which rho", panels, 3, "Means over seeds; all with lr 0.05."),
      "A rho of MSAM that is too small makes it a better optimizer, like Nesterov, which learns the wrong labels "
      "faster.");
}

void draw_noises(Lab& lab, const std::map<double, std::vector<Arm>>& by_noise) {
  std::vector<Panel> panels;
  for (const auto& [title, quantity] : quantities) {
    Panel panel{.title = title, .x_title = "wrong labels, %", .y_title = "%"};
    for (const auto& [noise, arms] : by_noise)
      for (size_t i = 0; i < arms.size(); ++i) {
        if (panel.series.size() == i)
          panel.series.push_back({.label = arms[i].label, .style = arms[i].style, .draw = arms[i].draw});
        panel.series[i].x.push_back(100 * noise);
        panel.series[i].y.push_back(100 * over_seeds(arms[i], quantity).mean);
      }
    panels.push_back(panel);
  }
  lab.figure("noises",
             line_figure("noises", "Fashion-MNIST: how many labels are wrong", panels, 3, "Means over seeds."),
             "The gap in the last epoch grows with the noise; the gap at the best epochs much less.");
}

// ---- stated figures

/// SGD with the learning rate that tuning chose, if that is another one.
const Arm* tuned_sgd(const std::vector<Arm>& arms) {
  for (const Arm& arm : arms)
    if (arm.settings.optimizer == "sgd" && arm.label != "sgd") return &arm;
  return nullptr;
}

void expect_stated(Lab& lab, const std::vector<Arm>& arms) {
  const Arm& sgd = arm(arms, "sgd");
  auto against_sgd = [&](const std::string& optimizer, double rho, double bound) {
    const Arm& a = arm(arms, text(optimizer, " ", rho));
    const Interval last = difference(a, sgd, last_accuracy), best = difference(a, sgd, best_test_accuracy);
    lab.expect(a.label + " - sgd, test accuracy in the last epoch, points", 100 * last.mean,
               at_least(lab.quick() ? 2 : bound));
    if (!lab.quick()) lab.expect(a.label + " - sgd, lower end of the 95% interval", 100 * last.low(), at_least(0));
    lab.expect(a.label + " - sgd, share of it at the best epochs", best.mean / last.mean, at_most(0.5));
  };
  against_sgd("sam", sam_radius, 7);
  against_sgd("msam", msam_radius, 5);
  lab.expect("wrong labels learnt, sam 0.2 / sgd",
             over_seeds(arm(arms, text("sam ", sam_radius)), corrupted_fit).mean / over_seeds(sgd, corrupted_fit).mean,
             at_most(0.5));
  if (const Arm* tuned = tuned_sgd(arms))
    lab.expect("sam 0.2 - sgd as tuned, share of its points over sgd",
               difference(arm(arms, text("sam ", sam_radius)), *tuned, last_accuracy).mean /
                   difference(arm(arms, text("sam ", sam_radius)), sgd, last_accuracy).mean,
               at_most(0.5));
  lab.expect("msam 0.2 - sgd, test accuracy in the last epoch, points",
             100 * difference(arm(arms, text("msam ", small_msam_radius)), sgd, last_accuracy).mean,
             at_most(lab.quick() ? 5 : 0));
}

// ---- the lab

void check_options() {
  if (options.seeds < 2) fail("--seeds", text(options.seeds), "2 or more", "One seed says nothing about luck.");
  if (options.seeds_elsewhere < 1) fail("--seeds-elsewhere", text(options.seeds_elsewhere), "1 or more");
  if (options.images < 1000) fail("--images", text(options.images), "1000 or more", "A fifth is for validation.");
  if (options.epochs < 1) fail("--epochs", text(options.epochs), "1 or more");
}

std::vector<Trial> tune(Lab& lab, const std::vector<Session::Task>& tasks) {
  lab.heading("Tuning at 40% noise");
  const std::vector<Trial> trials = judge_trials(lab.run_all(tasks), JudgedBy::accuracy);
  lab.table(
      text(grid.learning_rates.size(), " trials each on ", tasks.front().problem->train.size(), " images, judged on ",
           tasks.front().problem->test.size(),
           " others whose labels are wrong as often: who has wrong labels has no others. A perfect classifier "
           "would be right on 60% of them. Chosen is the highest accuracy, since the better classifier agrees with "
           "more noisy labels as well; the lowest loss need not be the better classifier:"),
      trial_table(trials));
  return trials;
}

void show_main(Lab& lab, const std::vector<Arm>& arms, int64_t seeds) {
  lab.table(text("Accuracies in %, means over ", seeds, " seeds with 95% intervals:"), outcome_table(arms));
  lab.table("Differences paired by seed:", paired_table(arms, "sgd"));
  const Arm &sgd = arm(arms, "sgd"), &sam = arm(arms, text("sam ", sam_radius)), *tuned = tuned_sgd(arms);
  const OfRun lost = [](const RunResult& run) { return best_test_accuracy(run) - run.last().test_accuracy; };
  lab.say(text("SAM's ", signed_text(difference(sam, sgd, last_accuracy), 100), " points in the last epoch are ",
               signed_text(difference(sam, sgd, best_test_accuracy), 100), " at the best epochs. SGD loses ",
               signed_text(over_seeds(sgd, lost), 100), " points between its best epoch and the last, SAM ",
               signed_text(over_seeds(sam, lost), 100),
               ". What SAM does here is for the most part not to learn better, but not to learn by heart by the end."));
  if (tuned != nullptr) {
    lab.table("Against SGD with the learning rate that tuning chose:", paired_table(arms, tuned->label));
    lab.say(text("So can a smaller learning rate: ", tuned->label, " is ",
                 signed_text(difference(*tuned, sgd, last_accuracy), 100), " points above lr 0.05, and SAM ",
                 signed_text(difference(sam, *tuned, last_accuracy), 100),
                 " above that. Who compares SAM with an SGD "
                 "that learns by heart measures a learning rate as well."));
  }
  draw_curves(lab, arms, seeds);
}

std::string seeds_text(int64_t seeds) { return text(seeds, seeds == 1 ? " seed" : " seeds"); }

void show_radii(Lab& lab, std::vector<Arm> arms, std::vector<Arm> others, int64_t seeds) {
  lab.heading("Which rho");
  lab.table(text("The other radii, ", seeds_text(seeds), ":"), outcome_table(others));
  for (const Arm& other : others)
    if (std::none_of(arms.begin(), arms.end(), [&](const Arm& arm) { return arm.label == other.label; }))
      arms.push_back(other);
  draw_radii(lab, arms);
}

void lab6(Lab& lab) {
  check_options();
  Data data = load(lab);
  const int64_t steps = data.steps(), elsewhere = data.seeds_elsewhere;
  std::vector<Arm> arms = main_arms(steps), radii = other_radii(steps);
  std::map<double, std::vector<Arm>> by_noise;
  for (const double noise : grid.other_noises) by_noise[noise] = arms;

  const std::vector<Session::Task> trials = tuning_tasks(data);
  const std::vector<Session::Task> radius_tasks = noisy_tasks(data, radii, main_noise, elsewhere);
  const std::vector<Session::Task> main_tasks = noisy_tasks(data, arms, main_noise, data.seeds);
  std::map<double, std::vector<Session::Task>> noise_tasks;
  int64_t work = gradient_evaluations(trials) + gradient_evaluations(radius_tasks) + gradient_evaluations(main_tasks);
  for (const double noise : grid.other_noises) {
    noise_tasks[noise] = noisy_tasks(data, arms, noise, elsewhere);
    work += gradient_evaluations(noise_tasks[noise]);
  }
  lab.begin_runs(work + 3 * data.seeds * steps);  // with about what tuning adds
  lab.say(text("Fashion-MNIST, the first ", data.clean.train.size(),
               " training images, a network of two hidden layers of 256, batch 128, ", data.epochs,
               " epochs, lr 0.05 unless it says otherwise. A wrong label is one of the nine others, each equally "
               "likely; every seed corrupts other labels. The ",
               data.clean.test.size(),
               " test labels are clean. Best epochs are read off the test set, which flatters all alike."));

  for (const Arm& tuned : tuned_arms(tune(lab, trials), arms, steps)) arms.push_back(tuned);
  lab.heading("40% of the labels are wrong");
  take_runs(arms, lab.run_all(noisy_tasks(data, arms, main_noise, data.seeds)));
  show_main(lab, arms, data.seeds);

  take_runs(radii, lab.run_all(radius_tasks));
  show_radii(lab, arms, radii, elsewhere);

  lab.heading("How many labels are wrong");
  for (auto& [noise, noise_arms] : by_noise) take_runs(noise_arms, lab.run_all(noise_tasks[noise]));
  by_noise[main_noise] = main_arms(steps);
  for (size_t i = 0; i < by_noise[main_noise].size(); ++i) by_noise[main_noise][i].runs = arms[i].runs;
  lab.table(text("Means over ", seeds_text(elsewhere), " (", data.seeds, " at 40%):"), noise_table(by_noise));
  draw_noises(lab, by_noise);
  expect_stated(lab, arms);
}

}  // namespace

int main(int argc, char** argv) {
  return run_lab(argc, argv, about, lab6, [](CommandLine& line) {
    line.option("--images", options.images, "of the training set (--quick: 2000)");
    line.option("--epochs", options.epochs, "passes over them (--quick: 20)");
    line.option("--seeds", options.seeds, "at 40% noise (--quick: 2)");
    line.option("--seeds-elsewhere", options.seeds_elsewhere, "at other rates and radii (--quick: 1)");
  });
}
