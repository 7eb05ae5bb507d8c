#include "examples/course/mystery.h"

#include <filesystem>

#include "core/error.h"
#include "core/random.h"
#include "examples/course/grade.h"
#include "examples/course/process.h"
#include "examples/course/source.h"
#include "examples/labs/faults.h"

namespace minima::examples::course {

namespace {

namespace fs = std::filesystem;

constexpr const char* page = R"(# A broken optimizer

`examples/labs/textbook_sam.cpp` and `examples/labs/textbook_msam.cpp` are SAM and MSAM over SGD, written from the
papers. One of the two has one fault. Each student has another one.

1. Look at `panels/report.html` before you read the code: it shows lab 9's panels for your sources, over the right
   ones in grey. Write into `diagnosis.md` which panels part, and what that says.
2. Find the fault in the code and repair it. Change as little as you can.
3. Complete `diagnosis.md`: what was wrong, how the panels show it, what it would have done to a real training, and which
   test would have caught it.
4. `./minima course grade mystery` counts the claims that hold. It does not say which: the panels do.
)";

constexpr const char* diagnosis = R"(# Diagnosis

## Which panels part, and what that says

## What was wrong, and where

## What it would have done to a real training

## Which test would have caught it
)";

}  // namespace

int fault_of(const std::string& student, const std::string& seed) {
  uint64_t key = 14695981039346656037ULL;
  for (const char c : seed + "\n" + student) key = (key ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return static_cast<int>(core::philox(key, 9).words[0] % fault_count) + 1;
}

void write_mystery(int fault, const std::string& folder) {
  for (const char* path : {"examples/labs/textbook_sam.cpp", "examples/labs/textbook_msam.cpp"})
    write_text(folder + "/" + path, without_marks(with_fault(path, repository_text(path), fault)));
  write_text(folder + "/README.md", page);
  write_text(folder + "/diagnosis.md", diagnosis);
  if (!fs::exists(MINIMA_LAB9)) return;
  const Outcome panels =
      run_program(fs::absolute(folder).string(),
                  {MINIMA_LAB9, "--quick", "--fault", std::to_string(fault), "--as", "yours", "--out", "panels"}, 300);
  if (panels.status != 0)
    fail("course", "lab 9, which ended with status " + std::to_string(panels.status), "its panels", panels.output);
}

std::string answer_of(const std::string& student, const std::string& seed) {
  const int number = fault_of(student, seed);
  const Fault& found = fault(number);
  return text(student, ": fault ", number, ". ", found.what, " ", found.shows);
}

}  // namespace minima::examples::course
