// A doctest reporter that reports nothing, to override the one moment that matters; and one that counts.
#pragma once

#include <doctest/doctest.h>

namespace minima::test {

struct Reporter : doctest::IReporter {
  explicit Reporter(const doctest::ContextOptions&) {}
  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
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

/// Counts the tests that a run's filters let pass.
struct CountingReporter : Reporter {
  using Reporter::Reporter;
  static inline int tests_run = 0;
  void test_run_end(const doctest::TestRunStats& stats) override {
    tests_run = static_cast<int>(stats.numTestCasesPassingFilters);
  }
};

}  // namespace minima::test
