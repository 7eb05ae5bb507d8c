// SPDX-License-Identifier: MIT
// Models ready to train, by function or by name. Their weights are fresh draws from default_generator().
// Not here: the definitions of residual networks (resnet.h) and of transformers (transformer.h).
#pragma once

#include <string>
#include <vector>

#include "nn/containers.h"
#include "nn/resnet.h"
#include "nn/transformer.h"

namespace minima::nn {

/// Fully connected: flattens its input, then linear layers of these sizes with ReLU between them.
/// mlp({784, 256, 128, 10}) has 235,146 parameters.
Sequential mlp(const std::vector<int64_t>& sizes);

/// LeCun et al., 1998, in today's form: two 5x5 convolutions with ReLU and max pooling, three linear layers.
/// `input` is one image [height, width, channels] of at least 12 x 12.
Sequential lenet(const Shape& input, int64_t classes);

/// Four 3x3 convolutions (32, 32, 64, 64) with batch norm and ReLU, max pooling after the second and fourth, one linear
/// layer. `input` is one image [height, width, channels] of at least 4 x 4.
Sequential cnn(const Shape& input, int64_t classes);

/// The names that make_model knows, with examples for those that carry numbers.
std::vector<std::string> model_names();

/// A model for inputs of this shape (one sample: [features], or an image [height, width, channels]) by name:
///   mlp        hidden layers of 256 and 128        lenet      see above
///   mlp_big    hidden layers of 1024 and 1024      cnn        see above
///   mlp:A,B,.. hidden layers of A, B, ...          resnet20   ResNet with 3 blocks a stage
///   wrnD-K     WideResNet of depth D and width K: wrn16-4
///   vit:P,W,D,H   VisionTransformer with patches of P x P, which fill the image, width W, D blocks, H heads
/// Images are flattened for an MLP; a table for any other model is an error, and so is an unknown name.
AnyModule make_model(const std::string& name, const Shape& input, int64_t classes);

}  // namespace minima::nn
