// What the tests of several processes share: the group that mpirun has started them as, and a rank's part of a batch.
#pragma once

#include <algorithm>
#include <vector>

#include "autograd/ops.h"
#include "core/communicator.h"
#include "core/random.h"
#include "nn/containers.h"
#include "nn/loss.h"
#include "optim/optimizer.h"
#include "tests/check.h"

namespace minima::test {

/// The group of all processes of this test program; main.cpp joins it.
Communicator& group();

/// Images or rows with their labels, float64.
struct Samples {
  Tensor x, y;

  int64_t size() const { return x.size(0); }
  /// The part of one rank, cut as datasets::Loader cuts a batch.
  Samples part(int64_t rank, int64_t ranks) const {
    const int64_t begin = size() * rank / ranks, end = size() * (rank + 1) / ranks;
    return {x.slice(begin, end), y.slice(begin, end)};
  }
  Samples mine() const { return part(group().rank(), group().size()); }
};

inline Samples samples(const Shape& shape, uint64_t seed) {
  Generator random{seed, 0};
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < shape[0]; ++i) labels.push_back(static_cast<int64_t>(random.below(4)));
  return {random.normal(shape, 0.3, 1, DType::float64), Tensor::from(labels)};
}

/// The loss of a batch as one process computes it.
inline optim::Closure whole(nn::Module& model, const Samples& batch) {
  return [&model, &batch] {
    Variable loss = nn::cross_entropy(model(batch.x), batch.y);
    loss.backward();
    return loss;
  };
}

/// This rank's part of it.
inline optim::Closure part(nn::Module& model, const Samples& batch) {
  return [&model, &batch, mine = batch.mine()] {
    if (mine.size() == 0) return Variable();
    const double share = static_cast<double>(mine.size()) / static_cast<double>(batch.size());
    Variable loss = nn::cross_entropy(model(mine.x), mine.y) * share;
    loss.backward();
    return loss;
  };
}

inline std::vector<double> flat_weights(const optim::Optimizer& optimizer) {
  return optimizer.kept().flat.weights().to_vector<double>();
}

/// Whether every rank has the same bits.
inline bool same_on_all_ranks(const std::vector<double>& values) {
  const std::string bytes(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(double));
  const std::vector<std::string> all = group().gather(bytes);
  return std::all_of(all.begin(), all.end(), [&](const std::string& other) { return other == bytes; });
}

}  // namespace minima::test
