// SPDX-License-Identifier: MIT
// The innermost loops for every processor that the build is for (SSE2 on x86-64, NEON on aarch64); core/CMakeLists.txt
// has the flags.
#define MINIMA_ISA baseline
#define MINIMA_LANES 4
#include "core/cpu/microkernels.inc"
