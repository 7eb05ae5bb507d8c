#include "examples/labs/warmup_text.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "examples/kit/language.h"
#include "examples/kit/progress.h"
#include "examples/kit/session.h"
#include "examples/kit/workers.h"

namespace minima::examples {

namespace {

/// "" and the result, or what happened.
struct Outcome {
  std::string divergence;
  double bits = NAN, accuracy = NAN, gradients = NAN;
};

/// The same seed gives the same weights and windows whatever the setting.
Outcome train_writer(const TextTask& task, const Setting& setting, uint64_t seed,
                     const std::function<void(int64_t)>& tick) {
  manual_seed(seed);
  nn::LanguageModel model(static_cast<int64_t>(task.train.alphabet().size()), task.context, {.size = task.size});
  const auto optimizer = optimizer_of(setting, model.parameters(), setting.value("lr"), seed);
  schedule(arm(setting.label), setting, *optimizer);
  for (int64_t step = 0; step < setting.steps; ++step) {
    const int64_t before = optimizer->gradient_evaluations();
    const auto [x, y] = task.train.random_windows(task.batch, task.context, seed, step);
    const Variable loss = optimizer->step([&] {
      Variable bits = bits_per_character(model, x, y);
      bits.backward();
      return bits;
    });
    if (!std::isfinite(loss.item())) return {text("a loss of ", loss.item(), " at step ", step + 1)};
    tick(optimizer->gradient_evaluations() - before);
  }
  const Foretelling test = foretelling_of(model, task.judged_on, task.context);
  if (!std::isfinite(test.bits)) return {text("a test loss of ", test.bits)};
  return {"", test.bits, test.accuracy, static_cast<double>(optimizer->gradient_evaluations())};
}

// A worker's result is text.
std::string encoded(const Outcome& o) {
  return text(number_text(o.bits), " ", number_text(o.accuracy), " ", number_text(o.gradients), " ", o.divergence);
}

RunResult decoded(const std::string& words, const Setting& setting, uint64_t seed) {
  RunResult result{.seed = seed, .hyperparameters = setting.hyperparameters};
  std::istringstream in(words);
  std::string bits, accuracy, gradients;
  in >> bits >> accuracy >> gradients >> std::ws;
  std::getline(in, result.divergence);
  const auto number = [](const std::string& word) { return std::strtod(word.c_str(), nullptr); };  // reads nan
  if (!result.diverged())
    result.curve.push_back({.step = setting.steps,
                            .gradient_evaluations = std::llround(number(gradients)),
                            .test_loss = number(bits),
                            .test_accuracy = number(accuracy)});
  return result;
}

}  // namespace

std::vector<Runs> train_writers(const TextTask& task, const std::vector<Setting>& settings,
                                const std::vector<uint64_t>& seeds, int64_t workers) {
  std::vector<Runs> all;
  for (const Setting& setting : settings) all.push_back({.setting = setting});
  const auto count = static_cast<int64_t>(settings.size() * seeds.size());
  int64_t gradients = 0, done = 0;
  for (const Setting& setting : settings) gradients += expected_gradients(setting) * std::ssize(seeds);
  // Seeds are outermost, as in a Session.
  const auto setting_at = [&](int64_t i) { return static_cast<size_t>(i) % settings.size(); };
  const auto seed_at = [&](int64_t i) { return seeds[static_cast<size_t>(i) / settings.size()]; };
  Progress progress(gradients);
  Jobs jobs{.count = count};
  jobs.work = [&](int64_t i, const Line& line) {
    return encoded(train_writer(task, settings[setting_at(i)], seed_at(i), line.tick));
  };
  jobs.finished = [&](int64_t i, const std::string& result) {
    Runs& runs = all[setting_at(i)];
    runs.results.push_back(decoded(result, runs.setting, seed_at(i)));
    progress.plain_line(text(runs.name(), ", seed ", seed_at(i), " done"));
    ++done;
  };
  jobs.progress = [&](int64_t taken) { progress.update(taken, text(done, " of ", count, " runs done")); };
  const int64_t at_once = std::min<int64_t>(workers > 0 ? workers : num_threads(), count);
  const bool finished = in_processes(static_cast<int>(at_once), jobs);
  progress.clear();
  if (!finished) throw Interrupted{};
  return all;
}

}  // namespace minima::examples
