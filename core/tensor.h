// SPDX-License-Identifier: MIT
// Tensor: a handle on shared storage with a shape, an element type and a device. Copying a Tensor copies the handle.
// Elements are contiguous in row-major order as far as anything outside core can tell; reshape and leading-axis
// slices are views, everything else copies.
// Not here: arithmetic (ops.h), gradients (autograd/).
#pragma once

#include <utility>
#include <vector>

#include "core/dtype.h"
#include "core/shape.h"
#include "core/storage.h"

namespace minima {

class Tensor {
 public:
  /// An undefined tensor: no storage, defined() is false.
  Tensor() = default;
  Tensor(const Tensor&) = default;
  Tensor& operator=(const Tensor&) = default;
  /// Moving from a tensor leaves it undefined.
  Tensor(Tensor&& other) noexcept { *this = std::move(other); }
  Tensor& operator=(Tensor&& other) noexcept {
    storage_ = std::move(other.storage_);
    offset_ = std::exchange(other.offset_, 0);
    numel_ = std::exchange(other.numel_, 0);
    shape_ = std::exchange(other.shape_, {});
    dtype_ = other.dtype_;
    return *this;
  }
  ~Tensor() = default;

  // ---- making tensors
  static Tensor empty(const Shape& shape, DType dtype = DType::float32, Device device = Device::cpu);
  static Tensor zeros(const Shape& shape, DType dtype = DType::float32, Device device = Device::cpu);
  static Tensor full(const Shape& shape, double value, DType dtype = DType::float32, Device device = Device::cpu);
  /// A tensor of T's dtype with these values in row-major order; their number must be shape.numel().
  template <class T>
  static Tensor from(const std::vector<T>& values, const Shape& shape) {
    return from_bytes(values.data(), values.size(), shape, dtype_of<T>);
  }
  /// A rank-1 tensor with these values.
  template <class T>
  static Tensor from(const std::vector<T>& values) {
    return from(values, Shape{static_cast<int64_t>(values.size())});
  }
  /// Same shape, dtype and device as this one, contents undefined.
  Tensor empty_like() const { return empty(shape_, dtype_, device()); }

  // ---- properties
  bool defined() const { return static_cast<bool>(storage_); }
  const Shape& shape() const { return shape_; }
  int rank() const { return shape_.rank(); }
  int64_t size(int axis) const;
  int64_t numel() const { return numel_; }
  DType dtype() const { return dtype_; }
  Device device() const { return storage_ ? storage_->device() : Device::cpu; }
  /// Counts in-place changes of the storage, including those through other views of it.
  int64_t version() const { return storage_ ? storage_->version() : 0; }
  bool shares_storage_with(const Tensor& other) const { return storage_ == other.storage_; }

  // ---- views: the same memory under another shape
  /// One extent may be -1: it is worked out from the others (0 where another one is 0).
  Tensor reshape(const Shape& shape) const;
  Tensor flatten() const { return reshape({-1}); }
  /// Rows [begin, end) of the leading axis.
  Tensor slice(int64_t begin, int64_t end) const;

  // ---- copies
  Tensor clone() const;
  Tensor to(DType dtype) const;
  Tensor to(Device device) const;

  // ---- elements
  /// The elements as a vector, converted to T; works on any device.
  template <class T>
  std::vector<T> to_vector() const;
  /// The only element of a one-element tensor.
  double item() const;
  /// Element i in row-major order.
  double at(int64_t i) const;

  // ---- in-place changes (each bumps the version)
  void fill(double value);
  /// Overwrites the elements by those of a tensor of the same shape (any dtype and device).
  void copy_from(const Tensor& source);

  /// Host memory of the elements, checked: T must be the dtype and the device must be the CPU.
  template <class T>
  const T* data() const {
    return reinterpret_cast<const T*>(checked_data(dtype_of<T>));
  }
  template <class T>
  T* mutable_data() {
    bump_version();
    return reinterpret_cast<T*>(checked_data(dtype_of<T>));
  }
  /// Device memory of the elements, unchecked and without a version bump: for backends only.
  std::byte* raw() const { return storage_->data() + offset_; }
  void bump_version();

 private:
  static Tensor from_bytes(const void* values, size_t count, const Shape& shape, DType dtype);
  std::byte* checked_data(DType requested) const;

  core::Shared<core::Storage> storage_;
  size_t offset_ = 0;  // bytes
  int64_t numel_ = 0;
  Shape shape_;
  DType dtype_ = DType::float32;
};

/// How often the calling thread has looked at elements of tensors (item, at, to_vector, data). On a GPU each look waits
/// for the device; a training step takes none.
int64_t host_reads();

}  // namespace minima
