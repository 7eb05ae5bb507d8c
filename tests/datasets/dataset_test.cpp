// Dataset: batches, views, augmentation, label noise.
#include "datasets/dataset.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "core/parallel.h"
#include "core/random.h"
#include "tests/check.h"

using namespace minima;
using namespace minima::datasets;

namespace {

std::vector<int64_t> counting(int64_t n) {
  std::vector<int64_t> out(static_cast<size_t>(n));
  std::iota(out.begin(), out.end(), int64_t{0});
  return out;
}

/// n images (3, 4, 1) whose pixels tell image and place: 20 * i + 1 + place; classes taking turns.
Dataset images(int64_t n, int classes = 3) {
  std::vector<uint8_t> pixels;
  std::vector<int32_t> labels;
  for (int i = 0; i < n; ++i) {
    for (int place = 0; place < 12; ++place) pixels.push_back(static_cast<uint8_t>(20 * i + 1 + place));
    labels.push_back(i % classes);
  }
  return Dataset::from_pixels(pixels, {3, 4, 1}, 255, labels, std::vector<std::string>(size_t(classes), "class"));
}

/// n rows (1) holding their own number; class c for those with i % 10 < share, else the other.
Dataset rows(int64_t n, int64_t share = 5) {
  std::vector<float> values;
  std::vector<int32_t> labels;
  for (int64_t i = 0; i < n; ++i) {
    values.push_back(static_cast<float>(i));
    labels.push_back(i % 10 < share ? 0 : 1);
  }
  return Dataset::from_values(values, {1}, labels, {"few", "many"});
}

/// One sample's values, rounded so that neighbouring pixel values stay apart and nothing else does.
std::vector<double> pixels_of(const Dataset& data, int64_t index, int64_t epoch) {
  std::vector<double> out = data.batch({index}, epoch).x.to_vector<double>();
  for (double& value : out) value = std::round(value * 1e4) / 1e4;
  return out;
}

}  // namespace

TEST_CASE("a batch holds the asked samples in the asked order, repeats included, as float32 and int64") {
  const auto [x, y] = images(5).batch({3, 0, 3});
  CHECK(x.shape() == Shape{3, 3, 4, 1});
  CHECK(x.dtype() == DType::float32);
  CHECK(y.dtype() == DType::int64);
  CHECK(y.to_vector<int64_t>() == std::vector<int64_t>{0, 0, 0});
  std::vector<double> expected;
  for (const int i : {3, 0, 3})
    for (int place = 0; place < 12; ++place) expected.push_back((20 * i + 1 + place) / 255.0);
  CHECK_CLOSE(x.to_vector<double>(), expected, {.rtol = 1e-6});
}

TEST_CASE("a dataset that was moved from is the same data still") {
  Dataset from = images(5);
  const Dataset to = std::move(from);
  CHECK(from.size() == 5);
  CHECK_CLOSE(from.all().x, to.all().x);
}

TEST_CASE("an empty batch is an empty tensor of the right shape") {
  const auto [x, y] = images(2).batch(std::vector<int64_t>{});
  CHECK(x.shape() == Shape{0, 3, 4, 1});
  CHECK(y.shape() == Shape{0});
}

TEST_CASE("a large gather gives the same bits as small ones, at any thread count") {
  std::vector<float> values(3'000'000);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 977);
  const Dataset data = Dataset::from_values(values, {1000}, std::vector<int32_t>(3000, 0), {"only"}).normalise(100, 7);
  std::vector<int64_t> order = counting(3000);
  std::reverse(order.begin(), order.end());
  order.insert(order.end(), order.begin(), order.end());
  const int threads = num_threads();
  set_num_threads(has_threads() ? 2 : 1);
  const Tensor two = data.batch(order).x;
  set_num_threads(1);
  const Tensor one = data.batch(order).x;
  set_num_threads(threads);
  CHECK_SAME_BITS(one, two);
  CHECK_SAME_BITS(one.slice(17, 18), data.batch({3000 - 18}).x);
}

TEST_CASE("normalise subtracts the mean and divides by the deviation, after the scaling to 0 .. 1") {
  const Dataset data = images(1).normalise(0.25, 0.5).normalise(1, 2);
  CHECK_CLOSE(data.batch({0}).x.at(4), ((5 / 255.0 - 0.25) / 0.5 - 1) / 2, {.rtol = 1e-6});
  CHECK_ERROR(images(1).normalise(0, 0), "deviation > 0");
  CHECK_ERROR(images(1).normalise(NAN, 1), "finite");
}

TEST_CASE("subset and take share the samples and keep the order asked for") {
  const Dataset data = rows(10);
  CHECK(data.subset({7, 2}).subset({1}).all().x.item() == 2);
  CHECK(data.take(3).size() == 3);
  CHECK(data.take(3).labels() == std::vector<int64_t>{0, 0, 0});
  CHECK_ERROR(data.take(0), "got 0 samples, expected 1 to 10");
  CHECK_ERROR(data.take(11), "got 11 samples");
  CHECK_ERROR(data.subset({10}), "index 10, expected 0 to 9");
  CHECK_ERROR(data.batch({-1}), "index -1, expected 0 to 9");
  CHECK_ERROR(Dataset().batch({0}), "there are none");
}

TEST_CASE("a split is stratified, without overlap, complete, shuffled, and a function of the seed") {
  const Dataset data = rows(200, 2);
  const auto [train, test] = data.split(0.25, 5);
  CHECK(train.size() == 150);
  CHECK(test.size() == 50);
  const auto labels = test.labels();
  CHECK(std::count(labels.begin(), labels.end(), 0) == 10);
  std::set<double> seen;
  for (const Dataset& part : {train, test})
    for (const double value : part.all().x.to_vector<double>()) seen.insert(value);
  CHECK(seen.size() == 200);
  const auto order = train.all().x.to_vector<double>();
  CHECK_FALSE(std::is_sorted(order.begin(), order.end()));
  CHECK_SAME_BITS(train.all().x, data.split(0.25, 5).train.all().x);
  CHECK(data.split(0.25, 6).train.all().x.to_vector<double>() != order);
}

TEST_CASE("a split leaves at least one sample of every class in each part, but for a class of one, which trains") {
  const Dataset data = rows(20, 1);  // two of class 0
  for (const double fraction : {0.01, 0.99}) {
    const auto [train, test] = data.split(fraction, 1);
    for (const Dataset& part : {train, test}) {
      const auto labels = part.labels();
      CHECK(std::count(labels.begin(), labels.end(), 0) == 1);
      CHECK(std::count(labels.begin(), labels.end(), 1) >= 1);
    }
  }
  const auto [train, test] = rows(10, 1).split(0.5, 1);
  const auto in_train = train.labels(), in_test = test.labels();
  CHECK(std::count(in_train.begin(), in_train.end(), 0) == 1);
  CHECK(std::count(in_test.begin(), in_test.end(), 0) == 0);
  CHECK_ERROR(rows(2, 1).split(0.5, 1), "2 samples, none of a class like another's");
  CHECK_ERROR(data.split(0, 1), "a number between 0 and 1");
  CHECK_ERROR(data.split(NAN, 1), "a number between 0 and 1");
}

TEST_CASE(
    "a flip mirrors about half of the images, others in every epoch, and depends on nothing but seed, epoch, sample") {
  const Dataset plain = images(6), data = plain.random_flip(3);
  int flipped = 0, changed = 0;
  for (int64_t epoch = 0; epoch < 50; ++epoch) {
    for (int64_t i = 0; i < 6; ++i) {
      const std::vector<double> original = pixels_of(plain, i, 0), seen = pixels_of(data, i, epoch);
      std::vector<double> mirrored = original;
      for (size_t y = 0; y < 3; ++y) std::reverse(mirrored.begin() + 4 * y, mirrored.begin() + 4 * y + 4);
      REQUIRE((seen == original || seen == mirrored));
      flipped += seen == mirrored;
      changed += epoch > 0 && seen != pixels_of(data, i, epoch - 1);
    }
  }
  CHECK(flipped > 110);
  CHECK(flipped < 190);
  CHECK(changed > 100);
  // In another order, in a subset, in another batch: the same image.
  const Tensor whole = data.batch({0, 1, 2, 3, 4, 5}, 9).x;
  CHECK_SAME_BITS(data.batch({4, 1}, 9).x.slice(0, 1), whole.slice(4, 5));
  CHECK_SAME_BITS(data.subset({4}).batch({0}, 9).x, whole.slice(4, 5));
  CHECK(plain.random_flip(4).batch({0, 1, 2, 3, 4, 5}, 9).x.to_vector<double>() != whole.to_vector<double>());
}

TEST_CASE("a shift moves the image by up to that many pixels each way and fills with black") {
  const Dataset plain = images(4).normalise(0.5, 0.25), data = plain.random_shift(2, 1);
  const double black = -2;
  std::set<std::pair<int, int>> moves;
  for (int64_t epoch = 0; epoch < 100; ++epoch) {
    for (int64_t i = 0; i < 4; ++i) {
      const std::vector<double> original = pixels_of(plain, i, 0), seen = pixels_of(data, i, epoch);
      int matches = 0;
      for (int down = -2; down <= 2; ++down) {
        for (int right = -2; right <= 2; ++right) {
          std::vector<double> moved(12, black);
          for (int y = 0; y < 3; ++y) {
            for (int x = 0; x < 4; ++x) {
              const int from_y = y + down, from_x = x + right;
              if (from_y < 0 || from_y >= 3 || from_x < 0 || from_x >= 4) continue;
              moved[size_t(4 * y + x)] = original[size_t(4 * from_y + from_x)];
            }
          }
          if (moved == seen) ++matches, moves.insert({down, right});
        }
      }
      REQUIRE(matches == 1);
    }
  }
  CHECK(moves.size() == 25);
}

TEST_CASE("cutout sets a square to 0 whose centre is anywhere in the image, another one in every epoch") {
  const Dataset plain = images(4).normalise(0.5, 0.25), data = plain.cutout(2, 1);
  std::set<std::pair<int, int>> centres;
  for (int64_t epoch = 0; epoch < 100; ++epoch) {
    for (int64_t i = 0; i < 4; ++i) {
      const std::vector<double> original = pixels_of(plain, i, 0), seen = pixels_of(data, i, epoch);
      int matches = 0;
      for (int row = 0; row < 3; ++row) {  // an even square begins half its extent before its centre
        for (int column = 0; column < 4; ++column) {
          std::vector<double> cut = original;
          for (int y = std::max(0, row - 1); y < std::min(3, row + 1); ++y)
            for (int x = std::max(0, column - 1); x < std::min(4, column + 1); ++x) cut[size_t(4 * y + x)] = 0;
          if (cut == seen) ++matches, centres.insert({row, column});
        }
      }
      REQUIRE(matches == 1);
    }
  }
  CHECK(centres.size() == 12);
  CHECK(data.is_random());
  CHECK(plain.cutout(0, 1).batch({0}).x.to_vector<double>() == plain.batch({0}).x.to_vector<double>());
  CHECK_ERROR(plain.cutout(3, 1), "3 pixels, expected 0 to 2");
  CHECK_ERROR(rows(4).cutout(1, 1), "[Dataset::cutout] got samples of shape (1,), expected images.");
}

TEST_CASE("mixup mixes each sample with one other of its batch, all with one share that follows Beta(alpha, alpha)") {
  const Batch batch = images(6).all();
  const std::vector<double> x = batch.x.to_vector<double>();
  const std::vector<int64_t> y = batch.y.to_vector<int64_t>();
  double sum = 0, squares = 0;
  constexpr int draws = 400;
  for (int step = 0; step < draws; ++step) {
    const MixedBatch mixed = mixup(batch, 0.5, 3, step);
    CHECK_SAME_BITS(mixed.y, batch.y);
    const std::vector<double> seen = mixed.x.to_vector<double>();
    const std::vector<int64_t> other = mixed.other_y.to_vector<int64_t>();
    std::set<size_t> partners;
    for (size_t i = 0; step < 20 && i < 6; ++i)
      for (size_t j = 0; j < 6; ++j) {
        bool is_partner = other[i] == y[j];
        for (size_t k = 0; k < 12; ++k)
          is_partner &=
              std::abs(seen[12 * i + k] - mixed.share * x[12 * i + k] - (1 - mixed.share) * x[12 * j + k]) < 1e-6;
        if (is_partner) partners.insert(j);
      }
    if (step < 20) CHECK(partners.size() == 6);
    sum += mixed.share, squares += mixed.share * mixed.share;
  }
  const double mean = sum / draws, variance = squares / draws - mean * mean;
  CHECK(std::abs(mean - 0.5) < 4 * std::sqrt(0.125 / draws));
  CHECK(std::abs(variance - 0.125) < 0.02);  // of Beta(a, a): 1 / (4 (2 a + 1))
  CHECK_SAME_BITS(mixup(batch, 0.5, 3, 7).x, mixup(batch, 0.5, 3, 7).x);
  CHECK(test::bit_difference(mixup(batch, 0.5, 3, 7).x, mixup(batch, 0.5, 4, 7).x) != "");
  for (const double alpha :
       {1e-6, 5e-324}) {  // nearly always one of the two alone; both powers are 0 in floating point
    int first = 0, other = 0;
    for (int step = 0; step < 40; ++step) {
      const double share = mixup(batch, alpha, 3, step).share;
      first += share == 1, other += share == 0;
    }
    CHECK(first + other == 40);
    CHECK(first > 5);
    CHECK(other > 5);
  }
  CHECK_ERROR(mixup(batch, 0, 1, 1), "[mixup] got alpha 0, expected a number above 0 and at most 1.");
  CHECK_ERROR(mixup(batch, NAN, 1, 1), "[mixup] got alpha");
}

TEST_CASE("flip and shift move the pixels of a colour image whole") {
  std::vector<uint8_t> pixels;  // red 10 + place, green 40 + place, blue 70 + place
  for (int place = 0; place < 12; ++place)
    for (const int colour : {10, 40, 70}) pixels.push_back(static_cast<uint8_t>(colour + place));
  const Dataset plain = Dataset::from_pixels(pixels, {3, 4, 3}, 255, {0}, {"a"});
  const Dataset data = plain.random_flip(3).random_shift(1, 1);
  int mirrored = 0, moved = 0;
  for (int epoch = 0; epoch < 40; ++epoch) {
    const std::vector<double> seen = data.batch({0}, epoch).x.to_vector<double>();
    int step = 0;  // the place of a pixel's right neighbour, minus its own: 1, or -1 where mirrored
    for (size_t place = 0; place < 12; ++place) {
      const double red = seen[3 * place] * 255, green = seen[3 * place + 1] * 255, blue = seen[3 * place + 2] * 255;
      if (std::round(red) == 0) {
        CHECK(std::round(green + blue) == 0);
        ++moved;
        continue;
      }
      CHECK(std::round(green - red) == 30);
      CHECK(std::round(blue - green) == 30);
      if (place % 4 < 3 && std::round(seen[3 * place + 3] * 255) > 0)
        step = static_cast<int>(std::round(seen[3 * place + 3] * 255 - red));
      CHECK((step == 0 || step == 1 || step == -1));
    }
    mirrored += step == -1;
  }
  CHECK(moved > 0);
  CHECK(mirrored > 5);
  CHECK(mirrored < 35);
}

TEST_CASE("flip and shift are independent of each other and of the order in which they were asked for") {
  const Dataset a = images(6).random_flip(1).random_shift(1, 1), b = images(6).random_shift(1, 1).random_flip(1);
  CHECK_SAME_BITS(a.batch({0, 1, 2, 3, 4, 5}, 2).x, b.batch({0, 1, 2, 3, 4, 5}, 2).x);
}

TEST_CASE("augmentation of a table and a shift out of the image are errors") {
  CHECK_ERROR(rows(4).random_flip(1), "samples of shape (1,), expected images");
  CHECK_ERROR(rows(4).random_shift(1, 1), "expected images");
  CHECK_ERROR(images(4).random_shift(3, 1), "3 pixels, expected 0 to 2");
  CHECK_ERROR(images(4).random_shift(-1, 1), "-1 pixels");
}

TEST_CASE(
    "label noise changes exactly that share of the labels, each to a different class, and the truth stays known") {
  const Dataset clean = images(12, 4), noisy = clean.label_noise(0.5, 3);
  CHECK(noisy.true_labels() == clean.labels());
  const auto labels = noisy.labels(), truth = noisy.true_labels();
  int different = 0;
  for (size_t i = 0; i < labels.size(); ++i) different += labels[i] != truth[i];
  CHECK(different == 6);
  CHECK(noisy.all().y.to_vector<int64_t>() == labels);
  CHECK(clean.labels() == clean.true_labels());
  CHECK(clean.label_noise(0.5, 3).labels() == labels);
  CHECK(clean.label_noise(0.5, 4).labels() != labels);
  CHECK(noisy.subset({5, 2}).labels() == std::vector<int64_t>{labels[5], labels[2]});
}

TEST_CASE("a split with the seed of the label noise finds no more of it in one part than in the other") {
  const Dataset data = Dataset::from_values(std::vector<float>(2000), {1}, std::vector<int32_t>(2000, 1), {"a", "b"});
  const Split parts = data.label_noise(0.4, 7).split(0.2, 7);
  const auto labels = parts.test.labels(), truth = parts.test.true_labels();
  int wrong = 0;
  for (size_t i = 0; i < labels.size(); ++i) wrong += labels[i] != truth[i];
  CHECK(labels.size() == 400);
  CHECK_CLOSE(wrong, 160, {.rtol = 0.2});  // 3.3 standard deviations
}

TEST_CASE("symmetric label noise reaches every other class equally often") {
  const Dataset data =
      Dataset::from_values(std::vector<float>(30000), {1}, std::vector<int32_t>(30000, 1), {"a", "b", "c", "d"})
          .label_noise(1, 1);
  std::map<int64_t, int> counts;
  for (const int64_t label : data.labels()) ++counts[label];
  CHECK(counts[1] == 0);
  for (const int64_t other : {0, 2, 3}) CHECK_CLOSE(counts[other], 10000, {.rtol = 0.03});
  CHECK_ERROR(data.label_noise(1.5, 1), "rate 1.5, expected a number from 0 to 1");
  CHECK_ERROR(data.label_noise(NAN, 1), "a number from 0 to 1");
}

TEST_CASE("a data set whose parts do not fit together is refused") {
  CHECK_ERROR(Dataset::from_values({1, 2, 3}, {2}, {0}, {"a"}), "3 values for 1 labels, expected 2");
  CHECK_ERROR(Dataset::from_values({1, 2}, {1}, {0, 1}, {"a"}), "label 1 at position 1, expected 0 to 0");
  CHECK_ERROR(Dataset::from_values({}, {0}, {}, {"a"}), "samples of shape (0,)");
  CHECK_ERROR(Dataset::from_pixels({1, 2}, {2}, 255, {0}, {"a"}), "(height, width, channels)");
  CHECK_ERROR(Dataset::from_pixels({1}, {1, 1, 1}, 0, {0}, {"a"}), "white = 0");
}

TEST_CASE("a dataset of quantities has targets instead of labels, in batches, subsets and splits") {
  const Dataset data = Dataset::from_targets({1, 2, 3, 4, 5, 6}, {2}, {0.5, 1.5, -2.5});
  CHECK(data.has_targets());
  CHECK(data.classes() == 0);
  CHECK(data.labels().empty());
  const Batch batch = data.batch({2, 0});
  CHECK(batch.y.dtype() == DType::float32);
  CHECK(batch.y.to_vector<double>() == std::vector<double>{-2.5, 0.5});
  CHECK(batch.x.to_vector<double>() == std::vector<double>{5, 6, 1, 2});
  CHECK(data.subset({1}).targets() == std::vector<float>{1.5});
  const auto [train, test] = data.split(0.3, 1);
  CHECK(train.size() == 2);
  CHECK(test.size() == 1);
  CHECK_ERROR(data.label_noise(0.5, 1), "0 class");
  CHECK_ERROR(Dataset::from_targets({1, 2}, {1}, {0, NAN}), "target nan at position 1");
  CHECK_ERROR(Dataset::from_targets({1, 2}, {2}, {0, 1}), "2 values for 2 labels");
}
