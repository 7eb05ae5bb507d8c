// A fuzz target without libFuzzer: takes seeds, changes them at random and gives them to the target. The same seed of
// the random numbers gives the same inputs.
//   fuzz_csv                       2,000 inputs, as the tests do
//   fuzz_csv --seconds 300         for five minutes, with other inputs at each call
//   fuzz_csv FILE                  one input, such as one that a failure has left
// Where a target crashes, throws what is not minima's error, or takes more than 20 seconds, the input is in
// fuzz-failure-TARGET.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/random.h"
#include "tests/fuzz/fuzz.h"

namespace {

using Bytes = std::string;

constexpr size_t largest = 1 << 14;
constexpr unsigned patience = 20;  // seconds
const char* const failure_path = "fuzz-failure-" MINIMA_FUZZ_TARGET;
const Bytes* under_test = nullptr;

/// Only what may be called from a signal's handler.
void keep_input(const char* reason) {
  const int file = open(failure_path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  const char* words[] = {"fuzz " MINIMA_FUZZ_TARGET ": ", reason, "; the input is in ", failure_path, "\n"};
  bool written = file >= 0 && write(file, under_test->data(), under_test->size()) >= 0;
  for (const char* word : words) written = write(STDERR_FILENO, word, std::strlen(word)) >= 0 && written;
  (void)written;
}

void on_signal(int signal) {
  keep_input(signal == SIGALRM ? "no answer in 20 seconds" : "a crash");
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void give(const Bytes& input) {
  under_test = &input;
  alarm(patience);
  try {
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
  } catch (const std::exception& error) {
    keep_input(error.what());
    std::exit(1);
  }
  alarm(0);
}

Bytes contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Mutator {
 public:
  Mutator(std::vector<Bytes> seeds, uint64_t seed) : seeds_(std::move(seeds)), random_{.seed = seed} {}

  Bytes next() {
    Bytes input = any_seed();
    for (uint64_t changes = 1 + below(6); changes > 0; --changes) change(input);
    input.resize(std::min(input.size(), largest));
    return input;
  }

 private:
  uint64_t below(uint64_t n) { return random_.below(std::max<uint64_t>(n, 1)); }
  const Bytes& any_seed() { return seeds_[below(seeds_.size())]; }
  /// A place in the input, more often near its beginning, where headers are.
  size_t place(const Bytes& input) {
    return below(below(2) ? input.size() + 1 : std::min<size_t>(input.size() + 1, 64));
  }

  void change(Bytes& input) {
    const size_t at = place(input);
    switch (below(9)) {
      case 0:  // a bit
        if (at < input.size()) input[at] = static_cast<char>(input[at] ^ (1 << below(8)));
        break;
      case 1:  // a byte
        if (at < input.size()) input[at] = static_cast<char>(below(256));
        break;
      case 2: {  // a number at the edge of what fits, of 1, 2, 4 or 8 bytes
        static constexpr uint64_t edges[] = {0,          1,          0x7f,       0x80,       0xff,
                                             0x7fff,     0xffff,     0x7fffffff, 0x80000000, 0xffffffff,
                                             1ull << 62, 1ull << 63, ~0ull,      ~0ull >> 1, 100'000'000};
        const uint64_t edge = edges[below(std::size(edges))];
        const bool big_endian = below(2) == 1;
        const size_t size = size_t{1} << below(4);
        for (size_t i = 0; i < size && at + i < input.size(); ++i)
          input[at + i] = static_cast<char>(edge >> 8 * (big_endian ? size - 1 - i : i));
        break;
      }
      case 3: {  // what text files are made of
        static const char* const words[] = {"\"",      ",",
                                            ";",       "\n",
                                            "\r",      "{",
                                            "}",       "[",
                                            "]",       ":",
                                            "0",       "-",
                                            "1e999",   "NaN",
                                            "null",    "\\u0000",
                                            "\t",      " ",
                                            "\xff",    "\xef\xbb\xbf",
                                            "sep=;\n", "9999999999999999999",
                                            "1e-400",  "'"};
        input.insert(at, words[below(std::size(words))]);
        break;
      }
      case 4:  // a piece less
        input.erase(at, 1 + below(16));
        break;
      case 5:  // the end is missing
        input.resize(at);
        break;
      case 6:  // a piece twice
        input.insert(at, input.substr(place(input), 1 + below(32)));
        break;
      case 7: {  // the end of another seed
        const Bytes& other = any_seed();
        input = input.substr(0, at) + other.substr(std::min(place(other), other.size()));
        break;
      }
      default:  // much of the same
        input.insert(at, 1 + below(200), static_cast<char>(below(2) ? below(256) : "0 ,\"[{"[below(6)]));
    }
  }

  std::vector<Bytes> seeds_;
  minima::Generator random_;
};

}  // namespace

int main(int argc, char** argv) {
  for (const int signal : {SIGSEGV, SIGABRT, SIGFPE, SIGBUS, SIGILL, SIGALRM}) std::signal(signal, on_signal);
  std::vector<Bytes> seeds;
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(MINIMA_FUZZ_SEEDS)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  for (const auto& path : paths) seeds.push_back(contents(path));
  if (seeds.empty()) return std::fprintf(stderr, "no seeds in %s\n", MINIMA_FUZZ_SEEDS), 2;

  const std::string option = argc > 1 ? argv[1] : "";
  if (argc == 2) return give(contents(option)), 0;
  if (argc != 1 && (argc != 3 || option != "--seconds"))
    return std::fprintf(stderr, "usage: %s [FILE | --seconds N]\n", argv[0]), 2;
  const double seconds = argc == 3 ? std::atof(argv[2]) : 0;
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  for (const Bytes& seed : seeds) give(seed);
  Mutator mutator(seeds, seconds > 0 ? static_cast<uint64_t>(start.time_since_epoch().count()) : 1);
  int64_t inputs = 0;
  const auto goes_on = [&] {
    return seconds > 0 ? Clock::now() - start < std::chrono::duration<double>(seconds) : inputs < 2000;
  };
  for (; goes_on(); ++inputs) give(mutator.next());
  std::printf("%s: %lld inputs of %zu seeds, none crashed\n", MINIMA_FUZZ_TARGET, static_cast<long long>(inputs),
              seeds.size());
}
