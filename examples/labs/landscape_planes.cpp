// Lab 7: the straight way between minima, planes around them, and the trainings' paths on a plane.
#include <algorithm>
#include <cmath>

#include "examples/kit/progress.h"
#include "examples/labs/landscape.h"
#include "examples/labs/trajectory.h"

namespace minima::examples {

// ---- from one minimum to another

void Landscape::interpolate() {
  lab_.heading("The straight way between two minima");
  const std::vector<double> alphas = evenly_from(-0.5, 1.5, 21);
  Panel losses{.title = "loss", .x_title = "alpha", .log_y = true},
      accuracies{.title = "accuracy, %", .x_title = "alpha"};
  for (Panel* panel : {&losses, &accuracies})
    panel->rules = {{Rule::Along::x, 0, "first"}, {Rule::Along::x, 1, "second"}};
  Table table{
      {"from", "to", "distance", "barrier in train loss", "lowest test loss between", "at alpha", "at the ends"}};
  struct Pair {
    const Trained &a, &b;
    std::string style, second = b.name();
  };
  std::vector<Pair> pairs{{find("sgd"), find("sam 0.1"), "sam"},
                          {find("sgd"), find("msam 0.5"), "msam"},
                          {find("sam 0.1"), find("msam 0.5"), "black"}};
  if (plan_.seeds > 1) pairs.push_back({find("sgd"), find("sgd", 2), "sgd", "sgd of seed 2"});
  double between_methods = 0, between_seeds = NAN;  // barriers
  for (const Pair& pair : pairs) {
    const Trained &a = pair.a, &b = pair.b;
    const std::string name = a.name() + " to " + pair.second;
    put(*model_, a.weights(), problem_);
    const auto way = [&](const datasets::Batch& batch, std::vector<double>& accuracy) {
      return optim::interpolation(loss_anywhere(batch, &accuracy), parameters_, a.weights(), b.weights(), alphas);
    };
    std::vector<double> train_accuracy, test_accuracy;
    const std::vector<double> train = way(train_, train_accuracy), test = way(test_, test_accuracy);
    const size_t first = 5, second = 15;  // alpha = 0 and 1
    centre(name + ", alpha = 0, train", train[first], a.last.train_loss);
    centre(name + ", alpha = 1, train", train[second], b.last.train_loss);
    centre(name + ", alpha = 0, test", test[first], a.last.test_loss);
    centre(name + ", alpha = 1, test", test[second], b.last.test_loss);
    for (size_t k = 0; k < alphas.size(); ++k)
      lab_.record("interpolation", {{"from", a.name()},
                                    {"to", pair.second},
                                    {"alpha", alphas[k]},
                                    {"train_loss", train[k]},
                                    {"train_accuracy", train_accuracy[k] / 100},
                                    {"test_loss", test[k]},
                                    {"test_accuracy", test_accuracy[k] / 100}});
    const double highest = *std::max_element(train.begin() + first, train.begin() + second + 1);
    const double barrier = highest - std::max(train[first], train[second]);
    if (a.seed == b.seed)
      between_methods = std::max(between_methods, barrier);
    else
      between_seeds = barrier;
    const auto best = std::min_element(test.begin() + first, test.begin() + second + 1);
    table.push_back({a.name(), pair.second, fixed(distance_between(a.weights(), b.weights()), 2), fixed(barrier, 4),
                     fixed(*best, 4), fixed(alphas[static_cast<size_t>(best - test.begin())], 1),
                     fixed(test[first], 4) + ", " + fixed(test[second], 4)});
    losses.series.push_back({.label = name + ", test", .style = pair.style, .x = alphas, .y = test});
    losses.series.push_back(
        {.label = name + ", train", .style = pair.style, .x = alphas, .y = train, .draw = Series::Draw::dashed});
    accuracies.series.push_back({.label = name + ", test", .style = pair.style, .x = alphas, .y = test_accuracy});
    accuracies.series.push_back({.label = name + ", train",
                                 .style = pair.style,
                                 .x = alphas,
                                 .y = train_accuracy,
                                 .draw = Series::Draw::dashed});
  }
  lab_.table(
      "alpha from -0.5 to 1.5 in steps of 0.1. Barrier: how far the train loss between the two rises above the higher "
      "end.",
      table);
  lab_.say(
      text("Trainings of one seed start from the same weights and see the same batches. They end some way apart (from "
           "the start it is ",
           fixed(distance_between(find("sgd").weights(), find("sgd").path[0]), 2), " to SGD's end and ",
           fixed(distance_between(find("msam 0.5").weights(), find("msam 0.5").path[0]), 2), " to MSAM's)",
           plan_.seeds > 1 ? "; the last row is another seed's, for comparison" : "",
           ". Do not read width off this figure: the distance between the ends is its unit, and another pair has "
           "another."));
  lab_.figure("interpolation",
              line_figure("interpolation", "The straight way from one minimum (alpha = 0) to another (alpha = 1)",
                          {losses, accuracies}, 2, "Range: alpha from -0.5 to 1.5. Seed 1."),
              "Loss and accuracy on the straight line through two minima.");
  if (plan_.seeds > 1)
    lab_.expect("barrier between two seeds of sgd over the highest between two methods of one seed",
                between_seeds / between_methods, at_least(5));
}

// ---- planes

namespace {
const std::vector<double> contour_levels{0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3};
constexpr Span colours{0.02, 2};
}  // namespace

void Landscape::draw_planes() {
  lab_.heading("Planes");
  const std::vector<double> alphas = evenly_from(-1, 1, plan_.grid);
  std::vector<Map> maps;
  Progress progress(
      std::count_if(trained_.begin(), trained_.end(), [](const Trained& t) { return t.path.size() > 1; }));
  for (const Trained& t : trained_) {
    if (t.path.size() < 2) continue;  // one seed is drawn
    lab_.stop_if_interrupted();
    progress.update(std::ssize(maps), "the plane around " + t.name());
    put(*model_, t.weights(), problem_);
    const optim::Plane plane{t.weights(), optim::filter_normalised_direction(parameters_, 1),
                             optim::filter_normalised_direction(parameters_, 2)};
    Map map{.title = text(t.name(), ", ", fixed(evaluate(*model_, sample_data_).loss, 3), " in the middle"),
            .x_title = "alpha, first direction",
            .y_title = "beta, second direction",
            .x = {-1, 1},
            .y = {-1, 1},
            .columns = plan_.grid,
            .rows = plan_.grid,
            .values = optim::losses_on(loss_on(sample_), parameters_, plane, alphas, alphas),
            .levels = contour_levels,
            .log_colours = true,
            .colours = colours};
    centre(t.name() + ", plane", map.values[map.values.size() / 2], evaluate(*model_, sample_data_).loss);
    for (size_t k = 0; k < map.values.size(); ++k)
      lab_.record("planes", {{"method", t.name()},
                             {"alpha", alphas[k % alphas.size()]},
                             {"beta", alphas[k / alphas.size()]},
                             {"train_loss", map.values[k]}});
    maps.push_back(map);
  }
  progress.clear();
  lab_.say(text("Range: alpha and beta from -1 to 1, ", plan_.grid, " x ", plan_.grid, " points, ", plan_.sample,
                " training images; directions of seeds 1 and 2. Contours and colours mean the same in every map."));
  lab_.figure(
      "planes",
      map_figure("planes", "The train loss around the minima, in one plane of random directions", maps, 3,
                 "Filter-normalised directions from the same noise, biases untouched; one colour scale for all."),
      "The same plane through all minima.");
}

void Landscape::follow_paths() {
  lab_.heading("The paths of the trainings, on a plane");
  const std::vector<std::string> names{"sgd", "sam 0.1", "msam 0.5"};
  std::vector<Tensor> points;
  for (const std::string& name : names) points.insert(points.end(), find(name).path.begin(), find(name).path.end());
  const optim::Plane plane = trajectory_plane(points);
  put(*model_, points.back(), problem_);

  Panel distances{.title = "distance from the plane", .x_title = "epoch"};
  std::vector<Panel> panels;
  std::vector<Path> paths;
  Span x{INFINITY, -INFINITY}, y = x;
  Table table{{"method", "epoch", "true loss", "the plane's loss", "distance from the plane", "from the start"}};
  double largest_ratio = 0, at_end = 0;
  for (const std::string& name : names) {
    const Trained& t = find(name);
    const auto path = losses_of_path(loss_anywhere(sample_), parameters_, plane, t.path);
    Path drawn{.label = name, .style = t.setting.style, .mark_every = 1};
    Series truth{.label = name, .style = t.setting.style};
    Series seen{.label = "the plane's loss where it casts its shadow", .style = "grey", .draw = Series::Draw::dashed};
    Series distance{.label = name, .style = t.setting.style};
    for (size_t epoch = 0; epoch < path.size(); ++epoch) {
      const auto& p = path[epoch];
      const auto at = static_cast<double>(epoch);
      drawn.x.push_back(p.alpha), drawn.y.push_back(p.beta);
      truth.x.push_back(at), seen.x.push_back(at), distance.x.push_back(at);
      truth.y.push_back(p.loss), seen.y.push_back(p.plane_loss), distance.y.push_back(p.distance);
      x = {std::min(x.low, p.alpha), std::max(x.high, p.alpha)},
      y = {std::min(y.low, p.beta), std::max(y.high, p.beta)};
      largest_ratio = std::max(largest_ratio, p.plane_loss / p.loss);
      if (epoch == 0 || epoch == 1 || epoch == 3 || epoch == 10 || epoch + 1 == path.size())
        table.push_back({name, std::to_string(epoch), fixed(p.loss, 4), fixed(p.plane_loss, 4), fixed(p.distance, 2),
                         fixed(distance_between(t.path[epoch], t.path[0]), 2)});
      lab_.record("paths", {{"method", name},
                            {"epoch", static_cast<int64_t>(epoch)},
                            {"alpha", p.alpha},
                            {"beta", p.beta},
                            {"distance", p.distance},
                            {"plane_loss", p.plane_loss},
                            {"true_loss", p.loss}});
    }
    at_end = std::abs(path.back().plane_loss - path.back().loss);
    panels.push_back({.title = name + ", true loss and the plane's",
                      .x_title = "epoch",
                      .y_title = "train loss",
                      .log_y = true,
                      .series = {seen, truth}});
    distances.series.push_back(distance);
    paths.push_back(drawn);
  }
  const double margin = 0.15 * std::max(x.high - x.low, y.high - y.low);
  x = {x.low - margin, x.high + margin}, y = {y.low - margin, y.high + margin};
  lab_.table(
      text("The plane of the first two principal components of all ", points.size(),
           " points, through the last one of ", names.back(), ". Range: ", fixed(x.low, 2), " to ", fixed(x.high, 2),
           " and ", fixed(y.low, 2), " to ", fixed(y.high, 2), "; ", plan_.sample, " training images."),
      table);
  lab_.say(
      "A frequent complaint about such figures is that a path's loss is not what the contours under it say. It cannot "
      "be: "
      "what is drawn is the path's shadow. The weights are off the plane by the distance "
      "that the table gives, and the loss there is another. Only the point through which the plane was laid is in it.");
  const Map map{
      .title = "three trainings from one start",
      .x_title = "first principal component",
      .y_title = "second principal component",
      .x = x,
      .y = y,
      .columns = plan_.grid,
      .rows = plan_.grid,
      .values = optim::losses_on(loss_anywhere(sample_), parameters_, plane, evenly_from(x.low, x.high, plan_.grid),
                                 evenly_from(y.low, y.high, plan_.grid)),
      .levels = {0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1},
      .paths = paths};
  lab_.figure("paths",
              map_figure("paths", "Trainings seen on the plane of their principal components", {map}, 1,
                         "Contours: train loss of the plane's points. One mark an epoch, seed 1."),
              "The shadows of three trainings.");
  distances.y_title = "distance";
  panels.push_back(distances);
  lab_.figure("paths_and_plane",
              line_figure("paths_and_plane", "The loss of a path is not the loss under its shadow", panels, 2,
                          text("Train loss of ", plan_.sample, " images, logarithmic; seed 1.")),
              "True loss of the iterates, the plane's loss at their projections, and how far they are apart.");
  lab_.expect_always("where the plane was laid through: its loss minus the true one", at_end, at_most(1e-6));
  lab_.expect("largest ratio of the plane's loss to the true one on a path: the shadow misleads", largest_ratio,
              at_least(1.5));
}

double distance_between(const Tensor& a, const Tensor& b) {
  Tensor difference = a.clone();
  core::add_scaled(difference, -1, b);
  return core::norm(difference).item();
}

}  // namespace minima::examples
