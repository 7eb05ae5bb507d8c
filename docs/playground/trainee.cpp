#include "docs/playground/trainee.h"

#include <algorithm>
#include <cmath>

#include "autograd/ops.h"
#include "core/random.h"
#include "datasets/loader.h"
#include "datasets/sources.h"
#include "docs/playground/names.h"
#include "nn/loss.h"
#include "nn/models.h"
#include "optim/analysis/curvature.h"
#include "optim/make.h"

namespace minima::playground {

namespace {

datasets::Split with_label_noise(datasets::Split split, double rate, uint64_t seed) {
  if (rate > 0) split.train = split.train.label_noise(rate, seed);
  return split;
}

}  // namespace

datasets::Split split_of(const DataChoice& choice) {
  const datasets::SyntheticOptions options{.train = choice.samples, .noise = choice.noise, .seed = choice.seed};
  if (choice.name == "digits") {
    auto [train, test] = datasets::digits();
    return with_label_noise({train.take(std::min(choice.samples, train.size())), test}, choice.label_noise,
                            choice.seed);
  }
  if (choice.name != "moons" && choice.name != "spirals" && choice.name != "blobs")
    fail("data", "\"" + choice.name + "\"", "moons, spirals, blobs or digits");
  return with_label_noise(choice.name == "moons"     ? datasets::two_moons(options)
                          : choice.name == "spirals" ? datasets::spirals(options)
                                                     : datasets::blobs(options),
                          choice.label_noise, choice.seed);
}

datasets::Split split_of_table(const std::vector<double>& values, const std::vector<int32_t>& labels, int64_t features,
                               int64_t classes, double label_noise, uint64_t seed) {
  std::vector<std::string> names;
  for (int64_t c = 0; c < classes; ++c) names.push_back(std::to_string(c));
  const auto [train, test] = datasets::detail::split_positions("table", labels, names, 0.2, seed);
  const size_t width = static_cast<size_t>(features);
  std::vector<float> scaled(values.size());
  for (size_t column = 0; column < width; ++column) {
    double sum = 0, squares = 0;
    for (int64_t row : train) sum += values[static_cast<size_t>(row) * width + column];
    const double mean = sum / static_cast<double>(train.size());
    for (int64_t row : train) squares += std::pow(values[static_cast<size_t>(row) * width + column] - mean, 2);
    const double deviation = std::sqrt(squares / static_cast<double>(train.size()));
    for (size_t i = column; i < values.size(); i += width)
      scaled[i] = deviation > 0 ? static_cast<float>((values[i] - mean) / deviation) : 0;
  }
  const auto all = datasets::Dataset::from_values(std::move(scaled), {features}, labels, std::move(names));
  return with_label_noise({all.subset(train), all.subset(test)}, label_noise, seed);
}

Trainee::Trainee(const std::string& optimizer, const datasets::Dataset& train, const std::vector<int64_t>& hidden,
                 int64_t batch, const TrainingSettings& settings, uint64_t seed)
    : name_(optimizer), train_(train), batch_(std::min(batch, train.size())), seed_(seed) {
  std::vector<int64_t> sizes{train.input_shape().numel()};
  sizes.insert(sizes.end(), hidden.begin(), hidden.end());
  sizes.push_back(train.classes());
  manual_seed(seed);
  model_ = nn::mlp(sizes);
  optim::Settings made;
  for (const auto& [name, value] :
       values_by_name(name_, settings.lr, settings.momentum, settings.rho, settings.weight_decay))
    made.hyperparameters.emplace(name, value);
  optimizer_ = optim::make_optimizer(name_in_minima(name_), model_.parameters(), made);
}

void Trainee::change(const TrainingSettings& settings) {
  for (const auto& [name, value] :
       values_by_name(name_, settings.lr, settings.momentum, settings.rho, settings.weight_decay))
    optimizer_->group(0)[name] = value;
}

double Trainee::step() {
  if (next_ >= order_.size()) {
    order_ = datasets::Loader(train_, {.batch_size = batch_, .seed = seed_}).order(++epoch_);
    next_ = 0;
  }
  const size_t end = std::min(order_.size(), next_ + static_cast<size_t>(batch_));
  const datasets::Batch batch = train_.batch(std::span(order_).subspan(next_, end - next_), epoch_);
  next_ = end;
  const Variable loss = optimizer_->step([&] {
    Variable value = nn::cross_entropy(model_(batch.x), batch.y);
    value.backward();
    return value;
  });
  return loss.item();
}

Evaluation Trainee::evaluate(const datasets::Batch& batch) {
  NoGrad no_grad;
  const Variable logits = model_(batch.x);
  return {.loss = nn::cross_entropy(logits, batch.y).item(), .accuracy = nn::accuracy(logits, batch.y)};
}

double Trainee::largest_eigenvalue(const datasets::Batch& batch) {
  const auto loss = [&] { return nn::cross_entropy(model_(batch.x), batch.y); };
  return optim::largest_eigenvalue(loss, model_.parameters(), {.max_iterations = 20, .tolerance = 1e-2}).value;
}

std::vector<float> Trainee::probabilities(const Tensor& x) {
  NoGrad no_grad;
  return softmax(model_(x)).value().to_vector<float>();
}

datasets::Batch some_of(const datasets::Dataset& data, int64_t count) {
  std::vector<int64_t> positions;
  for (int64_t i = 0; i < std::min(count, data.size()); ++i)
    positions.push_back(count < data.size() ? i * data.size() / count : i);
  return data.batch(positions);
}

}  // namespace minima::playground
