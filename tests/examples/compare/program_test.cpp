// compare as a program: what it writes, what it refuses, and that it repeats itself to the bit.
#include <nlohmann/json.hpp>
#include <set>

#include "core/random.h"
#include "examples/kit/metrics.h"
#include "optim/make.h"
#include "tests/check.h"
#include "tests/examples/process.h"

using namespace minima;
using namespace minima::test;
using nlohmann::json;

namespace {

/// A comparison of a second or less.
Words tiny(const TemporaryFolder& folder, const Words& more = {}, const std::string& out = "out") {
  Words words{MINIMA_COMPARE, "--train-limit", "200",           "--model", "mlp:16", "--epochs", "2", "--curvature",
              "50",           "--out",         folder.file(out)};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

void check_refused(const Words& more, const std::string& part) {
  TemporaryFolder folder;
  const Outcome outcome = run(folder, tiny(folder, more));
  CHECK_MESSAGE(outcome.status == 2, "status " << outcome.status);
  CHECK_MESSAGE(contains(outcome.output, "error: "), outcome.output);
  CHECK_MESSAGE(contains(outcome.output, part), outcome.output);
  CHECK_MESSAGE(lines_of(folder.file("out/metrics.csv")).empty(), "it trained before it refused");
}

}  // namespace

TEST_CASE("compare writes metrics, summary, script, and one report that needs nothing else") {
  TemporaryFolder folder;
  const Outcome outcome = run(folder, tiny(folder, {"--seeds", "2"}));
  CAPTURE(outcome.output);
  REQUIRE(outcome.status == 0);
  for (const char* part : {"digits (200 training, 360 test samples)", "test acc %", "lambda max", "cost", "seconds",
                           "Test accuracy in points, paired over 2 seeds: ", "open report.html"})
    CHECK_MESSAGE(contains(outcome.output, part), part);

  // 5 optimizers, 2 seeds, 2 epochs
  const auto csv = lines_of(folder.file("out/metrics.csv"));
  REQUIRE(csv.size() == 1 + 5 * 2 * 2);
  CHECK(
      csv[0] ==
      "schema,data,train_samples,label_noise,model,optimizer,base,seed,lr,momentum,rho,weight_decay,batch,steps,epoch,"
      "step,gradient_evaluations,seconds,peak_memory_bytes,train_loss,train_accuracy,test_loss,test_accuracy,clean_fit,"
      "corrupted_fit");
  const auto jsonl = lines_of(folder.file("out/metrics.jsonl"));
  REQUIRE(jsonl.size() == 20);
  CHECK(json::parse(jsonl[0]).at("schema") == 2);
  CHECK(json::parse(jsonl[19]).at("optimizer") == "msam");
  CHECK(json::parse(jsonl[19]).at("seed") == 2);
  CHECK_MESSAGE(contains(outcome.output, "lr and rho are starting values"), "claims to be tuned for another model");

  const json summary = json::parse(read_bytes(folder.file("out/summary.json")));
  CHECK(summary.at("data") == "digits");
  CHECK(summary.at("model") == "mlp:16");
  CHECK(summary.at("parameters") == 64 * 16 + 16 + 16 * 10 + 10);
  REQUIRE(summary.at("runs").size() == 10);
  for (const json& run : summary.at("runs")) {
    CHECK(run.at("steps") == 8);
    CHECK(run.at("gradient_evaluations") == (run.at("optimizer") == "sam" ? 16 : 8));
    if (run.at("optimizer") != "adam") CHECK(run.at("test_accuracy").get<double>() > 0.15);  // adam is slow to start
    CHECK(run.at("test_accuracy").get<double>() <= 1);
    CHECK(run.at("lambda_max").get<double>() > 0);
    CHECK(run.at("lambda_residual").get<double>() < 0.1);
  }

  CHECK(contains(read_bytes(folder.file("out/per_gradient_evaluation.gp")), "per_gradient_evaluation.svg"));
  const std::string report = read_bytes(folder.file("out/report.html"));
  CHECK(contains(report, "Test accuracy in points"));
  for (const char* outside : {"http://", "https://", "<link", "<script", "src=\"/", "url("})
    CHECK_MESSAGE(!contains(report, outside), outside);
  CHECK_FALSE(std::filesystem::exists(folder.file("out/state.json")));
}

TEST_CASE("the same seeds give the same metrics, bit for bit, twice and at one and two threads") {
  TemporaryFolder folder;
  const Words options{"--seeds", "1", "--model", "cnn", "--train-limit", "130", "--epochs", "1"};
  auto with = [&](Words more, const std::string& out) {
    more.insert(more.end(), options.begin(), options.end());
    const Outcome outcome = run(folder, [&] {
      Words words{MINIMA_COMPARE, "--curvature", "20", "--out", folder.file(out)};
      words.insert(words.end(), more.begin(), more.end());
      return words;
    }());
    CAPTURE(outcome.output);
    REQUIRE(outcome.status == 0);
    return repeatable_cells(folder.file(out + "/metrics.csv"));
  };
  const auto one = with({"--threads", "1"}, "one");
  REQUIRE(one.size() == 6);
  CHECK(with({"--threads", "1"}, "again") == one);
  CHECK(with({"--threads", "2"}, "two") == one);
}

TEST_CASE("compare says when it replaces the results of an earlier run") {
  TemporaryFolder folder;
  const Words words = tiny(folder, {"--seeds", "1", "--optimizers", "sgd"});
  const std::string said = "This replaces the results of an earlier run in " + folder.file("out");
  CHECK_FALSE(contains(run(folder, words).output, said));
  CHECK(contains(run(folder, words).output, said));
}

TEST_CASE("at a budget of gradients every optimizer gets the same number of them") {
  TemporaryFolder folder;
  REQUIRE(run(folder, tiny(folder, {"--seeds", "1", "--budget", "gradients", "--optimizers", "sgd,sam,msam"})).status ==
          0);
  const json summary = json::parse(read_bytes(folder.file("out/summary.json")));
  for (const json& run : summary.at("runs")) CHECK(run.at("gradient_evaluations") == 8);
  CHECK(summary.at("runs").at(1).at("steps") == 4);
  CHECK(summary.at("runs").at(1).at("epochs") == 1);
}

TEST_CASE("tuning tries the same number of settings for each optimizer, prints them, and uses what it chose") {
  TemporaryFolder folder;
  const Outcome outcome =
      run(folder, tiny(folder, {"--seeds", "1", "--epochs", "1", "--tune", "--optimizers", "sgd,msam"}));
  CAPTURE(outcome.output);
  REQUIRE(outcome.status == 0);
  CHECK(contains(outcome.output, "validation loss"));
  CHECK(contains(outcome.output, "The test data took no part."));
  int sgd = 0, msam = 0, chosen = 0;
  std::istringstream text(outcome.output);
  std::string chosen_lr;
  for (std::string line; std::getline(text, line) && line.rfind("15 trials", 0) != 0;) {
    std::istringstream words(line);
    std::string name, lr;
    words >> name >> lr;
    const bool in_table = !lr.empty() && std::isdigit(lr[0]) && !contains(line, "seed");
    sgd += name == "sgd" && in_table, msam += name == "msam" && in_table;
    if (in_table && contains(line, "chosen")) ++chosen, chosen_lr = name == "sgd" ? lr : chosen_lr;
  }
  CHECK(sgd == 15);
  CHECK(msam == 15);
  CHECK(chosen == 2);
  const json summary = json::parse(read_bytes(folder.file("out/summary.json")));
  REQUIRE(summary.at("runs").size() == 4);  // each as tuned, then each at its defaults
  CHECK(summary.at("runs").at(0).at("lr") == std::stod(chosen_lr));
  CHECK(summary.at("runs").at(2).at("lr") == optim::defaults_of("sgd").at("lr"));
  for (const char* row : {"sgd untuned", "msam untuned(sgd)"}) CHECK_MESSAGE(contains(outcome.output, row), row);
}

TEST_CASE("a diverged run is stopped and named, the others go on, and the exit status tells") {
  TemporaryFolder folder;
  const Outcome outcome =
      run(folder, tiny(folder, {"--seeds", "2", "--epochs", "6", "--optimizers", "sgd,msam", "--lr", "sgd=1e6"}));
  CAPTURE(outcome.output);
  CHECK(outcome.status == 1);
  CHECK(contains(outcome.output, "[sgd, seed 1] got"));
  CHECK(contains(outcome.output, "with learning rate"));
  CHECK(contains(outcome.output, "sgd diverged, so that the reference is msam"));
  CHECK(contains(read_bytes(folder.file("out/report.html")), "[sgd, seed 1] got"));
  const json summary = json::parse(read_bytes(folder.file("out/summary.json")));
  CHECK(summary.at("runs").at(0).at("test_loss").is_null());
  CHECK(summary.at("runs").at(1).at("test_loss").is_number());
  int rows = 0;
  for (const auto& line : lines_of(folder.file("out/metrics.csv"))) rows += contains(line, ",msam,");
  CHECK(rows == 12);
}

TEST_CASE("without gnuplot there are numbers and a script, and one line says how to get figures") {
  TemporaryFolder folder;
  const Outcome outcome =
      run(folder, tiny(folder, {"--seeds", "1", "--optimizers", "sgd"}), {{"PATH", "/nonexistent"}});
  CAPTURE(outcome.output);
  CHECK(outcome.status == 0);
  CHECK(contains(outcome.output,
                 "gnuplot is not installed; install it (Debian: gnuplot-nox) and run `gnuplot per_epoch.gp`"));
  for (const char* name : {"per_epoch", "per_gradient_evaluation", "per_second"})
    CHECK(std::filesystem::exists(folder.file(text("out/", name, ".gp"))));
  CHECK(contains(read_bytes(folder.file("out/report.html")), "gnuplot is not installed"));
}

TEST_CASE("a table of one's own is compared by the name of its label column") {
  TemporaryFolder folder;
  std::string table = "width,height,kind\n";
  for (int i = 0; i < 60; ++i) table += text(i % 7, ",", i % 11 + 5 * (i % 2), ",", i % 2 ? "tall" : "short", "\n");
  folder.write("my table.csv", table);
  const Words words{MINIMA_COMPARE,
                    "--data",
                    folder.file("my table.csv"),
                    "--label",
                    "kind",
                    "--epochs",
                    "2",
                    "--seeds",
                    "2",
                    "--model",
                    "mlp:8",
                    "--batch",
                    "16",
                    "--out",
                    folder.file("out")};
  const Outcome outcome = run(folder, words);
  CAPTURE(outcome.output);
  CHECK(outcome.status == 0);
  CHECK(lines_of(folder.file("out/metrics.csv")).size() == 21);
  CHECK(contains(unwrapped(outcome.output), "60 samples (48 training, 12 test), 2 features from 2 columns; 2 classes"));
  CHECK(contains(outcome.output, "width   numbers, 0 to 6"));
  const std::string report = read_bytes(folder.file("out/report.html"));
  for (const char* part : {"is right in 50.0% of the test part", "standardised", "Balanced accuracy is",
                           "calibration error", "label, then predicted as"})
    CHECK_MESSAGE(contains(report, part), part);
}

TEST_CASE("without options, batch and epochs follow the size of one's own data, and are printed") {
  TemporaryFolder folder;
  std::string table = "width,height,kind\n";
  for (int i = 0; i < 30; ++i) table += text(i % 7, ",", i % 11 + 5 * (i % 2), ",", i % 2 ? "tall" : "short", "\n");
  const Outcome outcome =
      run(folder, {MINIMA_COMPARE, "--data", folder.write("t.csv", table), "--label", "kind", "--model", "mlp:4",
                   "--seeds", "1", "--optimizers", "sgd", "--out", folder.file("out")});
  CAPTURE(outcome.output);
  CHECK(outcome.status == 0);
  CHECK(contains(outcome.output, "batch 8, 100 epochs"));
}

TEST_CASE("three orders of the rows of one small table give no opposite verdicts") {
  TemporaryFolder folder;
  Generator random{7, 0};
  constexpr int rows = 69;
  const auto noise = random.normal({2 * rows}).to_vector<double>();
  std::vector<std::string> lines;
  for (int i = 0; i < rows; ++i)
    lines.push_back(text(noise[2 * i] + (i % 3), ",", noise[2 * i + 1] + (i % 2), ",kind", i % 3, "\n"));
  std::set<std::string> sides;
  for (uint64_t order = 1; order <= 3; ++order) {
    std::string table = "x,y,kind\n";
    for (const int64_t i : Generator{order, 0}.permutation(rows)) table += lines[static_cast<size_t>(i)];
    const Outcome outcome = run(folder, {MINIMA_COMPARE, "--data", folder.write("t.csv", table), "--label", "kind",
                                         "--optimizers", "sgd,msam", "--epochs", "10", "--seeds", "10", "--model",
                                         "mlp:8", "--batch", "8", "--curvature", "0", "--out", folder.file("out")});
    CAPTURE(outcome.output);
    REQUIRE(outcome.status == 0);
    CHECK(contains(outcome.output, "Each seed splits the data anew."));
    for (const char* side : {") above sgd", ") below sgd"}) {
      const std::string accuracy = outcome.output.substr(outcome.output.find("Test accuracy in points"));
      if (contains(accuracy.substr(0, accuracy.find(". Test loss")), side)) sides.insert(side);
    }
  }
  CHECK(sides.size() < 2);
}

TEST_CASE("input that cannot work is refused before any training, with a message that helps") {
  check_refused({"--optimizers", "sgd,magic"}, "expected one of sgd, nesterov, adam");
  check_refused({"--model", "transformer"}, "transformer");
  check_refused({"--lr", "0"}, "[--lr] got \"0\", expected a number above 0");
  check_refused({"--lr", "sam=nan"}, "[--lr] got \"nan\"");
  check_refused({"--rho", "much"}, "[--rho] got \"much\"");
  check_refused({"--rho", "sam=-1"}, "rho");
  check_refused({"--batch", "500"}, "[--batch] got 500, expected at most 200, the number of training samples");
  check_refused({"--momentum", "0", "--optimizers", "sgd,msam"}, "momentum");
  check_refused({"--data", "no-such-data"}, "no-such-data");
  check_refused({"--data", "/nonexistent/table.csv", "--label", "x"}, "/nonexistent/table.csv");
  check_refused({"--device", "tpu"}, "[--device] got tpu, expected cpu or cuda");
  check_refused({"--threads", "1025"}, "[--threads] got 1025, expected at most 1024");
  check_refused({"--label", "x"}, "[--label] got \"x\" for the data set digits");
  check_refused({"--resume"}, "state.json] got no such file");
}

TEST_CASE("a table without its label column, with one class, or with missing labels is refused by name") {
  TemporaryFolder folder;
  const std::string good = folder.write("good.csv", "a,b\n1,x\n5,y\n3,x\n4,y\n");
  check_refused({"--data", good}, "label");
  check_refused({"--data", good, "--label", "colour"}, "colour");
  check_refused({"--data", folder.write("one.csv", "a,b\n1,x\n2,x\n3,x\n"), "--label", "b"}, "one.csv");
  check_refused({"--data", folder.write("none.csv", "a,b\n1,x\n5,\n3,x\n4,y\n"), "--label", "b"}, "none in line 3");
  check_refused({"--data", good, "--label", "b", "--time", "when"}, "no column \"when\" for --time");
  check_refused({"--data", good, "--label", "b", "--task", "guessing"}, "[--task] got guessing");
}

TEST_CASE("quantities are compared by R2: in points of the variance, with the error in the label's units") {
  TemporaryFolder folder;
  Generator random{3, 0};
  const auto noise = random.normal({240}).to_vector<double>();
  std::string rows = "a,b,price\n";
  for (int i = 0; i < 120; ++i)
    rows += text(noise[2 * i], ",", noise[2 * i + 1], ",", 1000 + 100 * noise[2 * i] * noise[2 * i + 1], "\n");
  const std::string data = folder.write("t.csv", rows), out = folder.file("out");
  const Words words{MINIMA_COMPARE, "--data",      data,           "--label",  "price",   "--task", "regression",
                    "--model",      "mlp:16",      "--optimizers", "sgd,msam", "--seeds", "3",      "--epochs",
                    "30",           "--curvature", "20",           "--out",    out};
  const auto with = [&](const Words& more) {
    Words all = words;
    all.insert(all.end(), more.begin(), more.end());
    return run(folder, all);
  };
  const Outcome outcome = with({});
  CAPTURE(outcome.output);
  REQUIRE(outcome.status == 0);
  for (const char* part : {"test R2 %", "test R2, points", "to sgd's R2", "Test R2 in points, paired over 3 seeds: ",
                           "A point is a percent of the variance of the label that is explained (R2)."})
    CHECK_MESSAGE(contains(outcome.output, part), part);
  for (const char* part : {"test acc", "Test accuracy", "One test row is"})
    CHECK_MESSAGE(!contains(outcome.output, part), part);
  const std::string report = read_bytes(out + "/report.html");
  CHECK(contains(report, "root mean squared error, in the label"));
  CHECK(contains(report, "the test R2 is higher"));
  const json summary = json::parse(read_bytes(out + "/summary.json"));
  for (const json& run : summary.at("runs")) {
    const double r2 = run.at("test_accuracy").get<double>(), loss = run.at("test_loss").get<double>();
    CHECK(r2 < 1);
    CHECK(loss > 0);
  }
  const Outcome tuned = with({"--tune"});
  CHECK_MESSAGE(tuned.status == 0, tuned.output);
  CHECK(contains(tuned.output, "validation R2 %"));
  CHECK(contains(with({"--label-noise", "0.2"}).output, "[--label-noise] got 0.2 for quantities, expected 0"));
}

TEST_CASE("an output directory that cannot be written is refused before any training") {
  TemporaryFolder folder;
  folder.write("file", "");
  const Outcome outcome = run(folder, {MINIMA_COMPARE, "--out", folder.file("file/out")});
  CHECK(outcome.status == 2);
  CHECK_MESSAGE(contains(outcome.output, "expected a directory that can be written"), outcome.output);
}
