// A build without zlib.
#include "datasets/files.h"
#include "tests/check.h"
#include "tests/temporary_folder.h"

using namespace minima;

TEST_CASE("without zlib a gz file is refused by name, with what to do") {
  test::TemporaryFolder folder;
  const std::string path = folder.write("t.csv.gz", "\x1f\x8b and more");
  CHECK_ERROR(datasets::detail::read_file(path, 100), path + "] got a gz file, but this build has no zlib");
}
