// What every row of the op table must satisfy.
#include <fstream>
#include <iterator>
#include <regex>
#include <set>

#include "core/parallel.h"
#include "tests/autograd/op_table.h"

using namespace minima;
using namespace minima::test;

namespace {

std::vector<Array> arrays_of(const std::vector<Variable>& inputs) {
  std::vector<Array> arrays;
  for (const Variable& input : inputs) arrays.push_back({input.shape(), input.value().to_vector<double>()});
  return arrays;
}

std::string forward_difference(const Row& row, const std::vector<Variable>& inputs, Tolerance tolerance) {
  const Array expected = row.reference(arrays_of(inputs));
  const Variable y = row.f(inputs);
  if (y.shape() != expected.shape) return text("got shape ", y.shape(), ", expected ", expected.shape);
  return difference(y.value().to_vector<double>(), expected.values, tolerance);
}

// The value and the gradients of a row, from inputs of these shapes.
std::vector<Tensor> value_and_gradients(const Row& row, const std::vector<Variable>& inputs) {
  const Variable y = row.f(inputs);
  const Variable seed(projection(y.shape(), 3).to(y.dtype()).to(y.device()));
  std::vector<Tensor> results{y.value()};
  for (const Variable& gradient : grad({y}, inputs, {.grad_outputs = {seed}})) results.push_back(gradient.value());
  return results;
}

#define CHECK_EMPTY(problem_expression)             \
  do {                                              \
    const std::string problem = problem_expression; \
    CHECK_MESSAGE(problem.empty(), problem);        \
  } while (0)

// Every match of a pattern in a text.
std::vector<std::smatch> matches(const std::string& text, const std::string& pattern) {
  const std::regex regex(pattern);
  return {std::sregex_iterator(text.begin(), text.end(), regex), std::sregex_iterator()};
}

// "const Variable& x, double y = 1" -> "Variable, double"
std::string types_of(const std::string& parameters) {
  std::string types;
  for (const std::smatch& match : matches(parameters, "(?:const )?([\\w:<>]+)&? \\w+[^,]*"))
    types += (types.empty() ? "" : ", ") + match[1].str();
  return types;
}

std::set<std::string> declared_ops() {
  std::ifstream file(std::string(MINIMA_SOURCE_DIR) + "/autograd/ops.h");
  std::string header((std::istreambuf_iterator<char>(file)), {});
  header = std::regex_replace(header, std::regex("//[^\n]*|\n"), " ");
  header = std::regex_replace(header, std::regex(" +"), " ");
  std::set<std::string> ops;
  for (const std::smatch& match : matches(header, "(?:Variable|Moments>) (operator.|\\w+)\\(([^)]*)\\);"))
    ops.insert(match[1].str() + "(" + types_of(match[2].str()) + ")");
  return ops;
}

}  // namespace

TEST_CASE("every op that ops.h declares has a row in the op table, and every row an op") {
  const std::set<std::string> declared = declared_ops();
  std::set<std::string> tested;
  for (const Row& row : op_table()) tested.insert(row.op);
  CHECK(declared.size() > 50);
  for (const std::string& op : declared) CHECK_MESSAGE(tested.count(op) == 1, op << " has no row in the op table");
  for (const std::string& op : tested) CHECK_MESSAGE(declared.count(op) == 1, op << " is not declared in ops.h");
}

TEST_CASE("every op computes what a plain loop computes, in float64 and float32") {
  for (const Row& row : op_table()) {
    CAPTURE(row.op);
    CHECK_EMPTY(forward_difference(row, make_inputs(row), {1e-12, 1e-13}));
    CHECK_EMPTY(forward_difference(row, make_inputs(row, DType::float32), {1e-5, 2e-6}));
  }
}

TEST_CASE("every op's gradient equals central differences in float64") {
  for (const Row& row : op_table()) {
    CAPTURE(row.op);
    CHECK_EMPTY(gradcheck(row.f, make_inputs(row)));
  }
}

TEST_CASE("every op's float32 gradient is the float64 gradient, rounded") {
  for (const Row& row : op_table()) {
    CAPTURE(row.op);
    const auto inputs = make_inputs(row, DType::float32);
    std::vector<Variable> wide;
    for (const Variable& input : inputs) wide.emplace_back(input.value().to(DType::float64), requires_grad);
    const auto got = value_and_gradients(row, inputs), expected = value_and_gradients(row, wide);
    for (size_t i = 0; i < got.size(); ++i) {
      CHECK(got[i].dtype() == DType::float32);
      CHECK_EMPTY(difference(got[i], expected[i], {1e-4, 1e-5}));
    }
  }
}

TEST_CASE("every op's second derivative equals differences of its gradient") {
  for (const Row& row : op_table()) {
    CAPTURE(row.op);
    CHECK_EMPTY(gradgradcheck(row.f, make_inputs(row), {.tolerance = {1e-6, 1e-7}}));
  }
}

TEST_CASE("the gradient that is recorded for a second derivative is the gradient that is not") {
  for (const Row& row : op_table()) {
    CAPTURE(row.op);
    const auto inputs = make_inputs(row);
    const Variable y = row.f(inputs);
    const GradOptions plain{.retain_graph = true, .grad_outputs = {Variable(projection(y.shape(), 3))}};
    GradOptions recorded = plain;
    recorded.create_graph = true;
    const auto a = grad({y}, inputs, recorded), b = grad({y}, inputs, plain);
    for (size_t i = 0; i < inputs.size(); ++i) CHECK_EMPTY(difference(a[i].value(), b[i].value(), {1e-11, 1e-12}));
  }
}

TEST_CASE("binary ops broadcast, and sum their gradients back to each operand") {
  const std::vector<std::pair<Shape, Shape>> pairs = {
      {{2, 3}, {3}},       {{3}, {2, 3}},    {{2, 3}, {2, 1}},       {{}, {2, 3}},
      {{2, 1, 3}, {4, 1}}, {{1, 1}, {2, 2}}, {{1, 3, 1}, {2, 1, 4}}, {{2, 1, 2, 1}, {3, 1, 2}}};
  int rows = 0;
  for (const Row& row : op_table()) {
    if (!row.broadcasts) continue;
    ++rows;
    for (const auto& [a, b] : pairs) {
      INFO(row.op << " " << a << " with " << b);
      const auto inputs = make_inputs({a, b}, row.low, row.high);
      CHECK_EMPTY(forward_difference(row, inputs, {1e-12, 1e-13}));
      CHECK_EMPTY(gradcheck(row.f, inputs));
      CHECK_EMPTY(gradgradcheck(row.f, inputs, {.tolerance = {1e-6, 1e-7}}));
    }
    const auto inputs = make_inputs({{2, 3}, {2, 2}}, row.low, row.high);
    CHECK_ERROR(row.f(inputs), "(2, 3)");
  }
  CHECK(rows == 8);
}

TEST_CASE("every op takes tensors without elements, forward and backward") {
  for (const Row& row : op_table()) {
    if (row.empty.empty()) continue;
    CAPTURE(row.op);
    const auto inputs = make_inputs(row.empty, row.low, row.high);
    const Array expected = row.reference(arrays_of(inputs));
    const auto results = value_and_gradients(row, inputs);
    CHECK(results[0].shape() == expected.shape);
    CHECK_CLOSE(results[0].to_vector<double>(), expected.values);
    for (size_t i = 0; i < inputs.size(); ++i) CHECK(results[i + 1].shape() == inputs[i].shape());
  }
}

TEST_CASE("inputs and results that are used several times receive the sum of all gradients") {
  for (const Row& row : op_table()) {
    CAPTURE(row.op);
    const Function fan_out = [&](const std::vector<Variable>& x) {
      const Variable y = row.f(x), again = row.f(x);
      return (y + again) + 3 * y + y * again;  // the order of the first sum matters to in-place accumulation
    };
    CHECK_EMPTY(gradcheck(fan_out, make_inputs(row)));
  }
}

TEST_CASE("one variable in every place of an op receives the sum over the places") {
  for (const Row& row : op_table()) {
    if (!row.broadcasts) continue;
    CAPTURE(row.op);
    if (row.op.substr(0, 3) == "max" || row.op.substr(0, 3) == "min") continue;  // a tie everywhere: a kink
    const Function twice = [&](const std::vector<Variable>& x) { return row.f({x[0], x[0]}); };
    CHECK_EMPTY(gradcheck(twice, make_inputs({{3, 4}}, row.low, row.high)));
  }
}

TEST_CASE("every op gives the same bits at one and at two threads, gradients included") {
  const int before = num_threads();
  for (const Row& row : op_table()) {
    CAPTURE(row.op);
    REQUIRE(!row.large.empty());
    for (DType dtype : {DType::float32, DType::float64}) {
      const auto inputs = make_inputs(row.large, row.low, row.high, dtype);
      set_num_threads(1);
      const auto one = value_and_gradients(row, inputs);
      set_num_threads(has_threads() ? 2 : 1);
      const auto two = value_and_gradients(row, inputs);
      for (size_t i = 0; i < one.size(); ++i) CHECK_SAME_BITS(one[i], two[i]);
    }
  }
  set_num_threads(before);
}

TEST_CASE("every op gives the same result on the CPU and on CUDA, gradients included") {
  if (const std::string reason = cuda_unavailable_reason(); !reason.empty()) {
    MESSAGE("skipped: " << reason);
    return;
  }
  for (const Row& row : op_table()) {
    CAPTURE(row.op);
    for (const auto& shapes : {row.shapes, row.large}) {
      const auto host = value_and_gradients(row, make_inputs(shapes, row.low, row.high, DType::float64));
      const auto device =
          value_and_gradients(row, make_inputs(shapes, row.low, row.high, DType::float64, Device::cuda));
      for (size_t i = 0; i < host.size(); ++i) CHECK_EMPTY(difference(device[i], host[i], {1e-9, 1e-10}));
    }
  }
}
