// The ledger of a workspace: what was predicted, revealed, hinted at and graded, in order, one line each. A line holds
// a check sum over itself and the line before it, so that a line changed, moved or taken out is noticed. Against
// accidents and second thoughts, not against forgery: there is no secret in it.
#pragma once

#include <string>
#include <vector>

namespace minima::examples::course {

struct Entry {
  std::string time;  ///< "2026-04-13T09:30:00Z"
  std::string kind;  ///< start, prediction, reveal, hint, grade, lab
  std::string what;  ///< "lab6", "chapter7.1", "5"
  std::string text;
};

class Ledger {
 public:
  /// FOLDER/course.ledger. An error, which says what to do, if the folder is no workspace.
  explicit Ledger(const std::string& folder);
  /// A new one; its first entry names the student.
  static Ledger create(const std::string& folder, const std::string& student);

  const std::vector<Entry>& entries() const { return entries_; }
  /// The entries of a kind; with `what`, of that alone.
  std::vector<Entry> of(const std::string& kind, const std::string& what = "") const;
  bool has(const std::string& kind, const std::string& what) const { return !of(kind, what).empty(); }
  std::string student() const { return entries_.empty() ? "" : entries_[0].what; }
  /// Whether every check sum is right.
  bool intact() const { return intact_; }

  /// Adds a line; the file is written beside and renamed.
  void add(const std::string& kind, const std::string& what, const std::string& text);

 private:
  Ledger() = default;
  std::string path_, lines_, last_sum_;
  std::vector<Entry> entries_;
  bool intact_ = true;
};

}  // namespace minima::examples::course
