// One file that holds all of a training run: weights and buffers, optimizer state, random stream, and how far it got.
// A run that continues from it is, bit for bit, the run that was never stopped.
// Not here: weights alone (nn/checkpoint.h), the list of runs of a comparison (session.h).
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "minima.h"

namespace minima::examples {

using Notes = std::map<std::string, std::string>;

/// How far the run got, and whatever else the program wants to find again.
struct TrainingPosition {
  int64_t step = 0;
  Notes notes;
};

/// What a checkpoint notes, without the rest of it.
Notes saved_notes(const std::string& path);

/// Says so where the numbers until now were computed by other matrix kernels than those of this machine: then the last
/// digits are not those of a run that was never interrupted.
void tell_other_kernels(const std::string& before);

/// An error that names the file and the first note in which it differs from what is expected.
void check_notes(const std::string& path, const Notes& notes, const Notes& expected);

/// Writes beside `path` and renames, so that a killed program leaves the old file or the new one.
void save_training(const std::string& path, nn::Module& model, const optim::Optimizer& optimizer,
                   const TrainingPosition& position);

/// A note if there is a checkpoint, for a run that does not go on with it.
void tell_earlier_checkpoint(const std::string& path);

/// The command without what says where and when it is saved, and whether it was interrupted on the way there.
std::vector<std::string> training_command(std::vector<std::string> command);

/// The checkpoint of a training under way: written at an interrupt and, so that a power cut does not cost all of it,
/// every few minutes. Model and optimizer outlive it.
class RunningCheckpoint {
 public:
  struct Options {
    std::string path;
    Notes notes;         ///< of the options that change results
    double minutes = 0;  ///< between two saves; 0: at an interrupt alone
    bool resumed = false;
  };
  RunningCheckpoint(nn::Module& model, const optim::Optimizer& optimizer, const Options& options);

  /// Before each step: saves if it is time. Where that fails, on a full disk say, the training goes on and a note says
  /// why.
  void save_when_due(int64_t step);
  /// Saves and says how to go on. Returns the exit status.
  int save_at_interrupt(int64_t step);
  /// When the model has been saved: removes what was written or resumed. That of an earlier run, not resumed, stays.
  void remove();

 private:
  using Clock = std::chrono::steady_clock;
  void save(int64_t step);
  nn::Module& model_;
  const optim::Optimizer& optimizer_;
  Options options_;
  bool is_ours_;
  Clock::time_point last_save_ = Clock::now();
};

/// A program's --save-every: the minutes, and their check.
inline constexpr const char* save_every_help =
    "minutes between two checkpoints, of which each replaces the one before (0: Ctrl-C alone makes one)";
void check_save_every(double minutes);

/// Calls `save`, which writes the trained model. If that fails, a checkpoint is saved at its place or, where the disk
/// is full for it too, in the folder for temporary files. The error says where it is and how it becomes the model.
void save_or_keep(const std::function<void()>& save, const std::string& checkpoint, nn::Module& model,
                  const optim::Optimizer& optimizer, const TrainingPosition& position);

/// Restores all of it into a model and an optimizer made with the same settings. A file of another model or optimizer
/// is an error. So is a file whose notes differ from `expected`, which are the options that change results: the first
/// difference is named, and nothing is restored.
TrainingPosition load_training(const std::string& path, nn::Module& model, optim::Optimizer& optimizer,
                               const Notes& expected = {});

}  // namespace minima::examples
