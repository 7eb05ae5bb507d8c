// The solutions of docs/walkthrough/solutions.md, chapter 10: each number is computed here.
#include <cmath>

#include "examples/walkthrough/walk.h"
#include "tests/check.h"

using namespace minima;
using namespace minima::examples;

TEST_CASE("exercise 10.1: (w1 + w2) w1 at (2, 3) has the gradient (7, 2), a sum in w1") {
  const Variable w1 = weight(2), w2 = weight(3), s = w1 + w2, loss = s * w1;
  CHECK(loss.item() == 10);
  CHECK(grad(loss, {s}, {.retain_graph = true})[0].item() == 2);
  loss.backward();
  CHECK(w1.grad().item() == 7);
  CHECK(w2.grad().item() == 2);
}

TEST_CASE("exercise 10.2: central differences of e^w at 0 are best near h = 6.7e-6, with an error of about 2e-11") {
  const double best = std::cbrt(3e-16);
  CHECK_CLOSE(best, 6.7e-6, {.rtol = 0.01});
  CHECK_CLOSE(best * best / 6 + 1e-16 / best, 2.2e-11, {.rtol = 0.05});
  const auto error = [](double h) { return std::abs((std::exp(h) - std::exp(-h)) / (2 * h) - 1); };
  CHECK(error(best) < 5e-11);
  CHECK(error(1e-4) > 1e-9);  // the formula
  double worst = 0;           // rounding: by chance it may be small at a single h
  for (double h = 1e-9; h < 2e-9; h *= 1.05) worst = std::max(worst, error(h));
  CHECK(worst > 1e-9);
}

TEST_CASE("exercise 10.3: 64-32-10 has 2410 weights, so central differences need 4820 evaluations") {
  nn::Sequential model{nn::Linear{64, 32}, nn::ReLU{}, nn::Linear{32, 10}};
  int64_t weights = 0;
  for (const Variable& p : model.parameters()) weights += p.numel();
  CHECK(weights == 2410);
  CHECK(2 * weights == 4820);
}

TEST_CASE("exercise 10.4: at (1, 1) the Hessian of the valley turns (1, -1) into (0, 0)") {
  const Variable w1 = weight(1), w2 = weight(1);
  const auto product = hvp(square(w1 * w2 - 1) / 2, {w1, w2}, {weight(1).value(), weight(-1).value()});
  CHECK(product[0].item() == 0);
  CHECK(product[1].item() == 0);
}
