// The files of MNIST and its family: images, which have three dimensions, and labels, which have one.
#include "datasets/idx.h"

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  for (const int dimensions : {1, 3})
    minima::test::read_or_refuse([&] { minima::datasets::parse_idx({data, size}, dimensions, "fuzzed"); });
  return 0;
}
