#include "optim/curvature.h"

#include "core/random.h"
#include "tests/check.h"
#include "tests/optim/problem.h"

using namespace minima;
using namespace minima::test;
using optim::Eigenvalue;
using optim::largest_eigenvalue;

namespace {

using Vector = std::vector<double>;

// A small network on fixed data: tanh, so that second derivatives exist everywhere.
struct Network {
  Variable x, w1, b1, w2;
  Tensor labels;

  explicit Network(DType dtype = DType::float64, double scale = 0.5) {
    Generator random{42};
    const auto normal = [&](const Shape& shape, double deviation) {
      return random.normal(shape, 0, deviation, DType::float64).to(dtype);
    };
    x = Variable(normal({20, 6}, 1));
    w1 = Variable(normal({8, 6}, scale), requires_grad);
    b1 = Variable(normal({8}, scale), requires_grad);
    w2 = Variable(normal({3, 8}, scale), requires_grad);
    std::vector<int64_t> classes;
    for (int i = 0; i < 20; ++i) classes.push_back(static_cast<int64_t>(random.below(3)));
    labels = Tensor::from(classes);
  }
  Parameters parameters() const { return {w1, b1, w2}; }
  optim::LossFunction loss() const {
    return [*this] { return cross_entropy(linear(tanh(linear(x, w1, b1)), w2, Variable()), labels); };
  }
};

// The Hessian column by column, from differences of exact gradients: an independent way (error about h^2).
std::vector<Vector> dense_hessian(const Network& network, double h = 1e-4) {
  const Parameters parameters = network.parameters();
  std::vector<Vector> columns;
  for (const Variable& parameter : parameters)
    for (int64_t i = 0; i < parameter.numel(); ++i) {
      double* w = Tensor(parameter.value()).mutable_data<double>() + i;
      const double before = *w;
      const auto gradient_at = [&](double value) {
        *w = value;
        return optim::flat_gradient(network.loss(), parameters).to_vector<double>();
      };
      const Vector up = gradient_at(before + h), down = gradient_at(before - h), up2 = gradient_at(before + 2 * h),
                   down2 = gradient_at(before - 2 * h);
      *w = before;
      Vector column;
      for (size_t k = 0; k < up.size(); ++k) column.push_back((8 * (up[k] - down[k]) - (up2[k] - down2[k])) / (12 * h));
      columns.push_back(column);
    }
  return columns;
}

// The largest eigenvalue of a symmetric matrix by many power steps on A + shift, shift making it positive.
double dense_largest(const std::vector<Vector>& a) {
  const size_t n = a.size();
  double shift = 0;
  for (const Vector& row : a) {
    double sum = 0;
    for (const double value : row) sum += std::abs(value);
    shift = std::max(shift, sum);
  }
  Vector u(n);
  for (size_t i = 0; i < n; ++i) u[i] = 1 + 0.1 * static_cast<double>(i % 7);
  double value = 0;
  for (int step = 0; step < 20000; ++step) {
    Vector next(n, 0);
    for (size_t i = 0; i < n; ++i) {
      next[i] = shift * u[i];
      for (size_t j = 0; j < n; ++j) next[i] += a[i][j] * u[j];
    }
    double squared = 0;
    for (const double x : next) squared += x * x;
    value = std::sqrt(squared);
    for (size_t i = 0; i < n; ++i) u[i] = next[i] / value;
  }
  return value - shift;
}

// sum of h_i w_i^2 / 2 in a rotated basis would have the same spectrum; the diagonal one is read off at once.
optim::LossFunction quadratic(const Variable& w, const Vector& spectrum) {
  const Variable h(Tensor::from(spectrum).to(w.dtype()));
  return [w, h] { return sum(square(w) * h) / 2; };
}

}  // namespace

TEST_CASE("the largest eigenvalue of a known spectrum is found, negative ones notwithstanding") {
  Vector spectrum;
  for (int i = 0; i < 200; ++i) spectrum.push_back(-8 + 0.05 * i);
  spectrum[77] = 3.5;
  const Variable w = leaf(Vector(200, 0.3));
  const Eigenvalue found = largest_eigenvalue(quadratic(w, spectrum), {w}, {.tolerance = 1e-8});
  CHECK_CLOSE(Vector{found.value}, Vector{3.5}, {.rtol = 1e-12, .atol = 0});
  CHECK(found.residual < 1e-8);
  CHECK(found.iterations < 60);
  const Variable f = leaf(Vector(200, 0.3), DType::float32);
  CHECK_CLOSE(Vector{largest_eigenvalue(quadratic(f, spectrum), {f}).value}, Vector{3.5}, {.rtol = 1e-5, .atol = 0});
}

TEST_CASE("a Hessian of one dimension, of rank one, negative or zero is no special case") {
  const Variable one = leaf({2});
  const Eigenvalue single = largest_eigenvalue(quadratic(one, {-3}), {one});
  CHECK_CLOSE(Vector{single.value}, Vector{-3.0}, {.rtol = 1e-14});
  CHECK(single.iterations == 1);
  const Variable w = leaf({1, 2, 3});
  CHECK(largest_eigenvalue(quadratic(w, {1, 2, 3}), {w}, {.tolerance = 0}).iterations ==
        3);  // never more than dimensions
  CHECK_CLOSE(Vector{largest_eigenvalue([&] { return square(sum(w)) / 2; }, {w}).value}, Vector{3.0}, {.rtol = 1e-12});
  const Eigenvalue flat = largest_eigenvalue([&] { return sum(w); }, {w});
  CHECK(flat.value == 0);
  CHECK(flat.residual == 0);
}

TEST_CASE("Hessian-vector products equal the dense Hessian and are symmetric") {
  const Network network;
  const std::vector<Vector> dense = dense_hessian(network);
  const auto n = static_cast<int64_t>(dense.size());
  Generator random{5};
  const Tensor u = random.normal({n}, 0, 1, DType::float64), v = random.normal({n}, 0, 1, DType::float64);
  const auto product = [&](const Tensor& x) {
    return optim::hessian_vector_product(network.loss(), network.parameters(), x);
  };
  const Vector direction = v.to_vector<double>();
  Vector expected(dense.size(), 0);
  for (size_t i = 0; i < dense.size(); ++i)
    for (size_t j = 0; j < dense.size(); ++j) expected[i] += dense[j][i] * direction[j];
  CHECK_CLOSE(product(v).to_vector<double>(), expected, {.rtol = 1e-10, .atol = 1e-10});
  CHECK_CLOSE(Vector{core::dot(u, product(v))}, Vector{core::dot(v, product(u))}, {.rtol = 1e-12});

  const Network single(DType::float32);
  CHECK_CLOSE(
      optim::hessian_vector_product(single.loss(), single.parameters(), v.to(DType::float32)).to_vector<double>(),
      expected, {.rtol = 1e-5, .atol = 1e-5});
}

TEST_CASE("the largest eigenvalue of a network equals the dense Hessian's") {
  const Network network;
  const double expected = dense_largest(dense_hessian(network));
  const Eigenvalue found = largest_eigenvalue(network.loss(), network.parameters(), {.tolerance = 1e-7});
  CHECK_CLOSE(Vector{found.value}, Vector{expected}, {.rtol = 1e-10, .atol = 0});
  const Network single(DType::float32);
  CHECK_CLOSE(Vector{largest_eigenvalue(single.loss(), single.parameters()).value}, Vector{expected},
              {.rtol = 1e-4, .atol = 0});
}

TEST_CASE("the residual is honest: stopped at any time, an eigenvalue lies within it") {
  Vector spectrum;
  for (int i = 0; i < 300; ++i) spectrum.push_back(std::pow(static_cast<double>(i % 50) / 10, 3) + 0.001 * i);
  const Variable w = leaf(Vector(300, 0.3));
  double first = 0, last = 0;
  for (const int iterations : {1, 2, 3, 5, 8, 13, 21, 34}) {
    CAPTURE(iterations);
    const Eigenvalue found =
        largest_eigenvalue(quadratic(w, spectrum), {w}, {.max_iterations = iterations, .tolerance = 1e-15});
    CHECK(found.iterations == iterations);
    double nearest = INFINITY;
    for (const double value : spectrum) nearest = std::min(nearest, std::abs(value - found.value));
    CHECK(nearest <= found.residual * found.value * (1 + 1e-9));
    CHECK(found.value < 1.0001 * *std::max_element(spectrum.begin(), spectrum.end()));  // from below
    (iterations == 1 ? first : last) = found.residual;
  }
  CHECK(first > 0.5);
  CHECK(last < 1e-3);
}

TEST_CASE("Lanczos stops when its residual is below the tolerance, and then it is") {
  const Network network;
  int before = 0;
  for (const double tolerance : {1e-1, 1e-3, 1e-6, 1e-9}) {
    const Eigenvalue found = largest_eigenvalue(network.loss(), network.parameters(), {.tolerance = tolerance});
    CAPTURE(tolerance);
    CHECK(found.residual < tolerance * 1.01);
    CHECK(found.iterations > before);
    before = found.iterations;
  }
}

TEST_CASE("the start vector comes from the seed, and the result does not depend on it") {
  const Network network;
  const auto at = [&](uint64_t seed, double tolerance) {
    return largest_eigenvalue(network.loss(), network.parameters(), {.tolerance = tolerance, .seed = seed}).value;
  };
  CHECK(at(1, 1e-3) == at(1, 1e-3));
  CHECK(at(1, 1e-3) != at(2, 1e-3));
  CHECK_CLOSE(Vector{at(1, 1e-8)}, Vector{at(2, 1e-8)}, {.rtol = 1e-12});
}

TEST_CASE("frozen parameters stand still: the curvature is that of the others") {
  Network network;
  network.w2.set_requires_grad(false);
  const double partly = largest_eigenvalue(network.loss(), network.parameters(), {.tolerance = 1e-8}).value;
  const double alone = largest_eigenvalue(network.loss(), {network.w1, network.b1}, {.tolerance = 1e-8}).value;
  CHECK_CLOSE(Vector{partly}, Vector{alone}, {.rtol = 1e-10});
  const Variable frozen = leaf({1});
  Variable(frozen).set_requires_grad(false);
  CHECK_ERROR(largest_eigenvalue([&] { return sum(frozen); }, {frozen}), "no trainable parameter");
}

TEST_CASE("measuring curvature changes no weight, gradient or random number") {
  const Network network;
  optim::SGD optimizer{network.parameters(), {.lr = 0.1, .momentum = 0.9}};
  optimizer.step(training(network.loss()));
  const Tensor weights = network.w1.value().clone(), gradient = network.w1.grad().clone();
  manual_seed(9);
  largest_eigenvalue(network.loss(), network.parameters());
  optim::sharpness(network.loss(), network.parameters(), optimizer.momentum(), 0.5);
  optim::flat_gradient(network.loss(), network.parameters());
  CHECK_SAME_BITS(network.w1.value(), weights);
  CHECK_SAME_BITS(network.w1.grad(), gradient);
  CHECK(default_generator().offset == 0);
}

TEST_CASE("sharpness is the rise of the loss at distance rho along a direction, whatever the direction's length") {
  const Variable w = leaf({3, 0}), b = leaf({0});
  const auto loss = [&] { return sum(square(w)) + sum(square(b)) * 10; };
  const auto [at, ahead, behind] = optim::sharpness(loss, {w, b}, Tensor::from(Vector{7, 0, 0}), 0.5);
  CHECK(at == 9);
  CHECK_CLOSE(Vector{ahead}, Vector{3.5 * 3.5}, {.rtol = 1e-15});
  CHECK_CLOSE(Vector{behind}, Vector{2.5 * 2.5}, {.rtol = 1e-15});
  CHECK_CLOSE(Vector{optim::sharpness(loss, {w, b}, optim::flat_gradient(loss, {w, b}), 0.5).rise()},
              Vector{3.5 * 3.5 - 9}, {.rtol = 1e-14});
  CHECK_CLOSE(Vector{optim::sharpness(loss, {w, b}, Tensor::from(Vector{0, 0, -2}), 0.5).rise()}, Vector{2.5},
              {.rtol = 1e-14});
  CHECK_SAME_BITS(w.value(), Tensor::from(Vector{3, 0}));
}

TEST_CASE("sharpness restores the weights when the loss throws") {
  const Variable w = leaf({3, 0});
  int calls = 0;
  const auto loss = [&] {
    if (++calls == 2) throw std::runtime_error("no");
    return sum(square(w));
  };
  CHECK_THROWS_AS(optim::sharpness(loss, {w}, Tensor::from(Vector{1, 1}), 0.5), std::runtime_error);
  CHECK_SAME_BITS(w.value(), Tensor::from(Vector{3, 0}));
}

TEST_CASE("impossible requests are refused") {
  const Variable w = leaf({3, 0});
  const auto loss = [&] { return sum(square(w)); };
  CHECK_ERROR(largest_eigenvalue(loss, {}), "[curvature] got no parameters");
  CHECK_ERROR(largest_eigenvalue(loss, {w}, {.max_iterations = 0}), "max_iterations = 0");
  CHECK_ERROR(optim::sharpness(loss, {w}, Tensor::from(Vector{1, 1}), 0), "rho = 0");
  CHECK_ERROR(optim::sharpness(loss, {w}, Tensor::from(Vector{0, 0}), 1), "a direction of norm 0");
  CHECK_ERROR(optim::sharpness(loss, {w}, Tensor::from(Vector{1}), 1),
              "a vector of float64 (1,), expected float64 (2,)");
  CHECK_ERROR(optim::hessian_vector_product(loss, {w}, Tensor::zeros({2})), "a vector of float32 (2,)");
}
