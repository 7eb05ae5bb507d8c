// SPDX-License-Identifier: MIT
// Layers without running state: linear maps, embedding, convolution, layer and group norm, dropout, activations,
// pooling. Images are [batch, height, width, channels], sequences [batch, length, channels]. Parameters carry PyTorch's
// names and default initialisation, and its layouts but for the weights of convolutions, which a checkpoint permutes.
// Not here: batch norm (batch_norm.h), attention (attention.h), layers made of layers (containers.h).
#pragma once

#include "autograd/ops.h"
#include "nn/init.h"
#include "nn/module.h"

namespace minima::nn {

struct LinearOptions {
  bool bias = true;
  Init init = kaiming_uniform();  ///< of the weight; the bias is uniform within +-1 / sqrt(in)
};

/// Fully connected layer over the last axis, y = x W^T + b.
/// x [batch, in] -> y [batch, out]; more leading axes are kept: [..., in] -> [..., out]. weight [out, in], bias [out].
struct Linear : Module {
  Variable weight, bias;

  Linear(int64_t in, int64_t out, const LinearOptions& options = {});
  Variable forward(const Variable& x) final { return forward_then(x, Activation::none); }
  Variable forward_then(const Variable& x, Activation activation) final;
  void visit(Visitor& visitor) override { visitor("weight", weight), visitor("bias", bias); }
  std::string describe() const override;
};

/// A vector for each of `count` things, such as the characters of a text.
/// x of int32 or int64, 0 to count - 1, [...] -> y [..., width]; weight [count, width].
struct Embedding : Module {
  Variable weight;

  Embedding(int64_t count, int64_t width, const Init& init = normal());
  Variable forward(const Variable& x) override;
  void visit(Visitor& visitor) override { visitor("weight", weight); }
  std::string describe() const override;
};

struct ConvOptions {
  int64_t stride = 1, padding = 0;
  bool bias = true;
  Init init = kaiming_uniform();  ///< of the weight, drawn as [out, in, kernel, kernel] and then permuted; the bias is
                                  ///< uniform within +-1 / sqrt(in * kernel * kernel)
};

/// 2-D convolution (cross-correlation) with a square kernel; padding is zeros on all four sides.
/// x [batch, h, w, in] -> y [batch, h', w', out], h' = (h + 2 padding - kernel) / stride + 1, rounded down.
/// weight [out, kernel, kernel, in], bias [out].
struct Conv2d : Module {
  Variable weight, bias;
  int64_t stride, padding;

  Conv2d(int64_t in, int64_t out, int64_t kernel, const ConvOptions& options = {});
  Variable forward(const Variable& x) final { return forward_then(x, Activation::none); }
  Variable forward_then(const Variable& x, Activation activation) final;
  void visit(Visitor& visitor) override { visitor.convolution_weight("weight", weight), visitor("bias", bias); }
  std::string describe() const override;
};

/// 1-D convolution (cross-correlation) along a sequence; padding is zeros at both ends.
/// x [batch, length, in] -> y [batch, length', out], length' = (length + 2 padding - kernel) / stride + 1, rounded
/// down. weight [out, kernel, in], bias [out].
struct Conv1d : Module {
  Variable weight, bias;
  int64_t stride, padding;

  Conv1d(int64_t in, int64_t out, int64_t kernel, const ConvOptions& options = {});
  Variable forward(const Variable& x) override;
  void visit(Visitor& visitor) override { visitor.convolution_weight("weight", weight), visitor("bias", bias); }
  std::string describe() const override;
};

struct ConvTransposeOptions {
  int64_t stride = 1, padding = 0;
  int64_t output_padding = 0;  ///< added to h' and w', less than the stride: which of the sizes that Conv2d would bring
                               ///< to h and w is meant
  bool bias = true;
  Init init = kaiming_uniform();  ///< of the weight, drawn as [in, out, kernel, kernel] and then permuted; the bias is
                                  ///< uniform within +-1 / sqrt(out * kernel * kernel)
};

/// Transposed 2-D convolution: spreads each pixel over a window, and so makes images larger (Zeiler et al., 2010).
/// x [batch, h, w, in] -> y [batch, h', w', out], h' = (h - 1) stride - 2 padding + kernel + output_padding.
/// weight [in, kernel, kernel, out], bias [out].
struct ConvTranspose2d : Module {
  Variable weight, bias;
  int64_t stride, padding, output_padding;

  ConvTranspose2d(int64_t in, int64_t out, int64_t kernel, const ConvTransposeOptions& options = {});
  Variable forward(const Variable& x) override;
  void visit(Visitor& visitor) override { visitor.convolution_weight("weight", weight), visitor("bias", bias); }
  std::string describe() const override;
};

/// Normalises the last axis (Ba et al., 2016): y = (x - mean) / sqrt(variance + epsilon) * weight + bias, with the
/// biased variance. x [..., features]; weight [features] starts at 1, bias [features] at 0.
struct LayerNorm : Module {
  Variable weight, bias;
  double epsilon;

  explicit LayerNorm(int64_t features, double epsilon = 1e-5);
  Variable forward(const Variable& x) override;
  void visit(Visitor& visitor) override { visitor("weight", weight), visitor("bias", bias); }
  std::string describe() const override;
};

/// Normalises the channels of each sample in groups (Wu & He, 2018), whatever the batch: the formula of LayerNorm, with
/// mean and variance over all positions and the channels of one group, and a weight and a bias for each channel.
/// x [batch, ..., channels]; the channels are divisible by the groups.
struct GroupNorm : Module {
  Variable weight, bias;
  int64_t groups;
  double epsilon;

  GroupNorm(int64_t groups, int64_t channels, double epsilon = 1e-5);
  Variable forward(const Variable& x) override;
  void visit(Visitor& visitor) override { visitor("weight", weight), visitor("bias", bias); }
  std::string describe() const override;
};

/// While training, zeroes each element with this probability and scales the rest by 1 / (1 - probability)
/// (Srivastava et al., 2014); the identity in eval mode. Draws from default_generator(), one stream for the whole
/// model: restoring that generator's value replays the same masks.
struct Dropout : Module {
  double probability;

  explicit Dropout(double probability = 0.5);  ///< in [0, 1)
  Variable forward(const Variable& x) override { return training ? dropout(x, probability) : x; }
  std::string describe() const override;
};

/// [batch, ...] -> [batch, everything else]. The numbers of an image [batch, height, width, channels] are put in
/// PyTorch's order first, channel by channel, so that the weights of a linear layer after it mean the same there.
struct Flatten : Module {
  Variable forward(const Variable& x) override;
  std::string describe() const override { return "Flatten"; }
};

// ---- activations, elementwise

struct ReLU : Module {
  Variable forward(const Variable& x) override { return relu(x); }
  std::string describe() const override { return "ReLU"; }
};

/// Exact, not the tanh approximation.
struct GELU : Module {
  Variable forward(const Variable& x) override { return gelu(x); }
  std::string describe() const override { return "GELU"; }
};

struct Tanh : Module {
  Variable forward(const Variable& x) override { return minima::tanh(x); }
  std::string describe() const override { return "Tanh"; }
};

struct Sigmoid : Module {
  Variable forward(const Variable& x) override { return sigmoid(x); }
  std::string describe() const override { return "Sigmoid"; }
};

// ---- pooling: x [batch, h, w, channels] -> [batch, h', w', channels], h' as in Conv2d

struct PoolOptions {
  int64_t stride = 0;   ///< 0: the kernel, so that windows do not overlap
  int64_t padding = 0;  ///< at most half the kernel
};

struct MaxPool2d : Module {
  core::Window window;

  explicit MaxPool2d(int64_t kernel, const PoolOptions& options = {});
  Variable forward(const Variable& x) override { return max_pool2d(x, window); }
  std::string describe() const override;
};

/// Means over windows; padding counts as zeros.
struct AvgPool2d : Module {
  core::Window window;

  explicit AvgPool2d(int64_t kernel, const PoolOptions& options = {});
  Variable forward(const Variable& x) override { return avg_pool2d(x, window); }
  std::string describe() const override;
};

/// The mean of each channel: [batch, h, w, channels] -> [batch, channels].
struct GlobalAvgPool : Module {
  Variable forward(const Variable& x) override;
  std::string describe() const override { return "GlobalAvgPool"; }
};

}  // namespace minima::nn
