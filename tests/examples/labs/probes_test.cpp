// Runs that are looked at from inside: looking changes nothing, and what is seen is what happened.
#include "examples/labs/probes.h"

#include "tests/check.h"
#include "tests/temporary_folder.h"

using namespace minima;
using namespace minima::examples;
using namespace minima::test;

namespace {

constexpr uint64_t seed = 3;

Problem digits_problem() {
  auto [train, test] = datasets::digits();
  return {.data = "digits", .model = "mlp:16", .train = train.take(150), .test = test.take(100), .batch = 32};
}

Setting setting(const std::string& optimizer, double rho = 0) {
  Setting setting{.optimizer = optimizer, .hyperparameters = {{"lr", 0.1}}, .steps = 12};
  if (rho != 0) setting.hyperparameters["rho"] = rho;
  return setting;
}

/// Does the runs as a lab with two workers would.
std::vector<Runs> probed(const TemporaryFolder& folder, const std::vector<Setting>& settings, int64_t every = 4) {
  std::vector<Runs> all;
  const std::string out = folder.file("out");
  const std::vector<const char*> words{"lab0_test", "--threads", "2", "--out", out.c_str()};
  const LabAbout about{.name = "lab0_test", .title = "Lab 0", .question = "Which?", .refuted_by = "nothing"};
  const Problem problem = digits_problem();
  CHECK(run_lab(static_cast<int>(words.size()), words.data(), about, [&](Lab& lab) {
          all = run_probed(lab, problem, datasets::digits().test.take(50), settings, {seed}, every);
        }) == 0);
  return all;
}

}  // namespace

TEST_CASE("a run that is looked at ends where the same run ends that nobody looks at") {
  TemporaryFolder folder;
  for (const std::string optimizer : {"msam", "along-gradient", "along-random", "along-last-gradient"}) {
    CAPTURE(optimizer);
    const std::vector<Runs> all = probed(folder, {setting(optimizer, 0.3)});
    Run run(digits_problem(), setting(optimizer, 0.3), seed);
    const Measurement expected = train_to_end(run).last();
    const RunResult& got = all.at(0).results.at(0);
    CHECK(got.last().train_loss == expected.train_loss);
    CHECK(got.last().test_loss == expected.test_loss);
    CHECK(got.last().gradient_evaluations == expected.gradient_evaluations);
    CHECK(validation_loss_of(got) == evaluate(run.model(), datasets::digits().test.take(50)).loss);
  }
}

TEST_CASE("a probe tells of its step, and how far the step before it went") {
  TemporaryFolder folder;
  const std::vector<Runs> all = probed(folder, {setting("msam", 0.3)}, /*every=*/5);
  const auto& seen = all.at(0).results.at(0).seen;
  CHECK(seen.at("step") == std::vector<double>{5, 10});
  Run run(digits_problem(), setting("msam", 0.3), seed);
  for (size_t i = 0; i < 2; ++i) {
    while (run.steps_done() < 5 * static_cast<int64_t>(i) + 3) run.step();
    Tensor step = run.optimizer().kept().flat.weights().clone();
    run.step();  // the one before the look
    core::add_scaled(step, -1, run.optimizer().kept().flat.weights());
    CHECK_CLOSE(seen.at("perturbation_norm")[i], 0.3, {.rtol = 1e-6, .atol = 0});
    CHECK_CLOSE(seen.at("steps_ahead")[i], 0.3 / core::norm(step).item(), {.rtol = 1e-6, .atol = 0});
    CHECK(seen.at("rise")[i] != 0);
    CHECK(seen.at("rises")[i] == (seen.at("rise")[i] > 0 ? 1 : 0));
    CHECK(seen.at("against")[i] == (seen.at("cosine")[i] < 0 ? 1 : 0));
  }
}

TEST_CASE("a setting that prepares its runs is probed as prepared") {
  TemporaryFolder folder;
  Setting still = setting("msam", 0.3);
  still.label = "still", still.prepare = [](Run& run) { run.optimizer().group(0)["rho"] = 0; };
  const std::vector<Runs> all = probed(folder, {setting("msam", 0.3), still});
  const OfRun length = mean_seen("perturbation_norm");
  CHECK_CLOSE(all.at(0).mean(length).mean, 0.3, {.rtol = 1e-6, .atol = 0});
  CHECK(all.at(1).mean(length).mean == 0);
  CHECK(std::isnan(all[1].mean(mean_seen("rises")).mean));  // where nothing is perturbed nothing can rise
  CHECK(contains(read_bytes(folder.file("out/runs.csv")), "lab0_test,still,msam,3,"));
}

TEST_CASE("a run that diverges is a result, its neighbours are not touched, and runs.csv holds the reason") {
  TemporaryFolder folder;
  Setting wild = setting("sgd");
  wild.hyperparameters["lr"] = 1e18;
  const std::vector<Runs> all = probed(folder, {wild, setting("sgd")});
  CHECK(all.at(0).diverged() == 1);
  CHECK(std::isnan(validation_loss_of(all[0].results.at(0))));
  CHECK(all.at(1).diverged() == 0);
  CHECK(all[1].mean(at_end(&Measurement::test_loss)).mean > 0);
  CHECK(contains(read_bytes(folder.file("out/runs.csv")), "with learning rate"));
}

TEST_CASE("looking at every step is refused, for a look needs the step before it") {
  CHECK_ERROR(probing(1, digits_problem().test), "got every = 1, expected at least 2");
}
