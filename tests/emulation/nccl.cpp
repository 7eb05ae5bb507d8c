// NCCL as the group of GPUs meets it: this process is rank 0, and every other rank has the same tensors. What it does
// is in the order of the stream, as NCCL's work is.
#include <nccl.h>

#include <cstring>
#include <vector>

#include "core/nccl/library.h"

struct ncclComm {
  int ranks;
};

namespace {

constexpr char id_of_rank_0[] = "of rank 0";

template <class T>
void multiply(std::vector<char>& bytes, int factor) {
  for (size_t i = 0; i < bytes.size(); i += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes.data() + i, sizeof value);
    value *= static_cast<T>(factor);
    std::memcpy(bytes.data() + i, &value, sizeof value);
  }
}

}  // namespace

ncclResult_t ncclGetVersion(int* version) { return *version = 22809, ncclSuccess; }

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  std::memcpy(id->internal, id_of_rank_0, sizeof id_of_rank_0);
  return ncclSuccess;
}

// It refuses the number of ranks that no test has otherwise.
ncclResult_t ncclCommInitRank(ncclComm_t* group, int ranks, ncclUniqueId id, int) {
  if (ranks == 13 || std::strcmp(id.internal, id_of_rank_0) != 0) return ncclInvalidUsage;
  *group = new ncclComm{ranks};
  return ncclSuccess;
}

ncclResult_t ncclCommDestroy(ncclComm_t group) {
  delete group;
  return ncclSuccess;
}

ncclResult_t ncclAllReduce(const void* from, void* to, size_t count, ncclDataType_t type, ncclRedOp_t, ncclComm_t group,
                           cudaStream_t stream) {
  std::vector<char> bytes(count * (type == ncclFloat64 ? 8 : 4));
  cudaMemcpyAsync(bytes.data(), from, bytes.size(), cudaMemcpyDeviceToHost, stream);
  cudaStreamSynchronize(stream);
  if (type == ncclFloat64)
    multiply<double>(bytes, group->ranks);
  else
    multiply<float>(bytes, group->ranks);
  cudaMemcpyAsync(to, bytes.data(), bytes.size(), cudaMemcpyHostToDevice, stream);
  cudaStreamSynchronize(stream);
  return ncclSuccess;
}

ncclResult_t ncclBroadcast(const void* from, void* to, size_t count, ncclDataType_t, int, ncclComm_t,
                           cudaStream_t stream) {
  cudaMemcpyAsync(to, from, count, cudaMemcpyDeviceToDevice, stream);
  return ncclSuccess;
}

const char* ncclGetErrorString(ncclResult_t) { return "invalid usage"; }
const char* ncclGetLastError(ncclComm_t) { return "Duplicate GPU detected"; }

const minima::core::cuda::Nccl* minima::core::cuda::find_nccl() {
  static const Nccl all{ncclGetVersion, ncclGetUniqueId, ncclCommInitRank,   ncclCommDestroy,
                        ncclAllReduce,  ncclBroadcast,   ncclGetErrorString, ncclGetLastError};
  return &all;
}
