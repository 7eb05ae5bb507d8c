// SPDX-License-Identifier: MIT
// The macros that stand before functions of minima's headers. They are public because the optimizers'
// rules are: a program may have rules of its own.
#pragma once

/// Marks scalar functions that g++ compiles for the CPU and nvcc for both sides.
#if defined(__CUDACC__)
#define MINIMA_HOST_DEVICE __host__ __device__
#else
#define MINIMA_HOST_DEVICE
#endif

/// Marks a loop over elements, which wide vectors make faster: in a build for any x86 processor, GCC compiles it, with
/// everything that it calls, for these generations of processors, and the program takes the best for the one at hand.
#if defined(__gnu_linux__) && defined(__x86_64__) && !defined(__AVX2__) && !defined(__clang__) && \
    !defined(__CUDACC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define MINIMA_VECTOR_LOOP __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), flatten))
#else
#define MINIMA_VECTOR_LOOP
#endif
