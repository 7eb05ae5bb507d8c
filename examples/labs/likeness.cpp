#include "examples/labs/likeness.h"

#include <sstream>

#include "core/ops.h"
#include "core/parallel.h"
#include "examples/kit/interrupt.h"
#include "examples/kit/progress.h"
#include "examples/kit/workers.h"

namespace minima::examples {

namespace {

/// The gradient on one batch, flat, at the run's weights and elsewhere.
class BatchGradient {
 public:
  BatchGradient(Run& run, const datasets::Batch& batch)
      : run_(run), batch_(batch), weights_(run.optimizer().base().flat().weights()), clean_(weights_.clone()) {}

  Tensor here() {
    return optim::flat_gradient([&] { return nn::cross_entropy(run_.model()(batch_.x), batch_.y); },
                                run_.model().parameters());
  }
  /// At distance |rho| along a flat direction; the weights are as before afterwards.
  Tensor along(const Tensor& direction, double rho) {
    core::add_scaled(weights_, rho / core::norm(direction), direction);
    const Tensor gradient = here();
    weights_.copy_from(clean_);
    return gradient;
  }

 private:
  Run& run_;
  const datasets::Batch& batch_;
  Tensor weights_, clean_;
};

/// Takes away the component along g.
Tensor perpendicular(Tensor x, const Tensor& g) {
  core::add_scaled(x, -core::dot(x, g) / core::dot(g, g), g);
  return x;
}

/// Adds what one batch says.
void look(Run& run, const datasets::Batch& batch, double sam_rho, const std::vector<double>& msam_rhos,
          Likeness& sums) {
  BatchGradient gradient(run, batch);
  const Tensor g = gradient.here(), v = run.optimizer().momentum();
  const Tensor sam = perpendicular(gradient.along(g, sam_rho), g);
  const double length = core::norm(sam);
  for (size_t i = 0; i < msam_rhos.size(); ++i) {
    Tensor msam = perpendicular(gradient.along(v, -msam_rhos[i]), g);
    sums.cosine[i] += core::dot(msam, sam) / (core::norm(msam) * length);
    core::add_scaled(msam, -1, sam);
    sums.distance[i] += core::norm(msam) / length;
  }
}

datasets::Batch batch_number(const Problem& problem, uint64_t seed, int64_t number) {
  const datasets::Loader loader(problem.train, {.batch_size = problem.batch, .seed = seed, .prefetch = false});
  return *loader.epoch(number).begin();
}

/// distance and cosine in turn
std::string likeness_text(Run& run, const Problem& problem, double sam_rho, const std::vector<double>& msam_rhos,
                          int64_t looks, const Tick& tick) {
  const int64_t steps = run.result().settings.steps;
  Likeness sums{std::vector<double>(msam_rhos.size()), std::vector<double>(msam_rhos.size())};
  for (int64_t i = 1; i <= looks; ++i) {
    for (const int64_t until = i * steps / (looks + 1); run.steps_done() < until; tick(1)) run.step();
    look(run, batch_number(problem, run.result().settings.seed + 1000, i), sam_rho, msam_rhos, sums);
  }
  std::string text;
  for (size_t i = 0; i < msam_rhos.size(); ++i)
    text += number_text(sums.distance[i] / static_cast<double>(looks)) + " " +
            number_text(sums.cosine[i] / static_cast<double>(looks)) + "\n";
  return text;
}

}  // namespace

std::vector<Likeness> likeness(Lab& lab, const Problem& problem, const std::vector<RunSettings>& settings,
                               double sam_rho, const std::vector<double>& msam_rhos, int64_t looks) {
  lab.stop_if_interrupted();
  Progress progress(static_cast<int64_t>(settings.size()) * settings.front().steps);
  std::vector<Likeness> all;
  Jobs jobs;
  jobs.count = static_cast<int64_t>(settings.size());
  jobs.work = [&](int64_t i, const Tick& tick) {
    Run run(problem, settings[i]);
    return likeness_text(run, problem, sam_rho, msam_rhos, looks, tick);
  };
  jobs.finished = [&](int64_t, const std::string& text) {
    std::istringstream in(text);
    Likeness& one = all.emplace_back();
    for (double distance, cosine; in >> distance >> cosine;)
      one.distance.push_back(distance), one.cosine.push_back(cosine);
  };
  jobs.progress = [&](int64_t done) { progress.update(done, "likeness of SAM's and MSAM's gradients"); };
  if (!in_processes(num_threads(), jobs)) throw Interrupted{};
  return all;
}

}  // namespace minima::examples
