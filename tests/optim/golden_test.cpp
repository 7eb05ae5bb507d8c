// Trajectories against PyTorch and against the papers' formulas (tests/golden/generate_optim.py).
#include "core/safetensors.h"
#include "nn/batch_norm.h"
#include "nn/containers.h"
#include "nn/layers.h"
#include "nn/loss.h"
#include "optim/average.h"
#include "tests/check.h"
#include "tests/optim/problem.h"

using namespace minima;
using namespace minima::test;

namespace {

constexpr int64_t steps = 50, every = 10;

Archive golden(const std::string& name) {
  return load_safetensors(text(MINIMA_TEST_DATA, "/optim/", name, ".safetensors"));
}

using Settings = std::vector<double>;
using Make = std::function<std::unique_ptr<optim::Optimizer>(const Parameters&, const Settings&)>;

// Runs every case of a file in both precisions. 1e-6 in float32 is 8 roundings of the weight, in 50 steps.
void follow(const std::string& name, const Make& make) {
  const Archive file = golden(name);
  const Tensor& cases = file.tensor("cases");
  REQUIRE(cases.size(0) > 1);
  for (const DType dtype : {DType::float64, DType::float32}) {
    const Tensor& expected = file.tensor(name_of(dtype));
    for (int64_t c = 0; c < cases.size(0); ++c) {
      const Settings settings = cases.slice(c, c + 1).to_vector<double>();
      std::string shown;
      for (const double value : settings) shown += text(value, " ");
      INFO(name << " " << name_of(dtype) << ", case " << c << ": " << shown);
      Prescribed prescribed(dtype);
      const auto optimizer = make(prescribed.parameters, settings);
      const Tensor samples = expected.slice(c, c + 1).reshape({steps / every, -1});
      for (int64_t t = 0; t < steps; ++t) {
        optimizer->step(prescribed.closure(*optimizer));
        if ((t + 1) % every == 0)
          CHECK_CLOSE(prescribed.weights(), samples.slice(t / every, t / every + 1).to_vector<double>(),
                      {.rtol = dtype == DType::float64 ? 1e-12 : 1e-6, .atol = 0});
      }
    }
  }
}

optim::Schedule schedule(double lr, double kind) {
  if (kind == 1) return optim::cosine(lr, steps);
  if (kind == 2) return optim::step_decay(lr, 15, 0.3);
  return lr;
}

}  // namespace

TEST_CASE("SGD follows PyTorch over learning rates, momenta, dampenings, decays and schedules") {
  follow("sgd", [](const Parameters& parameters, const Settings& c) {
    return std::make_unique<optim::SGD>(
        parameters,
        optim::SgdOptions{.lr = schedule(c[0], c[4]), .momentum = c[1], .dampening = c[2], .weight_decay = c[3]});
  });
}

TEST_CASE("Nesterov follows PyTorch's SGD with nesterov") {
  follow("nesterov", [](const Parameters& parameters, const Settings& c) {
    return std::make_unique<optim::Nesterov>(
        parameters, optim::SgdOptions{.lr = schedule(c[0], c[3]), .momentum = c[1], .weight_decay = c[2]});
  });
}

TEST_CASE("Adam follows PyTorch") {
  follow("adam", [](const Parameters& parameters, const Settings& c) {
    return std::make_unique<optim::Adam>(
        parameters,
        optim::AdamOptions{
            .lr = schedule(c[0], c[5]), .beta1 = c[1], .beta2 = c[2], .epsilon = c[3], .weight_decay = c[4]});
  });
}

TEST_CASE("AdamW follows PyTorch") {
  follow("adamw", [](const Parameters& parameters, const Settings& c) {
    return std::make_unique<optim::AdamW>(
        parameters,
        optim::AdamOptions{
            .lr = schedule(c[0], c[5]), .beta1 = c[1], .beta2 = c[2], .epsilon = c[3], .weight_decay = c[4]});
  });
}

TEST_CASE("RMSprop follows PyTorch, with momentum and without") {
  follow("rmsprop", [](const Parameters& parameters, const Settings& c) {
    return std::make_unique<optim::RMSprop>(
        parameters,
        optim::RmsPropOptions{
            .lr = schedule(c[0], c[5]), .alpha = c[1], .epsilon = c[2], .momentum = c[3], .weight_decay = c[4]});
  });
}

TEST_CASE("Adagrad follows PyTorch") {
  follow("adagrad", [](const Parameters& parameters, const Settings& c) {
    return std::make_unique<optim::Adagrad>(
        parameters, optim::AdagradOptions{.lr = schedule(c[0], c[3]), .epsilon = c[1], .weight_decay = c[2]});
  });
}

TEST_CASE("Lion follows the paper's algorithm") {
  follow("lion", [](const Parameters& parameters, const Settings& c) {
    return std::make_unique<optim::Lion>(
        parameters, optim::LionOptions{.lr = schedule(c[0], c[4]), .beta1 = c[1], .beta2 = c[2], .weight_decay = c[3]});
  });
}

TEST_CASE("averages of weights, exponential and plain, are those of PyTorch's AveragedModel") {
  const Archive file = golden("averages");
  const Tensor& cases = file.tensor("cases");
  REQUIRE(cases.size(0) > 1);
  for (const DType dtype : {DType::float64, DType::float32})
    for (int64_t c = 0; c < cases.size(0); ++c) {
      CAPTURE(c);
      const Settings settings = cases.slice(c, c + 1).to_vector<double>();
      const double decay = settings[0], begin = settings[1];
      Prescribed prescribed(dtype);
      optim::SGD optimizer{prescribed.parameters, {.lr = 0.05, .momentum = 0.9}};
      optim::WeightAverage average{optimizer, {.decay = decay > 0 ? std::optional(decay) : std::nullopt}};
      const Tensor samples = file.tensor(name_of(dtype)).slice(c, c + 1).reshape({steps / every, -1});
      for (int64_t t = 0; t < steps; ++t) {
        optimizer.step(prescribed.closure(optimizer));
        if (static_cast<double>(t) >= begin) average.update();
        if ((t + 1) % every == 0)
          CHECK_CLOSE(average.average().to_vector<double>(),
                      samples.slice(t / every, t / every + 1).to_vector<double>(),
                      {.rtol = dtype == DType::float64 ? 1e-12 : 1e-6, .atol = 0});
      }
    }
}

TEST_CASE("averaged weights with recalibrated batch norm are PyTorch's after update_bn") {
  const Archive file = golden("update_bn");
  const Tensor& x = file.tensor("x");
  const Tensor y = file.tensor("y").to(DType::int64);
  nn::Sequential model{nn::Linear{4, 6}, nn::BatchNorm1d{6}, nn::ReLU{}, nn::Linear{6, 3}};
  for (auto& [name, parameter] : model.named_parameters()) parameter.set_value(file.tensor("initial." + name).clone());
  optim::SGD optimizer{model.parameters(), {.lr = 0.1, .momentum = 0.9}};
  optim::WeightAverage average{optimizer};
  const auto rows = [](const Tensor& all, int64_t batch) { return all.slice(10 * batch, 10 * batch + 10); };
  for (int64_t t = 0; t < 30; ++t) {
    optimizer.step([&] {
      Variable loss = nn::cross_entropy(model(rows(x, t % 4)), rows(y, t % 4));
      loss.backward();
      return loss;
    });
    if (t >= 10) average.update();
  }
  const optim::AveragedWeights scope(average);
  nn::recalibrate_batch_norm(model, {rows(x, 0), rows(x, 1), rows(x, 2), rows(x, 3)});
  model.eval();
  const auto buffers = model.named_buffers();
  const Tolerance close{.rtol = 1e-4, .atol = 1e-5};
  for (const auto& [name, buffer] : buffers) {
    if (name.ends_with("running_mean")) CHECK_CLOSE(buffer, file.tensor("mean"), close);
    if (name.ends_with("running_var")) CHECK_CLOSE(buffer, file.tensor("variance"), close);
  }
  CHECK(buffers.size() == 3);
  CHECK_CLOSE(model(x).value(), file.tensor("logits"), close);
}

TEST_CASE("SAM, ASAM and MSAM over every base follow the papers' formulas") {
  follow("wrappers", [](const Parameters& parameters, const Settings& c) -> std::unique_ptr<optim::Optimizer> {
    const std::string base_name = base_names()[static_cast<size_t>(c[1])];
    std::unique_ptr<optim::BaseOptimizer> base = make_base(base_name, parameters, c[2], c[4]);
    if (base_name == "sgd" || base_name == "nesterov") base->group(0)["momentum"] = c[3];
    if (c[0] == 0) return std::make_unique<optim::SAM>(std::move(base), optim::SamOptions{.rho = c[5]});
    if (c[0] == 1) return std::make_unique<optim::ASAM>(std::move(base), optim::AsamOptions{.rho = c[5], .eta = c[6]});
    return std::make_unique<optim::MSAM>(std::move(base),
                                         optim::MsamOptions{.rho = c[5], .weight_decay_at_perturbed = c[6] != 0});
  });
}

TEST_CASE("MSAM with clean weights between steps equals the authors' form, which stores the perturbed ones") {
  const Archive file = golden("msam_stored_perturbed");
  const Tensor& cases = file.tensor("cases");
  for (int64_t c = 0; c < cases.size(0); ++c) {
    const std::vector<double> s = cases.slice(c, c + 1).to_vector<double>();
    Prescribed prescribed(DType::float64);
    optim::MSAM optimizer{optim::SGD{prescribed.parameters, {.lr = s[0], .momentum = s[1]}}, {.rho = s[2]}};
    const Tensor samples = file.tensor("float64").slice(c, c + 1).reshape({steps / every, -1});
    for (int64_t t = 0; t < steps; ++t) {
      optimizer.step(prescribed.closure(optimizer));
      if ((t + 1) % every == 0)
        CHECK_CLOSE(prescribed.weights(), samples.slice(t / every, t / every + 1).to_vector<double>(),
                    {.rtol = 1e-10, .atol = 0});  // the authors divide by |v| + 1e-12
    }
  }
}

TEST_CASE("schedules take PyTorch's values") {
  const Archive file = golden("schedules");
  const auto values = [](const optim::Schedule& schedule) {
    std::vector<double> all;
    for (int64_t step = 0; step < 120; ++step) all.push_back(schedule(step));
    return all;
  };
  const auto expected = [&](const char* name) { return file.tensor(name).to_vector<double>(); };
  const Tolerance close{.rtol = 1e-12, .atol = 0};
  CHECK_CLOSE(values(optim::step_decay(0.4, 25, 0.5)), expected("step_decay"), close);
  CHECK_CLOSE(values(optim::cosine(0.4, 119, 0.01)), expected("cosine"), close);
  CHECK_CLOSE(values(optim::linear_warmup(0.4, 30)), expected("linear_warmup"), close);
  CHECK_CLOSE(values(optim::join({optim::linear_warmup(0.4, 20, 0.1), optim::step_decay(0.4, 40)}, {20})),
              expected("join"), close);
}
