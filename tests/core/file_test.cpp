// Writing whole files: all of it or nothing. Reading them: tests/datasets/files_test.cpp.
#include "core/file.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "core/utf8.h"
#include "tests/check.h"
#include "tests/temporary_folder.h"

using namespace minima;
using test::read_bytes;
using Folder = test::TemporaryFolder;
namespace fs = std::filesystem;

TEST_CASE("a write that fails half way leaves the old file and no other") {
  Folder folder;
  write_file_atomically(folder.file("f"), "old", 3);
  // A file size limit stands for a full disk: the second write ends in an error after some bytes were written.
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 1000;
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string big(5000, 'x');
  const std::string message = test::error_of([&] { write_file_atomically(folder.file("f"), big.data(), big.size()); });
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  CHECK(test::contains(message, "File too large"));
  CHECK(test::contains(message, "while writing 5000 bytes"));
  CHECK(read_bytes(folder.file("f")) == "old");
  CHECK(folder.entries() == 1);
}

TEST_CASE("a file written atomically replaces the old one and leaves nothing beside it") {
  Folder folder;
  write_file_atomically(folder.file("f"), "old and long", 12);
  write_file_atomically(folder.file("f"), "new", 3);
  CHECK(read_bytes(folder.file("f")) == "new");
  CHECK(folder.entries() == 1);
}

TEST_CASE("a place that cannot be written is an error with the system's reason, and leaves nothing") {
  Folder folder;
  CHECK_ERROR(write_file_atomically(folder.file("no/such/f"), "x", 1), "No such file or directory");
  fs::create_directory(folder.path / "taken");
  CHECK_ERROR(write_file_atomically(folder.file("taken"), "x", 1), "got a directory, expected a regular file");
  CHECK(folder.entries() == 1);
  if (geteuid() != 0) {  // root may write anywhere
    chmod(folder.path.c_str(), 0500);
    CHECK_ERROR(write_file_atomically(folder.file("f"), "x", 1), "Permission denied");
    chmod(folder.path.c_str(), 0700);
  }
}

TEST_CASE(
    "writing to a symbolic link changes the file that it leads to, also through two and where there is none yet") {
  Folder folder;
  fs::create_directory(folder.path / "real");
  fs::create_symlink("real/f", folder.path / "inner");
  fs::create_symlink(folder.path / "inner", folder.path / "outer");
  for (const std::string content : {"first", "second"}) {
    write_file_atomically(folder.file("outer"), content.data(), content.size());
    CHECK(fs::is_symlink(folder.path / "outer"));
    CHECK(fs::is_symlink(folder.path / "inner"));
    CHECK(read_bytes(folder.file("real/f")) == content);
  }
  CHECK(folder.entries() == 3);
  fs::create_symlink("b", folder.path / "a");
  fs::create_symlink("a", folder.path / "b");
  CHECK_ERROR(write_file_atomically(folder.file("a"), "x", 1), "symbolic links that lead in a circle");
}

TEST_CASE("a file keeps its mode when it is written anew, and a new one has that of the umask") {
  Folder folder;
  const auto mode = [&](const char* name) {
    struct stat status;
    REQUIRE(stat(folder.file(name).c_str(), &status) == 0);
    return status.st_mode & 0777;
  };
  const mode_t before = umask(027);
  write_file_atomically(folder.file("new"), "x", 1);
  umask(before);
  CHECK(mode("new") == 0640);
  chmod(folder.file("new").c_str(), 0604);
  write_file_atomically(folder.file("new"), "y", 1);
  CHECK(mode("new") == 0604);
}

TEST_CASE("a device and a pipe are refused before anything is written, and stay what they are") {
  Folder folder;
  REQUIRE(mkfifo(folder.file("pipe").c_str(), 0600) == 0);
  fs::create_symlink("/dev/null", folder.path / "link");
  for (const std::string& path : {std::string("/dev/null"), folder.file("pipe"), folder.file("link")})
    CHECK_ERROR(write_file_atomically(path, "x", 1), "got a device or pipe, expected a regular file");
  CHECK(fs::is_fifo(folder.path / "pipe"));
  CHECK(fs::is_character_file("/dev/null"));
  CHECK(folder.entries() == 2);
}

TEST_CASE("two that write to one file at once leave the whole text of one of them, and nothing else") {
  Folder folder;
  const std::string texts[] = {std::string(200'000, 'a'), std::string(300'000, 'b')};
  pid_t children[2];
  for (int i = 0; i < 2; ++i)
    if ((children[i] = fork()) == 0) {
      for (int round = 0; round < 20; ++round)
        write_file_atomically(folder.file("f"), texts[i].data(), texts[i].size());
      _exit(0);
    }
  for (const pid_t child : children) {
    int status = 1;
    waitpid(child, &status, 0);
    CHECK(status == 0);
  }
  const std::string left = read_bytes(folder.file("f"));
  CHECK((left == texts[0] || left == texts[1]));
  CHECK(folder.entries() == 1);
}

TEST_CASE("a file that is longer than the system says, and comes in short reads, is read to its end") {
  if (!fs::exists("/proc/self/environ")) return;  // of Linux alone; it says a size of 0
  const std::vector<uint8_t> bytes = core::read_file("/proc/self/environ", 1 << 20);
  const std::string expected = read_bytes("/proc/self/environ");
  CHECK(std::string(bytes.begin(), bytes.end()) == expected);
  CHECK(expected.size() > 10);
  CHECK_ERROR(core::read_file("/proc/self/mem", 100), "after 0 bytes] got Input/output error");
}

TEST_CASE("bytes that are not UTF-8 are written out, all others stay") {
  CHECK(core::as_utf8("caf\xc3\xa9") == "caf\xc3\xa9");
  CHECK(core::as_utf8("caf\xe9.csv") == "caf\\xe9.csv");
  CHECK(core::as_utf8("\xed\xa0\x80\xff") == "\\xed\\xa0\\x80\\xff");  // a surrogate is none
  CHECK(core::is_utf8(core::as_utf8("\xc0\x80\xf4\x90\x80\x80")));
  CHECK_FALSE(core::is_utf8("\xc3"));
}
