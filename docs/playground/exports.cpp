// What the page can call. Numbers go over one array of float64 that both sides see (shared(n) makes it so long); texts
// are UTF-8. A call that fails returns a negative number, and last_error() says why in minima's words.
// Not here: any decision; the page's own state (state.js).
#include <emscripten/emscripten.h>

#include <map>
#include <optional>

#include "docs/playground/formula.h"
#include "docs/playground/trainee.h"
#include "docs/playground/walker.h"

using namespace minima;
using namespace minima::playground;

namespace {

std::vector<double> numbers;
std::string error, answer;

SurfaceChoice choice;
std::optional<Surface> surface;
std::map<int, Walker> walkers;

std::optional<datasets::Split> data;
std::optional<datasets::Batch> train, test, sample;  // sample: for the curvature
std::map<int, Trainee> trainees;
int handles = 0;

/// Runs it; -1 if it throws.
template <class F>
int guarded(F&& f) {
  try {
    return f();
  } catch (const std::exception& problem) {
    error = problem.what();
    return -1;
  }
}

std::vector<double> taken(size_t from, size_t count) {
  return {numbers.begin() + static_cast<ptrdiff_t>(from), numbers.begin() + static_cast<ptrdiff_t>(from + count)};
}

Settings walker_settings() {
  return {.lr = numbers[0], .momentum = numbers[1], .rho = numbers[2], .weight_decay = numbers[3], .noise = numbers[4]};
}
TrainingSettings training_settings() {
  return {.lr = numbers[0], .momentum = numbers[1], .rho = numbers[2], .weight_decay = numbers[3]};
}

int data_is(datasets::Split split) {
  trainees.clear();
  data = std::move(split);
  train = data->train.all(), test = data->test.all(), sample = some_of(data->train, 256);
  return static_cast<int>(data->train.input_shape().numel());
}

}  // namespace

extern "C" {

EMSCRIPTEN_KEEPALIVE const char* last_error() { return error.c_str(); }
/// Where the shared numbers are, at least `count` of them.
EMSCRIPTEN_KEEPALIVE double* shared(int count) {
  if (numbers.size() < static_cast<size_t>(count)) numbers.resize(static_cast<size_t>(count));
  return numbers.data();
}

// ---- surfaces

/// Chooses the surface; walkers on the one before go. Answers start, frame (low and high of w1, of w2), its gradient
/// descent's lr.
EMSCRIPTEN_KEEPALIVE int choose_surface(const char* name, double condition, double degrees, const char* formula) {
  return guarded([&] {
    SurfaceChoice wanted{.name = name, .condition = condition, .degrees = degrees, .formula = formula};
    Surface made = surface_of(wanted);
    losses(made, {made.start_x}, {made.start_y});
    walkers.clear();
    choice = std::move(wanted), surface = std::move(made);
    shared(7);
    const Surface& s = *surface;
    numbers = {s.start_x, s.start_y, s.x.low, s.x.high, s.y.low, s.y.high, s.lr};
    return 0;
  });
}

/// The formula as C++.
EMSCRIPTEN_KEEPALIVE const char* formula_in_cpp(const char* formula) {
  answer.clear();
  guarded([&] { return answer = Formula(formula).cpp(), 0; });
  return answer.c_str();
}

/// Takes `count` points, all w1 and then all w2; gives their losses and then, if asked for, their largest eigenvalues.
EMSCRIPTEN_KEEPALIVE int heights_at(int count, int with_curvature) {
  return guarded([&] {
    const size_t n = static_cast<size_t>(count);
    const std::vector<double> w1 = taken(0, n), w2 = taken(n, n);
    Heights at;
    if (with_curvature)
      at = heights(surface.value(), w1, w2);
    else
      at.loss = losses(surface.value(), w1, w2);
    std::copy(at.loss.begin(), at.loss.end(), numbers.begin());
    std::copy(at.curvature.begin(), at.curvature.end(), numbers.begin() + count);
    return 0;
  });
}

/// The settings are the first five numbers: lr, momentum, rho, weight decay, noise. Returns the walker's handle.
EMSCRIPTEN_KEEPALIVE int new_walker(const char* optimizer, double w1, double w2, double seed) {
  return guarded([&] {
    walkers.emplace(++handles, Walker(optimizer, surface.value(), has_noisy_label(choice), w1, w2, walker_settings(),
                                      static_cast<uint64_t>(seed)));
    return handles;
  });
}
EMSCRIPTEN_KEEPALIVE int change_walker(int handle) {
  return guarded([&] { return walkers.at(handle).change(walker_settings()), 0; });
}
EMSCRIPTEN_KEEPALIVE void delete_walker(int handle) { walkers.erase(handle); }
/// Gives eight numbers a step (struct Step), and after them the weights. Returns the steps made: fewer where something
/// is no longer finite.
EMSCRIPTEN_KEEPALIVE int walk(int handle, int steps) {
  return guarded([&] {
    Walker& walker = walkers.at(handle);
    double* to = shared(8 * steps + 2);
    int made = 0;
    for (; made < steps && std::isfinite(walker.w1() + walker.w2()); ++made) {
      const Step s = walker.step();
      for (double value : {s.w1, s.w2, s.at_w1, s.at_w2, s.g1, s.g2, s.v1, s.v2}) *to++ = value;
    }
    *to++ = walker.w1(), *to++ = walker.w2();
    return made;
  });
}

// ---- networks

/// Returns the number of features; networks on the data before go.
EMSCRIPTEN_KEEPALIVE int choose_data(const char* name, int samples, double noise, double label_noise, double seed) {
  return guarded([&] { return data_is(split_of({name, samples, noise, label_noise, static_cast<uint64_t>(seed)})); });
}
/// Takes the values row by row and then the labels.
EMSCRIPTEN_KEEPALIVE int choose_table(int samples, int features, int classes, double label_noise, double seed) {
  return guarded([&] {
    const size_t values = static_cast<size_t>(samples) * static_cast<size_t>(features);
    std::vector<int32_t> labels;
    for (double label : taken(values, static_cast<size_t>(samples))) labels.push_back(static_cast<int32_t>(label));
    return data_is(
        split_of_table(taken(0, values), labels, features, classes, label_noise, static_cast<uint64_t>(seed)));
  });
}
/// Gives the samples of the training (0) or test part (1): features, label, label before any label noise. Returns how
/// many.
EMSCRIPTEN_KEEPALIVE int samples_of(int part) {
  return guarded([&] {
    const datasets::Dataset& from = part == 0 ? data->train : data->test;
    const std::vector<float> x = (part == 0 ? train : test)->x.to_vector<float>();
    const std::vector<int64_t> labels = from.labels(), right = from.true_labels();
    const size_t width = x.size() / labels.size();
    double* to = shared(static_cast<int>(labels.size() * (width + 2)));
    for (size_t i = 0; i < labels.size(); ++i) {
      to = std::copy_n(x.begin() + static_cast<ptrdiff_t>(i * width), width, to);
      *to++ = static_cast<double>(labels[i]), *to++ = static_cast<double>(right[i]);
    }
    return static_cast<int>(labels.size());
  });
}
EMSCRIPTEN_KEEPALIVE int classes() { return static_cast<int>(data->train.classes()); }

/// The settings are the first four numbers: lr, momentum, rho, weight decay. A width of 0 is no layer.
EMSCRIPTEN_KEEPALIVE int new_trainee(const char* optimizer, int width1, int width2, int batch, double seed) {
  return guarded([&] {
    std::vector<int64_t> hidden;
    for (int width : {width1, width2})
      if (width > 0) hidden.push_back(width);
    trainees.emplace(++handles, Trainee(optimizer, data.value().train, hidden, batch, training_settings(),
                                        static_cast<uint64_t>(seed)));
    return handles;
  });
}
EMSCRIPTEN_KEEPALIVE int change_trainee(int handle) {
  return guarded([&] { return trainees.at(handle).change(training_settings()), 0; });
}
EMSCRIPTEN_KEEPALIVE void delete_trainee(int handle) { trainees.erase(handle); }
/// Returns the gradients taken since the beginning.
EMSCRIPTEN_KEEPALIVE int train_on(int handle, int steps) {
  return guarded([&] {
    Trainee& trainee = trainees.at(handle);
    for (int i = 0; i < steps; ++i)
      if (!std::isfinite(trainee.step())) fail("training", "a loss that is not finite", "a smaller lr");
    return static_cast<int>(trainee.gradients());
  });
}
/// Gives loss and accuracy on the training and the test part, and the largest eigenvalue if asked for.
EMSCRIPTEN_KEEPALIVE int measure(int handle, int with_eigenvalue) {
  return guarded([&] {
    Trainee& trainee = trainees.at(handle);
    const Evaluation on_train = trainee.evaluate(*train), on_test = trainee.evaluate(*test);
    shared(5);
    numbers[0] = on_train.loss, numbers[1] = on_train.accuracy, numbers[2] = on_test.loss,
    numbers[3] = on_test.accuracy;
    numbers[4] = with_eigenvalue ? trainee.largest_eigenvalue(*sample) : NAN;
    return 0;
  });
}
/// Takes `count` points of `features` numbers each; gives the classes' probabilities, point by point.
EMSCRIPTEN_KEEPALIVE int probabilities(int handle, int count, int features) {
  return guarded([&] {
    std::vector<float> x(numbers.begin(), numbers.begin() + static_cast<ptrdiff_t>(count) * features);
    // images go in as images
    const Shape& one = data->train.input_shape();
    const Tensor points =
        one.rank() == 3 ? Tensor::from(x, {count, one[0], one[1], one[2]}) : Tensor::from(x, {count, features});
    const std::vector<float> p = trainees.at(handle).probabilities(points);
    std::copy(p.begin(), p.end(), shared(static_cast<int>(p.size())));
    return 0;
  });
}
}
