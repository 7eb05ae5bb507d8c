// Averages of weights: what they are, where the weights are meanwhile, and that they are saved.
#include "optim/average.h"

#include "tests/check.h"
#include "tests/optim/problem.h"
#include "tests/optim/spy.h"

using namespace minima;
using namespace minima::test;
using optim::AveragedWeights;
using optim::SGD;
using optim::WeightAverage;

namespace {

void train(optim::Optimizer& optimizer, const Parameters& parameters, WeightAverage* average, int steps) {
  for (int i = 0; i < steps; ++i) {
    optimizer.step(training([&] { return rugged(parameters); }));
    if (average) average->update();
  }
}

}  // namespace

TEST_CASE("the plain mean is that of all weights taken in, the exponential one begins with the first") {
  const Parameters parameters = three_tensors();
  SGD optimizer{parameters, {.lr = 0.1, .momentum = 0.9}}, other{three_tensors(), {.lr = 0.1, .momentum = 0.9}};
  WeightAverage mean{optimizer}, moving{other, {.decay = 0.8}};
  Vector sum(6, 0), expected;
  for (int i = 1; i <= 7; ++i) {
    train(optimizer, parameters, &mean, 1);
    train(other, other.parameters(), &moving, 1);
    const Vector w = values(parameters);
    if (expected.empty()) expected = w;
    for (size_t k = 0; k < w.size(); ++k) sum[k] += w[k], expected[k] = 0.8 * expected[k] + 0.2 * w[k];
    Vector plain = sum;
    for (double& value : plain) value /= i;
    CHECK_CLOSE(mean.average().to_vector<double>(), plain, {.rtol = 1e-13});
    CHECK_CLOSE(moving.average().to_vector<double>(), expected, {.rtol = 1e-13});
    CHECK(mean.updates() == i);
  }
}

TEST_CASE("within the scope the weights are the averages, after it they are the same bits as before") {
  const Parameters parameters = three_tensors(DType::float32);
  optim::MSAM optimizer{SGD{parameters, {.lr = 0.1, .momentum = 0.9}}, {.rho = 0.3}};
  WeightAverage average{optimizer, {.decay = 0.5}};
  train(optimizer, parameters, &average, 5);
  const Vector before = values(parameters);
  {
    const AveragedWeights scope{average};
    CHECK(values(parameters) == average.average().to_vector<double>());
    CHECK(values(parameters) != before);
  }
  CHECK(values(parameters) == before);
  average.adopt();
  CHECK(values(parameters) == average.average().to_vector<double>());
}

TEST_CASE("keeping and looking at an average changes nothing in the training") {
  const Parameters watched = three_tensors(), alone = three_tensors();
  optim::MSAM with{SGD{watched, {.lr = 0.1, .momentum = 0.9}}}, without{SGD{alone, {.lr = 0.1, .momentum = 0.9}}};
  WeightAverage average{with, {.decay = 0.5}};
  for (int i = 0; i < 10; ++i) {
    train(with, watched, &average, 1), train(without, alone, nullptr, 1);
    const AveragedWeights scope{average};
  }
  CHECK(values(watched) == values(alone));
}

TEST_CASE("an average is part of the saved state: resumed equals uninterrupted, bit for bit") {
  for (const std::optional<double> decay : {std::optional(0.7), std::optional<double>()}) {
    const auto make = [](const Parameters& parameters) { return SGD{parameters, {.lr = 0.1, .momentum = 0.9}}; };
    const Parameters whole = three_tensors(), first = three_tensors(), second = three_tensors();
    SGD uninterrupted = make(whole), before = make(first), after = make(second);
    WeightAverage a{uninterrupted, {decay}}, b{before, {decay}}, c{after, {decay}};
    train(uninterrupted, whole, &a, 9);
    train(before, first, &b, 4);
    for (size_t i = 0; i < first.size(); ++i) Tensor(second[i].value()).copy_from(first[i].value());
    after.load_state(before.state());
    CHECK(c.updates() == 4);
    train(after, second, &c, 5);
    CHECK_SAME_BITS(c.average(), a.average());
  }
}

TEST_CASE("an average follows parameters that lie elsewhere now, that are tied, or that are frozen") {
  const Variable a = leaf({1, 2}), tied = leaf({0, 0}), frozen = leaf({5});
  Variable(tied).set_value(a.value());
  SGD optimizer{{a, tied, frozen}, {.lr = 0.1}};
  Variable(frozen).set_requires_grad(false);
  WeightAverage average{optimizer};
  average.update();
  Variable(a).set_value(Tensor::from(Vector{3, 6}));
  Variable(tied).set_value(a.value());
  average.update();
  CHECK_CLOSE(average.average().to_vector<double>(), (Vector{2, 4, 2, 4, 5}), {.rtol = 1e-15});
  {
    const AveragedWeights scope{average};
    CHECK(values({a, tied, frozen}) == Vector{2, 4, 2, 4, 5});
  }
  CHECK(values({a, tied, frozen}) == Vector{3, 6, 3, 6, 5});
}

TEST_CASE("what cannot be averaged is refused and says why") {
  SGD optimizer{three_tensors(), {.lr = 0.1}};
  CHECK_ERROR((WeightAverage{optimizer, {.decay = 1}}), "[average] got decay = 1, expected a number in [0, 1)");
  WeightAverage average{optimizer};
  CHECK_ERROR(average.average(), "[average] got no weights to average, expected at least one update()");
  CHECK_ERROR(AveragedWeights{average}, "expected at least one update()");
  CHECK_ERROR((WeightAverage{optimizer}), "a second entry \"average\" of the saved state");
}
