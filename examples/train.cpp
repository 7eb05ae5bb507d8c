// train: one model with one optimizer, the loop to copy into a program of your own.
// Ctrl-C saves, and so does every tenth minute; --resume goes on, and the result is, bit for bit, that of a run that
// was never interrupted.
//   train --data fashion-mnist --model cnn --optimizer msam --rho 1 --epochs 5
//   train --from runs/compare-digits-mlp/summary.json --optimizer sam --seed 3      a run of compare or pilot again
//   mpirun -np 4 train --distributed     four processes train one model, each on a quarter of every batch; with
//                                        --device cuda each on a GPU of its own
//   train --data flowers.csv --label species --save flowers.safetensors      then: predict flowers.safetensors new.csv
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "examples/kit/augmentation.h"
#include "examples/kit/checkpoint.h"
#include "examples/kit/data.h"
#include "examples/kit/evaluation.h"
#include "examples/kit/model_file.h"
#include "examples/kit/program.h"
#include "examples/kit/run.h"
#include "examples/train/from_summary.h"
#include "examples/train/ranks.h"
#include "minima.h"

using namespace minima;
using namespace minima::examples;

namespace {

/// Prints how good the model is on the test part, and returns that as the notes of its file.
Notes judge(nn::Module& model, const datasets::Loaded& data) {
  const datasets::Dataset& test = data.split.test;
  const std::vector<float> outputs = outputs_of(model, test, model.parameters().front().device());
  if (test.has_targets()) {
    const Fit fit = fit_of(outputs, test.targets());
    const double error = std::sqrt(fit.mean_squared_error) * data.table->target_deviation;
    std::printf("test part: R2 %.4f, root mean squared error %s\n", fit.r2, short_text(error, 4).c_str());
    return {{"test R2", fixed(fit.r2, 4)}, {"test root mean squared error", short_text(error, 4)}};
  }
  const Quality q = quality_of(outputs, test.labels(), test.classes());
  std::printf(
      "test part: accuracy %.2f%% (always the most frequent class: %.2f%%), balanced accuracy %.2f%%, "
      "calibration error (ECE) %.3f\n",
      100 * q.accuracy, 100 * majority_accuracy(data.split), 100 * q.balanced_accuracy, q.calibration_error);
  if (test.class_names().size() <= most_confusion_classes)
    std::printf("%s", aligned(confusion_table(q.confusion, test.class_names())).c_str());
  return {{"test accuracy", fixed(q.accuracy, 4)},
          {"test balanced accuracy", fixed(q.balanced_accuracy, 4)},
          {"test calibration error", fixed(q.calibration_error, 4)}};
}

/// Writes the model with what is known of it.
void save(const std::string& path, const std::string& name, nn::Module& model, const datasets::Loaded& loaded,
          const std::string& data, const std::vector<std::string>& command) {
  ModelFile file = model_file(name, loaded);
  file.notes = judge(model, loaded);
  file.notes["data"] = data;
  file.notes["command"] = shell_command(training_command(command));
  file.notes["minima"] = version();
  file.notes["machine"] = machine_description();
  save_model(file, model, path);
  std::printf("model: %s\n", path.c_str());
}

/// A run of a comparison once more: the same data, weights, batches and schedule.
int repeat(const SummaryRun& asked, const std::string& save_as, const std::vector<std::string>& command) {
  const Problem& problem = asked.problem;
  check_writable("--save", save_as, {problem.data});
  print_data(problem.data, *problem.loaded);
  std::printf("%s, %s, seed %llu, batch %lld, %lld steps\n", problem.model.c_str(), asked.setting.words().c_str(),
              static_cast<unsigned long long>(asked.seed), static_cast<long long>(problem.batch),
              static_cast<long long>(asked.setting.steps));
  Run run(problem, asked.setting, asked.seed);
  Observer observer;
  observer.before_step = [](Run&) {
    if (interrupted()) fail("--from", "an interrupt", "to go on to the end", "Nothing was saved.");
  };
  const char* merit = problem.test.has_targets() ? "R2" : "accuracy";
  observer.after_measurement = [merit](Run& run) {
    const Measurement& m = run.result().last();
    std::printf("epoch %3.0f  test loss %.4f  test %s %.2f%%\n", m.epoch, m.test_loss, merit, 100 * m.test_accuracy);
  };
  const RunResult result = train_to_end(run, observer);
  if (result.diverged()) throw Error(result.divergence);
  const double now = result.last().test_accuracy;
  std::printf("The summary has test %s %s; now it is %s.\n", merit, number_text(asked.test_accuracy).c_str(),
              number_text(now).c_str());
  save(save_as, problem.model, run.model(), *problem.loaded, problem.data, command);
  return 0;
}

/// What cannot be shared among these ranks.
void check_shares(const Communicator& group, const datasets::Loader& batches, bool synchronised) {
  const int64_t batch = batches.options().batch_size, samples = batches.dataset().size();
  if (batch < group.size())
    fail("--batch", text(batch, " samples for ", group.size(), " ranks"), text("at least ", group.size()));
  const int64_t last = samples - (batches.steps_per_epoch() - 1) * batch;
  if (synchronised && last < group.size())
    fail("--sync-batch-norm", text("a last batch of ", last, " samples for ", group.size(), " ranks"),
         "one for each rank at least", "Choose another --batch, or another number of ranks.");
}

/// Joins `group`, on the way.
int train(int argc, char** argv, std::unique_ptr<Communicator>& group) {
  std::string from, data = "digits", name = "mlp", method = "msam", save_as = "model.safetensors", device_name = "cpu";
  double lr = 0.05, rho = 0.5, save_every = 10;
  int64_t epochs = 0, batch_size = 0, seed = 1;
  bool resume = false, distributed = false, sync_batch_norm = false;
  std::vector<std::string> augment;
  datasets::LoadOptions how;
  CommandLine line("train", "Trains one model with one optimizer.");
  line.option("--data", data,
              "a data set's name, a table (.csv, ...) with --label COLUMN, or a folder of images by class");
  line.option("--label", how.label, "column of a table that is to be predicted");
  line.option("--model", name, "mlp, lenet, cnn, resnet20, ...");
  line.option("--optimizer", method, joined(optim::optimizer_names()) + "; also with words behind, as msam+norms");
  line.option("--lr", lr, "learning rate at the start; falls along a cosine");
  line.option("--rho", rho, "radius of sam, asam and msam");
  line.option("--epochs", epochs, "passes over the training data (0: 10 to 100, by their size)");
  line.option("--batch", batch_size, "samples in a step (0: 64, fewer for few data)");
  add_augmentation_option(line, augment);
  line.option("--seed", seed, "of the initial weights and of the order of the batches");
  line.option("--device", device_name, "cpu or cuda");
  line.option("--save", save_as, "file for the trained model; its checkpoint lies beside it");
  line.option("--save-every", save_every, save_every_help);
  line.flag("--resume", resume, "go on from the checkpoint");
  line.flag("--distributed", distributed,
            "the processes that mpirun has started train one model, each on its part of every batch");
  line.flag("--sync-batch-norm", sync_batch_norm,
            "batch norm over the parts of all processes together (else each over its own part)");
  line.option(
      "--from", from,
      "a summary.json of compare or pilot: repeats its run of --optimizer and --seed; other options do not count");
  add_data_options(line, how);
  if (!line.parse(argc, argv)) return 0;
  if (!(lr > 0 && std::isfinite(lr))) fail("--lr", number_text(lr), "a number above 0");
  check_save_every(save_every);
  if (epochs < 0) fail("--epochs", text(epochs), "at least 1, or 0");
  if (batch_size < 0) fail("--batch", text(batch_size), "at least 1, or 0");
  if (seed < 0) fail("--seed", text(seed), "a whole number of at least 0");
  check_label(data, how.label);
  if (distributed && !from.empty())
    fail("--distributed", "--from " + from, "a training of its own", "Leave out --from.");
  group = join_ranks(distributed);
  if (distributed && device_name == "cuda") join_gpus(group);
  const Device device = parse_device(device_name);
  const bool is_root = group->rank() == 0;  // which prints and saves for all
  if (is_root) check_writable("--save", save_as, {data, how.test, from});
  print_machine(device);
  catch_interrupts();
  const std::vector<std::string> command(argv, argv + argc);
  if (!from.empty()) return repeat(read_summary(from, method, static_cast<uint64_t>(seed)), save_as, command);

  const datasets::Loaded loaded = datasets::load_all(data, how);
  const auto& [train_set, test_set] = loaded.split;
  print_data(data, loaded);
  if (batch_size == 0) batch_size = default_batch(train_set.size());
  if (epochs == 0) epochs = default_epochs(train_set.size(), batch_size);
  const Augmentation augmentation = Augmentation::from(augment);
  datasets::Loader batches{augmentation.of(train_set, static_cast<uint64_t>(seed)),
                           {.batch_size = batch_size,
                            .seed = static_cast<uint64_t>(seed),
                            .device = device,
                            .rank = group->rank(),
                            .ranks = group->size()}};
  check_shares(*group, batches, sync_batch_norm);
  const int64_t per_epoch = batches.steps_per_epoch(), steps = epochs * per_epoch;
  std::printf("%s, %s, batch %lld, %lld epochs\n", name.c_str(), method.c_str(), static_cast<long long>(batch_size),
              static_cast<long long>(epochs));

  manual_seed(static_cast<uint64_t>(seed));
  nn::AnyModule model = nn::make_model(name, train_set.input_shape(), outputs_for(train_set));
  model->to(device);
  optim::Settings settings{
      .hyperparameters = {{"lr", optim::cosine(lr, steps)}}, .layers = layers_of(*model), .steps = steps};
  if (optim::defaults_of(method, settings.base).count("rho")) settings.hyperparameters.emplace("rho", rho);
  auto optimizer = optim::make_optimizer(method, model->parameters(), settings);
  if (distributed) optimizer->distribute(*group);
  if (sync_batch_norm) nn::synchronise_batch_norm(*model, *group);
  const std::string checkpoint = save_as + ".checkpoint";
  Notes options = line.values({"--save", "--save-every", "--resume", "--distributed"});  // those that change results
  options["fingerprint of the data"] = fingerprint(loaded.split);
  if (resume && !std::filesystem::exists(checkpoint))
    fail("--resume", "no file " + checkpoint, "the checkpoint of an interrupted run",
         "Run without --resume to start one.");
  if (!resume) tell_earlier_checkpoint(checkpoint);
  int64_t step = 0;
  if (resume) {
    const TrainingPosition position = load_training(checkpoint, *model, *optimizer, options);
    tell_other_ranks(*group, position.notes);
    step = position.step;
  }
  if (distributed) require_same_training(*group, options, *model, *optimizer, step);
  const auto require_finite = [&](const char* what, double value) {
    if (!std::isfinite(value))
      fail(method,
           text(what, " ", number_text(value), " at step ", step, " with learning rate ",
                optim::cosine(lr, steps)(step - 1)),
           "a finite loss", "Try a smaller --lr.");
  };

  if (group->size() > 1 && save_every > 0)
    std::printf("A checkpoint is saved every %s minutes. If a rank is lost, the same command with --resume goes on.\n",
                number_text(save_every).c_str());
  const Notes notes = with_ranks(*group, options);
  RunningCheckpoint running(*model, *optimizer,
                            {.path = checkpoint, .notes = notes, .minutes = save_every, .resumed = resume});
  while (step < steps) {
    int64_t seen = step % per_epoch;  // batches of this epoch that a resumed run has had
    model->train();
    for (const auto& [images, labels] : batches.epoch(step / per_epoch)) {
      if (seen-- > 0) continue;
      if (is_root && interrupted()) {
        group->leave();
        return running.save_at_interrupt(step);
      }
      if (is_root) running.save_when_due(step);
      draw_as_rank(*group, static_cast<uint64_t>(seed), step);
      const double share = batches.share(step % per_epoch);  // of the batch: 1 for a process that is alone
      const bool is_empty = labels.numel() == 0;
      const auto batch = augmentation.mixed({images, labels}, static_cast<uint64_t>(seed), step);
      const Variable loss = optimizer->step([&] {
        if (is_empty) return Variable();                    // other ranks have all of it
        Variable loss = loss_of((*model)(batch.x), batch);  // cross entropy, or the squared error of a quantity
        if (distributed) loss = loss * share;
        loss.backward();
        return loss;
      });
      ++step;
      require_finite("loss", loss.item());
    }
    if (!is_root) continue;
    refresh_batch_norm(*model, train_set, batch_size, device);
    const Evaluation on_test = evaluate(*model, test_set, device);
    require_finite("test loss", on_test.loss);
    if (test_set.has_targets())
      std::printf("epoch %3lld  test loss %.4f  test R2 %.4f\n", static_cast<long long>(step / per_epoch), on_test.loss,
                  on_test.accuracy);
    else
      std::printf("epoch %3lld  test loss %.4f  test accuracy %.2f%%\n", static_cast<long long>(step / per_epoch),
                  on_test.loss, 100 * on_test.accuracy);
  }
  if (!is_root) return 0;
  save_or_keep([&] { save(save_as, name, *model, loaded, data, command); }, checkpoint, *model, *optimizer,
               {.step = step, .notes = notes});
  running.remove();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::unique_ptr<Communicator> group;
  return run_program([&] { return run_rank(group, [&] { return train(argc, argv, group); }); });
}
