#include "examples/kit/language.h"

#include <algorithm>
#include <cmath>

namespace minima::examples {

namespace {

constexpr int64_t evaluation_batch = 64;

/// [batch, length, alphabet] -> [batch * length, alphabet]
Variable a_row_a_character(const Variable& logits) { return reshape(logits, {-1, logits.size(-1)}); }

Variable bits_of(const Variable& rows, const Tensor& y) { return nn::cross_entropy(rows, y.flatten()) / std::log(2.0); }

}  // namespace

Variable bits_per_character(nn::Module& model, const Tensor& x, const Tensor& y) {
  return bits_of(a_row_a_character(model(x)), y);
}

Foretelling foretelling_of(nn::Module& model, const datasets::Text& text, int64_t context, Device device) {
  NoGrad no_grad;
  const bool was_training = model.training;
  model.eval();
  const auto [x, y] = text.all_windows(std::min(context, text.size() - 1));
  Foretelling sum{.bits = 0, .accuracy = 0};
  for (int64_t begin = 0; begin < x.size(0); begin += evaluation_batch) {
    const int64_t end = std::min(x.size(0), begin + evaluation_batch);
    const Tensor next = y.slice(begin, end).to(device);
    const Variable rows = a_row_a_character(model(x.slice(begin, end).to(device)));
    sum.bits += bits_of(rows, next).item() * static_cast<double>(end - begin);
    sum.accuracy += nn::accuracy(rows, next.flatten()) * static_cast<double>(end - begin);
  }
  model.train(was_training);
  const auto windows = static_cast<double>(x.size(0));
  return {sum.bits / windows, sum.accuracy / windows};
}

}  // namespace minima::examples
