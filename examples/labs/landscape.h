// Lab 7's landscape: trained networks, and what the loss looks like around and between them. The parts are in
// lab7_landscape.cpp (trainings, lines) and landscape_planes.cpp (ways between minima, planes, paths).
#pragma once

#include <map>

#include "examples/labs/lab_data.h"
#include "examples/labs/trained.h"

namespace minima::examples {

/// The size of everything.
struct LandscapePlan {
  int64_t epochs, seeds, sample;
  int directions;    ///< random ones, for the rise at alpha = 0.5
  int points, grid;  ///< of a slice; of a plane, along each side
};

class Landscape {
 public:
  Landscape(Lab& lab, const Problem& problem, const LandscapePlan& plan)
      : lab_(lab),
        problem_(problem),
        plan_(plan),
        model_(make_model(problem)),
        parameters_(model_->parameters()),
        sample_data_(evenly_spaced(problem.train, plan.sample)),
        sample_(sample_data_.all()),
        train_(evenly_spaced(problem.train, 10000).all()),
        test_(problem.test.all()) {}

  void train();
  void interpolate();
  void measure_rises();
  void slice();
  void draw_planes();
  void follow_paths();
  void check_centres();

 private:
  const Trained& find(const std::string& name, uint64_t seed = 1) const;
  /// The mean loss on a batch; batch norm as put() left it.
  optim::LossFunction loss_on(const datasets::Batch& batch) {
    return [&] { return nn::cross_entropy((*model_)(batch.x), batch.y); };
  }
  /// The same for weights far from those: batch norm gathered anew at each.
  optim::LossFunction loss_anywhere(const datasets::Batch& batch, std::vector<double>* accuracies = nullptr) {
    return [this, &batch, accuracies] {
      refresh_batch_norm(*model_, problem_.train, problem_.batch);
      const Variable logits = (*model_)(batch.x);
      if (accuracies) accuracies->push_back(100 * nn::accuracy(logits, batch.y));
      return nn::cross_entropy(logits, batch.y);
    };
  }
  std::vector<double> along(const Trained& trained, const Tensor& direction, const std::vector<double>& alphas) {
    return optim::losses_along(loss_on(train_), parameters_, trained.weights(), direction, alphas);
  }
  /// The rise along each random direction, a mean of both sides.
  std::vector<double> rises_of(const Trained& trained);
  /// What is left of the order of the methods when other directions are drawn.
  void compare_directions(const std::vector<std::vector<double>>& rises);
  void compare_initialisations(const std::map<std::string, std::vector<double>>& means);
  void centre(const std::string& what, double got, double reported) {
    worst_centre_ = std::max(worst_centre_, std::abs(got - reported));
    lab_.record("centres", {{"what", what}, {"loss", got}, {"reported", reported}});
  }

  Lab& lab_;
  const Problem& problem_;
  const LandscapePlan& plan_;
  nn::AnyModule model_;
  std::vector<Variable> parameters_;
  datasets::Dataset sample_data_;
  datasets::Batch sample_, train_, test_;
  std::vector<Trained> trained_;
  double worst_centre_ = 0;
};

/// |a - b|
double distance_between(const Tensor& a, const Tensor& b);

}  // namespace minima::examples
