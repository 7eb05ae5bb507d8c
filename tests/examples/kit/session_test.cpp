// Experiments one after another and side by side.
#include "examples/kit/session.h"

#include <map>
#include <nlohmann/json.hpp>

#include "examples/kit/cost.h"
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

/// Options of a session that writes into a folder of this name.
Session::Options options(const TemporaryFolder& folder, const std::string& name, int64_t workers) {
  return {.directory = folder.file(name), .configuration = {}, .workers = workers};
}

}  // namespace

TEST_CASE(
    "runs side by side end with the bits of runs one after another, and write the same metrics in the same order") {
  TemporaryFolder folder;
  const Experiment experiment = experiment_on(digits_problem(0.25));
  std::map<int64_t, std::vector<Runs>> results;
  for (const int64_t workers : {1, 2, 4}) {
    Session session(options(folder, text(workers), workers));
    results[workers] = session.run(experiment);
  }
  const auto rows = repeatable_cells(folder.file("1/metrics.csv"));
  CHECK(rows.size() == 1 + 6 * 3);  // 4 steps an epoch
  for (const int64_t workers : {2, 4}) {
    CAPTURE(workers);
    REQUIRE(results[workers].size() == 3);
    for (size_t k = 0; k < 3; ++k)
      for (size_t i = 0; i < 2; ++i) {
        const RunResult &one = results[1][k].results.at(i), &other = results[workers][k].results.at(i);
        CHECK(one.seed == i + 1);
        CHECK(other.seed == i + 1);
        CHECK(one.last().test_loss == other.last().test_loss);
        CHECK(one.last().corrupted_fit == other.last().corrupted_fit);
        CHECK(one.seen.at("loss") == other.seen.at("loss"));
        CHECK(std::isnan(other.seen.at("none").at(0)));
        CHECK(one.hyperparameters == other.hyperparameters);
      }
    CHECK(repeatable_cells(folder.file(text(workers, "/metrics.csv"))) == rows);
  }
}

TEST_CASE("side by side, seconds and memory are measured in a part of their own where the experiment asks for it") {
  TemporaryFolder folder;
  Experiment experiment = experiment_on(digits_problem());
  experiment.measures.costs = true;
  const auto run_with = [&](int64_t workers) {
    Session session(options(folder, text(workers), workers));
    return session.run(experiment);
  };
  const std::vector<Runs> apart = run_with(2), in_runs = run_with(1);
  CHECK(contains(costs_text(apart), "side by side"));
  CHECK_FALSE(contains(costs_text(in_runs), "side by side"));
  for (const Runs& runs : apart)
    for (const RunResult& run : runs.results) {
      CHECK(run.costs_apart);
      REQUIRE(run.curve.size() == 3);
      const double step = run.curve[0].seconds / 4;
      CHECK(step > 0);
      CHECK_CLOSE(run.last().seconds, 12 * step, {.rtol = 1e-12});
    }
  // The same tensors, but for a batch or two, which the loader has prepared by then or has not.
  constexpr double batch_bytes = 64 * (64 * sizeof(float) + sizeof(int64_t));
  const auto peak = [](const Runs& runs) { return static_cast<double>(runs.results[0].last().peak_memory_bytes); };
  for (size_t k = 0; k < 3; ++k) CHECK_CLOSE(peak(apart[k]), peak(in_runs[k]), {.atol = 2 * batch_bytes});
}

TEST_CASE("an optimizer that takes its second gradient late is not said to cost what its first steps cost") {
  TemporaryFolder folder;
  Experiment experiment = experiment_on(digits_problem());
  experiment.measures.costs = true;
  for (Setting& setting : experiment.settings) setting.steps = 80;
  experiment.settings[0].optimizer = "sam+late";
  experiment.settings[0].hyperparameters["rho"] = 0.1;
  experiment.settings.erase(experiment.settings.begin() + 1);  // msam
  const auto run_with = [&](int64_t workers) {
    Session session(options(folder, text(workers), workers));
    return session.run(experiment);
  };
  const std::vector<Runs> apart = run_with(2), in_runs = run_with(1);
  const RunResult &late = apart[0].results[0], &sgd = apart[1].results[0];
  REQUIRE(late.last().gradient_evaluations > 80);
  REQUIRE(late.curve[0].gradient_evaluations == late.curve[0].step);  // none of those that were timed has two
  for (const RunResult* run : {&late, &sgd})
    for (const Measurement& m : run->curve)
      CHECK_CLOSE(m.seconds / static_cast<double>(m.gradient_evaluations),
                  run->curve[0].seconds / static_cast<double>(run->curve[0].gradient_evaluations), {.rtol = 1e-12});
  // SAM's moved copy of the weights is counted, though none of the timed steps had one.
  const auto peak = [](const std::vector<Runs>& all, size_t k) { return all[k].results[0].last().peak_memory_bytes; };
  CHECK(peak(apart, 0) >= peak(in_runs, 0));
  CHECK(peak(apart, 0) > peak(apart, 1));

  const Measurement m{.step = 3, .gradient_evaluations = 5, .seconds = 99, .peak_memory_bytes = 70};
  CHECK(with_cost(m, {.gradient_seconds = 2, .peak_memory_bytes = 60}).seconds == 10);
  CHECK(with_cost(m, {.gradient_seconds = 2, .peak_memory_bytes = 60}).peak_memory_bytes == 70);
  CHECK(with_cost(m, {.gradient_seconds = 2, .peak_memory_bytes = 80}).peak_memory_bytes == 80);
}

TEST_CASE("runs that need much memory are done one after another") {
  TemporaryFolder folder;
  constexpr int64_t small = 1 << 20, large = 1 << 30;
  const Session automatic(options(folder, "a", 0)), three(options(folder, "b", 3));
  CHECK(automatic.at_once(small, Device::cpu) == num_threads());
  CHECK(automatic.at_once(large, Device::cpu) == 1);
  CHECK(three.at_once(large, Device::cpu) == 3);  // as it was told
  CHECK(three.at_once(small, Device::cuda) == 1);
}

TEST_CASE("a run that diverges side by side with others is a result, as elsewhere") {
  TemporaryFolder folder;
  Experiment experiment = experiment_on(digits_problem());
  experiment.settings[0].hyperparameters["lr"] = 1e9;
  experiment.measures.costs = true;
  Session session(options(folder, "out", 2));
  const std::vector<Runs> runs = session.run(experiment);
  CHECK(runs[0].diverged() == 2);
  CHECK(contains(runs[0].results[1].divergence, "[sam, seed 2] got"));
  CHECK(runs[1].diverged() == 0);
}

TEST_CASE("an error in one run ends the session as it would one after another: what came before it is kept") {
  TemporaryFolder folder;
  Experiment experiment = experiment_on(digits_problem());
  const Observe observe = experiment.observe;
  std::vector<std::string> told;
  experiment.finished = [&](const Setting& setting, const RunResult& run) {
    told.push_back(text(setting.name(), " ", run.seed));
  };
  const auto failing = [&](const std::string& name, int64_t workers) {
    experiment.observe = [&](Run& run) {
      Observer observer = observe(run);
      if (run.seed() == 2 && run.setting().optimizer == "msam")  // the fifth of six runs, at once
        observer.before_step = [](Run&) { fail("observer", "a fault", "none"); };
      return observer;
    };
    told.clear();
    Session session(options(folder, name, workers));
    CHECK_ERROR(session.run(experiment), "[observer] got a fault, expected none.");
    return told;
  };
  const std::vector<std::string> expected{"sam 1", "msam 1", "sgd 1", "sam 2"};
  CHECK(failing("one", 1) == expected);
  CHECK(failing("three", 3) == expected);
  CHECK(repeatable_cells(folder.file("three/metrics.csv")) == repeatable_cells(folder.file("one/metrics.csv")));

  experiment.observe = observe;  // the fault is mended
  told.clear();
  Session::Options resumed = options(folder, "three", 2);
  resumed.resume = true;
  Session session(resumed);
  session.run(experiment);
  CHECK(told.size() == 6);
  Session whole(options(folder, "whole", 1));
  whole.run(experiment);
  CHECK(repeatable_cells(folder.file("three/metrics.csv")) == repeatable_cells(folder.file("whole/metrics.csv")));
}

TEST_CASE("what is left of a session that measured costs apart has its costs measured apart, too, however it is done") {
  TemporaryFolder folder;
  Experiment experiment = experiment_on(digits_problem());
  experiment.measures.costs = true;
  const Observe observe = experiment.observe;
  experiment.observe = [&](Run& run) {
    Observer observer = observe(run);
    if (run.seed() == 2 && run.setting().optimizer == "sgd")  // the last of six
      observer.before_step = [](Run&) { fail("observer", "a fault", "none"); };
    return observer;
  };
  {
    Session session(options(folder, "out", 2));
    CHECK_ERROR(session.run(experiment), "a fault");
  }
  experiment.observe = observe;
  for (const int64_t workers : {1, 2}) {  // one run is left, which is done here in either case
    CAPTURE(workers);
    const std::string out = text("out", workers);
    std::filesystem::copy(folder.file("out"), folder.file(out), std::filesystem::copy_options::recursive);
    Session::Options resumed = options(folder, out, workers);
    resumed.resume = true;
    Session session(resumed);
    const std::vector<Runs> all = session.run(experiment);
    for (const Runs& runs : all)
      for (const RunResult& run : runs.results) {
        CHECK(run.costs_apart);
        CHECK_CLOSE(run.last().seconds / static_cast<double>(run.last().gradient_evaluations),
                    run.curve[0].seconds / static_cast<double>(run.curve[0].gradient_evaluations), {.rtol = 1e-12});
      }
    const auto row = nlohmann::json::parse(lines_of(folder.file(out + "/metrics.jsonl")).back());
    CHECK(row.at("optimizer") == "sgd");
    CHECK_CLOSE(row.at("seconds").get<double>(), all[2].results[1].last().seconds, {.rtol = 1e-3});
  }
}

TEST_CASE("a split that cannot be used gives way to another, but not for ever") {
  std::vector<uint64_t> tried;
  const auto load = [&](uint64_t split) {
    tried.push_back(split);
    if (split < 200000) fail("t.csv", "no sample of class a in the training part", "one");
    return Problem{.data = text("split ", split)};
  };
  CHECK(with_usable_split(3, load).data == "split 200003");
  CHECK(tried == std::vector<uint64_t>{3, 100003, 200003});
  int asked = 0;
  CHECK_ERROR(with_usable_split(3, [&](uint64_t) -> Problem { fail("t.csv", text("split ", ++asked), "another"); }),
              "[t.csv] got split 20, expected another.");
}

TEST_CASE("seeds that tuning may have used are not compared on") {
  CHECK(compared_seeds(985, 16) == seeds_from(985, 16));
  CHECK(compared_seeds(2001, 2) == seeds_from(2001, 2));
  CHECK_ERROR(compared_seeds(986, 16), "[--first-seed] got the seeds 986 to 1001, expected others than 1001 to 2000");
  CHECK_ERROR(compared_seeds(2000, 2), "[--first-seed] got the seeds 2000 to 2001");
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
