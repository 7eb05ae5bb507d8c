// lab9_faults: debug the optimizer. Fourteen faults that implementations of SAM and MSAM have had or may have, each
// planted in a textbook implementation, run beside the right one under twelve instruments. Students name the fault.
//   ./minima lab9                    all fourteen
//   ./minima lab9 --fault 4          one of them
//   ./minima lab9 --mystery 7        one that is not named, the same for the same number
//   ./minima lab9 --mystery 7 --solutions
//   ./minima lab9 --fault 4 --as mine     the same as --fault 4; the number stands nowhere in what is written
#include <algorithm>
#include <cmath>
#include <set>

#include "examples/labs/fault_bench.h"
#include "examples/labs/lab.h"

using namespace minima;
using namespace minima::examples;

namespace {

const LabAbout about{
    .name = "lab9_faults",
    .title = "Lab 9. Debug the optimizer: fourteen faults",
    .question =
        "Of fourteen faults in the code of SAM and MSAM, how many will a plot of the test loss show? For each "
        "candidate "
        "below, write down which panel should betray it, before you look.",
    .refuted_by =
        "A fault that leaves all meters within their margins, two faults that move the same meters, or a right "
        "implementation that moves one."};

struct Choice {
  int64_t fault = 0, mystery = 0;
  std::string as;
  bool solutions = false;
};

/// An implementation under test.
struct Suspect {
  int fault;
  std::string name, file;
  Readings readings{};
};

std::vector<Suspect> suspects_of(const Choice& choice) {
  if (choice.fault < 0 || choice.fault > fault_count)
    fail("--fault", std::to_string(choice.fault), text("1 to ", fault_count, ", or 0 for all"));
  if (choice.mystery < 0) fail("--mystery", std::to_string(choice.mystery), "a number above 0");
  if (choice.fault > 0 && choice.mystery > 0)
    fail("--mystery", "it beside --fault", "one of the two", "A mystery is a fault that is not named.");
  if (choice.mystery > 0) {
    const uint32_t drawn = core::philox(static_cast<uint64_t>(choice.mystery), 9).words[0];
    return {{static_cast<int>(drawn % fault_count) + 1, text("mystery ", choice.mystery), "mystery"}};
  }
  if (!choice.as.empty()) {
    if (choice.fault == 0) fail("--as", choice.as, "it beside --fault", "All fourteen cannot have one name.");
    return {{static_cast<int>(choice.fault), choice.as, "suspect"}};
  }
  std::vector<Suspect> suspects;
  for (int fault = 1; fault <= fault_count; ++fault)
    if (choice.fault == 0 || choice.fault == fault)
      suspects.push_back({fault, text("fault ", fault), text("fault", fault < 10 ? "0" : "", fault)});
  return suspects;
}

/// The faults in alphabetical order: their letters do not give away their numbers.
std::vector<int> lettered() {
  std::vector<int> faults;
  for (int i = 1; i <= fault_count; ++i) faults.push_back(i);
  std::sort(faults.begin(), faults.end(), [](int a, int b) { return fault(a).what < fault(b).what; });
  return faults;
}

std::string letter_of(int number) {
  const std::vector<int> all = lettered();
  return std::string(1, static_cast<char>('a' + (std::find(all.begin(), all.end(), number) - all.begin())));
}

void print_sheet(Lab& lab) {
  lab.heading("What to look at");
  lab.say(
      "Each figure shows one suspect, in colour, over the right implementation, in grey. Both train the same network "
      "on "
      "the digits in float64, so that whatever is right is right to 15 digits. Find the panels where they part. MSAM's "
      "rho is 0 at first, is switched on, later falls along half a cosine; in between, training is interrupted and "
      "resumed from a checkpoint.");
  for (const Instrument& instrument : instruments()) lab.say(instrument.title + ": " + instrument.look);
  lab.heading("The candidates");
  for (const int number : lettered()) lab.say(letter_of(number) + ") " + fault(number).what);
}

void record(Lab& lab, const std::string& name, const Readings& readings) {
  for (int64_t t = 0; t < std::ssize(readings[0]); ++t) {
    Row row{{"suspect", name}, {"step", t + 1}};
    for (size_t i = 0; i < readings.size(); ++i) row.push_back({instruments()[i].column, readings[i][t]});
    lab.record("readings", row);
  }
}

Series series(const std::string& label, const std::string& style, const std::vector<double>& values,
              const Instrument& instrument) {
  Series line{.label = label, .style = style};
  for (size_t t = 0; t < values.size(); ++t) {
    if (std::isnan(values[t]) && instrument.title.ends_with("test loss")) continue;  // measured every few steps
    line.x.push_back(static_cast<double>(t + 1));
    line.y.push_back(instrument.log_y ? std::max(values[t], 1e-17) : values[t]);
  }
  return line;
}

std::string figure_of(const Suspect& suspect, const Readings& right) {
  const int64_t steps = std::ssize(right[0]);
  const Marks at = marks(steps);
  const auto mark = [](int64_t step, const std::string& word) {
    return Rule{Rule::Along::x, static_cast<double>(step + 1), word};
  };
  std::vector<Panel> panels;
  for (size_t i = 0; i < instruments().size(); ++i) {
    const Instrument& instrument = instruments()[i];
    Panel panel{.title = instrument.title,
                .x_title = "step",
                .y_title = instrument.y_title,
                .log_y = instrument.log_y,
                .series = {series("right", "grey", right[i], instrument),
                           series(i < 6 ? "suspect's MSAM" : "suspect's SAM", i < 6 ? "msam" : "sam",
                                  suspect.readings[i], instrument)},
                .x_range = Span{0, static_cast<double>(steps)},
                .y_range = instrument.y_range};
    if (i == 3) panel.rules = {mark(at.on, "rho on"), mark(at.resumed, "resumed"), mark(at.falls, "falls")};
    panels.push_back(panel);
  }
  return line_figure(
      suspect.file, "Suspect: " + suspect.name, panels, 3,
      "Where only the suspect is seen, the two agree. On a logarithmic axis an error of 0 is drawn at 1e-17.");
}

/// The meters that a suspect moves.
std::set<size_t> moved(const Readings& readings) {
  std::set<size_t> moved;
  for (size_t i = 0; i < meters().size(); ++i)
    if (meters()[i].departure(readings) > 1) moved.insert(i);
  return moved;
}

/// The larger of the two relative differences from the right test losses at the end.
double test_loss_off(const Readings& readings, const Readings& right) {
  const auto off = [&](size_t i) { return std::abs(readings[i].back() / right[i].back() - 1); };
  return std::max(off(0), off(6));
}

void print_solutions(Lab& lab, const std::vector<Suspect>& suspects, const Readings& right) {
  lab.heading("Solutions");
  Table table{{"suspect", "candidate", "meter", "right", "suspect's", "test loss off by"}};
  int seen = 0;
  for (const Suspect& suspect : suspects) {
    const Meter& meter = meter_of(suspect.fault);
    const Fault& found = fault(suspect.fault);
    lab.say(text(suspect.name, " is ", letter_of(suspect.fault), ") ", found.what, " ", found.shows,
                 " Where it was met: ", found.where));
    table.push_back({suspect.name, letter_of(suspect.fault), meter.what, number_text(meter.read(right)),
                     number_text(meter.read(suspect.readings)),
                     fixed(100 * test_loss_off(suspect.readings, right), 1) + " %"});
    seen += test_loss_off(suspect.readings, right) > 0.05;
  }
  lab.table("The meter that shows each, and by how much the test loss at the end differs from the right one's:", table);
  lab.say(text("By more than 5 % it differs for ", seen, " of ", suspects.size(), "."));
}

void state_figures(Lab& lab, const std::vector<Suspect>& suspects, const Readings& right, bool solutions) {
  double worst = 0;
  for (const Meter& meter : meters()) worst = std::max(worst, meter.departure(right));
  lab.expect("right implementation: the meter farthest off, in margins", worst, at_most(1));
  lab.expect("right implementation: distance from the library's MSAM and SAM",
             distance_from_library(std::ssize(right[0])), at_most(1e-9));
  std::set<std::set<size_t>> patterns;
  for (const Suspect& suspect : suspects) {
    const Meter& meter = meter_of(suspect.fault);
    lab.expect(suspect.name + (solutions ? ": " + meter.what + ", in margins" : ": its meter, in margins from right"),
               meter.departure(suspect.readings), at_least(10));
    patterns.insert(moved(suspect.readings));
  }
  lab.expect("suspects that move a set of meters of their own", static_cast<double>(patterns.size()),
             at_least(static_cast<double>(suspects.size())));
}

void run(Lab& lab, const Choice& choice) {
  std::vector<Suspect> suspects = suspects_of(choice);
  print_sheet(lab);
  const int64_t steps = lab.quick() ? 120 : 300;
  const Readings right = examine(no_fault, steps);
  record(lab, "right", right);
  lab.heading("The suspects");
  for (Suspect& suspect : suspects) {
    suspect.readings = examine(suspect.fault, steps);
    record(lab, suspect.name, suspect.readings);
    lab.figure(suspect.file, figure_of(suspect, right), "Which of the candidates is " + suspect.name + "?");
  }
  if (choice.solutions)
    print_solutions(lab, suspects, right);
  else
    lab.say("Names and explanations: the same command with --solutions.");
  state_figures(lab, suspects, right, choice.solutions);
}

}  // namespace

int main(int argc, char** argv) {
  Choice choice;
  return run_lab(
      argc, argv, about, [&](Lab& lab) { run(lab, choice); },
      [&](CommandLine& line) {
        line.option("--fault", choice.fault, text("which suspect, 1 to ", fault_count, "; 0: all of them"));
        line.option("--mystery", choice.mystery, "a suspect that is not named: any number above 0 draws one");
        line.option("--as", choice.as, "a name for the suspect of --fault, which is then not named otherwise");
        line.flag("--solutions", choice.solutions, "say which fault each suspect has, and what shows it");
      });
}
