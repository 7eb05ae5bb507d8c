#include "examples/labs/fault_bench.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace minima::examples {

namespace {

using Vector = std::vector<double>;

constexpr double momentum = 0.9, weight_decay = 5e-3, lr = 0.05;
constexpr int64_t batch_size = 64, evaluate_every = 5, hidden = 24;

Vector operator-(Vector a, const Vector& b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] -= b[i];
  return a;
}

Vector operator+(Vector a, const Vector& b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

Vector operator*(double factor, Vector a) {
  for (double& x : a) x *= factor;
  return a;
}

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

double norm(const Vector& a) { return std::sqrt(dot(a, a)); }

Vector flat(const std::vector<Tensor>& tensors) {
  Vector all;
  for (const Tensor& tensor : tensors)
    for (const double x : tensor.to_vector<double>()) all.push_back(x);
  return all;
}

struct Batch {
  Tensor x, y;
};

// The network, its data and the closures that train it.
class Bench {
 public:
  explicit Bench(int64_t steps) : train_(datasets::digits().train), test_(batch_of(datasets::digits().test.all())) {
    const datasets::Loader loader(train_, {.batch_size = batch_size, .seed = 1, .drop_last = true});
    for (int64_t epoch = 0; std::ssize(batches_) < steps; ++epoch)
      for (const datasets::Batch& batch : loader.epoch(epoch)) batches_.push_back(batch_of(batch));
    manual_seed(1);
    model_ = nn::Sequential{nn::Linear{64, hidden}, nn::BatchNorm1d{hidden}, nn::ReLU{}, nn::Linear{hidden, 10}};
    model_.to(DType::float64);
    parameters_ = model_.parameters();
  }

  const std::vector<Variable>& parameters() const { return parameters_; }
  Vector weights() const {
    std::vector<Tensor> values;
    for (const Variable& p : parameters_) values.push_back(p.value());
    return flat(values);
  }
  Vector gradients() const {
    std::vector<Tensor> values;
    for (const Variable& p : parameters_) values.push_back(p.grad());
    return flat(values);
  }
  void set_weights(const Vector& weights) {
    size_t next = 0;
    for (const Variable& p : parameters_) {
      const Vector part(weights.begin() + next, weights.begin() + next + p.numel());
      Tensor value = p.value();
      value.copy_from(Tensor::from(part, p.shape()));
      next += part.size();
    }
  }

  /// Forward and backward on the batch of this step. Afterwards `seen`, `gradient` and `calls` tell of it.
  optim::Closure closure(int64_t step) {
    return [this, step] {
      const Batch& batch = batches_[step];
      seen = weights();
      Variable loss = nn::cross_entropy(model_(batch.x), batch.y);
      loss.backward();
      gradient = gradients();
      ++calls;
      return loss;
    };
  }
  Vector seen, gradient;
  int64_t calls = 0;

  int64_t batches_counted() {
    for (const auto& [name, buffer] : model_.named_buffers())
      if (name.ends_with("num_batches_tracked")) return buffer.to_vector<int64_t>()[0];
    return 0;
  }

  double test_loss() {
    std::vector<Tensor> images;
    for (size_t i = 0; i < 16; ++i) images.push_back(batches_[i].x);
    nn::recalibrate_batch_norm(model_, images);
    NoGrad evaluating;
    model_.eval();
    const double loss = nn::cross_entropy(model_(test_.x), test_.y).item();
    model_.train();
    return loss;
  }

 private:
  static Batch batch_of(const datasets::Batch& batch) {
    return {batch.x.reshape({batch.x.size(0), 64}).to(DType::float64), batch.y};
  }

  datasets::Dataset train_;
  Batch test_;
  std::vector<Batch> batches_;
  nn::Sequential model_;
  std::vector<Variable> parameters_;
};

TextbookOptions options_for(const optim::Schedule& rho, int64_t steps, int fault) {
  return {
      .lr = optim::cosine(lr, steps), .rho = rho, .momentum = momentum, .weight_decay = weight_decay, .fault = fault};
}

// The weights that one would evaluate now; those that are kept for training stay as they are.
Vector evaluated(Bench& bench, TextbookMsam& msam) {
  const Vector kept = bench.weights();
  msam.move_back();
  const Vector view = bench.weights();
  bench.set_weights(kept);
  return view;
}

void examine_msam(int fault, int64_t steps, Readings& readings) {
  Bench bench(steps);
  const TextbookOptions options = options_for(rho_schedule(bench_rho, steps, fault), steps, fault);
  TextbookMsam msam(bench.parameters(), options);
  Vector w = evaluated(bench, msam), v = flat(msam.velocity());
  for (int64_t t = 0; t < steps; ++t) {
    if (t == marks(steps).resumed) {
      const TextbookMsam::State state = msam.save();
      msam = TextbookMsam(bench.parameters(), options);
      msam.load(state);
    }
    msam.step(bench.closure(t));
    const Vector left = bench.gradients(), v_after = flat(msam.velocity());
    if (t == steps - 1) msam.finish();
    const Vector w_after = t == steps - 1 ? bench.weights() : evaluated(bench, msam);
    const Vector e = bench.seen - w, &g = bench.gradient;
    readings[1][t] = norm(e);
    if (norm(v) > 0 && norm(e) > 1e-9) readings[2][t] = -dot(e, v) / (norm(e) * norm(v));
    readings[3][t] = norm(w_after - (w - options.lr(t) * v_after));
    readings[4][t] = norm(v_after - (momentum * v + g + weight_decay * w));
    readings[5][t] = norm(left - g) / norm(g);
    if (t % evaluate_every == 0 || t == steps - 1) {
      const Vector kept = bench.weights();
      bench.set_weights(w_after);
      readings[0][t] = bench.test_loss();
      bench.set_weights(kept);
    }
    w = w_after, v = v_after;
  }
}

void examine_sam(int fault, int64_t steps, Readings& readings) {
  Bench bench(steps);
  TextbookSam sam(bench.parameters(), options_for(bench_sam_rho, steps, fault));
  for (int64_t t = 0; t < steps; ++t) {
    const Vector w = bench.weights();
    const int64_t counted = bench.batches_counted();
    sam.step(bench.closure(t));
    readings[7][t] = norm(bench.seen - w);
    readings[8][t] = static_cast<double>(bench.batches_counted() - counted);
    readings[9][t] = static_cast<double>(sam.gradient_evaluations()) / static_cast<double>(bench.calls);
    if (t % evaluate_every == 0 || t == steps - 1) readings[6][t] = bench.test_loss();
  }
}

void examine_without_radius(int fault, int64_t steps, Readings& readings) {
  Bench bench(steps), reference(steps);
  TextbookSam sam(bench.parameters(), options_for(0.0, steps, fault));
  optim::SGD sgd(reference.parameters(),
                 {.lr = optim::cosine(lr, steps), .momentum = momentum, .weight_decay = weight_decay});
  for (int64_t t = 0; t < steps; ++t) {
    sam.step(bench.closure(t));
    sgd.step(reference.closure(t));
    readings[10][t] = norm(bench.weights() - reference.weights());
  }
}

void examine_at_minimum(int fault, int64_t steps, Readings& readings) {
  const Variable w(Tensor::zeros({8}, DType::float64), requires_grad);
  TextbookSam sam({w}, options_for(bench_sam_rho, steps, fault));
  for (int64_t t = 0; t < steps; ++t) {
    sam.step([&] {
      Variable loss = sum(square(w));
      loss.backward();
      return loss;
    });
    const Vector values = w.value().to_vector<double>();
    readings[11][t] =
        static_cast<double>(std::count_if(values.begin(), values.end(), [](double x) { return std::isfinite(x); })) / 8;
  }
}

}  // namespace

Marks marks(int64_t steps) { return {steps / 5, 2 * steps / 5, 3 * steps / 5}; }

Readings examine(int fault, int64_t steps) {
  Readings readings(instruments().size(), Vector(static_cast<size_t>(steps), NAN));
  examine_msam(fault, steps, readings);
  examine_sam(fault, steps, readings);
  examine_without_radius(fault, steps, readings);
  examine_at_minimum(fault, steps, readings);
  return readings;
}

double distance_from_library(int64_t steps) {
  double worst = 0;
  for (const bool two_gradients : {false, true}) {
    Bench ours(steps), theirs(steps);
    const optim::Schedule rho = two_gradients ? bench_sam_rho : rho_schedule(bench_rho, steps);
    optim::SGD base(theirs.parameters(),
                    {.lr = optim::cosine(lr, steps), .momentum = momentum, .weight_decay = weight_decay});
    TextbookMsam msam(ours.parameters(), options_for(rho, steps, no_fault));
    TextbookSam sam(ours.parameters(), options_for(rho, steps, no_fault));
    std::unique_ptr<optim::Optimizer> library;
    if (two_gradients)
      library = std::make_unique<optim::SAM>(std::move(base), optim::SamOptions{.rho = rho});
    else
      library = std::make_unique<optim::MSAM>(std::move(base), optim::MsamOptions{.rho = rho});
    for (int64_t t = 0; t < steps; ++t) {
      two_gradients ? sam.step(ours.closure(t)) : msam.step(ours.closure(t));
      library->step(theirs.closure(t));
      const Vector w = two_gradients ? ours.weights() : evaluated(ours, msam);
      worst = std::max(worst, norm(w - theirs.weights()));
    }
  }
  return worst;
}

}  // namespace minima::examples
