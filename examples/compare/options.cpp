#include "examples/compare/options.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "examples/compare/per_optimizer.h"
#include "examples/kit/cost.h"
#include "examples/kit/data.h"
#include "examples/kit/program.h"
#include "examples/kit/session.h"

namespace minima::examples {

namespace {

/// What `compare --tune --optimizers sgd,nesterov,adam,adamw,sam,asam,msam` chose on the digits (model mlp, 30 epochs,
/// 15 trials each on a validation split of the training data; sam, asam and msam at 3 learning rates a factor of 2
/// apart and 5 radii). Flat optima: neighbours by a factor of 2 do about as
/// well. asam's lay at the edge of its grid; the entry is the best setting inside, which did as well.
const std::map<std::string, Hyperparameters> tuned_on_digits{
    {"sgd", {{"lr", 0.0707}}},
    {"nesterov", {{"lr", 0.141}}},
    {"adam", {{"lr", 0.008}}},
    {"adamw", {{"lr", 0.008}}},
    {"sam", {{"lr", 0.05}, {"rho", 0.2}}},
    {"asam", {{"lr", 0.05}, {"rho", 1}}},
    {"msam", {{"lr", 0.05}, {"rho", 1}}},
};

/// The option of a hyperparameter: "--weight-decay".
std::string option_of(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return "--" + name;
}

/// An optimizer's own values: those tuned on the digits, and else optim's starting values, which come from
/// Fashion-MNIST; --tune finds better ones. A wrapper takes the learning rate of another base than SGD.
Hyperparameters defaults_for(const Setting& setting, const CompareOptions& options) {
  Hyperparameters values;
  if (setting.has("momentum")) values["momentum"] = options.momentum;
  const std::string rule = setting.rule();
  // optim's, but where that is none: then it would minimise another objective than sgd and its wrappers do
  const bool has_none = rule == "adam" || rule == "rmsprop" || rule == "adagrad";
  values["weight_decay"] = Setting{.optimizer = has_none ? "sgd" : rule}.value("weight_decay");
  for (const std::string& name : tuned_hyperparameters(setting.optimizer)) {
    values[name] = setting.value(name);
    if (options.data != "digits" || options.model != "mlp") continue;
    const std::string source = name == "lr" && rule != "sgd" ? rule : setting.trainer();
    if (const auto tuned = tuned_on_digits.find(source); tuned != tuned_on_digits.end())
      values[name] = tuned->second.at(name);
  }
  return values;
}

void at_least(const char* option, int64_t value, int64_t minimum) {
  if (value < minimum) fail(option, std::to_string(value), text("a whole number of at least ", minimum));
}

/// What the digits were tuned with, and what every data set of a name gets.
constexpr int64_t usual_epochs = 30, usual_batch = 64;

/// A name for a directory: "data/My Table.csv" becomes "My-Table".
std::string file_safe(std::string name) {
  while (name.size() > 1 && name.back() == '/') name.pop_back();
  name = name.substr(name.find_last_of('/') + 1);
  name = name.substr(0, name.find('.'));
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_') c = '-';
  return name;
}

bool is_mlp(const std::string& model) { return model.starts_with("mlp"); }

}  // namespace

bool CompareOptions::parse(int argc, const char* const* argv) {
  CommandLine line("compare",
                   "Trains the same network on the same data with several optimizers, with the same initial "
                   "weights and batch order for each seed, and compares them.");
  line.option("--data", data, joined(datasets::names()) + ", a table (.csv, ...), or a folder of images by class");
  line.option("--label", label, "column of a table that is to be predicted");
  line.option("--model", model, joined(nn::model_names()));
  line.option("--optimizers", optimizers,
              "names with commas between: " + joined(optim::optimizer_names()) +
                  "; also with words behind (msam+norms, docs/programs.md), and with -ema or -swa: averaged weights");
  line.option("--base", base, "what sam, asam and msam wrap: sgd, nesterov, adam, adamw, rmsprop or lion");
  line.option("--epochs", epochs, "passes over the training data (0: 30; for your own data 10 to 100, by their size)");
  line.option("--seeds", seeds, "number of runs of each optimizer, with seeds 1, 2, ...");
  line.option("--budget", budget, "what is equal for all: epochs, or gradients (sam then gets half the epochs)");
  line.option("--batch", batch, "samples in a step (0: 64, fewer for few data of your own)");
  line.option("--lr", typed_["lr"], "learning rate: 0.1, or sgd=0.05,adam=0.001 (default: each optimizer's own)");
  line.option("--rho", typed_["rho"], "radius: 0.1, or sam=0.1,msam=0.5 (default: each optimizer's own)");
  line.option("--weight-decay", typed_["weight_decay"], "likewise");
  line.option("--momentum", momentum, "of sgd and nesterov; beta1 of adam and adamw");
  line.flag("--tune", tune, "first choose lr and rho on a part of the training data, 15 trials an optimizer");
  line.option("--train-limit", train_limit, "use the first N training samples only (0: all)");
  add_augmentation_option(line, augment);
  line.option("--label-noise", label_noise, "give this share of the training samples a wrong label");
  line.option("--curvature", curvature, "samples for the largest Hessian eigenvalue (0: skip; -1: by model)");
  line.option("--threads", threads, "0: all CPUs");
  line.option("--workers", workers, workers_help);
  line.option("--device", device, "cpu or cuda");
  line.option("--out", out, "directory for results (default: runs/compare-DATA-MODEL)");
  line.flag("--resume", resume, "go on with an interrupted comparison in --out");
  add_data_options(line, how);
  if (!line.parse(argc, argv)) return false;

  command_.assign(argv, argv + argc);
  if (out.empty()) out = "runs/compare-" + file_safe(data) + "-" + file_safe(model);
  for (const std::string& name : optimizers) check_arm("--optimizers", name);
  for (const auto& [name, words] : typed_) {
    const PerOptimizer typed(option_of(name), words, optimizers, name == "rho" ? -1e6 : 0, /*exclusive=*/name == "lr");
    for (const std::string& optimizer : optimizers)
      if (const auto value = typed.value(optimizer);
          value && (name != "rho" || Setting{.optimizer = optimizer}.has("rho")))
        given_[optimizer][name] = *value;
  }
  for (const std::string& name : optimizers) {
    Setting setting{.optimizer = name, .base = base};
    setting.hyperparameters = defaults_for(setting, *this);
    for (const auto& [hyperparameter, value] : given_[name]) setting.hyperparameters[hyperparameter] = value;
    settings.push_back(setting);
  }
  check();
  return true;
}

void CompareOptions::check() const {
  for (size_t i = 0; i < optimizers.size(); ++i)
    if (std::count(optimizers.begin(), optimizers.end(), optimizers[i]) > 1)
      fail("--optimizers", optimizers[i] + " twice", "each once");
  at_least("--epochs", epochs, 0), at_least("--seeds", seeds, 1), at_least("--batch", batch, 0);
  at_least("--threads", threads, 0);
  if (threads > 1024) fail("--threads", std::to_string(threads), "at most 1024, or 0 for all CPUs");
  check_workers(workers);
  check_label(data, label);
  at_least("--train-limit", train_limit, 0), at_least("--curvature", curvature, -1);
  (void)Augmentation::from(augment);
  if (!(momentum >= 0 && momentum < 1)) fail("--momentum", number_text(momentum), "a number from 0 to below 1");
  if (!(label_noise >= 0 && label_noise < 1))
    fail("--label-noise", number_text(label_noise), "a share from 0 to below 1");
  if (budget != "epochs" && budget != "gradients") fail("--budget", budget, "epochs or gradients");
}

int64_t CompareOptions::steps_for(const Problem& problem, const std::string& optimizer) const {
  const int64_t steps = epochs * problem.steps_per_epoch();
  if (budget != "gradients") return steps;
  return std::max<int64_t>(1,
                           static_cast<int64_t>(static_cast<double>(steps) /
                                                optim::gradients_per_step(Setting{.optimizer = optimizer}.trainer())));
}

Problem CompareOptions::load() {
  if (threads > 0) set_num_threads(static_cast<int>(threads));
  how.label = label, how.train_limit = train_limit;
  Problem problem = problem_of(0);
  const int64_t samples = problem.train.size();
  const bool named = datasets::is_named(data);
  if (batch == 0) batch = named ? std::min(usual_batch, samples) : default_batch(samples);
  if (epochs == 0) epochs = named ? usual_epochs : default_epochs(samples, batch);
  problem.batch = batch;
  if (batch > problem.train.size())
    fail("--batch", std::to_string(batch), text("at most ", problem.train.size(), ", the number of training samples"),
         "Choose a smaller --batch.");
  if (resume) check_resumable(out);  // what is not there is an error, and makes no directory
  make_output_directory(out, {data, how.test});
  for (Setting& setting : settings) setting.steps = steps_for(problem, setting.optimizer);
  return problem;
}

Problem CompareOptions::problem_of(uint64_t split) const {
  datasets::LoadOptions options = how;
  options.seed += split;
  const auto loaded = std::make_shared<const datasets::Loaded>(datasets::load_all(data, options));
  const auto& [train, test] = loaded->split;
  if (label_noise > 0 && train.has_targets())
    fail("--label-noise", number_text(label_noise) + " for quantities", "0", "Wrong labels are those of classes.");
  return {.data = data,
          .model = model,
          .train = label_noise > 0 ? train.label_noise(label_noise, 1) : train,
          .test = test,
          .batch = batch,
          .device = parse_device(device),
          .split_seed = options.seed,
          .augmentation = Augmentation::from(augment),
          .loaded = loaded};
}

bool CompareOptions::splits_anew(const Problem& loaded) const { return !tune && !loaded.loaded->own_test_part; }

Problems CompareOptions::problems(const Problem& loaded) const {
  if (!splits_anew(loaded)) return loaded;
  return {[*this, loaded](uint64_t seed) {
    return seed == 1 ? loaded : with_usable_split(seed - 1, [&](uint64_t split) { return problem_of(split); });
  }};
}

std::map<std::string, std::string> CompareOptions::configuration() const {
  std::map<std::string, std::string> values{{"--data", data},
                                            {"--label", label},
                                            {"--model", model},
                                            {"--optimizers", joined(optimizers, ",")},
                                            {"--base", base},
                                            {"--epochs", std::to_string(epochs)},
                                            {"--seeds", std::to_string(seeds)},
                                            {"--budget", budget},
                                            {"--batch", std::to_string(batch)},
                                            {"--momentum", number_text(momentum)},
                                            {"--tune", tune ? "yes" : "no"},
                                            {"--train-limit", std::to_string(train_limit)},
                                            {"--label-noise", number_text(label_noise)},
                                            {"--curvature", std::to_string(curvature)},
                                            {"--augment", joined(augment, ",")},
                                            {"--device", device}};
  for (const auto& [name, value] : data_configuration(how)) values[name] = value;
  for (const auto& [name, words] : typed_)
    values[option_of(name)] = words.empty() ? "each optimizer's own" : joined(words, ",");
  return values;
}

int64_t CompareOptions::curvature_samples(const Problem& problem) const {
  const int64_t wanted = curvature >= 0 ? curvature : is_mlp(model) ? 1000 : 128;
  return std::min(wanted, problem.train.size());
}

std::string CompareOptions::resume_command() const {
  const std::string command = shell_command(command_);
  return resume ? command : command + " --resume";
}

std::string CompareOptions::headline(const Comparison& c) const {
  const std::string limit =
      budget == "epochs" ? text(epochs, " epochs") : text("the gradient evaluations of ", epochs, " epochs");
  return text(data, " (", c.train_samples, " training, ", c.test_samples, " test samples), ", model, ", batch ", batch,
              ", ", limit, ", ", seeds, seeds == 1 ? " seed: " : " seeds: ", listed(optimizers));
}

std::string CompareOptions::origin(const Setting& setting) const {
  const auto found = given_.find(setting.optimizer);
  const Hyperparameters given = found == given_.end() ? Hyperparameters{} : found->second;
  for (const std::string& name : tuned_hyperparameters(setting.optimizer))
    if (given.count(name) > 0) return " as given, else the defaults";
  const CompareOptions standard;
  const bool as_tuned = given.empty() && tuned_on_digits.count(setting.optimizer) > 0 && data == standard.data &&
                        model == standard.model && epochs == usual_epochs && batch == usual_batch &&
                        momentum == standard.momentum && budget == standard.budget && label_noise == 0 &&
                        train_limit == 0 && augment.empty() && (setting.base == standard.base || !setting.wraps());
  return as_tuned ? " were tuned on a validation split of this data"
                  : " are starting values, --tune finds this data's own";
}

/// "lr and rho of sgd and sam were tuned on ...; those of esam are starting values ..."
std::string CompareOptions::origins() const {
  if (tune) return "lr and rho were tuned as listed";
  std::vector<std::pair<std::string, std::vector<std::string>>> groups;
  for (const Setting& setting : settings) {
    const std::string from = origin(setting);
    auto group = std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return g.first == from; });
    if (group == groups.end()) group = groups.insert(groups.end(), {from, {}});
    group->second.push_back(setting.optimizer);
  }
  std::string words;
  for (const auto& [from, names] : groups)
    words += (words.empty() ? "lr and rho" : "; those") + (groups.size() > 1 ? " of " + listed(names) : "") + from;
  return words;
}

std::string CompareOptions::weight_decays() const {
  std::map<double, std::vector<std::string>> having;
  for (const Setting& s : settings) having[s.value("weight_decay")].push_back(s.optimizer);
  if (having.size() == 1) return number_text(having.begin()->first);
  std::vector<std::string> parts;
  for (const auto& [decay, names] : having) parts.push_back(number_text(decay) + " for " + listed(names));
  return joined(parts, ", ");
}

std::string CompareOptions::how_measured(const Comparison& c, const Problem& problem) const {
  const std::string curvature_text = c.curvature_samples == 0 ? ""
                                                              : text(", lambda max (largest Hessian eigenvalue) on ",
                                                                     c.curvature_samples, " training samples");
  return text(c.seeds() < 2 ? "Values of one seed. "
              : c.test_per_train > 0
                  ? text("Means over ", c.seeds(),
                         " seeds +- half of a 95% interval over these seeds: as their splits have rows in "
                         "common, a mean on new data is less certain than that. ")
                  : text("Means over ", c.seeds(), " seeds +- half of a 95% interval. "),
              schedule_text(problem, settings), "; momentum ", number_text(momentum), "; weight decay ",
              weight_decays(), augment.empty() ? "" : "; training images augmented by " + joined(augment), "; ",
              origins(), ". All is measured at the clean weights; training loss on at most 10,000 samples",
              curvature_text, ". ", costs_text(c.runs), " Cost is seconds relative to ", c.reference().name(),
              c.seeds() < 2 ? "." : ", the median over the seeds (and the range).");
}

}  // namespace minima::examples
