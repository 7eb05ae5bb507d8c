// ./minima, as far as it can be tested without installing or building anything.
#include <unistd.h>

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

const std::string script_path = MINIMA_SOURCE_DIR "/minima";

/// A build folder in which everything seems to be installed and built: a program there is a script. The stand-in for
/// CMake writes down how it is called.
struct FakeBuild {
  TemporaryFolder folder;
  std::string build;

  explicit FakeBuild(const std::string& name = "build", const std::string& source = MINIMA_SOURCE_DIR)
      : build(folder.file(name)) {
    folder.write(name + "/CMakeCache.txt",
                 "CMAKE_CACHEFILE_DIR:INTERNAL=" + build + "\nCMAKE_HOME_DIRECTORY:INTERNAL=" + source + "\n");
    folder.write(name + "/.configured", "");
    tool("dpkg-query", "echo installed");
    tool("apt-get", "echo \"apt-get $*\" >>\"" + folder.file("calls") + "\"");
    tool("cmake", "echo \"cmake $*\" >>\"" + folder.file("calls") + "\"");
  }
  void script(const std::string& path, const std::string& body) const {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << "#!/bin/sh\n" + body + "\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  }
  void tool(const std::string& name, const std::string& body) const { script(folder.file("tools/" + name), body); }
  void program(const std::string& name, const std::string& body) const { script(build + "/bin/" + name, body); }
  std::string calls() const { return read_bytes(folder.file("calls")); }
  std::map<std::string, std::string> environment() const {
    return {{"BUILD", build}, {"PATH", folder.file("tools") + ":" + std::getenv("PATH")}};
  }
  /// Called from the folder; `also` goes before what the environment has.
  Outcome minima(const Words& words, const std::string& script = script_path,
                 std::map<std::string, std::string> also = {}) const {
    Words all{"/bin/sh", "-c", "cd \"$0\" && exec /bin/sh \"$@\"", folder.path.string(), script};
    all.insert(all.end(), words.begin(), words.end());
    also.merge(environment());
    return run(folder, all, also);
  }
};

/// A copy of the script with one program beside it.
std::string checkout_in(const TemporaryFolder& folder, const std::string& name) {
  folder.write(name + "/examples/compare.cpp", "// compare: one sentence.\nint main() {}\n");
  return folder.write(name + "/minima", read_bytes(script_path));
}

}  // namespace

TEST_CASE("./minima runs a program by the beginning of its name, with its options") {
  FakeBuild build;
  build.program("lab1_surfaces", "echo \"$MINIMA_COMMAND $*\"");
  const Outcome outcome = build.minima({"lab1", "--quick", "--out", "a b"});
  CHECK_MESSAGE(outcome.status == 0, outcome.output);
  CHECK_MESSAGE(contains(outcome.output, "/minima lab1_surfaces --quick --out a b"), outcome.output);
}

TEST_CASE("./minima runs a program where it was called, so that files are named from there") {
  FakeBuild build;
  build.program("compare", "pwd");
  const Outcome outcome = build.minima({"compare"});
  CHECK_MESSAGE(contains(outcome.output, build.folder.path.string() + "\n"), outcome.output);
}

TEST_CASE("./minima refuses a beginning that several programs share, and names them") {
  FakeBuild build;
  const Outcome outcome = build.minima({"lab"});
  CHECK(outcome.status == 1);
  CHECK_MESSAGE(contains(outcome.output, "\"lab\" may be any of these: lab10_compositions "), outcome.output);
  CHECK_MESSAGE(contains(outcome.output, " lab1_surfaces "), outcome.output);
}

TEST_CASE("./minima takes a whole name before one that only begins so") {
  FakeBuild build;
  build.program("labs", "echo all labs");
  CHECK(contains(build.minima({"labs", "--help"}).output, "all labs"));
}

TEST_CASE("./minima lists what has a main(), not the sources beside it") {
  FakeBuild build;
  const Outcome outcome = build.minima({});
  CHECK_MESSAGE(contains(outcome.output, "  labs: all labs"), outcome.output);
  CHECK_MESSAGE(!contains(outcome.output, "  trained: "), outcome.output);
}

TEST_CASE("./minima works from any folder: by a relative path, through links, and with CDPATH set") {
  FakeBuild build;
  build.program("compare", "echo \"$MINIMA_COMMAND in $(pwd)\"");
  const std::string here = build.folder.path.string();
  std::filesystem::create_directory_symlink(MINIMA_SOURCE_DIR, build.folder.file("linked"));
  std::filesystem::create_symlink("linked/minima", build.folder.file("chain"));
  const std::string relative = std::filesystem::relative(script_path, here).string();
  for (const std::string& script : {relative, std::string("linked/minima"), std::string("chain")}) {
    const Outcome outcome = build.minima({"compare"}, script);
    CHECK_MESSAGE(outcome.status == 0, outcome.output);
    CHECK_MESSAGE(contains(outcome.output, script + " compare in " + here + "\n"), outcome.output);
    CHECK_MESSAGE(contains(build.minima({}, script).output, "  compare: the same network"), script);
  }
  build.folder.write("elsewhere/build/x", "");
  const Outcome outcome = build.minima({"compare"}, relative,
                                       {{"CDPATH", build.folder.file("elsewhere") + ":" + here}, {"BUILD", "build"}});
  CHECK_MESSAGE(outcome.status == 0, outcome.output);
  CHECK_MESSAGE(contains(outcome.output, " compare in " + here + "\n"), outcome.output);
}

TEST_CASE("a relative BUILD is a folder where ./minima was called") {
  FakeBuild build;
  build.program("compare", "echo the right one");
  const Outcome outcome = build.minima({"compare"}, script_path, {{"BUILD", "build"}});
  CHECK_MESSAGE(contains(outcome.output, "the right one"), outcome.output);
  CHECK(!std::filesystem::exists(MINIMA_SOURCE_DIR "/build/bin/the right one"));
}

TEST_CASE("./minima works where folders have blanks in their names") {
  TemporaryFolder folder;
  const std::string script = checkout_in(folder, "my checkout");
  FakeBuild build("my build", folder.file("my checkout"));
  build.program("compare", "echo \"arguments: $# $1\"");
  const Outcome outcome = build.minima({"compare", "a b"}, script);
  CHECK_MESSAGE(outcome.status == 0, outcome.output);
  CHECK_MESSAGE(contains(outcome.output, "arguments: 1 a b"), outcome.output);
  CHECK_MESSAGE(!contains(build.calls(), "cmake -S"), build.calls());
  CHECK_MESSAGE(contains(build.minima({}, script).output, "  compare: one sentence"), "lists its programs");
}

TEST_CASE("./minima configures a build folder anew that was copied or moved, or made for another source") {
  for (const bool moved : {true, false}) {
    FakeBuild build;
    build.program("compare", "echo compared");
    CHECK(build.minima({"compare"}).status == 0);
    CHECK_MESSAGE(!contains(build.calls(), "cmake -S"), build.calls());
    if (moved) {
      std::filesystem::copy(build.build, build.folder.file("copy"), std::filesystem::copy_options::recursive);
      build.build = build.folder.file("copy");
    } else {
      build.folder.write("build/CMakeCache.txt", "CMAKE_CACHEFILE_DIR:INTERNAL=" + build.build +
                                                     "\nCMAKE_HOME_DIRECTORY:INTERNAL=" + build.folder.path.string());
    }
    const Outcome outcome = build.minima({"compare"});
    CHECK_MESSAGE(outcome.status == 0, outcome.output);
    CHECK_MESSAGE(contains(outcome.output, "was made in another place"), outcome.output);
    CHECK_MESSAGE(contains(build.calls(), "cmake -S . -B " + build.build), build.calls());
  }
}

TEST_CASE("./minima says which folder it cannot write to, and how to name another") {
  FakeBuild build;
  const Outcome outcome = build.minima({"compare"}, script_path, {{"BUILD", "/dev/null/build"}});
  CHECK(outcome.status == 1);
  CHECK_MESSAGE(contains(outcome.output, "cannot write to the build folder /dev/null/build: BUILD=FOLDER"),
                outcome.output);
}

TEST_CASE("./minima finishes an installation that was interrupted before it installs packages") {
  FakeBuild build;
  const std::string log = "echo \"${0##*/} $*\" >>\"" + build.folder.file("calls") + "\"";
  build.program("compare", "echo compared");
  build.tool("id", "echo 0");
  build.tool("apt-get", log);
  build.tool("dpkg-query", "echo unpacked");
  build.tool("dpkg", log + "; [ $1 != --audit ] || echo 'these packages are unpacked but not configured'");
  const Outcome outcome = build.minima({"compare"});
  CHECK_MESSAGE(outcome.status == 0, outcome.output);
  const std::string calls = build.calls();
  const size_t finish = calls.find("dpkg --configure -a"), install = calls.find("install -y");
  CHECK_MESSAGE((finish != std::string::npos && install != std::string::npos && finish < install), calls);
  CHECK(std::filesystem::exists(build.build + "/.packages-checked"));
}

TEST_CASE("./minima checks the packages once, and again for a copy of the build folder") {
  FakeBuild build;
  build.program("compare", "echo compared");
  build.tool("dpkg-query", "echo query >>\"" + build.folder.file("queries") + "\"; echo installed");
  const auto queries = [&] { return lines_of(build.folder.file("queries")).size(); };
  CHECK(build.minima({"compare"}).status == 0);
  const size_t once = queries();
  CHECK(once > 0);
  CHECK(build.minima({"compare"}).status == 0);
  CHECK(queries() == once);
  std::filesystem::copy(build.build, build.folder.file("copy"), std::filesystem::copy_options::recursive);
  build.build = build.folder.file("copy");
  CHECK(build.minima({"compare"}).status == 0);
  CHECK(queries() == 2 * once);
}

TEST_CASE("./minima gpu-check builds in the folder that BUILD names where it was called, else in its own") {
  FakeBuild build;
  const std::string script = checkout_in(build.folder, "checkout");
  build.script(build.folder.file("checkout/bench/gpu_check"), "echo \"BUILD is ${BUILD:-not set}\"");
  CHECK(contains(build.minima({"gpu-check"}, script, {{"BUILD", "gpu"}}).output,
                 "BUILD is " + build.folder.file("gpu") + "\n"));
  CHECK(contains(build.minima({"gpu-check"}, script, {{"BUILD", ""}}).output, "BUILD is not set\n"));
}

TEST_CASE("of two calls of ./minima at once, one builds and the other waits for it") {
  FakeBuild build;
  build.program("compare", "echo compared");
  const std::string ready = build.folder.file("ready"), calls = build.folder.file("calls");
  build.tool("cmake", "echo \"begin\" >>\"" + calls + "\"; while [ ! -e \"" + ready +
                          "\" ]; do sleep 0.05; done; echo end >>\"" + calls + "\"");
  const TemporaryFolder first_output, second_output;
  const Words words{"/bin/sh", script_path, "compare"};
  Process first(first_output, words, build.environment());
  REQUIRE(wait_for_lines(calls, 1));
  Process second(second_output, words, build.environment());
  REQUIRE(wait_for_lines(second_output.file("output.txt"), 1));
  CHECK_MESSAGE(contains(second.output(), "waiting for another call of minima"), second.output());
  build.folder.write("ready", "");
  CHECK(first.wait() == 0);
  CHECK(second.wait() == 0);
  CHECK(lines_of(calls) == std::vector<std::string>{"begin", "end", "begin", "end"});
  CHECK_MESSAGE(contains(second.output(), "compared"), second.output());
  CHECK(!std::filesystem::is_symlink(build.build + "/.lock"));
}

TEST_CASE("./minima does not wait for a call that was killed, nor for another process that has its number now") {
  for (const std::string& owner : {std::string("99999999 1"), std::to_string(getpid()) + " 1"}) {
    FakeBuild build;
    build.program("compare", "echo compared");
    std::filesystem::create_symlink(owner, build.build + "/.lock");
    const Outcome outcome = build.minima({"compare"});
    CHECK_MESSAGE(outcome.status == 0, outcome.output);
    CHECK_MESSAGE(!contains(outcome.output, "waiting"), outcome.output);
  }
}

TEST_CASE("./minima installs MPI for those who ask for it, and then looks for it once more") {
  FakeBuild build;
  build.tool("dpkg-query", "case $* in *openmpi*) exit 1 ;; *) echo installed ;; esac");
  // mpirun is there, and what compiles for it comes with the packages
  const std::string compiles = build.folder.file("compiles");
  build.tool("apt-get", "echo \"apt-get $*\" >>\"" + build.folder.file("calls") + "\"; case $* in *openmpi*) : >\"" +
                            compiles + "\" ;; esac");
  build.tool("mpirun", "true");
  build.tool("mpicxx", "test -e \"" + compiles + "\"");
  build.tool("id", "echo 0");
  build.program("train", "echo \"train $*\"");
  CHECK(build.minima({"train", "--epochs", "1"}).status == 0);
  CHECK_FALSE(contains(build.calls(), "openmpi"));
  const Outcome outcome = build.minima({"train", "--distributed"});
  CHECK_MESSAGE(outcome.status == 0, outcome.output);
  CHECK_MESSAGE(contains(build.calls(), "libopenmpi-dev openmpi-bin"), build.calls());
  CHECK_MESSAGE(contains(build.calls(), " -DMINIMA_USE_MPI=AUTO"), build.calls());

  FakeBuild other;  // with an MPI that Debian's packages know nothing of
  other.tool("dpkg-query", "case $* in *openmpi*) exit 1 ;; *) echo installed ;; esac");
  other.tool("mpirun", "true");
  other.tool("mpicxx", "true");
  other.tool("id", "echo 0");
  other.program("train", "echo \"train $*\"");
  CHECK(other.minima({"train", "--distributed"}).status == 0);
  CHECK_MESSAGE(!contains(other.calls(), "openmpi"), other.calls());
  CHECK_MESSAGE(contains(other.calls(), " -DMINIMA_USE_MPI=AUTO"), other.calls());
}
