// Functions of one element and their gradients against PyTorch, at zero, at huge numbers and at infinity.
#include "autograd/ops.h"
#include "core/safetensors.h"
#include "tests/check.h"

using namespace minima;

namespace {

using Values = std::vector<double>;
using Unary = Variable (*)(const Variable&);

struct Function {
  const char* name;  // in the file
  Unary f;
  // Where a result near 0 is a difference of numbers near 1, float32 keeps their absolute precision.
  bool is_difference = false;
};

const Function functions[] = {
    {"exp", exp},
    {"log", log},
    {"log1p", log1p},
    {"sqrt", sqrt},
    {"abs", abs},
    {"sin", sin},
    {"cos", cos},
    {"tanh", tanh, true},
    {"sigmoid", sigmoid, true},
    {"softplus", softplus},
    {"relu", relu},
    {"erf", erf},
    {"gelu", gelu, true},
    {"square", square},
    {"pow_0", [](const Variable& x) { return pow(x, 0); }},
    {"pow_quarter", [](const Variable& x) { return pow(x, 0.25); }},
    {"pow_3", [](const Variable& x) { return pow(x, 3); }},
    {"pow_-1", [](const Variable& x) { return pow(x, -1); }},
    {"reciprocal", [](const Variable& x) { return 1 / x; }},
};

Values gradient(const Variable& y, const Variable& x) {
  return grad(sum(y), {x}, {.retain_graph = true})[0].value().to_vector<double>();
}

}  // namespace

// tests/golden/generate_autograd.py makes the table.
TEST_CASE("functions of one element and their gradients are PyTorch's at zeros, huge numbers and infinities") {
  const Archive table = load_safetensors(text(MINIMA_TEST_DATA, "/autograd/special_values.safetensors"));
  for (const DType dtype : {DType::float32, DType::float64}) {
    const Variable x(table.tensor("x").to(dtype), requires_grad);
    for (const auto& [name, f, is_difference] : functions) {
      // Numbers below the normal range have few digits.
      test::Tolerance tolerance{1e-13, is_difference ? 1e-16 : 1e-300};
      if (dtype == DType::float32) tolerance = {2e-6, is_difference ? 6e-8 : 1e-37};
      INFO(std::string(name) << " in " << name_of(dtype) << " at " << joined(x.value().to_vector<double>()));
      const Variable y = f(x);
      CHECK_CLOSE(y.value(), table.tensor(name).to(dtype), {tolerance.rtol, tolerance.atol});
      CHECK_CLOSE(gradient(y, x), table.tensor(text(name, ".grad")).to(dtype).to_vector<double>(),
                  {tolerance.rtol, tolerance.atol});
    }
  }
}
