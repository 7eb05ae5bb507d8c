// SPDX-License-Identifier: MIT
// Counter-based random numbers (Philox 4x32-10; Salmon et al., 2011): number i of a stream is a function of
// (seed, offset + i) alone, so that results do not depend on threads or device, and a state is two integers.
#pragma once

#include <cstdint>

#include "core/host_device.h"
#include "core/tensor.h"

namespace minima {

namespace core {

struct PhiloxBlock {
  uint32_t words[4];
};

/// Four random 32-bit words for a 64-bit key and a 128-bit counter (low, high).
MINIMA_HOST_DEVICE inline PhiloxBlock philox(uint64_t key, uint64_t counter_low, uint64_t counter_high = 0) {
  uint32_t c0 = static_cast<uint32_t>(counter_low), c1 = static_cast<uint32_t>(counter_low >> 32);
  uint32_t c2 = static_cast<uint32_t>(counter_high), c3 = static_cast<uint32_t>(counter_high >> 32);
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    uint64_t product0 = uint64_t{0xD2511F53} * c0, product1 = uint64_t{0xCD9E8D57} * c2;
    c0 = static_cast<uint32_t>(product1 >> 32) ^ c1 ^ k0;
    c2 = static_cast<uint32_t>(product0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<uint32_t>(product1);
    c3 = static_cast<uint32_t>(product0);
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return {{c0, c1, c2, c3}};
}

/// What a stream of random numbers is filled with.
enum class Distribution : uint8_t {
  uniform,    ///< in [a, b)
  normal,     ///< mean a, standard deviation b
  bernoulli,  ///< 1 with probability a, else 0
};

}  // namespace core

/// A stream of random numbers. Copying it copies the state: the copy repeats the same numbers.
struct Generator {
  uint64_t seed = 0;
  uint64_t offset = 0;  ///< how many blocks of the stream have been used

  Tensor uniform(const Shape& shape, double low = 0, double high = 1, DType dtype = DType::float32,
                 Device device = Device::cpu);
  Tensor normal(const Shape& shape, double mean = 0, double deviation = 1, DType dtype = DType::float32,
                Device device = Device::cpu);
  Tensor bernoulli(const Shape& shape, double probability, DType dtype = DType::float32, Device device = Device::cpu);
  /// A uniformly random integer in [0, bound); bound >= 1.
  uint64_t below(uint64_t bound);
  /// A random order of 0 .. n-1 (Fisher-Yates).
  std::vector<int64_t> permutation(int64_t n);
};

/// The stream that initialisers and dropout draw from, one per thread. Replay by saving and restoring its value.
Generator& default_generator();
/// Starts the calling thread's default stream anew.
void manual_seed(uint64_t seed);

}  // namespace minima
