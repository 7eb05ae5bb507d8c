// Writing whole files: all of it or nothing. Reading them: tests/datasets/files_test.cpp.
#include "core/file.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

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
  CHECK_ERROR(write_file_atomically(folder.file("taken"), "x", 1), "Is a directory");
  CHECK(folder.entries() == 1);
  if (geteuid() != 0) {  // root may write anywhere
    chmod(folder.path.c_str(), 0500);
    CHECK_ERROR(write_file_atomically(folder.file("f"), "x", 1), "Permission denied");
    chmod(folder.path.c_str(), 0700);
  }
}
