// export: a model that `train --save` wrote as an ONNX file, for ONNX Runtime and other programs.
//   export model.safetensors model.onnx
#include <cstdio>

#include "examples/export/onnx.h"
#include "examples/kit/metrics.h"
#include "examples/kit/model_file.h"
#include "examples/kit/program.h"
#include "minima.h"

using namespace minima;
using namespace minima::examples;

namespace {

int export_model(int argc, char** argv) {
  std::string path, out;
  CommandLine line(
      "export",
      "Writes a model that `train --save` wrote as ONNX. Its input are the numbers that minima makes of a "
      "sample, its output the logits of the classes, or the standardised quantity; `info` says what they are.");
  line.option("model", path, "the file of the model");
  line.option("onnx", out, "the file to write");
  if (!line.parse(argc, argv)) return 0;
  if (path.empty() || out.empty()) fail("export", "no model or no file to write", "export MODEL FILE.onnx");
  // Another kind of file is not to be replaced: a table that was meant for `predict`, say.
  if (!out.ends_with(".onnx")) fail("export", out, "a name that ends in .onnx");
  check_writable("onnx", out, {path});
  ModelFile file = load_model(path);
  save_onnx(*file.model, file.input, out);
  std::printf("%s: input (batch, %s), output (batch, %lld)\n", out.c_str(), joined(file.input, ", ").c_str(),
              static_cast<long long>(file.outputs()));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_program([&] { return export_model(argc, argv); });
}
