// SPDX-License-Identifier: MIT
#include "core/tensor.h"

#include <cstring>

#include "core/backend.h"

namespace minima {

Tensor Tensor::empty(const Shape& shape, DType dtype, Device device) {
  Tensor result;
  result.numel_ = shape.numel();
  result.shape_ = shape;
  result.dtype_ = dtype;
  result.storage_ =
      core::Shared<core::Storage>(new core::Storage(static_cast<size_t>(result.numel_) * size_of(dtype), device));
  return result;
}

Tensor Tensor::zeros(const Shape& shape, DType dtype, Device device) { return full(shape, 0, dtype, device); }

Tensor Tensor::full(const Shape& shape, double value, DType dtype, Device device) {
  Tensor result = empty(shape, dtype, device);
  core::backend(device).fill(result, value);
  return result;
}

Tensor Tensor::from_bytes(const void* values, size_t count, const Shape& shape, DType dtype) {
  if (static_cast<int64_t>(count) != shape.numel())
    fail("Tensor::from", text(count, " values for shape ", shape), text(shape.numel(), " values"));
  Tensor result = empty(shape, dtype);
  if (count > 0) std::memcpy(result.raw(), values, count * size_of(dtype));
  return result;
}

int64_t Tensor::size(int axis) const { return shape_[core::normalise_axis("Tensor::size", axis, rank())]; }

Tensor Tensor::reshape(const Shape& shape) const {
  Shape wanted = shape, known;
  int unknown = -1;
  for (int i = 0; i < wanted.rank(); ++i) {
    if (wanted[i] < -1 || (wanted[i] == -1 && unknown >= 0))
      fail("reshape", text(shape_, " to ", shape), "extents that are not negative, at most one of them -1");
    if (wanted[i] == -1)
      unknown = i;
    else
      known.push_back(wanted[i]);
  }
  if (unknown >= 0) wanted[unknown] = known.numel() > 0 ? numel_ / known.numel() : 0;
  if (wanted.numel() != numel_)
    fail("reshape", text(shape_, " (", numel_, " elements) to ", shape), "shapes with the same number of elements");
  Tensor result = *this;
  result.shape_ = wanted;
  return result;
}

Tensor Tensor::slice(int64_t begin, int64_t end) const {
  if (rank() == 0) fail("Tensor::slice", "a scalar", "at least one axis");
  if (begin < 0 || begin > end || end > shape_[0])
    fail("Tensor::slice", text("rows [", begin, ", ", end, ") of ", shape_), text("0 <= begin <= end <= ", shape_[0]));
  const int64_t row = shape_[0] == 0 ? 0 : numel_ / shape_[0];
  Tensor result = *this;
  result.offset_ += static_cast<size_t>(begin * row) * size_of(dtype_);
  result.shape_[0] = end - begin;
  result.numel_ = row * (end - begin);
  return result;
}

Tensor Tensor::clone() const {
  if (!defined()) return {};
  Tensor result = empty_like();
  core::backend(device()).cast(*this, result);
  return result;
}

Tensor Tensor::to(DType dtype) const {
  if (dtype == dtype_ || !defined()) return *this;
  Tensor result = empty(shape_, dtype, device());
  core::backend(device()).cast(*this, result);
  return result;
}

Tensor Tensor::to(Device target) const {
  if (target == device() || !defined()) return *this;
  Tensor result = empty(shape_, dtype_, target);
  const size_t bytes = static_cast<size_t>(numel_) * size_of(dtype_);
  if (target == Device::cpu)
    core::backend(device()).copy_to_host(raw(), result.raw(), bytes);
  else
    core::backend(target).copy_from_host(raw(), result.raw(), bytes);
  return result;
}

// A plain counter of each thread: it costs nothing where nobody asks.
namespace {
thread_local int64_t reads = 0;
}  // namespace
int64_t host_reads() { return reads; }

template <class T>
std::vector<T> Tensor::to_vector() const {
  ++reads;
  const Tensor host = to(Device::cpu).to(dtype_of<T>);
  const T* values = host.data<T>();
  return std::vector<T>(values, values + numel_);
}
template std::vector<float> Tensor::to_vector() const;
template std::vector<double> Tensor::to_vector() const;
template std::vector<int32_t> Tensor::to_vector() const;
template std::vector<int64_t> Tensor::to_vector() const;
template std::vector<uint8_t> Tensor::to_vector() const;

double Tensor::item() const {
  if (!defined() || numel_ != 1)
    fail("item", defined() ? text("a tensor of shape ", shape_) : std::string("an undefined tensor"),
         "exactly one element");
  return at(0);
}

double Tensor::at(int64_t i) const {
  if (i < 0 || i >= numel_) fail("at", text("element ", i, " of ", numel_), text("an index in [0, ", numel_, ")"));
  ++reads;
  const Tensor host = device() == Device::cpu ? *this : flatten().slice(i, i + 1).to(Device::cpu);
  const int64_t position = device() == Device::cpu ? i : 0;
  return core::dispatch_any(dtype_, [&](auto zero) {
    using T = decltype(zero);
    return static_cast<double>(reinterpret_cast<const T*>(host.raw())[position]);
  });
}

void Tensor::bump_version() {
  if (!defined()) fail("Tensor", "a change in place of an undefined tensor", "a tensor with elements");
  storage_->bump_version();
}

void Tensor::fill(double value) {
  bump_version();
  core::backend(device()).fill(*this, value);
}

void Tensor::copy_from(const Tensor& source) {
  if (!source.defined()) fail("copy_from", "an undefined tensor", "a tensor with elements");
  if (source.shape() != shape_) fail("copy_from", text("shape ", source.shape()), text(shape_));
  const Tensor here = source.to(device());
  bump_version();
  core::backend(device()).cast(here, *this);
}

std::byte* Tensor::checked_data(DType requested) const {
  if (!defined()) fail("data", "an undefined tensor", "a tensor with elements");
  if (requested != dtype_)
    fail("data", text(name_of(requested), " access to a ", name_of(dtype_), " tensor"), name_of(dtype_),
         "Convert with tensor.to(...) first.");
  if (device() != Device::cpu) fail("data", "a tensor on the GPU", "one on the CPU", "Move it with to(Device::cpu).");
  ++reads;
  return raw();
}

}  // namespace minima
