// from_summary.h in a build without nlohmann-json: an error that says so.
#include "examples/train/from_summary.h"

namespace minima::examples {

SummaryRun read_summary(const std::string& path, const std::string&, uint64_t) {
  fail(path, "a summary in JSON, but this build cannot read JSON", "a build with nlohmann-json",
       "Install nlohmann-json3-dev and configure again.");
}

}  // namespace minima::examples
