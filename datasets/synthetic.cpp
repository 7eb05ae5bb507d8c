// SPDX-License-Identifier: MIT
#include <cmath>

#include "core/random.h"
#include "datasets/sources.h"

namespace minima::datasets {
namespace {
constexpr double pi = 3.14159265358979323846;

struct Point {
  double x, y;
};

/// n samples, classes taking turns: place(c, t) is a point of class c for t uniform in [0, 1), and normal noise is
/// added.
template <class Place>
Dataset scatter(int64_t n, int64_t classes, double noise, Generator generator, Place&& place) {
  const std::vector<double> t = generator.uniform({n}, 0, 1, DType::float64).to_vector<double>();
  const std::vector<double> shift = generator.normal({2 * n}, 0, 1, DType::float64).to_vector<double>();
  std::vector<float> values;
  std::vector<int32_t> labels;
  for (size_t i = 0; i < t.size(); ++i) {
    const int32_t label = static_cast<int32_t>(static_cast<int64_t>(i) % classes);
    const Point point = place(label, t[i]);
    values.push_back(static_cast<float>(point.x + noise * shift[2 * i]));
    values.push_back(static_cast<float>(point.y + noise * shift[2 * i + 1]));
    labels.push_back(label);
  }
  std::vector<std::string> names;
  for (int64_t c = 0; c < classes; ++c) names.push_back(std::to_string(c));
  return Dataset::from_values(std::move(values), {2}, std::move(labels), std::move(names));
}

/// Two parts from far-apart places of one random stream, so that neither depends on the other's size.
template <class Place>
Split both_parts(const char* where, const SyntheticOptions& options, int64_t classes, double default_noise,
                 Place&& place) {
  if (options.train < 1 || options.test < 1)
    fail(where, text(options.train, " training and ", options.test, " test samples"), "at least 1 of each");
  if (classes < 2 || classes > 1000) fail(where, text(classes, " classes"), "2 to 1000");
  if (!std::isfinite(options.noise)) fail(where, text("noise ", options.noise), "a finite number");
  const double noise = options.noise < 0 ? default_noise : options.noise;
  return {scatter(options.train, classes, noise, Generator{options.seed, 0}, place),
          scatter(options.test, classes, noise, Generator{options.seed, uint64_t{1} << 40}, place)};
}
}  // namespace

Split two_moons(const SyntheticOptions& options) {
  return both_parts("two_moons", options, 2, 0.15, [](int32_t label, double t) {
    const double angle = pi * t;
    return label == 0 ? Point{std::cos(angle), std::sin(angle)} : Point{1 - std::cos(angle), 0.5 - std::sin(angle)};
  });
}

Split spirals(const SyntheticOptions& options) {
  return both_parts("spirals", options, options.classes, 0.05, [&](int32_t label, double t) {
    const double angle = 2 * pi * label / static_cast<double>(options.classes) + 1.5 * pi * t;
    const double radius = 0.1 + 0.9 * t;
    return Point{radius * std::cos(angle), radius * std::sin(angle)};
  });
}

Split blobs(const SyntheticOptions& options) {
  return both_parts("blobs", options, options.classes, 0.6, [&](int32_t label, double) {
    const double angle = 2 * pi * label / static_cast<double>(options.classes);
    return Point{2 * std::cos(angle), 2 * std::sin(angle)};
  });
}

}  // namespace minima::datasets
