// Models by name: PyTorch's parameter counts, the inputs they take, and the errors for those they do not.
#include "nn/models.h"

#include "core/ops.h"
#include "core/random.h"
#include "nn/loss.h"
#include "tests/check.h"

using namespace minima;

namespace {
int64_t count(const std::string& name, const Shape& input) {
  return nn::make_model(name, input, 10)->parameter_count();
}
}  // namespace

TEST_CASE("models have exactly the parameter counts of the same networks in PyTorch") {
  const Shape gray{28, 28, 1}, colour{32, 32, 3};
  CHECK(count("mlp", gray) == 235146);
  CHECK(count("mlp_big", gray) == 1863690);
  CHECK(count("mlp:256,256", gray) == 269322);
  CHECK(count("lenet", gray) == 61706);
  CHECK(count("cnn", gray) == 96746);
  CHECK(count("resnet20", colour) == 269722);
  CHECK(count("wrn16-4", colour) == 2748890);
  CHECK(count("wrn16-1", colour) == 175066);
  CHECK(count("vit:4,64,4,4", colour) == 207946);
  CHECK(nn::make_model("resnet20", colour, 10)->parameters().size() == 59);
  CHECK(nn::make_model("wrn16-4", colour, 10)->parameters().size() == 44);
}

TEST_CASE("every model takes small images of any channel count and is trainable end to end") {
  manual_seed(7);
  const Tensor labels = Tensor::from<int64_t>({0, 1, 2});
  const auto train_once = [&](const std::string& name, const Shape& one) {
    CAPTURE(name);
    nn::AnyModule model = nn::make_model(name, one, 4);
    Shape shape{3};
    for (int64_t extent : one) shape.push_back(extent);
    Variable logits = (*model)(default_generator().normal(shape));
    CHECK(logits.shape() == Shape{3, 4});
    nn::cross_entropy(logits, labels).backward();
    for (const auto& [parameter_name, parameter] : model->named_parameters()) {
      CAPTURE(parameter_name);
      CHECK(parameter.grad().defined());
      CHECK(core::norm(parameter.grad()).item() > 0);
    }
  };
  for (const std::string& name : nn::model_names())
    train_once(name, name.starts_with("vit") ? Shape{12, 16, 2} : Shape{13, 12, 2});
  for (const std::string name : {"mlp", "cnn", "resnet20", "wrn10-1", "vit:2,8,2,2"}) train_once(name, {8, 8, 1});
  train_once("mlp:7", {5});
}

TEST_CASE("an mlp takes a table, and flattens an image to the same numbers") {
  nn::AnyModule model = nn::make_model("mlp:5", {6}, 3);
  const Tensor x = Generator{41}.normal({2, 6});
  CHECK_SAME_BITS((*model)(x).value(), (*model)(x.reshape({2, 2, 3, 1})).value());
}

TEST_CASE("weights are fresh draws: the same seed, the same model") {
  manual_seed(8);
  nn::AnyModule first = nn::make_model("lenet", {12, 12, 1}, 3);
  manual_seed(8);
  nn::AnyModule again = nn::make_model("lenet", {12, 12, 1}, 3);
  for (size_t i = 0; i < first->parameters().size(); ++i)
    CHECK_SAME_BITS(first->parameters()[i].value(), again->parameters()[i].value());
}

TEST_CASE("a model refuses what it cannot take, and says what it can") {
  CHECK_ERROR(nn::make_model("lenet", {8, 8, 1}, 10),
              "[lenet] got images of 8 x 8 with 1 channels, expected at least 12 x 12. resnet20 and mlp take images of "
              "any size.");
  CHECK_ERROR(nn::make_model("cnn", {3, 8, 1}, 10),
              "[cnn] got images of 3 x 8 with 1 channels, expected at least 4 x 4.");
  CHECK_ERROR(nn::make_model("cnn", {1, 28, 28}, 10),
              "[cnn] got images of 1 x 28 with 28 channels, expected at least 4 x 4. "
              "If the shape was meant as (channels, height, width), put the channels last.");
  for (const std::string name : {"lenet", "cnn", "resnet20", "wrn16-4", "vit:4,64,4,4"})
    CHECK_ERROR(nn::make_model(name, {30}, 2),
                "[" + name.substr(0, name.find(':')) +
                    "] got an input of shape (30,), expected an image (height, width, channels). "
                    "It is a network for images; use an mlp for a table.");
  CHECK_ERROR(nn::make_model("mlp", {3, 4}, 2), "[make_model] got an input of shape (3, 4), expected (features,) or");
  CHECK_ERROR(nn::make_model("mlp", {0}, 2), "[make_model] got an input of shape (0,)");
  CHECK_ERROR(nn::make_model("mlp", {3}, 0), "[make_model] got 0 classes, expected at least 1.");
}

TEST_CASE("an unknown model's error lists the known ones") {
  CHECK_ERROR(nn::make_model("nope", {3}, 2),
              "[make_model] got \"nope\", expected one of mlp, mlp_big, mlp:256,256, lenet, cnn, resnet20, wrn16-4, "
              "vit:4,64,4,4.");
  for (const std::string name : {"mlp:", "mlp:3,,4", "mlp:3,", "mlp:0", "mlp:x", "mlp:-3", "mlp:99999999999999999999"})
    CHECK_ERROR(nn::make_model(name, {3}, 2), "[make_model] got \"" + name + "\", expected hidden sizes from 1 to");
  for (const std::string name : {"wrn", "wrn16", "wrn-16-4", "wrn16-4-2"})
    CHECK_ERROR(nn::make_model(name, {8, 8, 3}, 2),
                "[make_model] got \"" + name + "\", expected a depth and a width, as in wrn16-4.");
  for (const std::string name : {"vit:", "vit:4", "vit:4,64,4", "vit:4,64,4,4,4", "vit:4,64,0,4", "vit4,64,4,4"})
    CHECK_ERROR(nn::make_model(name, {8, 8, 3}, 2), "[make_model] got \"" + name + "\", expected");
  CHECK_ERROR(nn::make_model("vit:3,64,4,4", {8, 8, 3}, 2),
              "[vit] got images of 8 x 8 and patches of 3 x 3, expected patches that fill the image.");
  CHECK_ERROR(nn::make_model("vit:4,64,4,5", {8, 8, 3}, 2),
              "[MultiheadAttention] got width 64 for 5 heads, expected heads of one width.");
  CHECK_ERROR(nn::make_model("wrn17-4", {8, 8, 3}, 2),
              "[WideResNet] got depth 17, expected 6 n + 4 with n >= 1: 10, 16, 22, 28, ...");
  CHECK_ERROR(nn::mlp({3}), "[mlp] got 1 sizes, expected at least two");
  CHECK_ERROR(nn::ResNet(3, 10, 0), "[ResNet] got 0 blocks a stage, expected at least 1.");
}
