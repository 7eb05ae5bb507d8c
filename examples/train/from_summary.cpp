#include "examples/train/from_summary.h"

#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "examples/kit/json_problem.h"

namespace minima::examples {

namespace {

using Json = nlohmann::json;

/// An option's text, or "".
std::string option(const Json& options, const char* name) {
  return options.contains(name) ? options.at(name).get<std::string>() : "";
}

/// Those between commas.
std::vector<std::string> words_of(const std::string& option) {
  std::istringstream in(option);
  std::vector<std::string> words;
  for (std::string word; std::getline(in, word, ',');) words.push_back(word);
  return words;
}

double number_option(const Json& options, const char* name, double otherwise) {
  const std::string words = option(options, name);
  if (words.empty()) return otherwise;
  double number = 0;
  const auto [end, problem] = std::from_chars(words.data(), words.data() + words.size(), number);
  if (problem != std::errc() || end != words.data() + words.size() || !(std::abs(number) < 1e15))
    fail(text("the summary's ", name), "\"" + words + "\"", "a number", "Is it damaged?");
  return number;
}

/// A whole number of at least 1.
int64_t count_at(const Json& json, const char* name) {
  const int64_t count = json.at(name);
  if (count < 1) fail(text("the summary's \"", name, "\""), text(count), "at least 1", "Is it damaged?");
  return count;
}

Problem problem_of(const Json& summary, uint64_t split_seed) {
  const Json& options = summary.at("options");
  datasets::LoadOptions how{.label = option(options, "--label"),
                            .task = option(options, "--task"),
                            .test = option(options, "--test"),
                            .group = option(options, "--group"),
                            .time = option(options, "--time")};
  how.drop = words_of(option(options, "--drop"));
  how.image_size = static_cast<int64_t>(number_option(options, "--image-size", 0));
  how.train_limit = static_cast<int64_t>(number_option(options, "--train-limit", 0));
  how.seed = split_seed;
  Problem problem{.data = option(options, "--data"), .model = summary.at("model"), .batch = count_at(summary, "batch")};
  problem.loaded = std::make_shared<const datasets::Loaded>(datasets::load_all(problem.data, how));
  problem.train = problem.loaded->split.train, problem.test = problem.loaded->split.test;
  problem.augmentation = Augmentation::from(words_of(option(options, "--augment")));
  if (const double noise = number_option(options, "--label-noise", 0); noise > 0)
    problem.train = problem.train.label_noise(noise, 1);
  return problem;
}

SummaryRun run_of(const Json& summary, const Json& run) {
  SummaryRun out;
  out.seed = run.at("seed");
  out.setting.optimizer = run.at("optimizer");
  out.setting.base = run.at("base");
  for (const std::string& name : hyperparameter_options())
    if (out.setting.has(name) && run.at(name).is_number()) out.setting.hyperparameters[name] = run.at(name);
  out.setting.steps = count_at(run, "steps");
  if (run.at("test_accuracy").is_number()) out.test_accuracy = run.at("test_accuracy");
  out.problem = problem_of(summary, run.at("split_seed"));
  return out;
}

}  // namespace

SummaryRun read_summary(const std::string& asked, const std::string& optimizer, uint64_t seed) {
  const std::string path = std::filesystem::is_directory(asked) ? asked + "/summary.json" : asked;
  std::ifstream file(path);
  if (!file) fail(path, "no such file", "a summary.json of compare or pilot");
  const auto refuse = [&](const std::string& got) {
    fail(path, got, "a summary.json of compare or pilot", "Is it damaged, or another file?");
  };
  std::set<std::string> names;
  std::set<uint64_t> seeds;
  try {
    const Json summary = Json::parse(file);
    for (const Json& run : summary.at("runs")) {
      if (run.at("optimizer") == optimizer && run.at("seed") == seed) return run_of(summary, run);
      names.insert(run.at("optimizer").get<std::string>()), seeds.insert(run.at("seed").get<uint64_t>());
    }
  } catch (const Json::exception& error) { refuse(json_problem(error)); }
  if (names.empty()) refuse("no runs");
  fail(path, text("no run of ", optimizer, " with seed ", seed),
       text("--optimizer one of ", joined(names), ", and --seed one of ", joined(seeds)));
}

}  // namespace minima::examples
