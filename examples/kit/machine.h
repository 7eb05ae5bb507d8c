// What a measurement was made on: processor, operating system, compiler, build type, BLAS.
#pragma once

#include <string>

#include "core/dtype.h"

namespace minima::examples {

/// "AMD EPYC 9R14, 2 CPUs, Linux 6.1; g++ 12.2.0, Release; OpenBLAS 0.3.21 (Haswell)"
std::string machine_description();

/// Prints machine, device and threads, as every program does first; warns about a build that is slow by intent.
void print_machine(Device device);

/// "cpu" or "cuda" as a Device; anything else, or a GPU that cannot be used, is an error.
Device parse_device(const std::string& name);

}  // namespace minima::examples
