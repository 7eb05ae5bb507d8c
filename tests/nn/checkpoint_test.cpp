// A model's state as an archive: what is in it, that it comes back bit for bit, and that a wrong one changes nothing.
// Files: checkpoint_file_test.cpp.
#include "nn/checkpoint.h"

#include "core/random.h"
#include "nn/batch_norm.h"
#include "nn/containers.h"
#include "nn/layers.h"
#include "nn/models.h"
#include "tests/check.h"

using namespace minima;

namespace {

nn::Sequential small_model() {
  return nn::Sequential{nn::Conv2d{2, 3, 3}, nn::BatchNorm2d{3}, nn::Flatten{}, nn::Linear{12, 4}};
}

std::vector<Tensor> values_of(nn::Module& model) {
  std::vector<Tensor> values;
  for (const auto& [name, tensor] : nn::state(model).tensors) values.push_back(tensor);
  return values;
}

// Loading this archive fails with these words and leaves the model as it was.
void check_refused(nn::Module& model, const Archive& archive, const std::string& part) {
  const std::vector<Tensor> before = values_of(model);
  CHECK_ERROR(nn::load_state(model, archive), part);
  const std::vector<Tensor> after = values_of(model);
  for (size_t i = 0; i < before.size(); ++i) CHECK_SAME_BITS(after[i], before[i]);
}

}  // namespace

TEST_CASE("a state has PyTorch's names, layouts and dtypes") {
  nn::Sequential model = small_model();
  const Archive archive = nn::state(model);
  std::string listing;
  for (const auto& [name, tensor] : archive.tensors)
    listing += text(name, " ", name_of(tensor.dtype()), " ", tensor.shape(), "\n");
  CHECK(listing ==
        "0.bias float32 (3,)\n"
        "0.weight float32 (3, 2, 3, 3)\n"
        "1.bias float32 (3,)\n"
        "1.num_batches_tracked int64 ()\n"
        "1.running_mean float32 (3,)\n"
        "1.running_var float32 (3,)\n"
        "1.weight float32 (3,)\n"
        "3.bias float32 (4,)\n"
        "3.weight float32 (4, 12)\n");
}

TEST_CASE(
    "a convolution's weight is saved as (out, in, kernel_h, kernel_w) and loaded back, and no other tensor moves") {
  struct Own : nn::Module {
    nn::Conv2d conv{2, 2, 2};
    Variable grid{Generator{1}.normal({2, 3, 4, 5}), requires_grad};  // four axes, but no convolution's weight
    Variable forward(const Variable& x) override { return conv(x); }
    void visit(nn::Visitor& visitor) override { visitor("conv", conv), visitor("grid", grid); }
  } model;
  std::vector<float> numbers;  // [out, kernel_h, kernel_w, in]: thousands, hundreds, tens, units
  for (const int out : {0, 1000})
    for (const int i : {0, 100})
      for (const int j : {0, 10})
        for (const int in : {0, 1}) numbers.push_back(static_cast<float>(out + i + j + in));
  const Tensor weight = Tensor::from(numbers, {2, 2, 2, 2});
  model.conv.weight.set_value(weight);
  const Archive archive = nn::state(model);
  CHECK(archive.tensor("conv.weight").to_vector<double>() ==
        std::vector<double>{0, 10, 100, 110, 1, 11, 101, 111, 1000, 1010, 1100, 1110, 1001, 1011, 1101, 1111});
  CHECK_SAME_BITS(archive.tensor("grid"), model.grid.value());

  Own other;
  nn::load_state(other, archive);
  CHECK_SAME_BITS(other.conv.weight.value(), weight);
  CHECK_SAME_BITS(other.grid.value(), model.grid.value());
}

TEST_CASE("a convolution's weight of another shape is refused with both shapes as the file has them") {
  nn::Conv2d small{2, 3, 5}, large{4, 3, 5};
  CHECK_ERROR(nn::load_state(large, nn::state(small)),
              "weight is float32 (3, 2, 5, 5) where the model has float32 (3, 4, 5, 5)");
}

TEST_CASE("a state is a snapshot: later training does not change it") {
  nn::Linear model{2, 2};
  const Archive archive = nn::state(model);
  const Tensor before = archive.tensor("weight").clone();
  Tensor weight = model.weight.value();
  weight.fill(5);
  CHECK_SAME_BITS(archive.tensor("weight"), before);
}

TEST_CASE("loading writes into the model's own memory, so that views and copies of it follow") {
  nn::Linear model{2, 2}, copy = model;
  const Tensor memory = model.weight.value();
  Archive archive = nn::state(model);
  archive.tensors["weight"].fill(3);
  nn::load_state(model, archive);
  CHECK(model.weight.value().shares_storage_with(memory));
  CHECK(memory.at(0) == 3);
  CHECK(copy.weight.value().at(3) == 3);
}

TEST_CASE("a parameter under two names is saved under both, as PyTorch does") {
  nn::Linear tied{2, 2};
  nn::Sequential model{tied, tied};
  const Archive archive = nn::state(model);
  CHECK(archive.tensors.size() == 4);
  CHECK_SAME_BITS(archive.tensor("0.weight"), archive.tensor("1.weight"));
}

TEST_CASE("weights that do not fit are refused with every problem listed, and nothing is changed") {
  nn::Sequential model = small_model();
  const Archive good = nn::state(model);
  Archive archive = good;
  archive.tensors.erase("3.bias");
  archive.tensors.erase("0.weight");
  check_refused(model, archive, "missing: 0.weight, 3.bias");

  archive = good;
  archive.tensors["extra"] = Tensor::zeros({1});
  archive.tensors["0.weight"].fill(1);
  check_refused(model, archive, "unexpected: extra");
  for (int i = 0; i < 1000; ++i) archive.tensors[text("more", i)] = Tensor::zeros({1});
  check_refused(model, archive, "unexpected: extra, more0, more1, ");
  check_refused(model, archive, " and 981 more");

  archive = good;
  archive.tensors["3.weight"] = Tensor::zeros({12, 4});
  archive.tensors["0.bias"] = Tensor::zeros({3});
  archive.tensors.erase("1.bias");
  check_refused(model, archive,
                "[load_state] got weights that do not fit the model: 3.weight is float32 (12, 4) where the model has "
                "float32 (4, 12); missing: 1.bias, expected the model's own names, shapes and dtypes. Nothing was "
                "loaded. Build the same model; for another dtype call model.to(dtype) before loading.");

  archive = good;
  archive.tensors["3.bias"] = archive.tensors["3.bias"].to(DType::float64);
  check_refused(model, archive, "3.bias is float64 (4,) where the model has float32 (4,)");
}

TEST_CASE("two members of one name are an error, not a lost weight") {
  struct Twice : nn::Module {
    nn::Linear a{1, 1}, b{1, 1};
    Variable forward(const Variable& x) override { return b(a(x)); }
    void visit(nn::Visitor& visitor) override { visitor("fc", a), visitor("fc", b); }
  } twice;
  CHECK_ERROR(nn::state(twice), "[visit] got two members named fc, expected distinct names in each visit().");
}
