#include "examples/kit/progress_file.h"

#include <fstream>
#include <nlohmann/json.hpp>

namespace minima::examples {

namespace {

using Json = nlohmann::json;

/// JSON has no NaN: null stands for it.
double number(const Json& json) { return json.is_null() ? NAN : json.get<double>(); }

Json to_json(const RunResult& run) {
  const RunSettings& s = run.settings;
  Json curve = Json::array();
  for (const Measurement& m : run.curve)
    curve.push_back({m.epoch, m.step, m.gradient_evaluations, m.seconds, m.peak_memory_bytes, m.train_loss,
                     m.train_accuracy, m.test_loss, m.test_accuracy, m.clean_fit, m.corrupted_fit});
  return {{"settings", {s.optimizer, s.base, s.seed, s.lr, s.momentum, s.rho, s.weight_decay, s.steps}},
          {"parameters", run.parameters},
          {"curve", curve},
          {"lambda", {run.lambda_max, run.lambda_residual}},
          {"divergence", run.divergence}};
}

RunResult run_from(const Json& json) {
  RunResult run;
  const Json& s = json.at("settings");
  run.settings = {s.at(0), s.at(1), s.at(2), s.at(3), s.at(4), s.at(5), s.at(6), s.at(7)};
  run.parameters = json.at("parameters");
  for (const Json& m : json.at("curve"))
    run.curve.push_back({m.at(0), m.at(1), m.at(2), m.at(3), m.at(4), number(m.at(5)), number(m.at(6)), number(m.at(7)),
                         number(m.at(8)), number(m.at(9)), number(m.at(10))});
  run.lambda_max = number(json.at("lambda").at(0)), run.lambda_residual = number(json.at("lambda").at(1));
  run.divergence = json.at("divergence");
  return run;
}

}  // namespace

std::string run_text(const RunResult& run) { return to_json(run).dump(); }
RunResult run_from_text(const std::string& text) { return run_from(Json::parse(text)); }

void save_progress(const ProgressFile& progress, const std::string& path) {
  Json json{{"schema", schema_version}, {"configuration", progress.configuration}, {"finished", Json::array()}};
  for (const RunResult& run : progress.finished) json["finished"].push_back(to_json(run));
  json["interrupted"] = progress.interrupted ? to_json(*progress.interrupted) : Json();
  write_text(path, json.dump() + "\n");
}

ProgressFile load_progress(const std::string& path) {
  std::ifstream file(path);
  if (!file) fail(path, "no such file", "the state of an interrupted comparison", "Run without --resume to start one.");
  ProgressFile progress;
  try {
    const Json json = Json::parse(file);
    if (json.at("schema") != schema_version)
      fail(path, "schema " + json.at("schema").dump(), text("schema ", schema_version));
    progress.configuration = json.at("configuration").get<std::map<std::string, std::string>>();
    for (const Json& run : json.at("finished")) progress.finished.push_back(run_from(run));
    if (!json.at("interrupted").is_null()) progress.interrupted = run_from(json.at("interrupted"));
  } catch (const Json::exception& error) {
    fail(path, std::string("a damaged file (") + error.what() + ")", "the state of an interrupted comparison",
         "Run without --resume to start anew.");
  }
  return progress;
}

void check_same_configuration(const ProgressFile& saved, const std::map<std::string, std::string>& configuration,
                              const std::string& path) {
  for (const auto& [name, value] : configuration) {
    const auto found = saved.configuration.find(name);
    const std::string before = found == saved.configuration.end() ? "nothing" : found->second;
    if (before != value)
      fail(path, name + " " + value, name + " " + before + ", as when it was interrupted",
           "Give the same options, or run without --resume.");
  }
}

}  // namespace minima::examples
