#include "examples/kit/checkpoint.h"

namespace minima::examples {

namespace {
const std::string note_prefix = "note.";
}  // namespace

void check_notes(const std::string& path, const Notes& notes, const Notes& expected) {
  for (const auto& [name, value] : expected) {
    const auto found = notes.find(name);
    auto shown = [](const std::string& text) { return text.empty() ? "\"\"" : text; };
    const std::string before = found == notes.end() ? "nothing" : shown(found->second);
    if (found == notes.end() || found->second != value)
      fail(path, name + " " + shown(value), name + " " + before + ", as when it was interrupted",
           "Give the same options, or run without --resume.");
  }
}

void save_training(const std::string& path, nn::Module& model, const optim::Optimizer& optimizer,
                   const TrainingPosition& position) {
  Archive archive;
  archive.insert("model.", nn::state(model));
  archive.insert("optimizer.", optimizer.state());
  archive.metadata["step"] = std::to_string(position.step);
  archive.metadata["random.seed"] = std::to_string(default_generator().seed);
  archive.metadata["random.offset"] = std::to_string(default_generator().offset);
  for (const auto& [name, value] : position.notes) archive.metadata[note_prefix + name] = value;
  save_safetensors(archive, path);
}

TrainingPosition load_training(const std::string& path, nn::Module& model, optim::Optimizer& optimizer,
                               const Notes& expected) {
  const Archive archive = load_safetensors(path);
  TrainingPosition position;
  for (const auto& [name, value] : archive.metadata)
    if (name.rfind(note_prefix, 0) == 0) position.notes[name.substr(note_prefix.size())] = value;
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
  return position;
}

}  // namespace minima::examples
