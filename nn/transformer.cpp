// SPDX-License-Identifier: MIT
#include "nn/transformer.h"

namespace minima::nn {
namespace {
constexpr double spread = 0.02;  // of the first positions, as in both papers' code

Variable new_positions(int64_t tokens, int64_t width) {
  return Variable(normal(0, spread)({tokens, width}), requires_grad);
}

Sequential blocks_of(const TransformerSize& size, const TransformerOptions& options) {
  if (size.depth < 1) fail("a transformer", text(size.depth, " blocks"), "at least 1");
  Sequential blocks;
  for (int64_t i = 0; i < size.depth; ++i) blocks.add(TransformerBlock{size.width, size.heads, options});
  return blocks;
}

// The layer that makes a token of each patch. It looks at the shape of the image first.
Conv2d patch_layer(const Shape& image, int64_t patch, int64_t width) {
  if (image.rank() != 3) fail("vit", text("an input of shape ", image), "an image (height, width, channels)");
  if (patch < 1 || image[0] % patch != 0 || image[1] % patch != 0 || image.numel() == 0)
    fail("vit", text("images of ", image[0], " x ", image[1], " and patches of ", patch, " x ", patch),
         "patches that fill the image");
  return Conv2d{image[2], width, patch, {.stride = patch}};
}
}  // namespace

VisionTransformer::VisionTransformer(const Shape& image, int64_t classes, int64_t patch, const TransformerSize& size)
    : patches(patch_layer(image, patch, size.width)),
      positions(new_positions((image[0] / patch) * (image[1] / patch), size.width)),
      blocks(blocks_of(size, {})),
      norm(size.width),
      head(size.width, classes),
      height(image[0]),
      width(image[1]) {}

Variable VisionTransformer::forward(const Variable& x) {
  if (x.shape().rank() != 4 || x.size(1) != height || x.size(2) != width)
    fail(describe(), text("an input of shape ", x.shape()),
         text("(batch, ", height, ", ", width, ", channels), images of the size that the model was made for"));
  const Variable grid = patches(x);  // [batch, rows, columns, numbers of a token]
  const Variable embedded = reshape(grid, {x.size(0), positions.size(0), positions.size(1)}) + positions;
  return head(mean(norm(blocks(embedded)), 1));
}

void VisionTransformer::visit(Visitor& visitor) {
  visitor("positions", positions), visitor("patches", patches);  // a module's own first, as in PyTorch
  visitor("blocks", blocks), visitor("norm", norm), visitor("head", head);
}

LanguageModel::LanguageModel(int64_t vocabulary, int64_t context, const LanguageModelOptions& options)
    : embedding(vocabulary, options.size.width, normal(0, spread)),
      positions(new_positions(context, options.size.width)),
      dropout(options.dropout),
      blocks(blocks_of(options.size, {.dropout = options.dropout, .causal = true})),
      norm(options.size.width),
      head(options.size.width, vocabulary) {
  if (context < 1) fail("LanguageModel", text("a context of ", context, " tokens"), "at least 1");
}

Variable LanguageModel::forward(const Variable& x) {
  const int64_t context = positions.size(0);
  if (x.shape().rank() != 2 || x.size(1) < 1 || x.size(1) > context)
    fail(describe(), text("an input of shape ", x.shape()), text("(batch, tokens), 1 to ", context, " tokens"));
  const Variable embedded = embedding(x) + slice(positions, 0, 0, x.size(1));
  return head(norm(blocks(dropout(embedded))));
}

void LanguageModel::visit(Visitor& visitor) {
  visitor("positions", positions), visitor("embedding", embedding);  // a module's own first, as in PyTorch
  visitor("dropout", dropout), visitor("blocks", blocks);
  visitor("norm", norm), visitor("head", head);
}

}  // namespace minima::nn
