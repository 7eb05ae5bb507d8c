#include "examples/kit/summary.h"

namespace minima::examples {

namespace {

Row run_row(const RunResult& run) {
  const RunSettings& s = run.settings;
  const Measurement m = run.diverged() ? Measurement{.epoch = run.last().epoch,
                                                     .step = run.last().step,
                                                     .gradient_evaluations = run.last().gradient_evaluations,
                                                     .seconds = run.last().seconds,
                                                     .peak_memory_bytes = run.last().peak_memory_bytes}
                                       : run.last();
  return {{"optimizer", s.optimizer},
          {"base", s.base},
          {"seed", static_cast<int64_t>(s.seed)},
          {"lr", s.lr},
          {"momentum", s.momentum},
          {"rho", s.rho},
          {"weight_decay", s.weight_decay},
          {"epochs", m.epoch},
          {"steps", m.step},
          {"gradient_evaluations", m.gradient_evaluations},
          {"seconds", m.seconds},
          {"peak_memory_bytes", m.peak_memory_bytes},
          {"train_loss", m.train_loss},
          {"train_accuracy", m.train_accuracy},
          {"test_loss", m.test_loss},
          {"test_accuracy", m.test_accuracy},
          {"lambda_max", run.lambda_max},
          {"lambda_residual", run.lambda_residual}};
}

}  // namespace

std::string summary_json(const Comparison& c) {
  const std::string head = json_line({{"schema", schema_version},
                                      {"data", c.data},
                                      {"model", c.model},
                                      {"parameters", c.parameters},
                                      {"batch", c.batch},
                                      {"threads", c.threads},
                                      {"machine", c.machine}});
  std::string runs;
  for (const RunResult& run : c.runs) runs += (runs.empty() ? "\n  " : ",\n  ") + json_line(run_row(run));
  return head.substr(0, head.size() - 1) + ", \"runs\": [" + runs + "\n]}\n";
}

}  // namespace minima::examples
