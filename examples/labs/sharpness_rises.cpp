// Lab 4: how much the loss rises at a distance from a minimum, and what sharpness says of the test loss.
#include <algorithm>
#include <cmath>

#include "examples/labs/sharpness.h"

namespace minima::examples {

// ---- rises at a distance

Series Sharpnesses::slice(const Minimum& minimum, const std::string& direction, const std::vector<double>& distances,
                          const std::vector<Tensor>& directions) {
  put(*model_, minimum.trained->weights(), problem_);
  const std::vector<Variable> parameters = model_->parameters();
  const double centre = optim::losses_along(loss(), parameters, minimum.trained->weights(), directions[0], {0})[0];
  Series series{.label = minimum.trained->name(),
                .style = minimum.trained->setting.style,
                .x = distances,
                .y = std::vector<double>(distances.size(), 0)};
  for (const Tensor& d : directions) {
    const auto losses = optim::losses_along(loss(), parameters, minimum.trained->weights(), d, distances);
    for (size_t i = 0; i < losses.size(); ++i)
      series.y[i] += (losses[i] - centre) / static_cast<double>(directions.size());
  }
  for (size_t i = 0; i < distances.size(); ++i)
    lab_.record("rises", {{"method", minimum.trained->name()},
                          {"direction", direction},
                          {"distance", distances[i]},
                          {"rise", series.y[i]}});
  return series;
}

/// Mean rise under normal noise of deviation sigma on every weight; both signs of each draw, so that the slope cancels.
double Sharpnesses::noise_rise(const Minimum& minimum, double sigma) {
  std::vector<Tensor> draws;
  for (int seed = 1; seed <= plan_.random_directions; ++seed) {
    const Tensor noise = Generator{static_cast<uint64_t>(seed)}.normal(minimum.trained->weights().shape(), 0, sigma);
    draws.push_back(noise), draws.push_back(times(-1, noise));
  }
  return slice(minimum, "weight noise of deviation " + number_text(sigma), {1}, draws).y[0];
}

void Sharpnesses::measure_rises() {
  lab_.heading("How much the loss rises at a distance");
  draw_rises();

  Table table{{"method", "along g, 0.05", "along g, 0.5", "along v, 0.5", "noise 0.003", "trace / 2 * 0.003^2"}};
  for (const std::string& name : names_) {
    const Minimum& m = find(name, 1);
    put(*model_, m.trained->weights(), problem_);
    const std::vector<Variable> parameters = model_->parameters();
    const Tensor g = optim::flat_gradient(loss(), parameters);
    const auto rise = [&](const Tensor& d, double rho) {
      return short_number(optim::sharpness(loss(), parameters, d, rho).rise());
    };
    table.push_back({name, rise(g, 0.05), rise(g, 0.5), rise(m.trained->momentum, 0.5),
                     short_number(noise_rise(m, 0.003)), short_number(m.trace.value / 2 * 9e-6)});
  }
  lab_.table(
      "Seed 1. The larger of both sides along the gradient and along the momentum of the last step; the mean under "
      "normal noise on every weight, and what the trace of the Hessian would make of that.",
      table);
  lab_.say(
      "For a smooth loss the last two columns would agree, but for the error of two estimates. Here the noise moves "
      "units across their kinks, and what the kinks add, of either sign, is no part of the Hessian of a ReLU network.");
}

void Sharpnesses::draw_rises() {
  const std::vector<double> signed_distances = evenly_from(-1, 1, 21), alphas = evenly_from(-1, 1, 21);
  Panel along_g{.title = "along the gradient", .x_title = "distance (positive: uphill)", .y_title = "rise of the loss"};
  Panel along_v{.title = "along -v, the coming step", .x_title = "distance (negative: along +v)"};
  Panel random{.title = "along filter-normalised random directions", .x_title = "alpha", .y_title = "rise of the loss"};
  Panel noise{.title = "weight noise", .x_title = "standard deviation of the noise"};
  for (const std::string& name : shown()) {
    lab_.stop_if_interrupted();
    const Minimum& m = find(name, 1);
    put(*model_, m.trained->weights(), problem_);
    const Tensor g = optim::flat_gradient(loss(), model_->parameters()), v = m.trained->momentum;
    along_g.series.push_back(slice(m, "gradient", signed_distances, {times(1 / core::norm(g).item(), g)}));
    along_v.series.push_back(slice(m, "-v", signed_distances, {times(-1 / core::norm(v).item(), v)}));
    std::vector<Tensor> filters;
    for (int seed = 1; seed <= plan_.random_directions; ++seed)
      filters.push_back(optim::filter_normalised_direction(model_->parameters(), static_cast<uint64_t>(seed)));
    random.series.push_back(slice(m, "filter-normalised random", alphas, filters));
    noise.series.push_back({.label = name, .style = m.trained->setting.style});
    for (const double sigma : {0.0, 0.005, 0.01, 0.015, 0.02, 0.025}) {
      noise.series.back().x.push_back(sigma);
      noise.series.back().y.push_back(sigma == 0 ? 0 : noise_rise(m, sigma));
    }
  }
  lab_.figure(
      "rises",
      line_figure("rises", "How far can one go, and how much does the loss rise?", {along_g, along_v, random, noise}, 2,
                  text("Seed 1, ", plan_.sample, " training images. Random directions and noise: means of ",
                       plan_.random_directions, " draws, the same seeds for all methods.")),
      "The same trained networks along four kinds of directions.");
}

// ---- what it says about generalisation

void Sharpnesses::compare_with_test_loss() {
  lab_.heading("Sharpness against test loss");
  Panel by_lambda{
      .title = "test loss against lambda_1", .x_title = "largest eigenvalue", .y_title = "test loss", .log_x = true};
  Panel by_accuracy = by_lambda;
  by_accuracy.title = "test accuracy against lambda_1", by_accuracy.y_title = "test accuracy, %";
  for (const std::string optimizer : {"sgd", "nesterov", "sam", "msam"}) {
    Series loss{.label = optimizer, .style = optimizer, .draw = Series::Draw::points}, accuracy = loss;
    for (const std::string& name : names_) {
      const Setting& setting = find(name, 1).trained->setting;
      if (setting.optimizer != optimizer || is_half(name)) continue;
      const double lambda = interval_95(of(name, lambda_of)).mean;
      const auto add = [&](Series& series, const Interval& interval) {
        series.x.push_back(lambda), series.y.push_back(interval.mean);
        series.low.push_back(interval.low()), series.high.push_back(interval.high());
        series.names.push_back(setting.has("rho") ? setting.value_text("rho") : "");
      };
      add(loss, interval_95(of(name, test_loss_of)));
      add(accuracy, interval_95(of(name, [](const Minimum& m) { return 100 * m.trained->last.test_accuracy; })));
    }
    by_lambda.series.push_back(loss), by_accuracy.series.push_back(accuracy);
  }
  lab_.figure("sharpness_and_test_loss",
              line_figure("sharpness_and_test_loss", "Is flatter better?", {by_lambda, by_accuracy}, 2,
                          text("Means over ", plan_.seeds,
                               " seeds; numbers beside the marks: rho; bars: 95% interval of the mean.")),
              "From right to left the minima get flatter." +
                  lab_.as_stated(" The test loss falls at first, and rises again for MSAM's largest rho."));
  const double flattest = interval_95(of("msam 2", lambda_of)).mean;
  double flattest_other = INFINITY, best_loss = INFINITY, largest_gradient = 0;
  for (const std::string& name : names_) {
    if (name == "msam 2") continue;
    flattest_other = std::min(flattest_other, interval_95(of(name, lambda_of)).mean);
    best_loss = std::min(best_loss, interval_95(of(name, test_loss_of)).mean);
    largest_gradient = std::max(largest_gradient, interval_95(of(name, gradient_of)).mean);
  }
  lab_.say(text("MSAM with rho 2 (lambda_1 ", short_number(flattest), lab_.as_stated(", the flattest network of all"),
                ") has a test loss of ", fixed(interval_95(of("msam 2", test_loss_of)).mean, 3), "; the best has ",
                fixed(best_loss, 3), "."));
  lab_.expect("lambda_1 of msam 2 over the next flattest: it is the flattest", flattest / flattest_other, at_most(1));
  lab_.expect("|gradient| of msam 2 over the next largest: its descent is unfinished",
              interval_95(of("msam 2", gradient_of)).mean / largest_gradient, at_least(1));
  lab_.expect("test loss of msam 2 over the best: and not the best",
              interval_95(of("msam 2", test_loss_of)).mean / best_loss, at_least(1.05));
}

}  // namespace minima::examples
