// language_model: trains a small transformer to write, character by character, and lets it write. A character is a
// byte: in UTF-8, a letter beyond ASCII is two or more of them. The loss is that of the next character, in bits, on the
// last tenth of the text, which is not trained on. Ctrl-C saves; --resume goes on, and the result is, bit for bit, that
// of a training that was never interrupted.
//   language_model --optimizer msam --rho 0.5 --steps 3000
//   language_model --text my_letters.txt --width 128 --depth 6 --context 128
//   language_model --from language_model.safetensors --prompt "The Queen "      writes with the model that was saved
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <sstream>

#include "core/utf8.h"
#include "examples/kit/checkpoint.h"
#include "examples/kit/data.h"
#include "examples/kit/language.h"
#include "examples/kit/metrics.h"
#include "examples/kit/program.h"
#include "minima.h"

using namespace minima;
using namespace minima::examples;

namespace {

/// A trained model and what it takes to write with it.
struct Writer {
  std::string alphabet;
  std::string prompt;  ///< where none is given
  int64_t context;
  nn::TransformerSize size;
  nn::LanguageModel model;

  Writer(const std::string& alphabet, const std::string& prompt, int64_t context, const nn::TransformerSize& size,
         double dropout)
      : alphabet(alphabet),
        prompt(prompt),
        context(context),
        size(size),
        model(static_cast<int64_t>(alphabet.size()), context, {.size = size, .dropout = dropout}) {}
};

// How a file says what a model is, beside its weights. Characters are codes: a file's notes are UTF-8, a text need not
// be.
const std::string note_prefix = "language_model.";

std::string codes_of(const std::string& characters) {
  std::vector<int> codes;
  for (const char c : characters) codes.push_back(static_cast<uint8_t>(c));
  return joined(codes, " ");
}

void save(Writer& writer, const std::string& path, const Notes& notes) {
  Archive archive = nn::state(writer.model);
  archive.metadata = {{"format", "pt"},  // tells readers of the format that layouts are PyTorch's
                      {note_prefix + "alphabet", codes_of(writer.alphabet)},
                      {note_prefix + "prompt", codes_of(writer.prompt)},
                      {note_prefix + "context", text(writer.context)},
                      {note_prefix + "width", text(writer.size.width)},
                      {note_prefix + "depth", text(writer.size.depth)},
                      {note_prefix + "heads", text(writer.size.heads)}};
  for (const auto& [name, value] : notes) archive.metadata[name] = core::as_utf8(value);
  save_safetensors(archive, path);
  std::printf("model: %s\n", path.c_str());
}

Writer load_writer(const std::string& path) {
  const Archive archive = load_safetensors(path);
  const auto numbers = [&](const std::string& name, int64_t least, int64_t most) {
    const auto found = archive.metadata.find(note_prefix + name);
    if (found == archive.metadata.end())
      fail(path, "weights without \"" + note_prefix + name + "\"", "a file that language_model saved");
    std::istringstream in(found->second);
    std::vector<int64_t> numbers;
    for (int64_t number = 0; in >> number && least <= number && number <= most;) numbers.push_back(number);
    if (numbers.empty() || !in.eof())
      fail(path, text(note_prefix, name, " = \"", found->second, "\""), text("numbers from ", least, " to ", most),
           "Is the file damaged?");
    return numbers;
  };
  const auto characters = [&](const std::string& name) {
    std::string characters;
    for (const int64_t code : numbers(name, 0, 255)) characters += static_cast<char>(code);
    return characters;
  };
  const auto count = [&](const std::string& name) { return numbers(name, 1, 1 << 20).front(); };
  const std::string alphabet = characters("alphabet");
  const int64_t width = count("width"), depth = count("depth"), context = count("context");
  // Before a model of that size is made.
  if (archive.tensor("positions").shape() != Shape{context, width} ||
      archive.tensor("embedding.weight").shape() != Shape{static_cast<int64_t>(alphabet.size()), width} ||
      depth > static_cast<int64_t>(archive.tensors.size()))
    fail(path, "notes that are not those of its weights", "a file that language_model saved", "Is it damaged?");
  Writer writer(alphabet, characters("prompt"), context, {.width = width, .depth = depth, .heads = count("heads")}, 0);
  nn::load_state(writer.model, archive);
  return writer;
}

void check_prompt(const std::string& prompt, const std::string& alphabet, const std::string& source) {
  for (size_t i = 0; i < prompt.size(); ++i)
    if (alphabet.find(prompt[i]) == std::string::npos)
      fail("--prompt",
           text("\"", core::as_utf8(prompt), "\", with a byte of code ", int{static_cast<uint8_t>(prompt[i])},
                " at position ", i),
           text("one of the ", alphabet.size(), " characters of ", source));
}

/// softmax(logits / temperature). The difference to the largest is divided, so that no temperature is too low.
std::vector<double> probabilities(const Tensor& logits, double temperature) {
  std::vector<double> p = logits.to_vector<double>();
  const double largest = *std::max_element(p.begin(), p.end());
  double sum = 0;
  for (double& each : p) sum += each = std::exp((each - largest) / temperature);
  for (double& each : p) each /= sum;
  return p;
}

/// What --prompt, --characters and --temperature say of the writing.
struct Writing {
  std::string prompt = "";
  int64_t characters = 300;
  double temperature = 0.8;
};

/// Draws characters, one after the other, each from what the model says of it. A temperature below 1 makes what is
/// likely more so.
void write(Writer& writer, const Writing& how, uint64_t seed, Device device) {
  NoGrad no_grad;
  writer.model.eval();
  Generator random{seed};
  std::string so_far = how.prompt;
  const datasets::Text reader("", writer.alphabet);
  for (int64_t i = 0; i < how.characters; ++i) {
    const std::string end = so_far.substr(so_far.size() - std::min(so_far.size(), static_cast<size_t>(writer.context)));
    const int64_t length = static_cast<int64_t>(end.size());
    const Tensor x = reader.numbers(end).reshape({1, length}).to(device);
    const Tensor logits = writer.model(x).value().reshape({length, -1});
    const std::vector<double> p = probabilities(logits.slice(length - 1, length), how.temperature);
    double left = random.uniform({}, 0, 1, DType::float64).item();
    size_t next = 0;
    while (next + 1 < p.size() && left >= p[next]) left -= p[next++];
    so_far += writer.alphabet[next];
  }
  std::printf("\n%s\n\n", core::as_utf8(so_far).c_str());
}

/// lr rises during the warm-up and falls to 0 along a cosine; rho begins where the warm-up ends, or at once.
optim::Settings settings_of(const std::string& method, const std::string& base, double lr, double rho, int64_t steps,
                            int64_t warmup, bool rho_in_warmup) {
  const optim::Schedule falling = optim::cosine(lr, std::max<int64_t>(1, steps - warmup));
  optim::Settings settings{.base = base, .hyperparameters = {{"lr", falling}}};
  if (warmup > 0)
    settings.hyperparameters.at("lr") =
        optim::join({optim::linear_warmup(lr, warmup, 1 / static_cast<double>(warmup)), falling}, {warmup});
  if (optim::defaults_of(method, base).count("rho"))
    settings.hyperparameters.emplace("rho", warmup > 0 && !rho_in_warmup ? optim::join({0, rho}, {warmup}) : rho);
  return settings;
}

int language_model(int argc, char** argv) {
  std::string text_path, from, method = "adamw", base = "adamw", save_as = "language_model.safetensors",
                               device_name = "cpu";
  double lr = 2e-3, rho = 0.1, dropout = 0.1, warmup_share = 0.1, save_every = 10;
  int64_t steps = 2000, batch = 32, context = 64, width = 64, depth = 3, heads = 4, seed = 1;
  Writing how;
  bool resume = false, rho_in_warmup = false;
  CommandLine line("language_model",
                   "Trains a small transformer to write, character by character. A character is a byte.");
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
  line.option("--prompt", how.prompt,
              "what the model goes on from when it writes (default: \"Alice \", or the first character of --text)");
  line.option("--characters", how.characters, "how many it writes");
  line.option("--temperature", how.temperature, "below 1: what is likely is written even more often");
  line.option("--save", save_as, "file for the trained model; its checkpoint lies beside it");
  line.option("--save-every", save_every, save_every_help);
  line.flag("--resume", resume, "go on from the checkpoint");
  line.option("--from", from, "a model that this program saved: writes with it, and trains nothing");
  if (!line.parse(argc, argv)) return 0;
  if (!(lr > 0 && std::isfinite(lr))) fail("--lr", number_text(lr), "a number above 0");
  if (!(warmup_share >= 0 && warmup_share < 1)) fail("--warmup", number_text(warmup_share), "0 to below 1");
  if (!(how.temperature > 0 && std::isfinite(how.temperature)))
    fail("--temperature", number_text(how.temperature), "a number above 0");
  check_save_every(save_every);
  if (how.characters < 0) fail("--characters", text(how.characters), "at least 0");
  if (context < 1) fail("--context", text(context), "at least 1");
  if (optim::is_wrapper(method) && !(std::isfinite(rho) && (rho >= 0 || method == "msam")))
    fail("--rho", number_text(rho), "a number of at least 0");  // now, not when the warm-up is over
  if (steps < 1) fail("--steps", text(steps), "at least 1");
  if (seed < 0) fail("--seed", text(seed), "a whole number of at least 0");
  const Device device = parse_device(device_name);
  if (!from.empty()) {
    Writer writer = load_writer(from);
    if (how.prompt.empty()) how.prompt = writer.prompt;
    check_prompt(how.prompt, writer.alphabet, from);
    writer.model.to(device);
    write(writer, how, static_cast<uint64_t>(seed), device);
    return 0;
  }
  check_writable("--save", save_as, {text_path});
  print_machine(device);
  catch_interrupts();

  const datasets::Text all = text_path.empty() ? datasets::alice() : datasets::text_file(text_path);
  const auto [train, test] = datasets::split(all);
  if (test.size() < 2)
    fail("--text", text("a text of ", all.size(), " characters"), "at least 20",
         "A tenth of it is held out, and each character there has another one after it.");
  const std::string first = text_path.empty() ? "Alice " : all.characters(all.slice(0, 2).all_windows(1).x);
  if (how.prompt.empty()) how.prompt = first;
  check_prompt(how.prompt, all.alphabet(), text_path.empty() ? "Alice's Adventures in Wonderland" : text_path);
  manual_seed(static_cast<uint64_t>(seed));
  Writer writer(all.alphabet(), first, context, {.width = width, .depth = depth, .heads = heads}, dropout);
  nn::LanguageModel& model = writer.model;
  model.to(device);
  const auto warmup = static_cast<int64_t>(std::llround(warmup_share * static_cast<double>(steps)));
  auto optimizer = optim::make_optimizer(method, model.parameters(),
                                         settings_of(method, base, lr, rho, steps, warmup, rho_in_warmup));
  std::printf("%lld characters, %zu different ones; %lld to train, %lld to test. %lld weights, %s, %lld steps\n",
              static_cast<long long>(all.size()), all.alphabet().size(), static_cast<long long>(train.size()),
              static_cast<long long>(test.size()), static_cast<long long>(model.parameter_count()), method.c_str(),
              static_cast<long long>(steps));

  const std::string checkpoint = save_as + ".checkpoint";
  Notes options =
      line.values({"--save", "--save-every", "--resume", "--prompt", "--characters", "--temperature", "--from"});
  options["fingerprint of the text"] = fingerprint(all);
  if (!resume) tell_earlier_checkpoint(checkpoint);
  int64_t step = resume ? load_training(checkpoint, model, *optimizer, options).step : 0;
  const auto require_finite = [&](double bits) {
    if (!std::isfinite(bits))
      fail(method, text("a loss of ", number_text(bits), " bits at step ", step), "a finite loss",
           "Try a smaller --lr.");
  };
  RunningCheckpoint running(model, *optimizer,
                            {.path = checkpoint, .notes = options, .minutes = save_every, .resumed = resume});
  const int64_t between_reports = std::max<int64_t>(1, steps / 10);
  while (step < steps) {
    if (interrupted()) return running.save_at_interrupt(step);
    running.save_when_due(step);
    const auto [x, y] = train.random_windows(batch, context, static_cast<uint64_t>(seed), step);
    const Tensor on_device_x = x.to(device), on_device_y = y.to(device);
    const Variable bits = optimizer->step([&] {
      Variable bits = bits_per_character(model, on_device_x, on_device_y);
      bits.backward();
      return bits;
    });
    ++step;
    require_finite(bits.item());
    if (step % between_reports != 0 && step != steps) continue;
    const double now = foretelling_of(model, test, context, device).bits;
    require_finite(now);
    std::printf("step %5lld  batch %.3f  held out %.3f bits per character\n", static_cast<long long>(step), bits.item(),
                now);
    std::fflush(stdout);
  }
  const Notes about{{"command", shell_command(training_command({argv, argv + argc}))}, {"minima", version()}};
  save_or_keep([&] { save(writer, save_as, about); }, checkpoint, model, *optimizer, {.step = step, .notes = options});
  running.remove();
  write(writer, how, static_cast<uint64_t>(seed), device);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_program([&] { return language_model(argc, argv); });
}
