#include "examples/labs/lab_data.h"

#include <algorithm>
#include <numeric>

#include "core/backend.h"

namespace minima::examples {

namespace {

std::string quick_note(int64_t value) { return text(" (--quick: ", value, ")"); }

}  // namespace

void LabData::add_to(CommandLine& line) {
  line.option("--data", data_, joined(datasets::names()) + ", a FILE.csv, or a folder of images");
  line.option("--label", label_, "column of a FILE.csv that is to be predicted");
  line.option("--model", model_, joined(nn::model_names()));
  line.option("--device", device_, "cpu or cuda");
  line.option("--images", amounts_.images, "or other samples of the training set" + quick_note(quick_.images));
  line.option("--epochs", amounts_.epochs, "passes over them" + quick_note(quick_.epochs));
  line.option("--seeds", amounts_.seeds, "runs of each setting, with seeds 1, 2, ..." + quick_note(quick_.seeds));
}

void LabData::take(Lab& lab) {
  if (amounts_.images < 256) fail("--images", text(amounts_.images), "at least 256, two batches");
  if (amounts_.epochs < 1) fail("--epochs", text(amounts_.epochs), "at least 1");
  if (amounts_.seeds < 2)
    fail("--seeds", text(amounts_.seeds), "at least 2", "One seed says nothing about luck: an interval needs two.");
  check_label(data_, label_);
  const Amounts& stated = lab.quick() ? quick_ : normal_;
  for (int64_t Amounts::* amount : {&Amounts::images, &Amounts::epochs, &Amounts::seeds})
    if (amounts_.*amount == normal_.*amount) amounts_.*amount = stated.*amount;  // not chosen otherwise
  const bool amounts_as_stated =
      amounts_.images == stated.images && amounts_.epochs == stated.epochs && amounts_.seeds >= stated.seeds;
  if (parse_device(device_) != Device::cpu) lab.say("Networks are trained on the GPU: " + core::cuda_description());
  if (data_ != stated_data || model_ != stated_model_ || !amounts_as_stated || device_ != "cpu") lab.not_as_stated();
}

datasets::Split LabData::split(int64_t train_limit) const {
  auto [train, test] = datasets::load(data_, {.label = label_});
  return {train.take(std::min(train_limit, train.size())), test};
}

Problem LabData::problem(const datasets::Dataset& train, const datasets::Dataset& test) const {
  return {.data = data_,
          .model = model_,
          .train = train,
          .test = test,
          .batch = std::clamp<int64_t>(train.size() / 4, 1, 128),
          .device = parse_device(device_)};
}

Problem LabData::load() const {
  const auto [train, test] = split(amounts_.images);
  return problem(train, test);
}

Images LabData::load_with_validation() const {
  const auto [all, test] = split(2 * amounts_.images);
  const int64_t train = std::min(amounts_.images, all.size() - std::max<int64_t>(1, all.size() / 5));
  std::vector<int64_t> rest(static_cast<size_t>(std::min(train, all.size() - train)));
  std::iota(rest.begin(), rest.end(), train);
  return {problem(all.take(train), test), all.subset(rest)};
}

}  // namespace minima::examples
