// A build without nlohmann-json.
#include "core/safetensors.h"
#include "tests/check.h"
#include "tests/temporary_folder.h"

using namespace minima;

TEST_CASE("without nlohmann-json a safetensors file is written, and reading one is refused with what to do") {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("f.safetensors");
  save_safetensors({}, path);
  CHECK(folder.entries() == 1);
  CHECK_ERROR(load_safetensors(path), path +
                                          "] got a safetensors file, but this build cannot read safetensors: it was "
                                          "made without nlohmann-json, expected a build with nlohmann-json. Install "
                                          "nlohmann-json3-dev and configure again.");
}
