#include "examples/kit/plot.h"

#include <cmath>
#include <filesystem>

#include "optim/make.h"
#include "tests/check.h"
#include "tests/examples/process.h"

using namespace minima;
using namespace minima::examples;
using namespace minima::test;

namespace {

Series series(std::vector<double> y) {
  Series s{.label = "sgd", .style = "sgd"};
  for (size_t i = 0; i < y.size(); ++i) s.x.push_back(static_cast<double>(i));
  s.y = std::move(y);
  return s;
}

std::string script_of(const Series& s, bool log_y = false) {
  return line_figure("figure", "headline", {{.title = "panel", .x_title = "step", .log_y = log_y, .series = {s}}}, 1);
}

/// Draws with gnuplot; the svg's text, or why there is none.
std::string drawn(const TemporaryFolder& folder, const std::string& script) {
  const std::string problem = draw(folder.path.string(), "figure", script);
  return problem.empty() ? read_bytes(folder.file("figure.svg")) : problem + read_bytes(folder.file("gnuplot.log"));
}

Map small_map() {
  Map map{.title = "map", .x_title = "x", .y_title = "y", .x = {0, 2}, .y = {0, 1}, .columns = 3, .rows = 2};
  map.values = {0, 1, 2, 3, 4, 5};
  return map;
}

}  // namespace

TEST_CASE("every optimizer has a look, and an unknown name has none") {
  for (const std::string& name : optim::optimizer_names())
    CHECK_MESSAGE(std::string(line_style(name).colour) != "", name);
  CHECK(std::string(line_style("msam'").colour) == line_style("msam").colour);
  CHECK(std::string(line_style("msam'").dash) != line_style("msam").dash);
  CHECK(std::string(line_style("msam-ema").colour) == line_style("msam").colour);
  CHECK(std::string(line_style("msam-ema").dash) != line_style("msam-swa").dash);
  CHECK_ERROR(line_style("sgdm"), "got sgdm");
}

TEST_CASE("a figure's script holds its data, so that it can be edited and rerun alone") {
  const std::string script = script_of(series({0.5, 0.25}));
  CHECK_MESSAGE(contains(script, "$panel1_curve1 << END\n0 0.5\n1 0.25\nEND\n"), script);
  CHECK(contains(script, "set output 'figure.svg'"));
  CHECK_FALSE(contains(script, ".dat"));
}

TEST_CASE("a point that is not finite breaks the line, and on a logarithmic axis one that is not positive") {
  CHECK(contains(script_of(series({1, NAN, 3})), "0 1\n\n2 3\n"));
  CHECK(contains(script_of(series({1, INFINITY, 3})), "0 1\n\n2 3\n"));
  CHECK(contains(script_of(series({1, 0, 3}), true), "0 1\n\n2 3\n"));
  CHECK(contains(script_of(series({1, 0, 3}), false), "0 1\n1 0\n2 3\n"));
}

TEST_CASE("what a user wrote is text in a figure: quotes, backticks, macros and markup do nothing") {
  TemporaryFolder folder;
  Series s = series({1, 2});
  s.label = "it's a_b `touch pwned` @sgd {/Bold x} \"q\" \\n $1";
  const std::string svg = drawn(
      folder, line_figure("figure", s.label, {{.title = s.label, .x_title = s.label, .series = {s}}}, 1, s.label));
  CHECK_MESSAGE(contains(svg, "a_b `touch pwned` @sgd {/Bold x}"), svg);
  CHECK_FALSE(std::filesystem::exists(folder.file("pwned")));
}

TEST_CASE("gnuplot draws every kind of series, band, rule and axis") {
  TemporaryFolder folder;
  std::vector<Panel> panels;
  for (const bool log_y : {false, true}) {
    Panel panel{.title = "p", .x_title = "x", .y_title = "y", .log_x = log_y, .log_y = log_y};
    for (const Series::Draw kind :
         {Series::Draw::line, Series::Draw::points, Series::Draw::line_and_points, Series::Draw::dashed})
      for (const bool band : {false, true}) {
        Series s = series({1e-7, 1e-3, NAN, 100});
        s.draw = kind, s.label = band ? "with a band" : "";
        if (band) s.low = {1e-8, 1e-4, 0, NAN}, s.high = {1e-6, 1e-2, 1, 1e9};
        panel.series.push_back(s);
      }
    panel.rules = {{Rule::Along::x, 2, "at two"}, {Rule::Along::y, 1, "at one"}};
    panels.push_back(panel);
  }
  panels.push_back(
      {.title = "names", .series = {series({1, 2, 3})}, .x_names = {"40%", "b", "a long name, slanted, of a bar"}});
  panels.push_back({.title = "empty"});
  panels.push_back({.title = "flat", .series = {series({2, 2})}});
  const std::string svg = drawn(folder, line_figure("figure", "h", panels, 3));
  CHECK_MESSAGE(contains(svg, "</svg>"), svg);
  for (const char* part : {"at two", "at one", "40%<", "slanted", "with a band"})
    CHECK_MESSAGE(contains(svg, part), part);
}

TEST_CASE("words stand beside their points, whatever is in them") {
  TemporaryFolder folder;
  Series s = series({1, 2, NAN});
  s.names = {"rho 0.5", "a \"quoted\" \\n `word`", "nowhere"};
  CHECK(contains(script_of(s), "$panel1_curve1_names << END\n0 1 \"rho 0.5\"\n1 2 \"a 'quoted' /n `word`\"\nEND\n"));
  const std::string svg = drawn(folder, script_of(s));
  CHECK_MESSAGE(contains(svg, "rho 0.5"), svg);
  CHECK(contains(svg, "`word`"));
  CHECK_FALSE(contains(svg, "nowhere"));
  s.names.pop_back();
  CHECK_ERROR(script_of(s), "a series \"sgd\" with 3 points and 2 names");
}

TEST_CASE("a map with levels and a colour range has both contours and colours") {
  TemporaryFolder folder;
  Map map = small_map();
  map.columns = 41, map.rows = 41, map.values.clear();
  for (int i = 0; i < 41 * 41; ++i) map.values.push_back((i % 41) * 0.05);
  map.levels = {1.25};
  const std::string contours = drawn(folder, map_figure("figure", "h", {map}, 1));
  map.colours = Span{0, 2};
  const std::string both = drawn(folder, map_figure("figure", "h", {map}, 1));
  CHECK_FALSE(contains(contours, "<image"));
  CHECK_MESSAGE(contains(both, "<image"), both);
  for (const std::string& svg : {contours, both}) CHECK_MESSAGE(contains(svg, "1.25"), svg);
}

TEST_CASE("gnuplot draws contours with labels, heat maps, paths and marks") {
  TemporaryFolder folder;
  Map contours = small_map(), heat = small_map();
  contours.columns = 41, contours.rows = 41, contours.values.clear();
  for (int i = 0; i < 41 * 41; ++i) contours.values.push_back((i % 41) * 0.05);
  contours.levels = {0.625, 1.375};
  contours.paths = {{.label = "msam",
                     .style = "msam",
                     .x = {0, 1, 2},
                     .y = {0, 1, 0.5},
                     .perturbed_x = {0, 1.1, 2},
                     .perturbed_y = {0.1, 0.9, 0.5},
                     .mark_every = 1}};
  heat.values[2] = NAN, heat.log_colours = true;
  heat.paths = {{.label = "limit", .style = "black", .x = {0, 1, NAN}, .y = {0, 1, 1}, .ends = false}};
  const std::string svg = drawn(folder, map_figure("figure", "h", {contours, heat}, 2));
  CHECK_MESSAGE(contains(svg, "</svg>"), svg);
  for (const char* part : {"0.625", "1.375", "Open circle joined to it", "limit"})
    CHECK_MESSAGE(contains(svg, part), part);
}

TEST_CASE("a path that leaves for infinity is cut, not drawn") {
  Map map = small_map();
  map.paths = {{.label = "sgd", .style = "sgd", .x = {0, 1, 1e200, 1}, .y = {0, 1, 1, 0}}};
  CHECK(contains(map_figure("figure", "h", {map}, 1), "$path1_1 << END\n0 0\n1 1\nEND\n"));
}

TEST_CASE("vectors of unequal length are refused, naming the figure and the curve") {
  Series s = series({1, 2});
  s.x.pop_back();
  CHECK_ERROR(script_of(s), "[figure] got a series \"sgd\" with 1 x, 2 y");
  Series band = series({1, 2});
  band.low = {0};
  band.high = {3, 4};
  CHECK_ERROR(script_of(band), "1 low and 2 high");
  Map map = small_map();
  map.values.pop_back();
  CHECK_ERROR(map_figure("figure", "h", {map}, 1), "got 5 values for 3 columns and 2 rows");
  map = small_map();
  map.paths = {{.label = "sam", .style = "sam", .x = {0}, .y = {0, 1}}};
  CHECK_ERROR(map_figure("figure", "h", {map}, 1), "a path \"sam\" with 1 x, 2 y");
}
