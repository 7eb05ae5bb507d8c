#include "examples/kit/session.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/gemm.h"
#include "core/utf8.h"
#include "examples/kit/checkpoint.h"
#include "examples/kit/difference.h"
#include "examples/kit/json_problem.h"
#include "examples/kit/program.h"
#include "examples/kit/table.h"
#include "examples/kit/workers.h"

namespace minima::examples {

using Json = nlohmann::json;

struct Session::Task {
  Problem problem;
  Setting setting;
  uint64_t seed;
  Measures measures;
  Observe observe;

  std::string name() const { return text(setting.words(), " seed ", seed); }
  int64_t gradients() const { return expected_gradients(setting); }
  /// What must be the same for a result to be this task's.
  Json identity() const {
    return {setting.optimizer, setting.base, setting.hyperparameters, setting.steps, setting.label, seed};
  }
};

// ---- results as JSON

namespace {

/// JSON has no NaN: null stands for it.
double number(const Json& json) { return json.is_null() ? NAN : json.get<double>(); }

Json json_of(const RunResult& run) {
  Json curve = Json::array();
  for (const Measurement& m : run.curve)
    curve.push_back({m.epoch, m.step, m.gradient_evaluations, m.seconds, m.peak_memory_bytes, m.train_loss,
                     m.train_accuracy, m.test_loss, m.test_accuracy, m.clean_fit, m.corrupted_fit});
  return {{"seed", run.seed},
          {"parameters", run.parameters},
          {"split", run.split_seed},
          {"curve", curve},
          {"lambda", {run.lambda_max, run.lambda_residual}},
          {"seen", run.seen},
          {"divergence", run.divergence}};
}

RunResult result_of(const Json& json) {
  RunResult run{.seed = json.at("seed"), .parameters = json.at("parameters"), .split_seed = json.at("split")};
  for (const Json& m : json.at("curve"))
    run.curve.push_back({m.at(0), m.at(1), m.at(2), m.at(3), m.at(4), number(m.at(5)), number(m.at(6)), number(m.at(7)),
                         number(m.at(8)), number(m.at(9)), number(m.at(10))});
  run.lambda_max = number(json.at("lambda").at(0)), run.lambda_residual = number(json.at("lambda").at(1));
  for (const auto& [name, values] : json.at("seen").items())
    for (const Json& value : values) run.seen[name].push_back(number(value));
  run.divergence = json.at("divergence");
  return run;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// A result, and the identity of its task.
Json entry_of(const Json& task, const RunResult& result) { return {{"task", task}, {"result", json_of(result)}}; }

std::string state_path(const std::string& directory) { return directory + "/state.json"; }
std::string checkpoint_path(const std::string& directory) { return directory + "/checkpoint.safetensors"; }

/// What save_state wrote. A file that is missing, damaged or of another schema is an error.
Json load_state(const std::string& path) {
  std::ifstream file(path);
  if (!file) fail(path, "no such file", "the state of an interrupted run", "Run without --resume to start one.");
  try {
    Json state = Json::parse(file);
    if (state.at("schema") != schema_version)
      fail(path, "schema " + state.at("schema").dump(), text("schema ", schema_version));
    for (const Json& run : state.at("finished"))
      if (const RunResult result = result_of(run.at("result"));
          run.at("task").is_null() || (result.curve.empty() && !result.diverged()))
        fail(path, "a finished run without measurements", "the state of an interrupted run",
             "Run without --resume to start anew.");
    state.at("configuration").get<Notes>(), state.value("program", Notes{}), state.at("kernels").get<std::string>();
    return state;
  } catch (const Json::exception& error) {
    fail(path, "a damaged file (" + json_problem(error) + ")", "the state of an interrupted run",
         "Run without --resume to start anew.");
  }
}

int64_t gradients_in(const Json& state) {
  int64_t total = 0;
  for (const Json& run : state.at("finished")) total += result_of(run.at("result")).last().gradient_evaluations;
  return total;
}

/// "accuracy", or "R2" of quantities.
std::string accuracy_of(const Problem& problem) { return judged_name(problem.train.has_targets()); }

std::string measured(const Problem& problem, const Measurement& m, const Measures& measures) {
  const char* set = measures.every_epoch ? "test" : "validation";
  return text("train loss ", fixed(m.train_loss, 4), "  ", set, " loss ", fixed(m.test_loss, 4), "  ", set, " ",
              accuracy_of(problem), " ", fixed(100 * m.test_accuracy, 2), "%");
}

/// Calls `more` after what is called already.
void also(std::function<void(Run&)>& look, const std::function<void(Run&)>& more) {
  look = [first = look, more](Run& run) {
    if (first) first(run);
    more(run);
  };
}

Observer observer_of(const Observe& observe, Run& run) { return observe ? observe(run) : Observer{}; }

}  // namespace

/// state.json has the runs that are finished. The checkpoint has all of the run under way: its weights, its curve and
/// what it belongs to are in one file, so that no interrupt can leave the one without the other.
struct Session::State {
  Json now, earlier;  ///< of this session; of the one that is resumed, or null
  Notes under_way{};  ///< of the checkpoint of the session that is resumed

  Notes notes_of(const Json& task) const {
    return {{"configuration", now.at("configuration").dump()}, {"task", task.dump()}};
  }
  /// The result of this task's run until the checkpoint; none if the checkpoint is of another run.
  std::optional<RunResult> begun(const Json& task) const {
    for (const auto& [name, value] : notes_of(task))
      if (const auto found = under_way.find(name); found == under_way.end() || found->second != value) return {};
    try {
      return result_of(Json::parse(under_way.at("result")));
    } catch (const Json::exception& error) {
      fail("--resume", "a checkpoint with a damaged result (" + json_problem(error) + ")", "one of an interrupted run",
           "Run without --resume to start anew.");
    }
  }
};

// ---- the session

std::vector<uint64_t> seeds_from(uint64_t first, int64_t count) {
  std::vector<uint64_t> seeds;
  for (int64_t i = 0; i < count; ++i) seeds.push_back(first + static_cast<uint64_t>(i));
  return seeds;
}

int64_t expected_gradients(const Experiment& experiment) {
  int64_t total = 0;
  for (const Setting& setting : experiment.settings) total += expected_gradients(setting);
  return total * static_cast<int64_t>(experiment.seeds.size());
}

void check_resumable(const std::string& directory) { load_state(state_path(directory)); }

Session::Session(const Options& options) : options_(options), state_(std::make_shared<State>()) {
  Notes configuration = options.configuration;
  for (auto& [name, value] : configuration) value = core::as_utf8(value);
  state_->now = {{"schema", schema_version},
                 {"kernels", core::gemm_description()},
                 {"configuration", configuration},
                 {"program", Notes{}},
                 {"finished", Json::array()}};
  int64_t done = 0;
  if (options.resume) {
    const std::string path = state_path(options.directory), checkpoint = checkpoint_path(options.directory);
    state_->earlier = load_state(path);
    check_notes(path, state_->earlier.at("configuration").get<Notes>(), configuration);
    tell_other_kernels(state_->earlier.at("kernels"));
    if (std::filesystem::exists(checkpoint)) state_->under_way = saved_notes(checkpoint);
    done = gradients_in(state_->earlier);
  }
  if (options.gradient_evaluations > 0 && options.shows_progress) progress_.emplace(options.gradient_evaluations, done);
  catch_interrupts();
}

std::vector<Runs> Session::run(const Experiment& experiment) {
  std::vector<Runs> all;
  for (const Setting& setting : experiment.settings) all.push_back({setting});
  std::vector<Task> tasks;
  for (const uint64_t seed : experiment.seeds) {
    const Problem problem = experiment.problems.of_seed(seed);
    for (const Setting& setting : experiment.settings)
      tasks.push_back({problem, setting, seed, experiment.measures, experiment.observe});
  }
  if (options_.gradient_evaluations == 0 && options_.shows_progress)
    progress_.emplace(expected_gradients(experiment)), gradients_done_ = 0;

  bool at_once = !options_.resumable && num_threads() > 1 && tasks.size() > 1;
  for (const Task& task : tasks) at_once = at_once && task.problem.device == Device::cpu;
  std::vector<RunResult> results;
  if (at_once)
    results = run_in_processes(tasks);
  else
    for (const Task& task : tasks) results.push_back(run_here(task));
  for (size_t i = 0; i < results.size(); ++i) all[i % all.size()].results.push_back(results[i]);
  return all;
}

RunResult Session::run_here(const Task& task) {
  const size_t index = state_->now.at("finished").size();
  Json& earlier = state_->earlier;
  if (!earlier.is_null() && index < earlier.at("finished").size())
    if (const Json& entry = earlier.at("finished").at(index); entry.at("task") == task.identity()) {
      RunResult result = result_of(entry.at("result"));
      result.hyperparameters = task.setting.hyperparameters;
      write_rows(task, result);
      finish(task, result);
      return result;
    }
  Run run(task.problem, task.setting, task.seed);
  if (const auto result = state_->begun(task.identity())) {
    run.load(checkpoint_path(options_.directory), *result);
    write_rows(task, run.result());
  }
  const RunResult result = train_to_end(run, watched(observer_of(task.observe, run), task), task.measures);
  tell(task, result);
  finish(task, result);
  if (save_due()) save();
  return result;
}

bool Session::save_due() const {
  const double least = options_.seconds_between_saves;
  return options_.resumable && (least == 0 || seconds_since(saved_at_) >= std::max(least, 50 * save_seconds_));
}

void Session::save() {
  const auto start = std::chrono::steady_clock::now();
  if (options_.program) state_->now["program"] = options_.program();
  write_text(state_path(options_.directory), state_->now.dump() + "\n");
  saved_at_ = std::chrono::steady_clock::now();
  save_seconds_ = seconds_since(start);
}

Notes Session::saved_by_program() const {
  return state_->earlier.is_null() ? Notes{} : state_->earlier.value("program", Notes{});
}

/// The observer, and what the session does at the same moments.
Observer Session::watched(Observer observer, const Task& task) {
  also(observer.before_step, [&](Run& run) {
    if (interrupted()) interrupt(run, task);
  });
  also(observer.after_step, [&](Run& run) {
    std::string note = task.name() + "  loss " + fixed(run.last_loss(), 4);
    if (task.measures.every_epoch && !run.result().curve.empty())
      note += "  test " + accuracy_of(task.problem) + " " + fixed(100 * run.result().last().test_accuracy, 1) + "%";
    if (progress_) progress_->update(gradients_done_ + run.gradient_evaluations(), note);
  });
  also(observer.after_measurement, [&](Run& run) {
    const Measurement& m = run.result().last();
    if (task.measures.every_epoch) write_row(task, m);
    if (progress_)
      progress_->plain_line(
          text(task.name(), "  epoch ", fixed(m.epoch, 0), "  ", measured(task.problem, m, task.measures)));
  });
  return observer;
}

void Session::interrupt(Run& run, const Task& task) {
  clear_progress();
  if (options_.resumable) {
    const InterruptsWait until_saved;
    save();
    Notes notes = state_->notes_of(task.identity());
    notes["result"] = json_of(run.result()).dump();
    run.save(checkpoint_path(options_.directory), notes);
  }
  throw Interrupted{};
}

std::vector<RunResult> Session::run_in_processes(const std::vector<Task>& tasks) {
  std::vector<RunResult> results;
  Jobs jobs;
  jobs.count = std::ssize(tasks);
  jobs.work = [&](int64_t index, const Tick& tick) {
    const Task& task = tasks[static_cast<size_t>(index)];
    Run run(task.problem, task.setting, task.seed);
    Observer observer = observer_of(task.observe, run);
    also(observer.after_step, [&tick, before = int64_t{0}](Run& run) mutable {
      tick(run.gradient_evaluations() - before);
      before = run.gradient_evaluations();
    });
    return json_of(train_to_end(run, observer, task.measures)).dump();
  };
  jobs.finished = [&](int64_t index, const std::string& result) {
    const Task& task = tasks[static_cast<size_t>(index)];
    results.push_back(result_of(Json::parse(result)));
    finish(task, results.back());
    write_rows(task, results.back());
    tell(task, results.back());
    progress_->plain_line(text(results.size(), " of ", tasks.size(), " runs done"));
  };
  const int64_t before = gradients_done_;
  jobs.progress = [&](int64_t gradients) {
    progress_->update(before + gradients, text(results.size(), " of ", tasks.size(), " runs done"));
  };
  const bool all_done = in_processes(num_threads(), jobs);
  clear_progress();
  if (!all_done) throw Interrupted{};
  return results;
}

void Session::finish(const Task& task, const RunResult& result) {
  gradients_done_ += task.gradients();
  if (options_.resumable) state_->now["finished"].push_back(entry_of(task.identity(), result));
}

void Session::tell(const Task& task, const RunResult& result) {
  if (!progress_) return;
  if (result.diverged()) return progress_->line(result.divergence);
  if (task.measures.every_epoch)
    progress_->plain_line(text(task.name(), "  ", measured(task.problem, result.last(), task.measures), "  ",
                               fixed(result.last().seconds, 2), " s"));
}

void Session::write_row(const Task& task, const Measurement& m) {
  if (options_.directory.empty()) return;
  Row row = options_.columns;
  for (const auto& column : metrics_row(task.problem, task.setting, task.seed, m)) row.push_back(column);
  if (!metrics_) metrics_.emplace(options_.directory);
  metrics_->write(row);
}

void Session::write_rows(const Task& task, const RunResult& result) {
  if (!task.measures.every_epoch) return;
  for (const Measurement& m : result.curve) write_row(task, m);
}

void Session::clear_progress() {
  if (progress_) progress_->clear();
}

void Session::complete() {
  clear_progress();
  std::filesystem::remove(state_path(options_.directory));
  std::filesystem::remove(checkpoint_path(options_.directory));
}

}  // namespace minima::examples
