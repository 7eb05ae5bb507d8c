// SPDX-License-Identifier: MIT
#include "nn/resnet.h"

namespace minima::nn {
namespace {
Conv2d conv3x3(int64_t in, int64_t out, int64_t stride = 1) {
  return Conv2d{in, out, 3, {.stride = stride, .padding = 1, .bias = false}};
}

// `blocks` blocks, the first of which changes channels and resolution.
template <class Block>
Sequential stage(int64_t in, int64_t out, int64_t stride, int64_t blocks) {
  Sequential stage;
  for (int64_t i = 0; i < blocks; ++i) stage.add(Block(i == 0 ? in : out, out, i == 0 ? stride : 1));
  return stage;
}

int64_t blocks_for_depth(int64_t depth) {
  if (depth < 10 || (depth - 4) % 6 != 0)
    fail("WideResNet", text("depth ", depth), "6 n + 4 with n >= 1: 10, 16, 22, 28, ...");
  return (depth - 4) / 6;
}
}  // namespace

BasicBlock::BasicBlock(int64_t in, int64_t out, int64_t stride)
    : conv1(conv3x3(in, out, stride)), bn1(out), conv2(conv3x3(out, out)), bn2(out), in(in), out(out), stride(stride) {}

Variable BasicBlock::forward(const Variable& x) {
  const Variable h = bn1(conv1(x), Activation::relu);
  return bn2(conv2(h), {.residual = shortcut(x), .activation = Activation::relu});
}

Variable BasicBlock::shortcut(const Variable& x) const {
  Variable y = x;
  if (stride != 1) y = slice(slice(y, 1, 0, y.size(1), stride), 2, 0, y.size(2), stride);
  return in == out ? y : unslice(y, 3, out, (out - in) / 2);
}

void BasicBlock::visit(Visitor& visitor) {
  visitor("conv1", conv1), visitor("bn1", bn1);
  visitor("conv2", conv2), visitor("bn2", bn2);
}

ResNet::ResNet(int64_t channels, int64_t classes, int64_t blocks)
    : conv1(conv3x3(channels, 16)),
      bn1(16),
      layer1(stage<BasicBlock>(16, 16, 1, blocks)),
      layer2(stage<BasicBlock>(16, 32, 2, blocks)),
      layer3(stage<BasicBlock>(32, 64, 2, blocks)),
      fc(64, classes) {
  if (blocks < 1) fail("ResNet", text(blocks, " blocks a stage"), "at least 1");
}

Variable ResNet::forward(const Variable& x) {
  Variable y = layer3(layer2(layer1(bn1(conv1(x), Activation::relu))));
  return fc(GlobalAvgPool{}(y));
}

void ResNet::visit(Visitor& visitor) {
  visitor("conv1", conv1), visitor("bn1", bn1);
  visitor("layer1", layer1), visitor("layer2", layer2), visitor("layer3", layer3);
  visitor("fc", fc);
}

WideBlock::WideBlock(int64_t in, int64_t out, int64_t stride)
    : bn1(in), conv1(conv3x3(in, out, stride)), bn2(out), conv2(conv3x3(out, out)) {
  if (in != out || stride != 1) shortcut = Conv2d{in, out, 1, {.stride = stride, .bias = false}};
}

Variable WideBlock::forward(const Variable& x) {
  const Variable h = bn1(x, Activation::relu);
  const Variable y = conv2(bn2(conv1(h), Activation::relu));
  return y + (shortcut ? (*shortcut)(h) : x);
}

void WideBlock::visit(Visitor& visitor) {
  visitor("bn1", bn1), visitor("conv1", conv1);
  visitor("bn2", bn2), visitor("conv2", conv2);
  if (shortcut) visitor("shortcut", *shortcut);
}

WideResNet::WideResNet(int64_t depth, int64_t width, int64_t channels, int64_t classes)
    : conv1(conv3x3(channels, 16)),
      layer1(stage<WideBlock>(16, 16 * width, 1, blocks_for_depth(depth))),
      layer2(stage<WideBlock>(16 * width, 32 * width, 2, blocks_for_depth(depth))),
      layer3(stage<WideBlock>(32 * width, 64 * width, 2, blocks_for_depth(depth))),
      bn1(64 * width),
      fc(64 * width, classes) {}

Variable WideResNet::forward(const Variable& x) {
  Variable y = layer3(layer2(layer1(conv1(x))));
  return fc(GlobalAvgPool{}(bn1(y, Activation::relu)));
}

void WideResNet::visit(Visitor& visitor) {
  visitor("conv1", conv1);
  visitor("layer1", layer1), visitor("layer2", layer2), visitor("layer3", layer3);
  visitor("bn1", bn1), visitor("fc", fc);
}

}  // namespace minima::nn
