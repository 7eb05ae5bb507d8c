// What is to be predicted: the boxes "Predict first" of the pages in docs/, and what comes after each.
// Not here: who predicted what (ledger.h).
#pragma once

#include <string>
#include <vector>

namespace minima::examples::course {

struct Question {
  std::string name;    ///< "chapter7.1", "lab6.1": the first box of the page
  std::string asked;   ///< the text of the box, without its marks
  std::string answer;  ///< of a chapter: what follows the box, up to the next heading or box
};

/// A page of the walkthrough or of a lab.
struct Page {
  std::string name;   ///< "chapter7", "lab6"
  std::string title;  ///< its heading
  std::string path;   ///< docs/walkthrough/7-msam.md
  std::vector<Question> questions;
  std::string answers_wanted;  ///< of a lab: what stands under "Questions"
};

/// The pages of all chapters and labs, in order. Errors: a page without a box.
std::vector<Page> pages();
/// The line of an answer sheet after which the questions begin.
inline constexpr const char* answers_begin = "Write below each question.";
/// The file that is handed out for a lab's answers.
std::string answer_sheet(const Page& page);
/// "chapter7" or "lab6"; an error that lists them for another name.
Page page(const std::string& name);

}  // namespace minima::examples::course
