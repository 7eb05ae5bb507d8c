// Optimizers on real modules: batch norm, dropout, threads, memory.
#include "core/parallel.h"
#include "core/random.h"
#include "core/storage.h"
#include "nn/batch_norm.h"
#include "nn/checkpoint.h"
#include "nn/containers.h"
#include "nn/layers.h"
#include "nn/loss.h"
#include "tests/check.h"
#include "tests/optim/problem.h"

using namespace minima;
using namespace minima::test;
using optim::SGD;

namespace {

struct Batch {
  Tensor x, y;
};

Batch batch(int64_t rows, int64_t features, uint64_t seed = 3) {
  Generator random{seed};
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < rows; ++i) labels.push_back(static_cast<int64_t>(random.below(4)));
  return {random.normal({rows, features}), Tensor::from(labels)};
}

optim::Closure training(nn::Module& model, const Batch& data) {
  return [&model, &data] {
    Variable loss = nn::cross_entropy(model(Variable(data.x)), data.y);
    loss.backward();
    return loss;
  };
}

nn::Sequential normalised_network() {
  manual_seed(11);
  return nn::Sequential{nn::Linear{6, 12}, nn::BatchNorm1d{12}, nn::ReLU{}, nn::Linear{12, 4}};
}

std::vector<Tensor> weights(nn::Module& model) {
  std::vector<Tensor> all;
  for (const Variable& parameter : model.parameters()) all.push_back(parameter.value().clone());
  return all;
}

}  // namespace

TEST_CASE("batch-norm statistics after one SAM step are those after one SGD step (fault 7)") {
  const Batch data = batch(32, 6);
  std::vector<std::vector<Tensor>> statistics;
  for (const std::string wrapper : {"none", "sam", "asam"}) {
    nn::Sequential model = normalised_network();
    const auto optimizer = wrap(wrapper, make_base("sgd", model.parameters()), 0.5);
    optimizer->step(training(model, data));
    statistics.emplace_back();
    for (auto& [name, buffer] : model.named_buffers()) statistics.back().push_back(buffer.clone());
    CHECK(statistics.back().size() == 3);
  }
  for (size_t i = 0; i < 3; ++i) {
    CHECK_SAME_BITS(statistics[1][i], statistics[0][i]);
    CHECK_SAME_BITS(statistics[2][i], statistics[0][i]);
  }
}

TEST_CASE("MSAM's batch-norm statistics are those of the perturbed point, recalibration gives the clean ones") {
  const Batch data = batch(32, 6);
  nn::Sequential model = normalised_network();
  optim::MSAM optimizer{SGD{model.parameters(), {.lr = 0.1, .momentum = 0.9}}, {.rho = 2}};
  for (int i = 0; i < 300; ++i) optimizer.step(training(model, data));
  optimizer.group(0)["lr"] = optim::step_decay(1, 1, 0);  // from here on w stands still
  for (int i = 0; i < 200; ++i) optimizer.step(training(model, data));
  const std::vector<Tensor> trained = weights(model);
  const auto loss = [&] {
    model.eval();
    const double value = nn::cross_entropy(model(Variable(data.x)), data.y).item();
    model.train();
    return value;
  };
  const double mismatched = loss();
  nn::recalibrate_batch_norm(model, {data.x});
  CHECK(loss() != mismatched);
  const std::vector<Tensor> after = weights(model);
  for (size_t i = 0; i < after.size(); ++i) CHECK_SAME_BITS(after[i], trained[i]);
}

TEST_CASE("both passes of SAM see the same dropout mask (fault 7)") {
  const Batch data = batch(16, 6);
  manual_seed(2);
  nn::Sequential model{nn::Linear{6, 40}, nn::Dropout{0.5}, nn::Linear{40, 4}};
  optim::SAM optimizer{SGD{model.parameters(), {.lr = 0.1}}, {.rho = 0}};
  std::vector<double> losses;  // with rho = 0 nothing but the mask could make the two passes differ
  for (int i = 0; i < 3; ++i)
    optimizer.step([&] {
      const Variable loss = training(model, data)();
      losses.push_back(loss.item());
      return loss;
    });
  CHECK(losses[0] == losses[1]);
  CHECK(losses[2] == losses[3]);
  CHECK(losses[1] != losses[2]);
}

TEST_CASE("evaluating right after a step is evaluating the saved and loaded model, bit for bit (fault 3)") {
  const Batch data = batch(32, 6);
  for (const std::string wrapper : {"none", "sam", "asam", "msam"}) {
    CAPTURE(wrapper);
    nn::Sequential model = normalised_network(), loaded = normalised_network();
    const auto optimizer = wrap(wrapper, make_base("sgd", model.parameters()), 0.5);
    for (int i = 0; i < 5; ++i) optimizer->step(training(model, data));
    model.eval(), loaded.eval();
    const Tensor once = model(Variable(data.x)).value(), twice = model(Variable(data.x)).value();
    CHECK_SAME_BITS(once, twice);
    nn::load_state(loaded, nn::state(model));
    CHECK_SAME_BITS(loaded(Variable(data.x)).value(), once);
  }
}

TEST_CASE("every optimizer trains to the same bits at one and at two threads, twice") {
  const Batch data = batch(64, 300);
  const int before = num_threads();
  for (const std::string wrapper : {"none", "sam", "asam", "msam"})
    for (const std::string& base : base_names()) {
      CAPTURE(wrapper);
      CAPTURE(base);
      std::vector<std::vector<Tensor>> ends;
      for (const int threads : {1, 2, 2}) {
        set_num_threads(has_threads() ? threads : 1);
        manual_seed(1);
        nn::Sequential model{nn::Linear{300, 256}, nn::ReLU{}, nn::Linear{256, 4}};  // several chunks of work
        const auto optimizer = wrap(wrapper, make_base(base, model.parameters(), 0.01), 0.1);
        for (int i = 0; i < 4; ++i) optimizer->step(training(model, data));
        ends.push_back(weights(model));
      }
      for (size_t i = 0; i < ends[0].size(); ++i) {
        CHECK_SAME_BITS(ends[1][i], ends[0][i]);
        CHECK_SAME_BITS(ends[2][i], ends[1][i]);
      }
    }
  set_num_threads(before);
}

TEST_CASE("after the second step no optimizer asks the system for memory, and no tensor is left behind") {
  const Batch data = batch(32, 6);
  for (const std::string wrapper : {"none", "sam", "asam", "msam"})
    for (const std::string& base : base_names()) {
      CAPTURE(wrapper);
      CAPTURE(base);
      const int64_t tensors_before = memory_statistics().live_tensors;
      {
        nn::Sequential model = normalised_network();
        const auto optimizer = wrap(wrapper, make_base(base, model.parameters()), 0.1);
        for (int i = 0; i < 2; ++i) optimizer->step(training(model, data));
        const MemoryStatistics second = memory_statistics();
        for (int i = 0; i < 20; ++i) optimizer->step(training(model, data));
        const MemoryStatistics last = memory_statistics();
        CHECK(last.system_allocations == second.system_allocations);
        CHECK(last.live_tensors == second.live_tensors);
        CHECK(last.bytes_in_use == second.bytes_in_use);
      }
      CHECK(memory_statistics().live_tensors == tensors_before);
    }
}

TEST_CASE("MSAM's peak memory is its base's but for a few single numbers, none of it of the weights' size") {
  const Batch data = batch(8, 500);
  const auto peak = [&](const std::string& wrapper, const std::string& base) {
    nn::Sequential model{nn::Linear{500, 400}, nn::ReLU{}, nn::Linear{400, 4}};
    const auto optimizer = wrap(wrapper, make_base(base, model.parameters()), 0.1);
    optimizer->step(training(model, data));
    reset_peak_memory();
    const int64_t before = memory_statistics().bytes_in_use;
    for (int i = 0; i < 3; ++i) optimizer->step(training(model, data));
    return memory_statistics().peak_bytes_in_use - before;
  };
  for (const std::string& base : base_names()) {
    CAPTURE(base);
    CHECK(peak("msam", base) <= peak("none", base) + 256);
    CHECK(peak("sam", base) > peak("none", base) + 800000);  // a copy of the weights: the measure can tell
  }
}

TEST_CASE("a training step looks at no number on the host, whatever the optimizer, measured or not") {
  // ESAM alone does, to choose among the samples by their losses.
  manual_seed(5);
  const Tensor images = Generator{1}.normal({8, 6, 6, 3});
  const Tensor labels = batch(8, 1).y;
  for (const std::string& wrapper : wrapper_names())
    for (const std::string& base : base_names())
      for (const optim::Measure measure : {optim::Measure::nothing, optim::Measure::losses}) {
        CAPTURE(wrapper);
        CAPTURE(base);
        nn::Sequential model{nn::Conv2d{3, 4, 3, {.padding = 1}},
                             nn::BatchNorm2d{4},
                             nn::ReLU{},
                             nn::MaxPool2d{2},
                             nn::Dropout{0.2},
                             nn::Flatten{},
                             nn::Linear{36, 4}};
        const auto optimizer = wrap(wrapper, make_base(base, model.parameters()), 0.1);
        optimizer->kept().max_gradient_norm = 0.5;
        optimizer->measure(measure);
        for (int step = 0; step < 3; ++step) {
          const int64_t before = host_reads();
          const Variable loss = optimizer->step([&] {
            Variable loss = nn::cross_entropy(model(Variable(images)), labels);
            loss.backward();
            return loss;
          });
          CHECK(host_reads() == before);
          CHECK(std::isfinite(loss.item()));
          CHECK(std::isfinite(optimizer->last_step().loss));
          CHECK(host_reads() > before + 1);  // the counter does count
        }
      }
}
