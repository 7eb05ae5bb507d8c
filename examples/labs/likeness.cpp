#include "examples/labs/likeness.h"

#include <memory>

namespace minima::examples {

namespace {

/// The gradient on one batch, flat, at the run's weights and elsewhere.
class BatchGradient {
 public:
  BatchGradient(Run& run, const datasets::Batch& batch)
      : run_(run), batch_(batch), parameters_(run.model().parameters()), clean_(optim::flat_weights(parameters_)) {}

  Tensor here() {
    return optim::flat_gradient([&] { return nn::cross_entropy(run_.model()(batch_.x), batch_.y); }, parameters_);
  }
  /// At distance |rho| along a flat direction; the weights are as before afterwards.
  Tensor along(const Tensor& direction, double rho) {
    Tensor there = clean_.clone();
    core::add_scaled(there, rho / core::norm(direction).item(), direction);
    optim::set_weights(parameters_, there);
    const Tensor gradient = here();
    optim::set_weights(parameters_, clean_);
    return gradient;
  }

 private:
  Run& run_;
  const datasets::Batch& batch_;
  std::vector<Variable> parameters_;
  Tensor clean_;
};

/// Takes away the component along g.
Tensor perpendicular(Tensor x, const Tensor& g) {
  core::add_scaled(x, -core::dot(x, g).item() / core::dot(g, g).item(), g);
  return x;
}

/// Over the looks, one for each radius.
struct Sums {
  std::vector<double> distance, cosine;
};

/// Adds what one batch says.
void look(Run& run, const datasets::Batch& batch, double sam_rho, const std::vector<double>& msam_rhos, Sums& sums) {
  BatchGradient gradient(run, batch);
  const Tensor g = gradient.here(), v = run.optimizer().momentum();
  const Tensor sam = perpendicular(gradient.along(g, sam_rho), g);
  const double length = core::norm(sam).item();
  for (size_t i = 0; i < msam_rhos.size(); ++i) {
    Tensor msam = perpendicular(gradient.along(v, -msam_rhos[i]), g);
    sums.cosine[i] += core::dot(msam, sam).item() / (core::norm(msam).item() * length);
    core::add_scaled(msam, -1, sam);
    sums.distance[i] += core::norm(msam).item() / length;
  }
}

datasets::Batch batch_number(const Problem& problem, uint64_t seed, int64_t number) {
  const datasets::Loader loader(problem.train, {.batch_size = problem.batch, .seed = seed});
  return *loader.epoch(number).begin();
}

}  // namespace

Observe likeness(double sam_rho, const std::vector<double>& msam_rhos, int64_t looks) {
  return [=](Run&) {
    const size_t radii = msam_rhos.size();
    const auto sums = std::make_shared<Sums>(Sums{std::vector<double>(radii), std::vector<double>(radii)});
    Observer observer;
    observer.after_step = [=, done = int64_t{0}](Run& run) mutable {
      if (done == looks || run.steps_done() < (done + 1) * run.setting().steps / (looks + 1)) return;
      ++done;
      look(run, batch_number(run.problem(), run.seed() + 1000, done), sam_rho, msam_rhos, *sums);
    };
    observer.at_end = [=](Run& run) {
      for (const double sum : sums->distance) run.note("distance", sum / static_cast<double>(looks));
      for (const double sum : sums->cosine) run.note("cosine", sum / static_cast<double>(looks));
    };
    return observer;
  };
}

}  // namespace minima::examples
