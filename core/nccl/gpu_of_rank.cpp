// SPDX-License-Identifier: MIT
#include <algorithm>

#include "core/nccl/group.h"

namespace minima {

std::string core::gpu_of_rank(const std::string& visible, int rank_here, int size_here) {
  if (visible.empty()) return text(rank_here);
  const auto gpus = 1 + static_cast<int>(std::count(visible.begin(), visible.end(), ','));
  if (gpus == 1) return visible;
  if (gpus < size_here)
    fail("distributed",
         text(size_here, " ranks on this machine, and ", gpus, " GPUs in CUDA_VISIBLE_DEVICES=", visible),
         "a GPU for each rank", "Start fewer ranks here.");
  size_t begin = 0;
  for (int i = 0; i < rank_here; ++i) begin = visible.find(',', begin) + 1;
  return visible.substr(begin, visible.find(',', begin) - begin);
}

}  // namespace minima
