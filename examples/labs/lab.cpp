#include "examples/labs/lab.h"

#include <cmath>
#include <cstdio>

#include "core/parallel.h"
#include "examples/kit/program.h"

namespace minima::examples {

namespace {

/// Enough to see how far from its bound a figure is.
std::string figure_text(double value) { return short_text(value, 6); }

}  // namespace

Expectation at_least(double bound) {
  return {"at least " + number_text(bound), [=](double got) { return got >= bound; }};
}

Expectation at_most(double bound) {
  return {"at most " + number_text(bound), [=](double got) { return got <= bound; }};
}

Expectation between(double low, double high) {
  return {number_text(low) + " to " + number_text(high), [=](double got) { return got >= low && got <= high; }};
}

Expectation within(double value, double relative_tolerance) {
  return {figure_text(value) + " +- " + figure_text(100 * relative_tolerance) + "%",
          [=](double got) { return std::abs(got - value) <= relative_tolerance * std::abs(value); }};
}

Lab::Lab(const LabAbout& about, const std::function<void(CommandLine&)>& add_options)
    : about_(about),
      command_line_(about.name, about.title + "\nPredict first: " + about.question),
      out_("runs/" + about.name),
      report_(about.title) {
  command_line_.flag("--quick", quick_, "a smaller version");
  command_line_.flag("--check", check_, "exit with status 1 if a stated figure does not hold");
  command_line_.option("--out", out_, "folder for numbers, figures and report.html");
  command_line_.option("--threads", threads_, "0: all CPUs");
  command_line_.option("--workers", workers_, workers_help);
  if (add_options) add_options(command_line_);
}

bool Lab::parse(int argc, const char* const* argv) {
  if (!command_line_.parse(argc, argv)) return false;
  if (threads_ < 0 || threads_ > 1024) fail("--threads", text(threads_), "0 for all CPUs, or 1 to 1024");
  check_workers(workers_);
  if (threads_ > 0) set_num_threads(static_cast<int>(threads_));
  make_output_directory(out_);
  catch_interrupts();
  print_machine(Device::cpu);
  std::printf("\n%s\n", about_.title.c_str());
  report_.statement("Predict first: " + about_.question);
  print("Predict first: " + about_.question);
  return true;
}

void Lab::print(const std::string& paragraph) {
  stop_if_interrupted();
  std::printf("%s\n\n", wrapped(paragraph).c_str());
}

void Lab::stop_if_interrupted() {
  if (interrupted()) throw Interrupted{};
}

void Lab::record(const std::string& table, const Row& row) {
  stop_if_interrupted();
  if (table == "metrics") fail(about_.name, "a row for the table metrics", "another name, since training runs use it");
  Row complete{{"lab", about_.name}};
  complete.insert(complete.end(), row.begin(), row.end());
  tables_.try_emplace(table, out_, table).first->second.write(complete);
}

std::vector<Runs> Lab::run(const Experiment& experiment) {
  stop_if_interrupted();
  if (!session_)
    session_.emplace(Session::Options{.directory = out_,
                                      .configuration = {},
                                      .resumable = false,
                                      .workers = workers_,
                                      .columns = {{"lab", about_.name}}});
  std::vector<Runs> runs = session_->run(experiment);
  session_->clear_progress();
  return runs;
}

void Lab::heading(const std::string& text) {
  report_.heading(text);
  print("---- " + text);
}

void Lab::say(const std::string& text) {
  report_.paragraph(text);
  print(text);
}

void Lab::table(const std::string& caption, const Table& table) {
  report_.paragraph(caption);
  report_.table(table);
  stop_if_interrupted();
  std::printf("%s\n%s\n", wrapped(caption).c_str(), aligned(table).c_str());
}

void Lab::figure(const std::string& name, const std::string& script, const std::string& caption) {
  stop_if_interrupted();
  const std::string problem = draw(out_, name, script);
  if (problem.empty()) {
    report_.figure(out_ + "/" + name + ".svg", caption);
    return;
  }
  report_.paragraph(caption + " " + problem);
  if (no_figures_.empty()) no_figures_ = problem;
}

void Lab::expect(const std::string& claim, double got, const Expectation& expectation) {
  checks_.push_back({claim, expectation.words, got, expectation.holds(got), as_stated_});
}

void Lab::expect_always(const std::string& claim, double got, const Expectation& expectation) {
  checks_.push_back({claim, expectation.words, got, expectation.holds(got), /*counts=*/true});
}

int Lab::finish() {
  stop_if_interrupted();
  Table verdicts{{"stated", "expected", "got", "holds"}};
  int64_t counted = 0, failures = 0;
  for (const Check& check : checks_) {
    const std::string verdict = check.holds ? "yes" : check.counts ? "NO" : "no, here";
    verdicts.push_back({check.claim, check.expected, figure_text(check.got), verdict});
    counted += check.counts ? 1 : 0;
    failures += check.counts && !check.holds ? 1 : 0;
  }
  heading("Stated figures");
  std::string caption = failures == 0 ? text("All ", counted, " hold.")
                                      : text(failures, " of ", counted, failures == 1 ? " does" : " do", " not hold.");
  if (!as_stated_)
    caption = text(counted > 0 ? caption + " The others" : "These",
                   " were stated for the data, network and amounts that are the defaults; for those that were chosen "
                   "here nothing is claimed.");
  if (!checks_.empty()) table(caption, verdicts);
  if (quick_)
    say("This was the quick version: less data and fewer seeds than the lab states its figures for. It checks only "
        "what "
        "is in the table above, and no interval of so few seeds is taken for a finding.");
  say("What would refute this: a stated figure that does not hold. Beyond that: " + about_.refuted_by);
  report_.paragraph("Made by " + about_.name + (quick_ ? " --quick" : "") + " on " + machine_description() + ".");
  report_.save(out_ + "/report.html");
  if (!no_figures_.empty()) std::printf("%s\n", no_figures_.c_str());
  std::printf("Everything is in %s: open report.html.\n", out_.c_str());
  return check_ && failures > 0 ? 1 : 0;
}

int run_lab(int argc, const char* const* argv, const LabAbout& about, const std::function<void(Lab&)>& lab,
            const std::function<void(CommandLine&)>& add_options) {
  return run_program([&] {
    Lab bench(about, add_options);
    try {
      if (!bench.parse(argc, argv)) return 0;
      lab(bench);
      return bench.finish();
    } catch (const Interrupted&) {
      std::printf("\nInterrupted; what was measured so far is in %s.\n", bench.out().c_str());
      return exit_interrupted;
    }
  });
}

}  // namespace minima::examples
