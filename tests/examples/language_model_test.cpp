// language_model as a program: it learns, writes, and Ctrl-C with --resume leaves no trace in the weights.
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
    CHECK(contains(outcome.output, "\nThe Queen "));
    CHECK(std::filesystem::file_size(folder.file("m.safetensors")) > 4 * 5000);
  }
}

TEST_CASE("a language model that is interrupted and resumed saves the same bytes as one that was not") {
  TemporaryFolder folder;
  const std::string whole = folder.file("whole.safetensors"), parts = folder.file("parts.safetensors");
  const Words method{"--optimizer", "msam", "--steps", "1000"};
  REQUIRE(run(folder, training(whole, method)).status == 0);
  {
    Process process(folder, training(parts, method));
    REQUIRE(wait_for_lines(folder.file("output.txt"), 4));
    process.interrupt();
    const int status = process.wait();
    CAPTURE(process.output());
    REQUIRE(status == 130);
    CHECK(contains(process.output(), "the same command with --resume goes on"));
  }
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
  CHECK(contains(with({"--prompt", "caf\xc3\xa9"}).output, "[Text] got the character of code 195 at position 3"));
  CHECK(contains(with({"--text", folder.file("own.txt"), "--prompt", "ab", "--context", "95"}).output,
                 "[Text::random_windows] got windows of 95 characters of a text of 90"));
  CHECK(contains(with({"--warmup", "1"}).output, "[--warmup] got 1"));
  CHECK(contains(with({"--heads", "3"}).output, "got width 16 for 3 heads"));
}
