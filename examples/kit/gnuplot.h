// Running gnuplot, which is a program of its own and may be absent: then numbers and scripts are still written.
#pragma once

#include <string>

namespace minima::examples {

/// Runs a script in its own directory. Returns an empty text, or why there are no figures and how to get them.
std::string run_gnuplot(const std::string& directory, const std::string& script);

}  // namespace minima::examples
