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

/// The optimizers of optim/make.h, and two more: "gd" is gradient descent and "momentum" is SGD with momentum where the
/// two are shown together; elsewhere "sgd" is SGD with momentum, as everywhere in minima. "black" and "grey" are for
/// what is no optimizer: theory, limits. A second and third look of the same colour, for another rho say: "sam'",
/// "sam''".
inline LineStyle line_style(const std::string& name) {
  if (name.size() > 2 && name.ends_with("''"))
    return {line_style(name.substr(0, name.size() - 2)).colour, "(2,4,2,10)"};
  if (name.size() > 1 && name.ends_with("'")) return {line_style(name.substr(0, name.size() - 1)).colour, "(7,5)"};
  if (name == "black") return {"000000", "solid"};
  if (name == "grey") return {"999999", "solid"};
  if (name == "gd") return {"7F7F7F", "solid"};
  if (name == "momentum" || name == "sgd") return {"0072B2", "solid"};
  if (name == "nesterov") return {"E69F00", "(12,4)"};
  if (name == "adam") return {"009E73", "(4,3)"};
  if (name == "sam") return {"D55E00", "(14,4,3,4)"};
  if (name == "msam") return {"CC79A7", "solid"};
  if (name == "adamw") return {"56B4E9", "(4,3,12,3)"};
  if (name == "asam") return {"000000", "(2,3)"};
  if (name == "looksam") return {"D55E00", "(3,3)"};
  if (name == "esam") return {"000000", "(10,3,2,3)"};
  // Directions: SAM's and MSAM's own keep their colour.
  if (name == "along-gradient") return {"D55E00", "(14,4,3,4)"};
  if (name == "along-momentum") return {"CC79A7", "solid"};
  if (name == "along-last-gradient") return {"56B4E9", "(8,3)"};
  if (name == "along-random") return {"7F7F7F", "(2,3)"};
  if (name == "along-lr-momentum") return {"E69F00", "(12,4)"};
  fail("line_style", name, "an optimizer of optim/make.h, gd, momentum, black or grey",
       "Give it a line in examples/kit/style.h.");
}

}  // namespace minima::examples
