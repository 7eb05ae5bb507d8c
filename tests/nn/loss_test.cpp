// Losses by their formulas, at extremes, and what they refuse.
#include "nn/loss.h"

#include "autograd/ops.h"
#include "tests/check.h"

using namespace minima;

namespace {
const Tensor logits = Tensor::from<double>({1, 2, 3, 0.5, -1, 0}, {2, 3});
const Tensor labels = Tensor::from<int64_t>({2, 0});

double log_sum_exp(double a, double b, double c) { return std::log(std::exp(a) + std::exp(b) + std::exp(c)); }
std::vector<double> one(double value) { return {value}; }
}  // namespace

TEST_CASE("cross entropy is the mean of log sum exp minus the logit of the label") {
  const double first = log_sum_exp(1, 2, 3), second = log_sum_exp(0.5, -1, 0);
  CHECK_CLOSE(one(nn::cross_entropy(logits, labels).item()), one((first - 3 + second - 0.5) / 2), {1e-14});
  const double smooth = (first - (0.9 * 3 + 0.1 * 2) + second - (0.9 * 0.5 + 0.1 * (-0.5 / 3))) / 2;
  CHECK_CLOSE(one(nn::cross_entropy(logits, labels, {.label_smoothing = 0.1}).item()), one(smooth), {1e-14});
  CHECK(nn::cross_entropy(logits, labels.to(DType::int32)).item() == nn::cross_entropy(logits, labels).item());
}

TEST_CASE("cross entropies are those of the single samples, and their mean is the cross entropy") {
  const std::vector<double> each = cross_entropies(logits, labels).value().to_vector<double>();
  CHECK_CLOSE(each, (std::vector{log_sum_exp(1, 2, 3) - 3, log_sum_exp(0.5, -1, 0) - 0.5}), {1e-14});
  CHECK_CLOSE(one((each[0] + each[1]) / 2), one(nn::cross_entropy(logits, labels).item()), {1e-14});
  Variable huge(Tensor::from<float>({1e4F, -1e4F}, {1, 2}), requires_grad);
  sum(cross_entropies(huge, Tensor::from<int64_t>({1}))).backward();
  CHECK_CLOSE(huge.grad().to_vector<double>(), (std::vector<double>{1, -1}));
  CHECK_ERROR(cross_entropies(logits, Tensor::from<int64_t>({1, 1, 1})),
              "[cross_entropy] got labels of shape (3,), expected (2,)");
  CHECK_ERROR(cross_entropies(logits, Tensor::from<int64_t>({1, 3})), "3");
}

TEST_CASE("cross entropy and its gradient stay finite at huge logits") {
  Variable huge(Tensor::from<float>({1e4F, -1e4F}, {1, 2}), requires_grad);
  Variable loss = nn::cross_entropy(huge, Tensor::from<int64_t>({1}));
  CHECK(loss.item() == 2e4);
  loss.backward();
  CHECK_CLOSE(huge.grad().to_vector<double>(), (std::vector<double>{1, -1}));
}

TEST_CASE("mean squared error is the mean over all elements") {
  const Tensor target = Tensor::from<double>({1, 0, 0, 0.5, 0, 0}, {2, 3});
  CHECK_CLOSE(one(nn::mse(logits, target).item()), one((4 + 9 + 1) / 6.0), {1e-14});
}

TEST_CASE("binary cross entropy matches its formula, takes integer targets and stays finite") {
  const auto reference = [](double z, double t) {
    const double s = 1 / (1 + std::exp(-z));
    return -t * std::log(s) - (1 - t) * std::log(1 - s);
  };
  const Tensor z = Tensor::from<double>({-1, 0.5, 2}), t = Tensor::from<double>({0, 0.25, 1});
  CHECK_CLOSE(one(nn::binary_cross_entropy(z, t).item()),
              one((reference(-1, 0) + reference(0.5, 0.25) + reference(2, 1)) / 3), {1e-14});
  const Tensor integers = Tensor::from<int64_t>({0, 1, 1});
  CHECK(nn::binary_cross_entropy(z, integers).item() ==
        nn::binary_cross_entropy(z, integers.to(DType::float64)).item());
  CHECK(nn::binary_cross_entropy(Tensor::from<float>({1e4F, -1e4F}), Tensor::from<int64_t>({0, 1})).item() == 1e4);
}

TEST_CASE("accuracy is the share of rows whose largest logit is the label's") {
  CHECK(nn::accuracy(logits, labels) == 1);
  CHECK(nn::accuracy(logits, Tensor::from<int64_t>({2, 1})) == 0.5);
  CHECK(nn::accuracy(logits.to(DType::float32), Tensor::from<int32_t>({0, 1})) == 0);
}

TEST_CASE("a row with NaN counts as wrong, whatever its label, and a masked class does not") {
  const Tensor rows =
      Tensor::from<float>({NAN, NAN, NAN, 1, NAN, 0, NAN, 0, 1, 1, -INFINITY, 0, 1, INFINITY, 0}, {5, 3});
  for (const int64_t label : {0, 1, 2}) {
    const double right = nn::accuracy(rows, Tensor::full({5}, static_cast<double>(label), DType::int64));
    CHECK(right == (label < 2 ? 0.2 : 0));
  }
}

TEST_CASE("binary cross entropy refuses a target that is no probability, with its position") {
  for (const DType dtype : {DType::float32, DType::float64})
    for (const double wrong : std::vector<double>{1.5, -0.25, 1.001, INFINITY, NAN}) {
      const Tensor z = Tensor::zeros({3}, dtype), targets = Tensor::from<double>({0, 1, wrong}).to(dtype);
      CHECK_ERROR(nn::binary_cross_entropy(z, targets), text("[binary_cross_entropy] got target ", wrong, " at"));
      CHECK_ERROR(binary_cross_entropies(z, targets), "position 2, expected a number from 0 to 1.");
    }
  CHECK_ERROR(nn::binary_cross_entropy(Tensor::zeros({2}), Tensor::from<int64_t>({1, 2})), "target 2 at position 1");
  const int64_t before = host_reads();
  binary_cross_entropies(Tensor::zeros({2}), Tensor::full({2}, 1));
  CHECK(host_reads() == before);  // a step on a GPU would wait for each
}

TEST_CASE("losses refuse shapes that do not match instead of broadcasting") {
  CHECK_ERROR(nn::cross_entropy(logits, Tensor::from<int64_t>({1, 1, 1})), "[cross_entropy] got labels of shape (3,)");
  CHECK_ERROR(nn::cross_entropy(logits.flatten(), labels), "[cross_entropy] got logits of shape (6,)");
  CHECK_ERROR(nn::mse(Tensor::zeros({4, 1}), Tensor::zeros({4})),
              "[mse] got shapes (4, 1) and (4,), expected equal shapes. "
              "Reshape one: broadcasting here would compare every pair.");
  CHECK_ERROR(nn::binary_cross_entropy(Tensor::zeros({4}), Tensor::zeros({3})),
              "[binary_cross_entropy] got shapes (4,) and (3,), expected equal shapes.");
  CHECK_ERROR(nn::accuracy(logits, Tensor::from<int64_t>({1})),
              "[accuracy] got logits (2, 3) and labels (1,), expected (batch, classes) and (batch,).");
}

TEST_CASE("losses refuse empty batches, labels that are no classes, and impossible smoothing") {
  const Tensor none = Tensor::zeros({0, 3}), no_labels = Tensor::zeros({0}, DType::int64);
  CHECK_ERROR(nn::cross_entropy(none, no_labels), "[cross_entropy] got an empty batch");
  CHECK_ERROR(nn::accuracy(none, no_labels),
              "[accuracy] got an empty batch, logits (0, 3), expected at least one sample.");
  CHECK_ERROR(nn::mse(none, none), "[mse] got an empty batch, shape (0, 3), expected at least one element.");
  CHECK_ERROR(nn::binary_cross_entropy(none, none), "[binary_cross_entropy] got an empty batch");
  CHECK_ERROR(nn::cross_entropy(logits, Tensor::from<int64_t>({2, 3})), "[cross_entropy] got label 3 at position 1");
  CHECK_ERROR(nn::cross_entropy(logits, Tensor::from<int64_t>({-1, 0})), "[cross_entropy] got label -1 at position 0");
  CHECK_ERROR(nn::cross_entropy(logits, Tensor::zeros({2})), "[cross_entropy] got float32 labels");
  CHECK_ERROR(nn::accuracy(logits, Tensor::zeros({2})), "[accuracy] got float32 labels, expected int32 or int64");
  CHECK_ERROR(nn::cross_entropy(logits, labels, {.label_smoothing = 1.5}), "[cross_entropy] got label_smoothing 1.5");
}

TEST_CASE("binary cross entropy keeps its digits for confident right answers, and so does its gradient") {
  for (const DType dtype : {DType::float32, DType::float64}) {
    const test::Tolerance near{dtype == DType::float32 ? 1e-6 : 1e-9, 0};
    for (const auto& [z, loss] : {std::pair{10., 4.539889921686465e-05}, {15., 3.0590227363113867e-07}}) {
      Variable right(Tensor::from<double>({z, -z}).to(dtype), requires_grad);
      const Variable mean = nn::binary_cross_entropy(right, Tensor::from<int64_t>({1, 0}));
      CHECK_CLOSE(mean.item(), loss, {near.rtol, near.atol});
      mean.backward();
      const double slope = 0.5 / (1 + std::exp(z));
      CHECK_CLOSE(right.grad().to_vector<double>(), (std::vector{-slope, slope}), {near.rtol, near.atol});
    }
  }
}

TEST_CASE("masked classes take no part in the cross entropy") {
  const Tensor masked = Tensor::from<float>({2, -INFINITY, 1, 0.5, 0, -INFINITY}, {2, 3});
  const Tensor zero_one = Tensor::from<int64_t>({0, 1});
  CHECK_CLOSE(nn::cross_entropy(masked, zero_one).item(), 0.6436693, {1e-7});
  CHECK_CLOSE(cross_entropies(masked, zero_one).value().to_vector<double>(), (std::vector{0.3132617, 0.9740770}),
              {1e-7});
  CHECK(nn::cross_entropy(masked, zero_one, {.label_smoothing = 0.1}).item() == INFINITY);
  CHECK_CLOSE(cross_entropies(logits, labels, 0.1).value().to_vector<double>()[0],
              log_sum_exp(1, 2, 3) - (0.9 * 3 + 0.1 * 2), {1e-14});
}
