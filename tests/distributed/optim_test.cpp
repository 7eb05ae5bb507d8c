// Every optimizer on parts of a batch, one for each rank, is the optimizer on the joined batch; and what it sends.
#include "autograd/ops.h"
#include "core/ops.h"
#include "nn/layers.h"
#include "optim/make.h"
#include "tests/distributed/ranks.h"
#include "tests/optim/problem.h"

using namespace minima;
using namespace minima::test;

namespace {

nn::Sequential network() {
  manual_seed(5);
  nn::Sequential model{nn::Linear{6, 9}, nn::Tanh{}, nn::Linear{9, 4}};
  model.to(DType::float64);
  return model;
}

// Sizes that four ranks cannot share equally; one sample leaves most ranks without any.
const std::vector<Samples>& batches() {
  static const std::vector<Samples> all{samples({11, 6}, 1), samples({8, 6}, 2), samples({3, 6}, 3), samples({1, 6}, 4),
                                        samples({7, 6}, 5)};
  return all;
}

struct Sent {
  double all_reduces, bytes;
};

Sent sent_per_step(const std::string& wrapper) {
  nn::Sequential model = network();
  const auto optimizer = wrap(wrapper, make_base("sgd", model.parameters()), 0.1);
  optimizer->distribute(group());
  const Communicator::Count before = group().count();
  for (int i = 0; i < 10; ++i) optimizer->step(part(model, batches()[0]));
  return {static_cast<double>(group().count().all_reduces - before.all_reduces) / 10,
          static_cast<double>(group().count().bytes - before.bytes) / 10};
}

}  // namespace

TEST_CASE("every optimizer on the ranks' parts equals itself on the joined batch, to 1e-12 in float64") {
  int optimizers = 0;
  for_every_optimizer([&](const std::string& wrapper, const std::string& base) {
    nn::Sequential alone = network(), together = network();
    const auto one = wrap(wrapper, make_base(base, alone.parameters()), 0.1);
    const auto all = wrap(wrapper, make_base(base, together.parameters()), 0.1);
    all->distribute(group());
    for (int epoch = 0; epoch < 2; ++epoch)
      for (const Samples& batch : batches()) {
        const double expected = one->step(whole(alone, batch)).item();
        CHECK_CLOSE(all->step(part(together, batch)).item(), expected, {1e-12, 1e-12});
      }
    CHECK_CLOSE(flat_weights(*all), flat_weights(*one), {1e-12, 1e-12});
    CHECK(same_on_all_ranks(flat_weights(*all)));
    CHECK(all->gradient_evaluations() == one->gradient_evaluations());
    for (size_t i = 0; i < one->buffers().size(); ++i) {
      CHECK(all->buffers()[i].first == one->buffers()[i].first);
      CHECK_CLOSE(all->buffers()[i].second.to_vector<double>(), one->buffers()[i].second.to_vector<double>(),
                  {1e-11, 1e-12});
    }
    ++optimizers;
  });
  CHECK(optimizers > 70);
}

TEST_CASE("so does every MSAM and SAM with a memory, fading or automatic radius, and compositions of directions") {
  const std::vector<std::string> names{
      "msam+memory", "msam+fade",        "msam+memory+fade",    "msam+ratio",
      "msam+rise",   "msam+edge",        "sam+ratio",           "sam+rise",
      "sam+edge",    "msam+memory+auto", "along-momentum+late", "along-gradient+budget"};
  for (const std::string& name : names)
    for (const std::string base : {"sgd", "adam"}) {
      if (base == "adam" && (contains(name, "ratio") || contains(name, "edge"))) continue;
      CAPTURE(name);
      CAPTURE(base);
      nn::Sequential alone = network(), together = network();
      const optim::Settings settings{.base = base, .steps = 10};
      const auto one = optim::make_optimizer(name, alone.parameters(), settings);
      const auto all = optim::make_optimizer(name, together.parameters(), settings);
      all->distribute(group());
      for (int epoch = 0; epoch < 2; ++epoch)
        for (const Samples& batch : batches()) one->step(whole(alone, batch)), all->step(part(together, batch));
      CHECK_CLOSE(flat_weights(*all), flat_weights(*one), {1e-12, 1e-12});
      CHECK(same_on_all_ranks(flat_weights(*all)));
      CHECK(all->gradient_evaluations() == one->gradient_evaluations());
    }
}

TEST_CASE("two trainings by the same ranks have the same bits") {
  std::vector<std::vector<double>> weights;
  for (int again = 0; again < 2; ++again) {
    nn::Sequential model = network();
    const auto optimizer = wrap("msam", make_base("sgd", model.parameters()), 0.1);
    optimizer->distribute(group());
    for (const Samples& batch : batches()) optimizer->step(part(model, batch));
    weights.push_back(flat_weights(*optimizer));
  }
  CHECK(weights[0] == weights[1]);
}

TEST_CASE("MSAM sends what SGD sends, and SAM and ASAM send twice that") {
  const Sent sgd = sent_per_step("none");
  CHECK(sgd.all_reduces == 1);
  CHECK(sgd.bytes == 8 * ((6 * 9 + 9 + 9 * 4 + 4) + 1 + 4));  // the gradient, the loss, and a number a parameter
  const Sent msam = sent_per_step("msam");
  CHECK(msam.all_reduces == sgd.all_reduces);
  CHECK(msam.bytes == sgd.bytes);
  for (const char* wrapper : {"sam", "asam", "along-gradient"}) {
    const Sent twice = sent_per_step(wrapper);
    CHECK(twice.all_reduces == 2 * sgd.all_reduces);
    CHECK(twice.bytes == 2 * sgd.bytes);
  }
  CHECK(sent_per_step("looksam").all_reduces == 1.2);
}

TEST_CASE("a gradient is clipped by the norm of the joined batch's") {
  const optim::SgdOptions options{.lr = 0.5, .max_gradient_norm = 0.05};
  nn::Sequential alone = network(), together = network();
  optim::SGD one{alone.parameters(), options}, all{together.parameters(), options};
  all.distribute(group());
  for (const Samples& batch : batches()) one.step(whole(alone, batch)), all.step(part(together, batch));
  CHECK_CLOSE(flat_weights(all), flat_weights(one), {1e-12, 1e-12});
}

TEST_CASE("what a step tells of gradient and loss is of the joined batch, the loss at clean weights too") {
  nn::Sequential alone = network(), together = network();
  const auto one = wrap("msam", make_base("sgd", alone.parameters()), 0.1);
  const auto all = wrap("msam", make_base("sgd", together.parameters()), 0.1);
  all->distribute(group());
  one->measure(optim::Measure::losses), all->measure(optim::Measure::losses);
  for (const Samples& batch : batches()) one->step(whole(alone, batch)), all->step(part(together, batch));
  const optim::StepStatistics a = all->last_step(), b = one->last_step();
  CHECK_CLOSE(std::vector<double>({a.loss, a.gradient_norm, a.cosine, a.loss_clean, a.loss_perturbed}),
              std::vector<double>({b.loss, b.gradient_norm, b.cosine, b.loss_clean, b.loss_perturbed}), {1e-11, 1e-12});
}

TEST_CASE("a parameter that one rank alone reaches is trained on all") {
  Variable shared = leaf({1, 2}), of_last = leaf({3, 4}), of_none = leaf({5, 6});
  optim::SGD optimizer{{shared, of_last, of_none}, {.lr = 0.1, .momentum = 0.9}};
  optimizer.distribute(group());
  for (int i = 0; i < 2; ++i)
    optimizer.step([&] {
      const bool last = group().rank() == group().size() - 1;
      Variable loss = sum(square(shared)) / group().size();
      if (last) loss = loss + sum(square(of_last));
      loss.backward();
      return loss;
    });
  CHECK(of_last.has_grad());
  CHECK_CLOSE(of_last.grad().to_vector<double>(), std::vector<double>({2 * 2.4, 2 * 3.2}), {1e-12, 0});
  CHECK_CLOSE(shared.value().to_vector<double>(), std::vector<double>({0.46, 0.92}), {1e-12, 0});
  CHECK_CLOSE(of_last.value().to_vector<double>(), std::vector<double>({3 * 0.46, 4 * 0.46}), {1e-12, 0});
  CHECK_CLOSE(of_none.value().to_vector<double>(), std::vector<double>({5, 6}), {0, 0});
  CHECK_FALSE(of_none.has_grad());
}

TEST_CASE("a batch of which no rank has a part is an error on all ranks") {
  nn::Sequential model = network();
  optim::SGD optimizer{model.parameters(), {.lr = 0.1}};
  optimizer.distribute(group());
  CHECK_ERROR(optimizer.step([] { return Variable(); }), "[sgd] got a batch of which no rank has a part");
}

TEST_CASE("ESAM's choice among the samples of one rank is refused") {
  nn::Sequential model = network();
  optim::ESAM optimizer{optim::SGD{model.parameters(), {.lr = 0.1}}};
  optimizer.distribute(group());
  CHECK_ERROR(optimizer.step([](const Tensor&) { return Variable(); }), "[esam] got losses of samples on one of");
}
