// Too little of something: disk, memory, threads.
#include <sys/mount.h>

#include "tests/reliability/programs.h"

using namespace minima;
using namespace minima::test;
namespace fs = std::filesystem;

namespace {

/// The command of a training that saves there, with more options.
using Command = Words (*)(const std::string& save, const Words& more);

/// Somebody takes the model's name while it is trained: the checkpoint has all of it.
void check_name_taken(Command command, Words length, int lines_before) {
  const TemporaryFolder folder;
  const std::string model = folder.file("m"), checkpoint = model + ".checkpoint";
  REQUIRE(run(folder, command(folder.file("whole"), length)).status == 0);
  {
    Process process(folder, command(model, length));
    REQUIRE(wait_for_lines(folder.file("output.txt"), lines_before));
    fs::create_directory(model);
    CHECK(process.wait() == 2);
    CHECK_MESSAGE(contains(process.output(), "[" + model + "] got a directory, expected a regular file"),
                  process.output());
    CHECK_MESSAGE(contains(process.output(), "The trained weights are in " + checkpoint), process.output());
  }
  fs::remove(model);
  length.push_back("--resume");
  const Outcome rest = run(folder, command(model, length));
  CHECK_MESSAGE(rest.status == 0, rest.output);
  CHECK(read_bytes(model) == read_bytes(folder.file("whole")));
  CHECK_FALSE(fs::exists(checkpoint));
}

/// A disk that is too small for the model, and so for its checkpoint.
void check_full_disk(Command command, int kibibytes) {
  const TemporaryFolder folder;
  const std::string disk = folder.file("disk");
  fs::create_directory(disk);
  if (mount("none", disk.c_str(), "tmpfs", 0, text("size=", kibibytes, "k").c_str()) != 0) {
    MESSAGE("no right to mount a small disk: not tested");
    return;
  }
  const std::string model = disk + "/m";
  fs::create_directory(folder.path / "tmp");
  const Outcome full = run(folder, command(model, {}), {{"TMPDIR", folder.file("tmp")}});
  const bool left_nothing = fs::is_empty(disk);
  umount(disk.c_str());
  CHECK(full.status == 2);
  CHECK(left_nothing);
  CHECK_MESSAGE(contains(full.output, "\"No space left on device\" while writing"), full.output);
  CHECK_MESSAGE(
      contains(full.output, "The trained weights are in " + folder.file("tmp/m.checkpoint") + ": move it to "),
      full.output);
  fs::rename(folder.file("tmp/m.checkpoint"), model + ".checkpoint");  // the disk is larger now
  CHECK(run(folder, command(model, {"--resume"})).status == 0);
}

}  // namespace

TEST_CASE("a disk that is full at the end of a comparison loses nothing: resumed, it writes what was missing") {
  const TemporaryFolder folder;
  const std::string whole = folder.file("whole"), out = folder.file("out");
  REQUIRE(run(folder, comparison(whole)).status == 0);
  // A limit to the size of files stands for a full disk. The report is the largest file, and the last. The limit is
  // well below its size, because the seconds and the memory in a report take more digits in one run than in another.
  const auto blocks = fs::file_size(whole + "/report.html") * 9 / 10 / 512;
  const Outcome full = run(folder, after(text("ulimit -f ", blocks), comparison(out)));
  CHECK(full.status == 2);
  CHECK_MESSAGE(contains(full.output, "report.html] got \"File too large\" while writing"), full.output);
  CHECK_FALSE(fs::exists(out + "/report.html"));
  REQUIRE(fs::exists(out + "/state.json"));
  const Outcome rest = run(folder, comparison(out, {"--resume"}));
  CHECK_MESSAGE(rest.status == 0, rest.output);
  CHECK(fs::exists(out + "/report.html"));
  CHECK_FALSE(fs::exists(out + "/state.json"));
  CHECK(findings(out) == findings(whole));
}

TEST_CASE("a model that cannot be saved at the end leaves a checkpoint, from which --resume saves the same model") {
  check_name_taken(training, {"--epochs", "400"}, 6);
}

TEST_CASE("a language model that cannot be saved at the end leaves a checkpoint, from which --resume saves it") {
  check_name_taken(language_training, {"--steps", "4000"}, 3);
}

TEST_CASE("on a full disk the checkpoint goes to the folder for temporary files") { check_full_disk(training, 16); }

TEST_CASE("a language model on a full disk is kept in the folder for temporary files") {
  check_full_disk(language_training, 8);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which need more memory than this
TEST_CASE("with any amount of memory a training ends well, or with an error that says what is short, and never hangs") {
  const TemporaryFolder folder;
  int refused = 0, trained = 0;
  // OpenBLAS's own thread asks for memory for ever where there is none.
  for (const std::string blas_threads : {"1", "2"})
    for (const int megabytes : {80, 150, 250, 350, 1000}) {
      CAPTURE(blas_threads);
      CAPTURE(megabytes);
      const std::string limit = text("ulimit -v ", megabytes * 1000);
      const std::map<std::string, std::string> threads{{"MINIMA_THREADS", "1"}, {"OPENBLAS_NUM_THREADS", blas_threads}};
      const Outcome outcome = run(folder, after(limit, training(folder.file("m"), {"--epochs", "2"})), threads);
      CAPTURE(outcome.output);
      CHECK((outcome.status == 0 || outcome.status == 2));
      if (outcome.status == 2) CHECK(contains(outcome.output, "error: ["));
      ++(outcome.status == 0 ? trained : refused);
      const Outcome help = run(folder, after(limit, {MINIMA_TRAIN, "--help"}), threads);
      CHECK(help.status == 0);
      CHECK_MESSAGE(contains(help.output, "--optimizer"), help.output);
    }
  CHECK(trained > 0);
  MESSAGE(refused, " refused, ", trained, " trained");
}
#endif
