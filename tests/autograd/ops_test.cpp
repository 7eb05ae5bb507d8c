// Single ops where it is their edge that matters: kinks, ties, overflow, refusals.
#include "autograd/ops.h"
#include "core/ops.h"
#include "core/random.h"
#include "tests/check.h"

using namespace minima;
using namespace minima::test;

namespace {
using Values = std::vector<double>;
Variable leaf(const Values& values) { return Variable(Tensor::from(values), requires_grad); }
Variable matrix(const Values& values, const Shape& shape) {
  return Variable(Tensor::from(values, shape), requires_grad);
}
Values gradient(const Variable& y, const Variable& x) { return grad(sum(y), {x})[0].value().to_vector<double>(); }
}  // namespace

TEST_CASE("ties of a maximum over an axis share its gradient equally") {
  const Variable x = matrix({1, 3, 3, 2, 2, 2}, {2, 3});
  CHECK_CLOSE(gradient(max(x, 1), x), (Values{0, 0.5, 0.5, 1.0 / 3, 1.0 / 3, 1.0 / 3}), {1e-15});
}

TEST_CASE("where the operands of maximum and minimum are equal the gradient goes to the first") {
  const Variable x = leaf({1, 2, 3}), y = leaf({2, 2, 2});
  CHECK_CLOSE(gradient(maximum(x, y), x), (Values{0, 1, 1}));
  CHECK_CLOSE(gradient(maximum(x, y), y), (Values{1, 0, 0}));
  CHECK_CLOSE(gradient(minimum(x, y), x), (Values{1, 1, 0}));
  CHECK_CLOSE(gradient(minimum(x, y), y), (Values{0, 0, 1}));
}

TEST_CASE("the gradients of relu and abs at 0 are 0, and relu lets a NaN through to be seen") {
  const Variable x = leaf({-1, 0, 2});
  CHECK_CLOSE(gradient(relu(x), x), (Values{0, 0, 1}));
  CHECK_CLOSE(gradient(abs(x), x), (Values{-1, 0, 1}));
  CHECK(std::isnan(relu(leaf({NAN})).item()));
}

TEST_CASE("no gradient flows to the condition of where_positive") {
  const Variable x = leaf({1, 2}), y = leaf({-1, 1});
  CHECK_CLOSE(gradient(where_positive(x, y), y), (Values{0, 0}));
  CHECK_CLOSE(gradient(where_positive(x, y), x), (Values{0, 1}));
}

TEST_CASE("powers have finite derivatives at 0 to every order") {
  const Variable x = leaf({0});
  for (double exponent : {0.0, 1.0, 2.0, 3.0}) {
    Variable y = sum(pow(x, exponent));
    for (int order = 1; order <= 4; ++order) {
      y = sum(grad(y, {x}, {.create_graph = true})[0]);
      CHECK_CLOSE(Values{y.item()}, Values{order == exponent ? (exponent == 3 ? 6 : exponent) : 0.0});
      if (!y.requires_grad()) break;
    }
  }
}

TEST_CASE("softplus, sigmoid and log_softmax do not overflow") {
  const Variable x = leaf({-1000, 1000});
  CHECK_CLOSE(softplus(x).value().to_vector<double>(), (Values{0, 1000}));
  CHECK_CLOSE(gradient(softplus(x), x), (Values{0, 1}));
  CHECK_CLOSE(gradient(sigmoid(x), x), (Values{0, 0}));
  CHECK_CLOSE(log_softmax(x).value().to_vector<double>(), (Values{-2000, 0}));
}

TEST_CASE("cross entropy of extreme logits is finite, and so is its gradient") {
  for (DType dtype : {DType::float32, DType::float64}) {
    Variable logits(Tensor::from<double>({1e4, -1e4, 0, -1e4, 1e4, 0}, {2, 3}).to(dtype), requires_grad);
    const Variable loss = mean(cross_entropies(logits, Tensor::from<int32_t>({0, 0})));
    CHECK_CLOSE(Values{loss.item()}, Values{1e4});
    loss.backward();
    CHECK_CLOSE(logits.grad().to_vector<double>(), (Values{0, 0, 0, -0.5, 0.5, 0}));
  }
}

TEST_CASE("cross entropy with full smoothing is the cross entropy with the uniform distribution") {
  const Variable logits = matrix({1, 2, 3}, {1, 3});
  const double log_sum = std::log(std::exp(1.0) + std::exp(2.0) + std::exp(3.0));
  CHECK_CLOSE(Values{mean(cross_entropies(logits, Tensor::from<int64_t>({2}), 1)).item()}, Values{log_sum - 2},
              {1e-14});
}

TEST_CASE("cross entropy refuses labels and shapes that do not fit, with the place and the number of classes") {
  const Variable logits = matrix({1, 2, 3, 4, 5, 6}, {2, 3});
  CHECK_ERROR(cross_entropies(logits, Tensor::from<int64_t>({0, 3})),
              "[cross_entropy] got label 3 at position 1, expected 0 to 2. The logits have 3 classes.");
  CHECK_ERROR(cross_entropies(logits, Tensor::from<int32_t>({-1, 0})), "label -1 at position 0");
  CHECK_ERROR(cross_entropies(logits, Tensor::from<int64_t>({0})), "labels of shape (1,), expected (2,)");
  CHECK_ERROR(cross_entropies(logits, Tensor::from<float>({0, 1})), "float32 labels, expected int32 or int64");
  CHECK_ERROR(cross_entropies(leaf({1, 2}), Tensor::from<int64_t>({0, 1})), "logits of shape (2,)");
  CHECK_ERROR(cross_entropies(logits, Tensor::from<int64_t>({0, 1}), 1.5), "label_smoothing 1.5, expected 0 to 1");
  CHECK_ERROR(cross_entropies(logits, Tensor::from<int64_t>({0, 1}), NAN), "label_smoothing");
}

TEST_CASE("dropout zeroes about its share, scales the rest, and lets the gradient through the same places") {
  manual_seed(1);
  const Variable x(Tensor::full({20000}, 2, DType::float64), requires_grad);
  const Variable y = dropout(x, 0.25);
  const Values values = y.value().to_vector<double>(), slopes = gradient(y, x);
  int zeros = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    zeros += values[i] == 0;
    if (values[i] != 0) CHECK(std::abs(values[i] - 2 / 0.75) < 1e-12);
    CHECK(std::abs(slopes[i] - values[i] / 2) < 1e-12);
  }
  CHECK(std::abs(zeros - 5000) < 250);  // four standard deviations
}

TEST_CASE("dropout draws anew each time, and replays from a restored generator") {
  const Variable x(Tensor::full({100}, 1, DType::float64));
  const Generator state = default_generator();
  const Variable first = dropout(x, 0.5), second = dropout(x, 0.5);
  CHECK(!bit_difference(first.value(), second.value()).empty());
  default_generator() = state;
  CHECK_SAME_BITS(dropout(x, 0.5).value(), first.value());
  CHECK_SAME_BITS(dropout(x, 0).value(), x.value());
  CHECK_ERROR(dropout(x, 1), "[dropout] got a probability of 1, expected at least 0 and less than 1");
  CHECK_ERROR(dropout(x, NAN), "[dropout]");
}

TEST_CASE("repeated rows of an embedding add up their gradients") {
  const Variable table = matrix({1, 2, 3, 4}, {2, 2});
  const Tensor indices = Tensor::from<int32_t>({1, 1, 0, 1});
  CHECK_CLOSE(gradient(gather_rows(table, indices), table), (Values{1, 1, 3, 3}));
  CHECK_ERROR(gather_rows(table, Tensor::from<int32_t>({0, 2})), "index 2 at position 1");
}

TEST_CASE("indices that change between forward and backward are noticed") {
  const Variable table = matrix({1, 2, 3, 4}, {2, 2});
  Tensor indices = Tensor::from<int64_t>({1, 1});
  const Variable rows = gather_rows(table, indices);
  indices.fill(0);
  CHECK_ERROR(gradient(rows, table), "[gather_rows] got input 1 changed in place");
}

namespace {
// x = noise + shift in float32, and in float64 the very same numbers.
std::pair<Tensor, Tensor> shifted_noise(double shift) {
  const Tensor noise = Generator{3}.normal({64, 5, 5, 2}, 0, 1, DType::float64);
  const Tensor x = core::unary(core::UnaryOp::affine, noise, 1, shift).to(DType::float32);
  return {x, x.to(DType::float64)};
}
}  // namespace

TEST_CASE("batch norm is right in float32 where the mean is ten thousand deviations from zero, twice differentiated") {
  using Results = std::vector<Tensor>;
  const auto results = [](const Tensor& data, bool fused) -> Results {
    Variable x(data, requires_grad), weight(Tensor::full({2}, 1.5, data.dtype()), requires_grad),
        bias(Tensor::full({2}, 0.5, data.dtype()), requires_grad);
    const Variable y = batch_norm(x, weight, bias, 1e-5).first;
    const Variable loss =
        sum(square(y) * Variable(Generator{1}.uniform(data.shape(), 0.5, 1.5, DType::float64).to(data.dtype())));
    const auto gradients = grad(loss, {x, weight, bias}, {.create_graph = !fused});
    Results all{y.value(), gradients[0].value(), gradients[1].value(), gradients[2].value()};
    if (!fused) all.push_back(grad(sum(square(gradients[0])), {x})[0].value());
    return all;
  };
  const auto [single, exact] = shifted_noise(1e4);
  for (const bool fused : {true, false}) {
    const Results got = results(single, fused), expected = results(exact, fused);
    for (size_t i = 0; i < got.size(); ++i) {
      CAPTURE(i);
      CHECK_CLOSE(got[i], expected[i], {1e-4, 2e-5});
    }
  }
}

TEST_CASE("normalising by given moments is right in float32 far from zero, and no gradient flows through them") {
  const auto [single, exact] = shifted_noise(1e4);
  const core::Moments moments = core::channel_moments(exact);
  const auto results = [&](const Tensor& data) {
    Variable x(data, requires_grad), weight(Tensor::full({2}, 1.5, data.dtype()), requires_grad),
        bias(Tensor::full({2}, 0.5, data.dtype()), requires_grad);
    const Variable y = normalise(x, moments, weight, bias, 1e-5);
    std::vector<Tensor> all{y.value()};
    for (const Variable& g : grad(sum(square(y)), {x, weight, bias})) all.push_back(g.value());
    return all;
  };
  const auto got = results(single), expected = results(exact);
  for (size_t i = 0; i < got.size(); ++i) CHECK_CLOSE(got[i], expected[i], {1e-5, 1e-5});
  // The slope of sum(y) in x is weight / deviation; with moments of x itself it would be 0.
  Variable x(exact, requires_grad);
  const Variable one(Tensor::full({2}, 1, DType::float64));
  CHECK_CLOSE(core::sum(grad(sum(normalise(x, moments, one, one, 0)), {x})[0].value()).item(),
              1600 * (1 / std::sqrt(moments.variance.at(0)) + 1 / std::sqrt(moments.variance.at(1))), {1e-12, 0});
}

TEST_CASE("batch norm refuses parameters that do not match the channels") {
  const Variable x = matrix(Values(12, 1), {2, 2, 3}), three = leaf({1, 1, 1}), two = leaf({1, 1});
  CHECK_ERROR(batch_norm(x, two, three, 1e-5), "[batch_norm] got weight (2,) for x (2, 2, 3)");
  CHECK_ERROR(batch_norm(x, three, two, 1e-5), "[batch_norm] got bias (2,) for x (2, 2, 3)");
  CHECK_ERROR(normalise(x, {three.value(), two.value()}, three, three, 1e-5), "[normalise] got variance (2,)");
  CHECK_ERROR(batch_norm(leaf({1, 2}), two, two, 1e-5), "x of shape (2,)");
}

TEST_CASE("ops refuse shapes and dtypes that do not fit, by name") {
  const Variable x = matrix({1, 2, 3, 4, 5, 6}, {2, 3});
  CHECK_ERROR(x + leaf({1, 2}), "[add]");
  CHECK_ERROR(x * Variable(Tensor::zeros({2, 3})), "[multiply] got dtypes float64 and float32");
  CHECK_ERROR(matmul(x, x), "[matmul]");
  CHECK_ERROR(linear(x, leaf({1, 2, 3}), Variable()), "[linear]");
  CHECK_ERROR(transpose(leaf({1, 2})), "[transpose] got shape (2,), expected at least two axes");
  CHECK_ERROR(reshape(x, {4, 2}), "(4, 2)");
  CHECK_ERROR(sum(x, 2), "[sum]");
  CHECK_ERROR(mean(x, -3), "[mean]");
  CHECK_ERROR(max(x, 5), "[max]");
  CHECK_ERROR(concatenate({}, 0), "[concatenate] got no tensors");
  CHECK_ERROR(concatenate({x, leaf({1, 2})}, 0), "[concatenate]");
  CHECK_ERROR(slice(x, 1, 2, 5), "[slice]");
  CHECK_ERROR(sum_to(x, {2}), "[sum_to]");
  CHECK_ERROR(conv2d(x, x, Variable()), "[conv2d]");
  CHECK_ERROR(exp(Variable()), "undefined tensor");
}

TEST_CASE("errors name the op that was called, not one that it is made of") {
  const Variable x(Tensor::zeros({2, 2}, DType::int64)), one(leaf({1}));
  CHECK_ERROR(-x, "[negate] got dtype int64");
  CHECK_ERROR(x + 2, "[add] got dtype int64");
  CHECK_ERROR(2 - x, "[subtract] got dtype int64");
  CHECK_ERROR(x * 2, "[multiply] got dtype int64");
  CHECK_ERROR(pow(x, 2), "[pow] got dtype int64");
  CHECK_ERROR(square(Variable()), "[square] got an undefined tensor");
  CHECK_ERROR(dropout(x, 0.5), "[dropout] got dtype int64");
  CHECK_ERROR(batch_norm(x, one, one, 1e-5), "[batch_norm] got dtype int64");
  CHECK_ERROR(batch_norm(matrix({}, {0, 1}), one, one, 1e-5), "[batch_norm] got x of shape (0, 1)");
  CHECK_ERROR(batch_norm(matrix({1, 2}, {2, 1}), Variable(), one, 1e-5), "[batch_norm] got an undefined tensor");
  CHECK_ERROR(broadcast_to(one, {-1}), "[broadcast_to] got (1,) to (-1,), expected extents that are not negative");
}

TEST_CASE("products without an inner extent are zero, and so are their gradients") {
  const Variable a(Tensor::zeros({2, 3, 0}), requires_grad), b(Tensor::zeros({0, 5}), requires_grad);
  for (const bool transposed : {false, true}) {
    const Variable y = transposed ? matmul(a, transpose(b), false, true) : matmul(a, b);
    CHECK(y.shape() == Shape{2, 3, 5});
    CHECK(y.value().to_vector<double>() == Values(30, 0.0));
    const std::vector<Variable> gradients = grad(sum(y), {a, b});
    CHECK(gradients[0].shape() == a.shape());
    CHECK(gradients[1].shape() == b.shape());
  }
  CHECK(matmul(Variable(Tensor::zeros({2, 0, 4})), Variable(Tensor::zeros({4, 5}))).shape() == Shape{2, 0, 5});
}

TEST_CASE("a mean over nothing and a maximum over nothing are refused, and a sum over nothing is 0") {
  const Variable none = matrix({}, {2, 0});
  CHECK_ERROR(mean(none), "[mean] got no elements, of shape (2, 0), expected at least one element.");
  CHECK_ERROR(mean(none, 1), "[mean] got no elements");
  CHECK(mean(none, 0).shape() == Shape{0});
  CHECK_ERROR(max(none, 1), "[max] got axis 1 of shape (2, 0), expected an axis with elements.");
  CHECK(max(none, 0).shape() == Shape{0});
  CHECK(sum(none).item() == 0);
}

TEST_CASE("no op takes operands of two dtypes, integers or an undefined tensor in silence") {
  const Variable x = matrix({1, 2, 3, 4}, {2, 2}), narrow(Tensor::zeros({2, 2})), nothing;
  const Variable integers(Tensor::zeros({2, 2}, DType::int64));
  using Pair = Variable (*)(const Variable&, const Variable&);
  const Pair pairs[] = {
      [](const Variable& a, const Variable& b) { return a + b; },
      [](const Variable& a, const Variable& b) { return a / b; },
      maximum,
      minimum,
      where_positive,
      binary_cross_entropies,
      [](const Variable& a, const Variable& b) { return matmul(a, b); },
      [](const Variable& a, const Variable& b) { return linear(a, b, Variable()); },
      [](const Variable& a, const Variable& b) { return linear(a, a, slice(reshape(b, {4}), 0, 0, 2)); },
      [](const Variable& a, const Variable& b) { return concatenate({a, b}, 0); },
      [](const Variable& a, const Variable& b) { return cross_entropies(a, b.value()); }};
  for (const Pair f : pairs)
    for (const Variable& y : {narrow, integers, nothing}) CHECK(error_of([&] { f(x, y); }) != "(no error)");
  using Single = Variable (*)(const Variable&);
  for (const Single f : {Single{exp}, Single{sum}, Single{mean}, Single{softmax}, Single{log_softmax}, Single{gelu}})
    for (const Variable& y : {integers, nothing}) CHECK(error_of([&] { f(y); }) != "(no error)");
}

TEST_CASE("labels that change between forward and backward are noticed") {
  const Variable logits = matrix({1, 2, 3, 4}, {2, 2});
  Tensor labels = Tensor::from<int64_t>({1, 1});
  const Variable loss = mean(cross_entropies(logits, labels));
  labels.fill(0);
  CHECK_ERROR(gradient(loss, logits), "[cross_entropy] got input 1 changed in place");
}
