// SPDX-License-Identifier: MIT
#include "nn/attention.h"

#include <cmath>
#include <limits>

namespace minima::nn {

MultiheadAttention::MultiheadAttention(int64_t width, int64_t heads, const AttentionOptions& options)
    : out_proj(width, width), heads(heads), causal(options.causal), dropout(options.dropout) {
  if (heads < 1 || width % heads != 0)
    fail("MultiheadAttention", text("width ", width, " for ", heads, " heads"), "heads of one width");
  in_proj_weight = Variable(xavier_uniform()({3 * width, width}), requires_grad);
  in_proj_bias = Variable(zeros()({3 * width}), requires_grad);
  out_proj.bias = Variable(zeros()({width}), requires_grad);
}

Variable MultiheadAttention::forward(const Variable& x) {
  const int64_t width = in_proj_weight.size(1);
  if (x.shape().rank() != 3 || x.size(2) != width || x.size(1) < 1)
    fail(describe(), text("an input of shape ", x.shape()), text("sequences (batch, tokens, ", width, ")"));
  const int64_t batch = x.size(0), tokens = x.size(1), per_head = width / heads;
  const Variable rows = reshape(x, {batch * tokens, width});
  const auto projected = [&](int64_t part) {  // 0 queries, 1 keys, 2 values: [batch, heads, tokens, width of a head]
    const int64_t begin = part * width, end = begin + width;
    const Variable y = linear(rows, slice(in_proj_weight, 0, begin, end), slice(in_proj_bias, 0, begin, end));
    return permute(reshape(y, {batch, tokens, heads, per_head}), {0, 2, 1, 3});
  };
  const Variable queries = projected(0) / std::sqrt(static_cast<double>(per_head));
  Variable scores = matmul(queries, projected(1), false, true);  // [batch, heads, tokens, tokens]
  if (causal) scores = scores + mask_like(scores);
  const Variable mixed = matmul(dropout(softmax(scores)), projected(2));
  return out_proj(reshape(permute(mixed, {0, 2, 1, 3}), x.shape()));
}

// [tokens, tokens]: -infinity where a token, the row, would look ahead. Kept for the next call.
const Tensor& MultiheadAttention::mask_like(const Variable& scores) {
  const int64_t tokens = scores.size(-1);
  if (mask_.defined() && mask_.size(0) == tokens && mask_.dtype() == scores.dtype() &&
      mask_.device() == scores.device())
    return mask_;
  std::vector<float> values(static_cast<size_t>(tokens * tokens), 0);
  for (int64_t row = 0; row < tokens; ++row)
    std::fill(values.begin() + row * tokens + row + 1, values.begin() + (row + 1) * tokens,
              -std::numeric_limits<float>::infinity());
  return mask_ = Tensor::from(values, {tokens, tokens}).to(scores.dtype()).to(scores.device());
}

void MultiheadAttention::visit(Visitor& visitor) {
  visitor("in_proj_weight", in_proj_weight), visitor("in_proj_bias", in_proj_bias);
  visitor("out_proj", out_proj), visitor("dropout", dropout);
}

std::string MultiheadAttention::describe() const {
  return text("MultiheadAttention(", in_proj_weight.size(1), ", ", heads, " heads", causal ? ", causal)" : ")");
}

TransformerBlock::TransformerBlock(int64_t width, int64_t heads, const TransformerOptions& options)
    : self_attn(width, heads, {.causal = options.causal, .dropout = options.dropout}),
      linear1(width, options.hidden ? options.hidden : 4 * width),
      linear2(linear1.weight.size(0), width),
      norm1(width),
      norm2(width),
      dropout(options.dropout) {}

Variable TransformerBlock::forward(const Variable& x) {
  const Variable h = x + dropout(self_attn(norm1(x)));
  return h + dropout(linear2(dropout(gelu(linear1(norm2(h))))));
}

void TransformerBlock::visit(Visitor& visitor) {
  visitor("self_attn", self_attn);
  visitor("linear1", linear1), visitor("dropout", dropout), visitor("linear2", linear2);
  visitor("norm1", norm1), visitor("norm2", norm2);
}

}  // namespace minima::nn
