// SPDX-License-Identifier: MIT
// The one macro of minima's headers: marks scalar functions that g++ compiles for the CPU and nvcc for both sides.
#pragma once

#if defined(__CUDACC__)
#define MINIMA_HOST_DEVICE __host__ __device__
#else
#define MINIMA_HOST_DEVICE
#endif
