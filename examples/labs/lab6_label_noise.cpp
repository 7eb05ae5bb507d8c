// Lab 6: wrong labels. A share of the training labels is replaced by others; the test set stays clean. Who learns the
// wrong labels by heart, what does it cost, and when?
//   lab6_label_noise
//   lab6_label_noise --seeds 5 --seeds-elsewhere 3 --out runs/lab6-long
#include <algorithm>
#include <cmath>
#include <deque>

#include "examples/kit/arms.h"
#include "examples/kit/comparison.h"
#include "examples/kit/lab_data.h"
#include "examples/kit/tuning.h"
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
        "at 40% noise, a test accuracy in the last epoch of SAM (rho 0.2) less than 7 points or of MSAM (rho "
        "1) less than 5 points above SGD's, or an interval that holds 0; an advantage at the best epochs of "
        "more than half of that; SAM having learnt more than half as many wrong labels as SGD; MSAM with rho "
        "0.2 above SGD; or SGD with a tuned learning rate closing less than half of the distance to SAM.",
};

LabData options{{.images = 10000, .epochs = 30, .seeds = 3}, {.images = 2000, .epochs = 20, .seeds = 2}};
int64_t seeds_elsewhere = 1;

constexpr double main_noise = 0.4;
constexpr double sam_radius = 0.2, msam_radius = 1, small_msam_radius = 0.2;

/// What is tried; as many learning rates of SGD as radii of SAM and of MSAM.
struct Grid {
  std::vector<double> other_noises{0, 0.2, 0.6};
  std::vector<double> sam_radii{0.05, 0.1, 0.2, 0.4}, msam_radii{0.2, 0.5, 1, 1.5};
  std::vector<double> learning_rates{0.003, 0.00625, 0.0125, 0.05};
} grid;
const Grid quick_grid{{0, 0.6}, {0.05, 0.2, 0.4}, {0.2, 1, 1.5}, {0.00625, 0.0125, 0.05}};

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
  Data data{.clean = options.load(),
            .epochs = options.epochs(),
            .seeds = options.seeds(),
            .seeds_elsewhere = seeds_elsewhere};
  if (!lab.quick()) return data;
  grid = quick_grid;
  if (data.clean.test.size() > 2000) data.clean.test = data.clean.test.take(2000);
  return data;
}

// ---- arms

RunSettings setting(const std::string& optimizer, double lr, double rho, int64_t steps) {
  RunSettings s{.optimizer = optimizer, .base = optim::is_wrapper(optimizer) ? "sgd" : optimizer};
  s.lr = lr, s.rho = rho, s.steps = steps;
  return s;
}

Arm radius_arm(const std::string& optimizer, double rho, int64_t steps) {
  return {radius_label(optimizer, rho), optimizer, setting(optimizer, 0.05, rho, steps)};
}

/// The arms at every noise; at the main one SAM is shown with the gradient evaluations of the others as well, and MSAM
/// with a radius that is too small.
std::vector<Arm> arms_at(double noise, int64_t steps) {
  std::vector<Arm> arms{{"sgd", "sgd", setting("sgd", 0.05, 0, steps)},
                        {"nesterov", "nesterov", setting("nesterov", 0.05, 0, steps)}};
  arms.push_back(radius_arm("sam", sam_radius, steps));
  arms.push_back(radius_arm("msam", msam_radius, steps));
  if (noise != main_noise) return arms;
  for (Arm arm : {radius_arm("sam", sam_radius, steps / 2), radius_arm("msam", small_msam_radius, steps)}) {
    if (arm.settings.steps < steps) arm.label += ", half the epochs";
    arm.draw = Series::Draw::dashed;
    arms.push_back(arm);
  }
  return arms;
}

bool holds(const std::vector<Arm>& arms, const std::string& label) {
  return std::any_of(arms.begin(), arms.end(), [&](const Arm& arm) { return arm.label == label; });
}

/// The radii that are not among these arms.
std::vector<Arm> other_radii(const std::vector<Arm>& arms, int64_t steps) {
  std::vector<Arm> others;
  for (const double rho : grid.sam_radii) others.push_back(radius_arm("sam", rho, steps));
  for (const double rho : grid.msam_radii) others.push_back(radius_arm("msam", rho, steps));
  others.erase(std::remove_if(others.begin(), others.end(), [&](const Arm& arm) { return holds(arms, arm.label); }),
               others.end());
  return others;
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

/// A learning rate for SGD, a radius for SAM and for MSAM, as many trials for each. The validation split has wrong
/// labels as well: who has wrong labels has no others.
std::vector<Session::Task> tuning_tasks(Data& data) {
  data.noisy.push_back(validation_problem(data.problem(main_noise, first_tuning_seed)));
  const Problem& validation = data.noisy.back();
  const int64_t steps = data.epochs * validation.steps_per_epoch();
  std::vector<RunSettings> trials;
  for (const double lr : grid.learning_rates) trials.push_back(setting("sgd", lr, 0, steps));
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
  const double lr = chosen_trial(trials, "sgd").settings.lr;
  if (lr != 0.05) tuned.push_back({text("sgd, lr ", lr), "sgd", setting("sgd", lr, 0, steps)});
  for (const char* optimizer : {"sam", "msam"}) {
    const Arm arm = radius_arm(optimizer, chosen_trial(trials, optimizer).settings.rho, steps);
    if (!holds(arms, arm.label)) tuned.push_back(arm);
  }
  for (Arm& arm : tuned) arm.draw = Series::Draw::dashed;
  return tuned;
}

// ---- stated figures

/// SGD with the learning rate that tuning chose, if that is another one.
const Arm* tuned_sgd(const std::vector<Arm>& arms) {
  for (const Arm& arm : arms)
    if (arm.settings.optimizer == "sgd" && arm.label != "sgd") return &arm;
  return nullptr;
}

void expect_stated(Lab& lab, const std::vector<Arm>& arms) {
  const Arm &sgd = arm(arms, "sgd"), &sam = arm(arms, radius_label("sam", sam_radius));
  auto against_sgd = [&](const std::string& optimizer, double rho, double bound) {
    const Arm& a = arm(arms, radius_label(optimizer, rho));
    const Interval last = difference(a, sgd, last_accuracy), best = difference(a, sgd, best_test_accuracy);
    lab.expect(a.label + " - sgd, test accuracy in the last epoch, points", 100 * last.mean,
               at_least(lab.quick() ? 2 : bound));
    if (!lab.quick()) lab.expect(a.label + " - sgd, lower end of the 95% interval", 100 * last.low(), at_least(0));
    lab.expect(a.label + " - sgd, share of it at the best epochs", best.mean / last.mean, at_most(0.5));
  };
  against_sgd("sam", sam_radius, 7);
  against_sgd("msam", msam_radius, 5);
  lab.expect("wrong labels learnt, sam 0.2 / sgd",
             over_seeds(sam, corrupted_fit).mean / over_seeds(sgd, corrupted_fit).mean, at_most(0.5));
  if (!lab.quick())
    lab.expect("msam 0.2 - sgd, test accuracy in the last epoch, points",
               100 * difference(arm(arms, radius_label("msam", small_msam_radius)), sgd, last_accuracy).mean,
               at_most(0));
  const Arm* tuned = tuned_sgd(arms);  // none where tuning keeps the learning rate that all have
  lab.expect("sam 0.2 - sgd as tuned, share of its points over sgd",
             difference(sam, tuned ? *tuned : sgd, last_accuracy).mean / difference(sam, sgd, last_accuracy).mean,
             at_most(0.5));
}

// ---- the lab

std::vector<Trial> tune(Lab& lab, const std::vector<Session::Task>& tasks) {
  lab.heading("Tuning at 40% noise");
  const std::vector<Trial> trials = judge_trials(lab.run_all(tasks), JudgedBy::accuracy);
  lab.table(
      text(grid.learning_rates.size(), " trials each on ", tasks.front().problem->train.size(), " samples, judged on ",
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
  const Arm &sgd = arm(arms, "sgd"), &sam = arm(arms, radius_label("sam", sam_radius)), *tuned = tuned_sgd(arms);
  const OfRun lost = [](const RunResult& run) { return best_test_accuracy(run) - run.last().test_accuracy; };
  lab.say(text("SAM's ", signed_text(difference(sam, sgd, last_accuracy), 100), " points in the last epoch are ",
               signed_text(difference(sam, sgd, best_test_accuracy), 100), " at the best epochs. SGD loses ",
               signed_text(over_seeds(sgd, lost), 100), " points between its best epoch and the last, SAM ",
               signed_text(over_seeds(sam, lost), 100), ".",
               lab.as_stated(" What SAM does here is for the most part not to learn better, but not to learn by heart "
                             "by the end.")));
  if (tuned != nullptr) {
    lab.table("Against SGD with the learning rate that tuning chose:", paired_table(arms, tuned->label));
    lab.say(
        text("SGD with the tuned learning rate, ", tuned->label, ", is ",
             signed_text(difference(*tuned, sgd, last_accuracy), 100), " points above lr 0.05, and SAM ",
             signed_text(difference(sam, *tuned, last_accuracy), 100), " above that.",
             lab.as_stated(" So a smaller learning rate can do most of it: who compares SAM with an SGD that learns "
                           "by heart measures a learning rate as well.")));
  }
  draw_curves(lab, options.data(), arms);
}

std::string seeds_text(int64_t seeds) { return text(seeds, seeds == 1 ? " seed" : " seeds"); }

void show_radii(Lab& lab, Data& data, std::vector<Arm> arms) {
  lab.heading("Which rho");
  std::vector<Arm> others = other_radii(arms, data.steps());
  take_runs(others, lab.run_all(noisy_tasks(data, others, main_noise, data.seeds_elsewhere)));
  lab.table("The other radii, " + seeds_text(data.seeds_elsewhere) + ":", outcome_table(others));
  arms.insert(arms.end(), others.begin(), others.end());
  draw_radii(lab, options.data(), arms);
}

void show_noises(Lab& lab, Data& data, const std::vector<Arm>& main_arms) {
  lab.heading("How many labels are wrong");
  ByNoise by_noise;
  for (const double noise : grid.other_noises) {
    by_noise[noise] = arms_at(noise, data.steps());
    take_runs(by_noise[noise], lab.run_all(noisy_tasks(data, by_noise[noise], noise, data.seeds_elsewhere)));
  }
  for (const Arm& a : by_noise.begin()->second) by_noise[main_noise].push_back(arm(main_arms, a.label));
  lab.table(text("Means over ", seeds_text(data.seeds_elsewhere), " (", data.seeds, " at 40%):"),
            noise_table(by_noise));
  draw_noises(lab, options.data(), by_noise);
}

/// All gradient evaluations to come, but for what tuning adds.
int64_t expected_work(Data& data, const std::vector<Session::Task>& trials, const std::vector<Arm>& arms) {
  const std::vector<Arm> others = other_radii(arms, data.steps());
  int64_t work = gradient_evaluations(trials) + gradient_evaluations(noisy_tasks(data, arms, main_noise, data.seeds)) +
                 gradient_evaluations(noisy_tasks(data, others, main_noise, data.seeds_elsewhere));
  for (const double noise : grid.other_noises)
    work += gradient_evaluations(noisy_tasks(data, arms_at(noise, data.steps()), noise, data.seeds_elsewhere));
  return work;
}

void lab6(Lab& lab) {
  if (seeds_elsewhere < 1) fail("--seeds-elsewhere", text(seeds_elsewhere), "at least 1");
  options.take(lab);
  Data data = load(lab);
  std::vector<Arm> arms = arms_at(main_noise, data.steps());
  const std::vector<Session::Task> trials = tuning_tasks(data);
  lab.begin_runs(expected_work(data, trials, arms) + 2 * data.seeds * data.steps());
  lab.say(text(options.data(), ", the first ", data.clean.train.size(), " training samples, ", options.model(),
               ", batch ", data.clean.batch, ", ", data.epochs,
               " epochs, lr 0.05 unless it says otherwise. A wrong label is one of the other classes, each equally "
               "likely; every seed corrupts other labels. The ",
               data.clean.test.size(),
               " test labels are clean. Best epochs are read off the test set, which flatters all alike."));

  for (const Arm& tuned : tuned_arms(tune(lab, trials), arms, data.steps())) arms.push_back(tuned);
  lab.heading("40% of the labels are wrong");
  take_runs(arms, lab.run_all(noisy_tasks(data, arms, main_noise, data.seeds)));
  show_main(lab, arms, data.seeds);
  expect_stated(lab, arms);
  show_radii(lab, data, arms);
  show_noises(lab, data, arms);
}

}  // namespace

int main(int argc, char** argv) {
  return run_lab(argc, argv, about, lab6, [](CommandLine& line) {
    options.add_to(line);
    line.option("--seeds-elsewhere", seeds_elsewhere, "at other rates and radii");
  });
}
