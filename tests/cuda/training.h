// A small training on either device, for the tests of the GPU: digits; an MLP, a CNN or a vision transformer; and any
// optimizer.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "datasets/sources.h"
#include "nn/batch_norm.h"
#include "nn/layers.h"
#include "nn/loss.h"
#include "nn/models.h"
#include "optim/adam.h"
#include "optim/directions/along.h"
#include "optim/directions/composed.h"
#include "optim/directions/looksam.h"
#include "optim/lion.h"
#include "optim/msam.h"
#include "optim/rmsprop.h"
#include "optim/sam.h"
#include "optim/sgd.h"

namespace minima::test {

/// Those whose step never waits for the device.
inline const std::vector<std::string> optimizer_names{"sgd",
                                                      "nesterov",
                                                      "adam",
                                                      "adamw",
                                                      "rmsprop",
                                                      "adagrad",
                                                      "lion",
                                                      "sam",
                                                      "asam",
                                                      "msam",
                                                      "looksam",
                                                      "friendly momentum+layers+filters+budget",
                                                      "sam+weights+adaptive"};

inline std::unique_ptr<optim::Optimizer> make_optimizer(const std::string& name,
                                                        const std::vector<Variable>& parameters) {
  using namespace optim;
  const SgdOptions momentum{.lr = 0.05, .momentum = 0.9, .weight_decay = 1e-3, .max_gradient_norm = 20};
  if (name == "nesterov") return std::make_unique<Nesterov>(parameters, momentum);
  if (name == "adam") return std::make_unique<Adam>(parameters, AdamOptions{.lr = 0.01});
  if (name == "adamw") return std::make_unique<AdamW>(parameters, AdamOptions{.lr = 0.01});
  if (name == "rmsprop") return std::make_unique<RMSprop>(parameters, RmsPropOptions{.lr = 0.001, .momentum = 0.9});
  if (name == "adagrad") return std::make_unique<Adagrad>(parameters, AdagradOptions{.lr = 0.05});
  if (name == "lion") return std::make_unique<Lion>(parameters, LionOptions{.lr = 0.002, .weight_decay = 0.1});
  auto base = std::make_unique<SGD>(parameters, momentum);
  if (name == "sam") return std::make_unique<SAM>(std::move(base), SamOptions{.rho = 0.05});
  if (name == "asam") return std::make_unique<ASAM>(std::move(base), AsamOptions{.rho = 0.2});
  if (name == "msam") return std::make_unique<MSAM>(std::move(base), MsamOptions{.rho = 0.1});
  if (name == "looksam") return std::make_unique<LookSAM>(std::move(base), LookSamOptions{.rho = 0.05, .period = 3});
  // Of the models below, whose layers have a weight and a bias each.
  Layers layers;
  for (size_t i = 0; i + 1 < parameters.size(); i += 2) layers.layers.push_back({parameters[i], parameters[i + 1]});
  for (size_t i = 1; i < parameters.size(); i += 2) layers.biases.push_back(parameters[i]);
  if (name == "friendly momentum+layers+filters+budget")
    return std::make_unique<Along>(std::move(base),
                                   composed({.source = directions::friendly_momentum(),
                                             .scope = scopes::each_layer(layers),
                                             .geometry = Geometry::filters,
                                             .loss_budget = 0.05}),
                                   AlongOptions{.rho = 0.1});
  if (name == "sam+weights+adaptive")
    return std::make_unique<Along>(
        std::move(base),
        composed({.source = directions::gradient(), .scope = scopes::weights(layers), .geometry = Geometry::adaptive}),
        AlongOptions{.rho = 0.2});
  return base;
}

class Training {
 public:
  double first_loss = 0;

  Training(const std::string& kind, const std::string& optimizer, DType dtype, Device device) {
    manual_seed(1);
    if (kind == "mlp")
      model_ = nn::Sequential{nn::Flatten{}, nn::Linear{64, 24}, nn::ReLU{}, nn::Linear{24, 10}};
    else if (kind == "vit")
      model_ = nn::make_model("vit:4,16,1,2", {8, 8, 1}, 10);
    else
      model_ = nn::Sequential{nn::Conv2d{1, 4, 3, {.padding = 1}},
                              nn::BatchNorm2d{4},
                              nn::ReLU{},
                              nn::MaxPool2d{2},
                              nn::Conv2d{4, 6, 3},
                              nn::ReLU{},
                              nn::Flatten{},
                              nn::Linear{24, 10}};
    model_->to(dtype);
    model_->to(device);
    const datasets::Dataset data = datasets::digits().train;
    std::vector<int64_t> order = Generator{2}.permutation(data.size());
    for (int64_t begin = 0; begin + batch_size <= data.size() && batches_.size() < 20; begin += batch_size) {
      const datasets::Batch batch =
          data.batch(std::vector<int64_t>(order.begin() + begin, order.begin() + begin + batch_size));
      batches_.push_back({batch.x.to(dtype).to(device), batch.y.to(device)});
    }
    optimizer_ = make_optimizer(optimizer, model_->parameters());
    first_loss = nn::cross_entropy((*model_)(batches_[0].x), batches_[0].y).item();
  }

  /// The loss of a step, on the device. `share` is this process's part of it, where others have more.
  Tensor step(int number, double share = 1) {
    const datasets::Batch& batch = batches_[static_cast<size_t>(number) % batches_.size()];
    return optimizer_
        ->step([&] {
          Variable loss = nn::cross_entropy((*model_)(batch.x), batch.y);
          if (share != 1) loss = loss * share;
          loss.backward();
          return loss;
        })
        .value();
  }

  nn::Module& model() { return *model_; }
  optim::Optimizer& optimizer() { return *optimizer_; }

 private:
  static constexpr int64_t batch_size = 16;
  nn::AnyModule model_;
  std::vector<datasets::Batch> batches_;
  std::unique_ptr<optim::Optimizer> optimizer_;
};

}  // namespace minima::test
