// NumPy's arrays: one (.npy), and several in a zip archive (.npz).
#include "datasets/npy.h"

#include "tests/fuzz/fuzz.h"
#include "tests/temporary_folder.h"

using namespace minima::datasets;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const minima::test::TemporaryFolder folder;
  const std::string path = folder.write("f.npz", {reinterpret_cast<const char*>(data), size});
  minima::test::read_or_refuse([&] { parse_npy({data, size}, "fuzzed"); });
  return minima::test::read_or_refuse([&] { load_npz(path); });
}
