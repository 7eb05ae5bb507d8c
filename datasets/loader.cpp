// SPDX-License-Identifier: MIT
#include "datasets/loader.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#include "core/ops.h"
#include "core/parallel.h"
#include "datasets/draws.h"

#if defined(__linux__)
#include <sys/prctl.h>
#endif

namespace minima::datasets {

/// Everything one pass needs, so that it outlives the Loader that made it. With a worker, `ready` and `error` are the
/// worker's while `filled` is false, and the training thread's while it is true.
struct Epoch::State {
  Dataset dataset;
  std::shared_ptr<const Batch> resident;
  std::vector<int64_t> order;
  int64_t batch_size, steps, epoch;
  Device device;

  int64_t step = 0;  // of `current`
  Batch current;

  std::thread worker;
  std::mutex mutex;
  std::condition_variable changed;
  bool filled = false, stop = false;
  Batch ready;
  std::exception_ptr error;

  State(const Loader& loader, std::shared_ptr<const Batch> on_device, int64_t number)
      : dataset(loader.dataset()),
        resident(std::move(on_device)),
        order(loader.order(number)),
        batch_size(loader.options().batch_size),
        steps(loader.steps_per_epoch()),
        epoch(number),
        device(loader.options().device) {
    if (!loader.options().prefetch || !has_threads() || resident) return;
    try {
      worker = std::thread([this] { work(); });
    } catch (const std::system_error&) {
      // No thread to be had: batches are then prepared when they are asked for.
    }
  }

  ~State() {
    if (!worker.joinable()) return;
    {
      std::lock_guard lock(mutex);
      stop = true;
    }
    changed.notify_all();
    worker.join();
  }

  Batch prepare(int64_t number) const {
    const int64_t begin = number * batch_size;
    const int64_t count = std::min(batch_size, static_cast<int64_t>(order.size()) - begin);
    if (resident) {
      const Tensor rows = Tensor::from(std::vector<int64_t>(order.begin() + begin, order.begin() + begin + count));
      return {core::gather_rows(resident->x, rows), core::gather_rows(resident->y, rows)};
    }
    return dataset.batch({order.data() + begin, static_cast<size_t>(count)}, epoch);
  }

  void work() {
#if defined(__linux__)
    prctl(PR_SET_NAME, "minima loader");  // for debuggers, and for programs that must not fork while it runs
#endif
    for (int64_t number = 0; number < steps; ++number) {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return !filled || stop; });
      if (stop) return;
      lock.unlock();
      try {
        ready = prepare(number);
      } catch (...) { error = std::current_exception(); }
      lock.lock();
      filled = true;
      changed.notify_all();
      if (error) return;
    }
  }

  /// Makes `current` the batch number `step`.
  void fetch() {
    current = {};  // its memory can serve the batch after the next
    if (step >= steps) return;
    fetch_prepared();
    current = {current.x.to(device), current.y.to(device)};
  }

  void fetch_prepared() {
    if (!worker.joinable()) {
      current = prepare(step);
      return;
    }
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return filled; });
    if (error) {
      step = steps;  // nothing comes after an error, and nobody waits for it
      std::rethrow_exception(error);
    }
    current = std::move(ready);
    filled = false;
    changed.notify_all();
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
  if (options_.device != Device::cpu && !dataset_.is_random()) resident_ = copied_to(options_.device, dataset_);
}

Epoch Loader::epoch(int64_t epoch) const {
  if (epoch < 0) fail("Loader::epoch", text("epoch ", epoch), "a number counted from 0");
  return Epoch(std::make_unique<Epoch::State>(*this, resident_, epoch));
}

std::vector<int64_t> Loader::order(int64_t epoch) const {
  if (!options_.shuffle) return detail::counting(0, dataset_.size());
  return detail::stream_of(detail::Drawn::order_of_samples, options_.seed, epoch).permutation(dataset_.size());
}

int64_t Loader::steps_per_epoch() const {
  const int64_t full = dataset_.size() / options_.batch_size;
  return full + (!options_.drop_last && dataset_.size() % options_.batch_size != 0 ? 1 : 0);
}

}  // namespace minima::datasets
