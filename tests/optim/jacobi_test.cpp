#include "optim/analysis/jacobi.h"

#include <algorithm>

#include "core/random.h"
#include "tests/check.h"

using namespace minima;
using optim::detail::Matrix;
using Vector = std::vector<double>;

namespace {

Vector times(const Matrix& a, const Vector& x) {
  Vector product(a.size(), 0);
  for (size_t i = 0; i < a.size(); ++i)
    for (size_t j = 0; j < x.size(); ++j) product[i] += a[i][j] * x[j];
  return product;
}

}  // namespace

TEST_CASE("Jacobi's rotations diagonalise any symmetric matrix: A v = value v, v orthonormal, largest first") {
  Generator random{8};
  for (const size_t n : {1, 2, 3, 10, 40}) {
    CAPTURE(n);
    Matrix a(n, Vector(n));
    for (size_t i = 0; i < n; ++i)
      for (size_t j = 0; j <= i; ++j) a[i][j] = a[j][i] = random.normal({1}).item();
    const auto [values, vectors] = optim::detail::symmetric_eigensystem(a);
    CHECK(std::is_sorted(values.rbegin(), values.rend()));
    for (size_t i = 0; i < n; ++i) {
      Vector expected = vectors[i];
      for (double& x : expected) x *= values[i];
      CHECK_CLOSE(times(a, vectors[i]), expected, {.rtol = 0, .atol = 1e-13});
      Vector unit(n, 0);
      unit[i] = 1;
      CHECK_CLOSE(times(vectors, vectors[i]), unit, {.rtol = 0, .atol = 1e-13});
    }
  }
  CHECK(optim::detail::symmetric_eigensystem({{2, 0}, {0, 2}}).values == Vector{2, 2});
  CHECK_CLOSE(optim::detail::symmetric_eigensystem({{1, 1}, {1, 1}}).values, Vector({2, 0}), {.atol = 1e-15});
}
