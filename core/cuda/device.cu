// SPDX-License-Identifier: MIT
// The device: found, set up, its memory, and copies to and from it.
#include "core/cuda/device.cuh"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "core/cuda/cuda_backend.h"
#include "core/cuda/launch.cuh"

namespace minima::core {

using namespace cuda;

namespace cuda {
namespace {

/// Pinned host memory, in pieces that take turns: an upload is copied into a piece and goes on from there while the
/// host does something else. A large piece crosses the bus on a stream of its own, beside the kernels of the steps
/// before it. It goes to a place that no kernel uses, since its target may be in use until they have ended; from there
/// it is copied in the order of the kernels, which takes next to no time.
class UploadRing {
 public:
  void upload(const std::byte* source, std::byte* target, size_t bytes) {
    std::lock_guard lock(mutex_);
    if (!bus_) MINIMA_CUDA(cudaStreamCreateWithFlags(&bus_, cudaStreamNonBlocking));
    for (size_t begin = 0; begin < bytes; begin += piece_bytes) {
      const size_t size = std::min(piece_bytes, bytes - begin);
      Piece& piece = pieces_[next_++ % pieces];
      prepare(piece);
      std::memcpy(piece.memory, source + begin, size);
      if (size >= worth_a_stream && has_place(piece))
        send_beside(piece, target + begin, size);
      else
        send(piece.memory, target + begin, size, cudaMemcpyHostToDevice, cuda::device().stream, piece.sent);
    }
  }

 private:
  static constexpr size_t pieces = 16, piece_bytes = size_t{1} << 20, worth_a_stream = size_t{1} << 16;
  struct Piece {
    std::byte *memory = nullptr, *on_device = nullptr;
    cudaEvent_t sent = nullptr, fetched = nullptr;  // `memory` and `on_device` may be used again
  };

  static void send(const std::byte* from, std::byte* to, size_t size, cudaMemcpyKind kind, cudaStream_t stream,
                   cudaEvent_t done) {
    MINIMA_CUDA(cudaMemcpyAsync(to, from, size, kind, stream));
    MINIMA_CUDA(cudaEventRecord(done, stream));
  }
  /// Waits until the last upload from this piece has left the host.
  static void prepare(Piece& piece) {
    if (!piece.memory) {
      MINIMA_CUDA(cudaHostAlloc(reinterpret_cast<void**>(&piece.memory), piece_bytes, cudaHostAllocDefault));
      MINIMA_CUDA(cudaEventCreateWithFlags(&piece.sent, cudaEventDisableTiming));
      MINIMA_CUDA(cudaEventCreateWithFlags(&piece.fetched, cudaEventDisableTiming));
    } else {
      MINIMA_CUDA(cudaEventSynchronize(piece.sent));  // a query would leave its "not ready" behind as the last error
    }
  }
  /// On a full device the piece goes straight to its target.
  bool has_place(Piece& piece) {
    if (piece.on_device) return true;
    if (cudaMallocAsync(reinterpret_cast<void**>(&piece.on_device), piece_bytes, bus_) == cudaSuccess) return true;
    cudaGetLastError();
    piece.on_device = nullptr;
    return false;
  }
  void send_beside(Piece& piece, std::byte* target, size_t size) {
    MINIMA_CUDA(cudaStreamWaitEvent(bus_, piece.fetched, 0));  // no wait before its first record
    send(piece.memory, piece.on_device, size, cudaMemcpyHostToDevice, bus_, piece.sent);
    MINIMA_CUDA(cudaStreamWaitEvent(cuda::device().stream, piece.sent, 0));
    send(piece.on_device, target, size, cudaMemcpyDeviceToDevice, cuda::device().stream, piece.fetched);
  }

  std::mutex mutex_;
  cudaStream_t bus_ = nullptr;
  Piece pieces_[pieces];
  size_t next_ = 0;
};

UploadRing& uploads() {
  static UploadRing& ring = *new UploadRing;  // never destroyed: CUDA may be gone by then
  return ring;
}

bool asked_for_tf32() {
  const char* wish = std::getenv("MINIMA_TF32");
  return wish && std::strcmp(wish, "1") == 0;
}

// Whether the machine code or PTX of this build runs on the device is known by asking for any kernel of it.
struct Nothing {
  MINIMA_HOST_DEVICE void operator()(int64_t) const {}
};

std::string find_device() {
  int devices = 0;
  const cudaError_t error = cudaGetDeviceCount(&devices);
  cudaGetLastError();
  if (error == cudaErrorInsufficientDriver)
    return text("no NVIDIA driver was found, or one that is older than CUDA ", CUDART_VERSION / 1000, ".",
                CUDART_VERSION % 1000 / 10, " needs");
  if (error == cudaErrorNoDevice || (error == cudaSuccess && devices == 0))
    return "the NVIDIA driver shows no GPU to this process; is CUDA_VISIBLE_DEVICES set?";
  if (error != cudaSuccess) return text("CUDA says: ", cudaGetErrorString(error));
  cudaFuncAttributes attributes;
  if (const cudaError_t problem = cudaFuncGetAttributes(&attributes, for_each_kernel<Nothing>);
      problem != cudaSuccess) {
    cudaGetLastError();
    cudaDeviceProp properties;
    if (problem != cudaErrorNoKernelImageForDevice || cudaGetDeviceProperties(&properties, 0) != cudaSuccess)
      return text("CUDA says: ", cudaGetErrorString(problem));
    return text("the GPU, ", properties.name, ", has compute capability ", properties.major, ".", properties.minor,
                ", and this build has kernels for ", MINIMA_CUDA_ARCHITECTURES,
                "; configure with -DCMAKE_CUDA_ARCHITECTURES=", properties.major, properties.minor);
  }
  if (!find_blas()) return text("cuBLAS (libcublas.so.", CUDART_VERSION / 1000, ") was not found; see LD_LIBRARY_PATH");
  return "";
}

DeviceState set_up() {
  DeviceState state;
  MINIMA_CUDA(cudaStreamCreateWithFlags(&state.stream, cudaStreamNonBlocking));
  MINIMA_CUDA(cudaHostAlloc(reinterpret_cast<void**>(&state.fault), sizeof(Fault), cudaHostAllocMapped));
  *state.fault = {};
  MINIMA_CUDA(cudaMallocAsync(reinterpret_cast<void**>(&state.reported), sizeof(unsigned), state.stream));
  MINIMA_CUDA(cudaMemsetAsync(state.reported, 0, sizeof(unsigned), state.stream));
  state.blas = find_blas();
  MINIMA_CUDA(state.blas->create(&state.handle));
  MINIMA_CUDA(state.blas->set_stream(state.handle, state.stream));
  // Its own memory would be allocated when it is needed, which a graph cannot do.
  constexpr size_t workspace_bytes = size_t{32} << 20;
  void* workspace = nullptr;
  MINIMA_CUDA(cudaMallocAsync(&workspace, workspace_bytes, state.stream));
  MINIMA_CUDA(state.blas->set_workspace(state.handle, workspace, workspace_bytes));
  MINIMA_CUDA(
      state.blas->set_math_mode(state.handle, asked_for_tf32() ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_DEFAULT_MATH));
  return state;
}

void throw_fault() {
  DeviceState& state = cuda::device();
  if (!state.fault->present) return;
  const Fault fault = *state.fault;
  *state.fault = {};
  MINIMA_CUDA(cudaMemsetAsync(state.reported, 0, sizeof(unsigned), state.stream));
  fail("cuda", text("label or index ", fault.index, " at position ", fault.position, " of a step that has run"),
       text("0 to ", fault.end - 1),
       "The GPU found it: a step does not wait for the device, hence the message now. What was computed since is "
       "wrong.");
}

}  // namespace

void check(cudaError_t error, const char* call) {
  if (error == cudaSuccess) return;
  cudaGetLastError();
  const std::string what = call;
  fail("cuda",
       text(cudaGetErrorName(error), " (", cudaGetErrorString(error), ") from ", what.substr(0, what.find('('))),
       "success",
       "After an error in a kernel the GPU is lost to this process: start it again from the last checkpoint. "
       "compute-sanitizer finds the kernel.");
}

void check(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  const std::string what = call;
  fail("cuda", text("cuBLAS: ", find_blas()->status_name(status), " from ", what.substr(0, what.find('('))), "success");
}

DeviceState& device() {
  static DeviceState& state = *new DeviceState(set_up());  // never destroyed: CUDA may be gone by then
  return state;
}

}  // namespace cuda

void* CudaBackend::allocate(size_t bytes) {
  void* block = nullptr;
  const cudaStream_t stream = cuda::device().stream;
  cudaError_t error = cudaMallocAsync(&block, bytes, stream);
  if (error == cudaErrorMemoryAllocation) {  // what was freed is free when the kernels before it have run
    cudaGetLastError();
    MINIMA_CUDA(cudaStreamSynchronize(stream));
    error = cudaMallocAsync(&block, bytes, stream);
  }
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    size_t free = 0, total = 0;
    MINIMA_CUDA(cudaMemGetInfo(&free, &total));
    fail("allocate", text("a request for ", bytes, " bytes on the GPU, of whose ", total, " bytes ", free, " are free"),
         "enough free memory", "Use a smaller batch or model; nvidia-smi shows who else uses the GPU.");
  }
  check(error, "cudaMallocAsync");
  return block;
}

// In the order of the stream: kernels that were enqueued before may still use the block. At the end of the process CUDA
// may be gone already, and the memory with it. Destructors call this, so nothing is thrown: what is wrong with the
// device shows at the next wait.
void CudaBackend::deallocate(void* block) {
  try {
    queue().flush();
  } catch (const Error&) {}
  cudaFreeAsync(block, cuda::device().stream);
}

void CudaBackend::copy_to_host(const void* source, void* target, size_t bytes) {
  queue().flush();
  if (bytes > 0) MINIMA_CUDA(cudaMemcpyAsync(target, source, bytes, cudaMemcpyDeviceToHost, cuda::device().stream));
  MINIMA_CUDA(cudaStreamSynchronize(cuda::device().stream));
  throw_fault();
}

void CudaBackend::copy_from_host(const void* source, void* target, size_t bytes) {
  queue().flush();
  uploads().upload(static_cast<const std::byte*>(source), static_cast<std::byte*>(target), bytes);
}

void CudaBackend::end_step() { queue().end_step(); }
void CudaBackend::use_graphs(bool use) { queue().use_graphs(use); }

Backend& cuda_backend() {
  const std::string reason = cuda_unavailable_reason();
  if (!reason.empty()) fail("device", "cuda, but " + reason, "a GPU that can be used", "Use Device::cpu.");
  static CudaBackend& backend = *new CudaBackend;
  return backend;
}

std::string cuda_description() {
  if (!cuda_unavailable_reason().empty()) return "";
  cudaDeviceProp properties;
  int driver = 0;
  MINIMA_CUDA(cudaGetDeviceProperties(&properties, 0));
  MINIMA_CUDA(cudaDriverGetVersion(&driver));
  return text(properties.name, ", compute capability ", properties.major, ".", properties.minor, ", driver for CUDA ",
              driver / 1000, ".", driver % 1000 / 10, ", built with CUDA ", CUDART_VERSION / 1000, ".",
              CUDART_VERSION % 1000 / 10, asked_for_tf32() ? ", TF32" : "");
}

}  // namespace minima::core

namespace minima {

std::string cuda_unavailable_reason() {
  static const std::string& reason = *new std::string(core::cuda::find_device());
  return reason;
}

}  // namespace minima
