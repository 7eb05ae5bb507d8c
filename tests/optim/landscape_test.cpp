#include "optim/analysis/landscape.h"

#include "core/random.h"
#include "nn/batch_norm.h"
#include "nn/containers.h"
#include "nn/layers.h"
#include "nn/loss.h"
#include "tests/check.h"
#include "tests/optim/problem.h"

using namespace minima;
using namespace minima::test;

namespace {

using Vector = std::vector<double>;

Tensor vector_of(const Vector& values, DType dtype = DType::float64) { return Tensor::from(values).to(dtype); }

// A convolutional network with batch norm, after one training step, in eval mode; with its loss on a fixed sample.
struct Images {
  nn::Sequential model{nn::Conv2d{2, 4, 3}, nn::BatchNorm2d{4}, nn::ReLU{}, nn::Flatten{}, nn::Linear{64, 3}};
  Variable x{Generator{1}.normal({9, 6, 6, 2})};
  Tensor labels = Tensor::from(std::vector<int64_t>{0, 1, 2, 0, 1, 2, 0, 1, 2});

  Images() {
    optim::SGD optimizer{model.parameters(), {.lr = 0.1}};
    optimizer.step(training(loss()));
    model.eval();
  }
  optim::LossFunction loss() {
    return [this] { return nn::cross_entropy(model(x), labels); };
  }
};

// Everything of landscape.h that calls the loss, once each.
void measure_everything(const optim::LossFunction& loss, const Parameters& parameters) {
  const Tensor w = optim::flat_weights(parameters);
  const Tensor u = optim::filter_normalised_direction(parameters, 1),
               v = optim::filter_normalised_direction(parameters, 2);
  optim::sharpness(loss, parameters, u, 0.5);
  optim::losses_along(loss, parameters, w, u, {-1, 1});
  optim::interpolation(loss, parameters, w, u, {0.3});
  optim::losses_on(loss, parameters, {w, u, v}, {-1, 1}, {0.5});
}

}  // namespace

TEST_CASE("flat weights are a copy of all parameters in their order, frozen ones too, and can be put back") {
  Variable a = leaf({1, 2}), b(vector_of({3, 4, 5, 6}).reshape({2, 2}), requires_grad);
  b.set_requires_grad(false);
  const Tensor w = optim::flat_weights({a, b});
  CHECK_SAME_BITS(w, vector_of({1, 2, 3, 4, 5, 6}));
  optim::set_weights({a, b}, vector_of({6, 5, 4, 3, 2, 1}));
  CHECK_SAME_BITS(a.value(), vector_of({6, 5}));
  CHECK_SAME_BITS(b.value(), vector_of({4, 3, 2, 1}).reshape({2, 2}));
  CHECK_SAME_BITS(w, vector_of({1, 2, 3, 4, 5, 6}));
}

// ---- directions

TEST_CASE("a filter-normalised direction has the weights' norm row by row, and is zero for vectors") {
  Images images;
  const auto parameters = images.model.named_parameters();
  const Tensor d = optim::filter_normalised_direction(images.model.parameters(), 7);
  int64_t begin = 0;
  int rows_seen = 0;
  for (const auto& [name, parameter] : parameters) {
    CAPTURE(name);
    const Tensor part = d.slice(begin, begin + parameter.numel());
    begin += parameter.numel();
    if (parameter.shape().rank() == 1) {
      CHECK(core::norm(part).item() == 0);
      continue;
    }
    const Tensor got = part.reshape(parameter.shape());
    for (int64_t row = 0; row < parameter.size(0); ++row, ++rows_seen)
      CHECK_CLOSE(core::norm(got.slice(row, row + 1)).item(), core::norm(parameter.value().slice(row, row + 1)).item(),
                  {.rtol = 1e-6, .atol = 0});
  }
  CHECK(rows_seen == 4 + 3);
  CHECK_SAME_BITS(d, optim::filter_normalised_direction(images.model.parameters(), 7));
  const Tensor other = optim::filter_normalised_direction(images.model.parameters(), 8);
  CHECK(std::abs(core::dot(d, other).item()) < 0.5 * core::norm(d).item() * core::norm(other).item());
}

TEST_CASE("slices along filter-normalised directions do not see a rescaling of relu layers, which plain noise sees") {
  const Tensor x = Generator{1}.normal({10, 4}, 0, 1, DType::float64);
  const Tensor labels = Tensor::from(std::vector<int64_t>{0, 1, 2, 0, 1, 2, 0, 1, 2, 0});
  const Tensor noise = Generator{9}.normal({4 * 6 + 6 * 3}, 0, 1, DType::float64);
  std::vector<Vector> filtered, plain;
  for (const double factor : {1.0, 4.0}) {
    const auto weight = [](uint64_t seed, const Shape& shape, double scale) {
      return Variable(Generator{seed}.normal(shape, 0, scale, DType::float64), requires_grad);
    };
    const Variable w1 = weight(2, {6, 4}, factor), w2 = weight(3, {3, 6}, 1 / factor);
    const auto loss = [&] {
      return mean(cross_entropies(linear(relu(linear(Variable(x), w1, Variable())), w2, Variable()), labels));
    };
    const Tensor w = optim::flat_weights({w1, w2}), d = optim::filter_normalised_direction({w1, w2}, 5);
    filtered.push_back(optim::losses_along(loss, {w1, w2}, w, d, {-1, -0.5, 0, 0.5, 1}));
    plain.push_back(optim::losses_along(loss, {w1, w2}, w, noise, {-1, -0.5, 0, 0.5, 1}));
  }
  CHECK_CLOSE(filtered[1], filtered[0], {.rtol = 1e-12});
  CHECK(std::abs(plain[1][3] - plain[0][3]) > 0.1);
}

TEST_CASE("sharpness is the rise of the loss at distance rho along a direction, whatever the direction's length") {
  const Variable w = leaf({3, 0}), b = leaf({0});
  const auto loss = [&] { return sum(square(w)) + sum(square(b)) * 10; };
  const auto found = optim::sharpness(loss, {w, b}, vector_of({7, 0, 0}), 0.5);
  const auto [at, ahead, behind] = found;
  CHECK(at == 9);
  CHECK_CLOSE(ahead, 3.5 * 3.5, {.rtol = 1e-15});
  CHECK_CLOSE(behind, 2.5 * 2.5, {.rtol = 1e-15});
  CHECK_CLOSE((found.ahead + found.behind) / 2 - found.loss, 0.5 * 0.5 / 2 * 2,
              {.rtol = 1e-13});  // the curvature is 2, the slope cancels
  CHECK_CLOSE(optim::sharpness(loss, {w, b}, optim::flat_gradient(loss, {w, b}), 0.5).rise(), 3.5 * 3.5 - 9,
              {.rtol = 1e-14});
  CHECK_CLOSE(optim::sharpness(loss, {w, b}, vector_of({0, 0, -2}), 0.5).rise(), 2.5, {.rtol = 1e-14});
}

// ---- lines

TEST_CASE("a slice holds the losses at from + alpha * direction, at 0 the very loss of the weights") {
  const Variable w = leaf({1, 2});
  const auto loss = [&] { return sum(square(w)); };
  CHECK_CLOSE(optim::losses_along(loss, {w}, vector_of({1, 2}), vector_of({3, -1}), {-1, 0, 2}),
              Vector({4 + 9, 5, 49 + 0}), {.rtol = 1e-15});
  CHECK_CLOSE(optim::losses_along(loss, {w}, vector_of({0, 0}), vector_of({3, -1}), {1}), Vector{10}, {.rtol = 1e-15});
  Images images;
  const Parameters parameters = images.model.parameters();
  const Tensor from = optim::flat_weights(parameters), u = optim::filter_normalised_direction(parameters, 1),
               v = optim::filter_normalised_direction(parameters, 2);
  const double here = images.loss()().item();
  CHECK(optim::losses_along(images.loss(), parameters, from, u, {0, 1})[0] == here);
  CHECK(optim::losses_on(images.loss(), parameters, {from, u, v}, {0, 1}, {0, 1})[0] == here);
  CHECK(optim::sharpness(images.loss(), parameters, u, 0.1).loss == here);
}

TEST_CASE("an interpolation ends exactly at both losses and runs straight between") {
  Images images;
  const Parameters parameters = images.model.parameters();
  const Tensor a = optim::flat_weights(parameters), b = Generator{4}.normal(a.shape(), 0, 0.3);
  optim::set_weights(parameters, b);
  const double loss_b = images.loss()().item();
  optim::set_weights(parameters, a);
  const auto losses = optim::interpolation(images.loss(), parameters, a, b, {0, 1});
  CHECK(losses[0] == images.loss()().item());
  CHECK(losses[1] == loss_b);
  const Variable w = leaf({0});
  CHECK(optim::interpolation([&] { return sum(w); }, {w}, vector_of({1e17}), vector_of({1}), {1}) == Vector{1});
  CHECK_CLOSE(optim::interpolation([&] { return sum(w); }, {w}, vector_of({2}), vector_of({10}), {0.25, 0.5, 1.5}),
              Vector({4, 6, 14}), {.rtol = 1e-15});
}

// ---- planes

TEST_CASE("a plane's losses come row by row: all alphas at the first beta, then at the next") {
  const Variable w = leaf({0, 0});
  const auto loss = [&] { return sum(slice(w, 0, 0, 1) * 100 + slice(w, 0, 1, 2)); };
  CHECK_CLOSE(optim::losses_on(loss, {w}, {vector_of({5, 0}), vector_of({1, 0}), vector_of({0, 1})}, {1, 2, 3}, {7, 8}),
              Vector({607, 707, 807, 608, 708, 808}), {.rtol = 1e-14});
}

// ---- what must not change, and errors

TEST_CASE("frozen parameters stand still in slices, planes and interpolations") {
  const Variable w = leaf({1}), frozen = leaf({2});
  Variable(frozen).set_requires_grad(false);
  const auto loss = [&] { return sum(w * 10 + frozen); };
  const Tensor from = vector_of({1, 5}), d = vector_of({1, 7}), only_frozen = vector_of({0, 1});
  CHECK(optim::losses_along(loss, {w, frozen}, from, d, {1}) == Vector{22});
  CHECK(optim::interpolation(loss, {w, frozen}, from, d, {1}) == Vector{12});
  CHECK(optim::losses_on(loss, {w, frozen}, {from, d, d}, {1}, {1}) == Vector{32});
  CHECK_CLOSE(optim::sharpness(loss, {w, frozen}, d, 0.5).ahead, 17.0, {.rtol = 1e-15});
  CHECK_ERROR(optim::sharpness(loss, {w, frozen}, only_frozen, 1), "a direction of norm 0");
  const Variable matrix(Tensor::full({2, 2}, 1.0), requires_grad), still(Tensor::full({2, 2}, 1.0), requires_grad);
  Variable(still).set_requires_grad(false);
  CHECK(core::norm(optim::filter_normalised_direction({matrix, still}, 1).slice(4, 8)).item() == 0);
}

TEST_CASE("measuring changes no weight, gradient, running statistic or random number, and records nothing") {
  Images images;
  std::vector<Tensor> live, before;
  for (const Variable& parameter : images.model.parameters())
    live.push_back(parameter.value()), live.push_back(parameter.grad());
  for (const auto& [name, buffer] : images.model.named_buffers()) live.push_back(buffer);
  CHECK(live.size() == 2 * 6 + 3);
  for (const Tensor& tensor : live) before.push_back(tensor.clone());
  manual_seed(9);
  bool recorded = false;
  measure_everything([&] { return recorded = recorded || grad_enabled(), images.loss()(); }, images.model.parameters());
  for (size_t i = 0; i < live.size(); ++i) CHECK_SAME_BITS(live[i], before[i]);
  CHECK(default_generator().offset == 0);
  CHECK(!recorded);
  CHECK(grad_enabled());
}

TEST_CASE("the weights are put back when the loss throws, at whichever call") {
  const Variable w(Generator{1}.normal({3, 4}), requires_grad);
  const Tensor before = w.value().clone();
  int calls = 0;
  measure_everything([&] { return ++calls, sum(square(w)); }, {w});
  CHECK(calls == 3 + 2 + 1 + 2);
  for (int failing = 1; failing <= calls; ++failing) {
    int call = 0;
    const auto loss = [&] {
      if (++call == failing) throw std::runtime_error("no");
      return sum(square(w));
    };
    CHECK_THROWS_AS(measure_everything(loss, {w}), std::runtime_error);
    CHECK_SAME_BITS(w.value(), before);
  }
}

TEST_CASE("impossible requests are refused") {
  const Variable w = leaf({3, 0});
  const Parameters p{w};
  const auto loss = [&] { return sum(square(w)); };
  const Tensor v = vector_of({1, 1}), zero = vector_of({0, 0}), shorter = vector_of({1});
  CHECK_ERROR(optim::sharpness(loss, {}, v, 1), "[sharpness] got no parameters");
  CHECK_ERROR(optim::sharpness(loss, p, v, 0), "[sharpness] got rho = 0, expected a finite number above 0");
  CHECK_ERROR(optim::sharpness(loss, p, zero, 1),
              "[sharpness] got a direction of norm 0, expected a finite one above 0");
  CHECK_ERROR(optim::sharpness(loss, p, shorter, 1), "a vector of float64 (1,), expected float64 (2,)");
  CHECK_ERROR(optim::losses_along(loss, p, v, zero, {1}), "[losses_along] got a direction of norm 0");
  CHECK_ERROR(optim::losses_along(loss, p, v, vector_of({NAN, 1}), {1}), "a direction of norm nan");
  CHECK_ERROR(optim::losses_along(loss, p, v, v, {}), "[losses_along] got no alphas, expected at least one");
  CHECK_ERROR(optim::losses_along(loss, p, shorter, v, {1}), "[losses_along] got a vector of float64 (1,)");
  CHECK_ERROR(optim::interpolation(loss, p, v, v, {}), "[interpolation] got no alphas");
  CHECK_ERROR(optim::interpolation(loss, p, v, shorter, {0}), "[interpolation] got a vector of float64 (1,)");
  CHECK_ERROR(optim::losses_on(loss, p, {v, v, zero}, {0}, {0}), "[losses_on] got a direction of norm 0");
  CHECK_ERROR(optim::losses_on(loss, p, {v, v, v}, {0}, {}), "[losses_on] got no betas");
  CHECK_ERROR(optim::set_weights(p, shorter), "[set_weights] got a vector of float64 (1,)");
  CHECK_ERROR(optim::losses_along([&] { return sum(log(w)); }, p, v, v, {0, -3}),
              "[losses_along] got a loss of nan at alpha = -3, expected a finite number. Look at a smaller range.");
  CHECK_SAME_BITS(w.value(), vector_of({3, 0}));
}
