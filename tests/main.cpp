// The main of every test program. A filter that matches no test is a failure, not a success.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

#include "tests/reporter.h"

REGISTER_LISTENER("counter", 1, minima::test::CountingReporter);

int main(int argc, char** argv) {
  doctest::Context context(argc, argv);
  const int failed = context.run();
  if (context.shouldExit()) return failed;  // --help, --list-test-cases
  if (minima::test::CountingReporter::tests_run == 0) {
    std::fputs("no test matches this filter\n", stderr);
    return 2;
  }
  return failed;
}
