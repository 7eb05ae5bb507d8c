#include "examples/walkthrough/graph_figure.h"

#include "examples/kit/plot_sheet.h"
#include "examples/walkthrough/walk.h"

namespace minima::examples {

std::string graph_figure(const std::vector<Node>& nodes, const std::vector<double>& gradients,
                         const std::vector<std::pair<int, int>>& edges) {
  const bool down = plotting::narrow();
  const std::string file = figure_name("walk10_graph");
  std::string s =
      "# Draws " + file + ".svg: edit and rerun with gnuplot.\nset encoding utf8\n" +
      (down ? "set terminal svg size 420,620" : "set terminal svg size 860,380") +
      " font 'DejaVu Sans,12' background 'white'\nset output '" + file +
      ".svg'\nunset border\nunset tics\nunset key\n" +
      (down ? "set xrange [-0.6:2.6]\nset yrange [-5.7:0.5]\nset title 'Values go down, gradients come back up'\n"
            : "set xrange [-0.6:5.6]\nset yrange [-0.7:2.6]\n"
              "set title 'Values go to the right, gradients come back to the left'\n");
  const auto place = [](double x, double y) { return text(x, ",", y); };
  for (const auto& [i, j] : edges) {
    const Node &from = nodes[i], &to = nodes[j];
    s += "set arrow from " +
         (down ? place(from.y, -from.x - 0.31) + " to " + place(to.y, -to.x + 0.33)
               : place(from.x + 0.48, from.y) + " to " + place(to.x - 0.5, to.y)) +
         " linecolor '#555555' filled size 0.1,20\n";
  }
  for (size_t i = 0; i < nodes.size(); ++i) {
    const Node& n = nodes[i];
    const double x = down ? n.y : n.x, y = down ? -n.x : n.y;
    s += "set object rectangle center " + place(x, y) + " size 0.94,0.62 fillcolor '#eef3fa' behind\n";
    s += text("set label \"", n.name, " = ", n.op, "\\n", fixed(n.value.item(), 3), "\" at ", place(x, y + 0.1),
              " center\n");
    // where no arrow is
    const double beside = down ? (x > 1 ? 0.27 : -0.27) : 0;
    s += text("set label \"", fixed(gradients[i], 3), "\" at ", place(x + beside, y - 0.43),
              " center textcolor '#D55E00'\n");
  }
  return s + "plot NaN\n";
}

}  // namespace minima::examples
