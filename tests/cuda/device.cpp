// Ends a test program at its start where there is no GPU: the tests that need one are skipped, loudly. With
// MINIMA_REQUIRE_GPU=1 in the environment they fail instead.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "core/backend.h"
#include "tests/check.h"

namespace {

struct DeviceReporter : doctest::IReporter {
  explicit DeviceReporter(const doctest::ContextOptions&) {}
  void report_query(const doctest::QueryData&) override {}
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
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_start(const doctest::TestCaseData&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};

}  // namespace

REGISTER_LISTENER("device", 1, DeviceReporter);
