// SPDX-License-Identifier: MIT
// Text as numbers, for models that write text character by character, and the windows of it that they are trained on.
// Not here: the model (nn/transformer.h); samples with labels (dataset.h), those of a table of texts too.
#pragma once

#include <memory>
#include <string>

#include "datasets/dataset.h"

namespace minima::datasets {

/// A cheap handle on characters that never change. A character is one byte, and its number is its place in the
/// alphabet.
class Text {
 public:
  /// The alphabet is the characters that occur, in the order of their codes.
  explicit Text(const std::string& characters);
  /// A character that is not in this alphabet is an error that says where it is.
  Text(const std::string& characters, const std::string& alphabet);

  int64_t size() const { return end_ - begin_; }
  const std::string& alphabet() const;
  /// Numbers into characters, and back. int64 [length]
  std::string characters(const Tensor& numbers) const;
  Tensor numbers(const std::string& characters) const;

  /// Characters begin .. end - 1, with the same alphabet.
  Text slice(int64_t begin, int64_t end) const;

  // Windows: x int64 [count, length], and as y the character after each, int64 [count, length]. A text that has no
  // window of this length, one character longer, is an error.
  /// Windows that begin anywhere; where depends on (seed, step) alone.
  Batch random_windows(int64_t count, int64_t length, uint64_t seed, int64_t step) const;
  /// Windows one after another, from the beginning: each character but the first is in y once. A rest that is shorter
  /// than a window is left out.
  Batch all_windows(int64_t length) const;

 private:
  struct Source;
  Batch windows(const std::vector<int64_t>& begins, int64_t length) const;
  void require_window(const char* where, int64_t length) const;

  std::shared_ptr<const Source> source_;
  int64_t begin_ = 0, end_ = 0;
};

/// What a model learns, and what it is judged by: the first nine tenths of a text, and the rest.
struct TextSplit {
  Text train, test;
};
TextSplit split(const Text& text);

/// "Alice's Adventures in Wonderland" by Lewis Carroll, 1865, part of the library: needs no file. In the public domain
/// (datasets/data/README.md).
Text alice();
/// A text file. Errors: it cannot be read; it is empty.
Text text_file(const std::string& path);

}  // namespace minima::datasets
