// Batch norm over the parts of all ranks is batch norm over the joined batch.
#include "nn/batch_norm.h"

#include "core/ops.h"
#include "nn/checkpoint.h"
#include "nn/layers.h"
#include "tests/distributed/ranks.h"
#include "tests/optim/problem.h"

using namespace minima;
using namespace minima::test;

namespace {

nn::Sequential network() {
  manual_seed(5);
  nn::Sequential model{nn::Conv2d{2, 3, 3},      nn::BatchNorm2d{3}, nn::ReLU{}, nn::Flatten{},
                       nn::Linear{3 * 4 * 4, 5}, nn::BatchNorm1d{5}, nn::Tanh{}, nn::Linear{5, 4}};
  model.to(DType::float64);
  return model;
}

std::vector<double> all_of(nn::Module& model) {
  std::vector<double> all;
  for (const auto& [name, tensor] : nn::state(model).tensors)
    for (const double value : tensor.to_vector<double>()) all.push_back(value);
  return all;
}

}  // namespace

TEST_CASE("synchronised batch norm equals the joined batch's, its gradients too, to 1e-12") {
  for (const bool after : {false, true}) {
    CAPTURE(after);
    const Samples batch = samples({9, 5}, 3);
    const Tensor ahead = samples({9, 5}, 4).x, weight_of = samples({9, 5}, 5).x;
    const auto run = [&](const Samples& rows, const Tensor& residual, const Tensor& how, Communicator* together) {
      nn::BatchNorm1d layer{5};
      layer.to(DType::float64);
      layer.weight.set_value(Tensor::from(std::vector<double>{1, 2, -1, 0.5, 3}));
      layer.bias.set_value(Tensor::from(std::vector<double>{0, 1, 2, -1, 0.25}));
      layer.group = together;
      Variable x(rows.x.clone(), requires_grad), r(residual.clone(), requires_grad);
      const Epilogue epilogue = after ? Epilogue{.residual = r, .activation = Activation::relu} : Epilogue{};
      const Variable y = layer(x, epilogue);
      (sum(y * Variable(how) + square(y))).backward();
      return std::vector<Tensor>{y.value(),
                                 x.grad(),
                                 after ? r.grad() : Tensor::zeros({1}),
                                 layer.weight.grad(),
                                 layer.bias.grad(),
                                 layer.running_mean,
                                 layer.running_var,
                                 layer.num_batches_tracked};
    };
    const auto mine = [&](const Tensor& all) { return Samples{all, batch.y}.mine().x; };
    const std::vector<Tensor> expected = run(batch, ahead, weight_of, nullptr);
    std::vector<Tensor> got = run(batch.mine(), mine(ahead), mine(weight_of), &group());
    for (size_t i : {3, 4}) got[i] = got[i].clone(), group().all_reduce_sum(got[i]);  // of the parameters
    for (size_t i = 0; i < got.size(); ++i) {
      CAPTURE(i);
      const bool of_rows = i < 2 || (i == 2 && after);
      CHECK_CLOSE(got[i].to_vector<double>(), (of_rows ? mine(expected[i]) : expected[i]).to_vector<double>(),
                  {1e-12, 1e-12});
    }
  }
}

TEST_CASE("a network with synchronised batch norm trains as on the joined batch, to 1e-12, with every kind of step") {
  for (const std::string wrapper : {"none", "sam", "msam"}) {
    CAPTURE(wrapper);
    nn::Sequential alone = network(), together = network();
    nn::synchronise_batch_norm(together, group());
    const auto one = wrap(wrapper, make_base("sgd", alone.parameters()), 0.1);
    const auto all = wrap(wrapper, make_base("sgd", together.parameters()), 0.1);
    all->distribute(group());
    for (int step = 0; step < 6; ++step) {
      const Samples batch = samples({step % 2 ? 11 : 8, 6, 6, 2}, static_cast<uint64_t>(step));
      one->step(whole(alone, batch)), all->step(part(together, batch));
    }
    CHECK_CLOSE(all_of(together), all_of(alone), {1e-11, 1e-12});
    CHECK(same_on_all_ranks(all_of(together)));
  }
}

TEST_CASE("a part without samples is refused on every rank, at once") {
  nn::BatchNorm1d layer{5};
  layer.group = &group();
  const bool has_none = group().rank() == group().size() - 1;
  CHECK_ERROR(layer(Tensor::zeros({has_none ? 0 : 3, 5})),
              text("no samples on 1 of ", group().size(), " ranks, expected at least one on each").c_str());
}

TEST_CASE("local batch norm is that of each rank's own part, and its statistics are the rank's") {
  nn::BatchNorm1d layer{5}, expected{5};
  layer.to(DType::float64), expected.to(DType::float64);
  const Samples batch = samples({8, 5}, 3);
  CHECK_SAME_BITS(layer(batch.mine().x).value(), expected(batch.part(group().rank(), group().size()).x).value());
  CHECK_FALSE(same_on_all_ranks(layer.running_mean.to_vector<double>()));
}

TEST_CASE("a recalibration sends nothing, and leaves layers synchronised") {
  nn::Sequential model = network();
  nn::synchronise_batch_norm(model, group());
  const Communicator::Count before = group().count();
  const Samples batch = samples({8, 6, 6, 2}, 1);
  if (group().rank() == 0) nn::recalibrate_batch_norm(model, {batch.x});
  CHECK(group().count().all_reduces == before.all_reduces);
  model(batch.mine().x);
  CHECK(group().count().all_reduces == before.all_reduces + 4);
}
