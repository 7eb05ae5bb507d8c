// Experiments in one process and in several.
#include "examples/kit/session.h"

#include "tests/check.h"
#include "tests/examples/process.h"

using namespace minima;
using namespace minima::examples;
using namespace minima::test;

namespace {

Problem digits_problem(double noise = 0) {
  auto [train, test] = datasets::digits();
  return {.data = "digits", .model = "mlp:16", .train = train.take(200).label_noise(noise, 1), .test = test.take(100)};
}

Experiment experiment_on(const Problem& problem) {
  Experiment experiment{.problems = problem, .settings = {}, .seeds = seeds_from(1, 2)};
  for (const char* optimizer : {"sam", "msam", "sgd"})
    experiment.settings.push_back({.optimizer = optimizer, .hyperparameters = {{"lr", 0.1}}, .steps = 12});
  experiment.observe = [](Run&) {
    return Observer{.after_step = [](Run& run) { run.note("loss", run.last_loss()); },
                    .at_end = [](Run& run) { run.note("none", NAN); }};
  };
  return experiment;
}

/// The threads of a scope.
struct Threads {
  int before = num_threads();
  explicit Threads(int n) { set_num_threads(n); }
  ~Threads() { set_num_threads(before); }
};

}  // namespace

TEST_CASE("runs in two processes end with the bits of runs one after another, and write the same metrics") {
  TemporaryFolder folder;
  const Problem problem = digits_problem(0.25);
  const Experiment experiment = experiment_on(problem);
  std::vector<std::vector<Runs>> results;
  for (const int threads : {1, 2}) {
    const Threads scope(threads);
    Session session({.directory = folder.file(text(threads)), .configuration = {}, .resumable = false});
    results.push_back(session.run(experiment));
  }
  REQUIRE(results[0].size() == 3);
  for (size_t k = 0; k < 3; ++k)
    for (size_t i = 0; i < 2; ++i) {
      const RunResult &one = results[0][k].results.at(i), &two = results[1][k].results.at(i);
      CHECK(one.seed == i + 1);
      CHECK(two.seed == i + 1);
      CHECK(one.last().test_loss == two.last().test_loss);
      CHECK(one.last().corrupted_fit == two.last().corrupted_fit);
      CHECK(one.seen.at("loss") == two.seen.at("loss"));
      CHECK(std::isnan(two.seen.at("none").at(0)));
    }
  const auto rows = repeatable_cells(folder.file("1/metrics.csv"));
  CHECK(rows.size() == 1 + 6 * 3);  // 4 steps an epoch
  CHECK(repeatable_cells(folder.file("2/metrics.csv")) == rows);
}

TEST_CASE("a run that diverges in a worker is a result, as elsewhere") {
  TemporaryFolder folder;
  const Threads scope(2);
  const Problem problem = digits_problem();
  Experiment experiment = experiment_on(problem);
  experiment.settings[0].hyperparameters["lr"] = 1e9;
  Session session({.directory = folder.file("out"), .configuration = {}, .resumable = false});
  const std::vector<Runs> runs = session.run(experiment);
  CHECK(runs[0].diverged() == 2);
  CHECK(contains(runs[0].results[1].divergence, "[sam, seed 2] got"));
  CHECK(runs[1].diverged() == 0);
}

TEST_CASE("seeds are outermost: whatever else the machine does meets all settings alike") {
  TemporaryFolder folder;
  Session session({.directory = folder.file("out"), .configuration = {}});
  const Experiment experiment = experiment_on(digits_problem());
  CHECK(expected_gradients(experiment) == 2 * (2 * 12 + 12 + 12));
  session.run(experiment);
  std::vector<std::string> order;
  for (const auto& row : repeatable_cells(folder.file("out/metrics.csv")))
    if (const std::string run = row[5] + " " + row[7]; order.empty() || order.back() != run) order.push_back(run);
  CHECK(order == std::vector<std::string>{"optimizer seed", "sam 1", "msam 1", "sgd 1", "sam 2", "msam 2", "sgd 2"});
}

TEST_CASE("where seeds differ in their data, each is trained on its own") {
  TemporaryFolder folder;
  Session session({.directory = folder.file("out"), .configuration = {}});
  const std::function<Problem(uint64_t)> noisy = [](uint64_t seed) { return digits_problem(seed == 1 ? 0 : 0.5); };
  session.run({.problems = noisy, .settings = {{.steps = 4}}, .seeds = seeds_from(1, 2)});
  const auto rows = repeatable_cells(folder.file("out/metrics.csv"));
  REQUIRE(rows.size() == 3);
  CHECK(rows[1][3] == "0");
  CHECK(rows[2][3] == "0.5");
}
