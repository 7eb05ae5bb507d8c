// ESAM: which tensors it perturbs, which samples it takes, and that it is SAM where it chooses all.
#include "core/random.h"
#include "nn/loss.h"
#include "tests/check.h"
#include "tests/optim/problem.h"
#include "tests/optim/spy.h"

using namespace minima;
using namespace minima::test;
using optim::ESAM;
using optim::SGD;

namespace {

// Four samples: sample i has the loss (x_i . w)^2 / 2 - y_i x_i . w of two weights.
struct Samples {
  Variable w;
  Tensor x = Tensor::from(Vector{1, 0, 0, 1, 2, 1, -1, 3}, {4, 2}), y = Tensor::from(Vector{1, -1, 0.5, 0}, {4, 1});
  std::vector<std::vector<int64_t>> asked{};

  Variable losses(const Tensor& rows) {
    asked.push_back(rows.defined() ? rows.to_vector<int64_t>() : std::vector<int64_t>{});
    const auto of = [&](const Tensor& all) { return Variable(rows.defined() ? core::gather_rows(all, rows) : all); };
    const Variable out = matmul(of(x), reshape(w, {2, 1}));
    return sum(square(out) / 2 - of(y) * out, 1);
  }
};

double sample_loss(const Samples& s, const Vector& w, int64_t i) {
  const double out = s.x.at(2 * i) * w[0] + s.x.at(2 * i + 1) * w[1];
  return out * out / 2 - s.y.at(i) * out;
}

Vector mean_gradient(const Samples& s, const Vector& w, const std::vector<int64_t>& rows) {
  Vector g(2, 0);
  for (const int64_t i : rows) {
    const double out = s.x.at(2 * i) * w[0] + s.x.at(2 * i + 1) * w[1];
    for (int k = 0; k < 2; ++k) g[k] += (out - s.y.at(i)) * s.x.at(2 * i + k) / static_cast<double>(rows.size());
  }
  return g;
}

}  // namespace

TEST_CASE("ESAM that chooses all tensors and all samples is SAM, bit for bit, with either kind of closure") {
  for (const DType dtype : {DType::float32, DType::float64})
    for (const std::string& base : base_names()) {
      const Parameters ours = three_tensors(dtype), theirs = three_tensors(dtype);
      ESAM optimizer{make_base(base, ours), {.rho = 0.3, .beta = 1, .gamma = 1}};
      const auto sam = wrap("sam", make_base(base, theirs), 0.3);
      for (int i = 0; i < 20; ++i) {
        optimizer.step(training([&] { return rugged(ours); }));
        sam->step(training([&] { return rugged(theirs); }));
        for (size_t k = 0; k < ours.size(); ++k) CHECK_SAME_BITS(ours[k].value(), theirs[k].value());
      }
      CHECK(optimizer.gradient_evaluations() == 40);
    }
  Samples ours{leaf({0.3, -0.2})}, theirs{leaf({0.3, -0.2})};
  ESAM optimizer{SGD{{ours.w}, {.lr = 0.1}}, {.rho = 0.3, .beta = 1, .gamma = 1}};
  optim::SAM sam{SGD{{theirs.w}, {.lr = 0.1}}, {.rho = 0.3}};
  for (int i = 0; i < 10; ++i) {
    optimizer.step([&](const Tensor& rows) { return ours.losses(rows); });
    sam.step(training([&] { return mean(theirs.losses(Tensor())); }));
    CHECK_SAME_BITS(ours.w.value(), theirs.w.value());
  }
}

TEST_CASE("ESAM's second gradient is that of the samples whose loss rises most") {
  const double lr = 0.1, rho = 0.4;
  Samples samples{leaf({0.3, -0.2})};
  ESAM optimizer{SGD{{samples.w}, {.lr = lr}}, {.rho = rho, .beta = 1, .gamma = 0.5}};
  std::vector<std::vector<int64_t>> chosen;
  for (int t = 0; t < 5; ++t) {
    const Vector w = values({samples.w}), g = mean_gradient(samples, w, {0, 1, 2, 3});
    Vector up = w, rise(4);
    for (int k = 0; k < 2; ++k) up[k] += rho * g[k] / norm(g);
    for (int64_t i = 0; i < 4; ++i) rise[i] = sample_loss(samples, up, i) - sample_loss(samples, w, i);
    std::vector<int64_t> order{0, 1, 2, 3};
    std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return rise[a] > rise[b]; });
    std::vector<int64_t> two{std::min(order[0], order[1]), std::max(order[0], order[1])};
    samples.asked.clear();
    const double loss = optimizer.step([&](const Tensor& rows) { return samples.losses(rows); }).item();
    CHECK(samples.asked == (std::vector<std::vector<int64_t>>{{}, {}, two}));  // at w, at w + e, and the two there
    double mean = 0;
    for (int64_t i = 0; i < 4; ++i) mean += sample_loss(samples, w, i) / 4;
    CHECK_CLOSE(Vector{loss}, Vector{mean}, {.rtol = 1e-12});
    const Vector g2 = mean_gradient(samples, up, two);
    CHECK_CLOSE(values({samples.w}), (Vector{w[0] - lr * g2[0], w[1] - lr * g2[1]}), {.rtol = 1e-12});
    chosen.push_back(two);
  }
  CHECK(chosen.front() != std::vector<int64_t>{0, 1});  // the choice follows the losses, not the order of the batch
  CHECK(optimizer.gradient_evaluations() == 10);
}

TEST_CASE("ESAM perturbs each tensor whole or not at all, by rho / beta times g / |g| of the whole gradient") {
  const double rho = 0.2, beta = 0.5;
  Spy spy{three_tensors(), {}};
  ESAM optimizer{SGD{spy.parameters, {.lr = 0.01}}, {.rho = rho, .beta = beta, .seed = 3}};
  const std::vector<std::pair<size_t, size_t>> tensors{{0, 2}, {2, 3}, {3, 6}};
  int times[3] = {0, 0, 0};
  const int steps = 200;
  for (int t = 0; t < steps; ++t) {
    const Vector w = values(spy.parameters), g = gradient_at(w);
    spy.seen.clear();
    optimizer.step(spy.closure());
    const Vector e = spy.seen.back() - w;  // with no tensor chosen there is no second pass, and e = 0
    for (size_t i = 0; i < 3; ++i) {
      const auto [begin, end] = tensors[i];
      const bool chosen = e[begin] != 0;
      times[i] += chosen;
      for (size_t k = begin; k < end; ++k)
        CHECK_CLOSE(Vector{e[k]}, Vector{chosen ? rho / beta * g[k] / norm(g) : 0}, {.rtol = 1e-10, .atol = 1e-15});
    }
  }
  for (const int n : times) CHECK(std::abs(n - beta * steps) < 4 * std::sqrt(beta * (1 - beta) * steps));
}

TEST_CASE("the choice of tensors is a function of seed and step, and leaves the default stream alone") {
  const auto seen = [](uint64_t seed) {
    manual_seed(1);
    Spy spy{three_tensors(), {}};
    ESAM optimizer{SGD{spy.parameters, {.lr = 0.01}}, {.rho = 0.2, .seed = seed}};
    for (int t = 0; t < 10; ++t) optimizer.step(spy.closure());
    CHECK(default_generator().offset == 0);
    return spy.seen;
  };
  CHECK(seen(1) == seen(1));
  CHECK(seen(1) != seen(2));
}

TEST_CASE("ESAM without a perturbation takes the base's step on the whole batch, with one gradient") {
  Samples ours{leaf({0.3, -0.2})}, theirs{leaf({0.3, -0.2})};
  ESAM optimizer{SGD{{ours.w}, {.lr = 0.1}}, {.rho = 0, .beta = 0.5, .gamma = 0.5}};
  SGD sgd{{theirs.w}, {.lr = 0.1}};
  for (int i = 0; i < 10; ++i) {
    optimizer.step([&](const Tensor& rows) { return ours.losses(rows); });
    sgd.step(training([&] { return mean(theirs.losses(Tensor())); }));
    CHECK_SAME_BITS(ours.w.value(), theirs.w.value());
  }
  CHECK(optimizer.gradient_evaluations() == 10);
}

TEST_CASE("losses that are not one for each sample asked for are refused, and the weights are the clean ones") {
  Samples samples{leaf({0.3, -0.2})};
  ESAM optimizer{SGD{{samples.w}, {.lr = 0.1}}, {.rho = 0.3, .beta = 1, .gamma = 0.5}};
  CHECK_ERROR(optimizer.step([&](const Tensor&) { return sum(samples.losses(Tensor())); }),
              "[esam] got losses of shape (), expected one for each sample of the batch, (batch,)");
  CHECK_ERROR(optimizer.step([&](const Tensor&) { return samples.losses(Tensor()); }),
              "[esam] got losses of shape (4,), expected one for each of 2 samples");
  CHECK_ERROR(optimizer.step([](const Tensor&) { return Variable(); }), "[esam] got no losses");
  CHECK_SAME_BITS(samples.w.value(), Tensor::from(Vector{0.3, -0.2}));
  CHECK(optimizer.steps() == 0);
}

TEST_CASE("ESAM refuses shares out of range") {
  const auto base = [] { return SGD{{leaf({1})}, {.lr = 0.1}}; };
  CHECK_ERROR((ESAM{base(), {.beta = 0}}), "[esam] got beta = 0, expected a number in (0, 1]");
  CHECK_ERROR((ESAM{base(), {.beta = 1.5}}), "[esam] got beta = 1.5");
  CHECK_ERROR((ESAM{base(), {.gamma = 0}}), "[esam] got gamma = 0, expected a number in (0, 1]");
  CHECK_ERROR((ESAM{base(), {.gamma = NAN}}), "[esam] got gamma = nan");
  CHECK_ERROR((ESAM{base(), {.rho = -1}}), "[esam] got rho = -1 in group 0");
}
