// How well a language model foretells the next character: as a loss to train by, and over all of a text.
// Not here: the model (nn/transformer.h), the text (datasets/text.h), how a program trains and writes.
#pragma once

#include "minima.h"

namespace minima::examples {

/// Mean bits that the model needs for each next character: the cross entropy over log(2). x and y as the windows of a
/// datasets::Text, int64 [batch, length].
Variable bits_per_character(nn::Module& model, const Tensor& x, const Tensor& y);

/// Over a text: the same mean, and the share of characters that the model found likeliest.
struct Foretelling {
  double bits = NAN, accuracy = NAN;
};
/// In eval mode and without gradients, over all windows of `context` characters. A character early in a window has
/// little before it to go by.
Foretelling foretelling_of(nn::Module& model, const datasets::Text& text, int64_t context, Device device = Device::cpu);

}  // namespace minima::examples
