// Runs that are looked at from inside: looking changes nothing, and what is seen is what happened.
#include "examples/kit/probed_runs.h"

#include "core/ops.h"
#include "tests/check.h"
#include "tests/temporary_folder.h"

using namespace minima;
using namespace minima::examples;
using namespace minima::test;

namespace {

Problem digits_problem() {
  auto [train, test] = datasets::digits();
  return {.data = "digits", .model = "mlp:16", .train = train.take(150), .test = test.take(100), .batch = 32};
}

RunSettings settings(const std::string& optimizer, double rho, uint64_t seed = 3) {
  return {.optimizer = optimizer, .seed = seed, .lr = 0.1, .momentum = 0.9, .rho = rho, .steps = 12};
}

/// Does the runs as a lab with two workers would.
std::vector<Rung> probed(const TemporaryFolder& folder, const std::vector<ProbeTask>& tasks, int64_t every = 4) {
  std::vector<Rung> rungs;
  const std::string out = folder.file("out");
  const std::vector<const char*> words{"lab0_test", "--threads", "2", "--out", out.c_str()};
  const LabAbout about{.name = "lab0_test", .title = "Lab 0", .question = "Which?", .refuted_by = "nothing"};
  const Problem problem = digits_problem();
  CHECK(run_lab(static_cast<int>(words.size()), words.data(), about, [&](Lab& lab) {
          rungs = run_probed(lab, problem, datasets::digits().test.take(50), tasks, every);
        }) == 0);
  return rungs;
}

}  // namespace

TEST_CASE("a run that is looked at ends where the same run ends that nobody looks at") {
  TemporaryFolder folder;
  for (const std::string optimizer : {"msam", "along-gradient", "along-random", "along-last-gradient"}) {
    CAPTURE(optimizer);
    const std::vector<Rung> rungs = probed(folder, {{settings(optimizer, 0.3)}});
    const Problem problem = digits_problem();
    Run run(problem, settings(optimizer, 0.3));
    while (!run.finished()) run.step();
    const Measurement& expected = run.measure();
    const ProbedRun& got = rungs.at(0).runs.at(0);
    CHECK(got.run.last().train_loss == expected.train_loss);
    CHECK(got.run.last().test_loss == expected.test_loss);
    CHECK(got.run.last().gradient_evaluations == expected.gradient_evaluations);
    CHECK(got.validation.loss == evaluate(run.model(), datasets::digits().test.take(50)).loss);
  }
}

TEST_CASE("a probe tells of its step, and how far the step before it went") {
  TemporaryFolder folder;
  const std::vector<Rung> rungs = probed(folder, {{settings("msam", 0.3)}}, /*every=*/5);
  const std::vector<Probe>& probes = rungs.at(0).runs.at(0).probes;
  REQUIRE(probes.size() == 2);
  const Problem problem = digits_problem();
  Run run(problem, settings("msam", 0.3));
  for (size_t i = 0; i < 2; ++i) {
    while (run.steps_done() < 5 * static_cast<int64_t>(i) + 3) run.step();
    Tensor step = run.optimizer().base().flat().weights().clone();
    run.step();  // the one before the look
    core::add_scaled(step, -1, run.optimizer().base().flat().weights());
    const double velocity = core::norm(run.optimizer().momentum());
    CHECK(probes[i].of.step == 5 * static_cast<int64_t>(i + 1));
    CHECK(probes[i].last_step_norm == core::norm(step));
    CHECK_CLOSE(probes[i].of.velocity_norm, velocity, {.rtol = 1e-6, .atol = 0});
    CHECK_CLOSE(probes[i].of.perturbation_norm, 0.3, {.rtol = 1e-6, .atol = 0});
    CHECK(probes[i].of.loss_clean != probes[i].of.loss_perturbed);
  }
}

TEST_CASE("runs that differ in the seed alone share a rung, in the order of their seeds") {
  TemporaryFolder folder;
  std::vector<ProbeTask> tasks;
  for (uint64_t seed : {1, 2, 3})
    for (double rho : {0.1, 0.3}) tasks.push_back({settings("msam", rho, seed)});
  tasks.push_back({settings("msam", 0.3, 1), "with a schedule", [](Run& run) { run.optimizer().group(0).rho = 0; }});
  const std::vector<Rung> rungs = probed(folder, tasks);
  REQUIRE(rungs.size() == 3);
  CHECK(rungs[0].settings.rho == 0.1);
  CHECK(rungs[1].settings.rho == 0.3);
  CHECK(rungs[2].kind == "with a schedule");
  REQUIRE(rungs[1].runs.size() == 3);
  for (size_t i = 0; i < 3; ++i) CHECK(rungs[1].runs[i].run.settings.seed == i + 1);
  const std::vector<double> a = rungs[0].values(readings::test_loss), b = rungs[1].values(readings::test_loss);
  CHECK(rungs[0].minus(rungs[1], readings::test_loss).mean == paired_difference(a, b).mean);
  const Reading length = mean_of_probes([](const Probe& probe) { return probe.of.perturbation_norm; });
  CHECK_CLOSE(rungs[1].mean(length).mean, 0.3, {.rtol = 1e-6, .atol = 0});
  CHECK(rungs[2].mean(length).mean == 0);  // prepare() had its say
}

TEST_CASE("a mean over probes leaves out NaN, and is NaN where nothing else is left") {
  ProbedRun run;
  const Reading cosine = mean_of_probes([](const Probe& probe) { return probe.of.cosine; });
  CHECK(std::isnan(cosine(run)));
  for (const double value : std::vector<double>{NAN, 0.5, NAN, 1.0}) {
    run.probes.emplace_back();
    run.probes.back().of.cosine = value;
  }
  CHECK(cosine(run) == 0.75);
}

TEST_CASE("a run that diverges is a result: its readings are NaN, its neighbours are not touched") {
  TemporaryFolder folder;
  RunSettings wild = settings("sgd", 0);
  wild.lr = 1e18;
  const std::vector<Rung> rungs = probed(folder, {{wild}, {settings("sgd", 0)}});
  REQUIRE(rungs.size() == 2);
  CHECK(rungs[0].diverged());
  CHECK(std::isnan(rungs[0].mean(readings::test_loss).mean));
  CHECK(std::isnan(rungs[0].mean(readings::validation_loss).mean));
  CHECK_FALSE(rungs[1].diverged());
  CHECK(rungs[1].mean(readings::test_loss).mean > 0);
  CHECK(contains(read_bytes(folder.file("out/runs.csv")), "with learning rate"));  // the reason, beside the numbers
}

TEST_CASE("looking at every step is refused, for a look needs the step before it") {
  LabAbout about{.name = "lab0_test", .title = "Lab 0", .question = "", .refuted_by = ""};
  Lab lab(about);
  const Problem problem = digits_problem();
  CHECK_ERROR(run_probed(lab, problem, problem.test, {{settings("sgd", 0)}}, 1), "got every = 1, expected at least 2");
}
