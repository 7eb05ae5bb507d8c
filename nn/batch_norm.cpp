// SPDX-License-Identifier: MIT
#include "nn/batch_norm.h"

namespace minima::nn {

BatchNorm::BatchNorm(const char* name, int min_rank, int max_rank, int64_t features, const BatchNormOptions& options)
    : epsilon(options.epsilon), momentum(options.momentum), name_(name), min_rank_(min_rank), max_rank_(max_rank) {
  if (features < 1) fail(name, text("features ", features), "at least 1");
  if (!(epsilon >= 0)) fail(name, text("epsilon ", epsilon), "a number >= 0");
  if (!(momentum >= 0 && momentum <= 1)) fail(name, text("momentum ", momentum), "a number in [0, 1]");
  weight = Variable(Tensor::full({features}, 1), requires_grad);
  bias = Variable(Tensor::zeros({features}), requires_grad);
  running_mean = Tensor::zeros({features});
  running_var = Tensor::full({features}, 1);
  num_batches_tracked = Tensor::zeros({}, DType::int64);
}

void BatchNorm::visit(Visitor& visitor) {
  visitor("weight", weight), visitor("bias", bias);
  visitor("running_mean", running_mean), visitor("running_var", running_var);
  visitor("num_batches_tracked", num_batches_tracked);
}

std::string BatchNorm::describe() const { return text(name_, "(", weight.numel(), ")"); }

void BatchNorm::reset_running_statistics() {
  running_mean.fill(0);
  running_var.fill(1);
  num_batches_tracked.fill(0);
}

Variable BatchNorm::operator()(const Variable& x, const Epilogue& epilogue) {
  check(x);
  if (!training) return normalise(x, {running_mean, running_var}, weight, bias, epsilon, epilogue);
  if (group && group->size() > 1) {
    auto [y, moments, count] = normalise_over_group(x, weight, bias, epsilon, *group);
    if (!BatchStatisticsFrozen::active()) track(moments, count);
    if (epilogue.residual.defined()) y = y + epilogue.residual;
    return epilogue.activation == Activation::relu ? relu(y) : y;
  }
  const int64_t count = x.numel() / weight.numel();
  if (count < 2)
    fail(describe(), text(count, " value per channel in a training batch of shape ", x.shape()), "at least 2",
         "Use a larger batch, or call eval() to use the running statistics.");
  // BEGIN SOLUTION 8
  const auto [y, moments] = batch_norm(x, weight, bias, epsilon, epilogue);
  if (!BatchStatisticsFrozen::active()) track(moments, count);
  return y;
  // END SOLUTION
}

void BatchNorm::check(const Variable& x) const {
  const int rank = x.shape().rank();
  const int64_t features = weight.numel();
  if (rank >= min_rank_ && rank <= max_rank_ && x.size(-1) == features) return;
  fail(describe(), text("an input of shape ", x.shape()),
       min_rank_ == 4 ? text("images (batch, height, width, ", features, ")")
                      : text("(batch, ", features, ") or (batch, length, ", features, ")"),
       core::layout_hint(x.shape(), features));
}

void BatchNorm::track(const core::Moments& moments, int64_t count) {
  // BEGIN SOLUTION 8
  const double unbiased = static_cast<double>(count) / static_cast<double>(count - 1);
  // running = (1 - momentum) * running + momentum * batch
  core::blend(running_mean, 1 - momentum, momentum, moments.mean);
  core::blend(running_var, 1 - momentum, momentum * unbiased, moments.variance);
  core::blend(num_batches_tracked, 1, 1);  // counted where it lies: nobody waits for the device
  // END SOLUTION
}

namespace {
std::vector<BatchNorm*> batch_norm_layers(Module& model) {
  std::vector<BatchNorm*> found;
  for_each_module(model, [&](const std::string&, Module& module) {
    if (auto* layer = dynamic_cast<BatchNorm*>(&module)) found.push_back(layer);
  });
  return found;
}

// Puts the modes, the layers' momentum and group, and the random stream back when it goes out of scope, and the
// statistics too unless they were kept.
class Restore {
 public:
  Restore(Module& model, const std::vector<BatchNorm*>& layers) : generator_(default_generator()) {
    for_each_module(model, [&](const std::string&, Module& module) { modes_.emplace_back(&module, module.training); });
    for (BatchNorm* layer : layers) {
      settings_.push_back({layer, layer->momentum, layer->group});
      for (const Tensor& kept : {layer->running_mean, layer->running_var, layer->num_batches_tracked})
        statistics_.emplace_back(kept, kept.clone());
    }
  }
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;
  ~Restore() {
    for (auto& [module, training] : modes_) module->training = training;
    for (auto& [layer, momentum, group] : settings_) layer->momentum = momentum, layer->group = group;
    for (auto& [memory, before] : statistics_) memory.copy_from(before);
    default_generator() = generator_;
  }
  void keep_statistics() { statistics_.clear(); }

 private:
  std::vector<std::pair<Module*, bool>> modes_;
  struct Settings {
    BatchNorm* layer;
    double momentum;
    Communicator* group;
  };
  std::vector<Settings> settings_;
  std::vector<std::pair<Tensor, Tensor>> statistics_;  // the layers' own memory, and a copy of what was there
  Generator generator_;
};

}  // namespace

void synchronise_batch_norm(Module& model, Communicator& group) {
  for (BatchNorm* layer : batch_norm_layers(model)) layer->group = &group;
}

bool has_batch_norm(Module& model) { return !batch_norm_layers(model).empty(); }

void recalibrate_batch_norm(Module& model, const std::vector<Tensor>& batches) {
  const std::vector<BatchNorm*> layers = batch_norm_layers(model);
  if (layers.empty()) return;
  if (batches.empty()) fail("recalibrate_batch_norm", "no batches", "at least one batch of the model's inputs");
  if (BatchStatisticsFrozen::active())
    fail("recalibrate_batch_norm", "a call inside a BatchStatisticsFrozen scope", "running statistics that may change");
  Restore restore(model, layers);
  NoGrad no_grad;
  for (BatchNorm* layer : layers) layer->group = nullptr;
  model.train();
  // BEGIN SOLUTION 8
  for (BatchNorm* layer : layers) layer->reset_running_statistics();
  double seen = 0;
  for (const Tensor& batch : batches) {
    ++seen;
    for (BatchNorm* layer : layers) layer->momentum = 1 / seen;  // a running average over all batches so far
    model(batch);
  }
  restore.keep_statistics();
  // END SOLUTION
}

}  // namespace minima::nn
