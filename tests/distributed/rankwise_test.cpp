// The ranks that lab 12 simulates in one process are real ranks.
#include "examples/labs/rankwise.h"

#include "nn/layers.h"
#include "optim/msam.h"
#include "optim/sam.h"
#include "tests/distributed/ranks.h"

using namespace minima;
using namespace minima::test;
using examples::Point;
using examples::Rankwise;

namespace {

constexpr double rho = 0.1;
const optim::SgdOptions options{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01};

nn::Sequential network() {
  manual_seed(5);
  nn::Sequential model{nn::Linear{6, 9}, nn::Tanh{}, nn::Linear{9, 4}};
  model.to(DType::float64);
  return model;
}

optim::Closure part_of(nn::Module& model, const Samples& batch, int rank) {
  return [&model, &batch, rank] {
    const Samples mine = batch.part(rank, group().size());
    const double share = static_cast<double>(mine.size()) / static_cast<double>(batch.size());
    Variable loss = nn::cross_entropy(model(mine.x), mine.y) * share;
    loss.backward();
    return loss;
  };
}

std::vector<double> weights_after(Rankwise& method, nn::Module& model, bool all_here) {
  for (uint64_t step = 0; step < 8; ++step) {
    const Samples batch = samples({step % 2 ? 11 : 8, 6}, step);
    std::vector<optim::Closure> parts;
    for (int rank = 0; rank < group().size(); ++rank)
      if (all_here || rank == group().rank()) parts.push_back(part_of(model, batch, rank));
    method.step(parts);
  }
  return flat_weights(method.base());
}

}  // namespace

TEST_CASE("ranks that one process simulates equal real ranks, to 1e-12, wherever they take their gradients") {
  for (const Point point :
       {Point::weights, Point::joined_momentum, Point::own_momentum, Point::joined_gradient, Point::own_gradient}) {
    CAPTURE(static_cast<int>(point));
    nn::Sequential here = network(), everywhere = network();
    GroupOfOne alone;
    Rankwise simulated(optim::SGD{here.parameters(), options}, point, rho, group().size(), alone);
    Rankwise real(optim::SGD{everywhere.parameters(), options}, point, rho, 1, group());
    const Communicator::Count before = group().count();
    const std::vector<double> expected = weights_after(simulated, here, true);
    const std::vector<double> got = weights_after(real, everywhere, false);
    CHECK_CLOSE(got, expected, {1e-12, 1e-12});
    CHECK(same_on_all_ranks(got));
    CHECK_CLOSE(real.own_momentum(0).to_vector<double>(), simulated.own_momentum(group().rank()).to_vector<double>(),
                {1e-12, 1e-12});
    CHECK(real.gradients() == simulated.gradients());
    CHECK(group().count().all_reduces - before.all_reduces == alone.count().all_reduces);
    CHECK(alone.count().all_reduces == (point == Point::joined_gradient ? 16 : 8));
  }
}

TEST_CASE("own momenta add up to the momentum, and joined points are MSAM and SAM") {
  for (const Point point : {Point::joined_momentum, Point::joined_gradient}) {
    nn::Sequential parts = network(), whole_model = network();
    GroupOfOne alone;
    Rankwise method(optim::SGD{parts.parameters(), options}, point, rho, group().size(), alone);
    std::unique_ptr<optim::Optimizer> expected;
    if (point == Point::joined_momentum)
      expected =
          std::make_unique<optim::MSAM>(optim::SGD{whole_model.parameters(), options}, optim::MsamOptions{.rho = rho});
    else
      expected =
          std::make_unique<optim::SAM>(optim::SGD{whole_model.parameters(), options}, optim::SamOptions{.rho = rho});
    const std::vector<double> got = weights_after(method, parts, true);
    for (uint64_t step = 0; step < 8; ++step) {
      const Samples batch = samples({step % 2 ? 11 : 8, 6}, step);
      expected->step(whole(whole_model, batch));
    }
    CHECK_CLOSE(got, flat_weights(*expected), {1e-11, 1e-12});
    std::vector<double> sum(got.size());
    for (int rank = 0; rank < group().size(); ++rank) {
      const std::vector<double> own = method.own_momentum(rank).to_vector<double>();
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += own[i];
    }
    CHECK_CLOSE(sum, method.base().momentum().to_vector<double>(), {1e-11, 1e-12});
  }
}
