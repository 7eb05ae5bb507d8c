// Independent jobs, done by several processes at once. A small network does not keep two processors busy: with a
// process of one thread on each, the default ./minima compare takes 0.77 of the time, and has the same bits, as no
// kernel's result depends on the number of threads. Processes, not threads: each has its own memory, random numbers and
// statistics of memory, and one that the system ends takes no other with it. Not here: what a job is (session.h), jobs
// on a GPU, whose driver does not survive a fork.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace minima::examples {

/// What a worker says to this process while it is at a job, and hears from it.
struct Line {
  std::function<void(int64_t more)> tick;            ///< so much more of the job is done, in the caller's units
  std::function<void(const std::string& text)> say;  ///< for Jobs::said
  std::function<bool()> stopping;  ///< whether the job is to save itself and throw Stopped, because of an interrupt
};

/// Thrown by a job that has saved itself after an interrupt.
struct Stopped {};

struct Jobs {
  int64_t count = 0;
  /// Done in a worker process, which starts as a copy of this one and takes jobs in order. Its result is text. That and
  /// what it says is all that reaches this process.
  std::function<std::string(int64_t index, const Line& line)> work;
  /// Called here with what jobs say and with their results, in the order of the jobs whatever the order in which they
  /// work: all of a job before anything of the next.
  std::function<void(int64_t index, const std::string& text)> said{}, finished;
  /// Called here with each result as soon as it is there.
  std::function<void(int64_t index, const std::string& result)> arrived{};
  /// Called here several times a second: the sum of all ticks. What it throws stops the workers.
  std::function<void(int64_t ticks)> progress;
  bool saves = false;  ///< an interrupt waits for the jobs under way, which hear of it; else it ends them at once
};

/// Does all jobs in `workers` processes, or in fewer where the system does not give so many. False when Ctrl-C (caught
/// by program.h) stopped them. An error in a job is thrown here when all jobs before it are done, as if they had been
/// done one after another; what works on later ones is stopped.
/// A forked process has the locks of all threads and none of the threads: a lock that another thread held would stay
/// locked. So no other thread may be alive: the kernels' threads are ended here, and are started again when a kernel
/// wants them; with any other, such as that of a datasets::Epoch or a Run which has not ended, this is an error (on
/// Linux, where threads can be counted).
bool in_processes(int workers, const Jobs& jobs);

}  // namespace minima::examples
