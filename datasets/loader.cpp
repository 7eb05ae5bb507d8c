// SPDX-License-Identifier: MIT
#include "datasets/loader.h"

#include <algorithm>
#include <span>

#include "core/ops.h"
#include "datasets/draws.h"

namespace minima::datasets {

namespace {

/// The samples of a batch, as positions in the order of the epoch: those of all ranks, and those of one.
struct Part {
  int64_t begin, end, of_all;
};

Part part_of(const LoaderOptions& options, int64_t samples, int64_t step) {
  const int64_t begin = step * options.batch_size, all = std::min(options.batch_size, samples - begin);
  return {begin + all * options.rank / options.ranks, begin + all * (options.rank + 1) / options.ranks, all};
}

}  // namespace

/// Everything one pass needs, so that it outlives the Loader that made it.
struct Epoch::State {
  Dataset dataset;
  std::shared_ptr<const Batch> resident;
  std::vector<int64_t> order;
  LoaderOptions options;
  int64_t steps, epoch;

  int64_t step = 0;  // of `current`
  Batch current{};

  /// Makes `current` the batch number `step`.
  void fetch() {
    current = {};  // its memory can serve the next one
    if (step >= steps) return;
    const Part part = part_of(options, static_cast<int64_t>(order.size()), step);
    const std::span<const int64_t> positions{order.data() + part.begin, static_cast<size_t>(part.end - part.begin)};
    if (resident) {
      const Tensor rows = Tensor::from(std::vector<int64_t>(positions.begin(), positions.end()));
      current = {core::gather_rows(resident->x, rows), core::gather_rows(resident->y, rows)};
    } else {
      const Batch prepared = dataset.batch(positions, epoch);
      current = {prepared.x.to(options.device), prepared.y.to(options.device)};
    }
  }
};

namespace {
/// Every sample on the device; null if there is not enough memory.
std::shared_ptr<const Batch> copied_to(Device device, const Dataset& dataset) {
  try {
    Shape shape{dataset.size()};
    for (const int64_t extent : dataset.input_shape()) shape.push_back(extent);
    Batch all{Tensor::empty(shape, DType::float32, device), Tensor::empty({dataset.size()}, DType::int64, device)};
    constexpr int64_t piece = 4096;
    for (int64_t begin = 0; begin < dataset.size(); begin += piece) {
      const int64_t end = std::min(dataset.size(), begin + piece);
      const Batch part = dataset.batch(detail::counting(begin, end));
      all.x.slice(begin, end).copy_from(part.x);
      all.y.slice(begin, end).copy_from(part.y);
    }
    return std::make_shared<const Batch>(std::move(all));
  } catch (const Error&) { return nullptr; }
}
}  // namespace

Epoch::Epoch(std::unique_ptr<State> state) : state_(std::move(state)) {}
Epoch::Epoch(Epoch&&) noexcept = default;
Epoch& Epoch::operator=(Epoch&&) noexcept = default;
Epoch::~Epoch() = default;

Epoch::Iterator Epoch::begin() {
  if (!state_) fail("Epoch", "an epoch that was moved from", "the one that it was moved to");
  if (!state_->current.x.defined()) state_->fetch();
  return Iterator(state_.get());
}

const Batch& Epoch::Iterator::operator*() const { return state_->current; }

Epoch::Iterator& Epoch::Iterator::operator++() {
  ++state_->step;
  state_->fetch();
  return *this;
}

bool Epoch::Iterator::operator==(std::default_sentinel_t) const { return state_->step >= state_->steps; }

Loader::Loader(Dataset dataset, const LoaderOptions& options) : dataset_(std::move(dataset)), options_(options) {
  if (options_.batch_size < 1) fail("Loader", text("batch_size ", options_.batch_size), "at least 1");
  if (options_.batch_size > dataset_.size())
    fail("Loader", text("batch_size ", options_.batch_size),
         text("at most ", dataset_.size(), ", the number of samples"), "Choose a smaller batch or more data.");
  if (options_.rank < 0 || options_.rank >= options_.ranks)
    fail("Loader", text("rank ", options_.rank, " of ", options_.ranks), "a rank of 0 to ranks - 1");
  if (options_.device != Device::cpu && !dataset_.is_random()) resident_ = copied_to(options_.device, dataset_);
}

Epoch Loader::epoch(int64_t epoch) const {
  if (epoch < 0) fail("Loader::epoch", text("epoch ", epoch), "a number counted from 0");
  return Epoch(std::make_unique<Epoch::State>(Epoch::State{.dataset = dataset_,
                                                           .resident = resident_,
                                                           .order = order(epoch),
                                                           .options = options_,
                                                           .steps = steps_per_epoch(),
                                                           .epoch = epoch}));
}

std::vector<int64_t> Loader::order(int64_t epoch) const {
  if (!options_.shuffle) return detail::counting(0, dataset_.size());
  return detail::stream_of(detail::Drawn::order_of_samples, options_.seed, epoch).permutation(dataset_.size());
}

double Loader::share(int64_t step) const {
  if (step < 0 || step >= steps_per_epoch())
    fail("Loader::share", text("step ", step), text("0 to ", steps_per_epoch() - 1));
  const Part part = part_of(options_, dataset_.size(), step);
  return static_cast<double>(part.end - part.begin) / static_cast<double>(part.of_all);
}

int64_t Loader::steps_per_epoch() const {
  const int64_t full = dataset_.size() / options_.batch_size;
  return full + (!options_.drop_last && dataset_.size() % options_.batch_size != 0 ? 1 : 0);
}

}  // namespace minima::datasets
