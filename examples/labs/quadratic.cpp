#include "examples/labs/quadratic.h"

#include <cmath>

namespace minima::examples {

Make gradient_descent(const optim::Schedule& lr) {
  return
      [=](std::vector<Variable> w) { return std::make_unique<optim::SGD>(std::move(w), optim::SgdOptions{.lr = lr}); };
}
Make heavy_ball(double lr, double momentum) {
  return [=](std::vector<Variable> w) {
    return std::make_unique<optim::SGD>(std::move(w), optim::SgdOptions{.lr = lr, .momentum = momentum});
  };
}
Make nesterov(double lr, double momentum) {
  return [=](std::vector<Variable> w) {
    return std::make_unique<optim::Nesterov>(std::move(w), optim::SgdOptions{.lr = lr, .momentum = momentum});
  };
}
Make sam(double lr, double rho) {
  return [=](std::vector<Variable> w) {
    return std::make_unique<optim::SAM>(optim::SGD{std::move(w), {.lr = lr}}, optim::SamOptions{.rho = rho});
  };
}
Make msam(double lr, double momentum, const optim::Schedule& rho) {
  return [=](std::vector<Variable> w) {
    return std::make_unique<optim::MSAM>(optim::SGD{std::move(w), {.lr = lr, .momentum = momentum}},
                                         optim::MsamOptions{.rho = rho});
  };
}

std::vector<std::vector<double>> descend(Lab& lab, const std::vector<double>& curvatures, const Make& make,
                                         int64_t steps, double start, double noise) {
  const Variable h(Tensor::from(curvatures));
  const Variable w(Tensor::full(h.shape(), start, DType::float64), requires_grad);
  const auto optimizer = make({w});
  Generator random{1};
  const auto sizes = [&] {
    std::vector<double> values = w.value().to_vector<double>();
    for (double& value : values) value = std::abs(value);
    return values;
  };
  std::vector<std::vector<double>> path{sizes()};
  for (int64_t step = 0; step < steps; ++step) {
    if (step % 1000 == 0) lab.stop_if_interrupted();
    Variable error;
    if (noise > 0) error = Variable(random.normal(h.shape(), 0, noise, DType::float64));
    optimizer->step([&] {
      Variable loss = sum(h * square(w)) / 2;
      if (error.defined()) loss = loss + sum(error * w);
      loss.backward();
      return loss;
    });
    path.push_back(sizes());
  }
  return path;
}

}  // namespace minima::examples
