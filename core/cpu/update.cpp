// SPDX-License-Identifier: MIT
// Optimizer rules over flat buffers: one pass over memory. What goes along with an update is done strip by strip,
// while the strip is in the cache.
#include "core/cpu/cpu_backend.h"

namespace minima::core {

static constexpr int64_t strip = 256;  // elements: few, so that arithmetic on one strip overlaps with reading the next

void CpuBackend::update(const UpdateKernel& rule, Tensor& weight, const Tensor& grad, Tensor* states,
                        const AlongWithUpdate& also) {
  dispatch_floating("update", weight.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T *weights = cpu::write<T>(weight), *memory[UpdateKernel::most_states];
    for (int i = 0; i < rule.states; ++i) memory[i] = cpu::write<T>(states[i]);
    const T move = static_cast<T>(also.scale.defined() ? also.move * *cpu::read<double>(also.scale) : also.move);
    const int64_t n = weight.numel(), piece = cpu::piece_of(n);
    const bool with_squares = also.squares.defined();
    double partial[cpu::max_partials];
    parallel_for(n, piece, [&](int64_t begin, int64_t end) {
      cpu::DotLanes lanes;
      for (int64_t at = begin, next; at < end; at = next) {
        next = std::min(end, at + strip);
        if (also.move != 0) cpu::add_scaled_line(weights + at, move, memory[0] + at, next - at, weights + at);
        rule.run(weights, cpu::read<T>(grad), memory, at, next);
        if (with_squares) lanes.add(memory[0] + at, memory[0] + at, next - at);
      }
      if (with_squares) partial[begin / piece] = lanes.total();
    });
    if (!with_squares) return;
    Tensor squares = also.squares;
    double total = 0;
    for (int64_t i = 0; i * piece < n; ++i) total += partial[i];
    *cpu::write<double>(squares) = total;
  });
}

}  // namespace minima::core
