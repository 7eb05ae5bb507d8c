// SPDX-License-Identifier: MIT
// IDX: the format of the MNIST family. A big-endian header (magic number, extents), then the elements, one byte each.
// Not here: finding and decompressing the files (files.h), what their samples mean (sources.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "core/shape.h"

#pragma GCC visibility push(hidden)  // not public: docs/house.md
namespace minima::datasets {

struct IdxHeader {
  Shape shape;
  size_t size;  ///< of the header, in bytes; the elements follow
};

/// Checks that `bytes` are one whole IDX file of unsigned bytes with that many dimensions, no more and no less.
/// `name` stands for the file in errors.
IdxHeader parse_idx(std::span<const uint8_t> bytes, int dimensions, const std::string& name);

}  // namespace minima::datasets
#pragma GCC visibility pop
