// A CUDA device on the CPU: the same .cu files as on a GPU, compiled as C++ and run by an exacting machine. It stops
// the process, saying why, where a real device would give wrong numbers, an error much later, or nothing at all:
//   memory     the host cannot touch device memory: a page fault names it. New memory is NaN. Behind each block lies a
//              page that faults; freed blocks fault for ever, for no address is used twice.
//   arguments  a kernel gets no pointer of the host and none into freed memory, not even inside a struct
//   streams    work waits until somebody must wait for it: a result that is read too early is still NaN, and a source
//              that is changed too early is copied as changed
//   threads    each is a fiber. A warp runs as far ahead of the others as it can, in an order that
//   MINIMA_EMULATION_ORDER
//              chooses (forward, reverse, or a number as seed), so that a missing barrier shows. Barriers and warp
//              operations must be reached by all threads, at the same line.
//   cuBLAS     leading dimensions, extents within live blocks, where the scalars lie
// What it cannot show: the accuracy of a GPU's functions, races between blocks, weak memory order, speed.
// This header is what tests ask the machine. Test only.
#pragma once

#include <cstddef>
#include <cstdint>

namespace minima::emulation {

/// How often the host has waited for the device.
int64_t waits();
/// How many kernels and matrix products have been enqueued, alone or in a graph; how many graphs.
int64_t launches();
int64_t graph_launches();
/// How many copies from the host were enqueued beside kernels: these waited on another stream, and not on the copy's
/// own.
int64_t overlapping_copies();
/// Of the device's memory.
size_t bytes_in_use();
/// How much memory the device has from now on.
void set_capacity(size_t bytes);
/// From now on the device is lost, as after an illegal access: every call gives an error. Or it is back.
void set_lost(bool lost);

/// Stops the process with status 86.
[[noreturn, gnu::format(printf, 1, 2)]] void stop(const char* format, ...);
inline constexpr int stopped = 86;

}  // namespace minima::emulation
