// What the graph keeps alive, and that it lets go.
#include <functional>

#include "autograd/hessian.h"
#include "autograd/ops.h"
#include "autograd/record.h"
#include "core/ops.h"
#include "tests/check.h"

using namespace minima;
using namespace minima::test;

namespace {

constexpr int64_t megabyte = 1 << 20;
const Shape one_megabyte{megabyte / 4};

int64_t bytes_in_use() { return memory_statistics().bytes_in_use; }
int64_t live_tensors() { return memory_statistics().live_tensors; }

Variable big_leaf() { return Variable(Tensor::full(one_megabyte, 0.5), requires_grad); }

// Bytes that f's result keeps alive besides its own value and what was there before, in megabytes.
double kept_megabytes(const std::function<Variable()>& f) {
  const int64_t before = bytes_in_use();
  const Variable y = f();
  return static_cast<double>(bytes_in_use() - before - y.numel() * 4) / megabyte;
}

bool about(double megabytes, double expected) { return std::abs(megabytes - expected) < 0.2; }

}  // namespace

TEST_CASE("activations are released while backward goes on") {
  const Variable x = big_leaf();
  const int64_t before = bytes_in_use();
  int64_t at_the_end = 0;
  Variable y = autograd::record("probe", x.value().clone(), {x}, [&](const autograd::Context& c) {
    at_the_end = bytes_in_use();
    return c.grad;
  });
  for (int i = 0; i < 30; ++i) y = tanh(y);
  Variable loss = sum(y);
  y = Variable();
  CHECK(bytes_in_use() - before >= 30 * megabyte);
  reset_peak_memory();
  const int64_t start = bytes_in_use();
  loss.backward();
  CHECK(memory_statistics().peak_bytes_in_use - start <= 5 * megabyte);
  CHECK(at_the_end - before <= 5 * megabyte);
  CHECK(bytes_in_use() - before <= 1.2 * megabyte);  // x's gradient, while the loss is still held
}

TEST_CASE("an op keeps no more than its rule needs") {
  const Variable x = big_leaf(), y = big_leaf(), constant(Tensor::full(one_megabyte, 2));
  CHECK(about(kept_megabytes([&] { return (x * 2) + (y * 3); }), 0));        // add: nothing
  CHECK(about(kept_megabytes([&] { return relu(x * 2); }), 0));              // relu: its output alone
  CHECK(about(kept_megabytes([&] { return exp(x * 2); }), 0));               // exp: likewise
  CHECK(about(kept_megabytes([&] { return reshape(x * 2, {2, -1}); }), 0));  // reshape: a view
  CHECK(about(kept_megabytes([&] { return sin(x * 2); }), 1));               // sin: its input
  CHECK(about(kept_megabytes([&] { return (x * 2) * (y * 3); }), 2));        // multiply: both
  CHECK(about(kept_megabytes([&] { return (x * 2) * constant; }), 0));       // ... but only where the other is wanted
  CHECK(about(kept_megabytes([&] { return (x * 2) / constant * 2; }), 0));   // divide: neither x nor the quotient
  CHECK(about(kept_megabytes([&] { return sum(x * 2); }), 0));
}

TEST_CASE("no gradient is computed for a constant input of linear, matmul and conv2d") {
  const Variable x(Tensor::full({1000, 1000}, 0.5)), images(Tensor::full({10, 160, 160, 1}, 0.5));
  Variable weight(Tensor::full({2, 1000}, 0.5), requires_grad), kernel(Tensor::full({1, 3, 3, 1}, 0.5), requires_grad);
  const std::function<Variable()> products[] = {
      [&] { return sum(linear(x, weight, Variable())); },
      [&] { return sum(matmul(x, weight, false, true)); },
      [&] { return sum(matmul(weight, x)); },
      [&] { return sum(slice(conv2d(images, kernel, Variable(), 16), 1, 0, 1)); },
  };
  for (const auto& product : products) {
    const Variable loss = product();
    reset_peak_memory();
    const int64_t before = bytes_in_use();
    loss.backward();
    CHECK(memory_statistics().peak_bytes_in_use - before < megabyte / 2);  // the input's gradient has 1 to 4 MB
  }
}

namespace {
// Everything a training program does with a graph, some of it abandoned half way.
void use_every_way(Variable& x, Variable& w) {
  const Variable loss = sum(square(tanh(matmul(x, w)))) + sum(softmax(x));
  loss.backward(true);
  const auto gradients = grad(loss, {x, w}, {.create_graph = true});
  const auto second = grad(sum(gradients[0] * gradients[0]), {x, w}, {.create_graph = true});
  hvp(loss, {x, w}, {x.value(), w.value()});
  const Variable abandoned = exp(loss * 2);
  const Variable broken =
      autograd::record("broken", autograd::saved(abandoned.value()), {autograd::saved(abandoned)},
                       [](const autograd::Context& c) { return fail("broken", "nothing", "something"), c.grad; });
  error_of([&] { (sum(w) + broken).backward(); });
  error_of([&] { grad(broken, {x}, {.create_graph = true}); });
  sum(second[1]).backward();
  x.zero_grad();
  w.zero_grad();
}
}  // namespace

TEST_CASE("no tensor outlives a loop of backward, create_graph, hvp and failing passes") {
  Variable x(Tensor::full({3, 4}, 0.5), requires_grad), w(Tensor::full({4, 2}, 0.25), requires_grad);
  use_every_way(x, w);
  const int64_t before = live_tensors();
  const int64_t bytes = bytes_in_use();
  for (int i = 0; i < 20; ++i) use_every_way(x, w);
  CHECK(live_tensors() == before);
  CHECK(bytes_in_use() == bytes);
}

TEST_CASE("a step that is repeated takes no more memory from the system") {
  Variable x(Tensor::full({64, 100}, 0.5)), w(Tensor::full({50, 100}, 0.25), requires_grad);
  auto step = [&] {
    w.zero_grad();
    mean(square(tanh(linear(x, w, Variable())))).backward();
  };
  step();
  step();
  const int64_t before = memory_statistics().system_allocations;
  for (int i = 0; i < 10; ++i) step();
  CHECK(memory_statistics().system_allocations == before);
}
