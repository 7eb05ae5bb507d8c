// ./minima, as far as it can be tested without installing or building anything.
#include "tests/check.h"
#include "tests/examples/process.h"

using namespace minima;
using namespace minima::test;

TEST_CASE("./minima without a word lists its commands and every program") {
  TemporaryFolder folder;
  const Outcome outcome = run(folder, {"/bin/sh", MINIMA_SOURCE_DIR "/minima"});
  CHECK(outcome.status == 0);
  for (const char* part : {"./minima test", "./minima bench", "  compare: ", "  train: "})
    CHECK_MESSAGE(contains(outcome.output, part), outcome.output);
}

TEST_CASE("./minima refuses a program that does not exist, and says which do") {
  TemporaryFolder folder;
  const Outcome outcome = run(folder, {"/bin/sh", MINIMA_SOURCE_DIR "/minima", "compere"});
  CHECK(outcome.status == 1);
  CHECK_MESSAGE(contains(outcome.output, "there is no program \"compere\""), outcome.output);
  CHECK_MESSAGE(contains(outcome.output, "  compare: "), outcome.output);
}

namespace {

/// A build folder in which everything seems to be installed and built: a program there is a script.
struct FakeBuild {
  TemporaryFolder folder;

  FakeBuild() {
    for (const char* file : {"build/CMakeCache.txt", "build/.configured", "build/.packages-checked"})
      folder.write(file, "");
    script("tools/cmake", "exit 0");
  }
  void script(const std::string& name, const std::string& body) const {
    folder.write(name, "#!/bin/sh\n" + body + "\n");
    std::filesystem::permissions(folder.file(name), std::filesystem::perms::owner_all);
  }
  Outcome minima(const Words& words) const {  // called from the folder
    Words all{"/bin/sh", "-c", "cd \"$0\" && exec /bin/sh " MINIMA_SOURCE_DIR "/minima \"$@\"", folder.path.string()};
    all.insert(all.end(), words.begin(), words.end());
    return run(folder, all,
               {{"BUILD", folder.file("build")}, {"PATH", folder.file("tools") + ":" + std::getenv("PATH")}});
  }
};

}  // namespace

TEST_CASE("./minima runs a program by the beginning of its name, with its options") {
  FakeBuild build;
  build.script("build/bin/lab1_surfaces", "echo \"$MINIMA_COMMAND $*\"");
  const Outcome outcome = build.minima({"lab1", "--quick", "--out", "a b"});
  CHECK_MESSAGE(outcome.status == 0, outcome.output);
  CHECK_MESSAGE(contains(outcome.output, "/minima lab1_surfaces --quick --out a b"), outcome.output);
}

TEST_CASE("./minima runs a program where it was called, so that files are named from there") {
  FakeBuild build;
  build.script("build/bin/compare", "pwd");
  const Outcome outcome = build.minima({"compare"});
  CHECK_MESSAGE(contains(outcome.output, build.folder.path.string() + "\n"), outcome.output);
}

TEST_CASE("./minima refuses a beginning that several programs share, and names them") {
  FakeBuild build;
  const Outcome outcome = build.minima({"lab"});
  CHECK(outcome.status == 1);
  CHECK_MESSAGE(contains(outcome.output, "\"lab\" may be any of these: lab1_surfaces lab2_quadratics"), outcome.output);
}

TEST_CASE("./minima takes a whole name before one that only begins so") {
  FakeBuild build;
  build.script("build/bin/labs", "echo all labs");
  CHECK(contains(build.minima({"labs", "--help"}).output, "all labs"));
}

TEST_CASE("./minima lists what has a main(), not the sources beside it") {
  FakeBuild build;
  const Outcome outcome = build.minima({});
  CHECK_MESSAGE(contains(outcome.output, "  labs: all labs"), outcome.output);
  CHECK_MESSAGE(!contains(outcome.output, "  trained: "), outcome.output);
}
