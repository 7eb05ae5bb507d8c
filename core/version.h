// SPDX-License-Identifier: MIT
// The version of minima. It is written once, in CMakeLists.txt.
#pragma once

namespace minima {

/// The version of the library that runs, such as "0.1.0".
const char* version();

}  // namespace minima
