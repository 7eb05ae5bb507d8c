// "Show the program": the C++ that does what the page does, with the numbers of its state. A test compiles these
// programs and compares what they print with the page.

const inCpp = (value) => String(value);

const surfacesInCpp = (state, minima) => {
  const s = state.surface, angle = (s.turn * Math.PI) / 180, c = inCpp(Math.cos(angle)), n = inCpp(Math.sin(angle));
  switch (s.surface) {
    case "valley": case "noisy-valley": return "square(w1 * w2 - 1) / 2";
    case "bowl": return s.turn === 0 ? `(square(w1) + ${inCpp(s.condition)} * square(w2)) / 2`
      : `(square(${c} * w1 + ${n} * w2) + ${inCpp(s.condition)} * square(${c} * w2 - ${n} * w1)) / 2`;
    case "rosenbrock": return "square(1 - w1) + 100 * square(w2 - square(w1))";
    case "beale": return "square(1.5 - w1 + w1 * w2) + square(2.25 - w1 + w1 * square(w2)) +\n         square(2.625 - w1 + w1 * w2 * square(w2))";
    case "saddle": return "(square(w1) - square(w2)) / 2 + square(square(w2)) / 4";
    default: return minima.formulaInCpp(s.formula);
  }
};

/// The optimizer's constructor with these settings, for `parameters`.
function optimizerInCpp(name, parameters, settings) {
  const decay = name === "adamw" || settings.decay !== 0 ? `, .weight_decay = ${inCpp(settings.decay)}` : "";
  const sgd = (kind, momentum) => `optim::${kind}{${parameters}, {.lr = ${inCpp(settings.lr)}${momentum}${decay}}}`;
  const momentum = `, .momentum = ${inCpp(settings.momentum)}`;
  switch (name) {
    case "gd": return sgd("SGD", "");
    case "momentum": return sgd("SGD", momentum);
    case "nesterov": return sgd("Nesterov", momentum);
    case "adam": case "adamw":
      return `optim::${name === "adam" ? "Adam" : "AdamW"}{${parameters}, {.lr = ${inCpp(settings.lr)}, .beta1 = ${inCpp(settings.momentum)}${decay}}}`;
    case "sam": return `optim::SAM{${sgd("SGD", momentum)}, {.rho = ${inCpp(settings.rho)}}}`;
    case "msam": return `optim::MSAM{${sgd("SGD", momentum)}, {.rho = ${inCpp(settings.rho)}}}`;
    default: // e = -rho * lr * v with rho = momentum
      return `optim::Along{${sgd("SGD", momentum)}, optim::directions::lr_momentum(), {.rho = ${inCpp(settings.momentum)}}}`;
  }
}

function surfaceProgram(state, minima) {
  const s = state.surface, seed = inCpp(s.seed);
  const sides = state.two ? ["a", "b"] : ["a"];
  const noisy = sides.some((side) => state[side].noise > 0);
  const label = s.surface === "noisy-valley";
  const lines = [];
  for (const side of sides)
    for (const name of state.on)
      lines.push(`  walk("${state.two ? `${side.toUpperCase()} ` : ""}${name}", ${noisy ? `${inCpp(state[side].noise)}, ` : ""}[](const std::vector<Variable>& w) {\n    return ${optimizerInCpp(name, "w", state[side])};\n  });`);
  const noise = !noisy ? "" : label
    ? `    // the label is 1 and a normal number, a new one at each step; both gradients of a step see the same
    Generator random{${seed}, static_cast<uint64_t>(step)};
    const double label = 1 + random.normal({1}, 0, noise, DType::float64).item();
`
    : `    // a normal number for each part of the gradient, new at each step; both gradients of a step see the same
    Generator random{${seed}, 2 * static_cast<uint64_t>(step)};
    const auto n = random.normal({2}, 0, noise, DType::float64).to_vector<double>();
`;
  const value = !noisy ? "loss(w1, w2)" : label ? "square(w1 * w2 - label) / 2" : "noise == 0 ? loss(w1, w2) : loss(w1, w2) + n[0] * w1 + n[1] * w2";
  return `#include <cstdio>

#include "minima.h"

using namespace minima;

Variable loss(const Variable& w1, const Variable& w2) {
  return ${surfacesInCpp(state, minima)};
}

template <class Make>
void walk(const char* name, ${noisy ? "double noise, " : ""}Make make) {
  const Variable w1(Tensor::full({1}, ${inCpp(s.start1)}, DType::float64), requires_grad);
  const Variable w2(Tensor::full({1}, ${inCpp(s.start2)}, DType::float64), requires_grad);
  auto optimizer = make({w1, w2});
  for (int step = 0; step < ${inCpp(state.until)}; ++step) {
${noise}    optimizer.step([&] {
      Variable value = ${value};
      value.backward();
      return value;
    });
  }
  std::printf("%-14s w1 = %.17g  w2 = %.17g  loss = %.17g\\n", name, w1.item(), w2.item(),
              loss(w1, w2).item());
}

int main() {
${lines.join("\n")}
}
`;
}

function networkProgram(state, csv) {
  const n = state.network, seed = inCpp(n.seed);
  const synthetic = (name) => `datasets::${name}({.train = ${inCpp(n.samples)}, .noise = ${inCpp(n.spread)}, .seed = ${seed}})`;
  const source = {
    moons: synthetic("two_moons"), spirals: synthetic("spirals"), blobs: synthetic("blobs"), digits: "datasets::digits()",
    table: `datasets::csv("own.csv", {.label = ${JSON.stringify(csv?.label ?? "label")}, .seed = ${seed}})`,
  }[n.data];
  const take = n.data === "digits" ? `  train = train.take(${inCpp(Math.min(n.samples, 1437))});\n` : "";
  const wrong = n.wrong > 0 ? `  train = train.label_noise(${inCpp(n.wrong)}, ${seed});\n` : "";
  const hidden = [n.width1, n.width2].filter((w) => Number(w) > 0).map((w) => `${w}, `).join("");
  const settings = (name) => ({ lr: name.startsWith("adam") ? n.lrAdam : n.lr, momentum: n.momentum, decay: n.decay, rho: name === "msam" ? n.rhoMsam : n.rho });
  const calls = state.networkOn.map((name) =>
    `  learn("${name}", train, test, [](nn::Module& model) {\n    return ${optimizerInCpp(name, "model.parameters()", settings(name))};\n  });`);
  return `#include <algorithm>
#include <cstdio>

#include "minima.h"

using namespace minima;

template <class Make>
void learn(const char* name, const datasets::Dataset& train, const datasets::Dataset& test, Make make) {
  manual_seed(${seed});  // the same initial weights for all
  nn::Sequential model = nn::mlp({train.input_shape().numel(), ${hidden}train.classes()});
  auto optimizer = make(model);
  datasets::Loader batches{train, {.batch_size = std::min<int64_t>(${inCpp(n.batch)}, train.size()), .seed = ${seed}}};
  for (int epoch = 0; optimizer.gradient_evaluations() < ${inCpp(state.networkUntil)}; ++epoch)
    for (auto [x, y] : batches.epoch(epoch)) {
      optimizer.step([&] {
        auto loss = nn::cross_entropy(model(x), y);
        loss.backward();
        return loss;
      });
      if (optimizer.gradient_evaluations() >= ${inCpp(state.networkUntil)}) break;
    }
  auto [x, y] = train.all();
  auto [test_x, test_y] = test.all();
  std::printf("%-9s train loss %.6f  test loss %.6f  test accuracy %.4f\\n", name,
              nn::cross_entropy(model(x), y).item(), nn::cross_entropy(model(test_x), test_y).item(),
              nn::accuracy(model(test_x), test_y));
}

int main() {
  auto [train, test] = ${source};
${take}${wrong}${calls.join("\n")}
}
`;
}
