// A table from its bytes to samples: separators, quotes, numbers, dates, missing cells, what each column becomes.
#include "datasets/table.h"
#include "tests/fuzz/fuzz.h"
#include "tests/temporary_folder.h"

using namespace minima::datasets;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const minima::test::TemporaryFolder folder;
  const std::string path = folder.write("f.csv", {reinterpret_cast<const char*>(data), size});
  for (const char* task : {"classification", "regression"})
    minima::test::read_or_refuse([&] { load_table(path, {.label = "label", .task = task}); });
  return 0;
}
