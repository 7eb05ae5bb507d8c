#include "examples/kit/workers.h"

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <new>
#include <set>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/parallel.h"
#include "examples/kit/program.h"

namespace minima::examples {

namespace {

/// What all processes see.
struct Shared {
  std::atomic<int64_t> next{0}, ticks{0};
};

/// Before each result in a worker's pipe.
struct Header {
  int64_t index, size, is_error;
};

[[noreturn]] void fail_in_system(const char* call) { fail(call, std::strerror(errno), "another process"); }

void write_all(int pipe, const void* data, size_t size) {
  for (size_t done = 0; done < size;) {
    const ssize_t written = write(pipe, static_cast<const char*>(data) + done, size - done);
    if (written > 0)
      done += static_cast<size_t>(written);
    else if (errno != EINTR)
      _exit(1);
  }
}

void send(int pipe, int64_t index, const std::string& text, bool is_error) {
  const Header header{index, static_cast<int64_t>(text.size()), is_error};
  write_all(pipe, &header, sizeof header);
  write_all(pipe, text.data(), text.size());
}

/// The life of a worker. It leaves by _exit: nothing of the parent's is flushed or destroyed twice.
[[noreturn]] void serve(const Jobs& jobs, Shared& shared, int pipe) {
#if defined(__linux__)
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // no worker outlives its parent
#endif
  signal(SIGINT, SIG_IGN), signal(SIGTERM, SIG_IGN),
      signal(SIGHUP, SIG_IGN);  // which reach all; the parent ends its workers
  for (int64_t index; (index = shared.next++) < jobs.count;) try {
      send(pipe, index, jobs.work(index, [&](int64_t more) { shared.ticks += more; }), false);
    } catch (const std::exception& error) { send(pipe, index, error.what(), true); }
  _exit(0);
}

/// The threads of this process but for the calling one; none where they cannot be listed.
std::set<std::string> other_threads() {
  std::set<std::string> others;
#if defined(__linux__) && !defined(__SANITIZE_THREAD__)  // which has a thread of its own, prepared for forks
  std::error_code problem;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task", problem))
    others.insert(entry.path().filename().string());
  others.erase(std::to_string(syscall(SYS_gettid)));
#endif
  return others;
}

/// Those that run before main(): OpenBLAS has some. It ends them when the process forks, and may start as many again.
const std::set<std::string> from_the_start = other_threads();

bool is_loader(const std::string& thread) {
  std::ifstream name("/proc/self/task/" + thread + "/comm");
  std::string text;
  return std::getline(name, text) && text == "minima loader";
}

/// How many have come since, those that OpenBLAS may have started again not counted. A thread that has been joined may
/// be listed for a moment longer, so one look that finds some is not enough.
int64_t threads_alive() {
  int64_t alive = 0;
  for (int look = 0; look < 200; ++look) {
    const std::set<std::string> others = other_threads();
    int64_t loaders = 0, unknown = 0;
    for (const std::string& thread : others)
      if (from_the_start.count(thread) == 0) ++(is_loader(thread) ? loaders : unknown);
    const int64_t ended = std::count_if(from_the_start.begin(), from_the_start.end(),
                                        [&](const std::string& thread) { return others.count(thread) == 0; });
    alive = loaders + std::max<int64_t>(0, unknown - ended);
    if (alive == 0) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return alive;
}

/// No thread of ours but this one, until the end of the scope.
class Alone {
 public:
  Alone() {
    set_num_threads(1);  // the others end
    if (const int64_t threads = threads_alive(); threads > 0) {
      set_num_threads(before_);
      fail("in_processes", text(threads, threads == 1 ? " other thread" : " other threads"),
           "none while processes start",
           "Let every Run and every Epoch of a Loader end first: their threads prepare batches.");
    }
  }
  ~Alone() { set_num_threads(before_); }
  Alone(const Alone&) = delete;
  Alone& operator=(const Alone&) = delete;

 private:
  int before_ = num_threads();
};

class Workers {
 public:
  Workers(int count, const Jobs& jobs) : jobs_(jobs) {
    const Alone alone;
    void* memory =
        mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, /*fd=*/-1, /*offset=*/0);
    if (memory == MAP_FAILED) fail_in_system("mmap");
    shared_ = new (memory) Shared;
    std::fflush(nullptr);  // or each worker would have what is not yet written
    for (int i = 0; i < count; ++i) start();
  }
  ~Workers() {
    for (const Worker& worker : workers_) {
      kill(worker.process, SIGKILL);
      while (waitpid(worker.process, nullptr, 0) < 0 && errno == EINTR) {}
      close(worker.pipe);
    }
    munmap(shared_, sizeof(Shared));
  }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  bool run() {
    while (!workers_.empty()) {
      if (interrupted()) return false;
      wait_for_results();
      jobs_.progress(shared_->ticks);
    }
    return true;
  }

 private:
  struct Worker {
    pid_t process;
    int pipe;
    std::string received{};
  };

  void start() {
    int ends[2];
    if (pipe(ends) != 0) fail_in_system("pipe");
    const pid_t process = fork();
    if (process < 0) fail_in_system("fork");
    if (process == 0) serve(jobs_, *shared_, ends[1]);
    close(ends[1]);
    workers_.push_back({process, ends[0]});
  }

  void wait_for_results() {
    std::vector<pollfd> pipes;
    for (const Worker& worker : workers_) pipes.push_back({worker.pipe, POLLIN, 0});
    if (poll(pipes.data(), pipes.size(), /*milliseconds=*/200) <= 0) return;
    for (size_t i = pipes.size(); i-- > 0;)
      if (pipes[i].revents != 0 && !receive(workers_[i])) workers_.erase(workers_.begin() + static_cast<ptrdiff_t>(i));
  }

  /// Takes what is in the pipe; false when the worker has ended as it should.
  bool receive(Worker& worker) {
    char buffer[1 << 16];
    const ssize_t count = read(worker.pipe, buffer, sizeof buffer);
    if (count < 0) return true;
    if (count == 0) return ended(worker);
    worker.received.append(buffer, static_cast<size_t>(count));
    Header header{};
    while (worker.received.size() >= sizeof header) {
      std::memcpy(&header, worker.received.data(), sizeof header);
      const size_t size = sizeof header + static_cast<size_t>(header.size);
      if (worker.received.size() < size) break;
      const std::string text = worker.received.substr(sizeof header, static_cast<size_t>(header.size));
      worker.received.erase(0, size);
      if (header.is_error) throw Error(text);
      results_.emplace(header.index, text);
    }
    for (auto first = results_.find(handed_over_); first != results_.end(); first = results_.find(++handed_over_))
      jobs_.finished(handed_over_, results_.extract(first).mapped());
    return true;
  }

  bool ended(Worker& worker) {
    int status = 0;
    while (waitpid(worker.process, &status, 0) < 0 && errno == EINTR) {}
    close(worker.pipe);
    if (status == 0) return false;
    workers_.erase(workers_.begin() + (&worker - workers_.data()));
    if (interrupted()) return true;
    fail("worker process", WIFSIGNALED(status) ? text("signal ", WTERMSIG(status)) : text("exit ", status >> 8),
         "to finish its run", "If memory is short, use --threads 1.");
  }

  const Jobs& jobs_;
  Shared* shared_ = nullptr;
  std::vector<Worker> workers_;
  std::map<int64_t, std::string> results_;  // those whose turn has not come
  int64_t handed_over_ = 0;
};

}  // namespace

bool in_processes(int workers, const Jobs& jobs) { return Workers(workers, jobs).run(); }

}  // namespace minima::examples
