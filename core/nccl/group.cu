// SPDX-License-Identifier: MIT
// A group of GPUs.
#include "core/nccl/group.h"

#include <cstdlib>
#include <cstring>
#include <exception>

#include "core/backend.h"
#include "core/cuda/device.cuh"
#include "core/cuda/queue.cuh"
#include "core/nccl/library.h"

namespace minima::core {

using namespace cuda;

namespace {

void check(ncclResult_t result, const char* call) {
  if (result == ncclSuccess) return;
  fail("distributed", text(call, ": ", find_nccl()->error_text(result), " (", find_nccl()->last_error(nullptr), ")"),
       "success",
       "Does each rank have a GPU of its own (CUDA_VISIBLE_DEVICES), and a way to the others? NCCL_DEBUG=INFO in the "
       "environment makes NCCL say more.");
}

// Rank 0's, which all others need to join it.
ncclUniqueId common_id(Communicator& group) {
  ncclUniqueId id{};
  if (group.rank() == 0) check(find_nccl()->unique_id(&id), "ncclGetUniqueId");
  const std::string from_root = group.gather(std::string(id.internal, sizeof id.internal))[0];
  std::memcpy(id.internal, from_root.data(), sizeof id.internal);
  return id;
}

class Gpus : public Communicator {
 public:
  Gpus(std::unique_ptr<Communicator> hosts, ncclComm_t gpus) : hosts_(std::move(hosts)), gpus_(gpus) {}

  // Like MPI's end, NCCL's waits for all ranks, and one that fails must not.
  ~Gpus() override {
    if (has_left_ || std::uncaught_exceptions() > 0) return;
    try {
      queue().flush();
    } catch (const Error&) { return; }
    cudaStreamSynchronize(device().stream);
    find_nccl()->leave(gpus_);
  }

  int rank() const override { return hosts_->rank(); }
  int size() const override { return hosts_->size(); }
  int rank_here() const override { return hosts_->rank_here(); }
  int size_here() const override { return hosts_->size_here(); }
  bool works_on(Device) const override { return true; }
  std::vector<std::string> gather(const std::string& text) override { return hosts_->gather(text); }
  void barrier() override { hosts_->barrier(); }
  void leave() override { has_left_ = true, hosts_->leave(); }

 protected:
  // The queue compares the kernels of a step with those of a graph. What NCCL puts into the stream is none of them, so
  // they are all sent first, and no graph ever holds a sum.
  void sum(Tensor& tensor) override {
    if (tensor.device() == Device::cpu) return hosts_->all_reduce_sum(tensor);
    queue().flush();
    const auto count = static_cast<size_t>(tensor.numel());
    const ncclDataType_t type = tensor.dtype() == DType::float64 ? ncclFloat64 : ncclFloat32;
    check(find_nccl()->all_reduce(tensor.raw(), tensor.raw(), count, type, ncclSum, gpus_, device().stream),
          "ncclAllReduce");
  }

  void copy_from_root(Tensor& tensor) override {
    if (tensor.device() == Device::cpu) return hosts_->broadcast(tensor);
    queue().flush();
    const size_t bytes = static_cast<size_t>(tensor.numel()) * size_of(tensor.dtype());
    check(find_nccl()->broadcast(tensor.raw(), tensor.raw(), bytes, ncclUint8, 0, gpus_, device().stream),
          "ncclBroadcast");
  }

 private:
  std::unique_ptr<Communicator> hosts_;
  ncclComm_t gpus_;
  bool has_left_ = false;
};

}  // namespace

std::string nccl_description() {
  if (!find_nccl()) return "NCCL (libnccl.so.2) was not found; see LD_LIBRARY_PATH";
  int version = 0;  // 22809
  check(find_nccl()->version(&version), "ncclGetVersion");
  return text("NCCL ", version / 10000, ".", version / 100 % 100, ".", version % 100);
}

void join_gpus(std::unique_ptr<Communicator>& group) {
  if (!find_nccl()) fail("distributed", nccl_description(), "NCCL 2", "Install NVIDIA's package libnccl2.");
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  const std::string mine = gpu_of_rank(visible ? visible : "", group->rank_here(), group->size_here());
  // CUDA reads it when it is first used. Empty, it hides all GPUs, and stays.
  if (!visible || *visible) setenv("CUDA_VISIBLE_DEVICES", mine.c_str(), 1);
  if (const std::string reason = cuda_unavailable_reason(); !reason.empty())
    fail("distributed", text("GPU ", mine, " for rank ", group->rank(), ", but ", reason),
         "a GPU that can be used for each rank",
         "Start as many ranks on a machine as it has GPUs, or use --device cpu.");
  if (int count = 0; group->size_here() > 1 && cudaGetDeviceCount(&count) == cudaSuccess && count > 1)
    fail("distributed",
         text("CUDA in use, by MPI or by the program, before GPU ", mine, " was chosen for rank ", group->rank()),
         "this choice first",
         "Set CUDA_VISIBLE_DEVICES for each rank in a script that mpirun starts, to one GPU each.");
  device();  // set up, so that NCCL finds it
  ncclComm_t gpus = nullptr;
  check(find_nccl()->join(&gpus, group->size(), common_id(*group), group->rank()), "ncclCommInitRank");
  group = std::make_unique<Gpus>(std::move(group), gpus);
}

}  // namespace minima::core
