// The most physical memory this process has held so far. Not here: tensors' own memory (core/storage.h).
#pragma once

#include <sys/resource.h>

inline double peak_rss_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
  return static_cast<double>(usage.ru_maxrss) / (1 << 20);  // bytes
#else
  return static_cast<double>(usage.ru_maxrss) / (1 << 10);  // KiB
#endif
}
