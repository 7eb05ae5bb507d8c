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
#include <map>
#include <new>
#include <optional>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/parallel.h"
#include "examples/kit/program.h"

namespace minima::examples {

namespace {

/// What all processes see.
struct Shared {
  std::atomic<int64_t> next{0}, ticks{0};
  std::atomic<bool> stop{false};
  std::atomic<int> saving{0};  // jobs that have heard of it and have not ended
};

enum class Kind : int64_t { said, result, error, fault, short_of_memory };

/// Before each message in a worker's pipe.
struct Header {
  int64_t index, size;
  Kind kind;
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

void send(int pipe, int64_t index, Kind kind, const std::string& text) {
  const Header header{index, static_cast<int64_t>(text.size()), kind};
  write_all(pipe, &header, sizeof header);
  write_all(pipe, text.data(), text.size());
}

/// Closes all files but this one and the standard ones: the lock of a folder is to end with the parent.
void close_files_but(int file) {
#if defined(SYS_close_range)
  if (file > 3) syscall(SYS_close_range, 3, file - 1, 0);
  syscall(SYS_close_range, file + 1, ~0U, 0);
#else
  for (int other = 3; other < 256; ++other)
    if (other != file) close(other);
#endif
}

/// One job, from its first step to its last message.
void do_job(const Jobs& jobs, int64_t index, Shared& shared, int pipe) {
  bool heard = false;
  const Line line{.tick = [&](int64_t more) { shared.ticks += more; },
                  .say = [&](const std::string& text) { send(pipe, index, Kind::said, text); },
                  .stopping =
                      [&] {
                        if (shared.stop && !heard) heard = true, ++shared.saving;
                        return heard;
                      }};
  const auto fails = [&](Kind kind, const char* words) {
    shared.next = jobs.count;  // all jobs before this one are under way or done, and none is to follow
    send(pipe, index, kind, words);
  };
  try {
    send(pipe, index, Kind::result, jobs.work(index, line));
  } catch (const Stopped&) {  // it has saved itself
  } catch (const std::bad_alloc&) { fails(Kind::short_of_memory, ""); } catch (const Error& error) {
    fails(Kind::error, error.what());
  } catch (const std::exception& fault) { fails(Kind::fault, fault.what()); }
  if (heard) --shared.saving;
}

/// The life of a worker. It leaves by _exit: nothing of the parent's is flushed or destroyed twice.
[[noreturn]] void serve(const Jobs& jobs, Shared& shared, int pipe) {
#if defined(__linux__)
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // no worker outlives its parent
#endif
  signal(SIGINT, SIG_IGN), signal(SIGTERM, SIG_IGN),
      signal(SIGHUP, SIG_IGN);  // which reach all; the parent ends its workers
  close_files_but(pipe);
  for (int64_t index; (index = shared.next++) < jobs.count;) do_job(jobs, index, shared, pipe);
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

/// How many have come since, those that OpenBLAS may have started again not counted. A thread that has been joined may
/// be listed for a moment longer, so one look that finds some is not enough.
int64_t threads_alive() {
  int64_t alive = 0;
  for (int look = 0; look < 200; ++look) {
    const std::set<std::string> others = other_threads();
    const int64_t later = std::count_if(others.begin(), others.end(),
                                        [](const std::string& thread) { return from_the_start.count(thread) == 0; });
    const int64_t ended = std::count_if(from_the_start.begin(), from_the_start.end(),
                                        [&](const std::string& thread) { return others.count(thread) == 0; });
    alive = std::max<int64_t>(0, later - ended);
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
           "none while processes start", "Join threads of your own first.");
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
    bool stopping = false;
    std::optional<InterruptsWait> until_saved;
    while (!workers_.empty()) {
      if (interrupted() && !stopping) {
        if (!jobs_.saves) return false;
        stopping = true;
        shared_->next = jobs_.count, shared_->stop = true;
      }
      // A last Ctrl-C ends the program here, where no job is being saved.
      if (stopping && (!until_saved || shared_->saving == 0)) until_saved.reset(), until_saved.emplace();
      wait_for_messages();
      jobs_.progress(shared_->ticks);
    }
    for (const auto& [index, job] : jobs_under_way_) job.throw_problem();
    return turn_ == jobs_.count;
  }

 private:
  struct Worker {
    pid_t process;
    int pipe;
    std::string received{};
  };
  /// What has come of a job whose turn has not come, or has not ended.
  struct Job {
    std::vector<std::string> said{};
    std::optional<std::string> result{};
    std::optional<Kind> problem{};
    std::string words{};  // of the problem

    void throw_problem() const {
      if (!problem) return;
      if (*problem == Kind::short_of_memory) throw std::bad_alloc();
      if (*problem == Kind::fault) throw std::runtime_error(words);
      throw Error(words);
    }
  };

  void start() {
    int ends[2];
    if (pipe(ends) != 0) fail_in_system("pipe");
    const pid_t process = fork();
    if (process == 0) serve(jobs_, *shared_, ends[1]);
    close(ends[1]);
    if (process > 0) {
      workers_.push_back({process, ends[0]});
      return;
    }
    close(ends[0]);
    if (workers_.empty()) fail_in_system("fork");
  }

  void wait_for_messages() {
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
      take(header, worker.received.substr(sizeof header, static_cast<size_t>(header.size)));
      worker.received.erase(0, size);
    }
    hand_over();
    return true;
  }

  void take(const Header& header, const std::string& text) {
    Job& job = jobs_under_way_[header.index];
    if (header.kind == Kind::said) {
      job.said.push_back(text);
    } else if (header.kind == Kind::result) {
      job.result = text;
      if (jobs_.arrived) jobs_.arrived(header.index, text);
    } else {
      job.problem = header.kind, job.words = text;
    }
  }

  void hand_over() {
    for (auto job = jobs_under_way_.find(turn_); job != jobs_under_way_.end(); job = jobs_under_way_.find(turn_)) {
      for (const std::string& text : std::exchange(job->second.said, {}))
        if (jobs_.said) jobs_.said(turn_, text);
      job->second.throw_problem();
      if (!job->second.result) return;
      jobs_.finished(turn_, *job->second.result);
      jobs_under_way_.erase(turn_++);
    }
  }

  bool ended(Worker& worker) {
    int status = 0;
    while (waitpid(worker.process, &status, 0) < 0 && errno == EINTR) {}
    close(worker.pipe);
    if (status == 0) return false;
    workers_.erase(workers_.begin() + (&worker - workers_.data()));
    if (interrupted() && !jobs_.saves) return true;
    fail("worker process", WIFSIGNALED(status) ? text("signal ", WTERMSIG(status)) : text("exit ", status >> 8),
         "to finish its run", "If memory is short, do fewer runs at once.");
  }

  const Jobs& jobs_;
  Shared* shared_ = nullptr;
  std::vector<Worker> workers_;
  std::map<int64_t, Job> jobs_under_way_;
  int64_t turn_ = 0;  // the first job that is not handed over
};

}  // namespace

bool in_processes(int workers, const Jobs& jobs) { return Workers(workers, jobs).run(); }

}  // namespace minima::examples
