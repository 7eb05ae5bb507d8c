// SPDX-License-Identifier: MIT
// Element types and devices, and the one switch that turns a run-time type into a compile-time one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "core/error.h"

namespace minima {

/// float32 and float64 compute; int32 and int64 hold labels and indices; uint8 holds images.
enum class DType : uint8_t { float32, float64, int32, int64, uint8 };

enum class Device : uint8_t { cpu, cuda };

constexpr size_t size_of(DType dtype) {
  return dtype == DType::float64 || dtype == DType::int64 ? 8 : dtype == DType::uint8 ? 1 : 4;
}

constexpr bool is_floating(DType dtype) { return dtype == DType::float32 || dtype == DType::float64; }

constexpr const char* name_of(DType dtype) {
  constexpr const char* names[] = {"float32", "float64", "int32", "int64", "uint8"};
  return names[static_cast<int>(dtype)];
}

constexpr const char* name_of(Device device) { return device == Device::cpu ? "cpu" : "cuda"; }

/// The DType of a C++ type: dtype_of<float> == DType::float32. Other types do not compile.
template <class T>
inline constexpr DType dtype_of = [] {
  if constexpr (std::is_same_v<T, float>) return DType::float32;
  if constexpr (std::is_same_v<T, double>) return DType::float64;
  if constexpr (std::is_same_v<T, int32_t>) return DType::int32;
  if constexpr (std::is_same_v<T, int64_t>) return DType::int64;
  if constexpr (std::is_same_v<T, uint8_t>) return DType::uint8;
}();

namespace core {

/// Calls f(T{}) with the C++ type of a floating dtype; anything else is an error in the name of `where`.
template <class F>
decltype(auto) dispatch_floating(const char* where, DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32: return f(float{});
    case DType::float64: return f(double{});
    default:
      fail(where, text("dtype ", name_of(dtype)), "float32 or float64", "Convert with tensor.to(DType::float32).");
  }
}

/// Calls f(T{}) with the C++ type of any dtype.
template <class F>
decltype(auto) dispatch_any(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float64: return f(double{});
    case DType::int32: return f(int32_t{});
    case DType::int64: return f(int64_t{});
    case DType::uint8: return f(uint8_t{});
    default: return f(float{});
  }
}

}  // namespace core
}  // namespace minima
