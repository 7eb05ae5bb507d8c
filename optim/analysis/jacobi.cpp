// SPDX-License-Identifier: MIT
#include "optim/analysis/jacobi.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace minima::optim::detail {

namespace {

// Rows p and q turned by the angle of cosine c and sine s.
void rotate_rows(Matrix& m, size_t p, size_t q, double c, double s) {
  double *row_p = m[p].data(), *row_q = m[q].data();
  for (size_t i = 0; i < m.size(); ++i) {
    const double x = row_p[i], y = row_q[i];
    row_p[i] = c * x - s * y;
    row_q[i] = s * x + c * y;
  }
}

// The rotation of rows and columns that makes a[p][q] zero, and the same of the rows of v.
void annihilate(Matrix& a, Matrix& v, size_t p, size_t q) {
  const double pp = a[p][p], qq = a[q][q], pq = a[p][q], angle = (qq - pp) / (2 * pq);
  const double t = (angle >= 0 ? 1 : -1) / (std::abs(angle) + std::sqrt(angle * angle + 1));
  const double c = 1 / std::sqrt(t * t + 1), s = t * c;
  rotate_rows(a, p, q, c, s);
  for (size_t i = 0; i < a.size(); ++i) {  // columns, by symmetry
    a[i][p] = a[p][i];
    a[i][q] = a[q][i];
  }
  a[p][p] = pp - t * pq;
  a[q][q] = qq + t * pq;
  a[p][q] = a[q][p] = 0;
  rotate_rows(v, p, q, c, s);
}

double squared_off_diagonal(const Matrix& a) {
  double sum = 0;
  for (size_t p = 0; p < a.size(); ++p)
    for (size_t q = 0; q < p; ++q) sum += 2 * a[p][q] * a[p][q];
  return sum;
}

}  // namespace

Eigensystem symmetric_eigensystem(Matrix a) {
  const size_t n = a.size();
  Matrix v(n, std::vector<double>(n, 0));
  for (size_t i = 0; i < n; ++i) v[i][i] = 1;
  double squared = 0;
  for (const auto& row : a)
    for (const double x : row) squared += x * x;
  for (int sweep = 0; sweep < 50 && squared_off_diagonal(a) > 1e-32 * squared; ++sweep)
    for (size_t p = 0; p < n; ++p)
      for (size_t q = p + 1; q < n; ++q)
        if (a[p][q] != 0) annihilate(a, v, p, q);
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t i, size_t k) { return a[i][i] > a[k][k]; });
  Eigensystem system;
  for (const size_t i : order) {
    system.values.push_back(a[i][i]);
    system.vectors.push_back(v[i]);
  }
  return system;
}

}  // namespace minima::optim::detail
