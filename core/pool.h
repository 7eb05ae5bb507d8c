// SPDX-License-Identifier: MIT
// Pooled<T>: small objects of one type are recycled instead of returned to the heap, so that recording and freeing a
// graph costs no heap traffic once the pool has grown. Shared<T>: the intrusive pointer that such objects use.
#pragma once

#include <cstddef>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace minima::core {

template <class T>
class Pooled {
 public:
  static void* operator new(size_t bytes) {
    auto& p = pool();
    std::lock_guard lock(p.mutex);
    if (p.free.empty()) return ::operator new(bytes);
    void* block = p.free.back();
    p.free.pop_back();
    return block;
  }
  static void operator delete(void* block) {
    auto& p = pool();
    std::lock_guard lock(p.mutex);
    p.free.push_back(block);
  }

 private:
  struct Blocks {
    std::mutex mutex;
    std::vector<void*> free;
  };
  // Never destroyed: objects with static lifetime may be freed after main.
  static Blocks& pool() {
    static Blocks* blocks = new Blocks;
    return *blocks;
  }
};

/// Owning pointer to an object that counts its own references (retain, release).
template <class T>
class Shared {
 public:
  Shared() = default;
  explicit Shared(T* object) : object_(object) {
    if (object_) object_->retain();
  }
  Shared(const Shared& other) : Shared(other.object_) {}
  Shared(Shared&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Shared& operator=(Shared other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Shared() {
    if (object_) object_->release();
  }

  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }
  bool operator==(const Shared& other) const { return object_ == other.object_; }
  /// Gives up ownership without releasing.
  T* detach() { return std::exchange(object_, nullptr); }

 private:
  T* object_ = nullptr;
};

}  // namespace minima::core
