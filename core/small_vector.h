// SmallVector: a vector that keeps up to N elements inline, so that the common case costs no heap traffic.
// Only what the graph needs: append, index, iterate, clear, move.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <new>
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
  SmallVector(SmallVector&& other) noexcept { *this = std::move(other); }
  SmallVector& operator=(SmallVector&& other) noexcept {
    clear();
    if (!other.spilled_.empty())
      spilled_ = std::move(other.spilled_);
    else
      for (int i = 0; i < other.size_; ++i) ::new (static_cast<void*>(slot(i))) T(std::move(*other.slot(i)));
    size_ = other.size_;
    if (spilled_.empty())
      for (int i = 0; i < other.size_; ++i) other.slot(i)->~T();
    other.spilled_.clear();
    other.size_ = 0;
    return *this;
  }
  ~SmallVector() { clear(); }

  void push_back(T value) {
    if (spilled_.empty() && size_ < N) {
      ::new (static_cast<void*>(slot(size_))) T(std::move(value));
    } else {
      if (spilled_.empty()) spill();
      spilled_.push_back(std::move(value));
    }
    ++size_;
  }
  void clear() {
    if (spilled_.empty())
      for (int i = 0; i < size_; ++i) slot(i)->~T();
    spilled_.clear();
    size_ = 0;
  }
  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* begin() { return spilled_.empty() ? slot(0) : spilled_.data(); }
  T* end() { return begin() + size_; }
  const T* begin() const { return const_cast<SmallVector*>(this)->begin(); }
  const T* end() const { return begin() + size_; }
  T& operator[](int i) { return begin()[i]; }
  const T& operator[](int i) const { return begin()[i]; }

 private:
  T* slot(int i) { return std::launder(reinterpret_cast<T*>(inline_)) + i; }
  void spill() {
    spilled_.reserve(2 * N + 1);
    for (int i = 0; i < size_; ++i) {
      spilled_.push_back(std::move(*slot(i)));
      slot(i)->~T();
    }
  }

  alignas(T) std::byte inline_[N * sizeof(T)];
  int size_ = 0;
  std::vector<T> spilled_;
};

}  // namespace minima::core
