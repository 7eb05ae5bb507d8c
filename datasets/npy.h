// SPDX-License-Identifier: MIT
// NumPy's files: .npy holds one array, .npz several by name. Not here: which arrays are samples and labels (sources.h).
#pragma once

#include <map>
#include <span>
#include <string>

#include "core/tensor.h"

namespace minima::datasets {

using Arrays = std::map<std::string, Tensor>;

/// An array of float32, float64, int32, int64, uint8 or bool (which becomes uint8), little-endian, in C or Fortran
/// order. Anything else, and a damaged file, is an error that says what was found and where.
Tensor load_npy(const std::string& path);
/// The same from bytes; `name` stands for the file in errors.
Tensor parse_npy(std::span<const uint8_t> bytes, const std::string& name);
void save_npy(const Tensor& tensor, const std::string& path);

/// The arrays of an archive, packed (numpy.savez_compressed; needs zlib) or not.
Arrays load_npz(const std::string& path);
/// Written without packing, as numpy.savez does.
void save_npz(const Arrays& arrays, const std::string& path);

}  // namespace minima::datasets
