// Assignment 2: the driver of backward().
#include <cmath>

#include "core/storage.h"
#include "examples/course/checks/checks.h"

namespace minima::examples::course {

namespace {

std::string gradient_is(const Variable& x, const Numbers& expected) {
  return x.has_grad() ? differs(x.grad().to_vector<double>(), expected, 1e-12) : "no gradient arrived";
}

/// "" if f throws an Error.
std::string refused(const std::function<void()>& f, const std::string& what) {
  try {
    f();
  } catch (const Error&) { return ""; }
  return what + " is not refused";
}

}  // namespace

void check_backward(Checks& checks) {
  checks.claim(10, "along a chain of ops the derivatives multiply", [] {
    const Variable w = leaf({0.4, -1.1});
    sum(tanh(3 * w)).backward();
    return gradient_is(w, {3 * (1 - std::pow(std::tanh(1.2), 2)), 3 * (1 - std::pow(std::tanh(-3.3), 2))});
  });
  checks.claim(15, "a variable that is used several times receives the sum over all uses", [] {
    const Variable w = leaf({2, -3});
    sum(w * w + 5 * w + exp(0 * w) * w).backward();
    return gradient_is(w, {2 * 2 + 5 + 1, 2 * -3 + 5 + 1});
  });
  checks.claim(15, "shared gradients are not changed by another sum, in either order of a residual connection", [] {
    for (const bool swapped : {false, true}) {
      const Variable a = leaf({1}), b = leaf({1});
      const Variable h = a * 1.0, k = b * 1.0;
      sum(swapped ? 3 * h + (k + h) : (h + k) + 3 * h).backward();
      std::string problem = gradient_is(a, {4});
      if (problem.empty()) problem = gradient_is(b, {1});
      if (!problem.empty()) return problem;
    }
    return std::string();
  });
  checks.claim(10, "a second backward() adds to the gradient, after zero_grad() it replaces it", [] {
    const Variable w = leaf({3});
    sum(2 * w).backward();
    sum(5 * w).backward();
    std::string problem = gradient_is(w, {7});
    Variable handle = w;
    handle.zero_grad();
    sum(4 * w).backward();
    if (problem.empty()) problem = gradient_is(w, {4});
    Tensor memory = Tensor::zeros({1}, DType::float64);
    handle.bind_grad(memory);
    handle.zero_grad();
    sum(6 * w).backward();
    sum(w).backward();
    return problem.empty() ? differs(memory.to_vector<double>(), {7}) : problem;
  });
  checks.claim(15, "a chain of 100,000 ops works", [] {
    const Variable w = leaf({1});
    Variable y = w;
    for (int i = 0; i < 100000; ++i) y = y + 1e-6;
    sum(y * y).backward();
    return w.has_grad() ? differs(w.grad().to_vector<double>(), {2 * 1.1}, 1e-9) : "no gradient arrived";
  });
  checks.claim(5, "a constant, a frozen leaf and one that the loss does not reach get nothing, the others do", [] {
    const Variable w = leaf({2}), unused = leaf({1}), constant(Tensor::full({1}, 3.0, DType::float64));
    Variable frozen = leaf({4});
    frozen.set_requires_grad(false);
    sum(w * frozen * constant).backward();
    if (unused.has_grad() || frozen.has_grad()) return std::string("a gradient arrived where none belongs");
    return gradient_is(w, {12});
  });
  checks.claim(10, "grad() returns gradients of inner variables too, and leaves the leaves alone", [] {
    const Variable w = leaf({2}), inner = w * w, loss = sum(inner * inner * w);
    const std::vector<Variable> found = grad(loss, {inner, w}, {.retain_graph = true});
    if (w.has_grad()) return std::string("grad() put a gradient into a leaf");
    return differs({found[0].item(), found[1].item()}, {2 * 4 * 2, 5 * 16}, 1e-12);
  });
  checks.claim(10, "with create_graph the gradient can be differentiated again", [] {
    const Variable w = leaf({2});
    const Variable first = grad(sum(w * w * w), {w}, {.create_graph = true})[0];
    const Variable second = grad(sum(first), {w}, {.create_graph = true})[0];
    const Variable third = grad(sum(second), {w})[0];
    return differs({first.item(), second.item(), third.item()}, {12, 12, 6}, 1e-12);
  });
  checks.claim(5, "a second pass through a freed graph is refused, through a kept one it is right", [] {
    const Variable w = leaf({3}), loss = sum(w * w);
    loss.backward(/*retain_graph=*/true);
    loss.backward();
    const std::string problem = gradient_is(w, {12});
    return problem.empty() ? refused([&] { loss.backward(); }, "a third pass") : problem;
  });
  checks.claim(5, "after backward() nothing but the gradient and the loss is alive", [] {
    const Variable w = leaf(Numbers(1000, 0.1));
    sum(w * w).backward();
    const int64_t before = memory_statistics().live_tensors;
    Variable y = w;
    for (int i = 0; i < 50; ++i) y = tanh(y * w);
    Variable loss = sum(y);
    y = Variable();
    loss.backward();
    const int64_t alive = memory_statistics().live_tensors - before;
    return alive <= 1 ? std::string() : text(alive - 1, " tensors of the graph are still alive");
  });
}

}  // namespace minima::examples::course
