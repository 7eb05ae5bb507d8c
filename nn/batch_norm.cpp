#include "nn/batch_norm.h"

#include "autograd/ops.h"
#include "core/error.h"
#include "core/ops.h"

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

Variable BatchNorm::forward(const Variable& x) {
  check(x);
  if (!training) return normalise_by_running_statistics(x);
  const int64_t count = x.numel() / x.size(1);
  if (count < 2)
    fail(describe(), text(count, " value per channel in a training batch of shape ", x.shape()), "at least 2",
         "Use a larger batch, or call eval() to use the running statistics.");
  auto [mean, variance] = core::channel_moments(x.value());
  if (!BatchStatisticsFrozen::active()) track(mean, variance, count);
  return batch_norm(x, weight, bias, mean, variance, epsilon);
}

void BatchNorm::check(const Variable& x) const {
  const int rank = x.shape().rank();
  if (rank >= min_rank_ && rank <= max_rank_ && x.size(1) == weight.numel()) return;
  fail(describe(), text("an input of shape ", x.shape()),
       text("(batch, ", weight.numel(), min_rank_ == 4 ? ", height, width)" : ") or with a length after it"));
}

namespace {
// running = (1 - rate) * running + rate * batch
void follow(Tensor& running, const Tensor& batch, double rate) {
  core::add_scaled(running, rate, core::binary(core::BinaryOp::subtract, batch, running));
}
}  // namespace

void BatchNorm::track(const Tensor& mean, const Tensor& variance, int64_t count) {
  const double unbiased = static_cast<double>(count) / static_cast<double>(count - 1);
  follow(running_mean, mean, momentum);
  follow(running_var, core::unary(core::UnaryOp::affine, variance, unbiased, 0), momentum);
  num_batches_tracked.fill(num_batches_tracked.item() + 1);
}

Variable BatchNorm::normalise_by_running_statistics(const Variable& x) const {
  Shape per_channel{1, weight.numel()};
  for (int axis = 2; axis < x.shape().rank(); ++axis) per_channel.push_back(1);
  const Variable deviation(
      core::unary(core::UnaryOp::sqrt, core::unary(core::UnaryOp::affine, running_var, 1, epsilon)));
  const Variable scale = weight / deviation;
  const Variable shift = bias - scale * Variable(running_mean);
  return x * reshape(scale, per_channel) + reshape(shift, per_channel);
}

// --------------------------------------------------------------------------------------------- recalibration

namespace {

std::vector<BatchNorm*> batch_norm_layers(Module& model) {
  struct Collect : Visitor {
    std::vector<BatchNorm*> found;
    void on_module(const std::string&, Module& module) override {
      if (auto* layer = dynamic_cast<BatchNorm*>(&module)) found.push_back(layer);
    }
  } collect;
  collect.walk(model);
  return std::move(collect.found);
}

// Puts the modes, the layers' momentum and the random stream back when it goes out of scope, also after an error.
class Restore {
 public:
  Restore(Module& model, const std::vector<BatchNorm*>& layers) : layers_(layers), generator_(default_generator()) {
    struct Collect : Visitor {
      std::vector<std::pair<Module*, bool>>& modes;
      explicit Collect(std::vector<std::pair<Module*, bool>>& out) : modes(out) {}
      void on_module(const std::string&, Module& module) override { modes.emplace_back(&module, module.training); }
    } collect(modes_);
    collect.walk(model);
    for (const BatchNorm* layer : layers) momenta_.push_back(layer->momentum);
  }
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;
  ~Restore() {
    for (auto& [module, training] : modes_) module->training = training;
    for (size_t i = 0; i < layers_.size(); ++i) layers_[i]->momentum = momenta_[i];
    default_generator() = generator_;
  }

 private:
  const std::vector<BatchNorm*>& layers_;
  std::vector<std::pair<Module*, bool>> modes_;
  std::vector<double> momenta_;
  Generator generator_;
};

}  // namespace

bool has_batch_norm(Module& model) { return !batch_norm_layers(model).empty(); }

void recalibrate_batch_norm(Module& model, const std::vector<Tensor>& batches) {
  const std::vector<BatchNorm*> layers = batch_norm_layers(model);
  if (layers.empty()) return;
  if (batches.empty()) fail("recalibrate_batch_norm", "no batches", "at least one batch of the model's inputs");
  if (BatchStatisticsFrozen::active())
    fail("recalibrate_batch_norm", "a call inside a BatchStatisticsFrozen scope", "running statistics that may change");
  Restore restore(model, layers);
  NoGrad no_grad;
  model.train();
  for (BatchNorm* layer : layers) layer->reset_running_statistics();
  double seen = 0;
  for (const Tensor& batch : batches) {
    ++seen;
    for (BatchNorm* layer : layers) layer->momentum = 1 / seen;  // a running average over all batches so far
    model(batch);
  }
}

}  // namespace minima::nn
