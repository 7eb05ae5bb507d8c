#include "examples/kit/evaluation.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace minima::examples {

int64_t outputs_for(const datasets::Dataset& data) { return data.has_targets() ? 1 : data.classes(); }

Variable loss_of(const Variable& outputs, const Tensor& y) {
  return is_floating(y.dtype()) ? nn::mse(reshape(outputs, y.shape()), y) : nn::cross_entropy(outputs, y);
}

Variable losses_of(const Variable& outputs, const Tensor& y) {
  if (!is_floating(y.dtype())) return cross_entropies(outputs, y);
  const Variable miss = reshape(outputs, y.shape()) - y;
  return miss * miss;
}

std::vector<float> outputs_of(nn::Module& model, const datasets::Dataset& data, Device device) {
  NoGrad no_grad;
  const bool was_training = model.training;
  model.eval();
  std::vector<float> all;
  const int64_t batch = std::min<int64_t>(500, data.size());
  for (const auto& [x, y] : datasets::Loader(data, {.batch_size = batch, .shuffle = false}).epoch(0)) {
    const Tensor outputs = model(x.to(device)).value().to(Device::cpu);
    all.insert(all.end(), outputs.data<float>(), outputs.data<float>() + outputs.numel());
  }
  model.train(was_training);
  return all;
}

optim::Layers layers_of(nn::Module& model) {
  struct Walk : nn::Visitor {
    optim::Layers found;
    std::set<const autograd::Node*> seen;
    std::set<std::string> norm_layers;
    std::string layer = "none";

    void on_module(const std::string& path, nn::Module& module) override {
      if (dynamic_cast<nn::BatchNorm*>(&module) || dynamic_cast<nn::LayerNorm*>(&module)) norm_layers.insert(path);
    }
    void on_parameter(const std::string& path, Variable& parameter) override {
      if (!seen.insert(parameter.node().get()).second) return;
      const size_t dot = path.find_last_of('.');
      const std::string owner = dot == std::string::npos ? "" : path.substr(0, dot);
      if (owner != layer) found.layers.emplace_back(), layer = owner;
      found.layers.back().push_back(parameter);
      if (norm_layers.count(owner))
        found.norms.push_back(parameter);
      else if (path.ends_with("bias"))
        found.biases.push_back(parameter);
    }
  } walk;
  walk.walk(model);
  return walk.found;
}

std::vector<double> probabilities_of(const float* logits, int64_t classes) {
  std::vector<double> out(logits, logits + classes);
  const double largest = *std::max_element(out.begin(), out.end());
  double sum = 0;
  for (double& value : out) sum += value = std::exp(value - largest);
  for (double& value : out) value /= sum;
  return out;
}

Quality quality_of(const std::vector<float>& logits, const std::vector<int64_t>& labels, int64_t classes) {
  constexpr int bins = 15;
  Quality q;
  q.confusion.resize(static_cast<size_t>(classes * classes));
  double hits = 0, loss = 0, confidence[bins] = {}, right[bins] = {};
  for (size_t i = 0; i < labels.size(); ++i) {
    const std::vector<double> p = probabilities_of(logits.data() + i * static_cast<size_t>(classes), classes);
    const auto best = std::max_element(p.begin(), p.end());
    const int64_t guess = best - p.begin(), label = labels[i];
    const int bin = std::clamp(static_cast<int>(std::ceil(*best * bins)) - 1, 0, bins - 1);
    confidence[bin] += *best, right[bin] += guess == label;
    ++q.confusion[static_cast<size_t>(label * classes + guess)];
    hits += guess == label;
    loss -= std::log(std::max(p[static_cast<size_t>(label)], 1e-300));
  }
  const auto count = static_cast<double>(labels.size());
  double recalls = 0, present = 0, gap = 0;
  for (int64_t c = 0; c < classes; ++c) {
    double of_class = 0;
    for (int64_t k = 0; k < classes; ++k)
      of_class += static_cast<double>(q.confusion[static_cast<size_t>(c * classes + k)]);
    if (of_class > 0)
      recalls += static_cast<double>(q.confusion[static_cast<size_t>(c * classes + c)]) / of_class, ++present;
  }
  for (int bin = 0; bin < bins; ++bin) gap += std::abs(confidence[bin] - right[bin]);
  q.accuracy = hits / count, q.balanced_accuracy = recalls / present, q.calibration_error = gap / count;
  q.loss = loss / count;
  return q;
}

Fit fit_of(const std::vector<float>& predictions, const std::vector<float>& targets) {
  const auto count = static_cast<double>(targets.size());
  double mean = 0, error = 0, spread = 0;
  for (const double target : targets) mean += target / count;
  for (size_t i = 0; i < targets.size(); ++i) {
    error += std::pow(double{predictions[i]} - targets[i], 2);
    spread += std::pow(targets[i] - mean, 2);
  }
  return {error / count, spread > 0 ? 1 - error / spread : NAN};
}

Table confusion_table(const std::vector<int64_t>& confusion, const std::vector<std::string>& class_names) {
  Table table{{"label, then predicted as"}};
  for (const std::string& name : class_names) table[0].push_back(name);
  for (size_t label = 0; label < class_names.size(); ++label) {
    table.push_back({class_names[label]});
    for (size_t guess = 0; guess < class_names.size(); ++guess)
      table.back().push_back(std::to_string(confusion[label * class_names.size() + guess]));
  }
  return table;
}

}  // namespace minima::examples
