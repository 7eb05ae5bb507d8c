// The names of the hyperparameters, once: for inheritance between groups and for saved states. Internal.
#pragma once

namespace minima::optim {

/// Calls f(name, field of a, field of b) for each hyperparameter; a and b are Hyperparameters or GroupOptions.
template <class A, class B, class F>
void for_each_hyperparameter(A& a, B& b, F f) {
  f("lr", a.lr, b.lr);
  f("momentum", a.momentum, b.momentum);
  f("rho", a.rho, b.rho);
  f("weight_decay", a.weight_decay, b.weight_decay);
  f("dampening", a.dampening, b.dampening);
  f("beta1", a.beta1, b.beta1);
  f("beta2", a.beta2, b.beta2);
  f("epsilon", a.epsilon, b.epsilon);
}

}  // namespace minima::optim
