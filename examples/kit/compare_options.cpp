#include "examples/kit/compare_options.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "examples/kit/command_line.h"
#include "examples/kit/machine.h"
#include "examples/kit/per_optimizer.h"
#include "examples/kit/progress_file.h"

namespace minima::examples {

namespace {

struct Default {
  std::string optimizer;
  double lr, rho;
};

/// What `compare --tune --optimizers sgd,nesterov,adam,adamw,sam,asam,msam` chose on the digits (model mlp, 30 epochs,
/// 15 trials each on a validation split of the training data; sam, asam and msam at 3 learning rates a factor of 2
/// apart and 5 radii). Flat optima: neighbours by a factor of 2 do about as
/// well. asam's lay at the edge of its grid; the entry is the best setting inside, which did as well.
const Default tuned_on_digits[] = {
    {"sgd", 0.0707, 0}, {"nesterov", 0.141, 0}, {"adam", 0.008, 0}, {"adamw", 0.008, 0},
    {"sam", 0.05, 0.2}, {"asam", 0.05, 1},      {"msam", 0.05, 1},
};

/// Otherwise: optim's starting values, which come from Fashion-MNIST; --tune finds better ones. A wrapper takes
/// the learning rate of another base than SGD.
Default default_for(const std::string& optimizer, const std::string& base, const std::string& data,
                    const std::string& model) {
  const optim::Defaults start = optim::defaults_of(optimizer, base);
  Default result{optimizer, start.lr, start.rho};
  if (data != "digits" || model != "mlp") return result;
  for (const Default& d : tuned_on_digits) {
    if (d.optimizer == (base == "sgd" ? optimizer : base)) result.lr = d.lr;
    if (d.optimizer == optimizer) result.rho = d.rho;
  }
  return result;
}

/// optim's, but for adam: with none it would minimise another objective than sgd and its wrappers do.
double default_weight_decay(const std::string& base) {
  return optim::defaults_of(base == "adam" ? "sgd" : base).weight_decay;
}

void at_least(const char* option, int64_t value, int64_t minimum) {
  if (value < minimum) fail(option, std::to_string(value), text("a whole number of at least ", minimum));
}

/// A word as a shell reads it back.
std::string shell_quoted(const std::string& word) {
  const char* harmless = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+,./:@%";
  if (!word.empty() && word.find_first_not_of(harmless) == std::string::npos) return word;
  std::string quoted = "'";
  for (char c : word) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

/// A name for a directory: "data/My Table.csv" becomes "My-Table".
std::string file_safe(std::string name) {
  while (name.size() > 1 && name.back() == '/') name.pop_back();
  name = name.substr(name.find_last_of('/') + 1);
  name = name.substr(0, name.find('.'));
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_') c = '-';
  return name;
}

bool convolutional(const std::string& model) { return model.rfind("mlp", 0) != 0; }

}  // namespace

bool CompareOptions::parse(int argc, const char* const* argv) {
  CommandLine line("compare",
                   "Trains the same network on the same data with several optimizers, with the same initial "
                   "weights and batch order for each seed, and compares them.");
  line.option("--data", data, joined(datasets::names()) + ", a FILE.csv, or a folder of images by class");
  line.option("--label", label, "column of a FILE.csv that is to be predicted");
  line.option("--model", model, joined(nn::model_names()));
  line.option("--optimizers", optimizers, "names with commas between: " + joined(optim::optimizer_names()));
  line.option("--base", base, "what sam, asam and msam wrap: sgd, nesterov, adam or adamw");
  line.option("--epochs", epochs, "passes over the training data");
  line.option("--seeds", seeds, "number of runs of each optimizer, with seeds 1, 2, ...");
  line.option("--budget", budget, "what is equal for all: epochs, or gradients (sam then gets half the epochs)");
  line.option("--batch", batch, "samples in a step");
  line.option("--lr", lr_, "learning rate: 0.1, or sgd=0.05,adam=0.001 (default: each optimizer's own)");
  line.option("--rho", rho_, "radius: 0.1, or sam=0.1,msam=0.5 (default: each optimizer's own)");
  line.option("--weight-decay", weight_decay_, "likewise");
  line.option("--momentum", momentum, "of sgd and nesterov; beta1 of adam and adamw");
  line.flag("--tune", tune, "first choose lr and rho on a part of the training data, 15 trials an optimizer");
  line.option("--train-limit", train_limit, "use the first N training samples only (0: all)");
  line.option("--label-noise", label_noise, "give this share of the training samples a wrong label");
  line.option("--curvature", curvature, "samples for the largest Hessian eigenvalue (0: skip; -1: by model)");
  line.option("--threads", threads, "0: all CPUs");
  line.option("--device", device, "cpu or cuda");
  line.option("--out", out, "directory for results (default: runs/compare-DATA-MODEL)");
  line.flag("--resume", resume, "go on with an interrupted comparison in --out");
  if (!line.parse(argc, argv)) return false;

  command_.assign(argv, argv + argc);
  if (out.empty()) out = "runs/compare-" + file_safe(data) + "-" + file_safe(model);
  const auto& known = optim::optimizer_names();
  for (const std::string& name : optimizers)
    if (std::find(known.begin(), known.end(), name) == known.end())
      fail("--optimizers", name, "one of " + listed(known));
  const PerOptimizer lr("--lr", lr_, optimizers, {0, true}),
      decay("--weight-decay", weight_decay_, optimizers, {0, false});
  const PerOptimizer rho("--rho", rho_, optimizers, {-1e6, false});
  for (const std::string& name : optimizers) {
    const std::string wrapped = optim::is_wrapper(name) ? base : name;
    const Default d = default_for(name, wrapped, data, model);
    settings.push_back({.optimizer = name,
                        .base = wrapped,
                        .lr = lr.value(name).value_or(d.lr),
                        .momentum = momentum,
                        .rho = optim::is_wrapper(name) ? rho.value(name).value_or(d.rho) : 0,
                        .weight_decay = decay.value(name).value_or(default_weight_decay(wrapped))});
  }
  check();
  return true;
}

void CompareOptions::check() const {
  for (size_t i = 0; i < optimizers.size(); ++i)
    if (std::count(optimizers.begin(), optimizers.end(), optimizers[i]) > 1)
      fail("--optimizers", optimizers[i] + " twice", "each once");
  at_least("--epochs", epochs, 1), at_least("--seeds", seeds, 1), at_least("--batch", batch, 1);
  at_least("--threads", threads, 0);
  if (threads > 1024) fail("--threads", std::to_string(threads), "at most 1024, or 0 for all CPUs");
  check_label(data, label);
  at_least("--train-limit", train_limit, 0), at_least("--curvature", curvature, -1);
  if (!(momentum >= 0 && momentum < 1)) fail("--momentum", number_text(momentum), "a number from 0 to below 1");
  if (!(label_noise >= 0 && label_noise < 1))
    fail("--label-noise", number_text(label_noise), "a share from 0 to below 1");
  if (budget != "epochs" && budget != "gradients") fail("--budget", budget, "epochs or gradients");
}

Problem CompareOptions::load() const {
  if (threads > 0) set_num_threads(static_cast<int>(threads));
  Problem problem{.data = data, .model = model, .batch = batch, .device = parse_device(device)};
  auto [train, test] = datasets::load(data, {.label = label, .train_limit = train_limit});
  problem.train = label_noise > 0 ? train.label_noise(label_noise, 1) : train;
  problem.test = test;
  if (batch > problem.train.size())
    fail("--batch", std::to_string(batch), text("at most ", problem.train.size(), ", the number of training samples"),
         "Choose a smaller --batch.");
  if (resume) load_progress(out + "/state.json");  // what is not there is an error, and makes no directory
  make_output_directory(out);
  return problem;
}

std::map<std::string, std::string> CompareOptions::configuration() const {
  return {{"--data", data},
          {"--label", label},
          {"--model", model},
          {"--optimizers", joined(optimizers, ",")},
          {"--base", base},
          {"--epochs", std::to_string(epochs)},
          {"--seeds", std::to_string(seeds)},
          {"--budget", budget},
          {"--batch", std::to_string(batch)},
          {"--lr", lr_.empty() ? "each optimizer's own" : joined(lr_, ",")},
          {"--rho", rho_.empty() ? "each optimizer's own" : joined(rho_, ",")},
          {"--weight-decay", weight_decay_.empty() ? "each optimizer's own" : joined(weight_decay_, ",")},
          {"--momentum", number_text(momentum)},
          {"--tune", tune ? "yes" : "no"},
          {"--train-limit", std::to_string(train_limit)},
          {"--label-noise", number_text(label_noise)},
          {"--curvature", std::to_string(curvature)},
          {"--device", device}};
}

Comparison CompareOptions::describe(const Problem& problem) const {
  Comparison comparison;
  comparison.data = data, comparison.model = model;
  comparison.machine = machine_description();
  comparison.batch = batch, comparison.threads = num_threads();
  comparison.train_samples = problem.train.size(), comparison.test_samples = problem.test.size();
  const int64_t wanted = curvature >= 0 ? curvature : convolutional(model) ? 128 : 1000;
  comparison.curvature_samples = std::min(wanted, problem.train.size());
  comparison.optimizers = optimizers;
  return comparison;
}

std::string CompareOptions::resume_command() const {
  std::string command = called_as(shell_quoted(command_.front()));
  for (size_t i = 1; i < command_.size(); ++i) command.append(" ").append(shell_quoted(command_[i]));
  return resume ? command : command + " --resume";
}

std::string CompareOptions::headline(const Comparison& c) const {
  const std::string limit =
      budget == "epochs" ? text(epochs, " epochs") : text("the gradient evaluations of ", epochs, " epochs");
  return text(data, " (", c.train_samples, " training, ", c.test_samples, " test samples), ", model, ", batch ", batch,
              ", ", limit, ", ", seeds, seeds == 1 ? " seed: " : " seeds: ", listed(optimizers));
}

bool CompareOptions::as_tuned() const {
  const CompareOptions standard;
  return data == standard.data && model == standard.model && base == standard.base && epochs == standard.epochs &&
         batch == standard.batch && momentum == standard.momentum && budget == standard.budget && lr_.empty() &&
         rho_.empty() && weight_decay_.empty() && label_noise == 0 && train_limit == 0;
}

std::string CompareOptions::weight_decays() const {
  std::map<double, std::vector<std::string>> having;
  for (const RunSettings& s : settings) having[s.weight_decay].push_back(s.optimizer);
  if (having.size() == 1) return number_text(having.begin()->first);
  std::vector<std::string> parts;
  for (const auto& [decay, names] : having) parts.push_back(number_text(decay) + " for " + listed(names));
  return joined(parts, ", ");
}

std::string CompareOptions::how_measured(const Comparison& c) const {
  const std::string origin = tune                            ? "lr and rho were tuned as listed"
                             : !lr_.empty() || !rho_.empty() ? "lr and rho as given, else the defaults"
                             : as_tuned() ? "lr and rho were tuned on a validation split of this data"
                                          : "lr and rho are starting values, --tune finds this data's own";
  const std::string curvature_text = c.curvature_samples == 0 ? ""
                                                              : text(", lambda max (largest Hessian eigenvalue) on ",
                                                                     c.curvature_samples, " training samples");
  return text(
      c.seeds() < 2 ? "Values of one seed. " : text("Means over ", c.seeds(), " seeds +- half of a 95% interval. "),
      "lr rises for an epoch, then falls along a cosine to 0; momentum ", number_text(momentum), "; weight decay ",
      weight_decays(), "; ", origin, ". All is measured at the clean weights; training loss on at most 10,000 samples",
      curvature_text, ". Seconds and memory are those of training; cost is seconds relative to ", c.reference(),
      c.seeds() < 2 ? "." : ", the median over the seeds (and the range).");
}

std::string CompareOptions::how_tuned(const Comparison& comparison) const {
  const auto edges = at_edge(comparison);
  return text(trials_per_optimizer,
              " trials for each optimizer, on 80% of the training data with 3 seeds of their own; "
              "chosen by the mean loss on the other 20%. The test data took no part.",
              edges.empty() ? "" : " At the edge of what was tried: " + listed(edges) + "; widen by --lr and --rho.");
}

}  // namespace minima::examples
