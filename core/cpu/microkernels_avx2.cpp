// SPDX-License-Identifier: MIT
// The innermost loops for processors with AVX2 and FMA; core/CMakeLists.txt has the flags.
#define MINIMA_ISA avx2
#define MINIMA_LANES 8
#include "core/cpu/microkernels.inc"
