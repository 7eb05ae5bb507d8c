// The module machinery: names, copies, clones, modes, conversions, the summary.
#include "nn/module.h"

#include <set>

#include "autograd/ops.h"
#include "core/ops.h"
#include "core/random.h"
#include "nn/batch_norm.h"
#include "nn/checkpoint.h"
#include "nn/containers.h"
#include "nn/layers.h"
#include "nn/loss.h"
#include "nn/models.h"
#include "tests/check.h"

using namespace minima;

namespace {

struct TwoLayers : nn::Module {
  nn::Linear fc1{3, 4}, fc2{4, 2, {.bias = false}};
  Variable forward(const Variable& x) override { return fc2(relu(fc1(x))); }
  void visit(nn::Visitor& visitor) override { visitor("fc1", fc1), visitor("fc2", fc2); }
};

std::vector<std::string> names_of(nn::Module& module) {
  std::vector<std::string> names;
  for (const auto& [name, parameter] : module.named_parameters()) names.push_back(name);
  return names;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a struct with one visit has named parameters, in the order of visits, without undefined ones") {
  TwoLayers model;
  CHECK(names_of(model) == Names{"fc1.weight", "fc1.bias", "fc2.weight"});
  CHECK(model.parameters().size() == 3);
  CHECK(model.parameter_count() == 3 * 4 + 4 + 4 * 2);
}

TEST_CASE("Sequential names its children as PyTorch does") {
  nn::Sequential model{nn::Linear{64, 32}, nn::ReLU{}, nn::Linear{32, 10}};
  CHECK(names_of(model) == Names{"0.weight", "0.bias", "2.weight", "2.bias"});
  CHECK(model.size() == 3);
  CHECK(model[1].describe() == "ReLU");
  CHECK_ERROR(model[3], "[Sequential] got child 3, expected an index below 3.");
  CHECK_ERROR(model.add(nn::AnyModule{}), "[Sequential] got an empty AnyModule, expected a module.");
}

namespace {
// A transformer's shape of names: a list of blocks, then a head.
struct Blocks : nn::Module {
  nn::ModuleList blocks{nn::Linear{3, 3}, nn::Linear{3, 3}};
  nn::Linear head{3, 2};
  Variable forward(const Variable& x) override {
    Variable y = x;
    for (nn::AnyModule& block : blocks) y = tanh((*block)(y));
    return head(y);
  }
  void visit(nn::Visitor& visitor) override { visitor("blocks", blocks), visitor("head", head); }
};

// The same names from single members.
struct SameNames : nn::Module {
  nn::Linear first{3, 3}, second{3, 3}, head{3, 2};
  Variable forward(const Variable& x) override { return head(tanh(second(tanh(first(x))))); }
  void visit(nn::Visitor& visitor) override {
    visitor("blocks.0", first), visitor("blocks.1", second), visitor("head", head);
  }
};
}  // namespace

TEST_CASE("a ModuleList names its items as PyTorch does and leaves the forward pass to its owner") {
  Blocks model;
  CHECK(names_of(model) ==
        Names{"blocks.0.weight", "blocks.0.bias", "blocks.1.weight", "blocks.1.bias", "head.weight", "head.bias"});
  CHECK(model.blocks.size() == 2);
  CHECK(&model.blocks[1] == &**(model.blocks.begin() + 1));
  CHECK_ERROR(model.blocks[2], "[ModuleList] got child 2, expected an index below 2.");
  CHECK_ERROR(model.blocks.add(nn::AnyModule{}), "[ModuleList] got an empty AnyModule");
  CHECK_ERROR(model.blocks(Tensor::zeros({1, 3})), "[ModuleList] got a call of forward()");
  nn::ModuleList nested{nn::Sequential{nn::Linear{1, 1}}};
  CHECK(names_of(nested) == Names{"0.0.weight", "0.0.bias"});
  nn::ModuleList copy = model.blocks;
  CHECK(copy.size() == 2);
}

TEST_CASE("a name with a dot stands for the same path as nested names, in checkpoints and in the summary") {
  Blocks list;
  SameNames single;
  nn::load_state(single, nn::state(list));
  const Tensor x = default_generator().normal({4, 3});
  CHECK_SAME_BITS(list(x).value(), single(x).value());
  CHECK(single.summary() ==
        "layer     kind          parameters                count\n"
        "blocks.0  Linear(3, 3)  weight (3, 3), bias (3,)     12\n"
        "blocks.1  Linear(3, 3)  weight (3, 3), bias (3,)     12\n"
        "head      Linear(3, 2)  weight (2, 3), bias (2,)      8\n"
        "total                                                32\n");
  CHECK(single.summary() == list.summary());
}

TEST_CASE("a parameter named with a dot belongs to the module that names it, before and after its children") {
  struct Mixed : nn::Module {
    nn::Linear child{1, 2};
    Variable late{Tensor::zeros({3}), requires_grad};
    Variable forward(const Variable& x) override { return x; }
    void visit(nn::Visitor& visitor) override { visitor("child", child), visitor("scale.late", late); }
    std::string describe() const override { return "Mixed"; }
  } mixed;
  const std::string summary = nn::Sequential{mixed}.summary();
  CHECK_MESSAGE(test::contains(summary, "0        Mixed         scale.late (3,)"), summary);
  CHECK_MESSAGE(test::contains(summary, "0.child  Linear(1, 2)  weight (2, 1), bias (2,)"), summary);
}

TEST_CASE("members without a name, and members of one name, are refused") {
  struct Named : nn::Module {
    std::string a, b;
    nn::Linear first{1, 1}, second{1, 1};
    Named(std::string a, std::string b) : a(std::move(a)), b(std::move(b)) {}
    Variable forward(const Variable& x) override { return x; }
    void visit(nn::Visitor& visitor) override { visitor(a, first), visitor(b, second); }
  };
  Named nameless("", "b"), twice("a", "a"), clash("a", "a.weight"), fine("a", "a.b");
  CHECK_ERROR(nameless.parameters(), "[visit] got a member without a name");
  CHECK_ERROR(twice.parameters(), "[visit] got two members named a, expected distinct names in each visit().");
  CHECK_ERROR(clash.summary(), "[visit] got two members named a.weight");
  CHECK(names_of(fine) == Names{"a.weight", "a.bias", "a.b.weight", "a.b.bias"});
}

TEST_CASE("nested modules join their names by dots, and Residual names its two sides") {
  nn::Sequential inner{nn::Linear{2, 2}, nn::BatchNorm1d{2}};
  nn::Sequential model{nn::Residual{inner}, nn::Residual{nn::Linear{2, 3}, nn::Linear{2, 3, {.bias = false}}}};
  CHECK(names_of(model) == Names{"0.body.0.weight", "0.body.0.bias", "0.body.1.weight", "0.body.1.bias",
                                 "1.body.weight", "1.body.bias", "1.shortcut.weight"});
  Names buffers;
  for (const auto& [name, buffer] : model.named_buffers()) buffers.push_back(name);
  CHECK(buffers == Names{"0.body.1.running_mean", "0.body.1.running_var", "0.body.1.num_batches_tracked"});
}

TEST_CASE("a tensor goes into a model as it is") {
  nn::Linear layer{3, 2};
  const Tensor x = Tensor::full({1, 3}, 1);
  CHECK_SAME_BITS(layer(x).value(), layer(Variable(x)).value());
}

TEST_CASE("a copy of a module shares its parameters and buffers, a clone does not") {
  nn::Sequential model{nn::Linear{3, 3}, nn::BatchNorm1d{3}};
  nn::Sequential copy = model, independent = nn::clone(model);
  const Tensor x = default_generator().normal({4, 3});
  CHECK_SAME_BITS(model(x).value(), independent(x).value());

  Tensor weight = model.parameters()[0].value();
  const Tensor before = weight.clone();
  weight.fill(7);
  model.named_buffers()[0].second.fill(9);
  CHECK(copy.parameters()[0].value().at(0) == 7);
  CHECK(copy.named_buffers()[0].second.at(0) == 9);
  CHECK_SAME_BITS(independent.parameters()[0].value(), before);
  CHECK(independent.named_buffers()[0].second.at(0) != 9);

  sum(independent(x)).backward();
  CHECK(independent.parameters()[0].grad().defined());
  CHECK_FALSE(model.parameters()[0].grad().defined());
}

TEST_CASE("a clone keeps modes and frozen parameters, drops gradients, and leaves shared parameters shared") {
  nn::Linear tied{2, 2};
  nn::Sequential model{tied, nn::Dropout{0.5}, tied};
  model[1].eval();
  tied.bias.set_requires_grad(false);
  sum(model(Tensor::full({1, 2}, 1))).backward();
  nn::AnyModule copy = nn::clone(nn::AnyModule(model));

  auto& sequential = dynamic_cast<nn::Sequential&>(*copy);
  CHECK(sequential[0].training);
  CHECK_FALSE(sequential[1].training);
  const std::vector<Variable> parameters = copy->parameters();
  REQUIRE(parameters.size() == 2);
  CHECK_FALSE(parameters[0].grad().defined());
  CHECK_FALSE(parameters[1].requires_grad());
  CHECK(sequential[2].parameters()[0].node() == parameters[0].node());
  CHECK_FALSE(parameters[0].value().shares_storage_with(tied.weight.value()));
}

TEST_CASE("a parameter under two names is listed once and counted once") {
  nn::Linear tied{2, 2};
  nn::Sequential model{tied, nn::Tanh{}, tied};
  CHECK(names_of(model) == Names{"0.weight", "0.bias"});
  CHECK(model.parameter_count() == 6);
}

TEST_CASE("train and eval set the flag of every child") {
  nn::Sequential model{nn::Residual{nn::Sequential{nn::Dropout{0.5}}}, nn::ReLU{}};
  CHECK(model.training);
  const auto modes = [&] {
    struct Collect : nn::Visitor {
      std::vector<bool> modes;
      void on_module(const std::string&, nn::Module& module) override { modes.push_back(module.training); }
    } collect;
    collect.walk(model);
    return collect.modes;
  };
  model.eval();
  CHECK(modes() == std::vector<bool>(6, false));
  model.train();
  CHECK(modes() == std::vector<bool>(6, true));
}

TEST_CASE("to(dtype) converts parameters and floating buffers, and nothing else") {
  nn::Sequential model{nn::Linear{3, 3}, nn::BatchNorm1d{3}};
  const Tensor weight = model.parameters()[0].value();
  sum(model(default_generator().normal({4, 3}))).backward();
  model.to(DType::float64);
  for (const Variable& parameter : model.parameters()) {
    CHECK(parameter.dtype() == DType::float64);
    CHECK_FALSE(parameter.grad().defined());
  }
  CHECK_SAME_BITS(model.parameters()[0].value().to(DType::float32), weight);
  const auto buffers = model.named_buffers();
  CHECK(buffers[0].second.dtype() == DType::float64);
  CHECK(buffers[2].second.dtype() == DType::int64);
  CHECK(model(Tensor::zeros({2, 3}, DType::float64)).dtype() == DType::float64);
  CHECK_ERROR(model.to(DType::int64), "[Module::to] got dtype int64, expected float32 or float64.");
}

TEST_CASE("to() converts the module it is called on and leaves copies of it whole, parameters and buffers alike") {
  nn::Sequential model{nn::Linear{3, 3}, nn::BatchNorm1d{3}};
  nn::Sequential copy = model;
  const Tensor x = default_generator().normal({4, 3});
  const Tensor before = copy(x).value();
  const auto dtypes = [](nn::Module& module) {
    std::set<DType> found;
    for (const auto& [name, parameter] : module.named_parameters()) found.insert(parameter.dtype());
    for (const auto& [name, buffer] : module.named_buffers())
      if (is_floating(buffer.dtype())) found.insert(buffer.dtype());
    return found;
  };
  model.to(DType::float64);
  CHECK(dtypes(model) == std::set{DType::float64});
  CHECK(dtypes(copy) == std::set{DType::float32});
  CHECK_SAME_BITS(copy(x).value(), before);
  CHECK(model(x.to(DType::float64)).dtype() == DType::float64);
}

TEST_CASE("to() keeps shared parameters shared, frozen ones frozen, and those that need no change as they are") {
  nn::Linear tied{2, 2};
  tied.bias.set_requires_grad(false);
  nn::Sequential model{tied, nn::Tanh{}, tied};
  const auto before = model.parameters();
  model.to(DType::float32);
  CHECK(model.parameters()[0].node() == before[0].node());
  model.to(DType::float64);
  const auto after = model.parameters();
  REQUIRE(after.size() == 2);
  CHECK(after[0].node() != before[0].node());
  CHECK(model[2].parameters()[0].node() == after[0].node());
  CHECK_FALSE(after[1].requires_grad());
  CHECK(tied.weight.dtype() == DType::float32);
}

TEST_CASE("an empty AnyModule says so") {
  nn::AnyModule empty;
  CHECK_FALSE(static_cast<bool>(empty));
  CHECK_ERROR(empty->eval(), "[AnyModule] got an empty one, expected a module.");
  empty = nn::Linear{1, 1};
  CHECK(empty->parameter_count() == 2);
}

TEST_CASE("copying an AnyModule copies the module: flags are its own, parameters shared") {
  nn::AnyModule model = nn::Dropout{0.25};
  nn::AnyModule copy = model;
  copy->eval();
  CHECK(model->training);
  CHECK_FALSE(copy->training);
}

TEST_CASE("summary is a table of layers, shapes and counts") {
  nn::Sequential model{nn::Flatten{}, nn::Linear{784, 128}, nn::BatchNorm1d{128}, nn::ReLU{},
                       nn::Residual{nn::Linear{128, 128, {.bias = false}}}};
  CHECK(model.summary() ==
        "layer       kind              parameters                        count\n"
        "0           Flatten\n"
        "1           Linear(784, 128)  weight (128, 784), bias (128,)  100,480\n"
        "2           BatchNorm1d(128)  weight (128,), bias (128,)          256\n"
        "3           ReLU\n"
        "4.body      Linear(128, 128)  weight (128, 128)                16,384\n"
        "4.shortcut  Identity\n"
        "total                                                         117,120\n");
}

TEST_CASE("a member that is no parameter is refused by name") {
  struct Careless : nn::Module {
    Variable scale{Tensor::full({1}, 2)};
    Variable forward(const Variable& x) override { return x * scale; }
    void visit(nn::Visitor& visitor) override { visitor("scale", scale); }
  } careless;
  CHECK_ERROR(careless.parameters(),
              "[scale] got a constant, expected a parameter. Make it with Variable(tensor, requires_grad).");
}

TEST_CASE("a training loop leaves no tensor behind") {
  const int64_t before = memory_statistics().live_tensors;
  {
    nn::AnyModule model = nn::make_model("cnn", {8, 8, 1}, 3);
    const Tensor x = default_generator().normal({6, 8, 8, 1}), y = Tensor::from<int64_t>({0, 1, 2, 0, 1, 2});
    int64_t after_first_step = 0;
    for (int step = 0; step < 4; ++step) {
      nn::cross_entropy((*model)(x), y).backward();
      NoGrad no_grad;
      for (Variable& parameter : model->parameters()) {
        Tensor weight = parameter.value();
        core::add_scaled(weight, -0.1, parameter.grad());
        parameter.zero_grad();
      }
      if (step == 0) after_first_step = memory_statistics().live_tensors;
    }
    CHECK(memory_statistics().live_tensors == after_first_step);
  }
  CHECK(memory_statistics().live_tensors == before);
}

TEST_CASE("constants of a module are cloned and converted each for itself") {
  struct Constants : nn::Module {
    Variable a{Tensor::full({}, 1)}, b{Tensor::full({}, 2)};
    void visit(nn::Visitor& visitor) override { visitor("a", a), visitor("b", b); }
    Variable forward(const Variable& x) override { return a * x + b; }
  };
  Constants model;
  nn::AnyModule copy = nn::clone(nn::AnyModule(model));
  CHECK((*copy)(Variable(Tensor::full({}, 10))).item() == 12);
  model.to(DType::float64);
  CHECK(model(Variable(Tensor::full({}, 10, DType::float64))).item() == 12);
}
