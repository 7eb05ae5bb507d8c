#include "examples/kit/workers.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "examples/kit/program.h"
#include "minima.h"
#include "tests/check.h"
#include "tests/examples/process.h"

using namespace minima;
using namespace minima::examples;
using namespace minima::test;

namespace {

/// Jobs 0 .. count-1 whose results are gathered as "index:result".
struct Gathered {
  std::vector<std::string> results;
  int64_t ticks = 0;
  Jobs jobs;

  explicit Gathered(int64_t count, std::function<std::string(int64_t, const Line&)> work) {
    jobs.count = count;
    jobs.work = std::move(work);
    jobs.finished = [this](int64_t index, const std::string& result) { results.push_back(text(index, ":", result)); };
    jobs.progress = [this](int64_t sum) { ticks = sum; };
  }
};

}  // namespace

TEST_CASE("results come in the order of the jobs, however long each takes and however large it is") {
  Gathered gathered(9, [](int64_t index, const Line& line) {
    if (index % 3 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(40));
    line.tick(index);
    return std::string(index == 4 ? 300000 : 1, static_cast<char>('a' + index));
  });
  CHECK(in_processes(3, gathered.jobs));
  REQUIRE(gathered.results.size() == 9);
  CHECK(gathered.results[0] == "0:a");
  CHECK(gathered.results[4] == "4:" + std::string(300000, 'e'));
  CHECK(gathered.results[8] == "8:i");
  CHECK(gathered.ticks == 36);
  Gathered none(0, [](int64_t, const Line&) { return ""; });
  CHECK(in_processes(2, none.jobs));
}

TEST_CASE("jobs are done in other processes, at once") {
  TemporaryFolder folder;
  const pid_t parent = getpid();
  Gathered gathered(2, [&](int64_t index, const Line&) {
    folder.write(text("begun", index), "yes\n");
    if (!wait_for_lines(folder.file(text("begun", 1 - index)), 1)) fail("job", "one that is alone", "two at once");
    return std::to_string(getpid() != parent ? getpid() : 0);
  });
  REQUIRE(in_processes(2, gathered.jobs));
  CHECK(gathered.results[0] != "0:0");
  CHECK(gathered.results[0].substr(2) != gathered.results[1].substr(2));
}

TEST_CASE("an error in a job is the error of the whole, with its own words") {
  Gathered gathered(4, [](int64_t index, const Line&) -> std::string {
    if (index == 1) fail("matmul", "a (3, 4)", "a (4, 3)");
    return "fine";
  });
  CHECK_ERROR(in_processes(2, gathered.jobs), "[matmul] got a (3, 4), expected a (4, 3).");
}

TEST_CASE("an error waits for the jobs before it, and no later one is begun") {
  TemporaryFolder folder;
  Gathered gathered(6, [&](int64_t index, const Line&) -> std::string {
    folder.write(text("begun", index), "");
    if (index == 1) fail("matmul", "a (3, 4)", "a (4, 3)");
    if (index == 0) std::this_thread::sleep_for(std::chrono::milliseconds(200));
    return "fine";
  });
  CHECK_ERROR(in_processes(2, gathered.jobs), "[matmul] got a (3, 4), expected a (4, 3).");
  CHECK(gathered.results == std::vector<std::string>{"0:fine"});
  CHECK_FALSE(std::filesystem::exists(folder.file("begun5")));
}

TEST_CASE("a job that is short of memory, or meets a fault of the program, is that error here as well") {
  Gathered greedy(1, [](int64_t, const Line&) -> std::string { throw std::bad_alloc(); });
  CHECK_THROWS_AS(in_processes(1, greedy.jobs), std::bad_alloc);
  Gathered faulty(1, [](int64_t, const Line&) -> std::string { throw std::logic_error("a fault"); });
  CHECK_THROWS_AS(in_processes(1, faulty.jobs), std::runtime_error);
}

TEST_CASE("what jobs say comes in the order of the jobs, and at once from the one whose turn it is") {
  TemporaryFolder folder;
  std::vector<std::string> said;
  Gathered gathered(3, [&](int64_t index, const Line& line) -> std::string {
    for (int i = 0; i < 3; ++i) line.say(text(index, i));
    if (index == 0) REQUIRE(wait_for_lines(folder.file("heard"), 1));
    return "";
  });
  gathered.jobs.said = [&](int64_t index, const std::string& words) {
    said.push_back(text(index, ":", words));
    if (said.size() == 3) folder.write("heard", "yes\n");  // or job 0 would wait for ever
  };
  CHECK(in_processes(3, gathered.jobs));
  CHECK(said == std::vector<std::string>{"0:00", "0:01", "0:02", "1:10", "1:11", "1:12", "2:20", "2:21", "2:22"});
}

TEST_CASE("a worker that is killed is an error that says by what") {
  Gathered gathered(2, [](int64_t index, const Line&) -> std::string {
    if (index == 1) raise(SIGKILL);
    return "fine";
  });
  CHECK_ERROR(in_processes(2, gathered.jobs), "[worker process] got signal 9, expected to finish its run. If memory");
}

TEST_CASE("an interrupt of the parent alone stops the workers at once, and what was finished is handed over") {
  TemporaryFolder folder;
  const pid_t parent = fork();
  if (parent == 0) {
    catch_interrupts();
    Gathered gathered(3, [&](int64_t index, const Line&) -> std::string {
      if (index == 0) return "done";
      folder.write(text("worker", index), std::to_string(getpid()) + "\n");
      std::this_thread::sleep_for(std::chrono::minutes(1));
      return "late";
    });
    const auto finished = gathered.jobs.finished;
    gathered.jobs.finished = [&](int64_t index, const std::string& result) {
      finished(index, result);
      folder.write("finished", "yes\n");
    };
    const bool all = in_processes(2, gathered.jobs);
    _exit(!all && gathered.results == std::vector<std::string>{"0:done"} ? 42 : 1);
  }
  REQUIRE(wait_for_lines(folder.file("worker1"), 1));
  REQUIRE(wait_for_lines(folder.file("worker2"), 1));
  REQUIRE(wait_for_lines(folder.file("finished"), 1));
  kill(parent, SIGINT);
  int status = 0;
  REQUIRE(waitpid(parent, &status, 0) == parent);
  CHECK(WEXITSTATUS(status) == 42);
  for (const char* name : {"worker1", "worker2"})
    CHECK(kill(std::stoi(lines_of(folder.file(name))[0]), 0) == -1);  // gone
}

TEST_CASE("jobs that save hear of an interrupt and are waited for, and what was finished is there") {
  TemporaryFolder folder;
  const pid_t parent = fork();
  if (parent == 0) {
    catch_interrupts();
    std::vector<int64_t> arrived;
    Gathered gathered(5, [&](int64_t index, const Line& line) -> std::string {
      if (index == 1) return "done";
      folder.write(text("begun", index), "\n");
      while (!line.stopping()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      std::this_thread::sleep_for(std::chrono::milliseconds(300));  // a save that takes its time
      folder.write(text("saved", index), "\n");
      throw Stopped{};
    });
    gathered.jobs.saves = true;
    gathered.jobs.arrived = [&](int64_t index, const std::string&) { arrived.push_back(index); };
    const bool all = in_processes(2, gathered.jobs);
    _exit(!all && gathered.results.empty() && arrived == std::vector<int64_t>{1} ? 42 : 1);
  }
  for (const char* name : {"begun0", "begun2"}) REQUIRE(wait_for_lines(folder.file(name), 1));
  kill(parent, SIGINT);
  int status = 0;
  REQUIRE(waitpid(parent, &status, 0) == parent);
  CHECK(WEXITSTATUS(status) == 42);
  for (const char* name : {"saved0", "saved2"}) CHECK(std::filesystem::exists(folder.file(name)));
  CHECK_FALSE(std::filesystem::exists(folder.file("begun3")));
}

TEST_CASE("workers start after kernels on many threads, and the threads are there again afterwards") {
  const int before = num_threads();
  set_num_threads(3);
  const Tensor x = Tensor::full({300, 300}, 0.5);
  const auto sum = [&] { return text(core::norm(core::matmul(x, x)).item()); };
  const std::string expected = sum();
  for (int round = 0; round < 20; ++round) {  // a fork while a kernel's thread goes to sleep would hang now and then
    Gathered gathered(2, [&](int64_t, const Line&) { return text(num_threads(), " ", sum()); });
    REQUIRE(in_processes(2, gathered.jobs));
    CHECK(gathered.results[1] == "1:1 " + expected);
    CHECK(num_threads() == 3);
    CHECK(sum() == expected);
  }
  set_num_threads(before);
}

TEST_CASE("workers do not start while other threads of the program live") {
  // One more than OpenBLAS may have started again after an earlier fork.
  const unsigned count = std::thread::hardware_concurrency() + 1;
  std::atomic<bool> stop = false;
  std::vector<std::thread> others;
  for (unsigned i = 0; i < count; ++i)
    others.emplace_back([&] {
      while (!stop) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
  Gathered gathered(1, [](int64_t, const Line&) { return ""; });
  const std::string message = error_of([&] { in_processes(1, gathered.jobs); });
  stop = true;
  for (std::thread& other : others) other.join();
  CHECK(contains(message, "other thread"));
}
