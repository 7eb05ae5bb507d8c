// What chapter 7 measures on real digits, in trainings that know nothing of MSAM: whether the gradient opposes the
// velocity, and how much the loss rises along the coming update and along a random direction. Not here: MSAM itself.
#pragma once

#include <array>

#include "core/random.h"
#include "examples/walkthrough/walk.h"

namespace minima::examples {

/// The loss of a step's batch at w - rho * d / |d| against that at w, as means over steps.
struct Rise {
  double rho;
  bool random;                ///< d is drawn anew in each step; else it is the velocity
  double higher = 0;          ///< share of steps
  double all = 0, slope = 0;  ///< the rise, and the part of it that changes sign with d
  double curvature() const { return all - slope; }

  void add(const optim::Sharpness& loss, double share) {
    higher += share * (loss.behind > loss.loss);
    all += share * (loss.behind - loss.loss);
    slope += share * (loss.behind - loss.ahead) / 2;
  }
};

struct Overshoot {
  std::vector<Rise> rises;
  std::array<double, 2> cosine{};  ///< mean of cos(v, g), g at w, in the first five epochs and in the last five
};

/// Eight trainings, ten epochs of batches of 64, momentum 0.9. The first step of each, which has no velocity, is left
/// out.
inline Overshoot overshoot(double lr) {
  constexpr uint64_t seeds = 8;
  Overshoot result;
  for (const bool random : {false, true})
    for (const double rho : {0.1, 0.3, 1.0}) result.rises.push_back({.rho = rho, .random = random});
  auto [train, test] = datasets::digits();
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    manual_seed(seed);
    nn::Sequential model{nn::Flatten{}, nn::Linear{64, 32}, nn::ReLU{}, nn::Linear{32, 10}};
    model.to(DType::float64);
    optim::SGD optimizer{model.parameters(), {.lr = lr, .momentum = 0.9}};
    optimizer.measure(optim::Measure::norms);
    const datasets::Loader batches{train, {.batch_size = 64, .seed = seed}};
    const auto half = static_cast<double>(5 * batches.steps_per_epoch());
    Generator noise{seed};
    for (int epoch = 0; epoch < 10; ++epoch)
      for (auto [images, labels] : batches.epoch(epoch)) {
        const Tensor x = images.to(DType::float64), y = labels;
        const auto loss = [&] { return nn::cross_entropy(model(x), y); };
        const bool moving = optimizer.steps() > 0;
        const Tensor any = noise.normal(optimizer.momentum().shape(), 0, 1, DType::float64);
        for (Rise& rise : result.rises)
          if (moving)
            rise.add(optim::sharpness(loss, model.parameters(), rise.random ? any : optimizer.momentum(), rise.rho),
                     1 / ((2 * half - 1) * seeds));
        optimizer.step(closure_of(loss));
        if (moving) result.cosine[epoch / 5] += optimizer.last_step().cosine / ((epoch < 5 ? half - 1 : half) * seeds);
      }
  }
  return result;
}

inline Table table_of(const std::vector<Rise>& rises) {
  Table table{{"direction", "distance", "loss higher, % of steps", "mean rise", "slope's part", "curvature's"}};
  for (const Rise& rise : rises)
    table.push_back({rise.random ? "random" : "ahead", fixed(rise.rho, 1), fixed(100 * rise.higher, 0),
                     fixed(rise.all, 5), fixed(rise.slope, 5), fixed(rise.curvature(), 5)});
  return table;
}

}  // namespace minima::examples
