// SPDX-License-Identifier: MIT
// Which instruction set the fast kernels use.
#include <cstdlib>

#include "core/cpu/microkernels.h"
#include "core/error.h"

namespace minima::core::cpu {
namespace {
/// The tables that the processor can run, the best first.
std::vector<const Kernels*> tables() {
  std::vector<const Kernels*> all;
#if defined(MINIMA_X86_KERNELS)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl"))
    all.push_back(&avx512::table);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) all.push_back(&avx2::table);
#endif
  all.push_back(&baseline::table);
  return all;
}

const Kernels* table_named(const char* op, const std::string& name) {
  for (const Kernels* table : tables())
    if (name == table->name) return table;
  fail(op, text("'", name, "'"),
       text("an instruction set that this processor and this build have: ", joined(instruction_sets(), ", ")));
}

const Kernels*& chosen() {
  static const Kernels* table = [] {
    const char* wish = std::getenv("MINIMA_ISA");
    return wish ? table_named("MINIMA_ISA", wish) : tables().front();
  }();
  return table;
}
}  // namespace

const Kernels& kernels() { return *chosen(); }

std::vector<std::string> instruction_sets() {
  std::vector<std::string> names;
  for (const Kernels* table : tables()) names.push_back(table->name);
  return names;
}

void set_instruction_set(const std::string& name) { chosen() = table_named("set_instruction_set", name); }

}  // namespace minima::core::cpu
