// SPDX-License-Identifier: MIT
// Attention, and the block that transformers are made of. A sequence is [batch, tokens, width]: a vector of `width`
// numbers for each token. Parameters carry PyTorch's names, layouts and default initialisation.
// Not here: the networks made of blocks (transformer.h).
#pragma once

#include "nn/layers.h"

namespace minima::nn {

struct AttentionOptions {
  bool causal = false;  ///< a token looks at itself and at those before it alone, as a model that writes text must
  double dropout = 0;   ///< of the attention weights
};

/// Self-attention with several heads (Vaswani et al., 2017). Each head makes a query, a key and a value of every token,
///   attention = softmax(queries keys^T / sqrt(width of a head)),   head = attention values,
/// and out_proj mixes the heads, which lie side by side. x [batch, tokens, width] -> y of the same shape.
/// in_proj_weight [3 width, width] and in_proj_bias [3 width] hold the parts for queries, keys and values one below the
/// other; `heads` divides the width.
struct MultiheadAttention : Module {
  Variable in_proj_weight, in_proj_bias;
  Linear out_proj;
  int64_t heads;
  bool causal;
  Dropout dropout;

  MultiheadAttention(int64_t width, int64_t heads, const AttentionOptions& options = {});
  Variable forward(const Variable& x) override;
  void visit(Visitor& visitor) override;
  std::string describe() const override;

 private:
  Tensor mask_;  // see mask_like
  const Tensor& mask_like(const Variable& scores);
};

struct TransformerOptions {
  int64_t hidden = 0;  ///< width between the two linear layers; 0: four times the width
  double dropout = 0;  ///< of the attention weights, of the hidden layer, and of what either half adds
  bool causal = false;
};

/// A block with the normalisation before each half ("pre-norm": Xiong et al., 2020), as PyTorch's
/// TransformerEncoderLayer(norm_first=True, activation="gelu", batch_first=True):
///   h = x + self_attn(norm1(x));   y = h + linear2(gelu(linear1(norm2(h))))
/// x [batch, tokens, width] -> y of the same shape.
struct TransformerBlock : Module {
  MultiheadAttention self_attn;
  Linear linear1, linear2;
  LayerNorm norm1, norm2;
  Dropout dropout;

  TransformerBlock(int64_t width, int64_t heads, const TransformerOptions& options = {});
  Variable forward(const Variable& x) override;
  void visit(Visitor& visitor) override;
  std::string describe() const override { return "TransformerBlock"; }
};

}  // namespace minima::nn
