// SPDX-License-Identifier: MIT
#include "nn/loss.h"

#include "autograd/ops.h"
#include "core/ops.h"

namespace minima::nn {
namespace {
void check_classification(const char* where, const Variable& logits, const Tensor& labels) {
  if (logits.shape().rank() != 2 || labels.rank() != 1 || logits.size(0) != labels.size(0))
    fail(where, text("logits ", logits.shape(), " and labels ", labels.shape()), "(batch, classes) and (batch,)");
  if (labels.dtype() != DType::int64 && labels.dtype() != DType::int32)
    fail(where, text(name_of(labels.dtype()), " labels"), "int32 or int64 class numbers");
  if (logits.numel() == 0) fail(where, text("an empty batch, logits ", logits.shape()), "at least one sample");
}

void check_same(const char* where, const Shape& got, const Shape& target) {
  if (got != target)
    fail(where, text("shapes ", got, " and ", target), "equal shapes",
         got.numel() == target.numel() ? "Reshape one: broadcasting here would compare every pair." : "");
  if (got.numel() == 0) fail(where, text("an empty batch, shape ", got), "at least one element");
}
}  // namespace

Variable cross_entropy(const Variable& logits, const Tensor& labels, const CrossEntropyOptions& options) {
  const Variable losses = cross_entropies(logits, labels, options.label_smoothing);
  if (losses.numel() == 0)
    fail("cross_entropy", text("an empty batch, logits ", logits.shape()), "at least one sample");
  return mean(losses);
}

Variable mse(const Variable& prediction, const Variable& target) {
  check_same("mse", prediction.shape(), target.shape());
  return mean(square(prediction - target));
}

Variable binary_cross_entropy(const Variable& logits, const Tensor& targets) {
  check_same("binary_cross_entropy", logits.shape(), targets.shape());
  return mean(binary_cross_entropies(logits, Variable(targets.to(logits.dtype()))));
}

double accuracy(const Variable& logits, const Tensor& labels) {
  check_classification("accuracy", logits, labels);
  const std::vector<int64_t> guesses = core::argmax(logits.value()).to_vector<int64_t>();
  const std::vector<int64_t> truth = labels.to_vector<int64_t>();
  const Tensor is_number = core::binary(core::BinaryOp::equal, logits.value(), logits.value());  // NaN equals nothing
  const std::vector<int64_t> numbers = core::reduce(core::ReduceOp::sum, is_number, 1).to_vector<int64_t>();
  int64_t right = 0;
  for (size_t i = 0; i < truth.size(); ++i) right += guesses[i] == truth[i] && numbers[i] == logits.size(1);
  return static_cast<double>(right) / static_cast<double>(truth.size());
}

}  // namespace minima::nn
