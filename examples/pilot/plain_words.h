// A pilot's result for people who decide: half a page without terms of the trade, to be read out in a meeting, in
// English or Japanese. Not here: the recommendation with its numbers (report.h), which rests on the same verdict.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace minima::examples {

struct Pilot;

struct PlainWords {
  std::string language;  ///< "en" or "ja"
  std::string title;
  /// A question and its answer: what was compared, what was gained, what it costs, how sure that is, what to do next,
  /// what would go wrong. Before what to do next: what there is to say of each optimizer that was compared on request,
  /// under its name.
  std::vector<std::pair<std::string, std::string>> answers;
};

/// Another language than "en" and "ja" is an error in the name of --language.
PlainWords plain_words(const Pilot& pilot, const std::string& language);
void check_language(const std::string& language);

}  // namespace minima::examples
