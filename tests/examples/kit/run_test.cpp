#include "examples/kit/run.h"

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

constexpr uint64_t seed = 3;

Setting setting_of(const std::string& optimizer, int64_t steps = 12) {
  Setting s{.optimizer = optimizer, .hyperparameters = {{"lr", optimizer == "adam" ? 0.01 : 0.1}}, .steps = steps};
  if (s.wraps()) s.hyperparameters["rho"] = 0.3;
  return s;
}

std::vector<double> weights_of(Run& run) {
  std::vector<double> all;
  for (const Variable& p : run.model().parameters())
    for (double w : p.value().to_vector<double>()) all.push_back(w);
  return all;
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
    Run run(problem, setting_of(optimizer), seed);
    if (weights.empty()) weights = weights_of(run);
    CHECK(weights_of(run) == weights);
    const double first = run.step();
    if (loss == 0) loss = first;
    CHECK(first == loss);
  }
  Run run(problem, setting_of("sgd"), seed + 1);
  CHECK(weights_of(run) != weights);
}

TEST_CASE("a run that is saved in the middle of an epoch and loaded ends with the same bits") {
  TemporaryFolder folder;
  for (const char* model : {"mlp:16", "cnn"}) {
    const Problem problem = small_problem(model);
    for (const char* optimizer : {"sgd", "nesterov", "adam", "adamw", "sam", "asam", "msam", "sgd-ema", "msam-swa"}) {
      CAPTURE(std::string(model));
      CAPTURE(std::string(optimizer));
      Run whole(problem, setting_of(optimizer), seed);
      train_to_end(whole);
      RunResult before;
      {
        Run first(problem, setting_of(optimizer), seed);
        for (int i = 0; i < 7; ++i) {
          first.step();
          if (first.measurement_due()) first.measure();
        }
        first.save(folder.file("run"));
        before = first.result();
      }
      Run second(problem, setting_of(optimizer), seed);
      second.load(folder.file("run"), before);
      CHECK(second.steps_done() == 7);
      train_to_end(second);
      CHECK(weights_of(second) == weights_of(whole));
      CHECK(curve_of(second) == curve_of(whole));
    }
  }
}

TEST_CASE("a checkpoint of another run is refused") {
  TemporaryFolder folder;
  const Problem problem = small_problem();
  Run run(problem, setting_of("sgd"), seed);
  run.step();
  run.save(folder.file("run"));
  Run another(problem, setting_of("sgd"), 9);
  CHECK_ERROR(another.load(folder.file("run"), {}), "got seed 9, expected seed 3, as when it was interrupted");
  Run wrapped(problem, setting_of("sam"), seed);
  CHECK_ERROR(wrapped.load(folder.file("run"), {}), "got optimizer sam, expected optimizer sgd");
}

TEST_CASE("a loss that is not a number ends the run, and the result names optimizer, step and learning rate") {
  const Problem problem = small_problem();
  Setting setting = setting_of("msam", 100);
  setting.hyperparameters["lr"] = 1e6;
  Run run(problem, setting, seed);
  const RunResult result = train_to_end(run);
  CHECK(result.diverged());
  CAPTURE(result.divergence);
  CHECK(contains(result.divergence, "[msam, seed 3] got"));
  CHECK(contains(result.divergence, "at step "));
  CHECK(contains(result.divergence, "with learning rate "));
  CHECK(contains(result.divergence, "at most 1e+06"));
  CHECK_FALSE(contains(result.divergence, "-nan"));
}

TEST_CASE(
    "an observer is called before and after each step, after each measurement and at the end, with its notes kept") {
  const Problem problem = small_problem();  // 5 steps an epoch
  for (const bool every_epoch : {true, false}) {
    Run run(problem, setting_of("sgd", 12), seed);
    std::string calls;
    Observer observer;
    observer.before_step = [&](Run& r) { calls += r.steps_done() == 0 ? "b" : ""; };
    observer.after_step = [&](Run& r) { r.note("loss", r.last_loss()), calls += "."; };
    observer.after_measurement = [&](Run&) { calls += "m"; };
    observer.at_end = [&](Run& r) { calls += r.finished() ? "e" : "early"; };
    const RunResult result = train_to_end(run, observer, {.every_epoch = every_epoch});
    CHECK(calls == (every_epoch ? "b.....m.....m..me" : "b............me"));
    CHECK(result.seen.at("loss").size() == 12);
    CHECK(result.curve.size() == (every_epoch ? 3 : 1));
  }
}

TEST_CASE("a setting may change a run before its first step") {
  Setting setting = setting_of("msam");
  setting.prepare = [](Run& run) { run.optimizer().group(0)["rho"] = 0; };
  Run prepared(small_problem(), setting, seed), sgd(small_problem(), setting_of("sgd"), seed);
  train_to_end(prepared), train_to_end(sgd);
  CHECK(weights_of(prepared) == weights_of(sgd));
}

TEST_CASE("a hyperparameter that an optimizer does not read is refused") {
  Setting setting = setting_of("sgd");
  setting.hyperparameters["rho"] = 0.3;
  CHECK_ERROR(Run(small_problem(), setting, seed), "rho");
  setting.hyperparameters = {{"speed", 9}};
  CHECK_ERROR(Run(small_problem(), setting, seed), "speed");
}

TEST_CASE("a setting's values are those given, else optim's, and 0 where its optimizer has none") {
  const Setting sgd{.hyperparameters = {{"lr", 0.3}}}, msam{.optimizer = "msam", .base = "adamw"};
  CHECK(sgd.value("lr") == 0.3);
  CHECK(sgd.value("momentum") == 0.9);
  CHECK(sgd.value("rho") == 0);
  CHECK(sgd.value_text("rho") == "-");
  CHECK(sgd.words() == "sgd lr 0.3");
  CHECK(msam.value("weight_decay") == 0.01);
  CHECK(msam.words() == "msam lr 0.001 rho 0.5");
  const Setting averaged{.optimizer = "msam-ema", .base = "adamw"};
  CHECK(averaged.value("rho") == 0.5);
  CHECK(averaged.trainer() == "msam");
  CHECK(averaged.average() == "ema");
  CHECK(averaged.rule() == "adamw");
  const Setting composed{.optimizer = "msam+norms-ema", .base = "adam"};
  CHECK(composed.trainer() == "msam+norms");
  CHECK(composed.rule() == "adam");
  check_arm("--optimizers", "esam-swa");
  check_arm("--optimizers", "msam+norms+late-ema");
  CHECK_ERROR(check_arm("--optimizers", "sgd-mean"), "[--optimizers] got sgd-mean, expected one of sgd, nesterov,");
  CHECK_ERROR(check_arm("--optimizers", "-ema"), "[--optimizers] got -ema, expected one of sgd");
  CHECK_ERROR(check_arm("--optimizers", "msam+nroms"), "got +nroms in \"msam+nroms\", expected one of norms, weights");
}

TEST_CASE("a measurement that is not a number names the step just taken and its learning rate") {
  const Problem problem = small_problem();
  Run run(problem, setting_of("sgd", 1), seed);
  run.step();
  for (const Variable& parameter : run.model().parameters()) Tensor(parameter.value()).fill(-NAN);
  CHECK_ERROR(run.measure(), "training loss nan at step 1 with learning rate 0.");
}

TEST_CASE("gradient evaluations are counted: one a step, two for sam and asam") {
  const Problem problem = small_problem();
  for (const char* optimizer : {"sgd", "nesterov", "adam", "adamw", "sam", "asam", "msam"}) {
    Run run(problem, setting_of(optimizer, 4), seed);
    train_to_end(run);
    CHECK(run.gradient_evaluations() == expected_gradients(run.setting()));
    CHECK(run.result().last().gradient_evaluations == run.gradient_evaluations());
  }
}

TEST_CASE("every optimizer trains, ESAM on samples of its choice") {
  const Problem problem = small_problem();
  for (const std::string& optimizer : optim::optimizer_names()) {
    CAPTURE(optimizer);
    Setting setting = setting_of(optimizer, 4);
    setting.hyperparameters.erase("rho");
    Run run(problem, setting, seed);
    train_to_end(run);
    CHECK(run.gradient_evaluations() >= 4);
    CHECK(run.gradient_evaluations() <= 8);
    CHECK(std::isfinite(run.result().last().test_loss));
  }
}

TEST_CASE("a run of averaged weights measures and ends with averages, and its training is that of the plain run") {
  const Problem problem = small_problem("cnn");  // 5 steps an epoch, and batch norm
  Run plain(problem, setting_of("msam", 15), seed), ema(problem, setting_of("msam-ema", 15), seed);
  std::vector<double> expected;
  while (!plain.finished()) {
    CHECK(plain.step() == ema.step());
    const std::vector<double> w = weights_of(plain);
    if (expected.empty()) expected = w;
    for (size_t i = 0; i < w.size(); ++i) expected[i] += 0.2 * (w[i] - expected[i]);
    if (plain.steps_done() == 5) CHECK(ema.measure().test_loss != plain.measure().test_loss);
  }
  CHECK_CLOSE(weights_of(ema), expected, {.rtol = 1e-4, .atol = 1e-6});
  CHECK(ema.measure().gradient_evaluations == 15);
}

TEST_CASE("SWA is the mean over the last quarter of the steps, at the learning rate of their beginning") {
  const Problem problem = small_problem();
  Run swa(problem, setting_of("sgd-swa", 40), seed), plain(problem, setting_of("sgd", 40), seed);
  std::vector<double> rates, sum;
  while (swa.steps_done() < 39) {
    swa.step(), plain.step();
    rates.push_back(swa.optimizer().last_step().lr);
    const std::vector<double> w = weights_of(swa);
    if (swa.steps_done() <= 30) CHECK(w == weights_of(plain));
    if (swa.steps_done() <= 30) continue;
    sum.resize(w.size());
    for (size_t i = 0; i < w.size(); ++i) sum[i] += w[i];
  }
  CHECK(rates[38] == rates[30]);
  CHECK(rates[30] < rates[29]);
  const Tensor average = [&] {
    for (const auto& [name, buffer] : swa.optimizer().buffers())
      if (name == "average") return buffer;
    return Tensor();
  }();
  for (double& value : sum) value /= 9;
  CHECK_CLOSE(average.to_vector<double>(), sum, {.rtol = 1e-5, .atol = 1e-6});
  swa.step();
  CHECK(weights_of(swa) == average.to_vector<double>());
}

TEST_CASE("a measurement changes nothing: the run that is measured more often ends with the same weights") {
  const Problem problem = small_problem("cnn");
  Run often(problem, setting_of("msam", 6), seed), once(problem, setting_of("msam", 6), seed);
  while (!often.finished()) often.step(), often.measure();
  while (!once.finished()) once.step();
  CHECK(weights_of(often) == weights_of(once));
  once.measure();
  CHECK(once.result().last().test_loss == often.result().last().test_loss);
}

TEST_CASE("the learning rate rises for an epoch and falls to nearly nothing") {
  const Problem problem = small_problem();
  Run run(problem, setting_of("sgd", 40), seed);  // 5 steps an epoch
  std::vector<double> rates;
  while (!run.finished()) run.step(), rates.push_back(run.optimizer().last_step().lr);
  CHECK_CLOSE(rates[0], 0.1 / 5, {.rtol = 1e-12});
  CHECK_CLOSE(rates[5], 0.1, {.rtol = 1e-12});
  CHECK(rates[39] < 1e-3);
  CHECK(rates[39] > 0);
}

TEST_CASE("seconds and memory are those of training, and grow with it") {
  const Problem problem = small_problem();
  Run run(problem, setting_of("sgd", 10), seed);
  train_to_end(run);
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
