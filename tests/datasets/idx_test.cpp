// IDX files and the MNIST family: layouts, places, and every way in which files can be wrong.
#include "datasets/idx.h"

#include <cstdlib>
#include <filesystem>

#include "datasets/files.h"
#include "datasets/sources.h"
#include "tests/check.h"
#include "tests/datasets/files_for_tests.h"

using namespace minima;
using namespace minima::datasets;
using test::idx;
using Folder = test::TemporaryFolder;

namespace {

IdxHeader parse(const std::string& bytes, int dimensions) {
  return parse_idx({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, dimensions, "it.idx");
}

/// n images of 2 x 3; image i is filled with 10 * i. Labels are i % 10.
std::string images(uint32_t n) {
  std::string elements;
  for (uint32_t i = 0; i < n; ++i) elements += std::string(6, static_cast<char>(10 * i));
  return idx({n, 2, 3}, elements);
}
std::string labels(uint32_t n) {
  std::string elements;
  for (uint32_t i = 0; i < n; ++i) elements += static_cast<char>(i % 10);
  return idx({n}, elements);
}

/// A whole small data set in one folder.
void write_family(const Folder& folder, const std::string& below) {
  const auto write = [&](const std::string& name, const std::string& bytes) { folder.write(below + name, bytes); };
  write("train-images-idx3-ubyte", images(12));
  write("train-labels-idx1-ubyte", labels(12));
  write("t10k-images-idx3-ubyte", images(4));
  write("t10k-labels-idx1-ubyte", labels(4));
}

/// Sets an environment variable for one scope.
struct Environment {
  std::string name, before;
  bool had;
  Environment(const char* variable, const std::string& value) : name(variable), had(std::getenv(variable) != nullptr) {
    if (had) before = std::getenv(variable);
    setenv(variable, value.c_str(), 1);
  }
  ~Environment() { had ? setenv(name.c_str(), before.c_str(), 1) : unsetenv(name.c_str()); }
};

/// Changes the working folder for one scope.
struct WorkingFolder {
  std::filesystem::path before = std::filesystem::current_path();
  explicit WorkingFolder(const std::filesystem::path& path) { std::filesystem::current_path(path); }
  ~WorkingFolder() { std::filesystem::current_path(before); }
};

}  // namespace

TEST_CASE("an IDX header gives the extents and where the elements begin") {
  const IdxHeader header = parse(images(4), 3);
  CHECK(header.shape == Shape{4, 2, 3});
  CHECK(header.size == 16);
  CHECK(parse(labels(4), 1).size == 8);
}

TEST_CASE("a wrong IDX magic number is refused with both numbers and a guess at the reason") {
  CHECK_ERROR(parse(labels(12), 3), "[it.idx, byte 0 of the content] got magic number 0x00000801, expected 0x00000803");
  CHECK_ERROR(parse(labels(12), 3), "Are images and labels swapped?");
  CHECK_ERROR(parse("PNG and more of a picture", 3), "Is this an IDX file?");
}

TEST_CASE("a truncated IDX file is refused by name, offset and expected size") {
  const std::string whole = images(4);
  for (size_t size = 0; size < whole.size(); ++size) {
    const std::string message = test::error_of([&] { parse(whole.substr(0, size), 3); });
    CHECK_MESSAGE(test::contains(message, text("[it.idx, byte ", size, " of the content] got the end of the file")),
                  message);
    CHECK_MESSAGE(test::contains(message, size < 16 ? "an IDX header of 16 bytes" : "16 + 24 bytes"), message);
    CHECK_MESSAGE(test::contains(message, "truncated"), message);
  }
}

TEST_CASE("an IDX file with bytes after its last element is refused") {
  CHECK_ERROR(parse(images(4) + "x", 3), "byte 40 of the content] got 1 bytes too many, expected 16 + 24 bytes");
}

TEST_CASE("absurd IDX extents are refused without allocating for them") {
  CHECK_ERROR(parse(idx({0xffffffff, 0xffffffff, 0xffffffff}, "x"), 3), "extent 4294967295 of dimension 1");
  CHECK_ERROR(parse(idx({0xffffffff, 28, 28}, "x"), 3), "byte 17 of the content] got the end of the file");
  CHECK_ERROR(parse(idx({0, 28, 28}, ""), 3), "byte 4 of the content] got extent 0 of dimension 0");
}

TEST_CASE("a damaged IDX file is read or refused and never crashes") {
  CHECK(test::accepted_damage(images(5), 4000, std::string("\0\1\2\3\xff", 5), [](const std::string& bytes) {
          const IdxHeader header = parse(bytes, 3);
          CHECK(header.size + static_cast<size_t>(header.shape.numel()) == bytes.size());
        }) > 0);
  Folder folder;
  write_family(folder, "");
  for (const std::string name : {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"}) {
    const std::string valid = test::read_bytes(folder.file(name));
    test::accepted_damage(valid, 500, std::string("\0\1\2\3\xff", 5), [&](const std::string& bytes) {
      folder.write(name, bytes);
      const auto split = mnist(folder.path.string());
      CHECK(split.train.all().x.numel() == 6 * split.train.size());
    });
    folder.write(name, valid);
  }
}

TEST_CASE("the MNIST family is read from flat, named and torchvision folders") {
  const auto check = [](const Split& split, double mean, double deviation) {
    CHECK(split.train.size() == 12);
    CHECK(split.test.size() == 4);
    CHECK(split.train.input_shape() == Shape{2, 3, 1});
    CHECK(split.train.classes() == 10);
    CHECK(split.train.labels()[11] == 1);
    CHECK_CLOSE(split.train.batch({11}).x.at(5), (110 / 255.0 - mean) / deviation, {.rtol = 1e-6});
  };
  for (const std::string below : {"", "fashion-mnist/", "FashionMNIST/raw/"}) {
    Folder folder;
    write_family(folder, below);
    check(fashion_mnist(folder.path.string()), 0.2860, 0.3530);
  }
  for (const std::string below : {"", "mnist/", "MNIST/raw/"}) {
    Folder folder;
    write_family(folder, below);
    check(mnist(folder.path.string()), 0.1307, 0.3081);
  }
}

TEST_CASE("images are normalised by the published mean and deviation") {
  Folder folder;
  write_family(folder, "");
  CHECK_CLOSE(mnist(folder.path.string()).train.batch({2}).x.at(0), (20 / 255.0 - 0.1307) / 0.3081, {.rtol = 1e-5});
  CHECK_CLOSE(fashion_mnist(folder.path.string()).test.batch({2}).x.at(0), (20 / 255.0 - 0.2860) / 0.3530,
              {.rtol = 1e-5});
}

TEST_CASE("a limit keeps the first training images and all test images") {
  Folder folder;
  write_family(folder, "");
  const auto split = load("mnist", {.directory = folder.path.string(), .train_limit = 5});
  CHECK(split.train.size() == 5);
  CHECK(split.train.labels() == std::vector<int64_t>{0, 1, 2, 3, 4});
  CHECK(split.test.size() == 4);
  CHECK_ERROR(load("mnist", {.directory = folder.path.string(), .train_limit = 13}), "13 samples, expected 1 to 12");
  CHECK_ERROR(load("mnist", {.directory = folder.path.string(), .train_limit = -1}), "-1 samples");
}

TEST_CASE("MINIMA_DATA is searched before ./data, and that before the user's and the system's folders") {
  Folder variable, working, home;
  Environment a("MINIMA_DATA", variable.path.string()), b("XDG_DATA_HOME", home.path.string());
  WorkingFolder here(working.path);
  write_family(home, "minima/mnist/");
  CHECK(mnist().train.size() == 12);
  write_family(working, "data/mnist/");
  working.write("data/mnist/train-labels-idx1-ubyte", "damaged");
  CHECK_ERROR(mnist(), "[data/mnist/train-labels-idx1-ubyte");
  write_family(variable, "MNIST/raw/");
  CHECK(mnist().train.size() == 12);
}

TEST_CASE("missing files are an error that lists every place searched, what each lacks, and where to get them") {
  Folder variable, working, home;
  Environment a("MINIMA_DATA", variable.path.string()), b("XDG_DATA_HOME", home.path.string());
  WorkingFolder here(working.path);
  variable.write("mnist/train-images-idx3-ubyte", images(3));
  const std::string message = test::error_of([] { mnist(); });
  for (const std::string& part :
       {variable.file("mnist") + " (lacks train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte)",
        variable.file("MNIST/raw"), std::string("\n  data/mnist"), std::string("\n  data\n"), home.file("minima/mnist"),
        std::string("/usr/share/datasets/mnist"), std::string("https://")}) {
    CHECK_MESSAGE(test::contains(message, part), "expected \"" << part << "\" in: " << message);
  }
  CHECK_ERROR(fashion_mnist(home.path.string()), "package dataset-fashion-mnist");
  // An explicit directory is the only place searched.
  CHECK_FALSE(test::contains(test::error_of([&] { mnist(home.path.string()); }), "/usr/share"));
}

TEST_CASE("labels that do not fit the images or the classes are refused") {
  Folder folder;
  write_family(folder, "");
  const std::string directory = folder.path.string();
  folder.write("train-labels-idx1-ubyte", labels(11));
  CHECK_ERROR(mnist(directory), "got 11 labels, expected 12, one for each image of");
  folder.write("train-labels-idx1-ubyte", idx({12}, std::string(11, '\1') + '\x0a'));
  CHECK_ERROR(mnist(directory), "byte 19 of the content] got label 10, expected 0 to 9");
}

TEST_CASE("test images of another size than the training images are refused") {
  Folder folder;
  write_family(folder, "");
  folder.write("t10k-images-idx3-ubyte", idx({4, 3, 3}, std::string(36, 'x')));
  CHECK_ERROR(mnist(folder.path.string()), "images of shape (3, 3, 1), expected (2, 3, 1)");
}

TEST_CASE("Fashion-MNIST as published has its known labels and pixel sums") {
  Split split;
  try {
    split = fashion_mnist();
  } catch (const Error& error) {
    const std::string reason = error.what();
    if (!test::contains(reason, "no folder with all its files") && !test::contains(reason, "no zlib")) throw;
    MESSAGE("SKIPPED: the Fashion-MNIST files are not on this machine, or cannot be unpacked");
    return;
  }
  CHECK(split.train.size() == 60000);
  CHECK(split.test.size() == 10000);
  CHECK(split.train.input_shape() == Shape{28, 28, 1});
  const auto labels = split.train.take(8).labels();
  CHECK(labels == std::vector<int64_t>{9, 0, 0, 3, 0, 2, 7, 2});
  double sum = 0;
  for (const double value : split.train.batch({0}).x.to_vector<double>()) sum += value * 0.3530 + 0.2860;
  CHECK_CLOSE(sum * 255, 76247, {.rtol = 1e-6});
  CHECK(split.test.class_names()[static_cast<size_t>(split.test.labels()[0])] == "Ankle boot");
}
