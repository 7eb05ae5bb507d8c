// Which instruction set the fast kernels use.
#include <cstdlib>
#include <string_view>

#include "core/cpu/microkernels.h"
#include "core/error.h"

namespace minima::core::cpu {
namespace {
struct Choice {
  const Kernels* table;
  bool present;  ///< the processor has it
};

const Kernels& choose() {
  const Choice choices[] = {
  // the best first
#if defined(MINIMA_X86_KERNELS)
      {&avx512::table, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")},
      {&avx2::table, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")},
#endif
      {&baseline::table, true}};
  const char* wish = std::getenv("MINIMA_ISA");
  std::string known;
  for (const Choice& choice : choices) {
    if (!choice.present) continue;
    if (!wish || std::string_view(wish) == choice.table->name) return *choice.table;
    known += (known.empty() ? "" : ", ") + std::string(choice.table->name);
  }
  fail("MINIMA_ISA", text("'", wish, "'"), text("an instruction set that this processor and this build have: ", known));
}
}  // namespace

const Kernels& kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

}  // namespace minima::core::cpu
