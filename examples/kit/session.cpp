#include "examples/kit/session.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/gemm.h"
#include "core/utf8.h"
#include "examples/kit/checkpoint.h"
#include "examples/kit/cost.h"
#include "examples/kit/difference.h"
#include "examples/kit/json_problem.h"
#include "examples/kit/program.h"
#include "examples/kit/table.h"
#include "examples/kit/tuning.h"
#include "examples/kit/workers.h"

namespace minima::examples {

using Json = nlohmann::json;

namespace {
// Tensor memory of a run, beyond which runs are done one after another with all threads. On two processors the runs of
// a multilayer perceptron are done 2.1 times as fast side by side with 5 MiB each, 1.15 times with 17, 1.07 times with
// 65, and not faster with 253 (digits, batch 64); ResNet-20 1.3 times with 11 and with 52.
constexpr int64_t most_memory = int64_t{100} << 20;
}  // namespace

struct Session::Task {
  Problem problem;
  Setting setting;
  uint64_t seed;
  Measures measures;
  Observe observe;
  size_t place;                       ///< among the runs of the session
  std::optional<RunResult> result{};  ///< when it is done
  bool was_done = false;              ///< by the session that is resumed
  std::optional<Cost> cost{};         ///< when it was measured apart

  /// With its own costs, where they were measured apart.
  Measurement priced(const Measurement& m) const { return cost ? with_cost(m, *cost) : m; }
  RunResult priced(RunResult run) const {
    run.costs_apart |= cost.has_value();
    for (Measurement& m : run.curve) m = priced(m);
    return run;
  }
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

Json json_of(const Measurement& m) {
  return Json::array({m.epoch, m.step, m.gradient_evaluations, m.seconds, m.peak_memory_bytes, m.train_loss,
                      m.train_accuracy, m.test_loss, m.test_accuracy, m.clean_fit, m.corrupted_fit});
}

Measurement measurement_of(const Json& m) {
  return {m.at(0),         m.at(1),         m.at(2),         m.at(3),         m.at(4),         number(m.at(5)),
          number(m.at(6)), number(m.at(7)), number(m.at(8)), number(m.at(9)), number(m.at(10))};
}

Json json_of(const RunResult& run) {
  Json curve = Json::array();
  for (const Measurement& m : run.curve) curve.push_back(json_of(m));
  return {{"seed", run.seed}, {"parameters", run.parameters},   {"split", run.split_seed},
          {"curve", curve},   {"costs_apart", run.costs_apart}, {"lambda", {run.lambda_max, run.lambda_residual}},
          {"seen", run.seen}, {"divergence", run.divergence}};
}

RunResult result_of(const Json& json) {
  RunResult run{.seed = json.at("seed"), .parameters = json.at("parameters"), .split_seed = json.at("split")};
  for (const Json& m : json.at("curve")) run.curve.push_back(measurement_of(m));
  run.costs_apart = json.value("costs_apart", false);
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
std::string checkpoint_path(const std::string& directory, size_t place) {
  return text(directory, "/checkpoint-", place, ".safetensors");
}

void remove_checkpoints(const std::string& directory) {
  std::vector<std::filesystem::path> found;
  std::error_code no_folder;
  for (const auto& entry : std::filesystem::directory_iterator(directory, no_folder))
    if (const std::string name = entry.path().filename().string();
        name.starts_with("checkpoint-") && name.ends_with(".safetensors"))
      found.push_back(entry.path());
  for (const auto& path : found) std::filesystem::remove(path);
}

/// What save_state wrote. A file that is missing, damaged or of another schema is an error.
Json load_state(const std::string& path) {
  std::ifstream file(path);
  if (!file) fail(path, "no such file", "the state of an interrupted run", "Run without --resume to start one.");
  try {
    Json state = Json::parse(file);
    if (state.at("schema") != schema_version)
      fail(path, "schema " + state.at("schema").dump(), text("schema ", schema_version));
    for (const Json& run : state.at("finished")) {
      if (run.is_null()) continue;
      if (const RunResult result = result_of(run.at("result"));
          run.at("task").is_null() || (result.curve.empty() && !result.diverged()))
        fail(path, "a finished run without measurements", "the state of an interrupted run",
             "Run without --resume to start anew.");
    }
    state.value("costs_apart", false), state.at("configuration").get<Notes>(), state.value("program", Notes{}),
        state.at("kernels").get<std::string>();
    return state;
  } catch (const Json::exception& error) {
    fail(path, "a damaged file (" + json_problem(error) + ")", "the state of an interrupted run",
         "Run without --resume to start anew.");
  }
}

int64_t gradients_in(const Json& state) {
  int64_t total = 0;
  for (const Json& run : state.at("finished"))
    if (!run.is_null()) total += result_of(run.at("result")).last().gradient_evaluations;
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

/// state.json has the runs that are finished, each at its place; null stands at the place of one that is not. A
/// checkpoint has all of a run under way: its weights, its curve and what it belongs to are in one file, so that no
/// interrupt can leave the one without the other.
struct Session::State {
  Json now, earlier;           ///< of this session; of the one that is resumed, or null
  bool has_directory = false;  ///< what is refused before the first run leaves none

  /// Whether runs have had their costs measured apart: then those that are left do, too, in whatever way they are done.
  bool costs_apart() const { return now.at("costs_apart").get<bool>(); }
  Notes notes_of(const Json& task) const {
    return {{"configuration", now.at("configuration").dump()}, {"task", task.dump()}};
  }
  /// The result of this task's run if the session that is resumed has finished it.
  std::optional<RunResult> finished(const Task& task) const {
    if (earlier.is_null() || task.place >= earlier.at("finished").size()) return {};
    const Json& entry = earlier.at("finished").at(task.place);
    if (entry.is_null() || entry.at("task") != task.identity()) return {};
    RunResult result = result_of(entry.at("result"));
    result.hyperparameters = task.setting.hyperparameters;
    return result;
  }
  /// The result of this task's run until the checkpoint at this path; none if the checkpoint is of another run.
  std::optional<RunResult> begun(const Task& task, const std::string& path) const {
    if (earlier.is_null() || !std::filesystem::exists(path)) return {};
    const Notes saved = saved_notes(path);
    for (const auto& [name, value] : notes_of(task.identity()))
      if (const auto found = saved.find(name); found == saved.end() || found->second != value) return {};
    try {
      return result_of(Json::parse(saved.at("result")));
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

Problem with_usable_split(uint64_t split, const std::function<Problem(uint64_t split)>& load) {
  constexpr uint64_t attempts = 20, apart = 100000;  // beyond the splits of all studies or seeds
  for (uint64_t attempt = 1; attempt < attempts; ++attempt, split += apart) {
    try {
      return load(split);
    } catch (const Error& error) {
      std::printf("note: a split of the data cannot be used, and another one takes its place: %s\n", error.what());
    }
  }
  return load(split);
}

std::vector<uint64_t> compared_seeds(uint64_t first, int64_t count) {
  constexpr uint64_t tuning_end = first_tuning_seed + 1000;
  const uint64_t end = first + static_cast<uint64_t>(count);
  if (end > first_tuning_seed && first < tuning_end)
    fail("--first-seed", text("the seeds ", first, " to ", end - 1),
         text("others than ", first_tuning_seed, " to ", tuning_end - 1, ", which chose learning rates and radii"));
  return seeds_from(first, count);
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
  state_->now = {{"schema", schema_version},       {"kernels", core::gemm_description()},
                 {"configuration", configuration}, {"program", Notes{}},
                 {"costs_apart", false},           {"finished", Json::array()}};
  int64_t done = 0;
  if (options.resume) {
    const std::string path = state_path(options.directory);
    state_->earlier = load_state(path);
    check_notes(path, state_->earlier.at("configuration").get<Notes>(), configuration);
    tell_other_kernels(state_->earlier.at("kernels"));
    done = gradients_in(state_->earlier);
    state_->now["costs_apart"] = state_->earlier.value("costs_apart", false);
  }
  if (options.gradient_evaluations > 0 && options.shows_progress) progress_.emplace(options.gradient_evaluations, done);
  catch_interrupts();
}

void check_workers(int64_t workers) {
  if (workers < 0 || workers > 1024) fail("--workers", text(workers), "0 to 1024");
}

bool pays_side_by_side(int64_t memory_bytes) { return memory_bytes <= most_memory; }

void Session::prepare_directory() {
  if (options_.directory.empty() || std::exchange(state_->has_directory, true)) return;
  std::filesystem::create_directories(options_.directory);
  if (options_.resumable && !options_.resume) remove_checkpoints(options_.directory);  // of an earlier session
}

std::vector<Runs> Session::run(const Experiment& experiment) {
  prepare_directory();
  std::vector<Runs> all;
  for (const Setting& setting : experiment.settings) all.push_back({setting});
  std::vector<Task> tasks;
  for (const uint64_t seed : experiment.seeds) {
    const Problem problem = experiment.problems.of_seed(seed);
    for (const Setting& setting : experiment.settings)
      tasks.push_back({problem, setting, seed, experiment.measures, experiment.observe, places_++});
  }
  if (options_.gradient_evaluations == 0 && options_.shows_progress)
    progress_.emplace(expected_gradients(experiment)), gradients_done_ = 0;

  std::vector<Task*> rest;
  for (Task& task : tasks)
    if (task.result = state_->finished(task); task.result)
      task.was_done = true, gradients_done_ += task.gradients(), keep(task);
    else
      rest.push_back(&task);

  // Whatever the order in which runs end, they are told in that of the tasks.
  size_t turn = 0;
  const auto tell_before = [&](const Task* end) {
    for (; turn < tasks.size() && &tasks[turn] != end; ++turn) {
      const Task& task = tasks[turn];
      tell(task);
      if (experiment.finished) experiment.finished(task.setting, *task.result);
    }
  };
  const int workers = experiment.one_after_another ? 1 : workers_for(rest);
  if (experiment.measures.costs && (workers > 1 || state_->costs_apart())) measure_costs(rest);
  if (workers > 1)
    run_side_by_side(rest, workers, tell_before);
  else
    for (Task* task : rest) {
      tell_before(task);
      task->result = run_here(*task);
      keep(*task);
      if (save_due()) save();
    }
  tell_before(nullptr);
  for (size_t i = 0; i < tasks.size(); ++i) all[i % all.size()].results.push_back(*tasks[i].result);
  return all;
}

/// Whatever they cost.
int64_t Session::wanted_workers(Device device) const {
  if (device != Device::cpu) return 1;
  return options_.workers > 0 ? options_.workers : num_threads();
}

int64_t Session::at_once(int64_t memory_bytes, Device device) const {
  return options_.workers > 0 || pays_side_by_side(memory_bytes) ? wanted_workers(device) : 1;
}

/// How many of these are done at once.
int Session::workers_for(const std::vector<Task*>& tasks) const {
  if (tasks.size() < 2) return 1;
  const Task& first = *tasks.front();
  if (wanted_workers(first.problem.device) < 2) return 1;
  const int64_t memory = memory_of_steps(first.problem, first.setting, first.seed);
  return static_cast<int>(std::min(at_once(memory, first.problem.device), std::ssize(tasks)));
}

void Session::measure_costs(const std::vector<Task*>& tasks) {
  state_->now["costs_apart"] = true;
  for (Task* task : tasks)
    task->cost = cost_of(task->problem, task->setting, task->seed, [this] {
      if (interrupted()) interrupt([] {});
      if (options_.meanwhile) options_.meanwhile();
      if (progress_) progress_->update(gradients_done_, "measuring what a step costs");
    });
}

/// A new run, or one that goes on from the checkpoint of the session that is resumed.
void Session::begin(Run& run, const Task& task) const {
  const std::string checkpoint = checkpoint_path(options_.directory, task.place);
  if (const auto result = state_->begun(task, checkpoint)) run.load(checkpoint, *result);
}

RunResult Session::run_here(const Task& task) {
  Run run(task.problem, task.setting, task.seed);
  begin(run, task);
  for (const Measurement& m : run.result().curve) write_row(task, m);
  return task.priced(train_to_end(run, watched(observer_of(task.observe, run), task), task.measures));
}

void Session::keep(const Task& task) {
  if (options_.resumable) state_->now["finished"][task.place] = entry_of(task.identity(), *task.result);
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
    if (interrupted()) interrupt([&] { save_under_way(run, task); });
  });
  also(observer.after_step, [&](Run& run) {
    std::string note = task.name() + "  loss " + fixed(run.last_loss(), 4);
    if (task.measures.every_epoch && !run.result().curve.empty())
      note += "  test " + accuracy_of(task.problem) + " " + fixed(100 * run.result().last().test_accuracy, 1) + "%";
    if (progress_) progress_->update(gradients_done_ + run.gradient_evaluations(), note);
    if (options_.meanwhile) options_.meanwhile();
  });
  also(observer.after_measurement, [&](Run& run) { tell_measurement(task, run.result().last()); });
  return observer;
}

void Session::interrupt(const std::function<void()>& save_more) {
  clear_progress();
  if (options_.resumable) {
    const InterruptsWait until_saved;
    save();
    save_more();
  }
  throw Interrupted{};
}

void Session::save_under_way(Run& run, const Task& task) const {
  Notes notes = state_->notes_of(task.identity());
  notes["result"] = json_of(run.result()).dump();
  run.save(checkpoint_path(options_.directory, task.place), notes);
}

void Session::run_side_by_side(const std::vector<Task*>& tasks, int workers,
                               const std::function<void(const Task* end)>& tell_before) {
  const auto at = [&](int64_t index) { return tasks[static_cast<size_t>(index)]; };
  Jobs jobs{.count = std::ssize(tasks), .saves = options_.resumable};
  jobs.work = [&](int64_t index, const Line& line) {
    const Task& task = *at(index);
    Run run(task.problem, task.setting, task.seed);
    begin(run, task);
    const auto say = [&](const Measurement& m) { line.say(json_of(m).dump()); };
    for (const Measurement& m : run.result().curve) say(m);
    Observer observer = observer_of(task.observe, run);
    also(observer.before_step, [&](Run& run) {
      if (!line.stopping()) return;
      save_under_way(run, task);
      throw Stopped{};
    });
    also(observer.after_step, [&, before = int64_t{0}](Run& run) mutable {
      line.tick(run.gradient_evaluations() - before);
      before = run.gradient_evaluations();
    });
    also(observer.after_measurement, [&](Run& run) { say(run.result().last()); });
    return json_of(train_to_end(run, observer, task.measures)).dump();
  };
  jobs.said = [&](int64_t index, const std::string& measurement) {
    const Task& task = *at(index);
    tell_before(&task);
    tell_measurement(task, measurement_of(Json::parse(measurement)));
  };
  jobs.arrived = [&](int64_t index, const std::string& text) {
    Task& task = *at(index);
    RunResult result = result_of(Json::parse(text));
    result.hyperparameters = task.setting.hyperparameters;
    task.result = task.priced(result);
    keep(task);
    if (save_due()) save();
  };
  int64_t done = 0;
  jobs.finished = [&](int64_t index, const std::string&) {
    tell_before(at(index) + 1);
    ++done;
  };
  jobs.progress = [&, before = gradients_done_, saved = false](int64_t gradients) mutable {
    if (interrupted() && options_.resumable && !std::exchange(saved, true)) save();  // while the runs save themselves
    if (progress_)
      progress_->update(before + gradients, text(done, " of ", tasks.size(), " runs done, ", workers, " at once"));
    if (options_.meanwhile) options_.meanwhile();
  };
  if (!in_processes(workers, jobs)) interrupt([] {});
}

void Session::tell_measurement(const Task& task, const Measurement& m) {
  write_row(task, m);
  if (progress_)
    progress_->plain_line(
        text(task.name(), "  epoch ", fixed(m.epoch, 0), "  ", measured(task.problem, m, task.measures)));
}

/// What has come of a run: its rows where they are not written yet, and words.
void Session::tell(const Task& task) {
  const RunResult& result = *task.result;
  if (task.was_done) {
    for (const Measurement& m : result.curve) write_row(task, m);
    return;
  }
  gradients_done_ += task.gradients();
  if (!progress_) return;
  if (result.diverged()) return progress_->line(result.divergence);
  if (task.measures.every_epoch)
    progress_->plain_line(text(task.name(), "  ", measured(task.problem, result.last(), task.measures), "  ",
                               fixed(result.last().seconds, 2), " s"));
}

void Session::write_row(const Task& task, const Measurement& m) {
  if (options_.directory.empty() || !task.measures.every_epoch) return;
  Row row = options_.columns;
  for (const auto& column : metrics_row(task.problem, task.setting, task.seed, task.priced(m))) row.push_back(column);
  if (!metrics_) metrics_.emplace(options_.directory);
  metrics_->write(row);
}

void Session::clear_progress() {
  if (progress_) progress_->clear();
}

void Session::complete() {
  clear_progress();
  std::filesystem::remove(state_path(options_.directory));
  remove_checkpoints(options_.directory);
}

}  // namespace minima::examples
