// Weights, and models with all that predict needs.
#include "core/safetensors.h"

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return minima::test::read_or_refuse(
      [&] { minima::parse_safetensors(reinterpret_cast<const char*>(data), size, "fuzzed"); });
}
