#include "examples/train/ranks.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <thread>

#include "core/mpi/world.h"
#include "core/nccl/group.h"
#include "examples/kit/data.h"
#include "examples/kit/program.h"

namespace minima::examples {

namespace {

constexpr int exit_failed_elsewhere = 2;

std::unique_ptr<Communicator> alone() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"})
    if (const char* size = std::getenv(name); size && std::atoi(size) > 1)
      fail("train", text(size, " processes of mpirun, each with all of the work"), "one process, or --distributed",
           "Add --distributed: then they train one model together.");
  return std::make_unique<GroupOfOne>();
}

// "minima 0.1.0, 8a1f...": the version, and a hash of the file that this process runs, where the system tells it.
std::string program_text() {
  std::ifstream file("/proc/self/exe", std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  return text("minima ", version(), bytes.empty() ? "" : ", program file " + fingerprint_of_bytes(bytes));
}

std::string fingerprint(const Archive& archive) {
  std::string all;
  for (const auto& [name, tensor] : archive.tensors) {
    all += name;
    const Tensor host = tensor.to(Device::cpu);
    all.append(reinterpret_cast<const char*>(host.raw()), static_cast<size_t>(host.numel()) * size_of(host.dtype()));
  }
  return fingerprint_of_bytes(all);
}

}  // namespace

std::unique_ptr<Communicator> join_ranks(bool distributed) {
  if (!distributed) return alone();
  std::unique_ptr<Communicator> group = core::mpi_world();
  if (has_threads() && !std::getenv("MINIMA_THREADS")) set_num_threads(std::max(1, num_threads() / group->size_here()));
  if (group->rank() != 0 && !std::freopen("/dev/null", "w", stdout)) fail("distributed", "no /dev/null", "one");
  if (group->size() == 1)
    std::printf("distributed: one rank, as mpirun was not used; for two:  mpirun -np 2 %s --distributed ...\n",
                called_as("train").c_str());
  else
    std::printf("distributed: %d ranks, %d of them on this machine (%s)\n", group->size(), group->size_here(),
                core::mpi_description().c_str());
  return group;
}

void join_gpus(std::unique_ptr<Communicator>& group) {
  core::join_gpus(group);
  std::printf("distributed: a GPU for each rank (%s)\n", core::nccl_description().c_str());
}

int run_rank(const std::unique_ptr<Communicator>& group, const std::function<int()>& program) {
  try {
    return program();
  } catch (const std::exception& error) {
    if (!group) throw;
    group->leave();
    if (group->rank() == 0) throw;
    for (int i = 0; i < 60; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      if (interrupted()) return exit_failed_elsewhere;  // mpirun ends all: rank 0 has said why
    }
    if (dynamic_cast<const Error*>(&error)) throw Error(text("rank ", group->rank(), ": ", error.what()));
    std::fprintf(stderr, "rank %d: ", group->rank());
    throw;  // as it is: the program has words of its own for such an error
  }
}

void require_same_training(Communicator& group, const Notes& options, nn::Module& model,
                           const optim::Optimizer& optimizer, int64_t step) {
  require_agreement(group, "the program", program_text());
  for (const auto& [name, value] : options) require_agreement(group, name, value.empty() ? "\"\"" : value);
  require_agreement(group, "step", text(step));
  require_agreement(group, "weights of fingerprint", fingerprint(nn::state(model)));
  require_agreement(group, "an optimizer state of fingerprint", fingerprint(optimizer.state()));
}

void draw_as_rank(const Communicator& group, uint64_t seed, int64_t step) {
  if (group.rank() == 0) return;
  // The counter's high word keeps this draw apart from a Generator's, and from a Loader's.
  const core::PhiloxBlock block = core::philox(seed, static_cast<uint64_t>(group.rank()), uint64_t{1} << 61);
  default_generator() = {uint64_t{block.words[0]} << 32 | block.words[1], static_cast<uint64_t>(step) << 32};
}

void tell_other_ranks(const Communicator& group, const Notes& notes) {
  const auto found = notes.find("ranks");
  const std::string before = found == notes.end() ? "1" : found->second, now = text(group.size());
  if (before != now)
    std::printf(
        "note: this was begun with %s rank%s and goes on with %s; its last digits may differ from those of a run "
        "that was not interrupted, and with dropout or batch norm more than those\n",
        before.c_str(), before == "1" ? "" : "s", now.c_str());
}

Notes with_ranks(const Communicator& group, Notes options) {
  if (group.size() > 1) options["ranks"] = text(group.size());
  return options;
}

}  // namespace minima::examples
