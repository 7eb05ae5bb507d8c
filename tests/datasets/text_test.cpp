// Text as numbers, its windows, and the text that the library has.
#include "datasets/text.h"

#include <fstream>

#include "tests/check.h"
#include "tests/temporary_folder.h"

using namespace minima;
using namespace minima::datasets;

TEST_CASE("a text's alphabet is the characters that occur, in order, and characters become their places in it") {
  const Text text{"banana!"};
  CHECK(text.alphabet() == "!abn");
  CHECK(text.size() == 7);
  CHECK(text.numbers("nab").to_vector<int64_t>() == std::vector<int64_t>{3, 1, 2});
  CHECK(text.characters(Tensor::from<int64_t>({2, 1, 0})) == "ba!");
  CHECK_ERROR(text.numbers("bad"), "[Text] got the character of code 100 at position 2, expected one of the 4");
  CHECK_ERROR(text.characters(Tensor::from<int64_t>({4})), "got the number 4, expected 0 to 3");
  CHECK_ERROR((Text{"abc", "ab"}), "code 99 at position 2");
  CHECK_ERROR((Text{"ab", "aba"}), "got an alphabet with the character of code 97 twice, expected each character once");
}

TEST_CASE("windows one after another have each character but the first as a target once, and the one before it as x") {
  const Text text{"abcdefgh"};  // the numbers 0 to 7
  const auto [x, y] = text.all_windows(3);
  CHECK(x.shape() == Shape{2, 3});
  CHECK(x.to_vector<int64_t>() == std::vector<int64_t>{0, 1, 2, 3, 4, 5});
  CHECK(y.to_vector<int64_t>() == std::vector<int64_t>{1, 2, 3, 4, 5, 6});
  CHECK(text.all_windows(7).x.shape() == Shape{1, 7});
  CHECK(text.slice(2, 8).all_windows(2).y.to_vector<int64_t>() == std::vector<int64_t>{3, 4, 5, 6});
  CHECK_ERROR(text.all_windows(8),
              "[Text::all_windows] got windows of 8 characters of a text of 8, expected at most 7.");
  CHECK_ERROR(text.all_windows(0), "expected at least 1");
  CHECK_ERROR(text.slice(3, 9), "[Text::slice] got 3 to 9, expected a part of 0 to 8.");
}

TEST_CASE("random windows depend on seed and step alone, begin everywhere, and stay within their part of the text") {
  const Text text = Text{"abcdefghijkl"}.slice(2, 8);  // the numbers 2 to 7
  const Batch first = text.random_windows(200, 3, 1, 5), again = text.random_windows(200, 3, 1, 5);
  CHECK_SAME_BITS(first.x, again.x);
  CHECK_SAME_BITS(first.y, again.y);
  CHECK(test::bit_difference(first.x, text.random_windows(200, 3, 1, 6).x) != "");
  CHECK(test::bit_difference(first.x, text.random_windows(200, 3, 2, 5).x) != "");
  const std::vector<int64_t> x = first.x.to_vector<int64_t>(), y = first.y.to_vector<int64_t>();
  std::vector<int> begins(8);
  for (size_t i = 0; i < x.size(); ++i) {
    CHECK(y[i] == x[i] + 1);
    if (i % 3 == 0) ++begins[static_cast<size_t>(x[i])];
  }
  for (size_t begin = 0; begin < begins.size(); ++begin)
    CHECK((begins[begin] > 40) == (begin >= 2 && begin <= 4));  // 2 3 4, 3 4 5 and 4 5 6: 67 of each
  CHECK_ERROR(text.random_windows(1, 6, 1, 0), "at most 5");
  CHECK_ERROR(text.random_windows(0, 3, 1, 0), "[Text::random_windows] got 0 windows, expected at least 1.");
}

TEST_CASE("the library's text is Alice, of which the last tenth is held out") {
  const Text text = alice();
  CHECK(text.size() == 148426);
  CHECK(text.alphabet().size() == 70);
  CHECK(text.characters(text.all_windows(66).x.slice(0, 1)).find("ALICE'S ADVENTURES IN WONDERLAND\n") == 16);
  const auto [train, test] = split(text);
  CHECK(train.size() == 148426 - 14842);
  CHECK(test.size() == 14842);
  CHECK(train.alphabet() == test.alphabet());
}

TEST_CASE("a text file is read as it is, byte for byte, and one that is missing or empty is refused by name") {
  const test::TemporaryFolder folder;
  std::ofstream(folder.file("a.txt"), std::ios::binary) << "b\xc3\xa9\r\n";
  const Text text = text_file(folder.file("a.txt"));
  CHECK(text.size() == 5);
  CHECK(text.alphabet() == "\n\rb\xa9\xc3");
  std::ofstream(folder.file("empty.txt"));
  CHECK_ERROR(text_file(folder.file("empty.txt")), "empty.txt] got an empty file, expected text.");
  CHECK_ERROR(text_file(folder.file("nowhere.txt")), "nowhere.txt");
}
