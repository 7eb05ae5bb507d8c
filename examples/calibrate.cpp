// calibrate: how often do compare and pilot see a difference where none is, and find one that is there?
//   calibrate iris.csv:species wine.csv:class digits
// Small tables are drawn from real ones, in which it is known what is to be found (calibrate/trials.h). Where there is
// nothing, at most one verdict in twenty may say otherwise.
#include <cstdio>
#include <sstream>

#include "examples/calibrate/trials.h"
#include "examples/kit/difference.h"
#include "examples/kit/program.h"
#include "examples/kit/progress.h"
#include "examples/kit/table.h"
#include "examples/kit/workers.h"

using namespace minima;
using namespace minima::examples;

namespace {

struct Options {
  std::vector<std::string> tables{};
  int64_t comparisons = 200, pilots = 200, seed = 1, threads = 0;
  std::string out{};
  TrialOptions trial{};

  bool parse(int argc, const char* const* argv);
  /// How many trials of a kind each table gets.
  int64_t each(const Kind& kind) const {
    return ((kind.pilot ? pilots : comparisons) + std::ssize(tables) - 1) / std::ssize(tables);
  }
};

bool Options::parse(int argc, const char* const* argv) {
  CommandLine line("calibrate",
                   "How often do compare and pilot see a difference where none is, and find one that is there? Counts "
                   "their verdicts on small tables drawn from real ones. Exit status 1: wrong more often than 5% and "
                   "luck allow, or right less often than stated.");
  line.words("TABLE", tables, "FILE.csv:LABEL, or the name of a data set");
  line.option("--comparisons", comparisons, "of each kind, over all tables");
  line.option("--pilots", pilots, "likewise");
  line.option("--rows", trial.rows, "of each small table that is drawn; at most half of those that there are");
  line.option("--seed", seed, "another one draws other tables");
  line.option("--threads", threads, "processes at once (0: all CPUs)");
  line.option("--out", out, "a file that gets what is printed");
  if (!line.parse(argc, argv)) return false;
  if (tables.empty()) fail("calibrate", "no table", "FILE.csv:LABEL, or the name of a data set, once or more often");
  for (const auto& [name, value] : {std::pair{"--comparisons", comparisons}, {"--pilots", pilots}, {"--seed", seed}})
    if (value < 0) fail(name, std::to_string(value), "a whole number of at least 0");
  if (trial.rows < 20) fail("--rows", std::to_string(trial.rows), "a whole number of at least 20");
  if (threads < 0 || threads > 1024) fail("--threads", std::to_string(threads), "0 to 1024");
  if (!out.empty()) check_writable("--out", out);
  return true;
}

struct Source {
  std::string name;
  datasets::Dataset data;
};

/// All rows of FILE.csv:LABEL, scaled as the program that trains on them would scale them.
Source source_of(const std::string& word) {
  const size_t colon = datasets::is_named(word) ? std::string::npos : word.rfind(':');
  if (!datasets::is_named(word) && colon == std::string::npos)
    fail("calibrate", "\"" + word + "\"", "FILE.csv:LABEL, or a name among " + joined(datasets::names()));
  const std::string file = word.substr(0, colon), label = colon == std::string::npos ? "" : word.substr(colon + 1);
  const auto [train, test] = datasets::load(file, {.label = label});
  std::vector<float> values;
  std::vector<int32_t> labels;
  for (const datasets::Dataset& part : {train, test}) {
    for (const double value : part.all().x.to_vector<double>()) values.push_back(static_cast<float>(value));
    for (const int64_t one : part.labels()) labels.push_back(static_cast<int32_t>(one));
  }
  const std::string name = file.substr(file.find_last_of('/') + 1);
  return {name.substr(0, name.find('.')),
          datasets::Dataset::from_values(values, train.input_shape(), labels, train.class_names())};
}

/// What came of the trials of one kind on one table, or on all.
struct Count {
  int64_t trials = 0, above = 0, below = 0;
  double stated = 0;  ///< the sum of the probabilities of a verdict that the trials state, where there is a difference

  void add(const Count& other) {
    trials += other.trials, above += other.above, below += other.below, stated += other.stated;
  }
};

Count count(const std::vector<Verdict>& verdicts) {
  Count c;
  std::vector<double> differences;
  for (const Verdict& v : verdicts)
    if (std::isfinite(v.difference)) differences.push_back(v.difference);
  const double truth = interval_95(differences).mean;  // of the tables that are drawn from one: what a mean tends to
  for (const Verdict& v : verdicts) {
    ++c.trials, c.above += v.better > 0, c.below += v.better < 0;
    if (v.error > 0) c.stated += verdict_probability(truth, v.error, v.half_width, v.margin);
  }
  return c;
}

/// Whether the count is what was promised, within the luck of so many trials.
bool holds(const Kind& kind, const Count& c) {
  if (kind.truth != Truth::planted) return binomial_95(c.above + c.below, c.trials).low <= 0.05;
  return binomial_95(c.below, c.trials).high >= c.stated / static_cast<double>(c.trials) &&
         binomial_95(c.above, c.trials).low <= 0.05;
}

std::vector<std::string> row_of(const Kind& kind, const std::string& table, const Count& c) {
  const bool planted = kind.truth == Truth::planted;
  const int64_t counted = planted ? c.below : c.above + c.below;
  const auto percent = [](double share) { return fixed(100 * share, 1); };
  const auto n = static_cast<double>(c.trials);
  const Bounds bound = binomial_95(counted, c.trials);
  return {kind.pilot ? "pilot" : "compare",
          words(kind),
          table,
          text(c.trials),
          text(c.above),
          text(c.below),
          percent(static_cast<double>(counted) / n),
          percent(bound.low) + " to " + percent(bound.high),
          planted ? text("stated: ", percent(c.stated / n)) : "at most 5"};
}

std::string encoded(const Verdict& v) {
  return text(v.better, " ", number_text(v.difference), " ", number_text(v.error), " ", number_text(v.half_width), " ",
              number_text(v.margin));
}

Verdict decoded(const std::string& words) {
  std::istringstream in(words);
  std::string parts[5];
  for (std::string& part : parts) in >> part;
  const auto number = [&](int i) { return std::strtod(parts[i].c_str(), nullptr); };  // reads nan
  return {static_cast<int>(number(0)), number(1), number(2), number(3), number(4)};
}

int calibrate(int argc, char** argv) {
  Options options;
  if (!options.parse(argc, argv)) return 0;
  if (options.threads > 0) set_num_threads(static_cast<int>(options.threads));
  catch_interrupts();
  print_machine(Device::cpu);
  std::vector<Source> sources;
  for (const std::string& word : options.tables) sources.push_back(source_of(word));

  struct Job {
    Kind kind;
    size_t source;
    uint64_t number;
  };
  std::vector<Job> list;
  for (const Kind& kind : kinds())
    for (size_t source = 0; source < sources.size(); ++source)
      for (int64_t i = 1; i <= options.each(kind); ++i)
        list.push_back({kind, source, static_cast<uint64_t>(100000 * options.seed + i)});
  std::vector<Verdict> verdicts;
  Progress progress(std::ssize(list));
  Jobs jobs{.count = std::ssize(list)};
  jobs.work = [&](int64_t index, const Line& line) {
    const Job& job = list[static_cast<size_t>(index)];
    const Verdict verdict = trial(job.kind, sources[job.source].data, options.trial, job.number);
    line.tick(1);
    return encoded(verdict);
  };
  jobs.finished = [&](int64_t, const std::string& result) {
    verdicts.push_back(decoded(result));
    progress.plain_line(text(verdicts.size(), " of ", list.size(), " done"));
  };
  jobs.progress = [&](int64_t done) { progress.update(done, ""); };
  const bool all_done = in_processes(num_threads(), jobs);
  progress.clear();
  if (!all_done) return exit_interrupted;

  Table table{{"program", "kind", "table", "trials", "above", "below", "%", "95% bound", "wanted, %"}};
  bool all_hold = true;
  size_t at = 0;
  for (const Kind& kind : kinds()) {
    Count total;
    for (const Source& source : sources) {
      const auto first = verdicts.begin() + static_cast<std::ptrdiff_t>(at);
      const Count c = count({first, first + static_cast<std::ptrdiff_t>(options.each(kind))});
      at += static_cast<size_t>(options.each(kind));
      if (c.trials > 0) table.push_back(row_of(kind, source.name, c));
      total.add(c);
    }
    if (total.trials == 0) continue;
    table.push_back(row_of(kind, "all", total));
    if (!holds(kind, total)) all_hold = false, table.back().push_back("does not hold");
  }
  const TrialOptions& t = options.trial;
  const std::string said =
      text(aligned(table), "\n",
           wrapped(text("Each comparison has ", t.seeds, " seeds, each pilot ", t.studies, " studies; ", t.model, ", ",
                        t.epochs, " epochs, tables of at most ", t.rows,
                        " rows. \"Above\" and \"below\" count verdicts that something is better than SGD, or SGD than "
                        "something. Where labels are permuted, compare has two others beside SGD, and a comparison "
                        "counts if it separates one. A planted difference is wrong labels: ",
                        fixed(100 * planted_noise, 0),
                        "% of the training rows of the second. Its stated probability is the mean of what the "
                        "intervals promise for the difference that all trials on a table show.")),
           "\n\n", all_hold ? "All of it holds.\n" : "Something does not hold.\n");
  std::printf("\n%s", said.c_str());
  if (!options.out.empty()) write_text(options.out, said);
  return all_hold ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  return run_program([&] { return calibrate(argc, argv); });
}
