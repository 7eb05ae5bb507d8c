// SPDX-License-Identifier: MIT
#include "core/cpu_quota.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>

namespace minima::core {
namespace fs = std::filesystem;

namespace {
// Version 2 has one file, "150000 100000" or "max 100000"; version 1 has two, with -1 for no limit.
double limit_of(const fs::path& group) {
  double quota = 0, period = 0;
  std::ifstream both(group / "cpu.max"), first(group / "cpu.cfs_quota_us"), second(group / "cpu.cfs_period_us");
  if (!(both >> quota >> period)) first >> quota, second >> period;
  return quota > 0 && period > 0 ? quota / period : std::numeric_limits<double>::infinity();
}
}  // namespace

double cpu_quota(const std::string& root, const std::string& membership) {
  double least = std::min(limit_of(root), limit_of(root + "/cpu"));  // what a container sees as its own
  std::ifstream groups(membership);
  for (std::string line; std::getline(groups, line);) {  // "0::/user/job" or "4:cpu,cpuacct:/job"
    const size_t one = line.find(':'), two = line.find(':', one + 1);
    if (two == std::string::npos) continue;
    const fs::path mount = fs::path(root) / line.substr(one + 1, two - one - 1);
    for (fs::path group = fs::path(line.substr(two + 1)).relative_path(); !group.empty(); group = group.parent_path())
      least = std::min({least, limit_of(mount / group), limit_of(fs::path(root) / "cpu" / group)});
  }
  return least;
}

}  // namespace minima::core
