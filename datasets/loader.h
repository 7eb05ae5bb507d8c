// SPDX-License-Identifier: MIT
// Loader: visits a Dataset batch by batch. The order of an epoch is a function of (seed, epoch). A batch is prepared
// when it is asked for, on all threads: a training step keeps every processor busy, so that a thread in the background
// would only take turns with it. On a GPU the steps that were enqueued before go on meanwhile. Not here: what a batch
// contains (dataset.h).
#pragma once

#include <iterator>
#include <memory>
#include <vector>

#include "datasets/dataset.h"

namespace minima::datasets {

struct LoaderOptions {
  int64_t batch_size = 64;
  uint64_t seed = 1;       ///< of the order; augmentations have their own
  bool shuffle = true;     ///< false: every epoch goes from the first sample to the last
  bool drop_last = false;  ///< leave out a last batch that is not full
  /// Where batches lie. On the GPU all samples are kept there, and a batch is gathered there, unless they do not fit or
  /// change from epoch to epoch: then each batch is prepared on the CPU and copied, which no step waits for.
  Device device = Device::cpu;
  /// Of `ranks` processes that share each batch, this loader serves number `rank`: of the n samples of a batch it gives
  /// those from n rank / ranks up to n (rank + 1) / ranks, rounded down. So all parts together are the batch of one
  /// process, in its order. A part may be empty: then x has no rows. (core/communicator.h has both numbers.)
  int rank = 0, ranks = 1;
};

/// One pass over the data, made by Loader::epoch. It can be walked through once; leaving early is fine.
class Epoch {
  struct State;

 public:
  class Iterator {
   public:
    const Batch& operator*() const;
    Iterator& operator++();
    bool operator==(std::default_sentinel_t) const;

   private:
    friend class Epoch;
    explicit Iterator(State* state) : state_(state) {}
    State* state_;
  };

  Epoch(Epoch&&) noexcept;
  Epoch& operator=(Epoch&&) noexcept;
  ~Epoch();

  Iterator begin();
  std::default_sentinel_t end() const { return {}; }

 private:
  friend class Loader;
  explicit Epoch(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// for (auto [images, labels] : loader.epoch(e)) ...
/// A batch size that is not positive, or larger than the data, is an error; so is a rank that is none of `ranks`.
class Loader {
 public:
  Loader(Dataset dataset, const LoaderOptions& options);

  /// The pass number `epoch`, counted from 0. An error while preparing a batch is thrown where that batch is asked for.
  Epoch epoch(int64_t epoch) const;
  /// The positions in the order in which that epoch visits them.
  std::vector<int64_t> order(int64_t epoch) const;
  int64_t steps_per_epoch() const;
  /// The samples of batch number `step` of an epoch that this rank gets, divided by those of all ranks: 1 for one rank.
  double share(int64_t step) const;
  const Dataset& dataset() const { return dataset_; }
  const LoaderOptions& options() const { return options_; }

 private:
  Dataset dataset_;
  LoaderOptions options_;
  std::shared_ptr<const Batch> resident_;  ///< all samples, on the GPU; none on the CPU
};

}  // namespace minima::datasets
