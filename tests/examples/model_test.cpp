// Models that train saved: described, used on new rows, repeated from a summary, exported.
#include "nn/checkpoint.h"
#include "nn/containers.h"
#include "nn/layers.h"
#include "tests/check.h"
#include "tests/examples/process.h"

using namespace minima;
using namespace minima::test;

namespace {

/// Two kinds of flowers by a number, a text with missing values and a date; the kind last.
std::string flowers(int rows) {
  std::string out = "id,width,colour,day,kind\n";
  for (int i = 0; i < rows; ++i)
    out += text(1000 + i * 7, ",", i * 5 % 13 + 6 * (i % 2), ",",
                i % 9 == 0  ? ""
                : i % 4 < 2 ? "red"
                            : "blue",
                ",2020-0", i % 8 + 1, "-01,", i % 2 ? "rose" : "tulip", "\n");
  return out;
}

}  // namespace

TEST_CASE("a model that was saved is described, and predicts rows in another order of columns") {
  TemporaryFolder folder;
  const std::string model = folder.file("m.safetensors");
  const Outcome trained = run(folder, {MINIMA_TRAIN, "--data", folder.write("t.csv", flowers(80)), "--label", "kind",
                                       "--model", "mlp:8", "--save", model});
  CAPTURE(trained.output);
  REQUIRE(trained.status == 0);
  for (const char* part : {"80 samples (64 training, 16 test), 5 features from 4 columns", "balanced accuracy",
                           "calibration error", "label, then predicted as  rose  tulip"})
    CHECK_MESSAGE(contains(unwrapped(trained.output), part), part);

  const Outcome info = run(folder, {MINIMA_INFO, model});
  CAPTURE(info.output);
  CHECK(info.status == 0);
  for (const char* part : {"Linear(5, 8)", "2 classes: rose, tulip", "one-hot: \"red\", \"blue\"", "left out",
                           "test accuracy: ", "minima: 0.", "command: ", "--label kind"})
    CHECK_MESSAGE(contains(info.output, part), part);

  folder.write("new.csv",
               "kind;day;width;colour\nrose;2020-02-01;15,5;red\ntulip;2020-03-01;1;unseen\n;2020-03-01;;\n");
  const Outcome predicted =
      run(folder, {MINIMA_PREDICT, model, folder.file("new.csv"), "--proba", "--out", folder.file("p.csv")});
  CAPTURE(predicted.output);
  CHECK(predicted.status == 0);
  const std::vector<std::string> lines = lines_of(folder.file("p.csv"));
  REQUIRE(lines.size() == 4);
  CHECK(lines[0] == "sample,prediction,p(rose),p(tulip)");
  CHECK(lines[1].rfind("line 2,rose,0.", 0) == 0);
  CHECK(lines[2].rfind("line 3,tulip,0.", 0) == 0);
  CHECK(contains(predicted.output, "1 labels are missing"));
  CHECK(contains(predicted.output, "2 labels: accuracy 100.00%"));

  folder.write("bad.csv", "kind,day\nrose,2020-01-01\n");
  const Outcome lacking = run(folder, {MINIMA_PREDICT, model, folder.file("bad.csv"), "--out", folder.file("q.csv")});
  CHECK(lacking.status == 2);
  CHECK(contains(lacking.output, "2 problems"));
  CHECK(contains(lacking.output, "no column \"width\""));
  CHECK_FALSE(std::filesystem::exists(folder.file("q.csv")));
}

TEST_CASE("predict repeats the accuracy that train printed for the same rows") {
  TemporaryFolder folder;
  const std::string model = folder.file("m.safetensors"), test_rows = folder.write("test.csv", flowers(30));
  const Outcome trained = run(folder, {MINIMA_TRAIN, "--data", folder.write("t.csv", flowers(80)), "--label", "kind",
                                       "--test", test_rows, "--model", "mlp:8", "--epochs", "2", "--save", model});
  CAPTURE(trained.output);
  REQUIRE(trained.status == 0);
  const Outcome predicted = run(folder, {MINIMA_PREDICT, model, test_rows, "--out", folder.file("p.csv")});
  const auto accuracy = [](const std::string& output, const std::string& before) {
    const size_t at = output.find(before + "accuracy ");
    return at == std::string::npos ? "none"
                                   : output.substr(at + before.size(), output.find('%', at) - at - before.size());
  };
  CHECK(accuracy(trained.output, "test part: ") == accuracy(predicted.output, "30 labels: "));
}

TEST_CASE("a quantity is predicted with squared error and R2, in its own unit") {
  TemporaryFolder folder;
  std::string table = "a,b,price\n";
  for (int i = 0; i < 120; ++i)
    table += text(i * 7 % 31, ",", i * 5 % 17, ",", 1000 + 10 * (i * 7 % 31) + 3 * (i * 5 % 17), "\n");
  const std::string data = folder.write("t.csv", table), model = folder.file("m.safetensors");
  const Outcome asked = run(folder, {MINIMA_TRAIN, "--data", data, "--label", "price", "--save", model});
  CHECK(asked.status == 2);
  CHECK(contains(asked.output, "Predict the quantity with --task regression"));
  const Outcome trained = run(folder, {MINIMA_TRAIN, "--data", data, "--label", "price", "--task", "regression",
                                       "--model", "mlp:16", "--save", model});
  CAPTURE(trained.output);
  REQUIRE(trained.status == 0);
  const size_t at = trained.output.find("test part: R2 ");
  REQUIRE(at != std::string::npos);
  CHECK(std::stod(trained.output.substr(at + 14)) > 0.95);
  const Outcome predicted = run(folder, {MINIMA_PREDICT, model, data, "--out", folder.file("p.csv")});
  CHECK(contains(predicted.output, "120 labels: R2 0.9"));
  const std::string second = lines_of(folder.file("p.csv"))[1];
  CHECK(std::abs(std::stod(second.substr(second.find(',') + 1)) - 1000) < 60);
}

TEST_CASE("info and predict refuse weights without what train adds") {
  TemporaryFolder folder;
  nn::Sequential model{nn::Linear{2, 2}};
  nn::save(model, folder.file("bare.safetensors"));
  for (const char* program : {MINIMA_INFO, MINIMA_PREDICT}) {
    Words words{program, folder.file("bare.safetensors")};
    if (program == std::string(MINIMA_PREDICT)) words.insert(words.end(), {"digits", "--out", folder.file("p.csv")});
    const Outcome outcome = run(folder, words);
    CHECK(outcome.status == 2);
    CHECK_MESSAGE(
        contains(outcome.output, "weights without \"minima.model\", expected a file that `train --save` wrote"),
        outcome.output);
  }
}

TEST_CASE("predict refuses data of other classes, and a damaged file whose table does not fit its weights") {
  TemporaryFolder folder;
  const std::string model = folder.file("m.safetensors"), out = folder.file("p.csv");
  REQUIRE(
      run(folder, {MINIMA_TRAIN, "--data", "two-moons", "--model", "mlp:4", "--epochs", "1", "--save", model}).status ==
      0);
  const Outcome others = run(folder, {MINIMA_PREDICT, model, "blobs", "--out", out});
  CHECK(others.status == 2);
  CHECK_MESSAGE(contains(others.output, "[blobs] got the classes "), others.output);

  const std::string data = folder.write("t.csv", flowers(80));
  REQUIRE(run(folder,
              {MINIMA_TRAIN, "--data", data, "--label", "kind", "--model", "mlp:4", "--epochs", "1", "--save", model})
              .status == 0);
  const auto damaged = [&](const std::string& name, const std::string& value, const std::string& part) {
    Archive archive = load_safetensors(model);
    archive.metadata.at(name) = value;
    save_safetensors(archive, folder.file("d.safetensors"));
    const Outcome refused = run(folder, {MINIMA_PREDICT, folder.file("d.safetensors"), data, "--out", out});
    CHECK(refused.status == 2);
    CHECK_MESSAGE(contains(refused.output, part), refused.output);
  };
  damaged("minima.table.columns.1.missing", "yes", "a table of 6 features and 2 classes for a model of 5 inputs");
  damaged("minima.table.classes", "1", "1 classes for a model of 5 inputs and 2 classes");
  damaged("minima.classes", "", "expected a whole number");
}

TEST_CASE("one row of a quantity has an error and no R2") {
  TemporaryFolder folder;
  std::string table = "a,price\n";
  for (int i = 0; i < 60; ++i) table += text(i * 7 % 31, ",", 1000 + 10 * (i * 7 % 31), "\n");
  const std::string data = folder.write("t.csv", table), model = folder.file("m.safetensors");
  REQUIRE(run(folder, {MINIMA_TRAIN, "--data", data, "--label", "price", "--task", "regression", "--model", "mlp:4",
                       "--epochs", "1", "--save", model})
              .status == 0);
  const Outcome one =
      run(folder, {MINIMA_PREDICT, model, folder.write("one.csv", "a,price\n3,1030\n"), "--out", folder.file("p.csv")});
  CHECK_MESSAGE(contains(one.output, "1 label: no R2, as they do not differ, root mean squared error "), one.output);
}

TEST_CASE("no program writes to a file that it reads") {
  TemporaryFolder folder;
  const std::string data = folder.write("t.csv", flowers(80)), model = folder.file("m.safetensors");
  const auto refused = [&](const Words& words) {
    const Outcome outcome = run(folder, words);
    CHECK(outcome.status == 2);
    CHECK_MESSAGE(
        contains(outcome.output, "which is read") + contains(outcome.output, "a file that is read as well") == 1,
        outcome.output);
  };
  refused({MINIMA_TRAIN, "--data", data, "--label", "kind", "--save", data});
  REQUIRE(run(folder,
              {MINIMA_TRAIN, "--data", data, "--label", "kind", "--model", "mlp:4", "--epochs", "1", "--save", model})
              .status == 0);
  refused({MINIMA_PREDICT, model, data, "--out", data});
  refused({MINIMA_PREDICT, model, data, "--out", model});
  const Outcome slip = run(folder, {MINIMA_EXPORT, model, data});
  CHECK(slip.status == 2);
  CHECK_MESSAGE(contains(slip.output, "t.csv, expected a name that ends in .onnx"), slip.output);
  const std::string metrics = folder.write("out/metrics.csv", flowers(80));
  refused({MINIMA_COMPARE, "--data", metrics, "--label", "kind", "--out", folder.file("out")});
  CHECK(read_bytes(data) == flowers(80));
  CHECK(read_bytes(metrics) == flowers(80));
}

TEST_CASE("a model of the digits predicts their test part, and is exported") {
  TemporaryFolder folder;
  const std::string model = folder.file("m.safetensors");
  REQUIRE(run(folder, {MINIMA_TRAIN, "--epochs", "2", "--save", model}).status == 0);
  const Outcome predicted = run(folder, {MINIMA_PREDICT, model, "digits", "--out", folder.file("p.csv")});
  CHECK_MESSAGE(contains(predicted.output, "360 labels: accuracy "), predicted.output);
  const Outcome exported = run(folder, {MINIMA_EXPORT, model, folder.file("m.onnx")});
  CHECK_MESSAGE(contains(exported.output, "input (batch, 8, 8, 1), output (batch, 10)"), exported.output);
  CHECK(std::filesystem::file_size(folder.file("m.onnx")) > 200000);
}

TEST_CASE("a run of a comparison can be repeated to the bit from its summary, and its model kept") {
  TemporaryFolder folder;
  const std::string data = folder.write("t.csv", flowers(80));
  const Outcome compared = run(folder, {MINIMA_COMPARE,
                                        "--data",
                                        data,
                                        "--label",
                                        "kind",
                                        "--drop",
                                        "day",
                                        "--split-seed",
                                        "3",
                                        "--model",
                                        "mlp:8",
                                        "--epochs",
                                        "3",
                                        "--seeds",
                                        "2",
                                        "--optimizers",
                                        "sgd,msam,adam",
                                        "--augment",
                                        "mixup=0.2",
                                        "--out",
                                        folder.file("out")});
  CAPTURE(compared.output);
  REQUIRE(compared.status == 0);
  for (const char* optimizer : {"sgd", "msam", "adam"}) {
    const Outcome again = run(folder, {MINIMA_TRAIN, "--from", folder.file("out/summary.json"), "--optimizer",
                                       optimizer, "--seed", "2", "--save", folder.file("m.safetensors")});
    CAPTURE(again.output);
    REQUIRE(again.status == 0);
    const size_t at = again.output.find("The summary has test accuracy ");
    REQUIRE(at != std::string::npos);
    std::istringstream words(again.output.substr(at + 30));
    std::string before, now, skipped;
    words >> before >> skipped >> skipped >> skipped >> now;
    CHECK(before == now.substr(0, now.size() - 1) + ";");
  }
  const Outcome by_folder = run(folder, {MINIMA_TRAIN, "--from", folder.file("out"), "--optimizer", "sgd", "--save",
                                         folder.file("m.safetensors")});
  CHECK_MESSAGE(by_folder.status == 0, by_folder.output);
  const auto damaged = [&](const std::string& from, const std::string& to, const std::string& part) {
    std::string summary = read_bytes(folder.file("out/summary.json"));
    const size_t at = summary.find(from);
    REQUIRE(at != std::string::npos);
    const std::string path = folder.write("damaged.json", summary.replace(at, from.size(), to));
    const Outcome refused =
        run(folder, {MINIMA_TRAIN, "--from", path, "--optimizer", "sgd", "--save", folder.file("m.safetensors")});
    CHECK(refused.status == 2);
    CHECK_MESSAGE(contains(refused.output, part), refused.output);
  };
  damaged("\"batch\": ", "\"batch\": 0, \"was\": ", "got 0, expected at least 1");
  damaged("\"--train-limit\": \"0\"", "\"--train-limit\": \"many\"", "--train-limit] got \"many\", expected a number");
  damaged("\"runs\": [", "\"runs\": [3, ", "got JSON with an entry that is missing or of another kind");
  damaged("\"schema\"", "schema", "got what is no JSON from byte ");
  const Outcome none = run(folder, {MINIMA_TRAIN, "--from", folder.file("out/summary.json"), "--optimizer", "sam",
                                    "--save", folder.file("m.safetensors")});
  CHECK(none.status == 2);
  CHECK_MESSAGE(contains(none.output, "no run of sam with seed 1, expected --optimizer one of adam, msam, sgd"),
                none.output);
}
