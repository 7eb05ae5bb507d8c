// Lab 7: what the loss looks like around the minima that SGD, Nesterov, SAM and MSAM find: the straight way between two
// of them, slices along random and other directions, a plane, and the trainings' own paths seen on a plane. Everything
// that is compared is drawn over the same range, along the same seeded directions, on the same scale.
#include <algorithm>
#include <cmath>

#include "examples/kit/progress.h"
#include "examples/labs/landscape.h"

using namespace minima;
using namespace minima::examples;

namespace {

LabData data{{.images = 10000, .epochs = 30, .seeds = 3}, {.images = 2000, .epochs = 40, .seeds = 1}};

LandscapePlan plan_of(const Lab& lab) {
  const int64_t epochs = data.epochs(), seeds = data.seeds();
  if (lab.quick()) return {.epochs = epochs, .seeds = seeds, .sample = 500, .directions = 5, .points = 11, .grid = 15};
  return {.epochs = epochs, .seeds = seeds, .sample = 2000, .directions = 10, .points = 21, .grid = 41};
}

constexpr double alpha_of_rise = 0.5;
const std::string from_he = ", He";

/// A method with what its rise at alpha = 0.5 was when it was first measured, from an initialisation as He et al.'s.
struct Subject {
  std::string optimizer;
  double rho;
  std::string style;
  double expected_rise;
};
const std::vector<Subject> subjects{{"sgd", 0, "sgd", 0.104},
                                    {"nesterov", 0, "nesterov", 0.119},
                                    {"sam", 0.1, "sam", 0.062},
                                    {"msam", 0.5, "msam", 0.077},
                                    {"msam", 1, "msam'", 0.038}};

}  // namespace

namespace minima::examples {

// ---- training

void Landscape::train() {
  lab_.heading("The networks");
  const int64_t steps = plan_.epochs * problem_.steps_per_epoch();
  std::vector<Setting> settings, from_he_settings;
  for (const Subject& s : subjects) {
    settings.push_back(lab_setting(s.optimizer, s.rho, s.style, steps));
    from_he_settings.push_back(settings.back());
    from_he_settings.back().label = settings.back().name() + from_he;
    from_he_settings.back().prepare = initialise_as_he;
  }
  const auto train = [&](const std::vector<Setting>& chosen, const std::vector<uint64_t>& seeds, bool paths) {
    for (const Trained& t : train_all(lab_, problem_, chosen, seeds, paths)) trained_.push_back(t);
  };
  train(settings, {1}, /*paths=*/true);
  if (!lab_.quick()) {
    train(settings, seeds_from(2, plan_.seeds - 1), /*paths=*/false);
    train(from_he_settings, {1}, /*paths=*/false);
  }
  Table table{{"method", "gradients", "train loss", "test loss", "test acc %", "|w|"}};
  for (const Trained& t : trained_) {
    Row row{{"method", t.name()}};
    for (const auto& column : metrics_row(problem_, t.setting, t.seed, t.last)) row.push_back(column);
    lab_.record(row);
    if (t.seed == 1)
      table.push_back({t.name(), std::to_string(t.last.gradient_evaluations), fixed(t.last.train_loss, 4),
                       fixed(t.last.test_loss, 4), fixed(100 * t.last.test_accuracy, 2),
                       fixed(core::norm(t.weights()).item(), 2)});
  }
  lab_.table(text(problem_.train.size(), " training images, ", problem_.model, ", ", plan_.epochs,
                  " epochs, seed 1: the same initial weights and batches for all. Lines below are over the "
                  "training images, planes over ",
                  plan_.sample, " of them."),
             table);
}

const Trained& Landscape::find(const std::string& name, uint64_t seed) const {
  for (const Trained& t : trained_)
    if (t.name() == name && t.seed == seed) return t;
  fail("lab7_landscape", name, "a method of this lab");
}

// ---- lines

std::vector<double> Landscape::rises_of(const Trained& trained) {
  put(*model_, trained.weights(), problem_);
  std::vector<double> rises;
  for (int seed = 1; seed <= plan_.directions; ++seed) {
    const Tensor d = optim::filter_normalised_direction(parameters_, static_cast<uint64_t>(seed));
    const auto losses = along(trained, d, {-alpha_of_rise, 0, alpha_of_rise});
    rises.push_back((losses[0] + losses[2]) / 2 - losses[1]);
    if (seed == 1) centre(trained.name() + ", random direction", losses[1], trained.last.train_loss);
  }
  lab_.record("rises", {{"method", trained.name()},
                        {"seed", static_cast<int64_t>(trained.seed)},
                        {"alpha", alpha_of_rise},
                        {"directions", static_cast<int64_t>(plan_.directions)},
                        {"rise", interval_95(rises).mean},
                        {"lowest", *std::min_element(rises.begin(), rises.end())},
                        {"highest", *std::max_element(rises.begin(), rises.end())}});
  return rises;
}

void Landscape::compare_directions(const std::vector<std::vector<double>>& rises) {
  const auto half_mean = [&](const std::string& name, bool second) {
    std::vector<double> half;
    for (size_t i = 0; i < trained_.size(); ++i)
      if (trained_[i].name() == name) {
        const auto middle = rises[i].begin() + std::ssize(rises[i]) / 2;
        half.insert(half.end(), second ? middle : rises[i].begin(), second ? rises[i].end() : middle);
      }
    return interval_95(half).mean;
  };
  std::vector<std::string> changed;
  int pairs = 0;
  for (size_t a = 0; a < subjects.size(); ++a)
    for (size_t b = 0; b < a; ++b, ++pairs) {
      const std::string one = trained_[a].name(), other = trained_[b].name();
      if ((half_mean(one, false) < half_mean(other, false)) != (half_mean(one, true) < half_mean(other, true)))
        changed.push_back(one + " and " + other);
    }
  lab_.say(text("By one half of the directions or by the other: of ", pairs, " pairs of methods, ",
                changed.empty() ? "none changes" : text(changed.size(), " change"), " the order of their rises",
                changed.empty() ? "" : " (" + listed(changed) + ")", "."));
  lab_.expect("pairs of methods whose order the other half of the directions changes, of " + std::to_string(pairs),
              static_cast<double>(changed.size()), at_most(1));
}

void Landscape::measure_rises() {
  lab_.heading("Rise along filter-normalised random directions");
  std::map<std::string, std::vector<double>> means;
  std::vector<std::vector<double>> rises;
  Progress progress(std::ssize(trained_));
  for (size_t i = 0; i < trained_.size(); ++i) {
    const Trained& t = trained_[i];
    lab_.stop_if_interrupted();
    progress.update(static_cast<int64_t>(i), text("lines through ", t.name()));
    rises.push_back(rises_of(t));
    means[t.name()].push_back(interval_95(rises.back()).mean);
  }
  progress.clear();
  Table table{{"method", "rise", "directions of seed 1", "minus sgd, paired"}};
  for (size_t i = 0; i < subjects.size(); ++i) {
    const std::string name = trained_[i].name();
    table.push_back({name, interval_text(interval_95(means[name])),
                     text(fixed(*std::min_element(rises[i].begin(), rises[i].end()), 3), " to ",
                          fixed(*std::max_element(rises[i].begin(), rises[i].end()), 3)),
                     name == "sgd" ? "" : difference_text(paired_difference(means[name], means["sgd"]))});
  }
  lab_.table(
      text("Rise of the train loss at alpha = ", alpha_of_rise, ": mean of both sides and of ", plan_.directions,
           " seeded directions, then over ", plan_.seeds,
           " seeds +- 95% interval. Each row of a weight matrix moves by alpha times its own length; biases stand "
           "still. The noise is the same for all methods, each row scaled to that network's."),
      table);
  const auto ratio = [&](const std::string& a, const std::string& b) {
    return interval_95(means.at(a)).mean / interval_95(means.at(b)).mean;
  };
  lab_.expect("rise of msam 1 over that of sgd", ratio("msam 1", "sgd"), at_most(0.8));
  if (lab_.quick()) return;  // one seed on 2,000 images does not tell the others apart
  compare_directions(rises);
  lab_.expect("rise of nesterov over that of sgd", ratio("nesterov", "sgd"), at_least(1));
  for (const char* name : {"sam 0.1", "msam 0.5"}) {
    lab_.expect(text("rise of ", name, " over that of sgd"), ratio(name, "sgd"), at_most(0.85));
    lab_.expect(text("rise of msam 1 over that of ", name), ratio("msam 1", name), at_most(0.9));
  }
  compare_initialisations(means);
}

/// The same from larger initial weights: the figures stated are of such networks.
void Landscape::compare_initialisations(const std::map<std::string, std::vector<double>>& means) {
  Table table{
      {"method, He's weights", "train loss", "test loss", "|w|", "rise", "first measured", "rise from the default"}};
  for (size_t i = 0; i < subjects.size(); ++i) {
    const std::string name = trained_[i].name();
    const Trained& t = find(name + from_he);
    const double rise = means.at(t.name())[0], expected = subjects[i].expected_rise;
    table.push_back({name, fixed(t.last.train_loss, 4), fixed(t.last.test_loss, 4),
                     fixed(core::norm(t.weights()).item(), 2), fixed(rise, 4), number_text(expected),
                     fixed(means.at(name)[0], 4)});
    lab_.expect(text("rise of ", name, " from He's weights, first measured as ", expected), rise,
                between(expected / 2, expected * 2));
  }
  lab_.table(text("Seed 1 from larger initial weights (He et al.: normal, variance 2 / inputs; the default here is "
                  "uniform with "
                  "a sixth of that variance)."),
             table);
  lab_.say(
      "The order is a matter of the methods, the size of a rise a matter of the initialisation as well: filter "
      "normalisation makes slices of one function comparable however its layers are scaled, and these are other "
      "functions. A number of this kind without its initialisation, sample and number of directions says little.");
  const auto rise = [&](const std::string& name) { return means.at(name + from_he)[0]; };
  lab_.expect("from He's weights: rise of nesterov over that of sgd", rise("nesterov") / rise("sgd"), at_least(1));
  lab_.expect("from He's weights: rise of msam 0.5 over that of sgd", rise("msam 0.5") / rise("sgd"), at_most(1));
  lab_.expect("from He's weights: rise of sam 0.1 over that of msam 0.5", rise("sam 0.1") / rise("msam 0.5"),
              at_most(1));
  lab_.expect("from He's weights: rise of msam 1 over that of sam 0.1", rise("msam 1") / rise("sam 0.1"), at_most(1));
}

void Landscape::slice() {
  lab_.heading("Slices");
  const std::vector<double> alphas = evenly_from(-1, 1, plan_.points), distances = evenly_from(-1, 1, plan_.points);
  Panel random{.title = "random, filter-normalised", .x_title = "alpha", .y_title = "train loss"};
  Panel gradient{.title = "along the gradient", .x_title = "distance (positive: uphill)"};
  Panel momentum{.title = "along -v, the coming step", .x_title = "distance (negative: along +v)"};
  const int drawn = std::min(plan_.directions, 5);
  for (size_t i = 0; i < subjects.size(); ++i) {
    lab_.stop_if_interrupted();
    const Trained& t = trained_[i];
    put(*model_, t.weights(), problem_);
    const auto curve = [&](Panel& panel, const std::vector<double>& at, const std::vector<Tensor>& directions) {
      Series series{.label = t.name(), .style = t.setting.style, .x = at};
      series.y.assign(at.size(), 0), series.low.assign(at.size(), INFINITY), series.high.assign(at.size(), -INFINITY);
      for (const Tensor& d : directions) {
        const std::vector<double> losses = along(t, d, at);
        for (size_t k = 0; k < at.size(); ++k) {
          series.y[k] += losses[k] / static_cast<double>(directions.size());
          series.low[k] = std::min(series.low[k], losses[k]), series.high[k] = std::max(series.high[k], losses[k]);
        }
      }
      centre(t.name() + ", " + panel.title, series.y[at.size() / 2], t.last.train_loss);
      for (size_t k = 0; k < at.size(); ++k)
        lab_.record("slices",
                    {{"method", t.name()}, {"direction", panel.title}, {"at", at[k]}, {"train_loss", series.y[k]}});
      if (directions.size() == 1) series.low.clear(), series.high.clear();
      panel.series.push_back(series);
    };
    std::vector<Tensor> filters;
    for (int seed = 1; seed <= drawn; ++seed)
      filters.push_back(optim::filter_normalised_direction(parameters_, static_cast<uint64_t>(seed)));
    const Tensor g = optim::flat_gradient(loss_on(train_), parameters_);
    curve(random, alphas, filters);
    curve(gradient, distances, {times(1 / core::norm(g).item(), g)});
    curve(momentum, distances, {times(-1 / core::norm(t.momentum).item(), t.momentum)});
  }
  lab_.say(
      text("Ranges: alpha from -1 to 1 (", drawn,
           " directions), distance from -1 to 1 along the gradient and the momentum of the last step. alpha = 1 moves "
           "every row of weights by its own length, which is many times as far as a distance of 1",
           lab_.as_stated(", and yet the loss rises less: the gradient and the momentum lie in the few steep "
                          "directions, a random direction hardly at all"),
           "."));
  lab_.figure("slices",
              line_figure("slices", "One-dimensional slices through the minima", {random, gradient, momentum}, 3,
                          text("Train loss, seed 1. Left: mean of ", drawn,
                               " seeded directions, band: lowest to highest of them. Same range, same noise for all.")),
              "The same slices through all minima.");
}

void Landscape::check_centres() {
  lab_.expect_always("value at the centre of every slice, plane and end of a way minus the reported loss, largest",
                     worst_centre_, at_most(1e-6));
}

}  // namespace minima::examples

namespace {

void run(Lab& lab) {
  data.take(lab);
  const LandscapePlan plan = plan_of(lab);
  const Problem problem = data.load();
  if (!lab.quick()) tabulate_learning_rates(lab, problem, plan.epochs);
  Landscape landscape(lab, problem, plan);
  landscape.train();
  landscape.measure_rises();
  landscape.slice();
  landscape.interpolate();
  landscape.draw_planes();
  landscape.follow_paths();
  landscape.check_centres();
}

}  // namespace

int main(int argc, char** argv) {
  const LabAbout about{
      .name = "lab7_landscape",
      .title = "Lab 7. Slices of the landscape",
      .question =
          "around which minimum does the loss rise least? Is there a barrier on the straight way from SGD's "
          "minimum to SAM's? And is the loss of a path the loss that a contour map shows under it?",
      .refuted_by =
          "the order of the rises changing, for more than one pair of methods, with other seeds of the directions; a "
          "slice whose centre is not the "
          "loss that training reported; SGD's minimum rising less than MSAM's along filter-normalised "
          "directions; or a path whose true loss follows the contours it crosses."};
  return run_lab(argc, argv, about, run, [](CommandLine& line) { data.add_to(line); });
}
