#include "examples/kit/program.h"

#include "examples/kit/progress.h"
#include "tests/check.h"

using namespace minima;
using namespace minima::examples;

TEST_CASE("words are listed as one writes them") {
  CHECK(listed({}) == "");
  CHECK(listed({"a"}) == "a");
  CHECK(listed({"a", "b"}) == "a and b");
  CHECK(listed({"a", "b", "c"}) == "a, b and c");
}

TEST_CASE("the progress bar shows the share done and the time left") {
  CHECK(progress_bar(50, 100, 75, "sgd") == "[============>           ]  50%  1:15 left  sgd");
  CHECK(progress_bar(0, 100, NAN, "") == "[>                       ]   0%");
  CHECK(progress_bar(100, 100, 0, "done") == "[========================] 100%  done");
  CHECK(clock_time(3725) == "1:02:05");
}
