// The second half of lab 13: a small language model, trained with the arms on a text, several at once in processes of
// their own. Runs of a Session classify samples; here each character of a window is foretold, so the loop is another.
// Not here: the arms (warmup_arms.h), how good a model is (examples/kit/language.h).
#pragma once

#include <vector>

#include "examples/labs/warmup_arms.h"

namespace minima::examples {

struct TextTask {
  datasets::Text train, judged_on;
  int64_t context = 32, batch = 16;  ///< characters in a window, windows in a step
  nn::TransformerSize size{};
};

/// Every setting with every seed. A result's test loss is in bits per character, its test accuracy the share of
/// characters that were found likeliest; training loss and seconds are not measured. `workers` runs at once; 0: as many
/// as threads. Throws Interrupted after Ctrl-C.
std::vector<Runs> train_writers(const TextTask& task, const std::vector<Setting>& settings,
                                const std::vector<uint64_t>& seeds, int64_t workers);

}  // namespace minima::examples
