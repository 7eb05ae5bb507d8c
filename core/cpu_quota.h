// SPDX-License-Identifier: MIT
// How many processors a container's limit leaves to this process (Linux control groups, versions 1 and 2).
#pragma once

#include <string>

#pragma GCC visibility push(hidden)  // not public: docs/house.md
namespace minima::core {

/// The smallest limit among the control groups that this process is in, in processors (1.5 is one and a half); infinity
/// where there is none. `root` is the folder in which groups are mounted; the file `membership` names this process's.
double cpu_quota(const std::string& root = "/sys/fs/cgroup", const std::string& membership = "/proc/self/cgroup");

}  // namespace minima::core
#pragma GCC visibility pop
