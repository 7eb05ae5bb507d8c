// How optimizers look in every figure of every program: one colour (safe for colour-blind readers), and one dash style
// as a second cue.
#pragma once

#include <string>

#include "core/error.h"

namespace minima::examples {

struct LineStyle {
  const char* colour;  ///< RRGGBB
  const char* dash;    ///< gnuplot's: pairs of drawn and blank lengths; "solid" for none
};

inline LineStyle line_style(const std::string& optimizer) {
  if (optimizer == "sgd") return {"0072B2", "solid"};
  if (optimizer == "nesterov") return {"E69F00", "(12,4)"};
  if (optimizer == "adam") return {"009E73", "(4,3)"};
  if (optimizer == "sam") return {"D55E00", "(14,4,3,4)"};
  if (optimizer == "msam") return {"CC79A7", "solid"};
  if (optimizer == "adamw") return {"56B4E9", "(4,3,12,3)"};
  if (optimizer == "asam") return {"000000", "(2,3)"};
  fail("line_style", optimizer, "one of the optimizers of optim/make.h", "Give it a line in examples/common/style.h.");
}

}  // namespace minima::examples
