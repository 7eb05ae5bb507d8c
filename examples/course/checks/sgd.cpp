// Assignment 3: gradient descent, momentum, Nesterov.
#include "examples/course/checks/checks.h"

namespace minima::examples::course {

void check_sgd(Checks& checks) {
  checks.claim(10, "gradient descent: from 4, with gradient 3 and lr 0.1, the weight goes to 3.7",
               [] { return differs(driven<optim::SGD>({.lr = 0.1}, {3}, 4), {3.7}, 1e-14); });
  checks.path_as_library(10, "gradient descent takes the library's path",
                         [] { return path<optim::SGD>({.lr = 0.02, .weight_decay = 0.1}, 30); });
  checks.claim(10, "momentum 0.9: equal gradients add up to a velocity of 1, 1.9, 2.71", [] {
    return differs(driven<optim::SGD>({.lr = 1.0, .momentum = 0.9}, {1, 1, 1}), {-1, -2.9, -5.61}, 1e-13);
  });
  checks.claim(10, "lr stands outside the velocity: when lr falls to almost 0 the weight stops at once", [] {
    const optim::Schedule falling = [](int64_t step) { return step < 2 ? 0.1 : 1e-12; };
    const Numbers w = driven<optim::SGD>({.lr = falling, .momentum = 0.9}, {1, 1, 0, 0});
    return differs(w, {-0.1, -0.29, -0.29, -0.29}, 1e-9);
  });
  checks.path_as_library(15, "momentum takes the library's path",
                         [] { return path<optim::SGD>({.lr = 0.01, .momentum = 0.9}, 60); });
  checks.path_as_library(10, "momentum with weight decay takes the library's path",
                         [] { return path<optim::SGD>({.lr = 0.01, .momentum = 0.9, .weight_decay = 0.2}, 60); });
  checks.path_as_library(5, "dampening takes the library's path",
                         [] { return path<optim::SGD>({.lr = 0.01, .momentum = 0.9, .dampening = 0.4}, 30); });
  checks.path_as_library(15, "Nesterov takes the library's path",
                         [] { return path<optim::Nesterov>({.lr = 0.01, .momentum = 0.9, .weight_decay = 0.1}, 60); });
  checks.claim(15, "Nesterov's weights are the look-ahead points of the original method", [] {
    const double lr = 0.01, mu = 0.9;
    const std::vector<Variable> w = three_tensors();
    optim::Nesterov optimizer{w, {.lr = lr, .momentum = mu}};
    Numbers original = values_of(w), v(original.size(), 0);
    for (int i = 0; i < 60; ++i) {
      const Numbers g = rugged_gradient(plus(original, -lr * mu, v));
      for (size_t k = 0; k < v.size(); ++k) v[k] = mu * v[k] + g[k];
      original = plus(original, -lr, v);
      optimizer.step(training(w));
    }
    return differs(values_of(w), plus(original, -lr * mu, v), 1e-11);
  });
}

}  // namespace minima::examples::course
