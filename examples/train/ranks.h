// train --distributed: the same program as several ranks, each on its part of every batch. Here is what that takes
// beside the optimizer's distribute(): joining, who prints, and the refusal of ranks that would not train the same. Not
// here: the sums (core/communicator.h), the parts of a batch (datasets/loader.h).
#pragma once

#include <functional>
#include <memory>

#include "examples/kit/checkpoint.h"
#include "minima.h"

namespace minima::examples {

/// Joins the ranks that mpirun has started; those on one machine share its threads, and rank 0 alone prints from here
/// on. A group of one without --distributed: several processes are then an error, as they would train and save the
/// same.
std::unique_ptr<Communicator> join_ranks(bool distributed);
/// Each rank of the group gets a GPU, on which it sums. Before the first use of a GPU.
void join_gpus(std::unique_ptr<Communicator>& group);

/// Runs the program of a rank, which joins `group`. One that fails leaves it, so that mpirun ends the others. Where all
/// fail alike, rank 0 is to say it for all: the error of another rank names the rank and comes a little later, when
/// mpirun has ended those that have nothing of their own to say.
int run_rank(const std::unique_ptr<Communicator>& group, const std::function<int()>& program);

/// An error on every rank that names what differs, unless all ranks have the same program file and options (the data's
/// fingerprint being one of them), and are at the same step with the same weights and optimizer state.
void require_same_training(Communicator& group, const Notes& options, nn::Module& model,
                           const optim::Optimizer& optimizer, int64_t step);

/// The random numbers that dropout draws in a step: each rank has its own, a function of seed, rank and step. Rank 0's
/// are those of one process, and go on from step to step.
void draw_as_rank(const Communicator& group, uint64_t seed, int64_t step);

/// A note if a checkpoint was saved by another number of ranks than go on with it.
void tell_other_ranks(const Communicator& group, const Notes& notes);
/// What a checkpoint notes beside the options: with several ranks, how many.
Notes with_ranks(const Communicator& group, Notes options);

}  // namespace minima::examples
