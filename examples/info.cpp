// info: what a model that `train --save` wrote is: its layers, its input and classes, and where it comes from.
//   info model.safetensors
#include <cstdio>

#include "examples/kit/model_file.h"
#include "examples/kit/program.h"
#include "examples/kit/table.h"
#include "minima.h"

using namespace minima;
using namespace minima::examples;

namespace {

int info(int argc, char** argv) {
  std::string path;
  CommandLine line("info", "Says what a model is that `train --save` wrote.");
  line.option("model", path, "the file of the model");
  if (!line.parse(argc, argv)) return 0;
  if (path.empty()) fail("info", "no model", "info MODEL");
  ModelFile file = load_model(path);
  std::printf("%s\n%s\ninput: one sample has shape %s\n", file.name.c_str(), file.model->summary().c_str(),
              text(file.input).c_str());
  if (file.regression)
    std::printf("output: the quantity \"%s\"\n", file.table->label.c_str());
  else
    std::printf("output: %zu classes: %s\n", file.class_names.size(), wrapped(joined(file.class_names), 110).c_str());
  if (file.images)
    std::printf("images: %d x %d, %d channels, mean %s, deviation %s\n", file.images->height, file.images->width,
                file.images->channels, short_text(file.images->mean, 4).c_str(),
                short_text(file.images->deviation, 4).c_str());
  if (file.table) std::printf("\n%s", aligned(file.table->report(), /*words=*/true).c_str());
  std::printf("\n");
  for (const auto& [name, value] : file.notes) std::printf("%s: %s\n", name.c_str(), value.c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_program([&] { return info(argc, argv); });
}
