// SPDX-License-Identifier: MIT
// Eigenvalues and eigenvectors of a small symmetric matrix by Jacobi's rotations (1846): slow for large matrices,
// accurate for all, and short. For small projected matrices, such as those of curvature.h: tens of rows.
#pragma once

#include <vector>

#pragma GCC visibility push(hidden)  // not public: docs/house.md
namespace minima::optim::detail {

using Matrix = std::vector<std::vector<double>>;

/// Row i of vectors is the unit eigenvector of values[i]; the largest (most positive) value comes first.
struct Eigensystem {
  std::vector<double> values;
  Matrix vectors;
};
Eigensystem symmetric_eigensystem(Matrix a);

}  // namespace minima::optim::detail
#pragma GCC visibility pop
