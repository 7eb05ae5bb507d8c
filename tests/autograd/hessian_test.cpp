// Exact Hessian-vector products against dense Hessians that are built in other ways.
#include "autograd/hessian.h"
#include "autograd/ops.h"
#include "core/ops.h"
#include "core/random.h"
#include "tests/check.h"
#include "tests/gradcheck.h"

using namespace minima;
using namespace minima::test;

namespace {

using Values = std::vector<double>;

Variable parameter(const Shape& shape, uint64_t seed) {
  return Variable(Generator{seed}.normal(shape, 0, 0.6, DType::float64), requires_grad);
}

// A net of 2 inputs, 3 hidden units and 2 classes: 17 parameters.
struct SmallNet {
  std::vector<Variable> parameters{parameter({3, 2}, 1), parameter({3}, 2), parameter({2, 3}, 3), parameter({2}, 4)};
  Tensor x = Generator{5}.normal({6, 2}, 0, 1, DType::float64);
  Tensor labels = Tensor::from<int64_t>({0, 1, 1, 0, 1, 0});

  Variable loss() const {
    const Variable hidden = tanh(linear(Variable(x), parameters[0], parameters[1]));
    return mean(cross_entropies(linear(hidden, parameters[2], parameters[3]), labels, 0.1));
  }
  std::vector<std::pair<size_t, int64_t>> coordinates() const {
    std::vector<std::pair<size_t, int64_t>> all;
    for (size_t k = 0; k < parameters.size(); ++k)
      for (int64_t i = 0; i < parameters[k].numel(); ++i) all.emplace_back(k, i);
    return all;
  }
};

// Column of the Hessian by hvp with a unit vector, concatenated over the parameters.
Values hessian_column(const Variable& loss, const std::vector<Variable>& parameters, size_t k, int64_t i) {
  std::vector<Tensor> unit;
  for (const Variable& p : parameters) unit.push_back(Tensor::zeros(p.shape(), DType::float64));
  unit[k].mutable_data<double>()[i] = 1;
  Values column;
  for (const Tensor& part : hvp(loss, parameters, unit))
    for (double value : part.to_vector<double>()) column.push_back(value);
  return column;
}

double inner(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += core::dot(a[i], b[i]).item();
  return sum;
}

std::vector<Tensor> random_like(const std::vector<Variable>& parameters, uint64_t seed) {
  std::vector<Tensor> vectors;
  for (const Variable& p : parameters) vectors.push_back(Generator{seed++}.normal(p.shape(), 0, 1, DType::float64));
  return vectors;
}

}  // namespace

TEST_CASE("hvp equals the dense Hessian that rows of grad(grad) make, to 1e-10") {
  const SmallNet net;
  const Variable loss = net.loss();
  const auto gradients = grad(loss, net.parameters, {.create_graph = true});
  for (const auto& [k, i] : net.coordinates()) {
    const Variable element = slice(reshape(gradients[k], {-1}), 0, i, i + 1);
    Values row;
    for (const Variable& part : grad(element, net.parameters, {.retain_graph = true}))
      for (double value : part.value().to_vector<double>()) row.push_back(value);
    CHECK_CLOSE(hessian_column(loss, net.parameters, k, i), row, {1e-10, 1e-12});
  }
}

TEST_CASE("hvp equals the dense Hessian of double differences of the loss, to 1e-8") {
  const SmallNet net;
  const Variable loss = net.loss();
  const double step = 2e-3;
  const std::pair<double, double> stencil[] = {{-2, 1.0 / 12}, {-1, -8.0 / 12}, {1, 8.0 / 12}, {2, -1.0 / 12}};
  auto shift = [&](std::pair<size_t, int64_t> at, double by) {
    Tensor value = net.parameters[at.first].value();
    value.mutable_data<double>()[at.second] += by;
  };
  // The Hessian first: differences change the weights that the loss's graph has saved.
  const auto coordinates = net.coordinates();
  std::vector<Values> columns;
  for (const auto& at : coordinates) columns.push_back(hessian_column(loss, net.parameters, at.first, at.second));
  NoGrad no_grad;
  for (size_t column = 0; column < coordinates.size(); ++column) {
    Values expected;
    for (const auto& row : coordinates) {
      double second = 0;
      for (const auto& [a, weight_a] : stencil)
        for (const auto& [b, weight_b] : stencil) {
          shift(row, a * step);
          shift(coordinates[column], b * step);
          second += weight_a * weight_b * net.loss().item();
          shift(coordinates[column], -b * step);
          shift(row, -a * step);
        }
      expected.push_back(second / (step * step));
    }
    CHECK_CLOSE(columns[column], expected, {0, 1e-8});
  }
}

TEST_CASE("hvp is symmetric and linear, and leaves the loss's graph whole") {
  const SmallNet net;
  const Variable loss = net.loss();
  const auto u = random_like(net.parameters, 20), v = random_like(net.parameters, 30);
  const auto hu = hvp(loss, net.parameters, u), hv = hvp(loss, net.parameters, v);
  CHECK_CLOSE(Values{inner(v, hu)}, Values{inner(u, hv)}, {1e-12, 1e-14});
  std::vector<Tensor> mix;
  for (size_t i = 0; i < u.size(); ++i) {
    mix.push_back(u[i].clone());
    core::add_scaled(mix[i], 3, v[i]);
  }
  const auto h_mix = hvp(loss, net.parameters, mix);
  for (size_t i = 0; i < u.size(); ++i) {
    Tensor expected = hu[i].clone();
    core::add_scaled(expected, 3, hv[i]);
    CHECK_CLOSE(h_mix[i], expected, {1e-10, 1e-13});
  }
  loss.backward();
  for (const Variable& p : net.parameters) CHECK(core::norm(p.grad()).item() > 0);
}

TEST_CASE("hvp through convolution, batch norm, pooling and relu equals differences of the gradient") {
  std::vector<Variable> parameters{parameter({4, 3, 3, 2}, 1), parameter({4}, 2), parameter({4}, 3),
                                   parameter({3, 16}, 4)};
  const Tensor images = Generator{6}.normal({3, 8, 8, 2}, 0, 1, DType::float64);
  const Tensor labels = Tensor::from<int32_t>({2, 0, 1});
  auto loss = [&](const std::vector<Variable>& w) {
    const Variable convolved = conv2d(Variable(images), w[0], w[2], 2, 1);
    const Variable h = max_pool2d(relu(batch_norm(convolved, w[1] + 1, w[2], 1e-5).first), {2, 2, 2, 0});
    return mean(cross_entropies(linear(reshape(h, {3, -1}), w[3], Variable()), labels));
  };
  const auto v = random_like(parameters, 40);
  const auto exact = hvp(loss(parameters), parameters, v);

  const double step = 1e-5;
  std::vector<Tensor> expected;
  for (const Variable& p : parameters) expected.push_back(Tensor::zeros(p.shape(), DType::float64));
  for (const auto& [offset, weight] : {std::pair{-2, 1.0}, {-1, -8.0}, {1, 8.0}, {2, -1.0}}) {
    std::vector<Variable> moved;
    for (size_t i = 0; i < parameters.size(); ++i) {
      Tensor value = parameters[i].value().clone();
      core::add_scaled(value, offset * step, v[i]);
      moved.emplace_back(value, requires_grad);
    }
    const auto gradients = grad(loss(moved), moved);
    for (size_t i = 0; i < moved.size(); ++i) core::add_scaled(expected[i], weight / (12 * step), gradients[i].value());
  }
  for (size_t i = 0; i < exact.size(); ++i) CHECK_CLOSE(exact[i], expected[i], {1e-6, 1e-7});
}

TEST_CASE("float32 hvp agrees with float64 to 1e-5") {
  SmallNet net;
  const auto v = random_like(net.parameters, 50);
  const auto exact = hvp(net.loss(), net.parameters, v);
  for (Variable& p : net.parameters) p.set_value(p.value().to(DType::float32));
  net.x = net.x.to(DType::float32);
  std::vector<Tensor> v32;
  for (const Tensor& t : v) v32.push_back(t.to(DType::float32));
  const auto rounded = hvp(net.loss(), net.parameters, v32);
  for (size_t i = 0; i < exact.size(); ++i) {
    CHECK(rounded[i].dtype() == DType::float32);
    CHECK_CLOSE(rounded[i], exact[i], {1e-5, 1e-5});
  }
}

TEST_CASE("the Hessian of a linear loss is zero, that of a half-linear one only where it is") {
  Variable x = parameter({3}, 1), y = parameter({3}, 2), unused = parameter({2}, 3);
  const auto vector = random_like({x, y, unused}, 60);
  for (const Tensor& zero : hvp(sum(x * 2) + sum(y), {x, y, unused}, vector)) CHECK(core::norm(zero).item() == 0);
  const auto product = hvp(sum(x) + sum(square(y)), {x, y, unused}, vector);
  CHECK(core::norm(product[0]).item() == 0);
  CHECK_CLOSE(product[1], core::unary(core::UnaryOp::affine, vector[1], 2, 0), {1e-14});
  CHECK(core::norm(product[2]).item() == 0);
}

TEST_CASE("one Hessian gives many products, each the one that hvp gives") {
  const SmallNet net;
  const Variable loss = net.loss();
  const Hessian hessian(loss, net.parameters);
  for (uint64_t seed : {70, 80, 70}) {
    const auto vector = random_like(net.parameters, seed);
    const auto product = hessian * vector, expected = hvp(loss, net.parameters, vector);
    for (size_t i = 0; i < product.size(); ++i) CHECK_SAME_BITS(product[i], expected[i]);
  }
}

TEST_CASE("hvp refuses a vector that does not match the parameters") {
  Variable x = parameter({3}, 1);
  const Variable loss = sum(square(x));
  CHECK_ERROR(hvp(loss, {x}, {}), "[Hessian] got a vector of 0 tensors, expected 1, one a parameter");
  CHECK_ERROR(hvp(loss, {x}, {Tensor::zeros({2}, DType::float64)}), "[Hessian] got vector[0] of float64 (2,)");
  CHECK_ERROR(hvp(loss, {x}, {Tensor::zeros({3})}), "[Hessian] got vector[0] of float32 (3,)");
}
