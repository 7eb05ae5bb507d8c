// Denormal numbers (float32 below 1e-38, float64 below 1e-308) cost up to a hundred times as much to compute with as
// others, and training meets them: the momentum of a unit that died shrinks by a tenth a step. A thread that computes
// therefore takes them as 0, on the way in and on the way out.
#pragma once

#include <cstdint>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace minima::core {

inline void flush_denormals() {
#if defined(__SSE2__)
  _mm_setcsr(_mm_getcsr() | 0x8040);  // flush to zero, denormals are zero
#elif defined(__aarch64__)
  uint64_t control;
  asm volatile("mrs %0, fpcr" : "=r"(control));
  asm volatile("msr fpcr, %0" ::"r"(control | uint64_t{1} << 24));
#endif
}

}  // namespace minima::core
