// train: one model with one optimizer, the loop to copy into a program of your own.
// Ctrl-C saves, --resume goes on, and the result is, bit for bit, that of a run that was never interrupted.
//   train --data fashion-mnist --model cnn --optimizer msam --rho 1 --epochs 5
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "examples/kit/checkpoint.h"
#include "examples/kit/program.h"
#include "examples/kit/run.h"
#include "minima.h"

using namespace minima;
using namespace minima::examples;

int train(int argc, char** argv) {
  std::string data = "digits", label, name = "mlp", method = "msam", save_as = "model.safetensors";
  std::string device_name = "cpu";
  double lr = 0.05, rho = 0.5;
  int64_t epochs = 20, batch_size = 64, seed = 1;
  bool resume = false;
  CommandLine line("train", "Trains one model with one optimizer.");
  line.option("--data", data, "a data set's name, a FILE.csv with --label COLUMN, or a folder of images by class");
  line.option("--label", label, "column of a FILE.csv that is to be predicted");
  line.option("--model", name, "mlp, lenet, cnn, resnet20, ...");
  line.option("--optimizer", method, "sgd, nesterov, adam, adamw, sam, asam or msam");
  line.option("--lr", lr, "learning rate at the start; falls along a cosine");
  line.option("--rho", rho, "radius of sam, asam and msam");
  line.option("--epochs", epochs, "passes over the training data");
  line.option("--batch", batch_size, "samples in a step");
  line.option("--seed", seed, "of the initial weights and of the order of the batches");
  line.option("--device", device_name, "cpu or cuda");
  line.option("--save", save_as, "file for the trained weights; its checkpoint lies beside it");
  line.flag("--resume", resume, "go on from the checkpoint");
  if (!line.parse(argc, argv)) return 0;
  if (!(lr > 0 && std::isfinite(lr))) fail("--lr", number_text(lr), "a number above 0");
  if (epochs < 1) fail("--epochs", text(epochs), "at least 1");
  if (seed < 0) fail("--seed", text(seed), "a whole number of at least 0");
  check_label(data, label);
  check_writable("--save", save_as);
  const Device device = parse_device(device_name);
  print_machine(device);
  catch_interrupts();

  auto [train_set, test_set] = datasets::load(data, {.label = label});
  datasets::Loader batches{train_set,
                           {.batch_size = batch_size, .seed = static_cast<uint64_t>(seed), .device = device}};
  const int64_t per_epoch = batches.steps_per_epoch(), steps = epochs * per_epoch;

  manual_seed(static_cast<uint64_t>(seed));
  nn::AnyModule model = nn::make_model(name, train_set.input_shape(), train_set.classes());
  model->to(device);
  optim::Settings settings{.hyperparameters = {{"lr", optim::cosine(lr, steps)}}};
  if (optim::is_wrapper(method)) settings.hyperparameters.emplace("rho", rho);
  auto optimizer = optim::make_optimizer(method, model->parameters(), settings);
  const std::string checkpoint = save_as + ".checkpoint";
  const Notes options = line.values({"--save", "--resume"});  // those that change results
  int64_t step = resume ? load_training(checkpoint, *model, *optimizer, options).step : 0;

  while (step < steps) {
    int64_t seen = step % per_epoch;  // batches of this epoch that a resumed run has had
    model->train();
    for (const auto& [images, labels] : batches.epoch(step / per_epoch)) {
      if (seen-- > 0) continue;
      if (interrupted()) {
        save_training(checkpoint, *model, *optimizer, {.step = step, .notes = options});
        std::printf("Saved at step %lld; the same command with --resume goes on.\n", static_cast<long long>(step));
        return exit_interrupted;
      }
      const Variable loss = optimizer->step([&, &x = images, &y = labels] {
        Variable loss = nn::cross_entropy((*model)(x), y);
        loss.backward();
        return loss;
      });
      ++step;
      if (!std::isfinite(loss.item()))
        fail(method,
             text("loss ", number_text(loss.item()), " at step ", step, " with learning rate ",
                  optim::cosine(lr, steps)(step - 1)),
             "a finite loss", "Try a smaller --lr.");
    }
    refresh_batch_norm(*model, train_set, batch_size, device);
    const Evaluation on_test = evaluate(*model, test_set, device);
    std::printf("epoch %3lld  test loss %.4f  test accuracy %.2f%%\n", static_cast<long long>(step / per_epoch),
                on_test.loss, 100 * on_test.accuracy);
  }
  nn::save(*model, save_as);
  std::filesystem::remove(checkpoint);
  std::printf("weights: %s\n", save_as.c_str());
  return 0;
}

int main(int argc, char** argv) {
  return run_program([&] { return train(argc, argv); });
}
