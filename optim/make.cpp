// SPDX-License-Identifier: MIT
#include "optim/make.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "optim/adam.h"
#include "optim/directions/along.h"
#include "optim/directions/esam.h"
#include "optim/directions/looksam.h"
#include "optim/lion.h"
#include "optim/msam.h"
#include "optim/rmsprop.h"
#include "optim/sam.h"
#include "optim/sgd.h"

namespace minima::optim {

namespace {

using Defaults = std::map<std::string, double>;

struct BaseKind {
  std::string name;
  Defaults defaults;
  MakeBase make;
};

template <class T>
std::unique_ptr<BaseOptimizer> make(const ParameterGroups& groups) {
  return std::make_unique<T>(groups);
}

std::vector<BaseKind>& base_kinds() {
  static std::vector<BaseKind> kinds{
      {"sgd", {{"lr", 0.05}, {"momentum", 0.9}, {"weight_decay", 5e-4}}, make<SGD>},
      {"nesterov", {{"lr", 0.05}, {"momentum", 0.9}, {"weight_decay", 5e-4}}, make<Nesterov>},
      {"adam", {{"lr", 1e-3}, {"beta1", 0.9}, {"weight_decay", 0}}, make<Adam>},
      {"adamw", {{"lr", 1e-3}, {"beta1", 0.9}, {"weight_decay", 1e-2}}, make<AdamW>},
      {"rmsprop", {{"lr", 2e-4}, {"momentum", 0.9}, {"weight_decay", 0}}, make<RMSprop>},
      {"adagrad", {{"lr", 1e-2}, {"weight_decay", 0}}, make<Adagrad>},
      {"lion", {{"lr", 5e-4}, {"beta1", 0.9}, {"weight_decay", 0.1}}, make<Lion>},
  };
  return kinds;
}

struct WrapperKind {
  std::string name;
  double rho;  ///< its default
  double gradients_per_step;
  std::function<std::unique_ptr<Optimizer>(std::unique_ptr<BaseOptimizer>, const Schedule& rho, uint64_t seed)> make;
  std::function<Direction(uint64_t seed)> source{};  ///< of what words can be added to: see composition_of()
  Geometry geometry = Geometry::euclidean;
};

template <class W, class Options>
WrapperKind wrapper(const std::string& name, double rho, double gradients_per_step) {
  return {name, rho, gradients_per_step, [](auto base, const Schedule& rho, uint64_t) {
            return std::make_unique<W>(std::move(base), Options{.rho = rho});
          }};
}

WrapperKind along(double rho, const std::function<Direction(uint64_t seed)>& direction) {
  const Direction example = direction(0);
  return {"along-" + example.name, rho, example.needs_gradient ? 2.0 : 1.0,
          [direction](auto base, const Schedule& rho, uint64_t seed) {
            return std::make_unique<Along>(std::move(base), direction(seed), AlongOptions{.rho = rho});
          },
          direction};
}

WrapperKind composable(WrapperKind kind, Direction (*source)(), Geometry geometry = Geometry::euclidean) {
  kind.source = [source](uint64_t) { return source(); };
  kind.geometry = geometry;
  return kind;
}

const std::vector<WrapperKind>& wrapper_kinds() {
  static const std::vector<WrapperKind> kinds{
      composable(wrapper<SAM, SamOptions>("sam", 0.05, 2), directions::gradient),
      composable(wrapper<ASAM, AsamOptions>("asam", 0.5, 2), directions::gradient, Geometry::adaptive),
      composable(wrapper<MSAM, MsamOptions>("msam", 0.5, 1), directions::momentum),
      wrapper<LookSAM, LookSamOptions>("looksam", 0.05, 1 + 1.0 / LookSamOptions{}.period),
      {"esam", 0.05, 2,
       [](auto base, const Schedule& rho, uint64_t seed) {
         return std::make_unique<ESAM>(std::move(base), EsamOptions{.rho = rho, .seed = seed});
       }},
      along(0.05, [](uint64_t) { return directions::gradient(); }),
      along(0.5, [](uint64_t) { return directions::momentum(); }),
      along(0.5, [](uint64_t) { return directions::last_gradient(); }),
      along(0.5, [](uint64_t) { return directions::friendly_momentum(); }),
      along(0.5, [](uint64_t seed) { return directions::random(seed); }),
      along(0.9, [](uint64_t) { return directions::lr_momentum(); }),
  };
  return kinds;
}

/// Null where there is none of this name.
template <class Kind>
const Kind* find(const std::vector<Kind>& kinds, const std::string& name) {
  const auto found = std::find_if(kinds.begin(), kinds.end(), [&](const Kind& kind) { return kind.name == name; });
  return found == kinds.end() ? nullptr : &*found;
}

std::vector<std::string> base_names() {
  std::vector<std::string> names;
  for (const BaseKind& kind : base_kinds()) names.push_back(kind.name);
  return names;
}

/// The kinds that a name, and a base where the name is a wrapper's, stand for; and the words behind a "+".
struct Kinds {
  const WrapperKind* wrapper;  ///< null: the base alone
  const BaseKind* base;
  std::vector<std::string> words;

  bool has(const std::string& word) const { return std::find(words.begin(), words.end(), word) != words.end(); }
  bool is_automatic() const;
};

constexpr double late_share = 0.15;  // of the steps

const std::vector<std::string> scope_words{"norms", "weights", "layers"}, geometry_words{"adaptive", "filters"},
    time_words{"late", "delayed"}, budget_words{"budget"};
// Of SAM's and MSAM's own steps, not of compositions; and of MSAM alone.
const std::vector<std::string> radius_words{"auto", "ratio", "rise", "edge"}, memory_words{"memory"},
    fade_words{"fade"};

constexpr double usual_memory = 0.98, usual_fade = 0.03;

bool Kinds::is_automatic() const {
  return std::any_of(radius_words.begin(), radius_words.end(), [&](const std::string& word) { return has(word); });
}

/// Which of these words, of which a composition has at most one, it has; empty: none.
std::string chosen(const std::vector<std::string>& words, const std::vector<std::string>& of) {
  std::string found;
  for (const std::string& word : words) {
    if (std::find(of.begin(), of.end(), word) == of.end()) continue;
    if (!found.empty()) fail("make_optimizer", "+" + found + " and +" + word, "one of them");
    found = word;
  }
  return found;
}

bool is_in(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// Whether the first of the words is one that belongs to the steps of sam and msam as they are written out.
bool are_of_own_step(const std::vector<std::string>& words) {
  return !words.empty() &&
         (is_in(radius_words, words[0]) || is_in(memory_words, words[0]) || is_in(fade_words, words[0]));
}

void check_own_words(const std::string& name, const std::string& head, const std::vector<std::string>& words) {
  if (head != "sam" && head != "msam")
    fail("make_optimizer", "+" + words[0] + " in \"" + name + "\"", "sam or msam before it");
  for (const auto* each : {&radius_words, &memory_words, &fade_words}) chosen(words, *each);
  if (!chosen(words, fade_words).empty() && !chosen(words, radius_words).empty())
    fail("make_optimizer", "+fade and +" + chosen(words, radius_words) + " in \"" + name + "\"", "one of them",
         "Both steer the radius.");
  for (const std::string& word : words)
    if (!is_in(radius_words, word) && (head == "sam" || (!is_in(memory_words, word) && !is_in(fade_words, word))))
      fail("make_optimizer", "+" + word + " in \"" + name + "\"",
           head == "sam" ? "one of " + joined(radius_words)
                         : "one of " + joined(radius_words) + ", and memory, and fade",
           "They compose no direction, so words that do cannot stand beside them.");
}

void check_words(const std::string& name, const WrapperKind* wrapper, const std::vector<std::string>& words) {
  if (words.empty()) return;
  if (are_of_own_step(words)) return check_own_words(name, wrapper ? wrapper->name : name, words);
  if (!wrapper || !wrapper->source)
    fail("make_optimizer", "words behind the name in \"" + name + "\"", "sam, asam, msam or along-... before the +");
  std::vector<std::string> known;
  for (const auto* all : {&scope_words, &geometry_words, &time_words, &budget_words})
    known.insert(known.end(), all->begin(), all->end()), chosen(words, *all);
  for (const std::string& word : words)
    if (std::find(known.begin(), known.end(), word) == known.end())
      fail("make_optimizer", "+" + word + " in \"" + name + "\"", "one of " + joined(known));
  if (wrapper->geometry != Geometry::euclidean && !chosen(words, geometry_words).empty())
    fail("make_optimizer", "a geometry for asam, which has one", "sam before the +");
}

Kinds kinds_of(const std::string& name, const std::string& base) {
  std::istringstream in(name);
  std::string head;
  std::vector<std::string> words;
  std::getline(in, head, '+');
  for (std::string word; std::getline(in, word, '+');) words.push_back(word);
  const WrapperKind* wrapper = find(wrapper_kinds(), head);
  const BaseKind* rule = find(base_kinds(), wrapper ? base : head);
  if (!wrapper && !rule)
    fail("make_optimizer", "the unknown optimizer \"" + head + "\"", "one of " + joined(optimizer_names()));
  if (!find(base_kinds(), base))
    fail("make_optimizer", "the base \"" + base + "\" for " + name, "one of " + joined(base_names()));
  check_words(name, wrapper, words);
  return {wrapper, rule, words};
}

// Whether "momentum" means beta1.
bool momentum_is_beta1(const BaseKind& kind) {
  return kind.defaults.count("beta1") && !kind.defaults.count("momentum");
}

template <class Map>
void rename(Map& map, const char* from, const char* to) {
  if (auto entry = map.extract(from)) {
    entry.key() = to;
    map.insert(std::move(entry));
  }
}

std::unique_ptr<BaseOptimizer> make_base(const BaseKind& kind, std::vector<Variable> parameters,
                                         NamedSchedules hyperparameters) {
  if (momentum_is_beta1(kind)) {
    if (hyperparameters.count("momentum") && hyperparameters.count("beta1"))
      fail("make_optimizer", "momentum and beta1 for " + kind.name, "one of them: they are the same");
    rename(hyperparameters, "momentum", "beta1");
  }
  for (const auto& [name, value] : kind.defaults) hyperparameters.emplace(name, value);  // where nothing was given
  return kind.make(ParameterGroups{
      {Group{.parameters = std::move(parameters), .own = {hyperparameters.begin(), hyperparameters.end()}}}});
}

/// Takes a number out of the hyperparameters; without it, `otherwise`.
double taken(NamedSchedules& hyperparameters, const std::string& name, double otherwise) {
  const auto given = hyperparameters.extract(name);
  if (!given) return otherwise;
  if (!given.mapped().is_constant()) fail("make_optimizer", name + " as a schedule", "a number");
  return given.mapped()(0);
}

/// SAM or MSAM by the words of their own steps; takes "memory", "fade" and "target" out of the hyperparameters.
std::function<std::unique_ptr<Optimizer>(std::unique_ptr<BaseOptimizer>)> with_own_words(
    const Kinds& kinds, const Schedule& rho, NamedSchedules& hyperparameters) {
  Radius radius = rho;
  if (kinds.is_automatic()) {
    Automatic how;
    for (const auto& [word, wanted] :
         {std::pair{"ratio", Wanted::ratio}, {"rise", Wanted::rise}, {"edge", Wanted::edge}})
      if (kinds.has(word)) how.wanted = wanted;
    if (hyperparameters.count("target")) how.target = taken(hyperparameters, "target", 0);
    radius = how;
  }
  if (kinds.wrapper->name == "sam")
    return [radius](auto base) { return std::make_unique<SAM>(std::move(base), SamOptions{.rho = radius}); };
  MsamOptions options{.rho = radius};
  if (kinds.has("memory")) options.memory = taken(hyperparameters, "memory", usual_memory);
  if (kinds.has("fade")) options.fade = taken(hyperparameters, "fade", usual_fade);
  return [options](auto base) { return std::make_unique<MSAM>(std::move(base), options); };
}

/// What the words of a name make of the wrapper's direction.
Direction composition_of(const Kinds& kinds, const Settings& settings) {
  Composition c{.source = kinds.wrapper->source(settings.seed), .geometry = kinds.wrapper->geometry};
  if (const std::string scope = chosen(kinds.words, scope_words); !scope.empty()) {
    if (settings.layers.layers.empty())
      fail("make_optimizer", "+" + scope + " without layers", "the model's layers in Settings::layers");
    c.scope = scope == "norms"     ? scopes::norms(settings.layers)
              : scope == "weights" ? scopes::weights(settings.layers)
                                   : scopes::each_layer(settings.layers);
  }
  if (kinds.has("adaptive")) c.geometry = Geometry::adaptive;
  if (kinds.has("filters")) c.geometry = Geometry::filters;
  if (kinds.has("budget")) c.loss_budget = cosine(settings.loss_budget, settings.steps);
  return composed(c);
}

/// rho in the steps in which the words let it be, and 0 before.
Schedule timed(const Kinds& kinds, const Schedule& rho, const Settings& settings) {
  const std::string time = chosen(kinds.words, time_words);
  if ((!time.empty() || kinds.has("budget")) && settings.steps < 1)
    fail("make_optimizer", "+" + (time.empty() ? "budget" : time) + " without a number of steps",
         "that of the training in Settings::steps");
  if (time.empty()) return rho;
  const int64_t from = time == "late" ? settings.steps - std::llround(late_share * static_cast<double>(settings.steps))
                                      : settings.warmup_steps;
  return [rho, from](int64_t step) { return step < from ? 0 : rho(step); };
}

}  // namespace

void detail::register_optimizer(const std::string& name, std::map<std::string, double> defaults, MakeBase make) {
  if (find(base_kinds(), name) || find(wrapper_kinds(), name))
    fail("register_optimizer", "the name \"" + name + "\"", "one that is not taken: " + joined(optimizer_names()));
  base_kinds().push_back({name, std::move(defaults), make});
}

std::vector<std::string> optimizer_names() {
  std::vector<std::string> all = base_names();
  for (const WrapperKind& kind : wrapper_kinds()) all.push_back(kind.name);
  return all;
}

bool is_wrapper(const std::string& name) { return find(wrapper_kinds(), name.substr(0, name.find('+'))) != nullptr; }

double gradients_per_step(const std::string& name) {
  const Kinds kinds = kinds_of(name, "sgd");
  const double gradients = kinds.wrapper ? kinds.wrapper->gradients_per_step : 1;
  return kinds.has("late") ? 1 + late_share * (gradients - 1) : gradients;
}

std::map<std::string, double> defaults_of(const std::string& name, const std::string& base) {
  const Kinds kinds = kinds_of(name, base);
  Defaults defaults = kinds.base->defaults;
  if (momentum_is_beta1(*kinds.base)) rename(defaults, "beta1", "momentum");
  if (kinds.wrapper && !kinds.is_automatic()) defaults["rho"] = kinds.wrapper->rho * (kinds.has("adaptive") ? 10 : 1);
  return defaults;
}

std::unique_ptr<Optimizer> make_optimizer(const std::string& name, std::vector<Variable> parameters,
                                          const Settings& settings) {
  const Kinds kinds = kinds_of(name, settings.base);
  NamedSchedules hyperparameters = settings.hyperparameters;
  Schedule rho = defaults_of(name, settings.base)["rho"];  // 0 where there is none
  if (kinds.wrapper)
    if (const auto given = hyperparameters.extract("rho")) {
      if (kinds.is_automatic())
        fail("make_optimizer", "rho for " + name, "none", "Its radius is found while training.");
      rho = given.mapped();
    }
  if (are_of_own_step(kinds.words)) {
    const auto make_wrapper = with_own_words(kinds, rho, hyperparameters);
    return make_wrapper(make_base(*kinds.base, std::move(parameters), std::move(hyperparameters)));
  }
  auto base = make_base(*kinds.base, std::move(parameters), std::move(hyperparameters));
  if (!kinds.wrapper) return base;
  if (kinds.words.empty()) return kinds.wrapper->make(std::move(base), rho, settings.seed);
  return std::make_unique<Along>(std::move(base), composition_of(kinds, settings),
                                 AlongOptions{.rho = timed(kinds, rho, settings)});
}

}  // namespace minima::optim
