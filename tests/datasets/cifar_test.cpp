// CIFAR in the layout of its binary version, made here.
#include <cmath>

#include "datasets/sources.h"
#include "tests/check.h"
#include "tests/datasets/files_for_tests.h"

using namespace minima;
using namespace minima::datasets;
using Folder = test::TemporaryFolder;

namespace {

/// Images with this label; the planes hold red, green and blue, but for the pixel below the first, which is 200 in red.
std::string image(const std::string& labels, int red, int green, int blue) {
  std::string out = labels;
  for (const int value : {red, green, blue}) out += std::string(1024, static_cast<char>(value));
  out[labels.size() + 32] = static_cast<char>(200);
  return out;
}

}  // namespace

TEST_CASE("CIFAR-10 is read from its six files, planes interleaved to pixels") {
  Folder folder;
  for (int i = 1; i <= 5; ++i)
    folder.write(text("cifar-10-batches-bin/data_batch_", i, ".bin"),
                 image(std::string(1, static_cast<char>(i)), 10, 20, 30));
  folder.write("cifar-10-batches-bin/test_batch.bin",
               image("\x09", 51, 102, 153) + image(std::string(1, '\0'), 0, 0, 0));
  const auto [train, test] = cifar10(folder.path.string());
  CHECK(train.size() == 5);
  CHECK(train.labels() == std::vector<int64_t>{1, 2, 3, 4, 5});
  CHECK(test.input_shape() == Shape{32, 32, 3});
  CHECK(test.class_names()[9] == "truck");
  // Each training image: a pixel of red 200, otherwise red 10, green 20, blue 30.
  const double mean = (200 + 1023 * 10 + 1024 * (20 + 30)) / 3072.0;
  const double squares = (200 * 200 + 1023 * 10 * 10 + 1024 * (20 * 20 + 30 * 30)) / 3072.0;
  const auto expected = [&](double pixel) { return (pixel - mean) / std::sqrt(squares - mean * mean); };
  const Tensor x = test.batch({0}).x;
  CHECK_CLOSE(x.at(0), expected(51), {});
  CHECK_CLOSE(x.at(1), expected(102), {});
  CHECK_CLOSE(x.at(2), expected(153), {});
  CHECK_CLOSE(x.at(32 * 3), expected(200), {});
  CHECK(load("cifar-10", {.directory = folder.path.string(), .train_limit = 3}).train.size() == 3);
  const auto normal = cifar10(folder.path.string()).train.all().x.to_vector<double>();
  double sum = 0;
  for (const double value : normal) sum += value;
  CHECK_CLOSE(sum / static_cast<double>(normal.size()), 0, {.atol = 1e-6});
}

TEST_CASE("CIFAR-100 has the fine labels, and its names from the file beside it") {
  Folder folder;
  std::string names;
  for (int i = 0; i < 100; ++i) names += text("name", i, "\n");
  folder.write("train.bin", image("\x05\x07", 1, 2, 3) + image("\x05\x63", 1, 2, 3));
  folder.write("test.bin", image("\x05\x08", 1, 2, 3));
  folder.write("fine_label_names.txt", names);
  const auto [train, test] = cifar100(folder.path.string());
  CHECK(train.labels() == std::vector<int64_t>{7, 99});
  CHECK(train.class_names()[99] == "name99");
}

TEST_CASE("CIFAR files that are truncated, of other labels or missing are refused by name") {
  Folder folder;
  CHECK_ERROR(cifar10(folder.path.string()), "[CIFAR-10] got no folder with all its files");
  for (int i = 1; i <= 5; ++i) folder.write(text("data_batch_", i, ".bin"), image("\x01", 1, 2, 3));
  folder.write("test_batch.bin", image("\x01", 1, 2, 3).substr(1));
  CHECK_ERROR(cifar10(folder.path.string()), "test_batch.bin] got 3072 bytes, expected a multiple of 3073");
  folder.write("test_batch.bin", image("\x0a", 1, 2, 3));
  CHECK_ERROR(cifar10(folder.path.string()), "test_batch.bin, byte 0] got label 10, expected 0 to 9");
}
