#include "examples/kit/experiment.h"

#include "tests/check.h"
#include "tests/temporary_folder.h"

using namespace minima;
using namespace minima::examples;
using namespace minima::test;

namespace {

Problem small_problem(const std::string& model = "mlp:16") {
  auto [train, test] = datasets::digits();
  return {.data = "digits", .model = model, .train = train.take(150), .test = test.take(100), .batch = 32};
}

RunSettings settings_of(const std::string& optimizer, int64_t steps = 12) {
  RunSettings s{.optimizer = optimizer, .base = optim::is_wrapper(optimizer) ? "sgd" : optimizer, .seed = 3};
  s.lr = optimizer == "adam" ? 0.01 : 0.1;
  s.rho = 0.3;
  s.steps = steps;
  return s;
}

std::vector<double> weights_of(Run& run) {
  std::vector<double> all;
  for (const Variable& p : run.model().parameters())
    for (double w : p.value().to_vector<double>()) all.push_back(w);
  return all;
}

void finish(Run& run) {
  while (!run.finished()) {
    run.step();
    if (run.measurement_due()) run.measure();
  }
}

/// The measurements without time and memory.
std::vector<double> curve_of(const Run& run) {
  std::vector<double> values;
  for (const Measurement& m : run.result().curve)
    for (double v : {m.epoch, double(m.step), double(m.gradient_evaluations), m.train_loss, m.train_accuracy,
                     m.test_loss, m.test_accuracy})
      values.push_back(v);
  return values;
}

}  // namespace

TEST_CASE("with one seed every optimizer starts from the same weights and sees the same first batch") {
  const Problem problem = small_problem();
  std::vector<double> weights;
  double loss = 0;
  for (const char* optimizer : {"sgd", "nesterov", "adam", "adamw", "sam", "asam", "msam"}) {
    CAPTURE(std::string(optimizer));
    Run run(problem, settings_of(optimizer));
    if (weights.empty()) weights = weights_of(run);
    CHECK(weights_of(run) == weights);
    const double first = run.step();
    if (loss == 0) loss = first;
    CHECK(first == loss);
  }
  RunSettings other = settings_of("sgd");
  other.seed = 4;
  Run run(problem, other);
  CHECK(weights_of(run) != weights);
}

TEST_CASE("a run that is saved in the middle of an epoch and loaded ends with the same bits") {
  TemporaryFolder folder;
  for (const char* model : {"mlp:16", "cnn"}) {
    const Problem problem = small_problem(model);
    for (const char* optimizer : {"sgd", "nesterov", "adam", "adamw", "sam", "asam", "msam"}) {
      CAPTURE(std::string(model));
      CAPTURE(std::string(optimizer));
      Run whole(problem, settings_of(optimizer));
      finish(whole);
      std::vector<Measurement> curve;
      {
        Run first(problem, settings_of(optimizer));
        for (int i = 0; i < 7; ++i) {
          first.step();
          if (first.measurement_due()) first.measure();
        }
        first.save(folder.file("run"));
        curve = first.result().curve;
      }
      Run second(problem, settings_of(optimizer));
      second.load(folder.file("run"), curve);
      CHECK(second.steps_done() == 7);
      finish(second);
      CHECK(weights_of(second) == weights_of(whole));
      CHECK(curve_of(second) == curve_of(whole));
    }
  }
}

TEST_CASE("a checkpoint of another run is refused") {
  TemporaryFolder folder;
  const Problem problem = small_problem();
  Run run(problem, settings_of("sgd"));
  run.step();
  run.save(folder.file("run"));
  RunSettings other = settings_of("sgd");
  other.seed = 9;
  Run another(problem, other);
  CHECK_ERROR(another.load(folder.file("run"), {}), "a run of \"sgd\", seed \"3\"");
  Run wrapped(problem, settings_of("sam"));
  CHECK_ERROR(wrapped.load(folder.file("run"), {}), "sgd");
}

TEST_CASE("a loss that is not a number stops the run and names optimizer, step and learning rate") {
  const Problem problem = small_problem();
  RunSettings settings = settings_of("msam", 100);
  settings.lr = 1e6;
  Run run(problem, settings);
  std::string message;
  try {
    finish(run);
  } catch (const Diverged& diverged) { message = diverged.what(); }
  CAPTURE(message);
  CHECK(contains(message, "[msam, seed 3] got"));
  CHECK(contains(message, "at step "));
  CHECK(contains(message, "with learning rate "));
  CHECK(contains(message, "at most 1e+06"));
  CHECK_FALSE(contains(message, "-nan"));
}

TEST_CASE("a measurement that is not a number names the step just taken and its learning rate") {
  const Problem problem = small_problem();
  Run run(problem, settings_of("sgd", 1));
  run.step();
  for (const Variable& parameter : run.model().parameters()) Tensor(parameter.value()).fill(-NAN);
  CHECK_ERROR(run.measure(), "training loss nan at step 1 with learning rate 0.");
  CHECK_ERROR(check_finite(-NAN, "adam", 7, 0.5), "[adam] got loss nan at step 7 with learning rate 0.5");
}

TEST_CASE("gradient evaluations are counted: one a step, two for sam and asam") {
  const Problem problem = small_problem();
  for (const char* optimizer : {"sgd", "nesterov", "adam", "adamw", "sam", "asam", "msam"}) {
    Run run(problem, settings_of(optimizer, 4));
    finish(run);
    CHECK(run.gradient_evaluations() == expected_gradients(run.result().settings));
    CHECK(run.result().last().gradient_evaluations == run.gradient_evaluations());
  }
}

TEST_CASE("every optimizer trains, ESAM on samples of its choice") {
  const Problem problem = small_problem();
  for (const std::string& optimizer : optim::optimizer_names()) {
    CAPTURE(optimizer);
    RunSettings settings = settings_of(optimizer, 4);
    if (optim::is_wrapper(optimizer)) settings.rho = optim::defaults_of(optimizer).rho;
    Run run(problem, settings);
    finish(run);
    CHECK(run.gradient_evaluations() >= 4);
    CHECK(run.gradient_evaluations() <= 8);
    CHECK(std::isfinite(run.result().last().test_loss));
  }
}

TEST_CASE("a measurement changes nothing: the run that is measured more often ends with the same weights") {
  const Problem problem = small_problem("cnn");
  Run often(problem, settings_of("msam", 6)), once(problem, settings_of("msam", 6));
  while (!often.finished()) often.step(), often.measure();
  while (!once.finished()) once.step();
  CHECK(weights_of(often) == weights_of(once));
  once.measure();
  CHECK(once.result().last().test_loss == often.result().last().test_loss);
}

TEST_CASE("the learning rate rises for an epoch and falls to nearly nothing") {
  const Problem problem = small_problem();
  Run run(problem, settings_of("sgd", 40));  // 5 steps an epoch
  std::vector<double> rates;
  while (!run.finished()) run.step(), rates.push_back(run.optimizer().last_step().lr);
  CHECK_CLOSE(rates[0], 0.1 / 5, {.rtol = 1e-12});
  CHECK_CLOSE(rates[5], 0.1, {.rtol = 1e-12});
  CHECK(rates[39] < 1e-3);
  CHECK(rates[39] > 0);
}

TEST_CASE("seconds and memory are those of training, and grow with it") {
  const Problem problem = small_problem();
  Run run(problem, settings_of("sgd", 10));
  finish(run);
  const auto& curve = run.result().curve;
  REQUIRE(curve.size() == 2);
  CHECK(curve[0].seconds > 0);
  CHECK(curve[1].seconds > curve[0].seconds);
  // At least the weights, their gradients and the momentum.
  CHECK(curve[1].peak_memory_bytes >= 3 * 4 * run.result().parameters);
  CHECK(curve[1].peak_memory_bytes < 100 << 20);
}

TEST_CASE("evaluation over batches equals evaluation of everything at once") {
  auto [train, test] = datasets::digits();
  manual_seed(1);
  nn::AnyModule model = nn::make_model("mlp:8", train.input_shape(), train.classes());
  const Evaluation evaluation = evaluate(*model, train);  // 1437 samples: the last batch is smaller
  auto [x, y] = train.all();
  const Variable logits = (*model)(x);
  CHECK_CLOSE(evaluation.loss, nn::cross_entropy(logits, y).item(), {.rtol = 1e-5});
  CHECK_CLOSE(evaluation.accuracy, nn::accuracy(logits, y), {.rtol = 1e-12});
}

TEST_CASE("under label noise the fit of clean and of corrupted labels is told apart") {
  auto [train, test] = datasets::digits();
  const auto noisy = train.label_noise(0.4, 7);
  CHECK_CLOSE(label_noise_of(noisy), std::round(0.4 * 1437) / 1437, {.rtol = 1e-12});
  CHECK(label_noise_of(train) == 0);
  manual_seed(1);
  nn::AnyModule model = nn::make_model("mlp:8", train.input_shape(), train.classes());
  const Evaluation fit = evaluate(*model, noisy);
  // The same by hand, over each kind of label alone.
  std::vector<int64_t> clean, corrupted;
  const auto labels = noisy.labels(), truth = noisy.true_labels();
  for (int64_t i = 0; i < noisy.size(); ++i) (labels[i] == truth[i] ? clean : corrupted).push_back(i);
  CHECK_CLOSE(fit.clean_fit, evaluate(*model, noisy.subset(clean)).accuracy, {.rtol = 1e-12});
  CHECK_CLOSE(fit.corrupted_fit, evaluate(*model, noisy.subset(corrupted)).accuracy, {.rtol = 1e-12});
  CHECK(fit.clean_fit != fit.corrupted_fit);
  const Evaluation without = evaluate(*model, train);
  CHECK(without.clean_fit == without.accuracy);
  CHECK(std::isnan(without.corrupted_fit));
}

TEST_CASE("evenly spaced samples cover the whole set") {
  auto [train, test] = datasets::digits();
  const auto sample = evenly_spaced(train, 100);
  CHECK(sample.size() == 100);
  const auto labels = train.labels(), sampled = sample.labels();
  for (int64_t i = 0; i < 100; ++i) CHECK(sampled[i] == labels[i * 1437 / 100]);
  CHECK(evenly_spaced(train, 5000).size() == 1437);
}
