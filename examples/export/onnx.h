// ONNX: a model in a file that ONNX Runtime and many other programs run. For the layers of nn/ in a Sequential, and the
// models of nn/models.h. Not here: reading ONNX, weights alone (nn/checkpoint.h).
#pragma once

#include <string>

#include "nn/module.h"

namespace minima::examples {

/// Writes the model as it computes in eval mode, in float32 (operator set 17). Its input "input" has the shape [batch,
/// `input`...], images [batch, height, width, channels] as everywhere in minima; its output is "output". `input` is the
/// shape of one sample. A layer that is not known here is an error that names it.
void save_onnx(nn::Module& model, const Shape& input, const std::string& path);

}  // namespace minima::examples
