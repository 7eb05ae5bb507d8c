// SPDX-License-Identifier: MIT
#include "core/parallel.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

#include "core/cpu_quota.h"
#include "core/denormals.h"
#include "core/error.h"

namespace minima {
namespace {
void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

int usable_processors() {
#if defined(__linux__)
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) return CPU_COUNT(&allowed);
#endif
  return static_cast<int>(std::thread::hardware_concurrency());
}

int default_threads() {
  if (const char* wish = std::getenv("MINIMA_THREADS")) {
    char* end = nullptr;
    const long n = std::strtol(wish, &end, 10);
    if (end == wish || *end != '\0' || n < 1 || n > 1024)
      fail("MINIMA_THREADS", text("'", wish, "'"), "a number of threads from 1 to 1024");
    return static_cast<int>(n);
  }
  return std::max(1, static_cast<int>(std::min<double>(usable_processors(), core::cpu_quota())));
}

thread_local bool in_region = false;
thread_local int own_index = 0;

/// Workers look for an open region: for a moment in a loop, then asleep. The caller of a region takes chunks like
/// everyone else, closes the region when none is left, and waits for those workers only that have entered it: a
/// worker that wakes too late costs nothing.
///
/// Each thread has a share of its own, neighbouring chunks, and takes those of others when that is done. So a thread
/// mostly meets the data again that it wrote last time, in its own processor's cache: with chunks handed out in turn,
/// two threads multiply matrices of 1024 x 1024 a sixth more slowly.
class Pool {
 public:
  static Pool& instance() {
    // Never destroyed, as kernels may run in destructors after main; the threads end before that.
    static Pool* pool = new Pool;
    static struct AtExit {
      ~AtExit() { pool->stop(); }
    } at_exit;
    return *pool;
  }

  int threads() const { return threads_.load(std::memory_order_relaxed); }

  void resize(int threads) {
    std::lock_guard owner(owner_);
    stop();
    threads_ = threads;
    shares_ = std::vector<Share>(static_cast<size_t>(threads));
  }

  void run(int64_t count, void (*chunk)(void*, int64_t), void* context) {
    std::unique_lock owner(owner_, std::defer_lock);
    if (threads() == 1 || in_region || !owner.try_lock()) {
      for (int64_t i = 0; i < count; ++i) chunk(context, i);
      return;
    }
    start();
    chunk_ = chunk, context_ = context, error_ = nullptr;
    for (int i = 0; i < threads(); ++i) {
      Share& share = shares_[static_cast<size_t>(i)];
      share.next = i * count / threads(), share.end = (i + 1) * count / threads();
    }
    float_mode_ = core::float_mode();
    open();
    work();
    open_ = false;
    for (int spins = 0, inside; (inside = inside_) > 0; ++spins)
      if (spins < 10000)
        pause();
      else
        inside_.wait(inside);
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  /// Chunks next .. end.
  struct alignas(64) Share {  // a line of the cache for each
    std::atomic<int64_t> next{0}, end{0};
  };

  Pool() : threads_(default_threads()), shares_(static_cast<size_t>(threads())) {}

  void start() {
    if (!workers_.empty()) return;
    process_ = getpid();
    try {
      for (int i = 1; i < threads(); ++i) workers_.emplace_back([this, i] { serve(i); });
    } catch (const std::system_error& error) {
      const size_t started = workers_.size() + 1;
      stop();
      fail("threads",
           text("\"", error.code().message(), "\" when thread ", started + 1, " of ", threads(), " was started"),
           "a system that gives them", "Set MINIMA_THREADS to a smaller number; see `ulimit -u` and `ulimit -v`.");
    }
  }

  void stop() {
    if (process_ != getpid()) {  // a forked child has the handles, not the threads
      for (auto& worker : workers_) worker.detach();
    } else {
      {
        std::lock_guard lock(mutex_);
        ending_ = true;
      }
      wake_.notify_all();
      for (auto& worker : workers_) worker.join();
      ending_ = false;
    }
    workers_.clear();
  }

  void open() {
    open_ = true;
    if (asleep_ == 0) return;
    { std::lock_guard lock(mutex_); }  // no worker is between its last look and its sleep
    wake_.notify_all();
  }

  void serve(int index) {
    own_index = index;
    while (wait_for_region()) {
      ++inside_;
      if (open_) {
        core::set_float_mode(float_mode_);
        work();
      }
      --inside_;
      inside_.notify_one();
    }
  }

  /// Whether there is something to do; false at the end of the pool.
  bool wait_for_region() {
    using Clock = std::chrono::steady_clock;
    const auto patience = Clock::now() + std::chrono::microseconds(50);
    do {
      for (int spins = 0; spins < 64; ++spins) {
        if (ending_) return false;
        if (has_chunks()) return true;
        pause();
      }
    } while (Clock::now() < patience);
    std::unique_lock lock(mutex_);
    ++asleep_;
    wake_.wait(lock, [&] { return ending_ || has_chunks(); });
    --asleep_;
    return !ending_;
  }

  bool has_chunks() const {
    return open_ && std::any_of(shares_.begin(), shares_.end(), [](const Share& s) { return s.next < s.end; });
  }

  void work() {
    in_region = true;
    try {
      for (int t = 0; t < threads(); ++t) {
        Share& share = shares_[static_cast<size_t>((own_index + t) % threads())];
        for (int64_t i; share.next < share.end && (i = share.next.fetch_add(1)) < share.end;) chunk_(context_, i);
      }
    } catch (...) {
      std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
      for (Share& share : shares_) share.next = share.end.load();  // the other chunks are given up
    }
    in_region = false;
  }

  std::mutex owner_;  // held by the thread whose region runs
  std::vector<std::thread> workers_;
  std::atomic<int> threads_;
  std::vector<Share> shares_;  // one a thread
  pid_t process_ = 0;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<bool> ending_{false};
  std::atomic<int> asleep_{0};

  // The region; written while no worker is inside.
  std::atomic<bool> open_{false};
  std::atomic<int> inside_{0};
  void (*chunk_)(void*, int64_t) = nullptr;
  void* context_ = nullptr;
  uint64_t float_mode_ = 0;  // of the caller: the same bits, whichever thread computes them
  std::exception_ptr error_;
};
}  // namespace

bool has_threads() { return true; }

int num_threads() { return Pool::instance().threads(); }

void set_num_threads(int n) {
  if (n < 1 || n > 1024) fail("set_num_threads", text(n), "a number of threads from 1 to 1024");
  if (n != num_threads()) Pool::instance().resize(n);
}

bool core::in_parallel_region() { return in_region; }
int core::thread_index() { return own_index; }

void core::run_chunks(int64_t count, void (*run)(void*, int64_t), void* context) {
  Pool::instance().run(count, run, context);
}

}  // namespace minima
