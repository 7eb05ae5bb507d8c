// SPDX-License-Identifier: MIT
// Residual networks for small images: ResNet (He et al., 2016, section 4.2) and WideResNet (Zagoruyko & Komodakis,
// 2016). Both end in global average pooling, so that images of any size and number of channels will do.
#pragma once

#include "nn/batch_norm.h"
#include "nn/containers.h"
#include "nn/layers.h"

namespace minima::nn {

/// relu(bn2(conv2(relu(bn1(conv1 x)))) + shortcut x). The shortcut has no parameters (the paper's option A): where the
/// shape changes it takes every stride-th pixel and pads the channels with zeros, half on each side.
struct BasicBlock : Module {
  Conv2d conv1;
  BatchNorm2d bn1;
  Conv2d conv2;
  BatchNorm2d bn2;
  int64_t in, out, stride;

  BasicBlock(int64_t in, int64_t out, int64_t stride);
  Variable forward(const Variable& x) override;
  void visit(Visitor& visitor) override;
  std::string describe() const override { return "BasicBlock"; }

 private:
  Variable shortcut(const Variable& x) const;
};

/// Three stages of 16, 32 and 64 channels with `blocks` blocks each: depth 6 blocks + 2, so 3 make ResNet-20.
struct ResNet : Module {
  Conv2d conv1;
  BatchNorm2d bn1;
  Sequential layer1, layer2, layer3;
  Linear fc;

  ResNet(int64_t channels, int64_t classes, int64_t blocks = 3);
  Variable forward(const Variable& x) override;
  void visit(Visitor& visitor) override;
  std::string describe() const override { return "ResNet"; }
};

/// Normalisation and ReLU before each convolution: h = relu(bn1 x); y = conv2(relu(bn2(conv1 h))) + shortcut, where
/// the shortcut is x, or a 1x1 convolution of h where the shape changes.
struct WideBlock : Module {
  BatchNorm2d bn1;
  Conv2d conv1;
  BatchNorm2d bn2;
  Conv2d conv2;
  AnyModule shortcut;  ///< empty where the shape stays

  WideBlock(int64_t in, int64_t out, int64_t stride);
  Variable forward(const Variable& x) override;
  void visit(Visitor& visitor) override;
  std::string describe() const override { return "WideBlock"; }
};

/// WRN-depth-width: stages of 16, 32 and 64 times `width` channels; depth is 6 n + 4 with n >= 1 blocks a stage.
struct WideResNet : Module {
  Conv2d conv1;
  Sequential layer1, layer2, layer3;
  BatchNorm2d bn1;
  Linear fc;

  WideResNet(int64_t depth, int64_t width, int64_t channels, int64_t classes);
  Variable forward(const Variable& x) override;
  void visit(Visitor& visitor) override;
  std::string describe() const override { return "WideResNet"; }
};

}  // namespace minima::nn
