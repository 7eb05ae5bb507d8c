// SPDX-License-Identifier: MIT
// Transformers: one that classifies images, and one that writes text, character by character. Both are an embedding,
// learned positions that are added to it, blocks, a last normalisation and a linear layer.
#pragma once

#include "nn/attention.h"
#include "nn/containers.h"

namespace minima::nn {

/// Width and number of the blocks, and the heads of each.
struct TransformerSize {
  int64_t width = 64, depth = 4, heads = 4;
};

/// ViT (Dosovitskiy et al., 2021): the image is cut into patches, each of which is a token. The mean of all tokens is
/// classified, not a token of its own (Beyer et al., 2022).
/// x [batch, h, w, channels] -> logits [batch, classes]; `image` is one image's shape, and `patch` divides h and w.
struct VisionTransformer : Module {
  Conv2d patches;
  Variable positions;  ///< [h w / patch^2, width], row by row
  Sequential blocks;
  LayerNorm norm;
  Linear head;
  int64_t height, width;  ///< of an image

  VisionTransformer(const Shape& image, int64_t classes, int64_t patch, const TransformerSize& size = {});
  Variable forward(const Variable& x) override;
  void visit(Visitor& visitor) override;
  std::string describe() const override { return "VisionTransformer"; }
};

struct LanguageModelOptions {
  TransformerSize size{};
  double dropout = 0;  ///< of the sum of embedding and position, and in the blocks
};

/// A language model as GPT-2 (Radford et al., 2019): for each token of a text, the logits of the next one, which depend
/// on it and those before it alone.
/// x of int32 or int64, 0 to vocabulary - 1, [batch, tokens] -> logits [batch, tokens, vocabulary]; at most `context`
/// tokens.
struct LanguageModel : Module {
  Embedding embedding;
  Variable positions;  ///< [context, width]
  Dropout dropout;
  Sequential blocks;
  LayerNorm norm;
  Linear head;

  LanguageModel(int64_t vocabulary, int64_t context, const LanguageModelOptions& options = {});
  Variable forward(const Variable& x) override;
  void visit(Visitor& visitor) override;
  std::string describe() const override { return "LanguageModel"; }
};

}  // namespace minima::nn
