// The picture of a graph of ops: chapter 10's.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "autograd/variable.h"

namespace minima::examples {

/// A node: what it is called, how it is computed, and where it is drawn.
struct Node {
  std::string name, op;
  Variable value;
  double x, y;
};

/// Boxes with names, values and gradients, and an arrow from each input to its op. Values go to the right; on a phone
/// they go down.
std::string graph_figure(const std::vector<Node>& nodes, const std::vector<double>& gradients,
                         const std::vector<std::pair<int, int>>& edges);

}  // namespace minima::examples
