// The machine, of program.h.
#include <cblas.h>
#include <sys/utsname.h>

#include <cstdio>
#include <fstream>
#include <thread>

#include "core/backend.h"
#include "core/parallel.h"
#include "examples/kit/program.h"

namespace minima::examples {

namespace {

std::string processor() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  utsname system{};
  uname(&system);
  return system.machine;
}

std::string compiler() {
#if defined(__clang__)
  return text("clang++ ", __clang_major__, ".", __clang_minor__, ".", __clang_patchlevel__);
#else
  return text("g++ ", __GNUC__, ".", __GNUC_MINOR__, ".", __GNUC_PATCHLEVEL__);
#endif
}

std::string blas() {
  const std::string configuration = openblas_get_config();  // "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ..."
  const size_t end_of_version = configuration.find(' ', configuration.find(' ') + 1);
  return configuration.substr(0, end_of_version) + " (" + openblas_get_corename() + ")";
}

}  // namespace

std::string machine_description() {
  utsname system{};
  uname(&system);
  return text(processor(), ", ", std::thread::hardware_concurrency(), " CPUs, ", system.sysname, " ", system.release,
              "; ", compiler(), ", ", MINIMA_BUILD_TYPE, "; ", blas());
}

void print_machine(Device device) {
  std::printf("%s\ndevice %s, %d thread%s\n", machine_description().c_str(), name_of(device), num_threads(),
              num_threads() == 1 ? "" : "s");
#ifndef NDEBUG
  std::printf("warning: this is a %s build, many times slower than Release; do not report its seconds\n",
              MINIMA_BUILD_TYPE);
#endif
}

Device parse_device(const std::string& name) {
  if (name == "cpu") return Device::cpu;
  if (name != "cuda") fail("--device", name, "cpu or cuda");
  const std::string reason = cuda_unavailable_reason();
  if (!reason.empty()) fail("--device cuda", "no usable GPU (" + reason + ")", "one", "Use --device cpu.");
  return Device::cuda;
}

}  // namespace minima::examples
