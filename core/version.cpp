// SPDX-License-Identifier: MIT
#include "core/version.h"

namespace minima {

const char* version() { return MINIMA_VERSION; }  // core/CMakeLists.txt defines it

}  // namespace minima
