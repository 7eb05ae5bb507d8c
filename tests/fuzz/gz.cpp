// What a .gz file holds, at most a mebibyte of it.
#include "datasets/files.h"
#include "tests/fuzz/fuzz.h"
#include "tests/temporary_folder.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const minima::test::TemporaryFolder folder;
  const std::string path = folder.write("f.gz", {reinterpret_cast<const char*>(data), size});
  return minima::test::read_or_refuse([&] { minima::datasets::detail::read_file(path, 1 << 20); });
}
