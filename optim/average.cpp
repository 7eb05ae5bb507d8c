// SPDX-License-Identifier: MIT
#include "optim/average.h"

#include "core/backend.h"

namespace minima::optim {

namespace {

void set_weights(const FlatParameters& flat, const Tensor& to) {
  for (size_t i = 0; i < flat.parameters().size(); ++i)
    Tensor(flat.parameters()[i].value()).copy_from(flat.layout().part(to, i));
}

}  // namespace

WeightAverage::WeightAverage(Optimizer& optimizer, const WeightAverageOptions& options)
    : optimizer_(&optimizer),
      decay_(options.decay),
      average_(optimizer.kept().flat.layout().zeros()),
      updates_(Tensor::zeros({1}, DType::int64)) {
  if (decay_ && !(*decay_ >= 0 && *decay_ < 1)) fail("average", text("decay = ", *decay_), "a number in [0, 1)");
  for (const auto& [name, buffer] : {Buffer{"average", average_}, Buffer{"average_updates", updates_}}) {
    optimizer.kept().require_free(name);
    optimizer.kept().additional.emplace_back(name, buffer);
  }
}

int64_t WeightAverage::updates() const { return updates_.data<int64_t>()[0]; }

void WeightAverage::update() {
  const double n = static_cast<double>(updates()) + 1;
  const core::AverageRule rule{.share = decay_ && n > 1 ? 1 - *decay_ : 1 / n};
  FlatParameters& flat = optimizer_->kept().flat;
  flat.refresh();
  core::backend(average_.device()).update(core::kernel_of(rule), average_, flat.weights(), nullptr);
  average_.bump_version();
  updates_.fill(n);
}

const Tensor& WeightAverage::average() const {
  if (updates() == 0) fail("average", "no weights to average", "at least one update()");
  return average_;
}

void WeightAverage::adopt() {
  FlatParameters& flat = optimizer_->kept().flat;
  flat.refresh();
  set_weights(flat, average());
}

AveragedWeights::AveragedWeights(WeightAverage& average) : flat_(average.optimizer().kept().flat) {
  flat_.refresh();
  weights_ = flat_.weights().clone();
  average.adopt();
}

AveragedWeights::~AveragedWeights() { set_weights(flat_, weights_); }

}  // namespace minima::optim
