// SPDX-License-Identifier: MIT
// A group of processes of which each has a GPU: its tensors on the GPU are summed by NCCL, NVIDIA's library by which
// GPUs talk, without a way through the host. Not here: what a group can do (core/communicator.h), and who the processes
// are (core/mpi/world.h). A part of this tree's programs, not of the installed library.
// The GPU adds in an order of NCCL's own. It depends on the ranks, on their machines and on the size of the tensor, so
// the same command gives the same bits on the same machines. Another number of ranks gives other roundings, as with
// MPI.
#pragma once

#include <memory>
#include <string>

#include "core/communicator.h"

#pragma GCC visibility push(hidden)
namespace minima::core {

/// `group` becomes one that sums and copies tensors on the GPU as well. Everything else, tensors on the CPU and texts
/// included, is still done by the group that was there before. It must be called before this process uses its GPU: the
/// ranks of a machine share its GPUs by gpu_of_rank(). A sum on the GPU is enqueued in the order of the kernels; nobody
/// waits for it. Errors, which leave the group as it was: a build without NCCL; no NCCL or no usable GPU here; two
/// ranks with one GPU.
void join_gpus(std::unique_ptr<Communicator>& group);
/// "NCCL 2.28.9", or why there is none.
std::string nccl_description();

/// What CUDA_VISIBLE_DEVICES is to be for a rank: one GPU. `visible` is what it was. Empty, it stands for all GPUs of
/// the machine, by number; several are shared in their order; a single one is the rank's own already. An error if
/// several are fewer than the ranks of the machine.
std::string gpu_of_rank(const std::string& visible, int rank_here, int size_here);

}  // namespace minima::core
#pragma GCC visibility pop
