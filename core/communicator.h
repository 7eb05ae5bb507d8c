// SPDX-License-Identifier: MIT
// Communicator: a group of processes that train one model together, each on its part of every batch, and what they do
// as one: sum a tensor over all of them, copy a tensor from one to the others, wait for each other. A process of the
// group is called by its rank, 0 to size - 1. Every rank makes the same calls in the same order; a call returns when
// all have made it, or, on the GPU, when it is enqueued. GroupOfOne is the group of a process that is alone. A group of
// several comes from MPI (core/mpi/world.h), and sums on GPUs by NCCL (core/nccl/group.h). Not here: what is summed and
// when (optim/optimizer.h), who trains on what (datasets/loader.h).
#pragma once

#include <string>
#include <vector>

#include "core/tensor.h"

namespace minima {

class Communicator {
 public:
  /// What one rank has asked for since the group was made. `bytes` are those of the tensors that were summed, whatever
  /// a network makes of them.
  struct Count {
    int64_t all_reduces = 0, bytes = 0;
  };

  Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// How many ranks run on this machine, this one included: they share its processors.
  virtual int size_here() const = 0;
  /// This one's place among them, 0 to size_here() - 1.
  virtual int rank_here() const = 0;
  /// Whether the group sums and copies tensors on this device. Every group does on the CPU.
  virtual bool works_on(Device device) const { return device == Device::cpu; }

  /// The tensor becomes the sum of all ranks' tensors, in place. float32 or float64, of the same shape on every rank,
  /// on a device that the group works on; anything else is an error. On the CPU the ranks are added in their order,
  /// ((t0 + t1) + t2) + ... Every rank gets the same bits, and the same bits in another run. On the GPU the order is
  /// NCCL's: the bits are again the same on every rank, and in another run of as many ranks on the same machines.
  void all_reduce_sum(Tensor& tensor);
  /// The tensor becomes rank 0's. Of the same shape and dtype on every rank, on a device that the group works on.
  void broadcast(Tensor& tensor);
  /// The texts of all ranks, in their order.
  virtual std::vector<std::string> gather(const std::string& text) = 0;
  /// Returns when all ranks have called it.
  virtual void barrier() = 0;
  /// This rank ends before the others, which are then ended by who started them: nobody waits for them.
  virtual void leave() {}

  const Count& count() const { return count_; }

 protected:
  virtual void sum(Tensor& tensor) = 0;
  virtual void copy_from_root(Tensor& tensor) = 0;

 private:
  Count count_;
};

/// A process that is alone: each sum is what it was, on any device.
class GroupOfOne : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  int size_here() const override { return 1; }
  int rank_here() const override { return 0; }
  bool works_on(Device) const override { return true; }
  std::vector<std::string> gather(const std::string& text) override { return {text}; }
  void barrier() override {}

 protected:
  void sum(Tensor&) override {}
  void copy_from_root(Tensor&) override {}
};

/// An error, on every rank, unless every rank gives the same text. It names `what`, the first rank that differs from
/// rank 0, and both texts.
void require_agreement(Communicator& group, const std::string& what, const std::string& value);

}  // namespace minima
