// Lab 4's parts: minima and what is measured at them (lab4_sharpness.cpp, and sharpness_rises.cpp for what happens at a
// distance); whether the measures are exact (sharpness_exact.cpp); and how little a rescaling that changes nothing
// leaves of them (sharpness_rescaling.cpp).
#pragma once

#include <functional>

#include "examples/labs/lab_data.h"
#include "examples/labs/trained.h"

namespace minima::examples {

/// The size of everything.
struct SharpnessPlan {
  int64_t epochs, seeds, sample, trace_samples;
  int random_directions;
  std::vector<double> sam_rhos, msam_rhos;
};

/// One trained network and its curvature.
struct Minimum {
  const Trained* trained;
  std::vector<optim::Eigenpair> top;  ///< five, largest first
  optim::TraceEstimate trace;
  double gradient_norm;  ///< of the training loss, without weight decay
};

class Sharpnesses {
 public:
  Sharpnesses(Lab& lab, const Problem& problem, const SharpnessPlan& plan)
      : lab_(lab),
        problem_(problem),
        plan_(plan),
        model_(make_model(problem)),
        sample_(evenly_spaced(problem.train, plan.sample).all()),
        all_(evenly_spaced(problem.train, 10000).all()) {}

  void train();
  void tabulate_spectra();
  void compare_orders();
  void measure_rises();
  void compare_with_test_loss();
  const Trained& trained(const std::string& name) const { return *find(name, 1).trained; }

 private:
  const Minimum& find(const std::string& name, uint64_t seed) const;
  /// One value a seed.
  std::vector<double> of(const std::string& name, const std::function<double(const Minimum&)>& quantity) const;
  Minimum measured(const Trained& trained);
  void record(const Minimum& minimum);
  optim::LossFunction loss() {
    return [this] { return nn::cross_entropy((*model_)(sample_.x), sample_.y); };
  }
  void draw_against_rho();
  void draw_rises();
  /// Those that line figures show: one of each look.
  std::vector<std::string> shown() const;
  Series slice(const Minimum& minimum, const std::string& direction, const std::vector<double>& distances,
               const std::vector<Tensor>& directions);
  double noise_rise(const Minimum& minimum, double sigma);

  Lab& lab_;
  const Problem& problem_;
  const SharpnessPlan& plan_;
  nn::AnyModule model_;
  datasets::Batch sample_, all_;
  std::vector<Trained> trained_;
  std::vector<Minimum> minima_;
  std::vector<std::string> names_;
};

// What is asked of a minimum, one function each.
bool is_half(const std::string& name);  ///< a training of half as many epochs
double lambda_of(const Minimum& minimum);
double trace_of(const Minimum& minimum);
double test_loss_of(const Minimum& minimum);
double gradient_of(const Minimum& minimum);

/// Hessian-vector products against a dense Hessian, symmetry, and a spectrum known beforehand.
void check_exactness(Lab& lab);

/// One Hessian-vector product of this ReLU network against central differences of several widths.
void compare_with_differences(Lab& lab, const Problem& problem, const Trained& trained);

/// Layer 1 times a, layer 2 divided by a: the same function, another curvature (Dinh et al., 2017). For an mlp.
void rescale_layers(Lab& lab, const Problem& problem, const Trained& trained);

}  // namespace minima::examples
