// An optimizer in a group of one process: the way of several ranks, with nobody else on it. Several: tests/distributed.
#include "tests/check.h"
#include "tests/optim/problem.h"

using namespace minima;
using namespace minima::test;

TEST_CASE("in a group of one every optimizer moves the weights to the same bits as without a group") {
  for_every_optimizer([&](const std::string& wrapper, const std::string& base) {
    std::vector<std::vector<double>> weights;
    GroupOfOne group;
    for (const bool together : {false, true}) {
      const std::vector<Variable> parameters{leaf({0.5, -1, 2}), leaf({1.5, 0.25})};
      const auto optimizer = wrap(wrapper, make_base(base, parameters), 0.1);
      if (together) optimizer->distribute(group);
      double loss = 0;
      for (int i = 0; i < 7; ++i) loss = optimizer->step(training([&] { return rugged(parameters); })).item();
      weights.push_back(optimizer->kept().flat.weights().to_vector<double>());
      weights.back().push_back(loss);
      if (together) CHECK(group.count().all_reduces == optimizer->gradient_evaluations());
    }
    CHECK(weights[0] == weights[1]);
  });
}

TEST_CASE("a saved state says nothing of the group") {
  GroupOfOne group;
  std::vector<std::string> names;
  for (const bool together : {false, true}) {
    const std::vector<Variable> parameters{leaf({0.5, -1, 2})};
    optim::SGD optimizer{parameters, {.lr = 0.1, .momentum = 0.9}};
    if (together) optimizer.distribute(group);
    optimizer.step(training([&] { return rugged(parameters); }));
    std::string all;
    for (const auto& [name, tensor] : optimizer.state().tensors) all += name + " ";
    names.push_back(all);
  }
  CHECK(names[0] == names[1]);
}

TEST_CASE("in a group of one a closure without a loss is an error, as there is nobody else to have one") {
  GroupOfOne group;
  optim::SGD optimizer{{leaf({1, 2})}, {.lr = 0.1}};
  CHECK_ERROR(optimizer.step([] { return Variable(); }), "[sgd] got a closure that returns nothing");
  optimizer.distribute(group);
  CHECK_ERROR(optimizer.step([] { return Variable(); }), "[sgd] got a batch of which no rank has a part");
}
