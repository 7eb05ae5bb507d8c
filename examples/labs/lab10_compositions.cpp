// lab10_compositions: directions by composition (source x scope x geometry x time), first on |x|^2, where all is known,
// then on two networks: at equal radii, each at its own radius, and at equal gradient evaluations.
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/ops.h"
#include "examples/kit/evaluation.h"
#include "examples/kit/tuning.h"
#include "examples/labs/lab_data.h"

using namespace minima;
using namespace minima::examples;

namespace {

const LabAbout about{
    .name = "lab10_compositions",
    .title = "Lab 10. Directions by composition",
    .question =
        "Some papers perturb along the previous gradient, to save SAM's second one. Another says that this cannot even "
        "solve |x|^2. At a constant radius, how far from the minimum does each method come to rest there? And on "
        "networks: which changes of SAM and MSAM help (norm layers alone, a radius relative to the weights, only "
        "late), and which cost a second gradient for nothing?",
    .refuted_by =
        "a rest on |x|^2 that does not shrink with the radius: then no schedule of rho could help. Which composition "
        "wins on the networks is a question of this lab, and no claim of it."};

// ---- |x|^2

constexpr double rho = 0.1;

/// The largest distance from the minimum in the last tenth of the steps, over rho: where the method rests, or circles.
double rest(const std::string& optimizer, double sign, double lr, double momentum, int64_t dimensions, bool rho_falls) {
  constexpr int64_t steps = 4000;
  std::vector<double> start;
  for (int64_t i = 0; i < dimensions; ++i) start.push_back(std::cos(1.0 + 3.0 * static_cast<double>(i)));
  const Variable x(Tensor::from(start), requires_grad);
  optim::NamedSchedules values{{"lr", lr}, {"momentum", momentum}, {"weight_decay", 0}};
  if (optim::is_wrapper(optimizer))
    values.emplace("rho", [=](int64_t t) { return sign * rho * (rho_falls ? 1 - double(t) / steps : 1.0); });
  const auto method = optim::make_optimizer(optimizer, {x}, {.hyperparameters = values});
  double farthest = 0;
  for (int64_t t = 0; t < steps; ++t) {
    method->step([&] {
      Variable loss = sum(square(x));
      loss.backward();
      return loss;
    });
    if (t >= steps - steps / 10) farthest = std::max(farthest, core::norm(x.value()).item() / rho);
  }
  return farthest;
}

void show_square(Lab& lab) {
  lab.heading("|x|^2 first");
  struct Method {
    std::string words, optimizer;
    double sign;
  };
  const std::vector<Method> methods{{"SGD", "sgd", 1},
                                    {"+g (SAM)", "sam", 1},
                                    {"+last gradient (S2-SAM, AsyncSAM)", "along-last-gradient", -1},
                                    {"-last gradient", "along-last-gradient", 1},
                                    {"-v (MSAM)", "along-momentum", 1}};
  Table table{{"gradient taken along", "momentum", "lr", "1 dimension", "10 dimensions", "10, rho falling to 0"}};
  for (const Method& m : methods)
    for (const double momentum : {0.0, 0.9})
      for (const double lr : {0.01, 0.2}) {
        if (m.optimizer == "along-momentum" && momentum == 0) continue;  // there is no momentum to go along
        const auto at = [&](int64_t n, bool falls) { return rest(m.optimizer, m.sign, lr, momentum, n, falls); };
        const double one = at(1, false), ten = at(10, false), falling = at(10, true);
        table.push_back(
            {m.words, number_text(momentum), number_text(lr), fixed(one, 4), fixed(ten, 4), fixed(falling, 4)});
        lab.record("square", {{"direction", m.words},
                              {"momentum", momentum},
                              {"lr", lr},
                              {"rest_1", one},
                              {"rest_10", ten},
                              {"rest_10_rho_falling", falling}});
      }
  lab.table(
      "Distance from the minimum at which each comes to rest or circles, in units of rho, after 4,000 steps on "
      "|x|^2 at a constant rate:",
      table);
  lab.say(
      "SAM steps back and forth across the minimum, at a distance in proportion to lr. Along +last gradient the "
      "perturbation is a step late: in one dimension the weights stop where w + e is the minimum, a whole rho from it; "
      "in "
      "more they circle. So the objection holds at a constant radius, for the sign of S2-SAM, and momentum makes it "
      "worse. The other sign rests as near as SAM or MSAM. With a radius that falls to 0 all of them arrive.");
  const double a = 0.2 * 2;  // lr times the curvature
  lab.expect_always("|x|^2: SGD's rest, in rho", rest("sgd", 1, 0.2, 0, 10, false), at_most(1e-9));
  lab.expect_always("|x|^2: SAM's rest, lr h / (2 - lr h) in rho", rest("sam", 1, 0.2, 0, 10, false),
                    within(a / (2 - a), 1e-6));
  lab.expect_always("|x|^2: -last gradient's rest, as SAM's", rest("along-last-gradient", 1, 0.2, 0, 10, false),
                    within(a / (2 - a), 1e-6));
  lab.expect_always("|x|^2: +last gradient's rest, sqrt(lr h) in rho",
                    rest("along-last-gradient", -1, 0.2, 0, 10, false), within(std::sqrt(a), 1e-3));
  lab.expect_always("|x|^2: +last gradient's rest in one dimension, in rho",
                    rest("along-last-gradient", -1, 0.01, 0, 1, false), within(1, 0.02));
  lab.expect_always("|x|^2: +last gradient's rest over SAM's, both with momentum",
                    rest("along-last-gradient", -1, 0.2, 0.9, 10, false) / rest("sam", 1, 0.2, 0.9, 10, false),
                    at_least(5));
  lab.expect_always(
      "|x|^2: the farthest rest where rho has fallen to 0, momentum 0, in rho",
      [] {
        double farthest = 0;
        for (const auto& [optimizer, sign] :
             {std::pair{"sam", 1.0}, {"along-last-gradient", -1.0}, {"along-last-gradient", 1.0}})
          farthest = std::max(farthest, rest(optimizer, sign, 0.2, 0, 10, true));
        return farthest;
      }(),
      at_most(0.1));
}

// ---- networks

/// A composition by name, and the radii to choose from; a negative one turns the direction round.
struct Point {
  std::string optimizer, words;
  std::vector<double> rhos;
  bool by_length = true;  ///< whether its rho is |e|, so that it can be compared at equal radius
};

std::vector<Point> points(bool with_norm_layers) {
  std::vector<Point> all{{"sam", "+g (SAM)", {0.05, 0.1, 0.2}},
                         {"asam", "+g, relative to weights (ASAM)", {0.5, 1, 2}, false},
                         {"sam+late", "+g, late", {0.1, 0.2, 0.4}, false},
                         {"sam+budget", "+g, budget of loss", {0.1, 0.2, 0.4}, false},
                         {"msam", "-v (MSAM)", {0.2, 0.5, 1}},
                         {"msam+adaptive", "-v, relative to weights", {4, 10, 25}, false},
                         {"msam+filters", "-v, relative to filters", {0.3, 1, 3}, false},
                         {"msam+layers", "-v, a norm for each layer", {0.2, 0.5, 1}},
                         {"msam+weights", "-v, no biases and norms", {0.2, 0.5, 1}},
                         {"msam+late", "-v, late", {0.5, 1, 2}, false},
                         {"msam+delayed", "-v, not while lr rises", {0.2, 0.5, 1}},
                         {"msam+budget", "-v, budget of loss", {0.5, 1, 2}, false},
                         {"along-last-gradient", "-last gradient", {0.2, 0.5, 1}},
                         {"along-last-gradient", "+last gradient (S2-SAM)", {-0.05, -0.1, -0.2}},
                         {"along-friendly-momentum", "+(last gradient - momentum)", {0.05, 0.1, 0.2}},
                         {"along-random", "random", {0.5, 1, 2}},
                         {"along-lr-momentum", "-lr v, not normalised", {0.9, 3, 10}, false}};
  if (with_norm_layers) {
    all.push_back({"sam+norms", "+g, norm layers alone", {0.05, 0.2, 0.8}});
    all.push_back({"msam+norms", "-v, norm layers alone", {0.2, 0.5, 1}});
  }
  return all;
}

/// A run that diverged is as good as guessing.
double test_accuracy(const RunResult& run) { return run.diverged() ? 0.1 : run.last().test_accuracy; }
double test_loss(const RunResult& run) { return run.diverged() ? std::log(10) : run.last().test_loss; }

std::vector<double> of(const Runs& runs, double (*reading)(const RunResult&)) {
  std::vector<double> values;
  for (const RunResult& run : runs.results) values.push_back(reading(run));
  return values;
}

Interval difference(const Runs& a, const Runs& b, double (*reading)(const RunResult&)) {
  return paired_difference(of(a, reading), of(b, reading));
}

double mean(const Runs& runs, double (*reading)(const RunResult&)) { return interval_95(of(runs, reading)).mean; }

struct Network {
  std::string name;
  Problem problem;  ///< with the test set
  datasets::Dataset validation;
  int64_t epochs;
  double lr;

  Setting setting(const std::string& optimizer, double radius, const std::string& words) const {
    Setting s{.optimizer = optimizer,
              .hyperparameters = {{"lr", lr}},
              .steps = epochs * problem.steps_per_epoch(),
              .label = words};
    if (s.wraps()) s.hyperparameters["rho"] = radius;
    return s;
  }
};

/// Results of one network: each point at the radius that it got on validation data, and all at one radius.
struct Results {
  Runs sgd;
  std::vector<Runs> own, equal, half;
};

std::vector<Runs> run(Lab& lab, const Problem& problem, const std::vector<Setting>& settings,
                      const std::vector<uint64_t>& seeds, const std::string& stage, const std::string& network) {
  const std::vector<Runs> all =
      lab.run({.problems = problem, .settings = settings, .seeds = seeds, .measures = {.every_epoch = false}});
  for (const Runs& runs : all)
    for (const RunResult& r : runs.results)
      lab.record("runs", {{"network", network},
                          {"stage", stage},
                          {"direction", runs.setting.label},
                          {"optimizer", runs.setting.optimizer},
                          {"rho", runs.setting.value("rho")},
                          {"seed", static_cast<int64_t>(r.seed)},
                          {"steps", runs.setting.steps},
                          {"gradient_evaluations", r.last().gradient_evaluations},
                          {"train_loss", r.last().train_loss},
                          {"test_loss", r.last().test_loss},
                          {"test_accuracy", r.last().test_accuracy},
                          {"diverged", r.divergence}});
  return all;
}

/// The radius of each point with the highest accuracy on validation data, diverged runs counted as guessing.
std::vector<Setting> chosen(Lab& lab, const Network& network, const std::vector<Point>& all) {
  std::vector<Setting> trials;
  for (const Point& point : all)
    for (const double radius : point.rhos) trials.push_back(network.setting(point.optimizer, radius, point.words));
  Problem validation = network.problem;
  validation.test = network.validation;
  const std::vector<Runs> tried = run(lab, validation, trials, {first_tuning_seed}, "validation", network.name);
  std::vector<Setting> best;
  for (const Point& point : all) {
    const Runs* found = nullptr;
    for (const Runs& runs : tried)
      if (runs.setting.label == point.words && (!found || mean(runs, test_accuracy) > mean(*found, test_accuracy)))
        found = &runs;
    best.push_back(found->setting);
  }
  return best;
}

Results train(Lab& lab, const Network& network, const std::vector<uint64_t>& seeds) {
  const std::vector<Point> all = points(nn::has_batch_norm(
      *nn::make_model(network.problem.model, network.problem.train.input_shape(), outputs_for(network.problem.train))));
  std::vector<Setting> own = chosen(lab, network, all), equal, half;
  double radius = 0;
  for (const Setting& s : own)
    if (s.optimizer == "msam") radius = s.value("rho");
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].by_length && all[i].optimizer != "msam")
      equal.push_back(network.setting(all[i].optimizer, std::copysign(radius, all[i].rhos[0]), all[i].words));
    if (optim::gradients_per_step(all[i].optimizer) < 2) continue;
    half.push_back(own[i]);
    half.back().steps /= 2;
  }
  own.insert(own.begin(), network.setting("sgd", 0, "SGD"));
  Results results;
  results.own = run(lab, network.problem, own, seeds, "own radius", network.name);
  results.sgd = results.own.front();
  results.equal = run(lab, network.problem, equal, seeds, "equal radius", network.name);
  results.half = run(lab, network.problem, half, seeds, "half the steps", network.name);
  return results;
}

std::vector<std::string> row_of(const Runs& runs, const Runs& sgd, int64_t rank) {
  const double per_step = gradients_at_end(runs.results.front()) / static_cast<double>(runs.setting.steps);
  return {rank > 0 ? std::to_string(rank) : "",
          runs.setting.label,
          runs.setting.value_text("rho"),
          runs.diverged() < std::ssize(runs.results) ? fixed(per_step, 2) : "-",
          interval_text(interval_95(of(runs, test_accuracy)), 100),
          interval_text(interval_95(of(runs, test_loss))),
          &runs == &sgd ? "" : difference_text(difference(runs, sgd, test_accuracy), 100),
          runs.diverged() > 0 ? std::to_string(runs.diverged()) : ""};
}

const std::vector<std::string> head{"",          "gradient taken along", "rho",     "gradients", "test accuracy %",
                                    "test loss", "accuracy minus SGD's", "diverged"};

void show(Lab& lab, const Results& r, int64_t seeds) {
  std::vector<const Runs*> order;
  for (const Runs& runs : r.own) order.push_back(&runs);
  std::stable_sort(order.begin(), order.end(),
                   [](const Runs* a, const Runs* b) { return mean(*a, test_accuracy) > mean(*b, test_accuracy); });
  Table own{head}, equal{head}, half{head};
  for (size_t i = 0; i < order.size(); ++i) own.push_back(row_of(*order[i], r.sgd, static_cast<int64_t>(i) + 1));
  lab.table(text("Each at the radius that did best on validation data, ", seeds,
                 " seeds, with 95% intervals; in the order of test accuracy. A run that diverged counts as guessing. "
                 "\"Gradients\" are those of a step."),
            own);
  for (const Runs& runs : r.equal) equal.push_back(row_of(runs, r.sgd, 0));
  lab.table(text("All at one radius, |e| = ", named(r.own, "-v (MSAM)").setting.value("rho"),
                 ", MSAM's; those whose radius is a length."),
            equal);
  for (const Runs& runs : r.half) half.push_back(row_of(runs, r.sgd, 0));
  lab.table("At equal gradient evaluations: those with two gradients a step, with half the steps.", half);
  const Runs& msam = named(r.own, "-v (MSAM)");
  const auto against = [&](const std::string& words, const Runs& other) {
    return text(words, " minus ", other.setting.label, ": ",
                difference_text(difference(named(r.own, words), other, test_accuracy), 100), " points");
  };
  std::string paper = against("-v, relative to weights", msam) + "; " +
                      against("+g, relative to weights (ASAM)", named(r.own, "+g (SAM)"));
  if (has_name(r.own, "-v, norm layers alone"))
    paper += "; " + against("-v, norm layers alone", msam) + "; " +
             against("+g, norm layers alone", named(r.own, "+g (SAM)"));
  lab.say(
      "The paper's Table 3 (WRN-16-4, CIFAR-100): adaptive MSAM +0.78 points over MSAM, adaptive SAM +0.71 over SAM, "
      "MSAM in the norm layers alone +0.62, SAM there +0.48. Here: " +
      paper + ".");
  lab.say("The previous gradient: " + against("+last gradient (S2-SAM)", r.sgd) + "; " +
          against("-last gradient", r.sgd) + "; " + against("-last gradient", msam) + ".");
}

void draw(Lab& lab, const std::vector<std::pair<Network, Results>>& all) {
  std::vector<Panel> panels;
  for (const auto& [network, r] : all) {
    Panel panel{.title = network.name, .x_title = "test loss", .y_title = "test accuracy, %"};
    for (const Runs& runs : r.own) {
      Series s{.label = runs.setting.label, .style = runs.setting.optimizer, .draw = Series::Draw::points};
      s.x = {mean(runs, test_loss)}, s.y = {100 * mean(runs, test_accuracy)};
      panel.series.push_back(s);
    }
    panels.push_back(panel);
  }
  lab.figure("compositions", line_figure("compositions", "Each composition at its own radius", panels, 2),
             "Test accuracy over test loss, means over seeds; up and left is better.");
}

void expect_costs(Lab& lab, const Results& r, const std::string& network) {
  double largest_miss = 0;
  for (const Runs& runs : r.own)
    for (const RunResult& run : runs.results)
      if (!run.diverged())
        largest_miss =
            std::max(largest_miss, std::abs(gradients_at_end(run) - double(expected_gradients(runs.setting))));
  lab.expect_always(network + ": gradients taken beyond those stated, the largest of all compositions", largest_miss,
                    at_most(0));
}

/// Of the first network alone, whose test set is large enough to tell.
void expect_accuracies(Lab& lab, const Results& r) {
  const auto points = [](const Runs& a, const Runs& b) { return 100 * difference(a, b, test_accuracy).mean; };
  lab.expect("random minus SGD in test accuracy, points", points(named(r.own, "random"), r.sgd), between(-1, 1));
  lab.expect("at MSAM's radius: +last gradient minus -last gradient, points",
             points(named(r.equal, "+last gradient (S2-SAM)"), named(r.equal, "-last gradient")), at_most(-3));
  lab.expect("at MSAM's radius: SAM minus SGD, points (equal lengths are not equal perturbations)",
             points(named(r.equal, "+g (SAM)"), r.sgd), at_most(-2));
  lab.expect("at equal gradient evaluations: SAM minus SGD, points", points(named(r.half, "+g (SAM)"), r.sgd),
             at_most(-1));
}

LabData data{{.images = 2000, .epochs = 12, .seeds = 3}, {.images = 600, .epochs = 8, .seeds = 2}};
uint64_t first_seed = 1;

/// A CNN with batch norm on few digits, so that it has something to lose.
Network digits_cnn(bool quick) {
  auto [all, test] = datasets::digits();
  const int64_t train = quick ? 160 : 240;
  std::vector<int64_t> rest;
  for (int64_t i = train; i < std::min<int64_t>(all.size(), train + 400); ++i) rest.push_back(i);
  return {.name = "cnn with batch norm, digits",
          .problem = {.data = "digits", .model = "cnn", .train = all.take(train), .test = test, .batch = 32},
          .validation = all.subset(rest),
          .epochs = quick ? 4 : 12,
          .lr = 0.05};
}

void compositions(Lab& lab) {
  show_square(lab);
  data.take(lab);
  const Images images = data.load_with_validation();
  const std::vector<Network> networks{{.name = images.problem.model + ", " + images.problem.data,
                                       .problem = images.problem,
                                       .validation = images.validation,
                                       .epochs = data.epochs(),
                                       .lr = 0.05},
                                      digits_cnn(lab.quick())};
  std::vector<std::pair<Network, Results>> all;
  for (const Network& network : networks) {
    lab.heading(network.name);
    lab.say(text(network.problem.train.size(), " training samples, ", network.validation.size(),
                 " others for validation, ", network.problem.test.size(), " for testing; batches of ",
                 network.problem.batch, ", ", network.epochs, " epochs."));
    all.emplace_back(network, train(lab, network, compared_seeds(first_seed, data.seeds())));
    show(lab, all.back().second, data.seeds());
    expect_costs(lab, all.back().second, network.problem.model);
  }
  expect_accuracies(lab, all.front().second);
  draw(lab, all);
}

}  // namespace

int main(int argc, char** argv) {
  return run_lab(argc, argv, about, compositions, [](CommandLine& line) {
    data.add_to(line);
    line.option("--first-seed", first_seed, "of the runs that are compared: this one and those after it");
  });
}
