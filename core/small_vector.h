// SPDX-License-Identifier: MIT
// SmallVector: a vector that keeps up to N elements inline, so that the common case costs no heap traffic.
// Only what the graph needs: append, index, iterate, clear, move.
#pragma once

#include <array>
#include <initializer_list>
#include <utility>
#include <vector>

namespace minima::core {

template <class T, int N>
class SmallVector {
 public:
  SmallVector() = default;
  SmallVector(std::initializer_list<T> values) {
    for (const T& value : values) push_back(value);
  }
  SmallVector(SmallVector&& other) noexcept
      : inline_(std::move(other.inline_)), more_(std::move(other.more_)), size_(std::exchange(other.size_, 0)) {}
  SmallVector& operator=(SmallVector&& other) noexcept {
    inline_ = std::move(other.inline_);
    more_ = std::move(other.more_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  void push_back(T value) {
    if (size_ == N) more_.assign(std::make_move_iterator(inline_.begin()), std::make_move_iterator(inline_.end()));
    if (size_ < N)
      inline_[static_cast<size_t>(size_)] = std::move(value);
    else
      more_.push_back(std::move(value));
    ++size_;
  }
  void clear() { *this = SmallVector(); }
  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* begin() { return size_ <= N ? inline_.data() : more_.data(); }
  T* end() { return begin() + size_; }
  const T* begin() const { return const_cast<SmallVector*>(this)->begin(); }
  const T* end() const { return begin() + size_; }
  T& operator[](int i) { return begin()[i]; }
  const T& operator[](int i) const { return begin()[i]; }

 private:
  std::array<T, N> inline_;
  std::vector<T> more_;  // all elements, once there are more than N
  int size_ = 0;
};

}  // namespace minima::core
