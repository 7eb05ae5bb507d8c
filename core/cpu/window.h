// One axis of a sliding window: which outputs see which inputs. Shared by convolution and pooling.
#pragma once

#include <algorithm>
#include <cstdint>

namespace minima::core::cpu {

/// Output q sees, through position j of the kernel, the input q * stride - padding + j, if that lies inside.
struct WindowAxis {
  int64_t in, out, stride, padding;

  int64_t at(int64_t q, int64_t j) const { return q * stride - padding + j; }
  /// The outputs that see an input inside through position j are [first, last).
  int64_t first(int64_t j) const { return std::min(out, outputs_before(padding - j)); }
  int64_t last(int64_t j) const { return std::max(first(j), std::min(out, outputs_before(in + padding - j))); }

 private:
  /// How many q >= 0 have q * stride < n.
  int64_t outputs_before(int64_t n) const { return n <= 0 ? 0 : (n + stride - 1) / stride; }
};

}  // namespace minima::core::cpu
