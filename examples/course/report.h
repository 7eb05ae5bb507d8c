// The report of a workspace: predictions beside what came of them, answers, points, and what is missing.
#pragma once

#include <string>
#include <vector>

namespace minima::examples::course {

/// Everything that a workspace holds, as Markdown; `missing` gets one line for each thing that is not there.
std::string report_text(const std::string& workspace, std::vector<std::string>& missing);

/// Writes report.md and report.html into the workspace; the html opens without a network.
void write_report(const std::string& workspace);

/// The folders in `parent` that are workspaces, graded anew, as CSV: a line for each. `only`: these assignments; empty:
/// all. `seed`: of the mysteries, for the column that says which fault it was.
std::string collected(const std::string& parent, const std::vector<int>& only, const std::string& seed);

}  // namespace minima::examples::course
