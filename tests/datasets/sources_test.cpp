// The embedded digits, the synthetic problems, and load by name.
#include "datasets/sources.h"

#include <algorithm>
#include <cmath>

#include "datasets/table.h"
#include "tests/check.h"
#include "tests/datasets/files_for_tests.h"

using namespace minima;
using namespace minima::datasets;
using Folder = test::TemporaryFolder;

TEST_CASE("digits are 1437 + 360 images (1, 8, 8) in 10 classes, without a file") {
  const auto [train, test] = digits();
  CHECK(train.size() == 1437);
  CHECK(test.size() == 360);
  CHECK(train.input_shape() == Shape{8, 8, 1});
  CHECK(train.classes() == 10);
  // How often each class occurs in the published 1797.
  std::vector<int64_t> labels = train.labels(), more = test.labels();
  labels.insert(labels.end(), more.begin(), more.end());
  std::vector<int64_t> counts;
  for (int64_t c = 0; c < 10; ++c) counts.push_back(std::count(labels.begin(), labels.end(), c));
  CHECK(counts == std::vector<int64_t>{178, 182, 177, 183, 181, 182, 181, 179, 174, 180});
  for (int64_t c = 0; c < 10; ++c) CHECK(labels[static_cast<size_t>(c)] == c);
}

TEST_CASE("the digits' training images have mean 0 and deviation 1, and the first image is the published one") {
  const Tensor x = digits().train.all().x;
  double sum = 0, squares = 0;
  for (const double value : x.to_vector<double>()) sum += value, squares += value * value;
  const double count = static_cast<double>(x.numel());
  CHECK_CLOSE(sum / count, 0, {.atol = 1e-6});
  CHECK_CLOSE(squares / count, 1, {.rtol = 1e-5});
  // Its second line is 0 0 13 15 10 15 5 0: ratios survive normalising.
  const Tensor line = digits().train.batch({0}).x.reshape({8, 8}).slice(1, 2).flatten();
  const double black = line.at(0), step = (line.at(3) - black) / 15;
  const std::vector<double> expected = {0, 0, 13, 15, 10, 15, 5, 0};
  for (int64_t i = 0; i < 8; ++i)
    CHECK_CLOSE((line.at(i) - black) / step, expected[static_cast<size_t>(i)], {.atol = 1e-5});
}

TEST_CASE("without noise, two moons lie on their half circles") {
  const auto [x, y] = two_moons({.train = 200, .noise = 0}).train.all();
  for (int64_t i = 0; i < 200; ++i) {
    const bool lower = y.at(i) == 1;
    const double dx = x.at(2 * i) - (lower ? 1 : 0), dy = x.at(2 * i + 1) - (lower ? 0.5 : 0);
    CHECK_CLOSE(std::hypot(dx, dy), 1, {.rtol = 1e-5});
    CHECK((lower ? dy <= 1e-6 : dy >= -1e-6));
  }
}

TEST_CASE("without noise, each spiral arm is a turned copy of the first") {
  const auto [x, y] = spirals({.train = 300, .noise = 0, .classes = 5}).train.all();
  for (int64_t i = 0; i < 300; ++i) {
    const double radius = std::hypot(x.at(2 * i), x.at(2 * i + 1));
    CHECK(radius >= 0.1 - 1e-6);
    CHECK(radius <= 1 + 1e-6);
    // The angle along the arm follows from the radius; what is left is the arm's own.
    const double along = 1.5 * M_PI * (radius - 0.1) / 0.9;
    const double arm = std::atan2(x.at(2 * i + 1), x.at(2 * i)) - along - 2 * M_PI * y.at(i) / 5;
    CHECK_CLOSE(std::cos(arm), 1, {.atol = 1e-5});
  }
}

TEST_CASE("blobs scatter around their centres by the noise asked for") {
  const auto [x, y] = blobs({.train = 30000, .noise = 0.5, .classes = 3}).train.all();
  for (int64_t c = 0; c < 3; ++c) {
    double sum = 0, squares = 0;
    int64_t count = 0;
    for (int64_t i = 0; i < 30000; ++i) {
      if (y.at(i) != static_cast<double>(c)) continue;
      const double dx = x.at(2 * i) - 2 * std::cos(2 * M_PI * static_cast<double>(c) / 3);
      sum += dx;
      squares += dx * dx;
      ++count;
    }
    CHECK(count == 10000);
    CHECK_CLOSE(sum / 10000, 0, {.atol = 0.02});
    CHECK_CLOSE(std::sqrt(squares / 10000), 0.5, {.rtol = 0.03});
  }
}

TEST_CASE("synthetic data are a function of the seed, and neither part depends on the other's size") {
  for (const auto& make : {two_moons, spirals, blobs}) {
    const Split a = make({.train = 50, .test = 40, .seed = 3}), b = make({.train = 500, .test = 40, .seed = 3});
    CHECK_SAME_BITS(a.test.all().x, b.test.all().x);
    CHECK_SAME_BITS(make({.train = 50, .test = 10, .seed = 3}).train.all().x, a.train.all().x);
    CHECK(make({.train = 50, .seed = 4}).train.all().x.to_vector<double>() != a.train.all().x.to_vector<double>());
    const Split equal = make({.train = 50, .test = 50, .seed = 3});
    CHECK(equal.train.all().x.to_vector<double>() != equal.test.all().x.to_vector<double>());
    const auto labels = a.train.labels();
    CHECK(labels[0] == 0);
    CHECK(labels[1] == 1);
  }
}

TEST_CASE("synthetic problems refuse sizes and noise that make no sense") {
  CHECK_ERROR(two_moons({.train = 0}), "[two_moons] got 0 training and 1000 test samples");
  CHECK_ERROR(spirals({.classes = 1}), "[spirals] got 1 classes, expected 2 to 1000");
  CHECK_ERROR(blobs({.noise = NAN}), "noise nan, expected a finite number");
}

TEST_CASE("load finds every data set by its name") {
  CHECK(names() == std::vector<std::string>{"digits", "fashion-mnist", "mnist", "cifar-10", "cifar-100", "two-moons",
                                            "spirals", "blobs"});
  CHECK_SAME_BITS(load("digits").test.all().x, digits().test.all().x);
  CHECK_SAME_BITS(load("two-moons", {.seed = 5}).train.all().x, two_moons({.seed = 5}).train.all().x);
  CHECK_SAME_BITS(load("spirals").train.all().x, spirals().train.all().x);
  CHECK_SAME_BITS(load("blobs").train.all().x, blobs().train.all().x);
  Folder empty;
  CHECK_ERROR(load("mnist", {.directory = empty.path.string()}), "[MNIST] got no folder with all its files");
  CHECK_ERROR(load("fashion-mnist", {.directory = empty.path.string()}), "[Fashion-MNIST] got no folder");
}

TEST_CASE("load passes its options on to a CSV file") {
  Folder folder;
  std::string table = "a,b\n";
  for (int i = 0; i < 20; ++i) table += text(3 * i, ",", i % 2, "\n");
  const LoadOptions options{.label = "b", .test_fraction = 0.5, .seed = 4};
  const std::string path = folder.write("t.csv", table);
  CHECK_SAME_BITS(load(path, options).test.all().x, load_table(path, options).split.test.all().x);
  CHECK_ERROR(load(path), "no name for the label (--label)");
}

TEST_CASE("options that do not count for the data are refused") {
  CHECK_ERROR(load("digits", {.task = "regression"}),
              "[--task] got \"regression\" for digits, expected it for a table");
  CHECK_ERROR(load("blobs", {.test = "t.csv"}), "[--test] got");
  CHECK_ERROR(load("blobs", {.group = "g"}), "[--group] got");
  CHECK_ERROR(load("blobs", {.time = "t"}), "[--time] got");
  CHECK_ERROR(load("blobs", {.drop = {"a", "b"}}), "[--drop] got \"a,b\"");
  CHECK_ERROR(load("blobs", {.label = "a"}), "[--label] got");
  CHECK_ERROR(load("blobs", {.image_size = 8}), "[--image-size] got 8 for blobs");
  Folder folder;
  CHECK_ERROR(load(folder.path.string(), {.drop = {"a"}}), "[--drop] got \"a\" for the folder");
}

TEST_CASE("load keeps the first training samples when a limit is given") {
  CHECK_SAME_BITS(load("digits", {.train_limit = 100}).train.all().x, digits().train.take(100).all().x);
  CHECK(load("digits", {.train_limit = 100}).test.size() == 360);
  CHECK_ERROR(load("digits", {.train_limit = 1438}), "1438 samples, expected 1 to 1437");
  CHECK_ERROR(load("digits", {.train_limit = -1}), "-1 samples");
}

TEST_CASE("an unknown data set is refused with the names that are known") {
  CHECK_ERROR(
      load("cifar"),
      "[load] got the data set \"cifar\", expected digits, fashion-mnist, mnist, cifar-10, cifar-100, two-moons, "
      "spirals, blobs, the path of a table (.csv, .tsv, .txt, .data, also .gz), or of a folder");
}
