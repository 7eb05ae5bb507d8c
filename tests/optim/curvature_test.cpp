#include "optim/analysis/curvature.h"

#include <algorithm>

#include "core/random.h"
#include "nn/batch_norm.h"
#include "nn/containers.h"
#include "nn/layers.h"
#include "nn/loss.h"
#include "optim/analysis/jacobi.h"
#include "tests/check.h"
#include "tests/optim/problem.h"

using namespace minima;
using namespace minima::test;
using optim::Eigenvalue;
using optim::largest_eigenvalue;
using optim::top_eigenvalues;
using optim::detail::Matrix;

namespace {

using Vector = std::vector<double>;

// A small network of 189 weights on fixed data: tanh, so that second derivatives exist everywhere. The weights are
// float32 numbers in float64 too: what differs between the two is arithmetic.
struct Network {
  Variable x, w1, b1, w2;
  Tensor labels;

  explicit Network(DType dtype = DType::float64) {
    Generator random{42};
    const auto normal = [&](const Shape& shape, double deviation) {
      return random.normal(shape, 0, deviation, DType::float64).to(DType::float32).to(dtype);
    };
    x = Variable(normal({20, 5}, 1));
    w1 = Variable(normal({21, 5}, 0.5), requires_grad);
    b1 = Variable(normal({21}, 0.5), requires_grad);
    w2 = Variable(normal({3, 21}, 0.5), requires_grad);
    std::vector<int64_t> classes;
    for (int i = 0; i < 20; ++i) classes.push_back(static_cast<int64_t>(random.below(3)));
    labels = Tensor::from(classes);
  }
  Parameters parameters() const { return {w1, b1, w2}; }
  optim::LossFunction loss() const {
    return [*this] { return mean(cross_entropies(linear(tanh(linear(x, w1, b1)), w2, Variable()), labels)); };
  }
};

Vector joined_values(const std::vector<Variable>& parts) {
  Vector all;
  for (const Variable& part : parts)
    for (const double value : part.value().to_vector<double>()) all.push_back(value);
  return all;
}

// The Hessian row by row: each element of the gradient differentiated on its own.
Matrix dense_hessian(const Network& network) {
  const Parameters parameters = network.parameters();
  Matrix rows;
  for (const Variable& part : grad(network.loss()(), parameters, {.create_graph = true}))
    for (int64_t i = 0; i < part.numel(); ++i)
      rows.push_back(joined_values(grad(slice(reshape(part, {-1}), 0, i, i + 1), parameters, {.retain_graph = true})));
  return rows;
}

double largest_element(const Matrix& a) {
  double largest = 0;
  for (const Vector& row : a)
    for (const double value : row) largest = std::max(largest, std::abs(value));
  return largest;
}

optim::LossFunction quadratic(const Variable& w, const Vector& spectrum) {
  const Variable h(Tensor::from(spectrum).to(w.dtype()));
  return [w, h] { return sum(square(w) * h) / 2; };
}

// The same spectrum with eigenvectors that lie along no axis: w is mirrored first.
optim::LossFunction mirrored_quadratic(const Variable& w, const Vector& spectrum) {
  const Variable h(Tensor::from(spectrum).to(w.dtype()));
  const Tensor normal = Generator{3}.normal(w.shape(), 0, 1, DType::float64);
  const Variable mirror(core::unary(core::UnaryOp::affine, normal, 1 / core::norm(normal).item(), 0).to(w.dtype()));
  return [w, h, mirror] { return sum(square(w - mirror * (2 * sum(w * mirror))) * h) / 2; };
}

Vector values_of(const std::vector<optim::Eigenpair>& pairs) {
  Vector values;
  for (const auto& pair : pairs) values.push_back(pair.value);
  return values;
}

void check_orthonormal(const std::vector<optim::Eigenpair>& pairs, double tolerance) {
  for (size_t i = 0; i < pairs.size(); ++i)
    for (size_t j = 0; j <= i; ++j)
      CHECK_CLOSE(core::dot(pairs[i].vector, pairs[j].vector).item(), i == j ? 1.0 : 0.0,
                  {.rtol = 0, .atol = tolerance});
}

}  // namespace

// ---- products

TEST_CASE("Hessian-vector products equal the dense Hessian to 1e-10 in float64 and 1e-5 in float32") {
  const Network network, single(DType::float32);
  const Matrix dense = dense_hessian(network);
  const auto n = static_cast<int64_t>(dense.size());
  CHECK(n == 189);
  const double scale = largest_element(dense);
  for (int64_t column = 0; column < n; ++column) {
    Tensor unit = Tensor::zeros({n}, DType::float64);
    unit.mutable_data<double>()[column] = 1;
    Vector expected;
    for (const Vector& row : dense) expected.push_back(row[static_cast<size_t>(column)]);
    CHECK_CLOSE(optim::hessian_vector_product(network.loss(), network.parameters(), unit).to_vector<double>(), expected,
                {.rtol = 1e-10, .atol = 1e-12 * scale});
    CHECK_CLOSE(
        optim::hessian_vector_product(single.loss(), single.parameters(), unit.to(DType::float32)).to_vector<double>(),
        expected, {.rtol = 1e-5, .atol = 1e-5 * scale});
  }
}

TEST_CASE("Hessian-vector products equal central differences of the gradient, and are symmetric") {
  const Network network;
  const Parameters parameters = network.parameters();
  const auto product = [&](const Tensor& x) { return optim::hessian_vector_product(network.loss(), parameters, x); };
  Generator random{5};
  const Tensor u = random.normal({189}, 0, 1, DType::float64), v = random.normal({189}, 0, 1, DType::float64);
  const Tensor exact = product(v);
  CHECK_CLOSE(core::dot(u, exact).item(), core::dot(v, product(u)).item(), {.rtol = 1e-12});

  const double h = 1e-5;
  const auto step = [&](double distance) {
    int64_t begin = 0;
    for (const Variable& parameter : parameters) {
      Tensor value = parameter.value();
      core::add_scaled(value, distance, v.slice(begin, begin + value.numel()).reshape(value.shape()));
      begin += value.numel();
    }
  };
  step(h);
  Tensor difference = optim::flat_gradient(network.loss(), parameters);
  step(-2 * h);
  core::add_scaled(difference, -1, optim::flat_gradient(network.loss(), parameters));
  CHECK_CLOSE(core::unary(core::UnaryOp::affine, difference, 1 / (2 * h), 0), exact, {.rtol = 1e-6, .atol = 1e-7});
}

// ---- eigenvalues

TEST_CASE("the k largest eigenvalues of a known spectrum are found, negative ones notwithstanding") {
  Vector spectrum;
  for (int i = 0; i < 200; ++i) spectrum.push_back(-8 + 0.05 * i);  // up to 1.95
  spectrum[77] = 3.5, spectrum[12] = 2.9, spectrum[150] = 2.6, spectrum[3] = 2.4, spectrum[199] = 2.2;
  const Vector expected{3.5, 2.9, 2.6, 2.4, 2.2};
  const Variable w = leaf(Vector(200, 0.3));
  for (const bool mirrored : {false, true}) {
    CAPTURE(mirrored);
    const auto loss = mirrored ? mirrored_quadratic(w, spectrum) : quadratic(w, spectrum);
    const auto pairs = top_eigenvalues(loss, {w}, 5, {.tolerance = 1e-6});
    CHECK_CLOSE(values_of(pairs), expected, {.rtol = 1e-10, .atol = 0});
    check_orthonormal(pairs, 1e-12);
    CHECK(pairs[0].iterations < 100);
    for (const auto& pair : pairs) CHECK(pair.residual < 1e-6);
    if (!mirrored) CHECK_CLOSE(std::abs(pairs[1].vector.at(12)), 1.0, {.rtol = 1e-10});
  }
  const Variable f = leaf(Vector(200, 0.3), DType::float32);
  const auto pairs = top_eigenvalues(mirrored_quadratic(f, spectrum), {f}, 5, {.tolerance = 1e-5});
  CHECK_CLOSE(values_of(pairs), expected, {.rtol = 1e-6, .atol = 0});
  check_orthonormal(pairs, 1e-5);
}

TEST_CASE("an eigenvalue far above the others is found once: the basis stays orthogonal") {
  Vector spectrum;
  for (int i = 0; i < 300; ++i) spectrum.push_back(i / 300.0);
  spectrum[10] = 1000, spectrum[20] = 1.3, spectrum[30] = 1.2;
  for (const DType dtype : {DType::float64, DType::float32}) {
    CAPTURE(name_of(dtype));
    const Variable w = leaf(Vector(300, 0.3), dtype);
    const auto pairs = top_eigenvalues(quadratic(w, spectrum), {w}, 3, {.max_iterations = 80, .tolerance = 1e-12});
    CHECK_CLOSE(values_of(pairs), Vector({1000, 1.3, 1.2}),
                {.rtol = dtype == DType::float64 ? 1e-12 : 1e-5, .atol = 0});
  }
}

TEST_CASE("a Hessian of one dimension, of rank one, negative or zero is no special case") {
  const Variable one = leaf({2});
  const Eigenvalue single = largest_eigenvalue(quadratic(one, {-3}), {one});
  CHECK_CLOSE(single.value, -3.0, {.rtol = 1e-14});
  CHECK(single.iterations == 1);
  const Variable w = leaf({1, 2, 3});
  const auto all = top_eigenvalues(quadratic(w, {1, 2, 3}), {w}, 3, {.tolerance = 0});
  CHECK(all[0].iterations == 3);  // never more than dimensions
  CHECK_CLOSE(values_of(all), Vector({3, 2, 1}), {.rtol = 1e-13});
  CHECK_CLOSE(values_of(top_eigenvalues([&] { return square(sum(w)) / 2; }, {w}, 3)), Vector({3, 0, 0}),
              {.rtol = 1e-12, .atol = 1e-14});
  for (const auto& flat : top_eigenvalues([&] { return sum(w); }, {w}, 3)) {
    CHECK(flat.value == 0);
    CHECK(flat.residual == 0);
  }
}

TEST_CASE("an eigenvalue that the Hessian has twice is listed once, until the Krylov space ends") {
  const Variable w = leaf({1, 1, 1, 1, 1});
  const auto loss = mirrored_quadratic(w, {5, 5, 3, 2, 1});
  CHECK_CLOSE(values_of(top_eigenvalues(loss, {w}, 2, {.tolerance = 1e-9})), Vector({5, 3}), {.rtol = 1e-12});
  const auto all = top_eigenvalues(loss, {w}, 5, {.tolerance = 1e-9});
  CHECK_CLOSE(values_of(all), Vector({5, 5, 3, 2, 1}), {.rtol = 1e-12});
  check_orthonormal(all, 1e-12);
  CHECK_CLOSE(values_of(top_eigenvalues(quadratic(w, {2, 2, 2, 2, 2}), {w}, 4)), Vector({2, 2, 2, 2}), {.rtol = 1e-14});
}

TEST_CASE("the largest eigenvalues of a network equal the dense Hessian's") {
  const Network network, single(DType::float32);
  Vector expected = optim::detail::symmetric_eigensystem(dense_hessian(network)).values;
  expected.resize(5);
  const auto pairs = top_eigenvalues(network.loss(), network.parameters(), 5, {.tolerance = 1e-7});
  CHECK_CLOSE(values_of(pairs), expected, {.rtol = 1e-10, .atol = 0});
  CHECK_CLOSE(values_of(top_eigenvalues(single.loss(), single.parameters(), 5)), expected, {.rtol = 1e-4, .atol = 0});
  CHECK_CLOSE(largest_eigenvalue(network.loss(), network.parameters()).value, expected[0], {.rtol = 1e-6, .atol = 0});
}

TEST_CASE("residuals are honest: stopped at any time, each eigenvalue lies within its own of a true one") {
  Vector spectrum;
  for (int i = 0; i < 300; ++i) spectrum.push_back(std::pow(static_cast<double>(i % 50) / 10, 3) + 0.001 * i);
  const Variable w = leaf(Vector(300, 0.3));
  Vector first, last;
  for (const int iterations : {3, 5, 8, 13, 21, 34, 55}) {
    CAPTURE(iterations);
    const auto pairs =
        top_eigenvalues(quadratic(w, spectrum), {w}, 3, {.max_iterations = iterations, .tolerance = 1e-15});
    Vector residuals;
    for (const auto& found : pairs) {
      CHECK(found.iterations == iterations);
      double nearest = INFINITY;
      for (const double value : spectrum) nearest = std::min(nearest, std::abs(value - found.value));
      CHECK(nearest <= found.residual * std::abs(found.value) * (1 + 1e-9));
      CHECK(found.value < 1.0001 * *std::max_element(spectrum.begin(), spectrum.end()));  // from below
      residuals.push_back(found.residual);
    }
    (iterations == 3 ? first : last) = residuals;
  }
  for (const double residual : first) CHECK(residual > 0.1);
  CHECK(last[0] < 1e-3);
  CHECK(last[0] < last[2]);
}

TEST_CASE("Lanczos stops when all residuals are below the tolerance, and then they are") {
  const Network network;
  int before = 0;
  for (const double tolerance : {1e-1, 1e-3, 1e-6, 1e-9}) {
    CAPTURE(tolerance);
    const auto pairs = top_eigenvalues(network.loss(), network.parameters(), 3, {.tolerance = tolerance});
    for (const auto& pair : pairs) CHECK(pair.residual < tolerance * 1.01);
    CHECK(pairs[0].iterations > before);
    before = pairs[0].iterations;
  }
}

TEST_CASE("the start vector comes from the seed, and the result does not depend on it") {
  const Network network;
  const auto at = [&](uint64_t seed, double tolerance) {
    return largest_eigenvalue(network.loss(), network.parameters(), {.tolerance = tolerance, .seed = seed}).value;
  };
  CHECK(at(1, 1e-3) == at(1, 1e-3));
  CHECK(at(1, 1e-3) != at(2, 1e-3));
  CHECK_CLOSE(at(1, 1e-8), at(2, 1e-8), {.rtol = 1e-12});
}

// ---- trace

TEST_CASE("the trace is that of the dense Hessian within four standard errors") {
  const Network network, single(DType::float32);
  const Matrix dense = dense_hessian(network);
  double trace = 0, off_diagonal = 0;  // of the latter the sum of squares, which makes the estimator's variance
  for (size_t i = 0; i < dense.size(); ++i) {
    trace += dense[i][i];
    for (size_t j = 0; j < dense.size(); ++j) off_diagonal += i == j ? 0 : dense[i][j] * dense[i][j];
  }
  for (const Network& net : {network, single}) {
    const auto found = optim::hessian_trace(net.loss(), net.parameters(), {.samples = 400});
    CHECK(found.samples == 400);
    CHECK_CLOSE(found.standard_error, std::sqrt(2 * off_diagonal / 400), {.rtol = 0.15});
    CHECK(std::abs(found.value - trace) < 4 * found.standard_error);
  }
}

TEST_CASE("the trace of a diagonal Hessian is exact: signs cancel in every sample") {
  const Variable w = leaf({1, 2, 3});
  const auto [value, standard_error, samples] = optim::hessian_trace(quadratic(w, {4, -1, 0.5}), {w}, {.samples = 2});
  CHECK(value == 3.5);
  CHECK(standard_error == 0);
}

TEST_CASE("the standard error of the trace falls as 1 / sqrt(samples), and estimates scatter by it") {
  const Network network;
  const auto estimate = [&](int samples, uint64_t seed) {
    return optim::hessian_trace(network.loss(), network.parameters(), {.samples = samples, .seed = seed});
  };
  CHECK_CLOSE(estimate(1600, 1).standard_error, estimate(100, 2).standard_error / 4, {.rtol = 0.2});
  const double truth = estimate(4000, 3).value;
  double squares = 0;
  for (uint64_t seed = 10; seed < 50; ++seed) {
    const auto found = estimate(40, seed);
    squares += std::pow((found.value - truth) / found.standard_error, 2) / 40;
  }
  CHECK_CLOSE(std::sqrt(squares), 1.0, {.rtol = 0.3});
}

// ---- what must not change, and errors

TEST_CASE("frozen parameters stand still: the curvature is that of the others") {
  Network network;
  network.w2.set_requires_grad(false);
  const Parameters some{network.w1, network.b1};
  const auto partly = top_eigenvalues(network.loss(), network.parameters(), 2, {.tolerance = 1e-8});
  CHECK_CLOSE(values_of(partly), values_of(top_eigenvalues(network.loss(), some, 2, {.tolerance = 1e-8})),
              {.rtol = 1e-10});
  CHECK(core::norm(partly[0].vector.slice(126, 189)).item() == 0);
  const auto trace = optim::hessian_trace(network.loss(), {network.w2, network.w1, network.b1}, {.samples = 200});
  const auto alone = optim::hessian_trace(network.loss(), some, {.samples = 200});
  CHECK(std::abs(trace.value - alone.value) < 4 * (trace.standard_error + alone.standard_error));
  const Variable frozen = leaf({1});
  Variable(frozen).set_requires_grad(false);
  CHECK_ERROR(largest_eigenvalue([&] { return sum(frozen); }, {frozen}), "no trainable parameter");
}

TEST_CASE("the gradient's graph is built once for all products") {
  const Network network;
  int calls = 0;
  const auto loss = [&] { return ++calls, network.loss()(); };
  CHECK(top_eigenvalues(loss, network.parameters(), 3, {.tolerance = 1e-8})[0].iterations > 10);
  CHECK(calls == 1);
  optim::hessian_trace(loss, network.parameters());
  CHECK(calls == 2);
}

TEST_CASE("measuring curvature changes no weight, gradient, running statistic or random number") {
  nn::Sequential model{nn::Linear{5, 8}, nn::BatchNorm1d{8}, nn::Tanh{}, nn::Linear{8, 3}};
  const Variable x(Generator{1}.normal({12, 5}));
  const Tensor labels = Tensor::from(std::vector<int64_t>{0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2});
  const auto loss = [&] { return nn::cross_entropy(model(x), labels); };
  optim::SGD optimizer{model.parameters(), {.lr = 0.1, .momentum = 0.9}};
  optimizer.step(training(loss));
  model.eval();
  std::vector<Tensor> live, before;
  for (const Variable& parameter : model.parameters())
    live.push_back(parameter.value()), live.push_back(parameter.grad());
  for (const auto& [name, buffer] : model.named_buffers()) live.push_back(buffer);
  CHECK(live.size() == 15);
  for (const Tensor& tensor : live) before.push_back(tensor.clone());
  manual_seed(9);
  CHECK(top_eigenvalues(loss, model.parameters(), 2)[1].residual < 1e-2);
  CHECK(optim::hessian_trace(loss, model.parameters()).standard_error > 0);
  optim::flat_gradient(loss, model.parameters());
  for (size_t i = 0; i < live.size(); ++i) CHECK_SAME_BITS(live[i], before[i]);
  CHECK(default_generator().offset == 0);
}

TEST_CASE("impossible requests are refused") {
  const Variable w = leaf({3, 0}), f = leaf({1}, DType::float32);
  const auto loss = [&] { return sum(square(w)); };
  CHECK_ERROR(top_eigenvalues(loss, {}, 1), "[top_eigenvalues] got no parameters, expected at least one");
  CHECK_ERROR(top_eigenvalues(loss, {w, f}, 1), "parameter 1 in float32 on cpu, expected float64");
  CHECK_ERROR(top_eigenvalues(loss, {w}, 0), "[top_eigenvalues] got k = 0, expected 1 to 2, for 2 trainable elements");
  CHECK_ERROR(top_eigenvalues(loss, {w}, 3), "got k = 3, expected 1 to 2");
  CHECK_ERROR(top_eigenvalues(loss, {w}, 2, {.max_iterations = 1}),
              "expected 1 to 1, for 2 trainable elements and max_iterations = 1");
  CHECK_ERROR(largest_eigenvalue(loss, {w}, {.max_iterations = 0}), "max_iterations = 0");
  CHECK_ERROR(optim::hessian_trace(loss, {w}, {.samples = 1}), "[hessian_trace] got samples = 1, expected at least 2");
  CHECK_ERROR(optim::hessian_trace(loss, {w}, {.samples = 0}), "samples = 0");
  CHECK_ERROR(largest_eigenvalue([&] { return sum(log(w - 5)); }, {w}),
              "got a loss of nan at the weights as they are, expected a finite number");
  CHECK_ERROR(optim::flat_gradient([&] { return sum(1 / w); }, {w}), "[flat_gradient] got a loss of inf");
  CHECK_ERROR(optim::hessian_trace([&] { return sum(pow(w, 1.5)); }, {w}),
              "a Hessian-vector product with elements that are not finite");
  CHECK_ERROR(largest_eigenvalue([&] { return square(w); }, {w}), "one element");
  CHECK_ERROR(largest_eigenvalue(nullptr, {w}), "[top_eigenvalues] got an empty function");
  CHECK_ERROR(optim::flat_gradient([] { return Variable(); }, {w}), "[flat_gradient] got no loss");
  CHECK_ERROR(optim::hessian_vector_product(loss, {w}, Tensor::zeros({2})),
              "[hessian_vector_product] got a vector of float32 (2,), expected float64 (2,)");
}
