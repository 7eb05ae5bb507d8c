// language_model: trains a small transformer to write, character by character, and lets it write.
// The loss is that of the next character, in bits, on the last tenth of the text, which is not trained on. Ctrl-C
// saves;
// --resume goes on, and the result is, bit for bit, that of a training that was never interrupted.
//   language_model --optimizer msam --rho 0.5 --steps 3000
//   language_model --text my_letters.txt --width 128 --depth 6 --context 128
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "examples/kit/checkpoint.h"
#include "examples/kit/metrics.h"
#include "examples/kit/program.h"
#include "minima.h"

using namespace minima;
using namespace minima::examples;

namespace {

constexpr int64_t evaluation_batch = 64;

/// Mean bits that the model needs for each next character: the loss over log(2).
Variable bits_per_character(nn::Module& model, const Tensor& x, const Tensor& y) {
  const Variable logits = model(x);  // [batch, length, alphabet]
  return nn::cross_entropy(reshape(logits, {-1, logits.size(-1)}), y.flatten()) / std::log(2.0);
}

/// The same over all windows of a text. A character early in a window has little before it to go by.
double bits_per_character(nn::Module& model, const datasets::Text& text, int64_t context, Device device) {
  NoGrad no_grad;
  model.eval();
  const auto [x, y] = text.all_windows(std::min(context, text.size() - 1));
  double bits = 0;
  for (int64_t begin = 0; begin < x.size(0); begin += evaluation_batch) {
    const int64_t end = std::min(x.size(0), begin + evaluation_batch);
    const Variable mean = bits_per_character(model, x.slice(begin, end).to(device), y.slice(begin, end).to(device));
    bits += mean.item() * static_cast<double>(end - begin);
  }
  model.train();
  return bits / static_cast<double>(x.size(0));
}

/// Draws `count` characters, one after the other, each from what the model says of it. A temperature below 1 makes what
/// is likely more so.
std::string written(nn::Module& model, const datasets::Text& text, std::string so_far, int64_t count, int64_t context,
                    double temperature, uint64_t seed, Device device) {
  NoGrad no_grad;
  model.eval();
  Generator random{seed};
  for (int64_t i = 0; i < count; ++i) {
    const std::string end = so_far.substr(so_far.size() - std::min(so_far.size(), static_cast<size_t>(context)));
    const int64_t length = static_cast<int64_t>(end.size());
    const Tensor logits = model(text.numbers(end).reshape({1, length}).to(device)).value().reshape({length, -1});
    const Variable last(logits.slice(length - 1, length));
    const std::vector<double> p = softmax(last / temperature).value().to_vector<double>();
    double left = random.uniform({}, 0, 1, DType::float64).item();
    size_t next = 0;
    while (next + 1 < p.size() && left >= p[next]) left -= p[next++];
    so_far += text.alphabet()[next];
  }
  model.train();
  return so_far;
}

/// lr rises during the warm-up and falls to 0 along a cosine; rho begins where the warm-up ends, or at once.
optim::Settings settings_of(const std::string& method, const std::string& base, double lr, double rho, int64_t steps,
                            int64_t warmup, bool rho_in_warmup) {
  const optim::Schedule falling = optim::cosine(lr, std::max<int64_t>(1, steps - warmup));
  optim::Settings settings{.base = base, .hyperparameters = {{"lr", falling}}};
  if (warmup > 0)
    settings.hyperparameters.at("lr") =
        optim::join({optim::linear_warmup(lr, warmup, 1 / static_cast<double>(warmup)), falling}, {warmup});
  if (optim::is_wrapper(method))
    settings.hyperparameters.emplace("rho", warmup > 0 && !rho_in_warmup ? optim::join({0, rho}, {warmup}) : rho);
  return settings;
}

int language_model(int argc, char** argv) {
  std::string text_path, method = "adamw", base = "adamw", prompt = "Alice ", save_as = "language_model.safetensors",
                         device_name = "cpu";
  double lr = 2e-3, rho = 0.1, dropout = 0.1, warmup_share = 0.1, temperature = 0.8;
  int64_t steps = 2000, batch = 32, context = 64, width = 64, depth = 3, heads = 4, seed = 1, characters = 300;
  bool resume = false, rho_in_warmup = false;
  CommandLine line("language_model", "Trains a small transformer to write, character by character.");
  line.option("--text", text_path, "a text file (default: Alice's Adventures in Wonderland, which minima contains)");
  line.option("--optimizer", method, "adamw, or sam or msam around --base, or another");
  line.option("--base", base, "what sam and msam wrap");
  line.option("--lr", lr, "highest learning rate");
  line.option("--rho", rho, "radius of sam and msam");
  line.option("--warmup", warmup_share, "share of the steps in which lr rises and rho is 0");
  line.flag("--rho-in-warmup", rho_in_warmup, "rho is the same from the first step on");
  line.option("--steps", steps, "optimizer steps");
  line.option("--batch", batch, "windows in a step");
  line.option("--context", context, "characters in a window");
  line.option("--width", width, "numbers that stand for a character within the model");
  line.option("--depth", depth, "transformer blocks");
  line.option("--heads", heads, "heads of each; they divide the width");
  line.option("--dropout", dropout, "probability");
  line.option("--seed", seed, "of weights, windows and what is written");
  line.option("--device", device_name, "cpu or cuda");
  line.option("--prompt", prompt, "what the model goes on from when it writes");
  line.option("--characters", characters, "how many it writes");
  line.option("--temperature", temperature, "below 1: what is likely is written even more often");
  line.option("--save", save_as, "file for the trained model; its checkpoint lies beside it");
  line.flag("--resume", resume, "go on from the checkpoint");
  if (!line.parse(argc, argv)) return 0;
  if (!(lr > 0 && std::isfinite(lr))) fail("--lr", number_text(lr), "a number above 0");
  if (!(warmup_share >= 0 && warmup_share < 1)) fail("--warmup", number_text(warmup_share), "0 to below 1");
  if (!(temperature > 0 && std::isfinite(temperature)))
    fail("--temperature", number_text(temperature), "a number above 0");
  if (steps < 1) fail("--steps", text(steps), "at least 1");
  if (seed < 0) fail("--seed", text(seed), "a whole number of at least 0");
  if (prompt.empty()) fail("--prompt", "\"\"", "at least one character");
  check_writable("--save", save_as, {text_path});
  const Device device = parse_device(device_name);
  print_machine(device);
  catch_interrupts();

  const datasets::Text all = text_path.empty() ? datasets::alice() : datasets::text_file(text_path);
  const auto [train, test] = datasets::split(all);
  (void)all.numbers(prompt);  // before any work
  manual_seed(static_cast<uint64_t>(seed));
  nn::LanguageModel model{static_cast<int64_t>(all.alphabet().size()),
                          context,
                          {.size = {.width = width, .depth = depth, .heads = heads}, .dropout = dropout}};
  model.to(device);
  const auto warmup = static_cast<int64_t>(std::llround(warmup_share * static_cast<double>(steps)));
  auto optimizer = optim::make_optimizer(method, model.parameters(),
                                         settings_of(method, base, lr, rho, steps, warmup, rho_in_warmup));
  std::printf("%lld characters, %zu different ones; %lld to train, %lld to test. %lld weights, %s, %lld steps\n",
              static_cast<long long>(all.size()), all.alphabet().size(), static_cast<long long>(train.size()),
              static_cast<long long>(test.size()), static_cast<long long>(model.parameter_count()), method.c_str(),
              static_cast<long long>(steps));

  const std::string checkpoint = save_as + ".checkpoint";
  const Notes options = line.values({"--save", "--resume", "--prompt", "--characters", "--temperature"});
  int64_t step = resume ? load_training(checkpoint, model, *optimizer, options).step : 0;
  const int64_t between_reports = std::max<int64_t>(1, steps / 10);
  while (step < steps) {
    if (interrupted()) {
      save_training(checkpoint, model, *optimizer, {.step = step, .notes = options});
      std::printf("Saved at step %lld; the same command with --resume goes on%s.\n", static_cast<long long>(step),
                  can_load_safetensors() ? "" : " in a build with nlohmann-json, which this one is not");
      return exit_interrupted;
    }
    const auto [x, y] = train.random_windows(batch, context, static_cast<uint64_t>(seed), step);
    const Tensor on_device_x = x.to(device), on_device_y = y.to(device);
    const Variable bits = optimizer->step([&] {
      Variable bits = bits_per_character(model, on_device_x, on_device_y);
      bits.backward();
      return bits;
    });
    if (++step % between_reports != 0 && step != steps) continue;
    const double now = bits_per_character(model, test, context, device);
    if (!std::isfinite(now))
      fail(method, text("a loss of ", number_text(now), " bits at step ", step), "a finite loss",
           "Try a smaller --lr.");
    std::printf("step %5lld  batch %.3f  held out %.3f bits per character\n", static_cast<long long>(step), bits.item(),
                now);
    std::fflush(stdout);
  }
  std::printf(
      "\n%s\n\n",
      written(model, all, prompt, characters, context, temperature, static_cast<uint64_t>(seed), device).c_str());
  nn::save(model, save_as);
  std::printf("model: %s\n", save_as.c_str());
  if (resume) std::filesystem::remove(checkpoint);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_program([&] { return language_model(argc, argv); });
}
