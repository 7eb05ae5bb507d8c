// find_lr: a learning rate in a minute, by a range test (Smith, 2017). The learning rate rises from step to step, each
// by the same factor, until the loss runs away. It starts a search; --tune of compare finds what is best.
//   find_lr --data fashion-mnist --model vit:7,32,2,4 --optimizer adamw
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "examples/kit/data.h"
#include "examples/kit/evaluation.h"
#include "examples/kit/metrics.h"
#include "examples/kit/plot.h"
#include "examples/kit/program.h"
#include "examples/kit/range_test.h"
#include "examples/kit/run.h"
#include "minima.h"

using namespace minima;
using namespace minima::examples;

namespace {

void draw_test(const std::string& out, const std::string& method, const RangeTest& test) {
  Series batches{.label = "loss of the batch",
                 .style = "grey",
                 .x = test.lrs,
                 .y = test.losses,
                 .low = {},
                 .high = {},
                 .draw = Series::Draw::points};
  Series smoothed{.label = "smoothed", .style = method, .x = test.lrs, .y = test.smoothed, .low = {}, .high = {}};
  Panel panel{.title = "",
              .x_title = "learning rate",
              .y_title = "training loss",
              .log_x = true,
              .series = {batches, smoothed}};
  const double start = test.smoothed.front();
  panel.y_range = Span{0, 1.5 * start};
  panel.rules = {{Rule::Along::x, test.suggested(), "suggested"}};
  const std::string problem = draw(out, "range", line_figure("range", "Learning-rate range test", {panel}, 1));
  std::printf("%s\n", problem.empty() ? text("figure: ", out, "/range.svg").c_str() : problem.c_str());
}

int find_lr(int argc, char** argv) {
  std::string data = "digits", model_name = "mlp", method = "sgd", base = "sgd", device_name = "cpu",
              out = "runs/find_lr";
  RangeTestOptions options;
  double rho = 0;
  int64_t batch_size = 0, seed = 1;
  datasets::LoadOptions how;
  CommandLine line("find_lr", "Trains with a learning rate that rises until the loss runs away, and suggests one.");
  line.option("--data", data, "a data set's name, a table (.csv, ...) with --label COLUMN, or a folder of images");
  line.option("--label", how.label, "column of a table that is to be predicted");
  line.option("--model", model_name, joined(nn::model_names()));
  line.option("--optimizer", method, "sgd, nesterov, adam, adamw, sam, asam or msam");
  line.option("--base", base, "what sam, asam and msam wrap");
  line.option("--rho", rho, "radius of sam, asam and msam (0: the optimizer's default)");
  line.option("--lowest", options.lowest, "first learning rate");
  line.option("--highest", options.highest, "last learning rate");
  line.option("--steps", options.steps, "from the first to the last");
  line.option("--batch", batch_size, "samples in a step (0: 64, fewer for few data)");
  line.option("--seed", seed, "of the initial weights and of the order of the batches");
  line.option("--device", device_name, "cpu or cuda");
  line.option("--out", out, "directory for range.csv and the figure");
  add_data_options(line, how);
  if (!line.parse(argc, argv)) return 0;
  if (batch_size < 0) fail("--batch", text(batch_size), "at least 1, or 0");
  if (seed < 0) fail("--seed", text(seed), "a whole number of at least 0");
  check_label(data, how.label);
  const Device device = parse_device(device_name);
  print_machine(device);
  catch_interrupts();
  const datasets::Dataset train = datasets::load_all(data, how).split.train;
  make_output_directory(out, {data, how.test});
  if (batch_size == 0) batch_size = default_batch(train.size());
  const datasets::Loader batches{
      train, {.batch_size = batch_size, .seed = static_cast<uint64_t>(seed), .drop_last = true, .device = device}};

  manual_seed(static_cast<uint64_t>(seed));
  nn::AnyModule model = nn::make_model(model_name, train.input_shape(), outputs_for(train));
  model->to(device);
  optim::Settings settings{.base = base};
  if (optim::defaults_of(method, base).count("rho") && rho != 0) settings.hyperparameters.emplace("rho", rho);
  const RangeTest test =
      range_test(*model, *optim::make_optimizer(method, model->parameters(), settings), batches, options);

  std::string csv = "learning_rate,loss,smoothed\n";
  for (size_t i = 0; i < test.lrs.size(); ++i)
    csv += text(number_text(test.lrs[i]), ",", number_text(test.losses[i]), ",", number_text(test.smoothed[i]), "\n");
  std::printf("%s on %s, %s, batch %lld: ", model_name.c_str(), data.c_str(), method.c_str(),
              static_cast<long long>(batch_size));
  if (test.lowest_loss() < test.smoothed.front())
    std::printf(
        "the smoothed loss fell from %.3f to %.3f at learning rate %s, and the test ended at %s.\n"
        "suggested: --lr %s, a tenth of that\n",
        test.smoothed.front(), test.lowest_loss(), short_text(test.lr_of_lowest_loss()).c_str(),
        short_text(test.lrs.back()).c_str(), short_text(test.suggested()).c_str());
  else
    std::printf(
        "the smoothed loss never fell below %.3f, that of the first step, and the test ended at %s.\n"
        "nothing to suggest: try a lower --lowest\n",
        test.smoothed.front(), short_text(test.lrs.back()).c_str());
  std::fflush(stdout);  // known before a file is written
  write_text(out + "/range.csv", csv);
  draw_test(out, method, test);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_program([&] { return find_lr(argc, argv); });
}
