// predict: what a model that `train --save` wrote says about new rows or images, as a CSV file; and how good that is,
// where the labels are known.
//   predict model.safetensors new.csv --proba
//   predict model.safetensors photos/              images, or a folder of images for each class
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "core/utf8.h"
#include "examples/kit/data.h"
#include "examples/kit/evaluation.h"
#include "examples/kit/metrics.h"
#include "examples/kit/model_file.h"
#include "examples/kit/program.h"
#include "minima.h"

using namespace minima;
using namespace minima::examples;

namespace {

/// Samples to predict, and their labels: classes, -1 where unknown, or standardised quantities, NaN where unknown.
struct Samples {
  datasets::Dataset data;
  std::vector<std::string> names;  ///< "line 7", or an image's path
  std::vector<double> labels;      ///< none if none is known
  datasets::Words notes{};
};

/// Inputs with labels that nobody reads.
datasets::Dataset unlabelled(std::vector<float> values, const Shape& input) {
  const size_t count = values.size() / static_cast<size_t>(input.numel());
  return datasets::Dataset::from_targets(std::move(values), input, std::vector<float>(count));
}

Samples rows_of(const ModelFile& model, const std::string& path) {
  const datasets::TextTable table = datasets::read_table(path);
  Samples samples;
  samples.data = unlabelled(model.table->features(table, samples.notes), model.input);
  samples.names = table.places;
  const bool labelled = std::find(table.names.begin(), table.names.end(), model.table->label) != table.names.end();
  if (labelled) samples.labels = datasets::labels_of(table, *model.table);
  return samples;
}

Samples images_of(const ModelFile& model, const std::string& path) {
  Samples samples;
  std::vector<float> values;
  bool labelled = false;
  datasets::Problems problems(path);
  for (const std::string& file : datasets::images_at(path)) {
    problems.collect([&] {
      const std::vector<float> image = datasets::read_image(file, *model.images);
      values.insert(values.end(), image.begin(), image.end());
    });
    samples.names.push_back(file);
    const auto& names = model.class_names;
    const std::string folder = std::filesystem::path(file).parent_path().filename().string();
    const auto label = std::find(names.begin(), names.end(), core::as_utf8(folder));
    samples.labels.push_back(label == names.end() ? -1 : static_cast<double>(label - names.begin()));
    labelled = labelled || label != names.end();
  }
  problems.raise();
  if (!labelled) samples.labels.clear();
  samples.data = unlabelled(std::move(values), model.input);
  return samples;
}

/// The test part of data that have a name.
Samples named(const ModelFile& model, const std::string& name) {
  const datasets::Dataset test = datasets::load(name).test;
  if (test.input_shape() != model.input)
    fail(name, text("samples of shape ", test.input_shape()), text(model.input, ", which the model takes"));
  if (test.class_names() != model.class_names)
    fail(name, "the classes " + joined(test.class_names()),
         model.regression ? "a quantity, which the model predicts"
                          : joined(model.class_names) + ", which the model knows");
  Samples samples{.data = test, .names = {}, .labels = {}};
  for (const int64_t label : test.labels()) {
    samples.names.push_back(text("test ", samples.names.size()));
    samples.labels.push_back(static_cast<double>(label));
  }
  return samples;
}

/// A field of CSV.
std::string field(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

std::string csv_of(const ModelFile& model, const Samples& samples, const std::vector<float>& outputs, bool proba) {
  std::string out = "sample,prediction";
  if (proba)
    for (const std::string& name : model.class_names) out += "," + field("p(" + name + ")");
  out += "\n";
  const auto width = static_cast<size_t>(model.outputs());
  for (size_t i = 0; i < samples.names.size(); ++i) {
    const float* row = outputs.data() + i * width;
    out += field(samples.names[i]) + ",";
    if (model.regression) {
      out += number_text(row[0] * model.table->target_deviation + model.table->target_mean);
    } else {
      out += field(model.class_names[static_cast<size_t>(std::max_element(row, row + width) - row)]);
      if (proba)
        for (const double p : probabilities_of(row, model.outputs())) out += "," + fixed(p, 6);
    }
    out += "\n";
  }
  return out;
}

/// How good the predictions are for the samples whose label is known.
void judge(const ModelFile& model, const Samples& samples, const std::vector<float>& outputs) {
  const auto width = static_cast<size_t>(model.outputs());
  std::vector<float> known, targets;
  std::vector<int64_t> labels;
  for (size_t i = 0; i < samples.labels.size(); ++i) {
    if (std::isnan(samples.labels[i]) || (!model.regression && samples.labels[i] < 0)) continue;
    known.insert(known.end(), outputs.begin() + static_cast<ptrdiff_t>(i * width),
                 outputs.begin() + static_cast<ptrdiff_t>((i + 1) * width));
    targets.push_back(static_cast<float>(samples.labels[i])), labels.push_back(static_cast<int64_t>(samples.labels[i]));
  }
  const size_t unknown = samples.labels.size() - labels.size();
  if (unknown > 0) std::printf("%zu labels are missing or of a class that the model does not know.\n", unknown);
  if (labels.empty()) return;
  if (model.regression) {
    const Fit fit = fit_of(known, targets);
    const std::string r2 = std::isnan(fit.r2) ? "no R2, as they do not differ" : "R2 " + fixed(fit.r2, 4);
    std::printf("%zu %s: %s, root mean squared error %s\n", labels.size(), labels.size() == 1 ? "label" : "labels",
                r2.c_str(), short_text(std::sqrt(fit.mean_squared_error) * model.table->target_deviation, 4).c_str());
    return;
  }
  const Quality q = quality_of(known, labels, model.outputs());
  std::printf("%zu labels: accuracy %.2f%%, balanced accuracy %.2f%%, loss %.4f, calibration error (ECE) %.3f\n",
              labels.size(), 100 * q.accuracy, 100 * q.balanced_accuracy, q.loss, q.calibration_error);
  if (model.class_names.size() <= most_confusion_classes)
    std::printf("%s", aligned(confusion_table(q.confusion, model.class_names)).c_str());
}

int predict(int argc, char** argv) {
  std::string path, data, out = "predictions.csv";
  bool proba = false;
  CommandLine line("predict",
                   "Predicts new samples with a model that `train --save` wrote. The columns of a table are "
                   "found by their names, and may be in any order.");
  line.option("model", path, "the file of the model");
  line.option("data", data, "a table, an image or a folder of images, or the name of a data set (its test part)");
  line.flag("--proba", proba, "the probability of each class as well");
  line.option("--out", out, "the CSV file to write");
  if (!line.parse(argc, argv)) return 0;
  if (path.empty() || data.empty()) fail("predict", "no model or no data", "predict MODEL DATA");
  check_writable("--out", out, {path, data});
  ModelFile model = load_model(path);
  Samples samples = model.table ? rows_of(model, data) : model.images ? images_of(model, data) : named(model, data);
  for (const std::string& note : samples.notes) std::printf("%s\n", wrapped("note: " + note, 110).c_str());
  const std::vector<float> outputs = outputs_of(*model.model, samples.data);
  write_text(out, csv_of(model, samples, outputs, proba));
  std::printf("%zu predictions: %s\n", samples.names.size(), out.c_str());
  judge(model, samples, outputs);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_program([&] { return predict(argc, argv); });
}
