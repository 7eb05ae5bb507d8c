#include "examples/common/checkpoint.h"

namespace minima::examples {

namespace {
const std::string note_prefix = "note.";
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

TrainingPosition load_training(const std::string& path, nn::Module& model, optim::Optimizer& optimizer) {
  const Archive archive = load_safetensors(path);
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
  TrainingPosition position;
  position.step = static_cast<int64_t>(number("step"));
  for (const auto& [name, value] : archive.metadata)
    if (name.rfind(note_prefix, 0) == 0) position.notes[name.substr(note_prefix.size())] = value;
  return position;
}

}  // namespace minima::examples
