// What a fuzz target is: one function that gives bytes to a parser. libFuzzer calls it, and so does driver.cpp, which
// needs g++ alone.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace minima::test {

/// A parser reads its bytes or refuses them by minima's own error. Whatever else comes of them is a fault.
template <class Parse>
int read_or_refuse(Parse&& parse) {
  try {
    parse();
  } catch (const Error&) {  // the answer to a damaged file
  }
  return 0;
}

}  // namespace minima::test
