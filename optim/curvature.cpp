#include "optim/curvature.h"

#include <algorithm>
#include <cmath>

#include "core/ops.h"
#include "core/random.h"

namespace minima::optim {

namespace {

// Flat vectors and their parts, one a parameter.
class Layout {
 public:
  explicit Layout(const std::vector<Variable>& parameters) : parameters_(parameters) {
    if (parameters_.empty()) fail("curvature", "no parameters", "at least one");
    for (const Variable& parameter : parameters_) {
      if (parameter.dtype() != dtype() || parameter.device() != parameters_[0].device())
        fail("curvature", "parameters of several dtypes or devices", "one of each");
      offsets_.push_back(numel_);
      numel_ += parameter.numel();
    }
  }

  DType dtype() const { return parameters_[0].dtype(); }
  int64_t numel() const { return numel_; }
  const std::vector<Variable>& parameters() const { return parameters_; }
  Tensor zeros() const { return Tensor::zeros({numel_}, dtype(), parameters_[0].device()); }

  /// A part as a view of the flat vector.
  Tensor part(const Tensor& flat, size_t i) const {
    const Variable& parameter = parameters_[i];
    return flat.slice(offsets_[i], offsets_[i] + parameter.numel()).reshape(parameter.shape());
  }
  std::vector<Tensor> split(const Tensor& flat) const {
    std::vector<Tensor> parts;
    for (size_t i = 0; i < parameters_.size(); ++i) parts.push_back(part(flat, i));
    return parts;
  }
  /// The parts of trainable parameters in one vector, zeros elsewhere.
  Tensor join(const std::vector<Tensor>& parts) const {
    Tensor flat = zeros();
    for (size_t i = 0; i < parameters_.size(); ++i)
      if (parameters_[i].requires_grad()) part(flat, i).copy_from(parts[i]);
    return flat;
  }
  void check(const char* where, const Tensor& flat) const {
    if (flat.shape() != Shape{numel_} || flat.dtype() != dtype())
      fail(where, text("a vector of ", name_of(flat.dtype()), " ", flat.shape()),
           text(name_of(dtype()), " ", Shape{numel_}, ", one element for each of the parameters'"));
  }

 private:
  std::vector<Variable> parameters_;
  std::vector<int64_t> offsets_;
  int64_t numel_ = 0;
};

Variable recorded(const LossFunction& loss) {
  EnableGrad recording;
  return loss();
}

Tensor product(const Variable& loss, const Layout& layout, const Tensor& vector) {
  return layout.join(hvp(loss, layout.parameters(), layout.split(vector)));
}

Tensor scaled(const Tensor& x, double factor) { return core::unary(UnaryOp::affine, x, factor, 0); }

// The largest eigenvalue of a small symmetric matrix and its unit eigenvector, by Jacobi's rotations: each annihilates
// one element off the diagonal.
struct Pair {
  double value;
  std::vector<double> vector;
};
Pair largest_pair(std::vector<std::vector<double>> a) {
  const size_t n = a.size();
  std::vector<std::vector<double>> v(n, std::vector<double>(n, 0));
  for (size_t i = 0; i < n; ++i) v[i][i] = 1;
  const auto rotate = [n](std::vector<std::vector<double>>& m, size_t p, size_t q, double c, double s) {  // columns
    for (size_t i = 0; i < n; ++i) {
      const double x = m[i][p], y = m[i][q];
      m[i][p] = c * x - s * y;
      m[i][q] = s * x + c * y;
    }
  };
  for (int sweep = 0; sweep < 50; ++sweep) {
    double off = 0, all = 0;
    for (size_t p = 0; p < n; ++p)
      for (size_t q = 0; q < n; ++q) all += a[p][q] * a[p][q], off += p == q ? 0 : a[p][q] * a[p][q];
    if (off <= 1e-32 * all) break;
    for (size_t p = 0; p < n; ++p) {
      for (size_t q = p + 1; q < n; ++q) {
        if (a[p][q] == 0) continue;
        const double angle = (a[q][q] - a[p][p]) / (2 * a[p][q]);
        const double t = (angle >= 0 ? 1 : -1) / (std::abs(angle) + std::sqrt(angle * angle + 1));
        const double c = 1 / std::sqrt(t * t + 1), s = t * c;
        rotate(a, p, q, c, s);
        for (size_t i = 0; i < n; ++i) {  // and the same for rows
          const double x = a[p][i], y = a[q][i];
          a[p][i] = c * x - s * y;
          a[q][i] = s * x + c * y;
        }
        rotate(v, p, q, c, s);
      }
    }
  }
  size_t best = 0;
  for (size_t i = 1; i < n; ++i)
    if (a[i][i] > a[best][best]) best = i;
  Pair pair{a[best][best], std::vector<double>(n)};
  for (size_t i = 0; i < n; ++i) pair.vector[i] = v[i][best];
  return pair;
}

// A random unit vector with zeros where parameters are frozen.
Tensor start_vector(const Layout& layout, uint64_t seed) {
  const Device device = layout.parameters()[0].device();
  const Tensor noise = Generator{seed}.normal({layout.numel()}, 0, 1, layout.dtype(), device);
  const Tensor trainable = layout.join(layout.split(noise));
  const double norm = core::norm(trainable);
  if (norm == 0) fail("largest_eigenvalue", "no trainable parameter", "at least one that requires a gradient");
  return scaled(trainable, 1 / norm);
}

}  // namespace

Eigenvalue largest_eigenvalue(const LossFunction& loss, const std::vector<Variable>& parameters,
                              const LanczosOptions& options) {
  if (options.max_iterations < 1)
    fail("largest_eigenvalue", text("max_iterations = ", options.max_iterations), "at least 1");
  const Layout layout(parameters);
  const Variable value = recorded(loss);
  std::vector<Tensor> basis{start_vector(layout, options.seed)};
  std::vector<double> diagonal, off_diagonal;
  Pair ritz;
  for (int k = 0;; ++k) {
    Tensor next = product(value, layout, basis.back());
    diagonal.push_back(core::dot(basis.back(), next));
    // In exact arithmetic the last two vectors would do. In floating point the basis must be kept orthogonal to all.
    for (int twice = 0; twice < 2; ++twice)
      for (const Tensor& vector : basis) core::add_scaled(next, -core::dot(vector, next), vector);
    const double beta = core::norm(next);

    std::vector<std::vector<double>> projected(diagonal.size(), std::vector<double>(diagonal.size(), 0));
    for (size_t i = 0; i < diagonal.size(); ++i) projected[i][i] = diagonal[i];
    for (size_t i = 0; i < off_diagonal.size(); ++i) projected[i][i + 1] = projected[i + 1][i] = off_diagonal[i];
    ritz = largest_pair(std::move(projected));
    const double estimate = beta * std::abs(ritz.vector.back());  // of |H u - value u|
    if (!(estimate > options.tolerance * std::abs(ritz.value)) || k + 1 == options.max_iterations) break;
    off_diagonal.push_back(beta);
    basis.push_back(scaled(next, 1 / beta));
  }

  Tensor u = layout.zeros();
  for (size_t i = 0; i < basis.size(); ++i) core::add_scaled(u, ritz.vector[i], basis[i]);
  Tensor error = product(value, layout, u);
  const double squared = core::dot(u, u), eigenvalue = core::dot(u, error) / squared;
  core::add_scaled(error, -eigenvalue, u);
  const double distance = core::norm(error) / std::sqrt(squared);
  return {.value = eigenvalue,
          .residual = distance == 0 ? 0 : distance / std::abs(eigenvalue),
          .iterations = static_cast<int>(basis.size())};
}

Tensor hessian_vector_product(const LossFunction& loss, const std::vector<Variable>& parameters, const Tensor& vector) {
  const Layout layout(parameters);
  layout.check("hessian_vector_product", vector);
  return product(recorded(loss), layout, layout.join(layout.split(vector)));
}

Tensor flat_gradient(const LossFunction& loss, const std::vector<Variable>& parameters) {
  const Layout layout(parameters);
  std::vector<Tensor> gradients;
  for (const Variable& gradient : grad(recorded(loss), parameters)) gradients.push_back(gradient.value());
  return layout.join(gradients);
}

Sharpness sharpness(const LossFunction& loss, const std::vector<Variable>& parameters, const Tensor& direction,
                    double rho) {
  const Layout layout(parameters);
  layout.check("sharpness", direction);
  if (!(rho > 0 && std::isfinite(rho))) fail("sharpness", text("rho = ", rho), "a finite number above 0");
  const Tensor along = layout.join(layout.split(direction));
  const double norm = core::norm(along);
  if (!(norm > 0 && std::isfinite(norm)))
    fail("sharpness", text("a direction of norm ", norm), "a finite one above 0",
         "A momentum buffer is zero before the first step.");
  struct Restore {  // also when the loss throws
    const std::vector<Variable>& parameters;
    std::vector<Tensor> saved{};
    explicit Restore(const std::vector<Variable>& parameters) : parameters(parameters) {
      for (const Variable& parameter : parameters) saved.push_back(parameter.value().clone());
    }
    void back() const {
      for (size_t i = 0; i < saved.size(); ++i) Tensor(parameters[i].value()).copy_from(saved[i]);
    }
    ~Restore() { back(); }
  } restore(parameters);
  NoGrad evaluating;
  const auto loss_at = [&](double distance) {
    for (size_t i = 0; i < parameters.size(); ++i) {
      Tensor weight = parameters[i].value();
      if (parameters[i].requires_grad()) core::add_scaled(weight, distance / norm, layout.part(along, i));
    }
    const double found = loss().item();
    restore.back();
    return found;
  };
  return {.loss = loss().item(), .ahead = loss_at(rho), .behind = loss_at(-rho)};
}

}  // namespace minima::optim
