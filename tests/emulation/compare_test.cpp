// The comparison of optimizers as a program on the emulated device, beside the same on the CPU.
#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/check.h"
#include "tests/examples/process.h"

using namespace minima::test;
using nlohmann::json;

namespace {

/// summary.json of a short comparison on the digits.
json compared(const TemporaryFolder& folder, const char* program, const std::string& device) {
  const Outcome outcome = run(folder, {program, "--device", device, "--epochs", "2", "--seeds", "1", "--curvature",
                                       "32", "--out", folder.file(device)});
  CAPTURE(outcome.output);
  REQUIRE(outcome.status == 0);
  CHECK(contains(outcome.output, device == "cuda" ? "device cuda (emulated device" : "device cpu"));
  return json::parse(read_bytes(folder.file(device + "/summary.json")));
}

}  // namespace

TEST_CASE("compare --device cuda trains the digits with all five optimizers and ends with the CPU's figures") {
  TemporaryFolder folder;
  const json device = compared(folder, MINIMA_EMULATED_COMPARE, "cuda").at("runs");
  const json host = compared(folder, MINIMA_COMPARE, "cpu").at("runs");
  REQUIRE(device.size() == 5);
  REQUIRE(host.size() == 5);
  const auto close = [](const json& a, const json& b, double tolerance) {
    return std::abs(a.get<double>() - b.get<double>()) <= tolerance * std::abs(b.get<double>());
  };
  for (size_t i = 0; i < 5; ++i) {
    CAPTURE(host[i].dump());
    CAPTURE(device[i].dump());
    CHECK(device[i].at("optimizer") == std::vector{"sgd", "nesterov", "adam", "sam", "msam"}[i]);
    for (const char* same : {"optimizer", "seed", "lr", "rho", "steps", "gradient_evaluations"})
      CHECK(device[i].at(same) == host[i].at(same));
    // Sums in another order, after 46 steps in float32.
    for (const char* loss : {"train_loss", "test_loss"}) CHECK(close(device[i].at(loss), host[i].at(loss), 1e-4));
    CHECK(close(device[i].at("lambda_max"), host[i].at("lambda_max"), 1e-2));
    for (const char* accuracy : {"train_accuracy", "test_accuracy"})
      CHECK(std::abs(device[i].at(accuracy).get<double>() - host[i].at(accuracy).get<double>()) < 0.003);
    CHECK(host[i].at("test_accuracy").get<double>() > 0.8);  // it has learned something
  }
}
