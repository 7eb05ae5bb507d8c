// The main of every test program. A filter that matches no test is a failure, not a success.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

#include "tests/reporter.h"

namespace {
int tests_run = 0;

struct CountingReporter : minima::test::Reporter {
  using Reporter::Reporter;
  void test_run_end(const doctest::TestRunStats& stats) override {
    tests_run = static_cast<int>(stats.numTestCasesPassingFilters);
  }
};
}  // namespace

REGISTER_LISTENER("counter", 1, CountingReporter);

int main(int argc, char** argv) {
  doctest::Context context(argc, argv);
  const int failed = context.run();
  if (context.shouldExit()) return failed;  // --help, --list-test-cases
  if (tests_run == 0) {
    std::fputs("no test matches this filter\n", stderr);
    return 2;
  }
  return failed;
}
