// Lab 6: wrong labels. A share of the training labels is replaced by others; the test set stays clean. Who learns the
// wrong labels by heart, what does it cost, and when?
//   lab6_label_noise
//   lab6_label_noise --seeds 5 --seeds-elsewhere 3 --out runs/lab6-long
#include <algorithm>

#include "examples/kit/tuning.h"
#include "examples/labs/lab_data.h"
#include "examples/labs/label_noise_report.h"

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
        "SAM or MSAM far above the tuned SGD at a learning rate of their own. Here tuning varies their rho alone, and "
        "SGD's lr alone.",
};

LabData options{{.images = 10000, .epochs = 30, .seeds = 3}, {.images = 2000, .epochs = 20, .seeds = 2}};
int64_t seeds_elsewhere = 1;

constexpr double main_noise = 0.4, common_lr = 0.05;
constexpr double sam_radius = 0.2, msam_radius = 1, small_msam_radius = 0.2;

/// What is tried; as many learning rates of SGD as radii of SAM and of MSAM.
struct Grid {
  std::vector<double> other_noises{0, 0.2, 0.6};
  std::vector<double> sam_radii{0.05, 0.1, 0.2, 0.4}, msam_radii{0.2, 0.5, 1, 1.5};
  std::vector<double> learning_rates{0.003, 0.00625, 0.0125, 0.05};
} grid;
const Grid quick_grid{{0, 0.6}, {0.05, 0.2, 0.4}, {0.2, 1, 1.5}, {0.00625, 0.0125, 0.05}};

/// Clean data, and how much is done with it.
struct Data {
  Problem clean;
  int64_t epochs, seeds, seeds_elsewhere;

  /// Each seed corrupts other labels.
  Problems noisy(double noise) const {
    return {[clean = clean, noise](uint64_t seed) {
      Problem problem = clean;
      problem.train = clean.train.label_noise(noise, seed);
      return problem;
    }};
  }
  int64_t steps() const { return epochs * clean.steps_per_epoch(); }
};

Data load(const Lab& lab) {
  Data data{.clean = options.load(),
            .epochs = options.epochs(),
            .seeds = options.seeds(),
            .seeds_elsewhere = seeds_elsewhere};
  if (!lab.quick()) return data;
  grid = quick_grid;
  if (data.clean.test.size() > 2000) data.clean.test = data.clean.test.take(2000);
  return data;
}

// ---- settings

Setting sgd_setting(double lr, int64_t steps) {
  Setting setting{.optimizer = "sgd", .hyperparameters = {{"lr", lr}}, .steps = steps};
  if (lr != common_lr) setting.label = text("sgd, lr ", lr);
  return setting;
}

Setting radius_setting(const std::string& optimizer, double rho, int64_t steps) {
  return {.optimizer = optimizer,
          .hyperparameters = {{"lr", common_lr}, {"rho", rho}},
          .steps = steps,
          .label = radius_label(optimizer, rho)};
}

/// What is compared at every noise; at the main one SAM with the gradient evaluations of the others as well, and MSAM
/// with a radius that is too small.
std::vector<Setting> settings_at(double noise, int64_t steps) {
  std::vector<Setting> settings{sgd_setting(common_lr, steps),
                                {.optimizer = "nesterov", .hyperparameters = {{"lr", common_lr}}, .steps = steps},
                                radius_setting("sam", sam_radius, steps),
                                radius_setting("msam", msam_radius, steps)};
  if (noise != main_noise) return settings;
  for (Setting more :
       {radius_setting("sam", sam_radius, steps / 2), radius_setting("msam", small_msam_radius, steps)}) {
    if (more.steps < steps) more.label += ", half the epochs";
    more.dashed = true;
    settings.push_back(more);
  }
  return settings;
}

bool holds(const std::vector<Setting>& settings, const Setting& setting) {
  return std::any_of(settings.begin(), settings.end(), [&](const Setting& s) { return s.name() == setting.name(); });
}

/// A learning rate for SGD, a radius for SAM and for MSAM: as many of each.
std::vector<Setting> all_trials(int64_t steps) {
  std::vector<Setting> trials;
  for (const double lr : grid.learning_rates) trials.push_back(sgd_setting(lr, steps));
  for (const double rho : grid.sam_radii) trials.push_back(radius_setting("sam", rho, steps));
  for (const double rho : grid.msam_radii) trials.push_back(radius_setting("msam", rho, steps));
  return trials;
}

/// The radii that are not among these settings.
std::vector<Setting> other_radii(const std::vector<Setting>& settings, int64_t steps) {
  std::vector<Setting> others;
  for (const Setting& trial : all_trials(steps))
    if (trial.has("rho") && !holds(settings, trial)) others.push_back(trial);
  return others;
}

/// What tuning chose, with the steps of a whole run, but for what `settings` holds already.
std::vector<Setting> as_tuned(const Tuning& tuning, const std::vector<Setting>& settings, int64_t steps) {
  std::vector<Setting> tuned;
  for (const char* optimizer : {"sgd", "sam", "msam"}) {
    Setting chosen = tuning.chosen(optimizer).setting;
    chosen.steps = steps, chosen.dashed = true;
    if (!holds(settings, chosen)) tuned.push_back(chosen);
  }
  return tuned;
}

// ---- stated figures

/// SGD with the learning rate that tuning chose, if that is another one.
const Runs* tuned_sgd(const std::vector<Runs>& all) {
  for (const Runs& runs : all)
    if (runs.setting.optimizer == "sgd" && runs.name() != "sgd") return &runs;
  return nullptr;
}

void expect_stated(Lab& lab, const std::vector<Runs>& all) {
  const Runs &sgd = named(all, "sgd"), &sam = named(all, radius_label("sam", sam_radius));
  auto against_sgd = [&](const std::string& optimizer, double rho, double bound) {
    const Runs& runs = named(all, radius_label(optimizer, rho));
    const Interval last = runs.minus(sgd, last_accuracy), best = runs.minus(sgd, best_test_accuracy);
    lab.expect(runs.name() + " - sgd, test accuracy in the last epoch, points", 100 * last.mean,
               at_least(lab.quick() ? 2 : bound));
    if (!lab.quick()) lab.expect(runs.name() + " - sgd, lower end of the 95% interval", 100 * last.low(), at_least(0));
    lab.expect(runs.name() + " - sgd, share of it at the best epochs", best.mean / last.mean, at_most(0.5));
  };
  against_sgd("sam", sam_radius, 7);
  against_sgd("msam", msam_radius, 5);
  lab.expect("wrong labels learnt, sam 0.2 / sgd", sam.mean(corrupted_fit).mean / sgd.mean(corrupted_fit).mean,
             at_most(0.5));
  if (!lab.quick())
    lab.expect("msam 0.2 - sgd, test accuracy in the last epoch, points",
               100 * named(all, radius_label("msam", small_msam_radius)).minus(sgd, last_accuracy).mean, at_most(0));
  const Runs* tuned = tuned_sgd(all);  // none where tuning keeps the learning rate that all have
  lab.expect("sam 0.2 - sgd as tuned, share of its points over sgd",
             sam.minus(tuned ? *tuned : sgd, last_accuracy).mean / sam.minus(sgd, last_accuracy).mean, at_most(0.5));
}

// ---- the lab

/// The validation split has wrong labels as well: who has wrong labels has no others.
Tuning tune(Lab& lab, const Data& data) {
  lab.heading("Tuning at 40% noise");
  const Problem validation = validation_problem(data.noisy(main_noise).of_seed(first_tuning_seed));
  Tuning tuning{.judged_by = JudgedBy::accuracy};
  tuning.trials = lab.run({.problems = validation,
                           .settings = all_trials(data.epochs * validation.steps_per_epoch()),
                           .seeds = {first_tuning_seed},
                           .measures = {.every_epoch = false}});
  lab.table(text(grid.learning_rates.size(), " trials each on ", validation.train.size(), " samples, judged on ",
                 validation.test.size(),
                 " others whose labels are wrong as often: who has wrong labels has no others. A perfect classifier "
                 "would be right on 60% of them. Chosen is the highest accuracy, since the better classifier agrees "
                 "with more noisy labels as well; the lowest loss need not be the better classifier:"),
            trial_table(tuning));
  return tuning;
}

void show_main(Lab& lab, const std::vector<Runs>& all, int64_t seeds) {
  lab.table(text("Accuracies in %, means over ", seeds, " seeds with 95% intervals:"), outcome_table(all));
  lab.table("Differences paired by seed:", paired_table(all, "sgd"));
  const Runs &sgd = named(all, "sgd"), &sam = named(all, radius_label("sam", sam_radius)), *tuned = tuned_sgd(all);
  const OfRun lost = [](const RunResult& run) { return best_test_accuracy(run) - run.last().test_accuracy; };
  lab.say(text("SAM's ", signed_text(sam.minus(sgd, last_accuracy), 100), " points in the last epoch are ",
               signed_text(sam.minus(sgd, best_test_accuracy), 100), " at the best epochs. SGD loses ",
               signed_text(sgd.mean(lost), 100), " points between its best epoch and the last, SAM ",
               signed_text(sam.mean(lost), 100), ".",
               lab.as_stated(" What SAM does here is for the most part not to learn better, but not to learn by heart "
                             "by the end.")));
  if (tuned != nullptr) {
    lab.table("Against SGD with the learning rate that tuning chose:", paired_table(all, tuned->name()));
    lab.say(
        text("SGD with the tuned learning rate, ", tuned->name(), ", is ",
             signed_text(tuned->minus(sgd, last_accuracy), 100), " points above lr ", common_lr, ", and SAM ",
             signed_text(sam.minus(*tuned, last_accuracy), 100), " above that.",
             lab.as_stated(" So a smaller learning rate can do most of it: who compares SAM with an SGD that learns "
                           "by heart measures a learning rate as well.")));
  }
  draw_curves(lab, options.data(), all);
}

std::string seeds_text(int64_t seeds) { return text(seeds, seeds == 1 ? " seed" : " seeds"); }

void show_radii(Lab& lab, const Data& data, std::vector<Runs> all, const std::vector<Setting>& settings) {
  lab.heading("Which rho");
  const std::vector<Runs> others = lab.run({.problems = data.noisy(main_noise),
                                            .settings = other_radii(settings, data.steps()),
                                            .seeds = seeds_from(1, data.seeds_elsewhere)});
  lab.table("The other radii, " + seeds_text(data.seeds_elsewhere) + ":", outcome_table(others));
  all.insert(all.end(), others.begin(), others.end());
  draw_radii(lab, options.data(), all);
}

void show_noises(Lab& lab, const Data& data, const std::vector<Runs>& at_main_noise) {
  lab.heading("How many labels are wrong");
  ByNoise by_noise;
  for (const double noise : grid.other_noises)
    by_noise[noise] = lab.run({.problems = data.noisy(noise),
                               .settings = settings_at(noise, data.steps()),
                               .seeds = seeds_from(1, data.seeds_elsewhere)});
  for (const Runs& runs : by_noise.begin()->second) by_noise[main_noise].push_back(named(at_main_noise, runs.name()));
  lab.table(text("Means over ", seeds_text(data.seeds_elsewhere), " (", data.seeds, " at 40%):"),
            noise_table(by_noise));
  draw_noises(lab, options.data(), by_noise);
}

void lab6(Lab& lab) {
  if (seeds_elsewhere < 1) fail("--seeds-elsewhere", text(seeds_elsewhere), "at least 1");
  options.take(lab);
  const Data data = load(lab);
  std::vector<Setting> settings = settings_at(main_noise, data.steps());
  lab.say(text(options.data(), ", the first ", data.clean.train.size(), " training samples, ", options.model(),
               ", batch ", data.clean.batch, ", ", data.epochs, " epochs, lr ", common_lr,
               " unless it says otherwise. A wrong label is one of the other classes, each equally "
               "likely; every seed corrupts other labels. The ",
               data.clean.test.size(),
               " test labels are clean. Best epochs are read off the test set, which flatters all alike."));

  for (const Setting& tuned : as_tuned(tune(lab, data), settings, data.steps())) settings.push_back(tuned);
  lab.heading("40% of the labels are wrong");
  const std::vector<Runs> all =
      lab.run({.problems = data.noisy(main_noise), .settings = settings, .seeds = seeds_from(1, data.seeds)});
  show_main(lab, all, data.seeds);
  expect_stated(lab, all);
  show_radii(lab, data, all, settings);
  show_noises(lab, data, all);
}

}  // namespace

int main(int argc, char** argv) {
  return run_lab(argc, argv, about, lab6, [](CommandLine& line) {
    options.add_to(line);
    line.option("--seeds-elsewhere", seeds_elsewhere, "at other rates and radii");
  });
}
