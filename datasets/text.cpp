// SPDX-License-Identifier: MIT
#include "datasets/text.h"

#include <algorithm>
#include <array>

#include "core/file.h"
#include "datasets/draws.h"

namespace minima::datasets {
namespace {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverlength-strings"
constexpr char alice_characters[] =
#include "datasets/data/alice.inc"
    ;
#pragma GCC diagnostic pop

constexpr size_t longest_file = size_t{1} << 30;
constexpr int nowhere = -1;

std::string sorted_characters_of(const std::string& characters) {
  std::array<bool, 256> occurs{};
  for (const char c : characters) occurs[static_cast<uint8_t>(c)] = true;
  std::string alphabet;
  for (size_t code = 0; code < occurs.size(); ++code)
    if (occurs[code]) alphabet += static_cast<char>(code);
  return alphabet;
}

/// Code of a character -> its place in the alphabet.
std::array<int, 256> places_in(const std::string& alphabet) {
  std::array<int, 256> places;
  places.fill(nowhere);
  for (size_t i = 0; i < alphabet.size(); ++i) {
    int& place = places[static_cast<uint8_t>(alphabet[i])];
    if (place != nowhere)
      fail("Text", text("an alphabet with the character of code ", int{static_cast<uint8_t>(alphabet[i])}, " twice"),
           "each character once");
    place = static_cast<int>(i);
  }
  return places;
}

std::vector<uint8_t> numbers_of(const std::string& characters, const std::string& alphabet) {
  const std::array<int, 256> places = places_in(alphabet);
  std::vector<uint8_t> numbers;
  numbers.reserve(characters.size());
  for (size_t i = 0; i < characters.size(); ++i) {
    const auto code = static_cast<uint8_t>(characters[i]);
    if (places[code] == nowhere)
      fail("Text", text("the character of code ", int{code}, " at position ", i),
           text("one of the ", alphabet.size(), " of the alphabet"));
    numbers.push_back(static_cast<uint8_t>(places[code]));
  }
  return numbers;
}
}  // namespace

struct Text::Source {
  std::string alphabet;
  std::vector<uint8_t> numbers;  // an alphabet has at most 256 characters
};

Text::Text(const std::string& characters) : Text(characters, sorted_characters_of(characters)) {}

Text::Text(const std::string& characters, const std::string& alphabet) {
  source_ = std::make_shared<const Source>(Source{alphabet, numbers_of(characters, alphabet)});
  end_ = static_cast<int64_t>(characters.size());
}

const std::string& Text::alphabet() const { return source_->alphabet; }

Tensor Text::numbers(const std::string& characters) const {
  const std::vector<uint8_t> numbers = numbers_of(characters, alphabet());
  return Tensor::from(std::vector<int64_t>(numbers.begin(), numbers.end()));
}

std::string Text::characters(const Tensor& numbers) const {
  std::string characters;
  for (const int64_t number : numbers.to_vector<int64_t>()) {
    if (number < 0 || number >= static_cast<int64_t>(alphabet().size()))
      fail("Text", text("the number ", number), text("0 to ", alphabet().size() - 1, ", a place in the alphabet"));
    characters += alphabet()[static_cast<size_t>(number)];
  }
  return characters;
}

Text Text::slice(int64_t begin, int64_t end) const {
  if (begin < 0 || end < begin || end > size())
    fail("Text::slice", text(begin, " to ", end), text("a part of 0 to ", size()));
  Text part = *this;
  part.begin_ = begin_ + begin, part.end_ = begin_ + end;
  return part;
}

void Text::require_window(const char* where, int64_t length) const {
  if (length < 1) fail(where, text("windows of ", length, " characters"), "at least 1");
  if (size() <= length)
    fail(where, text("windows of ", length, " characters of a text of ", size()),
         text("at most ", std::max<int64_t>(0, size() - 1)), "Each character of a window has another one after it.");
}

Batch Text::windows(const std::vector<int64_t>& begins, int64_t length) const {
  const Shape shape{static_cast<int64_t>(begins.size()), length};
  Batch batch{Tensor::empty(shape, DType::int64), Tensor::empty(shape, DType::int64)};
  int64_t *x = batch.x.mutable_data<int64_t>(), *y = batch.y.mutable_data<int64_t>();
  for (const int64_t begin : begins) {
    const uint8_t* from = source_->numbers.data() + begin_ + begin;
    x = std::copy(from, from + length, x);
    y = std::copy(from + 1, from + length + 1, y);
  }
  return batch;
}

Batch Text::random_windows(int64_t count, int64_t length, uint64_t seed, int64_t step) const {
  require_window("Text::random_windows", length);
  if (count < 1) fail("Text::random_windows", text(count, " windows"), "at least 1");
  Generator generator = detail::stream_of(detail::Drawn::text_windows, seed, step);
  std::vector<int64_t> begins;
  for (int64_t i = 0; i < count; ++i)
    begins.push_back(static_cast<int64_t>(generator.below(static_cast<uint64_t>(size() - length))));
  return windows(begins, length);
}

Batch Text::all_windows(int64_t length) const {
  require_window("Text::all_windows", length);
  std::vector<int64_t> begins;
  for (int64_t begin = 0; begin + length < size(); begin += length) begins.push_back(begin);
  return windows(begins, length);
}

TextSplit split(const Text& text) {
  const int64_t train = text.size() - text.size() / 10;
  return {text.slice(0, train), text.slice(train, text.size())};
}

Text alice() {
  static const Text text{alice_characters};
  return text;
}

Text text_file(const std::string& path) {
  const std::vector<uint8_t> bytes = core::read_file(path, longest_file);
  if (bytes.empty()) fail(path, "an empty file", "text");
  return Text{std::string(bytes.begin(), bytes.end())};
}

}  // namespace minima::datasets
