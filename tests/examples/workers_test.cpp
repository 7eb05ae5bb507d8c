#include "examples/kit/workers.h"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "examples/kit/interrupt.h"
#include "examples/kit/session.h"
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

  explicit Gathered(int64_t count, std::function<std::string(int64_t, const Tick&)> work) {
    jobs.count = count;
    jobs.work = std::move(work);
    jobs.finished = [this](int64_t index, const std::string& result) { results.push_back(text(index, ":", result)); };
    jobs.progress = [this](int64_t sum) { ticks = sum; };
  }
};

Problem digits_problem(double noise = 0) {
  auto [train, test] = datasets::digits();
  return {.data = "digits", .model = "mlp:16", .train = train.take(200).label_noise(noise, 1), .test = test.take(100)};
}

std::vector<Session::Task> tasks_on(const Problem& problem) {
  std::vector<Session::Task> tasks;
  for (const char* optimizer : {"sam", "msam", "sgd"})
    for (uint64_t seed : {1, 2})
      tasks.push_back({&problem, {.optimizer = optimizer, .base = "sgd", .seed = seed, .rho = 0.1, .steps = 12}, {}});
  return tasks;
}

/// The threads of a scope.
struct Threads {
  int before = num_threads();
  explicit Threads(int n) { set_num_threads(n); }
  ~Threads() { set_num_threads(before); }
};

}  // namespace

TEST_CASE("results come in the order of the jobs, however long each takes and however large it is") {
  Gathered gathered(9, [](int64_t index, const Tick& tick) {
    if (index % 3 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(40));
    tick(index);
    return std::string(index == 4 ? 300000 : 1, static_cast<char>('a' + index));
  });
  CHECK(in_processes(3, gathered.jobs));
  REQUIRE(gathered.results.size() == 9);
  CHECK(gathered.results[0] == "0:a");
  CHECK(gathered.results[4] == "4:" + std::string(300000, 'e'));
  CHECK(gathered.results[8] == "8:i");
  CHECK(gathered.ticks == 36);
  Gathered none(0, [](int64_t, const Tick&) { return ""; });
  CHECK(in_processes(2, none.jobs));
}

TEST_CASE("jobs are done in other processes, at once") {
  const pid_t parent = getpid();
  Gathered gathered(2, [&](int64_t, const Tick&) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return std::to_string(getpid() != parent ? getpid() : 0);
  });
  REQUIRE(in_processes(2, gathered.jobs));
  CHECK(gathered.results[0] != "0:0");
  CHECK(gathered.results[0].substr(2) != gathered.results[1].substr(2));
}

TEST_CASE("an error in a job is the error of the whole, with its own words") {
  Gathered gathered(4, [](int64_t index, const Tick&) -> std::string {
    if (index == 1) fail("matmul", "a (3, 4)", "a (4, 3)");
    return "fine";
  });
  CHECK_ERROR(in_processes(2, gathered.jobs), "[matmul] got a (3, 4), expected a (4, 3).");
}

TEST_CASE("a worker that is killed is an error that says by what") {
  Gathered gathered(2, [](int64_t index, const Tick&) -> std::string {
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
    Gathered gathered(3, [&](int64_t index, const Tick&) -> std::string {
      if (index == 0) return "done";
      folder.write(text("worker", index), std::to_string(getpid()) + "\n");
      std::this_thread::sleep_for(std::chrono::minutes(1));
      return "late";
    });
    const bool all = in_processes(2, gathered.jobs);
    _exit(!all && gathered.results == std::vector<std::string>{"0:done"} ? 42 : 1);
  }
  REQUIRE(wait_for_lines(folder.file("worker1"), 1));
  REQUIRE(wait_for_lines(folder.file("worker2"), 1));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));  // for the first result to be read
  kill(parent, SIGINT);
  int status = 0;
  REQUIRE(waitpid(parent, &status, 0) == parent);
  CHECK(WEXITSTATUS(status) == 42);
  for (const char* name : {"worker1", "worker2"})
    CHECK(kill(std::stoi(lines_of(folder.file(name))[0]), 0) == -1);  // gone
}

TEST_CASE("runs in two processes end with the bits of runs one after another, and write the same metrics") {
  TemporaryFolder folder;
  const Problem problem = digits_problem(0.25);
  const auto tasks = tasks_on(problem);
  std::vector<std::vector<RunResult>> results;
  for (const int threads : {1, 2}) {
    const Threads scope(threads);
    Session session({.directory = folder.file(text(threads)), .gradient_evaluations = 100});
    results.push_back(session.run_all(tasks));
  }
  REQUIRE(results[0].size() == tasks.size());
  REQUIRE(results[1].size() == tasks.size());
  for (size_t i = 0; i < tasks.size(); ++i) {
    const RunResult &one = results[0][i], &two = results[1][i];
    CHECK(one.settings.optimizer == two.settings.optimizer);
    CHECK(one.settings.seed == two.settings.seed);
    CHECK(one.last().test_loss == two.last().test_loss);
    CHECK(one.last().corrupted_fit == two.last().corrupted_fit);
  }
  const auto rows = repeatable_cells(folder.file("1/metrics.csv"));
  CHECK(rows.size() == 1 + 6 * 3);  // 4 steps an epoch
  CHECK(repeatable_cells(folder.file("2/metrics.csv")) == rows);
}

TEST_CASE("a run that diverges in a worker is a result, as elsewhere") {
  TemporaryFolder folder;
  const Threads scope(2);
  const Problem problem = digits_problem();
  auto tasks = tasks_on(problem);
  tasks[1].settings.lr = 1e9;
  Session session({.directory = folder.file("out"), .gradient_evaluations = 100});
  const auto results = session.run_all(tasks);
  CHECK(results[1].diverged());
  CHECK(contains(results[1].divergence, "[sam, seed 2] got"));
  CHECK_FALSE(results[0].diverged());
}
