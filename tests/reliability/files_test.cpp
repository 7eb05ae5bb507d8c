// Places to write: two runs at one, what is no regular file, names that are not UTF-8.
#include <sys/stat.h>

#include "tests/reliability/programs.h"

using namespace minima;
using namespace minima::test;
namespace fs = std::filesystem;

TEST_CASE("a second run with the same --out is refused, names the first, and takes nothing from it") {
  const TemporaryFolder folder, other;
  const std::string out = folder.file("out");
  REQUIRE(run(other, comparison(other.file("whole"), {"--epochs", "40"})).status == 0);
  Process first(folder, comparison(out, {"--epochs", "40"}), {{"MINIMA_COMMAND", "./minima compare"}});
  REQUIRE(wait_for_lines(out + "/metrics.csv", 3));
  first.send(SIGSTOP);  // or it might end before the second one begins
  const Outcome second = run(other, comparison(out, {"--seeds", "1"}));
  CHECK(second.status == 2);
  CHECK_MESSAGE(contains(second.output, text("[--out ", out, "] got a folder to which process ", first.id(),
                                             " (./minima compare) writes, expected one of its own for each run")),
                second.output);
  first.send(SIGCONT);
  CHECK(first.wait() == 0);
  CHECK(findings(out) == findings(other.file("whole")));
  CHECK(run(other, comparison(out)).status == 0);  // the lock has ended with its process
}

TEST_CASE("the lock of a killed run holds nobody up, and what it left half written is removed") {
  const TemporaryFolder folder;
  const std::string out = folder.file("out");
  {
    Process first(folder, comparison(out, {"--epochs", "400"}));
    REQUIRE(wait_for_lines(out + "/metrics.csv", 3));
    first.send(SIGKILL);
    CHECK(first.wait() == 128 + SIGKILL);
  }
  folder.write("out/state.json.4711-3.part", "half");
  folder.write("out/notes.part", "a file of the user");
  CHECK(run(folder, comparison(out, {"--seeds", "1"})).status == 0);
  CHECK_FALSE(fs::exists(out + "/state.json.4711-3.part"));
  CHECK(fs::exists(out + "/notes.part"));
}

TEST_CASE("--save and --out refuse what is no regular file before anything is trained") {
  const TemporaryFolder folder;
  REQUIRE(mkfifo(folder.file("pipe").c_str(), 0600) == 0);
  fs::create_directory(folder.path / "folder");
  fs::create_symlink(folder.path / "pipe", folder.path / "link");
  folder.write("file", "");
  struct Case {
    std::string path, got;
  };
  std::vector<Case> cases{{folder.file("pipe"), "a device or pipe, expected a regular file, or none yet"},
                          {folder.file("link"), "a device or pipe"},
                          {folder.file("folder"), "a directory, expected a regular file"},
                          {folder.file("no/such/f"), "No such file or directory"}};
  if (fs::exists("/dev/pts/ptmx")) cases.push_back({"/dev/pts/ptmx", "a device or pipe"});  // where nothing can be made
  for (const Case& c : cases) {
    const Outcome outcome = run(folder, training(c.path));
    CHECK(outcome.status == 2);
    CHECK_MESSAGE(contains(outcome.output, "[--save " + c.path + "] got " + c.got), outcome.output);
    CHECK_FALSE(contains(outcome.output, "epoch"));
  }
  CHECK(fs::is_fifo(folder.path / "pipe"));
  const Outcome outcome = run(folder, comparison(folder.file("file")));
  CHECK(outcome.status == 2);
  CHECK_MESSAGE(contains(outcome.output, "[--out " + folder.file("file") + "] got "), outcome.output);
  fs::create_directory(folder.path / "out");
  REQUIRE(mkfifo(folder.file("out/metrics.csv").c_str(), 0600) == 0);
  const Outcome pipe = run(folder, comparison(folder.file("out")));
  CHECK(pipe.status == 2);
  CHECK_MESSAGE(contains(pipe.output, "metrics.csv] got a device or pipe"), pipe.output);
}

TEST_CASE("a model saved onto a symbolic link is in the file that it leads to") {
  const TemporaryFolder folder;
  fs::create_directory(folder.path / "real");
  fs::create_symlink("real/model.safetensors", folder.path / "link");
  REQUIRE(run(folder, training(folder.file("link"), {"--epochs", "1"})).status == 0);
  CHECK(fs::is_symlink(folder.path / "link"));
  CHECK(fs::is_regular_file(folder.path / "real/model.safetensors"));
}

namespace {
/// A table whose name is not UTF-8, and whose column "größe" and whose labels are Windows-1252.
std::string foreign_table(const TemporaryFolder& folder) {
  std::string rows =
      "gr\xf6\xdf"
      "e,weight,label\n";
  for (int i = 0; i < 60; ++i) rows += text(i % 7, ".5,", i * i % 11, ",", i % 2 ? "sch\xf6n" : "h\xe4sslich", "\n");
  return folder.write("caf\xe9.csv", rows);
}
}  // namespace

TEST_CASE(
    "names, headers and labels that are not UTF-8 are compared, saved and resumed, and shown as \\xe9 or as "
    "Windows-1252") {
  const TemporaryFolder folder;
  const std::string table = foreign_table(folder), out = folder.file("out"), model = folder.file("m");
  const Words data{"--data", table, "--label", "label"};
  const Outcome compared = run(folder, comparison(out, data));
  CHECK_MESSAGE(compared.status == 0, compared.output);
  CHECK(contains(unwrapped(compared.output), "is not UTF-8; it was read as Windows-1252"));
  const auto summary = nlohmann::json::parse(read_bytes(out + "/summary.json"));
  CHECK(contains(summary.at("data").get<std::string>(), "caf\\xe9.csv"));
  for (const std::string& line : lines_of(out + "/metrics.jsonl")) CHECK(nlohmann::json::accept(line));

  for (const Words& more : {Words{}, Words{"--resume"}}) {
    Words words = training(model, data);
    words.insert(words.end(), more.begin(), more.end());
    words.insert(words.end(), {"--epochs", "100000"});
    const Outcome part = run_interrupted(folder, words, 20);
    CHECK_MESSAGE(part.status == 130, part.output);
  }
  const Outcome trained = run(folder, training(model, data));
  CHECK_MESSAGE(trained.status == 0, trained.output);
  CHECK(contains(read_bytes(model), "sch\xc3\xb6n"));
}
