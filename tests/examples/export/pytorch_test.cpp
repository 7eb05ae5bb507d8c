// Going on in PyTorch with a training of minima, momentum and moments included, and back again
// (examples/export/pytorch_checkpoint.py): on files that PyTorch made, and anew where a Python with PyTorch is found.
//   MINIMA_PEER_PYTHON=venv/bin/python build/bin/examples_tests -tc='*in PyTorch*'
//   MINIMA_WRITE_GOLDEN=1 ... -tc='*where it is installed*'      makes the committed files again
#include "core/ops.h"
#include "examples/kit/checkpoint.h"
#include "tests/check.h"
#include "tests/examples/process.h"

using namespace minima;
using namespace minima::examples;
using namespace minima::test;

namespace {

constexpr int64_t steps = 5;  // in minima, then in PyTorch, then in minima again
const std::string committed = std::string(MINIMA_TEST_DATA) + "/nn/going_on";

/// A small network with the three kinds of convolution, whose weights PyTorch stores in another order, and with a
/// parameter of three axes that it stores in the same; and with batch norm. (With the ReLU behind the norm, the bias
/// before it would have a gradient of rounding errors alone, and AdamW would follow those.)
struct Network : nn::Module {
  Variable offsets{nn::normal(0, 0.1)({2, 4, 5}), requires_grad};
  nn::Conv2d image{2, 3, 3};
  nn::BatchNorm2d norm{3};
  nn::ConvTranspose2d larger{3, 2, 2};
  nn::Conv1d sequence{2, 4, 3};
  nn::Linear head{40, 4};

  Variable forward(const Variable& x) override {  // [batch, 4, 5, 2]
    const Variable y = relu(larger(norm(relu(image(x)))));
    const Variable z = tanh(sequence(reshape(y, {y.size(0), 12, 2})));  // [batch, 10, 4]
    return head(reshape(transpose(z), {z.size(0), 40}) + reshape(offsets, {40}));
  }
  void visit(nn::Visitor& visitor) override {
    visitor("offsets", offsets), visitor("image", image), visitor("norm", norm);
    visitor("larger", larger), visitor("sequence", sequence), visitor("head", head);
  }
};

struct Training {
  Network model;
  std::unique_ptr<optim::Optimizer> optimizer;
  Tensor x, y;

  Training(const std::string& name, const Archive& data)
      : optimizer(optim::make_optimizer(
            name, model.parameters(),
            {.hyperparameters = {{"lr", name.starts_with("adam") ? 0.02 : 0.1}, {"weight_decay", 0.01}}})),
        x(core::permute(data.tensor("x"), {0, 2, 3, 1})),
        y(data.tensor("y")) {}

  void go_on() {
    for (int64_t i = 0; i < steps; ++i)
      optimizer->step([&] {
        const Variable loss = nn::cross_entropy(model(x), y);
        loss.backward();
        return loss;
      });
  }
};

/// The largest difference of a weight or a statistic.
double distance(nn::Module& model, const Archive& expected) {
  double largest = 0;
  const Archive ours = nn::state(model);
  CHECK(ours.tensors.size() == expected.tensors.size());
  for (const auto& [name, tensor] : expected.tensors) {
    const std::vector<double> a = ours.tensor(name).to_vector<double>(), b = tensor.to_vector<double>();
    REQUIRE(a.size() == b.size());
    for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  }
  return largest;
}

void check_round_trip(const std::string& folder, const std::string& optimizer) {
  CAPTURE(optimizer);
  const auto file = [&](const std::string& part) { return text(folder, "/", optimizer, "_", part, ".safetensors"); };
  const Archive data = load_safetensors(folder + "/data.safetensors"), run = load_safetensors(file("run"));
  Training here(optimizer, data);
  REQUIRE(load_training(file("start"), here.model, *here.optimizer).step == steps);
  here.go_on();
  CHECK(distance(here.model, run.extract("there.")) < 2e-5);

  Training forgetful(optimizer, data);  // the weights alone are not enough
  nn::load_state(forgetful.model, load_safetensors(file("start")).extract("model."));
  forgetful.go_on();
  CHECK(distance(forgetful.model, run.extract("there.")) > 2e-3);

  Training back(optimizer, data);
  CHECK(load_training(file("back"), back.model, *back.optimizer).step == 2 * steps);
  CHECK(back.optimizer->steps() == 2 * steps);
  CHECK(distance(back.model, run.extract("there.")) == 0);
  back.go_on();
  CHECK(distance(back.model, run.extract("end.")) < 2e-5);
}

/// What PyTorch is to go on with.
void write_start(const std::string& folder, const std::vector<std::string>& optimizers) {
  manual_seed(7);
  Archive data;
  data.tensors["x"] = default_generator().normal({12, 2, 4, 5});
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < 12; ++i) labels.push_back(i * i % 4 + i % 3);
  for (int64_t& label : labels) label %= 4;
  data.tensors["y"] = Tensor::from(labels);
  save_safetensors(data, folder + "/data.safetensors");
  for (const std::string& name : optimizers) {
    manual_seed(1);
    Training training(name, data);
    training.go_on();
    save_training(text(folder, "/", name, "_start.safetensors"), training.model, *training.optimizer, {.step = steps});
  }
}

/// A Python that has PyTorch and NumPy, or "".
std::string python_with_pytorch() {
  const char* named = std::getenv("MINIMA_PEER_PYTHON");
  for (const std::string& python : {std::string(named ? named : ""), std::string("python3")})
    if (!python.empty() && std::system((python + " -c 'import torch, numpy' > /dev/null 2>&1").c_str()) == 0)
      return python;
  return "";
}

}  // namespace

TEST_CASE("a training goes on in PyTorch and comes back, momentum and moments included: the files that PyTorch made") {
  for (const char* optimizer : {"sgd", "adam"}) check_round_trip(committed, optimizer);
}

TEST_CASE("a training goes on in PyTorch, where it is installed, and comes back") {
  const std::string python = python_with_pytorch();
  if (python.empty()) {
    MESSAGE("not tested: no Python with PyTorch and NumPy; MINIMA_PEER_PYTHON names one");
    return;
  }
  TemporaryFolder folder;
  const bool to_commit = std::getenv("MINIMA_WRITE_GOLDEN") != nullptr;
  const std::vector<std::string> all = to_commit ? std::vector<std::string>{"sgd", "adam"}
                                                 : std::vector<std::string>{"sgd", "nesterov", "adam", "adamw"};
  const std::string at = to_commit ? committed : folder.path.string();
  std::filesystem::create_directories(at);
  write_start(at, all);
  std::string command = text(python, " '", MINIMA_SOURCE_DIR, "/tests/golden/generate_checkpoints.py' '", at, "'");
  for (const std::string& name : all) command += " " + name;
  REQUIRE(std::system(command.c_str()) == 0);
  for (const std::string& name : all) check_round_trip(at, name);
}
