// SPDX-License-Identifier: MIT
// safetensors files: named tensors and text metadata, readable by other frameworks. Nothing read is trusted.
// Not here: what the names mean (nn/checkpoint.h, optim/optimizer.h).
#pragma once

#include <map>
#include <string>

#include "core/file.h"
#include "core/tensor.h"

namespace minima {

/// The contents of one file. Names are unique and ordered.
struct Archive {
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;

  /// A tensor or a metadata entry that must be there; else an error that names what is.
  const Tensor& tensor(const std::string& name) const;
  const std::string& entry(const std::string& name) const;
  /// Copies another archive in, with a prefix before every name; and the reverse.
  void insert(const std::string& prefix, const Archive& other);
  Archive extract(const std::string& prefix) const;
};

void save_safetensors(const Archive& archive, const std::string& path);
/// False in a build without nlohmann-json, where loading is an error (safetensors_off.cpp).
bool can_load_safetensors();
/// Types that minima does not compute with are converted, without loss: F16, BF16 and F8 to float32; I8, I16 and U16 to
/// int32; U32 and U64 to int64; BOOL to uint8.
Archive load_safetensors(const std::string& path);
/// Parses bytes; `name` stands for the file in errors.
Archive parse_safetensors(const char* bytes, size_t size, const std::string& name);

}  // namespace minima
