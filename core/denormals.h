// SPDX-License-Identifier: MIT
// Denormal numbers (float32 below 1e-38, float64 below 1e-308) can cost a hundred times as much to compute with as
// others, and training meets them: the momentum of a unit that died shrinks by a tenth a step, until rounding keeps it
// where it is. Inside this scope the calling thread takes them as 0, on the way in and on the way out, and so do the
// threads that work for it (parallel.h). An optimizer's step is such a scope. Only on x86 and ARM; elsewhere it does
// nothing.
#pragma once

#include <cstdint>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#pragma GCC visibility push(hidden)  // not public: docs/house.md
namespace minima::core {

/// How the calling thread computes with floating-point numbers, as the processor's control register says.
inline uint64_t float_mode() {
#if defined(__SSE2__)
  return _mm_getcsr();
#elif defined(__aarch64__)
  uint64_t mode;
  asm volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
#else
  return 0;
#endif
}

inline void set_float_mode([[maybe_unused]] uint64_t mode) {
#if defined(__SSE2__)
  _mm_setcsr(static_cast<unsigned>(mode));
#elif defined(__aarch64__)
  asm volatile("msr fpcr, %0" ::"r"(mode));
#endif
}

class DenormalsAreZero {
 public:
  DenormalsAreZero() {
#if defined(__SSE2__)
    set_float_mode(before_ | 0x8040);
#elif defined(__aarch64__)
    set_float_mode(before_ | uint64_t{1} << 24);
#endif
  }
  ~DenormalsAreZero() { set_float_mode(before_); }
  DenormalsAreZero(const DenormalsAreZero&) = delete;
  DenormalsAreZero& operator=(const DenormalsAreZero&) = delete;

 private:
  const uint64_t before_ = float_mode();
};

}  // namespace minima::core
#pragma GCC visibility pop
