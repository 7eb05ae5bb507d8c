// A build without threads.
#include <cstdlib>
#include <filesystem>

#include "core/parallel.h"
#include "tests/check.h"

using namespace minima;

TEST_CASE("without threads the chunks of a region run in order, and another number of threads is refused") {
  std::vector<int64_t> chunks;
  core::parallel_chunks(5, [&](int64_t chunk) { chunks.push_back(chunk); });
  CHECK(chunks == std::vector<int64_t>{0, 1, 2, 3, 4});
  CHECK(!has_threads());
  CHECK(num_threads() == 1);
  set_num_threads(1);
  CHECK_ERROR(set_num_threads(2), "[set_num_threads] got 2, expected 1, as this build has no threads");
}

TEST_CASE("without threads a MINIMA_THREADS other than 1 is refused") {
  if (const char* expected = std::getenv("MINIMA_TEST_EXPECT")) {  // the child
    CHECK_ERROR(num_threads(), expected);
    return;
  }
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  CHECK(std::system(("MINIMA_THREADS=2 MINIMA_TEST_EXPECT=\"[MINIMA_THREADS] got '2', expected 1\" '" + program +
                     "' --test-case='without threads a MINIMA*' >/dev/null")
                        .c_str()) == 0);
}
