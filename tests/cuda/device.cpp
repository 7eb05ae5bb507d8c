// Ends a test program at its start where there is no GPU: the tests that need one are skipped, loudly. With
// MINIMA_REQUIRE_GPU=1 in the environment they fail instead.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "core/backend.h"
#include "tests/reporter.h"

namespace {

struct DeviceReporter : minima::test::Reporter {
  using Reporter::Reporter;
  void test_run_start() override {
    const std::string reason = minima::cuda_unavailable_reason();
    if (reason.empty()) {
      std::printf("device: %s\n", minima::core::cuda_description().c_str());
      return;
    }
    const char* required = std::getenv("MINIMA_REQUIRE_GPU");
    const bool is_required = required && std::strcmp(required, "1") == 0;
    std::printf("%s: NO GPU (%s): THE CUDA BACKEND WAS NOT TESTED\n", is_required ? "FAILED" : "SKIPPED",
                reason.c_str());
    std::fflush(stdout);
    constexpr int skipped = 77;
    std::_Exit(is_required ? 1 : skipped);
  }
};

}  // namespace

REGISTER_LISTENER("device", 1, DeviceReporter);
