// --augment: how it is read, and that what a model is judged by stays as it is.
#include "examples/kit/augmentation.h"

#include "examples/kit/evaluation.h"
#include "examples/kit/run.h"
#include "tests/check.h"
#include "tests/temporary_folder.h"

using namespace minima;
using namespace minima::examples;
using namespace minima::test;

namespace {
Problem digits_with(const std::vector<std::string>& words) {
  auto [train, test] = datasets::digits();
  return {.data = "digits",
          .model = "mlp:16",
          .train = train.take(150),
          .test = test.take(50),
          .batch = 32,
          .augmentation = Augmentation::from(words)};
}

Tensor weights_after(const Problem& problem, const std::string& optimizer, int steps) {
  Run run(problem, {.optimizer = optimizer, .hyperparameters = {{"lr", 0.05}}, .steps = steps}, 1);
  while (!run.finished()) run.step();
  return optim::flat_weights(run.model().parameters());
}
}  // namespace

TEST_CASE("--augment reads words with their numbers, each once, and refuses anything else by name") {
  const Augmentation all = Augmentation::from({"flip", "shift=2", "cutout=3", "mixup=0.2"});
  CHECK(all.flip);
  CHECK(all.shift == 2);
  CHECK(all.cutout == 3);
  CHECK(all.mixup == 0.2);
  const Augmentation none = Augmentation::from({});
  CHECK_FALSE(none.flip);
  CHECK(none.mixup == 0);
  for (const std::string word : {"flips", "flip=1", "shift", "shift=", "shift=0", "shift=1.5", "shift=-1", "cutout=2x",
                                 "mixup=0", "mixup=nan", "turn=3", ""})
    CHECK_ERROR(Augmentation::from({word}), "[--augment] got \"" + word + "\", expected flip, shift=PIXELS");
  CHECK_ERROR(Augmentation::from({"shift=1", "shift=2"}), "got \"shift=2\"");
  CHECK_ERROR(Augmentation::from({"mixup=2"}), "got mixup=2, expected an alpha of at most 1.");
  CHECK_ERROR(Augmentation::from({"shift=8"}).of(datasets::digits().train, 1), "8 pixels, expected 0 to 7");
}

TEST_CASE("the loss of a mixed batch is the mean of the losses against both labels, weighted by their shares") {
  const datasets::Batch batch = datasets::digits().train.take(6).all();
  const datasets::MixedBatch mixed = Augmentation::from({"mixup=0.5"}).mixed(batch, 1, 4);
  manual_seed(1);
  nn::Sequential model = nn::mlp({64, 10});
  const Variable outputs = model(mixed.x);
  const double expected = mixed.share * nn::cross_entropy(outputs, mixed.y).item() +
                          (1 - mixed.share) * nn::cross_entropy(outputs, mixed.other_y).item();
  CHECK(std::abs(loss_of(outputs, mixed).item() - expected) < 1e-6);
  CHECK(std::abs(mean(losses_of(outputs, mixed)).item() - expected) < 1e-6);
  const datasets::MixedBatch plain = Augmentation{}.mixed(batch, 1, 4);
  CHECK_SAME_BITS(plain.x, batch.x);
  CHECK_SAME_BITS(loss_of(outputs, plain).value(), nn::cross_entropy(outputs, batch.y).value());
}

TEST_CASE("each augmentation changes what a run learns, not what it is judged by, and a resumed run ends in its bits") {
  const Tensor plain = weights_after(digits_with({}), "sgd", 12);
  for (const std::string word : {"flip", "shift=1", "cutout=3", "mixup=0.4"}) {
    CAPTURE(word);
    const Problem problem = digits_with({word});
    const Tensor weights = weights_after(problem, "sgd", 12);
    CHECK(bit_difference(weights, plain) != "");
    const Tensor again = weights_after(problem, "sgd", 12);
    CHECK_SAME_BITS(again, weights);
    TemporaryFolder folder;
    const Setting setting{.optimizer = "sgd", .hyperparameters = {{"lr", 0.05}}, .steps = 12};
    Run first(problem, setting, 1), second(problem, setting, 1);
    const double before = first.measure().train_loss;
    CHECK(before == Run(digits_with({}), setting, 1).measure().train_loss);
    for (int i = 0; i < 7; ++i) first.step();
    first.save(folder.file("run"));
    second.load(folder.file("run"), first.result());
    while (!second.finished()) second.step();
    CHECK_SAME_BITS(optim::flat_weights(second.model().parameters()), weights);
  }
  CHECK(core::all_finite(weights_after(digits_with({"mixup=0.4"}), "esam", 12)));
}
