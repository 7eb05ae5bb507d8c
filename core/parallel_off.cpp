// SPDX-License-Identifier: MIT
// parallel.h in a build without threads: every region runs on the calling thread.
#include <cstdlib>
#include <string>

#include "core/error.h"
#include "core/parallel.h"

namespace minima {
namespace {
[[noreturn]] void fail_without_threads(const std::string& where, const std::string& got) {
  fail(where, got, "1, as this build has no threads", "Configure with -DMINIMA_USE_THREADS=ON and build again.");
}
}  // namespace

bool has_threads() { return false; }

int num_threads() {
  static const int threads = [] {
    const char* wish = std::getenv("MINIMA_THREADS");
    if (wish && std::string(wish) != "1") fail_without_threads("MINIMA_THREADS", text("'", wish, "'"));
    return 1;
  }();
  return threads;
}

void set_num_threads(int n) {
  if (n != 1) fail_without_threads("set_num_threads", text(n));
}

bool core::in_parallel_region() { return false; }
int core::thread_index() { return 0; }

void core::run_chunks(int64_t count, void (*run)(void*, int64_t), void* context) {
  num_threads();  // refuses a MINIMA_THREADS that this build cannot give
  for (int64_t i = 0; i < count; ++i) run(context, i);
}

}  // namespace minima
