// SPDX-License-Identifier: MIT
// Weights in and out: a model's parameters and buffers under PyTorch's names and layouts, as safetensors. Convolution
// weights, [out, kernel_h, kernel_w, in] in memory, are [out, in, kernel_h, kernel_w] there: these functions permute
// what a module visits with visitor.convolution_weight(), and nothing else does.
//   nn::save(model, "model.safetensors");          // load there with safetensors.torch.load_file
//   nn::load(model, "model.safetensors");
// Not here: optimizer state (optim/), the file format (core/safetensors.h).
#pragma once

#include <string>

#include "core/safetensors.h"
#include "nn/module.h"

namespace minima::nn {

/// A snapshot in CPU memory: later training does not change it.
Archive state(Module& model);

/// Writes an archive's tensors into the model's own memory, on any device. Names and shapes must be exactly the
/// model's. So must dtypes: converting silently would break "resumed equals uninterrupted"; call model.to(dtype) first.
/// All problems are listed in one error, and then nothing has changed.
void load_state(Module& model, const Archive& archive);

void save(Module& model, const std::string& path);
void load(Module& model, const std::string& path);

}  // namespace minima::nn
