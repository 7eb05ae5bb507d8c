#include "examples/kit/checkpoint.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "core/gemm.h"
#include "core/utf8.h"
#include "examples/kit/metrics.h"
#include "examples/kit/program.h"

namespace minima::examples {

namespace {
const std::string note_prefix = "note.";

Notes notes_in(const Archive& archive) {
  Notes notes;
  for (const auto& [name, value] : archive.metadata)
    if (name.starts_with(note_prefix)) notes[name.substr(note_prefix.size())] = value;
  return notes;
}

/// A checkpoint at its place, or else in the folder for temporary files; returns where it is.
std::string save_where_possible(const std::string& path, nn::Module& model, const optim::Optimizer& optimizer,
                                const TrainingPosition& position) {
  try {
    save_training(path, model, optimizer, position);
    return path;
  } catch (const Error&) {  // the disk is full for it, too
    const auto elsewhere = std::filesystem::temp_directory_path() / std::filesystem::path(path).filename();
    save_training(elsewhere.string(), model, optimizer, position);
    return elsewhere.string();
  }
}
}  // namespace

Notes saved_notes(const std::string& path) { return notes_in(load_safetensors(path)); }

void tell_other_kernels(const std::string& before) {
  if (const std::string now = core::gemm_description(); before != now)
    std::printf(
        "note: this was begun with the matrix kernels %s and goes on with %s; its last digits may differ from those of "
        "a run that was not interrupted\n",
        before.c_str(), now.c_str());
}

void check_notes(const std::string& path, const Notes& notes, const Notes& expected) {
  for (const auto& [name, any_bytes] : expected) {
    const std::string value = core::as_utf8(any_bytes);  // as it was saved
    const auto found = notes.find(name);
    auto shown = [](const std::string& text) { return text.empty() ? "\"\"" : text; };
    const std::string before = found == notes.end() ? "nothing" : shown(found->second);
    if (found == notes.end() || found->second != value)
      fail(path, name + " " + shown(value), name + " " + before + ", as when it was interrupted",
           "Give the same options and data, or run without --resume.");
  }
}

void save_training(const std::string& path, nn::Module& model, const optim::Optimizer& optimizer,
                   const TrainingPosition& position) {
  const InterruptsWait until_saved;
  Archive archive;
  archive.insert("model.", nn::state(model));
  archive.insert("optimizer.", optimizer.state());
  archive.metadata["step"] = std::to_string(position.step);
  archive.metadata["random.seed"] = std::to_string(default_generator().seed);
  archive.metadata["kernels"] = core::gemm_description();
  archive.metadata["random.offset"] = std::to_string(default_generator().offset);
  for (const auto& [name, value] : position.notes) archive.metadata[note_prefix + name] = core::as_utf8(value);
  save_safetensors(archive, path);
}

void tell_earlier_checkpoint(const std::string& path) {
  if (std::filesystem::exists(path))
    std::printf(
        "note: %s is of an interrupted run. --resume goes on with it; the first checkpoint of this run replaces it.\n",
        path.c_str());
}

std::vector<std::string> training_command(std::vector<std::string> command) {
  std::erase(command, "--resume");
  for (const std::string option : {"--save", "--save-every"}) {
    std::erase_if(command, [&](const std::string& word) { return word.starts_with(option + "="); });
    for (auto at = command.begin(); (at = std::find(at, command.end(), option)) != command.end();)
      at = command.erase(at, std::min(at + 2, command.end()));
  }
  return command;
}

RunningCheckpoint::RunningCheckpoint(nn::Module& model, const optim::Optimizer& optimizer, const Options& options)
    : model_(model), optimizer_(optimizer), options_(options), is_ours_(options.resumed) {}

void RunningCheckpoint::save(int64_t step) {
  save_training(options_.path, model_, optimizer_, {.step = step, .notes = options_.notes});
  is_ours_ = true;
}

void RunningCheckpoint::save_when_due(int64_t step) {
  const std::chrono::duration<double, std::ratio<60>> minutes = Clock::now() - last_save_;
  if (options_.minutes == 0 || minutes.count() < options_.minutes) return;
  try {
    save(step);
  } catch (const Error& error) {
    std::printf("note: no checkpoint at step %lld: %s\n", static_cast<long long>(step), error.what());
  }
  last_save_ = Clock::now();
}

int RunningCheckpoint::save_at_interrupt(int64_t step) {
  save(step);
  std::printf("Saved at step %lld; the same command with --resume goes on%s.\n", static_cast<long long>(step),
              can_load_safetensors() ? "" : " in a build with nlohmann-json, which this one is not");
  return exit_interrupted;
}

void RunningCheckpoint::remove() {
  if (is_ours_) std::filesystem::remove(options_.path);
}

void check_save_every(double minutes) {
  if (!(minutes >= 0)) fail("--save-every", number_text(minutes), "a number of minutes, or 0");
}

void save_or_keep(const std::function<void()>& save, const std::string& checkpoint, nn::Module& model,
                  const optim::Optimizer& optimizer, const TrainingPosition& position) {
  try {
    save();
  } catch (const Error& error) {
    const std::string kept = save_where_possible(checkpoint, model, optimizer, position);
    throw Error(text(error.what(), " The trained weights are in ", kept, kept == checkpoint ? "" : ": move it to ",
                     kept == checkpoint ? "" : checkpoint, "; the same command with --resume makes the model of it."));
  }
}

TrainingPosition load_training(const std::string& path, nn::Module& model, optim::Optimizer& optimizer,
                               const Notes& expected) {
  const Archive archive = load_safetensors(path);
  TrainingPosition position{.notes = notes_in(archive)};
  check_notes(path, position.notes, expected);
  nn::load_state(model, archive.extract("model."));
  optimizer.load_state(archive.extract("optimizer."));
  auto number = [&](const char* name) {
    const std::string& entry = archive.entry(name);
    if (entry.empty() || entry.size() > 20 || entry.find_first_not_of("0123456789") != std::string::npos)
      fail(path, text(name, " = \"", entry, "\""), "a whole number", "Is this a checkpoint of a training run?");
    return std::stoull(entry);
  };
  default_generator().seed = number("random.seed");
  default_generator().offset = number("random.offset");
  position.step = static_cast<int64_t>(number("step"));
  tell_other_kernels(archive.entry("kernels"));
  return position;
}

}  // namespace minima::examples
