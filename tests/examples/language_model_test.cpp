// language_model as a program: it learns, writes, and Ctrl-C with --resume leaves no trace in the weights.
#include "core/safetensors.h"
#include "tests/check.h"
#include "tests/examples/process.h"

using namespace minima;
using namespace minima::test;

namespace {
Words training(const std::string& save, const Words& more = {}) {
  Words words{
      MINIMA_LANGUAGE_MODEL, "--width", "16",     "--depth", "1", "--context", "16", "--batch", "8", "--steps", "200",
      "--characters",        "40",      "--save", save};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// The last loss on the held-out part, in bits.
double bits_in(const std::string& output) {
  const size_t at = output.rfind("held out ");
  return at == std::string::npos ? NAN : std::stod(output.substr(at + 9));
}
}  // namespace

TEST_CASE("a language model learns with AdamW, SAM and MSAM, and goes on from its prompt") {
  TemporaryFolder folder;
  for (const char* optimizer : {"adamw", "sam", "msam"}) {
    CAPTURE(std::string(optimizer));
    const Outcome outcome =
        run(folder, training(folder.file("m.safetensors"),
                             {"--optimizer", optimizer, "--prompt", "The Queen ", "--lr", "0.01", "--dropout", "0"}));
    CAPTURE(outcome.output);
    CHECK(outcome.status == 0);
    CHECK(bits_in(outcome.output) < 4.3);  // all 70 characters alike: 6.1; by their frequencies: 4.56
    CHECK(bits_in(outcome.output) > 2);
    const size_t written = outcome.output.find("\nThe Queen ");
    REQUIRE(written != std::string::npos);
    CHECK(outcome.output.find("model: ") < written);  // saved before it writes
    // The file is enough to write the same again.
    const Outcome again = run(folder, {MINIMA_LANGUAGE_MODEL, "--from", folder.file("m.safetensors"), "--prompt",
                                       "The Queen ", "--characters", "40"});
    CAPTURE(again.output);
    CHECK(again.status == 0);
    CHECK(again.output == outcome.output.substr(written));
  }
}

TEST_CASE("a language model's file has its alphabet, size and command, and one without them is refused") {
  TemporaryFolder folder;
  const std::string path = folder.file("m.safetensors");
  folder.write("own.txt", std::string(50, 'a') + std::string(50, '\xff'));  // a byte that is not UTF-8
  const Outcome outcome = run(folder, training(path, {"--text", folder.file("own.txt"), "--steps", "5"}));
  CAPTURE(outcome.output);
  REQUIRE(outcome.status == 0);
  CHECK(contains(outcome.output, "\\xff"));
  Archive archive = load_safetensors(path);
  CHECK(archive.entry("language_model.alphabet") == "97 255");
  CHECK(archive.entry("language_model.context") == "16");
  CHECK(archive.entry("language_model.heads") == "4");
  CHECK(contains(archive.entry("command"), "--steps 5"));
  CHECK_FALSE(contains(archive.entry("command"), path));
  const auto refused = [&] {
    save_safetensors(archive, path);
    return run(folder, {MINIMA_LANGUAGE_MODEL, "--from", path}).output;
  };
  archive.metadata["language_model.width"] = "17";
  CHECK(contains(refused(), "got notes that are not those of its weights"));
  archive.metadata["language_model.width"] = "a";
  CHECK(contains(refused(), "got language_model.width = \"a\", expected numbers from 1 to"));
  archive.metadata.erase("language_model.width");
  CHECK(contains(refused(), "got weights without \"language_model.width\", expected a file that language_model saved"));
}

TEST_CASE("a language model that is interrupted and resumed saves the same bytes as one that was not") {
  TemporaryFolder folder;
  const std::string whole = folder.file("whole.safetensors"), parts = folder.file("parts.safetensors");
  const Words method{"--optimizer", "msam", "--steps", "1000"};
  REQUIRE(run(folder, training(whole, method)).status == 0);
  const Outcome part = run_interrupted(folder, training(parts, method), 4);
  REQUIRE_MESSAGE(part.status == 130, part.output);
  CHECK(contains(part.output, "the same command with --resume goes on"));
  Words again = training(parts, method);
  again.push_back("--resume");
  Words other = again;
  other.insert(other.end(), {"--rho", "0.7"});
  CHECK(contains(run(folder, other).output, "got --rho 0.7, expected --rho 0.1"));
  REQUIRE(run(folder, again).status == 0);
  CHECK(read_bytes(parts) == read_bytes(whole));
  CHECK_FALSE(std::filesystem::exists(parts + ".checkpoint"));
}

TEST_CASE("a language model reads a text of one's own, and refuses a prompt that it cannot read") {
  TemporaryFolder folder;
  folder.write("own.txt", std::string(50, 'a') + std::string(50, 'b'));
  const auto with = [&](const Words& more) { return run(folder, training(folder.file("m.safetensors"), more)); };
  const Outcome own = with({"--text", folder.file("own.txt"), "--prompt", "ab", "--steps", "20", "--context", "8"});
  CAPTURE(own.output);
  CHECK(own.status == 0);
  CHECK(contains(own.output, "100 characters, 2 different ones"));
  CHECK(contains(own.output, "\nab"));
  const Outcome unprompted = with({"--text", folder.file("own.txt"), "--steps", "20", "--context", "8"});
  CHECK_MESSAGE(unprompted.status == 0, unprompted.output);
  CHECK(contains(with({"--prompt", "caf\xc3\xa9"}).output,
                 "[--prompt] got \"caf\xc3\xa9\", with a byte of code 195 at position 3, expected one of the 70 "
                 "characters of Alice's Adventures in Wonderland"));
  CHECK(contains(with({"--text", folder.file("own.txt"), "--prompt", "ab", "--context", "95"}).output,
                 "[Text::random_windows] got windows of 95 characters of a text of 90"));
  folder.write("short.txt", "nineteen characters");
  CHECK(contains(with({"--text", folder.file("short.txt")}).output,
                 "[--text] got a text of 19 characters, expected at least 20"));
  CHECK(contains(with({"--warmup", "1"}).output, "[--warmup] got 1"));
  CHECK(contains(with({"--heads", "3"}).output, "got width 16 for 3 heads"));
  CHECK(contains(with({"--characters", "-5"}).output, "[--characters] got -5, expected at least 0"));
  CHECK(contains(with({"--context", "-3"}).output, "[--context] got -3, expected at least 1"));
  CHECK(
      contains(with({"--optimizer", "sam", "--rho", "-1"}).output, "[--rho] got -1, expected a number of at least 0"));
}

TEST_CASE("a temperature near 0 writes what is most likely, whatever the seed") {
  TemporaryFolder folder;
  const std::string path = folder.file("m.safetensors");
  REQUIRE(run(folder, training(path, {"--steps", "20"})).status == 0);
  const auto written = [&](const char* temperature, const char* seed) {
    return run(folder, {MINIMA_LANGUAGE_MODEL, "--from", path, "--temperature", temperature, "--seed", seed}).output;
  };
  CHECK(written("1e-40", "1") == written("1e-40", "2"));
  CHECK(written("1", "1") != written("1", "2"));
}

TEST_CASE("a language model whose loss is no number stops at that step, and keeps its checkpoint") {
  TemporaryFolder folder;
  const std::string checkpoint = folder.write("m.checkpoint", "of an earlier run");
  const Outcome outcome = run(
      folder, training(folder.file("m"), {"--optimizer", "sgd", "--lr", "1e30", "--steps", "1000", "--warmup", "0"}));
  CAPTURE(outcome.output);
  CHECK(outcome.status == 2);
  CHECK(contains(outcome.output, "m.checkpoint is of an interrupted run"));
  CHECK(contains(outcome.output, "bits at step 2, expected a finite loss"));
  CHECK_FALSE(std::filesystem::exists(folder.file("m")));
  CHECK(read_bytes(folder.file("m.checkpoint")) == "of an earlier run");
}

TEST_CASE("a language model is not resumed with a text that has changed") {
  TemporaryFolder folder;
  folder.write("own.txt", std::string(50, 'a') + std::string(50, 'b'));
  const Words command =
      training(folder.file("m"), {"--text", folder.file("own.txt"), "--steps", "20000", "--context", "8"});
  const Outcome part = run_interrupted(folder, command, 4);  // of which the last tells of steps that were done
  REQUIRE_MESSAGE(part.status == 130, part.output);
  REQUIRE(std::filesystem::exists(folder.file("m.checkpoint")));
  folder.write("own.txt", std::string(50, 'b') + std::string(50, 'a'));  // of the same size and alphabet
  Words again = command;
  again.push_back("--resume");
  const Outcome outcome = run(folder, again);
  CHECK(outcome.status == 2);
  CHECK_MESSAGE(contains(outcome.output, "expected fingerprint of the text "), outcome.output);
}
