// walk10_reverse_mode: chapter 10 of the walkthrough, where the gradient comes from: a graph, node by node, backwards.
#include <cmath>

#include "autograd/hessian.h"
#include "examples/walkthrough/graph_figure.h"
#include "examples/walkthrough/walk.h"

using namespace minima;
using namespace minima::examples;
namespace {

/// |error| of the derivative of tanh(w)^2 at 0.7 by differences over a step h, relative.
double error_of_differences(double h, bool central) {
  const auto f = [](double w) { return std::tanh(w) * std::tanh(w); };
  const double exact = 2 * std::tanh(0.7) * (1 - std::tanh(0.7) * std::tanh(0.7));
  const double got = central ? (f(0.7 + h) - f(0.7 - h)) / (2 * h) : (f(0.7 + h) - f(0.7)) / h;
  return std::abs(got / exact - 1);
}

void walk(const Walk& walk) {
  const Variable w1 = weight(3), w2 = weight(0.5);
  const Variable a = w1 * w2, b = a - 1, c = square(b) / 2, d = square(w1) / 10, loss = c + d;
  const std::vector<Node> nodes{{"w1", "leaf", w1, 0, 2},      {"w2", "leaf", w2, 0, 0},
                                {"a", "w1 * w2", a, 1.3, 0.8}, {"b", "a - 1", b, 2.6, 0.8},
                                {"c", "b^2 / 2", c, 3.9, 0.8}, {"d", "w1^2 / 10", d, 2.6, 2},
                                {"L", "c + d", loss, 5.1, 1.4}};
  std::vector<Variable> variables;
  for (const Node& node : nodes) variables.push_back(node.value);
  std::vector<double> gradients;
  for (const Variable& g : grad(loss, variables, {.retain_graph = true})) gradients.push_back(g.item());
  Table forward{{"node", "computed as", "value"}}, backward{{"node", "gradient of L in it"}};
  for (const Node& n : nodes) forward.push_back({n.name, n.op, fixed(n.value.item(), 4)});
  for (size_t i = nodes.size(); i-- > 0;) backward.push_back({nodes[i].name, fixed(gradients[i], 4)});
  walk.paragraph("Forward, at w1 = 3, w2 = 0.5", forward);
  walk.paragraph("Backward: the same nodes in reverse order", backward);
  walk.figure("walk10_graph", graph_figure(nodes, gradients, {{0, 2}, {1, 2}, {2, 3}, {3, 4}, {0, 5}, {4, 6}, {5, 6}}));

  Table errors{{"h", "one-sided", "central"}};
  for (const int power : {-1, -3, -5, -7, -9, -11})
    errors.push_back({text("1e", power), short_text(error_of_differences(std::pow(10, power), false)),
                      short_text(error_of_differences(std::pow(10, power), true))});
  walk.paragraph("Relative error of a derivative by differences over a step h", errors);
  Series one{.label = "one-sided", .style = "adam"}, both{.label = "central", .style = "sgd"};
  for (double power = -13; power <= 0; power += 0.1) {
    const double h = std::pow(10, power);
    one.x.push_back(h), one.y.push_back(error_of_differences(h, false));
    both.x.push_back(h), both.y.push_back(error_of_differences(h, true));
  }
  const Panel panel{.title = "",
                    .x_title = "step h",
                    .y_title = "relative error",
                    .log_x = true,
                    .log_y = true,
                    .series = {one, both},
                    .y_range = Span{1e-13, 1}};
  walk.figure("walk10_differences", line_figure("walk10_differences", "A derivative by differences", {panel}, 1));

  const Variable u1 = weight(2), u2 = weight(0.5);
  const Hessian hessian(square(u1 * u2 - 1) / 2, {u1, u2});
  Table products{{"v", "H v"}};
  for (const auto& [x, y] : {std::pair{1.0, 0.0}, {0.0, 1.0}, {0.5, 2.0}, {-2.0, 0.5}}) {
    const auto product = hessian * std::vector<Tensor>{weight(x).value(), weight(y).value()};
    products.push_back({text("(", x, ", ", y, ")"), text("(", product[0].item(), ", ", product[1].item(), ")")});
  }
  walk.paragraph("Hessian-vector products in the valley at (2, 1/2)", products);
}

}  // namespace

int main(int argc, char** argv) {
  return run_walk(argc, argv, "walk10_reverse_mode", "Chapter 10: where the gradient comes from.", walk);
}
