// lab9_faults as a program: mysteries stay mysteries, and what it refuses. Its stated figures are its own --check.
#include "tests/check.h"
#include "tests/examples/process.h"

using namespace minima;
using namespace minima::test;

namespace {

Outcome lab9(const TemporaryFolder& folder, Words words) {
  words.insert(words.begin(), {MINIMA_LAB9, "--quick", "--out", folder.file("out")});
  return run(folder, words);
}

// "mystery 3 is g) The momentum ..." -> "g", empty where it is not said.
std::string answer(const std::string& output, const std::string& suspect) {
  const size_t at = output.find(suspect + " is ");
  return at == std::string::npos ? "" : output.substr(at + suspect.size() + 4, 1);
}

}  // namespace

TEST_CASE("a mystery is not named, not in the files either, until it is asked for, and is the same each time") {
  TemporaryFolder folder;
  const Outcome asked = lab9(folder, {"--mystery", "3", "--solutions"}), again = lab9(folder, {"--mystery", "3"});
  REQUIRE(asked.status == 0);
  REQUIRE(again.status == 0);
  const std::string letter = answer(asked.output, "mystery 3");
  CHECK(letter >= "a");
  CHECK(letter <= "n");
  CHECK(answer(again.output, "mystery 3") == "");
  CHECK_FALSE(contains(again.output, "fault 1"));
  const std::vector<std::string> rows = lines_of(folder.file("out/readings.csv"));
  REQUIRE(rows.size() == 1 + 2 * 120);
  CHECK(contains(rows.back(), "mystery 3"));

  // The same readings as the fault it is.
  std::string fault;
  for (int i = 1; i <= 14 && fault.empty(); ++i)
    if (answer(lab9(folder, {"--fault", std::to_string(i), "--solutions"}).output, text("fault ", i)) == letter)
      fault = text("fault ", i);
  REQUIRE(fault != "");
  std::string last = lines_of(folder.file("out/readings.csv")).back();
  last.replace(last.find(fault), fault.size(), "mystery 3");
  CHECK(last == rows.back());
}

TEST_CASE("a fault that does not exist, or a mystery beside it, is refused") {
  TemporaryFolder folder;
  const Outcome fifteen = lab9(folder, {"--fault", "15"}), both = lab9(folder, {"--fault", "1", "--mystery", "2"});
  CHECK(fifteen.status == 2);
  CHECK(contains(fifteen.output, "[--fault] got 15, expected 1 to 14, or 0 for all"));
  CHECK(both.status == 2);
  CHECK(contains(both.output, "[--mystery] got it beside --fault, expected one of the two"));
  CHECK(contains(lab9(folder, {"--mystery", "-1"}).output, "[--mystery] got -1"));
}
