// Lab 4: how sharp are the minima that SGD, Nesterov, SAM and MSAM find, by every measure of it that is in use, and
// what does that tell of the test loss? Whether the measures are exact, and whether they mean anything, is in
// sharpness_*.cpp.
#include <algorithm>
#include <cmath>

#include "examples/kit/progress.h"
#include "examples/labs/sharpness.h"

using namespace minima;
using namespace minima::examples;

namespace {

LabData data{{.images = 10000, .epochs = 30, .seeds = 3}, {.images = 2000, .epochs = 40, .seeds = 2}};

SharpnessPlan plan_of(const Lab& lab) {
  if (lab.quick())
    return {.epochs = data.epochs(),
            .seeds = data.seeds(),
            .sample = 500,
            .trace_samples = 20,
            .random_directions = 2,
            .sam_rhos = {0.05, 0.1},
            .msam_rhos = {0.5, 2}};
  return {.epochs = data.epochs(),
          .seeds = data.seeds(),
          .sample = 4000,
          .trace_samples = 15,
          .random_directions = 5,
          .sam_rhos = {0.05, 0.1},
          .msam_rhos = {0.2, 0.5, 1, 2}};
}

std::vector<Setting> settings_of(const SharpnessPlan& plan, const Problem& problem) {
  const int64_t steps = plan.epochs * problem.steps_per_epoch();
  std::vector<Setting> settings{lab_setting("sgd", 0, "sgd", steps), lab_setting("nesterov", 0, "nesterov", steps)};
  for (const double rho : plan.sam_rhos)
    settings.push_back(lab_setting("sam", rho, rho == plan.sam_rhos.back() ? "sam" : "sam'", steps));
  for (const double rho : plan.sam_rhos) {
    settings.push_back(lab_setting("sam", rho, "sam''", steps / 2));
    settings.back().label += " half";
  }
  for (const double rho : plan.msam_rhos)
    settings.push_back(lab_setting("msam", rho, rho == 0.5 ? "msam" : rho > 1 ? "msam''" : "msam'", steps));
  return settings;
}

}  // namespace

namespace minima::examples {

bool is_half(const std::string& name) { return name.find("half") != std::string::npos; }
double lambda_of(const Minimum& m) { return m.top[0].value; }
double trace_of(const Minimum& m) { return m.trace.value; }
double test_loss_of(const Minimum& m) { return m.trained->last.test_loss; }
double gradient_of(const Minimum& m) { return m.gradient_norm; }

// ---- training and measuring

void Sharpnesses::train() {
  lab_.heading("The networks");
  trained_ = train_all(lab_, problem_, settings_of(plan_, problem_), seeds_from(1, plan_.seeds), /*paths=*/false);
  Progress progress(std::ssize(trained_));
  for (const Trained& t : trained_) {
    lab_.stop_if_interrupted();
    progress.update(std::ssize(minima_), text("curvature of ", t.name(), ", seed ", t.seed));
    minima_.push_back(measured(t));
    record(minima_.back());
    if (t.seed == 1) names_.push_back(t.name());
  }
  progress.clear();
  Table table{{"method", "gradients", "train loss", "test loss", "test acc %", "lambda_1", "trace", "|gradient|"}};
  for (const std::string& name : names_) {
    const auto cell = [&](const std::function<double(const Minimum&)>& quantity, double scale = 1) {
      return interval_text(interval_95(of(name, quantity)), scale);
    };
    table.push_back({name, std::to_string(find(name, 1).trained->last.gradient_evaluations),
                     cell([](const Minimum& m) { return m.trained->last.train_loss; }), cell(test_loss_of),
                     cell([](const Minimum& m) { return m.trained->last.test_accuracy; }, 100), cell(lambda_of),
                     cell(trace_of), cell(gradient_of)});
  }
  lab_.table(
      text(
          problem_.train.size(), " training images, ", problem_.model, ", ", plan_.epochs,
          " epochs; \"half\": half of them, which for SAM is the same number of gradients. Means over ", plan_.seeds,
          " seeds +- 95% intervals; same seed, same initial weights and batches. Curvature on ", plan_.sample,
          " fixed training images in eval mode; |gradient| of the training loss. rho is what this lab varies, so it is "
          "not tuned."),
      table);
  lab_.say(
      "Read |gradient| and training loss beside lambda_1. Where they are small the training has arrived, and its "
      "curvature is that of a minimum." +
      lab_.as_stated(" Methods that take their gradients at a distance rho settle for more of both. At MSAM with a rho "
                     "of 2, the flattest of all, they are largest: its flatness is that of an unfinished descent."));
  draw_against_rho();
}

const Minimum& Sharpnesses::find(const std::string& name, uint64_t seed) const {
  for (const Minimum& m : minima_)
    if (m.trained->name() == name && m.trained->seed == seed) return m;
  fail("lab4_sharpness", name, listed(names_));
}

std::vector<double> Sharpnesses::of(const std::string& name,
                                    const std::function<double(const Minimum&)>& quantity) const {
  std::vector<double> values;
  for (int64_t seed = 1; seed <= plan_.seeds; ++seed)
    values.push_back(quantity(find(name, static_cast<uint64_t>(seed))));
  return values;
}

Minimum Sharpnesses::measured(const Trained& trained) {
  put(*model_, trained.weights(), problem_);
  const std::vector<Variable> parameters = model_->parameters();
  const auto of_all = [&] { return nn::cross_entropy((*model_)(all_.x), all_.y); };
  return {.trained = &trained,
          .top = optim::top_eigenvalues(loss(), parameters, 5, {.tolerance = 5e-3}),
          .trace = optim::hessian_trace(loss(), parameters, {.samples = static_cast<int>(plan_.trace_samples)}),
          .gradient_norm = core::norm(optim::flat_gradient(of_all, parameters)).item()};
}

void Sharpnesses::record(const Minimum& m) {
  Row row{{"method", m.trained->name()}};
  for (const auto& column : metrics_row(problem_, m.trained->setting, m.trained->seed, m.trained->last))
    row.push_back(column);
  for (size_t i = 0; i < m.top.size(); ++i) {
    row.push_back({text("lambda_", i + 1), m.top[i].value});
    row.push_back({text("residual_", i + 1), m.top[i].residual});
  }
  row.insert(
      row.end(),
      {{"trace", m.trace.value}, {"trace_standard_error", m.trace.standard_error}, {"gradient_norm", m.gradient_norm}});
  lab_.record(row);
}

std::vector<std::string> Sharpnesses::shown() const {
  std::vector<std::string> names;
  for (const std::string& name : names_)
    if (!is_half(name) && name != "sam 0.05" && name != "msam 0.2") names.push_back(name);
  return names;
}

void Sharpnesses::draw_against_rho() {
  const auto panel = [&](const std::string& title, const std::function<double(const Minimum&)>& quantity) {
    Panel panel{.title = title, .x_title = "rho", .log_x = true, .log_y = true};
    const auto add = [&](Series& series, double rho, const std::string& name) {
      const Interval i = interval_95(of(name, quantity));
      series.x.push_back(rho), series.y.push_back(i.mean), series.low.push_back(i.low()),
          series.high.push_back(i.high());
    };
    for (const std::string name : {"sgd", "nesterov"}) {
      Series series{.label = name, .style = name};
      for (const double rho : {0.04, 2.5}) add(series, rho, name);
      panel.series.push_back(series);
    }
    for (const std::string name : {"sam", "msam"}) {
      Series series{.label = name, .style = name, .draw = Series::Draw::line_and_points};
      for (const double rho : name == "sam" ? plan_.sam_rhos : plan_.msam_rhos)
        add(series, rho, name + " " + number_text(rho));
      panel.series.push_back(series);
    }
    return panel;
  };
  lab_.figure("against_rho",
              line_figure("against_rho", "What the radius does to curvature, descent and test loss",
                          {panel("largest eigenvalue", lambda_of), panel("trace of the Hessian", trace_of),
                           panel("norm of the training gradient", gradient_of), panel("test loss", test_loss_of)},
                          2,
                          text("SGD and Nesterov have no radius: their lines are for comparison. Means over ",
                               plan_.seeds, " seeds; bands: 95% interval of the mean.")),
              "Curvature, the gradient that is left, and test loss against the radius." +
                  lab_.as_stated(" Curvature falls with rho; at the largest rho of MSAM the gradient says that the "
                                 "descent is unfinished."));
}

void Sharpnesses::tabulate_spectra() {
  lab_.heading("The top of the spectrum");
  Table table{{"method", "lambda_1", "lambda_2", "lambda_3", "lambda_4", "lambda_5", "largest residual", "products",
               "trace +- standard error"}};
  Panel panel{.title = "the five largest eigenvalues", .x_title = "", .y_title = "eigenvalue", .log_y = true};
  panel.x_names = {"1", "2", "3", "4", "5"};
  double worst = 0;
  for (const Minimum& m : minima_)
    for (const auto& pair : m.top) worst = std::max(worst, pair.residual);
  for (const std::string& name : names_) {
    const Minimum& m = find(name, 1);
    table.push_back({name});
    Series series{.label = name, .style = m.trained->setting.style, .draw = Series::Draw::line_and_points};
    double largest_residual = 0;
    for (size_t i = 0; i < m.top.size(); ++i) {
      table.back().push_back(short_number(m.top[i].value));
      largest_residual = std::max(largest_residual, m.top[i].residual);
      series.x.push_back(static_cast<double>(i)), series.y.push_back(m.top[i].value);
    }
    table.back().push_back(short_number(largest_residual));
    table.back().push_back(std::to_string(m.top[0].iterations));
    table.back().push_back(fixed(m.trace.value, 1) + " +- " + fixed(m.trace.standard_error, 1));
    if (const auto names = shown(); std::find(names.begin(), names.end(), name) != names.end())
      panel.series.push_back(series);
  }
  lab_.table(
      text("Seed 1. Lanczos with full reorthogonalisation; residual |Hu - lambda u| / lambda, measured by one more "
           "product. Trace: Hutchinson's estimate from ",
           plan_.trace_samples, " random sign vectors."),
      table);
  lab_.figure("spectra", line_figure("spectra", "The top of the Hessian's spectrum", {panel}, 1, "Seed 1."),
              "The whole top of the spectrum goes down, not the first eigenvalue alone.");
  lab_.expect("largest residual of any eigenvalue", worst, at_most(1e-2));
}

void Sharpnesses::compare_orders() {
  lab_.heading("The order, and flatter without being better");
  Table table{{"difference, paired by seed", "lambda_1", "test loss"}};
  const auto difference = [&](const std::string& a, const std::string& b) {
    const Interval lambda = paired_difference(of(a, lambda_of), of(b, lambda_of));
    const Interval loss = paired_difference(of(a, test_loss_of), of(b, test_loss_of));
    table.push_back({a + " - " + b, difference_text(lambda), difference_text(loss)});
    return std::pair{lambda.mean, loss.mean};
  };
  const double nesterov = difference("nesterov", "sgd").first;
  lab_.expect("lambda_1 of sgd - sam 0.05, mean", difference("sgd", "sam 0.05").first, at_least(0));
  lab_.expect("lambda_1 of sam 0.05 - msam 0.5, mean", difference("sam 0.05", "msam 0.5").first, at_least(0));
  const auto [flatter, better] = difference("sam 0.1", "msam 0.5");
  difference("sam 0.05 half", "msam 0.5");
  difference("sam 0.1 half", "msam 0.5");
  lab_.table(text("95% intervals over ", plan_.seeds, " seeds."), table);
  lab_.say(text(
      "MSAM with rho 0.5 against SAM with rho 0.1: ",
      flatter > 0 && better < 0 ? "flatter by lambda_1, and worse by test loss" : "here not both flatter and worse",
      ". On a larger scale the paper reports the same of MSAM (lambda_1 4.15, SAM 5.18, SGD 15.19; test "
      "accuracy 79.1, 79.3, 76.9%): sharpness alone does not explain generalisation."));
  if (lab_.quick()) return;  // two seeds on 2,000 images do not tell these apart
  lab_.expect("lambda_1 of nesterov - sgd, mean", nesterov, at_least(0));
  lab_.expect("sam 0.1 - msam 0.5: lambda_1, mean (msam is flatter)", flatter, at_least(0));
  lab_.expect("sam 0.1 - msam 0.5: test loss, mean (and yet not better)", better, at_most(0));
}

}  // namespace minima::examples

namespace {

void run(Lab& lab) {
  check_exactness(lab);
  data.take(lab);
  const SharpnessPlan plan = plan_of(lab);
  const Problem problem = data.load();
  if (!lab.quick()) tabulate_learning_rates(lab, problem, plan.epochs);
  Sharpnesses sharpnesses(lab, problem, plan);
  sharpnesses.train();
  sharpnesses.tabulate_spectra();
  sharpnesses.compare_orders();
  sharpnesses.measure_rises();
  sharpnesses.compare_with_test_loss();
  compare_with_differences(lab, problem, sharpnesses.trained("sgd"));
  if (data.model().rfind("mlp", 0) == 0) rescale_layers(lab, problem, sharpnesses.trained("sgd"));
}

}  // namespace

int main(int argc, char** argv) {
  const LabAbout about{
      .name = "lab4_sharpness",
      .title = "Lab 4. Sharpness",
      .question =
          "which of SGD, Nesterov, SAM and MSAM ends in the flattest minimum, and is it the one with the lowest "
          "test loss? Can you make a network sharper without changing what it computes?",
      .refuted_by =
          "SGD's lambda_1 below SAM's or MSAM's at the stated radii with a gradient as small; eigenvalues with "
          "residuals above 1%; a sharpness by which the order of the test losses is the order of the "
          "sharpnesses, on this and other problems; or ASAM's sharpness changing under the rescaling."};
  return run_lab(argc, argv, about, run, [](CommandLine& line) { data.add_to(line); });
}
