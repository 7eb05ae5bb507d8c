// Assignment 5: SAM over SGD with momentum, in plain tensors.
#include <algorithm>
#include <cmath>

#include "examples/course/checks/checks.h"
#include "examples/labs/textbook.h"

namespace minima::examples::course {

namespace {

/// A small network with batch norm, and a batch.
struct WithBatchNorm {
  nn::Sequential model;
  Tensor x, y;

  WithBatchNorm() {
    manual_seed(3);
    model = nn::Sequential{nn::Linear{2, 8}, nn::BatchNorm1d{8}, nn::Tanh{}, nn::Linear{8, 2}};
    const datasets::Batch batch = datasets::two_moons({.train = 40}).train.all();
    x = batch.x, y = batch.y;
  }
  optim::Closure closure() {
    return [this] {
      Variable loss = nn::cross_entropy(model(x), y);
      loss.backward();
      return loss;
    };
  }
  Numbers statistics() {
    Numbers all;
    for (const auto& [name, buffer] : model.named_buffers())
      for (const double value : buffer.to(DType::float64).to_vector<double>()) all.push_back(value);
    return all;
  }
};

/// The path of the student's SAM and that of the library's.
std::string beside_library(const optim::Schedule& lr, const optim::Schedule& rho, double decay, int steps) {
  const std::vector<Variable> ours = three_tensors(), theirs = three_tensors();
  TextbookSam sam(ours, {.lr = lr, .rho = rho, .weight_decay = decay});
  optim::SAM library{optim::SGD{theirs, {.lr = lr, .momentum = 0.9, .weight_decay = decay}}, {.rho = rho}};
  for (int i = 0; i < steps; ++i) {
    sam.step(training(ours));
    library.step(training(theirs));
    const std::string problem = differs(values_of(ours), values_of(theirs), 1e-10);
    if (!problem.empty()) return text("after step ", i + 1, ": ", problem);
  }
  return "";
}

}  // namespace

void check_sam(Checks& checks) {
  checks.claim(15, "a step takes two gradients, the first at w, the second uphill from there", [] {
    const std::vector<Variable> w = three_tensors();
    std::vector<Numbers> seen;
    TextbookSam({w}, {.lr = 0.01, .rho = 0.2}).step(training(w, &seen));
    if (seen.size() != 2) return text(seen.size(), " gradients were taken");
    const Numbers start = values_of(three_tensors()), g = rugged_gradient(start), e = minus(seen[1], seen[0]);
    double along = 0;
    for (size_t i = 0; i < e.size(); ++i) along += e[i] * g[i];
    const double cosine = along / (norm(e) * norm(g));
    if (!(cosine > 1 - 1e-10)) return text("the cosine between the way there and the gradient is ", cosine);
    return differs(seen[0], start, 0);
  });
  checks.claim(10, "the second gradient is taken at distance rho, measured over all tensors together", [] {
    const std::vector<Variable> w = three_tensors();
    std::vector<Numbers> seen;
    TextbookSam({w}, {.lr = 0.01, .rho = 0.2}).step(training(w, &seen));
    return seen.size() < 2 ? std::string("no second gradient") : differs({norm(minus(seen[1], seen[0]))}, {0.2});
  });
  checks.claim(10, "the step is taken from w with the second gradient alone", [] {
    const std::vector<Variable> w = three_tensors();
    const Numbers start = values_of(w), g = rugged_gradient(start);
    TextbookSam({w}, {.lr = 0.1, .rho = 0.2, .momentum = 0}).step(training(w));
    return differs(values_of(w), plus(start, -0.1, rugged_gradient(plus(start, 0.2 / norm(g), g))));
  });
  checks.claim(15, "with momentum, and an lr and a rho that fall, 100 steps are those of optim::SAM",
               [] { return beside_library(optim::cosine(0.01, 100), optim::cosine(0.1, 100), 0, 100); });
  checks.claim(10, "weight decay is taken at w, and is no part of the way uphill",
               [] { return beside_library(0.01, 0.1, 0.2, 30); });
  checks.claim(10, "with rho = 0 it is SGD, to the last bit", [] {
    const std::vector<Variable> ours = three_tensors(), theirs = three_tensors();
    TextbookSam sam(ours, {.lr = 0.01, .rho = 0.0});
    optim::SGD sgd{theirs, {.lr = 0.01, .momentum = 0.9}};
    for (int i = 0; i < 30; ++i) sam.step(training(ours)), sgd.step(training(theirs));
    return differs(values_of(ours), values_of(theirs), 1e-14);
  });
  checks.claim(10, "where the gradient is exactly 0, nothing moves", [] {
    const Variable w = leaf({0, 0});
    TextbookSam sam({w}, {.lr = 0.1, .rho = 0.1});
    for (int i = 0; i < 2; ++i)
      sam.step([&] {
        Variable loss = sum(square(w));
        loss.backward();
        return loss;
      });
    return differs(w.value().to_vector<double>(), {0, 0}, 0);
  });
  checks.claim(10, "batch norm counts one batch a step, and its statistics are those of w", [] {
    WithBatchNorm ours, plain;
    TextbookSam(ours.model.parameters(), {.lr = 0.1, .rho = 0.5}).step(ours.closure());
    plain.closure()();
    return differs(ours.statistics(), plain.statistics(), 1e-6);
  });
  checks.claim(10, "it reports every gradient that it takes", [] {
    const std::vector<Variable> w = three_tensors();
    std::vector<Numbers> seen;
    TextbookSam sam(w, {.lr = 0.01, .rho = 0.2});
    for (int i = 0; i < 3; ++i) sam.step(training(w, &seen));
    return differs({static_cast<double>(sam.gradient_evaluations())}, {static_cast<double>(seen.size())}, 0);
  });
}

}  // namespace minima::examples::course
