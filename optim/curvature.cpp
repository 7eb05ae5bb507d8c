#include "optim/curvature.h"

#include <algorithm>
#include <cmath>

#include "core/ops.h"
#include "core/random.h"

namespace minima::optim {

namespace {

// Flat vectors over all parameters, and their parts that belong to trainable ones.
class Layout {
 public:
  explicit Layout(const std::vector<Variable>& parameters) {
    if (parameters.empty()) fail("curvature", "no parameters", "at least one");
    for (const Variable& parameter : parameters) {
      if (parameter.dtype() != parameters[0].dtype() || parameter.device() != parameters[0].device())
        fail("curvature", "parameters of several dtypes or devices", "one of each");
      if (parameter.requires_grad()) {
        trainable_.push_back(parameter);
        dimension_ += parameter.numel();
        offsets_.push_back(numel_);
      }
      numel_ += parameter.numel();
    }
    if (trainable_.empty()) fail("curvature", "no trainable parameter", "at least one that requires a gradient");
  }

  const std::vector<Variable>& trainable() const { return trainable_; }
  DType dtype() const { return trainable_[0].dtype(); }
  Device device() const { return trainable_[0].device(); }
  int64_t numel() const { return numel_; }
  int64_t dimension() const { return dimension_; }  // of the space in which anything moves
  Tensor zeros() const { return Tensor::zeros({numel_}, dtype(), device()); }

  /// The part of trainable parameter i, a view of the flat vector.
  Tensor part(const Tensor& flat, size_t i) const {
    return flat.slice(offsets_[i], offsets_[i] + trainable_[i].numel()).reshape(trainable_[i].shape());
  }
  std::vector<Tensor> split(const Tensor& flat) const {
    std::vector<Tensor> parts;
    parts.reserve(trainable_.size());
    for (size_t i = 0; i < trainable_.size(); ++i) parts.push_back(part(flat, i));
    return parts;
  }
  /// One vector of the parts, zeros where parameters are frozen.
  Tensor join(const std::vector<Tensor>& parts) const {
    Tensor flat = zeros();
    for (size_t i = 0; i < trainable_.size(); ++i) part(flat, i).copy_from(parts[i]);
    return flat;
  }
  Tensor without_frozen(const Tensor& flat) const { return join(split(flat)); }
  void check(const char* where, const Tensor& flat) const {
    if (flat.shape() != Shape{numel_} || flat.dtype() != dtype())
      fail(where, text("a vector of ", name_of(flat.dtype()), " ", flat.shape()),
           text(name_of(dtype()), " ", Shape{numel_}, ", one element for each of the parameters'"));
  }

 private:
  std::vector<Variable> trainable_;
  std::vector<int64_t> offsets_;
  int64_t numel_ = 0, dimension_ = 0;
};

Variable recorded(const LossFunction& loss) {
  EnableGrad recording;
  return loss();
}

Tensor product(const Variable& loss, const Layout& layout, const Tensor& vector) {
  return layout.join(hvp(loss, layout.trainable(), layout.split(vector)));
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

Tensor random_unit_vector(const Layout& layout, uint64_t seed) {
  const Tensor noise = Generator{seed}.normal({layout.numel()}, 0, 1, layout.dtype(), layout.device());
  const Tensor vector = layout.without_frozen(noise);
  return scaled(vector, 1 / core::norm(vector));
}

}  // namespace

Eigenvalue largest_eigenvalue(const LossFunction& loss, const std::vector<Variable>& parameters,
                              const LanczosOptions& options) {
  if (options.max_iterations < 1)
    fail("largest_eigenvalue", text("max_iterations = ", options.max_iterations), "at least 1");
  const Layout layout(parameters);
  const int64_t most = std::min<int64_t>(options.max_iterations, layout.dimension());
  const Variable here = recorded(loss);
  std::vector<Tensor> basis{random_unit_vector(layout, options.seed)};
  std::vector<double> diagonal, off_diagonal;
  Pair ritz;
  for (;;) {
    Tensor next = product(here, layout, basis.back());
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
    if (!(estimate > options.tolerance * std::abs(ritz.value)) || std::ssize(basis) == most) break;
    off_diagonal.push_back(beta);
    basis.push_back(scaled(next, 1 / beta));
  }

  Tensor u = layout.zeros();
  for (size_t i = 0; i < basis.size(); ++i) core::add_scaled(u, ritz.vector[i], basis[i]);
  Tensor error = product(here, layout, u);
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
  return product(recorded(loss), layout, vector);
}

Tensor flat_gradient(const LossFunction& loss, const std::vector<Variable>& parameters) {
  const Layout layout(parameters);
  std::vector<Tensor> gradients;
  for (const Variable& gradient : grad(recorded(loss), layout.trainable())) gradients.push_back(gradient.value());
  return layout.join(gradients);
}

Sharpness sharpness(const LossFunction& loss, const std::vector<Variable>& parameters, const Tensor& direction,
                    double rho) {
  const Layout layout(parameters);
  layout.check("sharpness", direction);
  if (!(rho > 0 && std::isfinite(rho))) fail("sharpness", text("rho = ", rho), "a finite number above 0");
  const Tensor along = layout.without_frozen(direction);
  const double norm = core::norm(along);
  if (!(norm > 0 && std::isfinite(norm)))
    fail("sharpness", text("a direction of norm ", norm), "a finite one above 0",
         "A momentum buffer is zero before the first step.");
  struct Restore {  // also when the loss throws
    const std::vector<Variable>& weights;
    std::vector<Tensor> saved{};
    explicit Restore(const std::vector<Variable>& weights) : weights(weights) {
      for (const Variable& weight : weights) saved.push_back(weight.value().clone());
    }
    void back() const {
      for (size_t i = 0; i < saved.size(); ++i) Tensor(weights[i].value()).copy_from(saved[i]);
    }
    ~Restore() { back(); }
  } restore(layout.trainable());
  NoGrad evaluating;
  const auto loss_at = [&](double distance) {
    for (size_t i = 0; i < layout.trainable().size(); ++i) {
      Tensor weight = layout.trainable()[i].value();
      core::add_scaled(weight, distance / norm, layout.part(along, i));
    }
    const double found = loss().item();
    restore.back();
    return found;
  };
  return {.loss = loss().item(), .ahead = loss_at(rho), .behind = loss_at(-rho)};
}

}  // namespace minima::optim
