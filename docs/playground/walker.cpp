#include "docs/playground/walker.h"

#include <cmath>

#include "autograd/hessian.h"
#include "autograd/ops.h"
#include "core/random.h"
#include "docs/playground/formula.h"
#include "docs/playground/names.h"
#include "examples/labs/surfaces.h"
#include "optim/make.h"

namespace minima::playground {

// ---------------------------------------------------------------------------------------------------- surfaces

namespace {

/// A bowl of curvatures 1 and `condition`, turned to the left.
Surface bowl(double condition, double degrees) {
  const double angle = degrees * 3.14159265358979323846 / 180, c = std::cos(angle), s = std::sin(angle);
  Surface surface{.name = "bowl", .start_x = 2 * c - 0.8 * s, .start_y = 2 * s + 0.8 * c, .lr = 1 / condition};
  surface.x = surface.y = {-2.4, 2.4};
  if (degrees == 0)
    surface.loss = [=](const Variable& w1, const Variable& w2) { return (square(w1) + condition * square(w2)) / 2; };
  else
    surface.loss = [=](const Variable& w1, const Variable& w2) {
      return (square(c * w1 + s * w2) + condition * square(c * w2 - s * w1)) / 2;
    };
  return surface;
}

}  // namespace

bool has_noisy_label(const SurfaceChoice& choice) { return choice.name == "noisy-valley"; }

Surface surface_of(const SurfaceChoice& choice) {
  if (choice.name == "bowl") return bowl(choice.condition, choice.degrees);
  if (choice.name == "noisy-valley") return examples::surface("valley");
  if (choice.name != "formula") return examples::surface(choice.name);
  Surface surface{.name = "formula", .loss = Formula(choice.formula), .start_x = 1.5, .start_y = 1, .lr = 0.02};
  surface.x = surface.y = {-3, 3};
  return surface;
}

// ----------------------------------------------------------------------------------------------------- walking

namespace {

Variable weight(double value) { return {Tensor::full({1}, value, DType::float64), requires_grad}; }

}  // namespace

Walker::Walker(const std::string& optimizer, const Surface& surface, bool noisy_label, double w1, double w2,
               const Settings& settings, uint64_t seed)
    : name_(optimizer),
      surface_(surface),
      noisy_label_(noisy_label),
      settings_(settings),
      seed_(seed),
      w1_(weight(w1)),
      w2_(weight(w2)) {
  optim::Settings made;
  for (const auto& [name, value] :
       values_by_name(name_, settings_.lr, settings_.momentum, settings_.rho, settings_.weight_decay))
    made.hyperparameters.emplace(name, value);
  optimizer_ = optim::make_optimizer(name_in_minima(name_), {w1_, w2_}, made);
}

void Walker::change(const Settings& settings) {
  settings_ = settings;
  for (const auto& [name, value] :
       values_by_name(name_, settings_.lr, settings_.momentum, settings_.rho, settings_.weight_decay))
    optimizer_->group(0)[name] = value;
}

Variable Walker::loss_of_step() const {
  if (settings_.noise == 0) return surface_.loss(w1_, w2_);
  const auto step = optimizer_->steps();
  if (noisy_label_) return examples::valley_with_noisy_label(settings_.noise, seed_)(w1_, w2_, step);
  Generator random{seed_, 2 * static_cast<uint64_t>(step)};  // two blocks of the stream a step
  const std::vector<double> noise = random.normal({2}, 0, settings_.noise, DType::float64).to_vector<double>();
  return surface_.loss(w1_, w2_) + noise[0] * w1_ + noise[1] * w2_;
}

Step Walker::step() {
  Step made{.w1 = w1(), .w2 = w2()};
  optimizer_->step([&] {
    made.at_w1 = w1(), made.at_w2 = w2();
    Variable loss = loss_of_step();
    loss.backward();
    return loss;
  });
  // of two gradients, the second is left
  made.g1 = w1_.grad().item(), made.g2 = w2_.grad().item();
  if (optimizer_->has_momentum()) {
    const std::vector<double> velocity = optimizer_->momentum().to_vector<double>();
    made.v1 = velocity[0], made.v2 = velocity[1];
  }
  return made;
}

// --------------------------------------------------------------------------------------------------------- maps

Heights heights(const Surface& surface, const std::vector<double>& w1, const std::vector<double>& w2) {
  const Variable x(Tensor::from(w1), requires_grad), y(Tensor::from(w2), requires_grad);
  const Variable loss = surface.loss(x, y);
  Heights result{.loss = loss.value().to_vector<double>(), .curvature = std::vector<double>(w1.size())};
  // Each element of the loss depends on its own two weights: one product with a vector of ones gives a column for all.
  const Hessian hessian(sum(loss), {x, y});
  const Tensor one = Tensor::full(x.shape(), 1, DType::float64), zero = Tensor::zeros(x.shape(), DType::float64);
  const std::vector<Tensor> first = hessian * std::vector{one, zero}, second = hessian * std::vector{zero, one};
  const std::vector<double> h11 = first[0].to_vector<double>(), h12 = first[1].to_vector<double>(),
                            h22 = second[1].to_vector<double>();
  for (size_t i = 0; i < w1.size(); ++i)
    result.curvature[i] = (h11[i] + h22[i]) / 2 + std::hypot((h11[i] - h22[i]) / 2, h12[i]);
  return result;
}

std::vector<double> losses(const Surface& surface, const std::vector<double>& w1, const std::vector<double>& w2) {
  NoGrad no_grad;
  return surface.loss(Variable(Tensor::from(w1)), Variable(Tensor::from(w2))).value().to_vector<double>();
}

}  // namespace minima::playground
