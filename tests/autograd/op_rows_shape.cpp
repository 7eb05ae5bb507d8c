// Rows of the op table: reductions and movement.
#include <algorithm>

#include "tests/autograd/op_table.h"

namespace minima::test {

namespace {

using Args = std::vector<Variable>;
using Arrays = std::vector<Array>;
using At = std::vector<int64_t>;

template <class F>
Array fold(const Array& x, int axis, bool keep, double start, F&& f) {
  Shape shape;
  for (int i = 0; i < x.shape.rank(); ++i)
    if (i != axis || keep) shape.push_back(i == axis ? 1 : x.shape[i]);
  return make_array(shape, [&](At at) {
    double result = start;
    if (!keep) at.insert(at.begin() + axis, 0);
    for (int64_t i = 0; i < x.shape[axis]; ++i) {
      at[static_cast<size_t>(axis)] = i;
      result = f(result, x(at));
    }
    return result;
  });
}

double add(double x, double y) { return x + y; }
double largest(double x, double y) { return std::max(x, y); }
double total(const Array& x) {
  double sum = 0;
  for (double value : x.values) sum += value;
  return sum;
}

const Tensor rows_2x2() { return Tensor::from<int64_t>({1, 3, 1, 0}, {2, 2}); }

}  // namespace

std::vector<Row> shape_rows() {
  const Shape box{2, 3, 4}, large{60, 70, 80}, empty{2, 0, 4};
  std::vector<Row> rows = {
      {"sum(Variable)",
       [](const Args& x) { return sum(x[0]); },
       [](const Arrays& x) { return Array{{}, {total(x[0])}}; },
       {box},
       -2,
       2,
       {large},
       {empty}},
      {"mean(Variable)",
       [](const Args& x) { return mean(x[0]); },
       [](const Arrays& x) { return Array{{}, {total(x[0]) / static_cast<double>(x[0].values.size())}}; },
       {box},
       -2,
       2,
       {large},
       {}},
      {"sum_to(Variable, Shape)",
       [](const Args& x) { return sum_to(x[0], {x[0].size(1), 1}); },
       [](const Arrays& x) {
         const Array over_batch = fold(x[0], 0, false, 0, add);
         return fold(over_batch, 1, true, 0, add);
       },
       {box},
       -2,
       2,
       {large},
       {empty}},
      {"reshape(Variable, Shape)",
       [](const Args& x) { return reshape(x[0], {x[0].size(2), -1}); },
       [](const Arrays& x) { return Array{{x[0].shape[2], x[0].shape[0] * x[0].shape[1]}, x[0].values}; },
       {box},
       -2,
       2,
       {large},
       {empty}},
      {"broadcast_to(Variable, Shape)",
       [](const Args& x) { return broadcast_to(x[0], {2, x[0].size(0), 4}); },
       [](const Arrays& x) {
         return make_array({2, x[0].shape[0], 4}, [&](const At& at) { return x[0]({at[1], 0}); });
       },
       {{3, 1}},
       -2,
       2,
       {{30000, 1}},
       {{0, 1}}},
      {"permute(Variable, std::vector<int>)",
       [](const Args& x) { return permute(x[0], {2, 0, -2}); },
       [](const Arrays& x) {
         const Shape& s = x[0].shape;
         return make_array({s[2], s[0], s[1]}, [&](const At& at) { return x[0]({at[1], at[2], at[0]}); });
       },
       {box},
       -2,
       2,
       {large},
       {empty}},
      {"transpose(Variable)",
       [](const Args& x) { return transpose(x[0]); },
       [](const Arrays& x) {
         const Shape& s = x[0].shape;
         return make_array({s[0], s[2], s[1]}, [&](const At& at) { return x[0]({at[0], at[2], at[1]}); });
       },
       {box},
       -2,
       2,
       {large},
       {empty}},
      {"slice(Variable, int, int64_t, int64_t, int64_t)",
       [](const Args& x) { return slice(x[0], 1, 1, 6, 2); },
       [](const Arrays& x) {
         return make_array({x[0].shape[0], 3}, [&](const At& at) { return x[0]({at[0], 1 + 2 * at[1]}); });
       },
       {{3, 7}},
       -2,
       2,
       {{60000, 7}},
       {{0, 7}}},
      {"slice(Variable, int, int64_t, int64_t, int64_t)",
       [](const Args& x) { return slice(x[0], 0, 1, 3); },
       [](const Arrays& x) {
         return make_array({2, x[0].shape[1]}, [&](const At& at) { return x[0]({at[0] + 1, at[1]}); });
       },
       {{4, 3}},
       -2,
       2,
       {{4, 90000}},
       {{4, 0}}},
      {"unslice(Variable, int, int64_t, int64_t, int64_t)",
       [](const Args& x) { return unslice(x[0], -1, 8, 1, 3); },
       [](const Arrays& x) {
         return make_array({x[0].shape[0], 8},
                           [&](const At& at) { return at[1] % 3 == 1 ? x[0]({at[0], at[1] / 3}) : 0; });
       },
       {{4, 3}},
       -2,
       2,
       {{60000, 3}},
       {{0, 3}}},
      {"concatenate(std::vector<Variable>, int)",
       [](const Args& x) { return concatenate(x, 1); },
       [](const Arrays& x) {
         const int64_t a = x[0].shape[1], b = x[1].shape[1];
         return make_array({x[0].shape[0], a + b + x[2].shape[1]}, [&](const At& at) {
           const int64_t column = at[1];
           return column < a       ? x[0]({at[0], column})
                  : column < a + b ? x[1]({at[0], column - a})
                                   : x[2]({at[0], column - a - b});
         });
       },
       {{2, 3}, {2, 1}, {2, 2}},
       -2,
       2,
       {{300, 700}, {300, 10}, {300, 50}},
       {{2, 3}, {2, 0}, {2, 2}}},
      {"gather_rows(Variable, Tensor)",
       [](const Args& x) { return gather_rows(x[0], rows_2x2().to(x[0].device())); },
       [](const Arrays& x) {
         const int64_t rows[] = {1, 3, 1, 0};
         return make_array({2, 2, x[0].shape[1]}, [&](const At& at) { return x[0]({rows[2 * at[0] + at[1]], at[2]}); });
       },
       {{4, 3}},
       -2,
       2,
       {{4, 50000}},
       {{4, 0}}},
      {"scatter_rows(Variable, Tensor, int64_t)",
       [](const Args& x) { return scatter_rows(x[0], rows_2x2().to(x[0].device()), 5); },
       [](const Arrays& x) {
         const int64_t rows[] = {1, 3, 1, 0};
         return make_array({5, x[0].shape[2]}, [&](const At& at) {
           double sum = 0;
           for (int64_t i = 0; i < 4; ++i)
             if (rows[i] == at[0]) sum += x[0]({i / 2, i % 2, at[1]});
           return sum;
         });
       },
       {{2, 2, 3}},
       -2,
       2,
       {{2, 2, 50000}},
       {{2, 2, 0}}},
  };
  struct Axis {
    int axis, positive;
    KeepDims keep;
  };
  for (const Axis a : {Axis{0, 0, KeepDims::no}, Axis{1, 1, KeepDims::yes}, Axis{-1, 2, KeepDims::no}}) {
    const bool keep = a.keep == KeepDims::yes;
    const Shape none = a.positive == 1 ? empty : Shape{3, 2, 0};
    rows.push_back({"sum(Variable, int, KeepDims)",
                    [a](const Args& x) { return sum(x[0], a.axis, a.keep); },
                    [a, keep](const Arrays& x) { return fold(x[0], a.positive, keep, 0, add); },
                    {box},
                    -2,
                    2,
                    {large},
                    {none}});
    rows.push_back({"mean(Variable, int, KeepDims)",
                    [a](const Args& x) { return mean(x[0], a.axis, a.keep); },
                    [a, keep](const Arrays& x) {
                      Array y = fold(x[0], a.positive, keep, 0, add);
                      for (double& value : y.values) value /= static_cast<double>(x[0].shape[a.positive]);
                      return y;
                    },
                    {box},
                    -2,
                    2,
                    {large},
                    {Shape{a.positive == 0 ? 2 : 0, 3, a.positive == 0 ? 0 : 4}}});
    rows.push_back({"max(Variable, int, KeepDims)",
                    [a](const Args& x) { return max(x[0], a.axis, a.keep); },
                    [a, keep](const Arrays& x) { return fold(x[0], a.positive, keep, -INFINITY, largest); },
                    {box},
                    -2,
                    2,
                    {large},
                    {Shape{a.positive == 0 ? 2 : 0, 3, a.positive == 0 ? 0 : 4}}});
  }
  return rows;
}

}  // namespace minima::test
