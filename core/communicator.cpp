// SPDX-License-Identifier: MIT
#include "core/communicator.h"

namespace minima {

namespace {
void check(const char* where, const Communicator& group, const Tensor& tensor) {
  if (!tensor.defined()) fail(where, "an undefined tensor", "a tensor of the same shape on every rank");
  if (!group.works_on(tensor.device()))
    fail(where, text("a tensor on ", name_of(tensor.device())), "one on the CPU",
         "These processes exchange host memory alone; GPUs need a group with NCCL (core/nccl/group.h).");
}
}  // namespace

void Communicator::all_reduce_sum(Tensor& tensor) {
  check("all_reduce_sum", *this, tensor);
  if (tensor.dtype() != DType::float32 && tensor.dtype() != DType::float64)
    fail("all_reduce_sum", text("a tensor of ", name_of(tensor.dtype())), "float32 or float64");
  sum(tensor);
  tensor.bump_version();
  ++count_.all_reduces;
  count_.bytes += tensor.numel() * static_cast<int64_t>(size_of(tensor.dtype()));
}

void Communicator::broadcast(Tensor& tensor) {
  check("broadcast", *this, tensor);
  copy_from_root(tensor);
  tensor.bump_version();
}

void require_agreement(Communicator& group, const std::string& what, const std::string& value) {
  const std::vector<std::string> values = group.gather(value);
  for (size_t rank = 1; rank < values.size(); ++rank)
    if (values[rank] != values[0])
      fail("distributed", text("rank ", rank, " with ", what, " ", values[rank]), text(values[0], ", as rank 0 has"),
           "Start every rank with the same program, options and data.");
}

}  // namespace minima
