// train --distributed as a program, started by mpirun as a user would.
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "core/random.h"
#include "core/safetensors.h"
#include "examples/train/ranks.h"
#include "tests/check.h"
#include "tests/examples/process.h"

using namespace minima;
using namespace minima::test;

namespace {

Words mpirun(const std::string& ranks, const Words& more) {
  Words words{MINIMA_SOURCE_DIR "/tests/distributed/mpirun", MINIMA_MPIRUN, ranks};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

Words training(const std::string& save, const Words& more = {}) {
  Words words{MINIMA_TRAIN, "--distributed", "--model", "mlp:32", "--epochs", "3", "--save", save};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

const std::map<std::string, std::string> one_thread{{"MINIMA_THREADS", "1"}};

// Few long steps: on a busy machine each sum waits until all ranks have had a processor.
// All of the 1,437 samples: a last batch of one sample would have a gradient of nearly 0, and rounding would choose
// SAM's direction there.
const Words long_steps{"--model", "mlp:512,512", "--batch", "479", "--epochs", "40"};

/// The largest difference between two saved models, weight by weight.
double distance(const std::string& a, const std::string& b) {
  const Archive first = load_safetensors(a), second = load_safetensors(b);
  REQUIRE(first.tensors.size() == second.tensors.size());
  double largest = 0;
  for (const auto& [name, tensor] : first.tensors) {
    const std::vector<double> x = tensor.to_vector<double>(), y = second.tensor(name).to_vector<double>();
    REQUIRE(x.size() == y.size());
    for (size_t i = 0; i < x.size(); ++i) largest = std::max(largest, std::abs(x[i] - y[i]));
  }
  return largest;
}

size_t times(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

/// The process of a rank that this mpirun has started on this machine, itself (Open MPI) or through a helper (MPICH);
/// 0 where there is none (yet).
pid_t process_of_rank(pid_t mpirun, const std::string& rank) {
  std::error_code ended;
  for (const auto& task : std::filesystem::directory_iterator(text("/proc/", mpirun, "/task"), ended)) {
    std::ifstream children(task.path() / "children");
    for (pid_t child = 0; children >> child;) {
      const std::string environment = '\0' + bytes_of(text("/proc/", child, "/environ"));
      for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMI_RANK"})
        if (contains(environment, '\0' + text(name, "=", rank) + '\0')) return child;
      if (const pid_t grandchild = process_of_rank(child, rank); grandchild != 0) return grandchild;
    }
  }
  return 0;
}

}  // namespace

TEST_CASE("ranks train what one process trains, to the rounding of float32, and rank 0 alone prints and saves") {
  TemporaryFolder folder;
  const std::string one = folder.file("one.safetensors"), several = folder.file("several.safetensors");
  // 1437 samples in batches of 359: the last batch is one sample, and all ranks but one have none of it.
  for (const char* optimizer : {"sgd", "sam", "msam"}) {
    CAPTURE(std::string(optimizer));
    const Words method{"--optimizer", optimizer, "--batch", "359", "--augment", "shift=1,flip"};
    const Outcome alone = run(folder, training(one, method), one_thread);
    REQUIRE_MESSAGE(alone.status == 0, alone.output);
    CHECK_MESSAGE(contains(alone.output, "distributed: one rank, as mpirun was not used"), alone.output);
    for (const char* ranks : {"2", "4"}) {
      const Outcome outcome = run(folder, mpirun(ranks, training(several, method)));
      CAPTURE(outcome.output);
      REQUIRE(outcome.status == 0);
      CHECK(contains(outcome.output, text("distributed: ", ranks, " ranks")));
      CHECK(times(outcome.output, "epoch   3 ") == 1);
      CHECK(times(outcome.output, "model: ") == 1);
      CHECK(distance(several, one) < 1e-5);
      const std::string before = read_bytes(several);
      REQUIRE(run(folder, mpirun(ranks, training(several, method))).status == 0);
      CHECK(read_bytes(several) == before);
    }
  }
}

TEST_CASE("--distributed with one rank saves the weights of a training without it, bit for bit") {
  TemporaryFolder folder;
  const std::string plain = folder.file("plain.safetensors"), one = folder.file("one.safetensors");
  const Words without{MINIMA_TRAIN, "--model", "mlp:32", "--epochs", "3", "--save", plain};
  REQUIRE(run(folder, without, one_thread).status == 0);
  REQUIRE(run(folder, training(one), one_thread).status == 0);
  CHECK(distance(plain, one) == 0);
}

TEST_CASE("a lost rank ends the others, and the last checkpoint goes on to the same bytes") {
  TemporaryFolder folder;
  const std::string whole = folder.file("whole.safetensors"), parts = folder.file("parts.safetensors");
  Words options = long_steps;
  options.insert(options.end(), {"--optimizer", "msam", "--save-every", "0.0005"});  // minutes: 30 ms
  REQUIRE(run(folder, mpirun("2", training(whole, options))).status == 0);
  for (const char* lost : {"1", "0"}) {
    CAPTURE(std::string(lost));
    Process process(folder, mpirun("2", training(parts, options)));
    REQUIRE(wait_for_lines(folder.file("output.txt"), 9));
    REQUIRE(wait_for_lines(parts + ".checkpoint", 1));
    const pid_t rank = process_of_rank(process.id(), lost);
    REQUIRE(rank > 0);
    kill(rank, SIGKILL);
    CHECK(process.wait() != 0);
    const std::string output = process.output();
    // Open MPI names the rank, MPICH the process.
    CHECK_MESSAGE(contains(output, text("process rank ", lost)) + contains(output, text("PID ", rank)) == 1, output);
    CHECK_MESSAGE((contains(output, "signal 9") || contains(output, "EXIT CODE: 9")), output);
    CHECK_MESSAGE(contains(output, "If a rank is lost, the same command with --resume goes on"), output);
    CHECK_FALSE_MESSAGE(std::filesystem::exists(parts), output);
    REQUIRE_MESSAGE(std::filesystem::exists(parts + ".checkpoint"), output);
    Words again = options;
    again.push_back("--resume");
    const Outcome resumed = run(folder, mpirun("2", training(parts, again)));
    REQUIRE_MESSAGE(resumed.status == 0, resumed.output);
    CHECK(read_bytes(parts) == read_bytes(whole));
    CHECK_FALSE(std::filesystem::exists(parts + ".checkpoint"));
    std::filesystem::remove(parts);
  }
}

// The signal goes to rank 0 itself: mpirun passes one on after a second, and ends the rank after another, which a busy
// machine needs for a step.
TEST_CASE("Ctrl-C makes rank 0 save what any number of ranks can go on with, two to the same bytes") {
  for (const char* optimizer : {"sam", "sgd"}) {
    CAPTURE(std::string(optimizer));
    TemporaryFolder folder;
    const std::string whole = folder.file("whole.safetensors"), parts = folder.file("parts.safetensors");
    Words options = long_steps;
    options.insert(options.end(), {"--optimizer", optimizer});
    REQUIRE(run(folder, mpirun("2", training(whole, options))).status == 0);
    Process process(folder, mpirun("2", training(parts, options)));
    REQUIRE(wait_for_lines(folder.file("output.txt"), 9));
    const pid_t root = process_of_rank(process.id(), "0");
    REQUIRE(root > 0);
    kill(root, SIGINT);
    CHECK(process.wait() != 0);
    CHECK_MESSAGE(contains(process.output(), "Saved at step "), process.output());
    const std::string copy = folder.file("copy.safetensors");
    std::filesystem::copy_file(parts + ".checkpoint", copy + ".checkpoint");
    Words again = options;
    again.push_back("--resume");
    REQUIRE(run(folder, mpirun("2", training(parts, again))).status == 0);
    CHECK(read_bytes(parts) == read_bytes(whole));
    // One process goes on with what two have saved. It rounds sums otherwise: the weights of SGD then differ by at most
    // 2e-4, and by more than .01 if the momentum is lost. SAM's direction has jumps, where a relu opens or closes: its
    // weights differed by up to .0012, and by more than .045 without the momentum.
    Words alone{MINIMA_TRAIN, "--save", copy};
    alone.insert(alone.end(), again.begin(), again.end());
    const Outcome outcome = run(folder, alone, one_thread);
    REQUIRE_MESSAGE(outcome.status == 0, outcome.output);
    CHECK_MESSAGE(contains(outcome.output, "note: this was begun with 2 ranks and goes on with 1;"), outcome.output);
    CHECK(distance(copy, whole) < (std::string(optimizer) == "sgd" ? 1e-3 : 0.02));
  }
}

TEST_CASE("ranks that disagree are refused before the first step, by the name of what differs") {
  TemporaryFolder folder;
  const auto refused = [&](const Words& more, const std::string& part) {
    Words words = mpirun("1", training(folder.file("m")));
    words.insert(words.end(), {":", "-np", "1"});
    const Words other = training(folder.file("m"), more);
    words.insert(words.end(), other.begin(), other.end());
    const Outcome outcome = run(folder, words);
    CHECK(outcome.status != 0);
    CHECK_MESSAGE(contains(outcome.output, part), outcome.output);
    CHECK_MESSAGE(times(outcome.output, "error: ") == 1, outcome.output);
    CHECK_FALSE(contains(outcome.output, "epoch   1"));
  };
  refused({"--lr", "0.1"}, "[distributed] got rank 1 with --lr 0.1, expected 0.05, as rank 0 has.");
  refused({"--batch", "32"}, "got rank 1 with --batch 32, expected ");
  refused({"--seed", "2"}, "got rank 1 with --seed 2, expected 1, as rank 0 has.");
}

TEST_CASE("ranks with the same options and other data are refused") {
  TemporaryFolder folder;
  std::string rows = "x,label\n";
  for (int i = 0; i < 40; ++i) rows += text(i * i % 7 / 2.0, i % 2 ? ",yes\n" : ",no\n");
  std::filesystem::create_directories(folder.file("a")), std::filesystem::create_directories(folder.file("b"));
  folder.write("a/t.csv", rows), folder.write("b/t.csv", rows + "2.5,no\n");
  const Words train = training("m", {"--data", "t.csv", "--label", "label", "--batch", "8"});
  Words words = mpirun("1", {"-wdir", folder.file("a")});
  words.insert(words.end(), train.begin(), train.end());
  words.insert(words.end(), {":", "-np", "1", "-wdir", folder.file("b")});
  words.insert(words.end(), train.begin(), train.end());
  const Outcome outcome = run(folder, words);
  CHECK(outcome.status != 0);
  CHECK_MESSAGE(contains(outcome.output, "got rank 1 with fingerprint of the data "), outcome.output);
}

TEST_CASE("what cannot be shared is refused, and so are processes of mpirun without --distributed") {
  TemporaryFolder folder;
  const auto refused = [&](const Words& words, const std::string& part) {
    const Outcome outcome = run(folder, words);
    CHECK(outcome.status != 0);
    CHECK_MESSAGE(contains(outcome.output, part), outcome.output);
  };
  const std::string save = folder.file("m");
  refused(mpirun("2", {MINIMA_TRAIN, "--save", save}), "[train] got 2 processes of mpirun, each with all of the work");
  refused(mpirun("4", training(save, {"--batch", "3"})), "[--batch] got 3 samples for 4 ranks, expected at least 4.");
  refused(mpirun("2", training(save, {"--batch", "359", "--sync-batch-norm"})),
          "[--sync-batch-norm] got a last batch of 1 samples for 2 ranks, expected one for each rank at least.");
  refused(training(save, {"--from", "runs"}), "[--distributed] got --from runs, expected a training of its own.");
  refused(mpirun("2", training(save, {"--optimizer", "sgd", "--lr", "1e38"})), "error: [sgd] got ");
}

TEST_CASE("a network with batch norm trains on two ranks, local or synchronised, and resumes to the same bytes") {
  TemporaryFolder folder;
  const std::string whole = folder.file("whole.safetensors"), parts = folder.file("parts.safetensors");
  for (const Words& kind : {Words{}, Words{"--sync-batch-norm"}}) {
    Words options{"--model", "cnn", "--epochs", "10", "--save-every", "0.0005"};
    options.insert(options.end(), kind.begin(), kind.end());
    REQUIRE(run(folder, mpirun("2", training(whole, options))).status == 0);
    {
      Process process(folder, mpirun("2", training(parts, options)));
      REQUIRE(wait_for_lines(parts + ".checkpoint", 1));
      const pid_t rank = process_of_rank(process.id(), "1");
      REQUIRE(rank > 0);
      kill(rank, SIGKILL);
      CHECK(process.wait() != 0);
    }
    options.push_back("--resume");
    const Outcome resumed = run(folder, mpirun("2", training(parts, options)));
    REQUIRE_MESSAGE(resumed.status == 0, resumed.output);
    CHECK(read_bytes(parts) == read_bytes(whole));
  }
}

TEST_CASE("without a GPU, or without NCCL, --distributed --device cuda says what is missing") {
  if (cuda_unavailable_reason().empty()) return;
  TemporaryFolder folder;
  const Words on_gpus = training(folder.file("model.safetensors"), {"--device", "cuda"});
  for (const Words& command : {on_gpus, mpirun("2", on_gpus)}) {
    const Outcome outcome = run(folder, command);
    CAPTURE(outcome.output);
    CHECK(outcome.status != 0);
    if (MINIMA_HAS_NCCL)
      CHECK(contains(outcome.output, "[distributed] got GPU 0 for rank 0, but "));
    else
      CHECK(contains(outcome.output, "Install CUDA and NCCL"));
    CHECK(times(outcome.output, "[distributed] got") == 1);  // rank 0 says it for all
  }
}

namespace {
struct Rank : GroupOfOne {
  explicit Rank(int number) : number(number) {}
  int rank() const override { return number; }
  int size() const override { return 3; }
  int number;
};
}  // namespace

TEST_CASE("dropout draws other numbers on each rank and in each step, and the same ones again") {
  std::vector<std::vector<float>> drawn;
  for (int rank = 1; rank < 3; ++rank)
    for (int64_t step = 0; step < 2; ++step)
      for (int again = 0; again < 2; ++again) {
        manual_seed(static_cast<uint64_t>(again));
        examples::draw_as_rank(Rank(rank), 5, step);
        drawn.push_back(default_generator().uniform({8}).to_vector<float>());
      }
  for (size_t i = 0; i < drawn.size(); ++i)
    for (size_t j = 0; j < i; ++j) CHECK((drawn[i] == drawn[j]) == (i / 2 == j / 2));
  manual_seed(7), default_generator().offset = 3;
  examples::draw_as_rank(Rank(0), 5, 1);
  CHECK(default_generator().seed == 7);
  CHECK(default_generator().offset == 3);
}
