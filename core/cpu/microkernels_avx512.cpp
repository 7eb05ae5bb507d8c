// SPDX-License-Identifier: MIT
// The innermost loops for processors with AVX-512 (F, DQ, BW, VL); core/CMakeLists.txt has the flags.
#define MINIMA_ISA avx512
#define MINIMA_LANES 16
#include "core/cpu/microkernels.inc"
