// Independent jobs, done by several processes at once. Two processes of one thread each get through a list of training
// runs almost twice as fast as one process of two threads, and to the same bits, as no kernel's result depends on the
// number of threads. Not here: what a job is (session.h), jobs on a GPU, whose driver does not survive a fork.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace minima::examples {

/// What a worker says while it is at a job: how much of it is done, in the caller's units, since it said so last.
using Tick = std::function<void(int64_t more)>;

struct Jobs {
  int64_t count = 0;
  /// Done in a worker process, which starts as a copy of this one and takes jobs in order. Its result is text, and all
  /// that reaches this process.
  std::function<std::string(int64_t index, const Tick& tick)> work;
  /// Called here with each result, in the order of the jobs whatever the order in which they end.
  std::function<void(int64_t index, const std::string& result)> finished;
  /// Called here several times a second: the sum of all ticks.
  std::function<void(int64_t ticks)> progress;
};

/// Does all jobs in `workers` processes. An error in a job is thrown here, and the other workers are stopped. False
/// when Ctrl-C (caught by program.h) stopped them, with the first results handed over.
/// A forked process has the locks of all threads and none of the threads: a lock that another thread held would stay
/// locked. So no other thread may be alive: the kernels' threads are ended here, and are started again when a kernel
/// wants them; with any other, such as that of a datasets::Epoch or a Run which has not ended, this is an error (on
/// Linux, where threads can be counted).
bool in_processes(int workers, const Jobs& jobs);

}  // namespace minima::examples
