// What the tests of this folder run: small trainings and comparisons, and what of their results does not depend on the
// clock.
#pragma once

#include <nlohmann/json.hpp>

#include "tests/check.h"
#include "tests/examples/process.h"

namespace minima::test {

/// A comparison of four runs, with more options.
inline Words comparison(const std::string& out, const Words& more = {}) {
  Words words{MINIMA_COMPARE, "--model",  "mlp:32",      "--epochs", "8",     "--seeds", "2",
              "--optimizers", "sgd,msam", "--curvature", "0",        "--out", out};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

inline Words training(const std::string& save, const Words& more = {}) {
  Words words{MINIMA_TRAIN, "--epochs", "40", "--model", "mlp:64", "--save", save};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

inline Words language_training(const std::string& save, const Words& more = {}) {
  Words words{
      MINIMA_LANGUAGE_MODEL, "--width", "16",     "--depth", "1", "--context", "16", "--batch", "8", "--steps", "400",
      "--characters",        "40",      "--save", save};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// The words, run by a shell after `before`.
inline Words after(const std::string& before, const Words& words) {
  std::string line = before + "; exec";
  for (const std::string& word : words) line += " '" + word + "'";
  return {"/bin/sh", "-c", line};
}

/// What a comparison found, without seconds and memory.
inline std::string findings(const std::string& out) {
  auto json = nlohmann::json::parse(read_bytes(out + "/summary.json"));
  for (auto& run : json.at("runs")) run.erase("seconds"), run.erase("peak_memory_bytes");
  std::string rows = json.at("runs").dump();
  for (const auto& row : repeatable_cells(out + "/metrics.csv"))
    for (const std::string& cell : row) rows += "," + cell;
  return rows;
}

/// A number from the environment, for the longer forms of a test.
inline int count_from(const char* variable, int otherwise) {
  const char* words = std::getenv(variable);
  return words ? std::atoi(words) : otherwise;
}

}  // namespace minima::test
