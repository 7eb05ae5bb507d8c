// SPDX-License-Identifier: MIT
#include "datasets/dataset.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "core/host_device.h"
#include "core/ops.h"
#include "core/parallel.h"
#include "core/random.h"
#include "datasets/draws.h"

namespace minima::datasets {

/// What was loaded. Shared by all views, never changed.
struct Dataset::Samples {
  std::vector<uint8_t> pixels;  // one of these two is empty
  std::vector<float> values;
  Shape input{0};
  std::vector<int32_t> labels;  // of classes; 0 where quantities are predicted
  std::vector<std::string> class_names;
  std::vector<float> targets{};  // quantities
};

/// One way of looking at the samples.
struct Dataset::View {
  std::shared_ptr<const Samples> samples;
  std::vector<int64_t> rows;     // position -> sample
  std::vector<int32_t> labels;   // position -> label, noise included
  std::vector<int64_t> groups;   // position -> group; empty: not grouped
  std::vector<double> times;     // position -> time; empty: not timed
  double scale = 1, offset = 0;  // stored value v -> v * scale + offset
  bool flip = false;
  int shift = 0, cutout = 0;
  uint64_t flip_seed = 0, shift_seed = 0, cutout_seed = 0;

  void gather_row(int64_t sample, int64_t epoch, float* out) const;
  /// Asks for the sample's memory, so that it is in the cache when gather_row comes to it.
  void prefetch_row(int64_t sample) const;
};

namespace {
/// Random words for one sample in one epoch; the top bit keeps them apart from the streams of a Generator. Flips and
/// shifts, which share a draw, take other words of it than each other.
enum class Purpose : uint64_t { flip_and_shift = 0, cutout = uint64_t{1} << 62 };
core::PhiloxBlock draw(uint64_t seed, int64_t sample, int64_t epoch, Purpose purpose = Purpose::flip_and_shift) {
  const uint64_t high = uint64_t{1} << 63 | static_cast<uint64_t>(purpose) | static_cast<uint64_t>(epoch);
  return core::philox(seed, static_cast<uint64_t>(sample), high);
}

/// A random integer in [0, bound) from 32 random bits.
int scaled(uint32_t bits, int bound) { return static_cast<int>(uint64_t{bits} * static_cast<uint64_t>(bound) >> 32); }

template <class Stored>
MINIMA_VECTOR_LOOP void copy_scaled(const Stored* in, int64_t count, float scale, float offset, float* out) {
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(in[i]) * scale + offset;
}

/// out(y, x) = in(y + down, x + right), mirrored if asked; 0 where that lies outside.
template <class Stored>
void copy_moved(const Stored* in, const Shape& image, int down, int right, bool mirror, Stored* out) {
  const int64_t height = image[0], width = image[1], channels = image[2], line = width * channels;
  const int64_t begin = std::max<int64_t>(0, -right), end = std::min<int64_t>(width, width - right);
  for (int64_t y = 0; y < height; ++y, out += line) {
    std::fill(out, out + line, Stored{0});
    const int64_t from_y = y + down;
    if (from_y < 0 || from_y >= height) continue;
    const Stored* from = in + from_y * line;
    std::copy(from + (begin + right) * channels, from + (end + right) * channels, out + begin * channels);
    if (mirror)
      for (int64_t x = 0; x < width / 2; ++x)
        std::swap_ranges(out + x * channels, out + (x + 1) * channels, out + (width - 1 - x) * channels);
  }
}

/// Zeros in rows and columns [top, top + pixels) and [left, left + pixels), as far as they are in the image.
void clear_square(const Shape& image, int64_t top, int64_t left, int64_t pixels, float* out) {
  const int64_t height = image[0], width = image[1], channels = image[2];
  const int64_t begin = std::max<int64_t>(0, left), end = std::min(width, left + pixels);
  for (int64_t y = std::max<int64_t>(0, top); y < std::min(height, top + pixels); ++y)
    std::fill(out + (y * width + begin) * channels, out + (y * width + end) * channels, 0.0F);
}
}  // namespace

std::vector<int64_t> detail::counting(int64_t begin, int64_t end) {
  std::vector<int64_t> out(static_cast<size_t>(end - begin));
  std::iota(out.begin(), out.end(), begin);
  return out;
}

void Dataset::View::gather_row(int64_t sample, int64_t epoch, float* out) const {
  const int64_t count = samples->input.numel();
  const auto copy = [&]<class Stored>(const std::vector<Stored>& stored) {
    const Stored* in = stored.data() + sample * count;
    thread_local std::vector<Stored> moved;
    if (flip || shift > 0) {
      const bool mirror = flip && (draw(flip_seed, sample, epoch).words[0] >> 31) != 0;
      const core::PhiloxBlock random = draw(shift_seed, sample, epoch);
      const int down = scaled(random.words[1], 2 * shift + 1) - shift;
      const int right = scaled(random.words[2], 2 * shift + 1) - shift;
      moved.resize(static_cast<size_t>(count));
      copy_moved(in, samples->input, down, right, mirror, moved.data());
      in = moved.data();
    }
    copy_scaled(in, count, static_cast<float>(scale), static_cast<float>(offset), out);
  };
  samples->pixels.empty() ? copy(samples->values) : copy(samples->pixels);
  if (cutout > 0) {
    const core::PhiloxBlock random = draw(cutout_seed, sample, epoch, Purpose::cutout);
    const int64_t row = scaled(random.words[0], static_cast<int>(samples->input[0]));
    const int64_t column = scaled(random.words[1], static_cast<int>(samples->input[1]));
    clear_square(samples->input, row - cutout / 2, column - cutout / 2, cutout, out);
  }
}

void Dataset::View::prefetch_row(int64_t sample) const {
  constexpr int64_t cache_line = 64, most = 4096;  // the processor itself reads on from there
  const auto prefetch = [&](const auto& stored) {
    const int64_t each = samples->input.numel() * static_cast<int64_t>(sizeof(stored[0]));
    const char* bytes = reinterpret_cast<const char*>(stored.data()) + sample * each;
    for (int64_t at = 0; at < std::min(each, most); at += cache_line) __builtin_prefetch(bytes + at);
  };
  samples->pixels.empty() ? prefetch(samples->values) : prefetch(samples->pixels);
}

Dataset::Dataset() {
  auto view = std::make_shared<View>();
  view->samples = std::make_shared<Samples>();
  view_ = std::move(view);
}

Dataset::Dataset(std::shared_ptr<const View> view) : view_(std::move(view)) {}

Dataset Dataset::from_samples(const char* where, Samples samples, double scale) {
  const std::vector<int32_t>& labels = samples.labels;
  const size_t stored = std::max(samples.pixels.size(), samples.values.size()), classes = samples.class_names.size();
  const int64_t each = samples.input.numel();
  if (each < 1) fail(where, text("samples of shape ", samples.input), "at least one value in each");
  if (stored != labels.size() * static_cast<size_t>(each))
    fail(where, text(stored, " values for ", labels.size(), " labels"),
         text(labels.size() * static_cast<size_t>(each), ", as samples have shape ", samples.input));
  for (size_t i = 0; i < labels.size(); ++i)
    if (samples.targets.empty() && (labels[i] < 0 || static_cast<size_t>(labels[i]) >= classes))
      fail(where, text("label ", labels[i], " at position ", i), text("0 to ", int64_t(classes) - 1),
           text("There are ", classes, " class names."));
  auto view = std::make_shared<View>();
  view->rows = detail::counting(0, static_cast<int64_t>(labels.size()));
  view->labels = labels;
  view->scale = scale;
  view->samples = std::make_shared<Samples>(std::move(samples));
  return Dataset(std::move(view));
}

Dataset Dataset::from_pixels(std::vector<uint8_t> pixels, const Shape& image, int white, std::vector<int32_t> labels,
                             std::vector<std::string> class_names) {
  if (image.rank() != 3) fail("Dataset::from_pixels", text("images of shape ", image), "(height, width, channels)");
  if (white < 1 || white > 255) fail("Dataset::from_pixels", text("white = ", white), "1 to 255");
  return from_samples("Dataset::from_pixels", {std::move(pixels), {}, image, std::move(labels), std::move(class_names)},
                      1.0 / white);
}

Dataset Dataset::from_values(std::vector<float> values, const Shape& input, std::vector<int32_t> labels,
                             std::vector<std::string> class_names) {
  return from_samples("Dataset::from_values", {{}, std::move(values), input, std::move(labels), std::move(class_names)},
                      1);
}

Dataset Dataset::from_targets(std::vector<float> values, const Shape& input, std::vector<float> targets) {
  std::vector<int32_t> labels(targets.size());
  for (size_t i = 0; i < targets.size(); ++i)
    if (!std::isfinite(targets[i]))
      fail("Dataset::from_targets", text("target ", targets[i], " at position ", i), "finite numbers");
  return from_samples("Dataset::from_targets",
                      {{}, std::move(values), input, std::move(labels), {}, std::move(targets)}, 1);
}

int64_t Dataset::size() const { return static_cast<int64_t>(view_->rows.size()); }
const Shape& Dataset::input_shape() const { return view_->samples->input; }
int64_t Dataset::classes() const { return static_cast<int64_t>(class_names().size()); }
const std::vector<std::string>& Dataset::class_names() const { return view_->samples->class_names; }

bool Dataset::has_targets() const { return !view_->samples->targets.empty(); }

std::vector<float> Dataset::targets() const {
  std::vector<float> out;
  if (has_targets())
    for (const int64_t row : view_->rows) out.push_back(view_->samples->targets[static_cast<size_t>(row)]);
  return out;
}

std::vector<int64_t> Dataset::labels() const {
  if (has_targets()) return {};
  return {view_->labels.begin(), view_->labels.end()};
}

bool Dataset::is_random() const { return view_->flip || view_->shift > 0 || view_->cutout > 0; }

std::vector<int64_t> Dataset::true_labels() const {
  std::vector<int64_t> out;
  if (has_targets()) return out;
  for (const int64_t row : view_->rows) out.push_back(view_->samples->labels[static_cast<size_t>(row)]);
  return out;
}

Batch Dataset::batch(std::span<const int64_t> indices, int64_t epoch) const {
  for (const int64_t index : indices)
    if (index < 0 || index >= size())
      fail("Dataset::batch", text("index ", index),
           size() == 0 ? "data, but there are none" : text("0 to ", size() - 1));
  const Shape& input = input_shape();
  const int64_t count = static_cast<int64_t>(indices.size()), row_size = input.numel();
  Shape shape{count};
  for (const int64_t extent : input) shape.push_back(extent);
  const std::vector<float>& targets = view_->samples->targets;
  Batch batch{Tensor::empty(shape), Tensor::empty({count}, has_targets() ? DType::float32 : DType::int64)};
  float* x = batch.x.mutable_data<float>();
  float* quantities = has_targets() ? batch.y.mutable_data<float>() : nullptr;
  int64_t* labels = has_targets() ? nullptr : batch.y.mutable_data<int64_t>();
  constexpr int64_t elements_per_chunk = 8192, ahead = 8;  // samples lie anywhere: their memory is asked for early
  core::parallel_for(count, std::max<int64_t>(1, elements_per_chunk / std::max<int64_t>(1, row_size)),
                     [&](int64_t begin, int64_t end) {
                       const auto position_of = [&](int64_t i) {
                         return static_cast<size_t>(indices[static_cast<size_t>(i)]);
                       };
                       for (int64_t i = begin; i < std::min(begin + ahead, end); ++i)
                         view_->prefetch_row(view_->rows[position_of(i)]);
                       for (int64_t i = begin; i < end; ++i) {
                         const size_t position = position_of(i);
                         const int64_t row = view_->rows[position];
                         if (i + ahead < end) view_->prefetch_row(view_->rows[position_of(i + ahead)]);
                         view_->gather_row(row, epoch, x + i * row_size);
                         if (labels) labels[i] = view_->labels[position];
                         if (quantities) quantities[i] = targets[static_cast<size_t>(row)];
                       }
                     });
  return batch;
}

Batch Dataset::all() const { return batch(detail::counting(0, size())); }

Dataset Dataset::subset(const std::vector<int64_t>& indices) const {
  auto view = std::make_shared<View>(*view_);
  view->rows.clear();
  view->labels.clear(), view->groups.clear(), view->times.clear();
  for (const int64_t index : indices) {
    if (index < 0 || index >= size()) fail("Dataset::subset", text("index ", index), text("0 to ", size() - 1));
    view->rows.push_back(view_->rows[static_cast<size_t>(index)]);
    view->labels.push_back(view_->labels[static_cast<size_t>(index)]);
    if (!view_->groups.empty()) view->groups.push_back(view_->groups[static_cast<size_t>(index)]);
    if (!view_->times.empty()) view->times.push_back(view_->times[static_cast<size_t>(index)]);
  }
  return Dataset(std::move(view));
}

Dataset Dataset::take(int64_t n) const {
  if (n < 1 || n > size()) fail("Dataset::take", text(n, " samples"), text("1 to ", size(), ", as many as there are"));
  return subset(detail::counting(0, n));
}

namespace {
void check_fraction(const std::string& where, double fraction) {
  if (!(fraction > 0 && fraction < 1)) fail(where, text("test fraction ", fraction), "a number between 0 and 1");
}
}  // namespace

detail::Positions detail::split_positions(const std::string& where, const std::vector<int32_t>& labels,
                                          const std::vector<std::string>& class_names, double fraction, uint64_t seed) {
  check_fraction(where, fraction);
  std::vector<int64_t> for_test(class_names.size());
  for (const int32_t label : labels) ++for_test[static_cast<size_t>(label)];
  for (int64_t& count : for_test)
    count = count < 2 ? 0 : std::clamp<int64_t>(std::llround(fraction * static_cast<double>(count)), 1, count - 1);
  if (std::all_of(for_test.begin(), for_test.end(), [](int64_t count) { return count == 0; }))
    fail(where, text(labels.size(), labels.size() == 1 ? " sample" : " samples, none of a class like another's"),
         "a class with at least 2, one to train and one to test");
  Generator generator{seed, 0};
  Positions out;
  for (const int64_t position : generator.permutation(static_cast<int64_t>(labels.size()))) {
    int64_t& wanted = for_test[static_cast<size_t>(labels[static_cast<size_t>(position)])];
    (wanted > 0 ? out.test : out.train).push_back(position);
    if (wanted > 0) --wanted;
  }
  return out;
}

detail::Positions detail::split_by_time(const std::string& where, const std::vector<double>& times, double fraction) {
  check_fraction(where, fraction);
  std::vector<std::pair<double, int64_t>> order;
  for (const double time : times) order.emplace_back(time, std::ssize(order));
  std::sort(order.begin(), order.end());
  auto cut = order.begin() + std::llround((1 - fraction) * static_cast<double>(order.size()));
  while (cut != order.begin() && cut != order.end() && cut->first == std::prev(cut)->first) --cut;
  if (cut == order.begin() || cut == order.end())
    fail(where, "times of which none is later than the others", "later rows to test on",
         "Tuning holds out the latest of the training rows, too: they need two times.");
  Positions out;
  for (auto at = order.begin(); at != order.end(); ++at) (at < cut ? out.train : out.test).push_back(at->second);
  return out;
}

detail::Positions detail::split_by_group(const std::string& where, const std::vector<int64_t>& groups, double fraction,
                                         uint64_t seed) {
  check_fraction(where, fraction);
  std::map<int64_t, std::vector<int64_t>> rows_of;
  for (size_t row = 0; row < groups.size(); ++row) rows_of[groups[row]].push_back(static_cast<int64_t>(row));
  if (rows_of.size() < 2)
    fail(where, "one group only", "at least two, to train and to test",
         "Tuning holds out groups of the training rows, too: it needs three in all.");
  std::vector<const std::vector<int64_t>*> order;
  for (const auto& [group, rows] : rows_of) order.push_back(&rows);
  Positions out;
  Generator generator{seed, 0};
  const double wanted = fraction * static_cast<double>(groups.size());
  size_t left = order.size();
  const std::vector<int64_t>* smallest = nullptr;
  for (const int64_t position : generator.permutation(static_cast<int64_t>(order.size()))) {
    const std::vector<int64_t>& rows = *order[static_cast<size_t>(position)];
    if (!smallest || rows.size() < smallest->size()) smallest = &rows;
    // A group that would overshoot by more than it helps trains; the last one must, if none has trained yet.
    const auto without = static_cast<double>(out.test.size()), with = without + static_cast<double>(rows.size());
    const bool test = with - wanted <= wanted - without && !(left == 1 && out.train.empty());
    auto& to = test ? out.test : out.train;
    to.insert(to.end(), rows.begin(), rows.end());
    --left;
  }
  if (out.test.empty()) {  // each group alone overshoots
    out.test = *smallest;
    const int64_t group = groups[static_cast<size_t>(smallest->front())];
    std::erase_if(out.train, [&](int64_t row) { return groups[static_cast<size_t>(row)] == group; });
  }
  for (auto* part : {&out.train, &out.test}) std::sort(part->begin(), part->end());
  return out;
}

Dataset Dataset::grouped(std::vector<int64_t> groups) const {
  if (std::ssize(groups) != size())
    fail("Dataset::grouped", text(groups.size(), " groups"), text(size(), ", one for each sample"));
  auto view = std::make_shared<View>(*view_);
  view->groups = std::move(groups), view->times.clear();
  return Dataset(std::move(view));
}

Dataset Dataset::timed(std::vector<double> times) const {
  if (std::ssize(times) != size())
    fail("Dataset::timed", text(times.size(), " times"), text(size(), ", one for each sample"));
  for (const double time : times)
    if (!std::isfinite(time)) fail("Dataset::timed", text("time ", time), "finite numbers");
  auto view = std::make_shared<View>(*view_);
  view->times = std::move(times), view->groups.clear();
  return Dataset(std::move(view));
}

const std::vector<int64_t>& Dataset::groups() const { return view_->groups; }

Split Dataset::split(double fraction, uint64_t seed) const {
  const std::string where = "Dataset::split";
  const std::vector<std::string> names = has_targets() ? std::vector<std::string>{"any"} : class_names();
  const auto positions = !view_->groups.empty()  ? detail::split_by_group(where, view_->groups, fraction, seed)
                         : !view_->times.empty() ? detail::split_by_time(where, view_->times, fraction)
                                                 : detail::split_positions(where, view_->labels, names, fraction, seed);
  return {subset(positions.train), subset(positions.test)};
}

Split Dataset::split_at(int64_t train) const { return {take(train), subset(detail::counting(train, size()))}; }

void detail::note_classes(const Split& split, std::vector<std::string>& notes) {
  const auto without = [&](const Dataset& part) {
    std::vector<bool> has(static_cast<size_t>(part.classes()));
    for (const int64_t label : part.labels()) has[static_cast<size_t>(label)] = true;
    std::vector<std::string> names;
    for (size_t c = 0; c < has.size(); ++c)
      if (!has[c]) names.push_back(names.size() == 5 ? "..." : '"' + part.class_names()[c] + '"');
    if (names.size() > 6) names.resize(6);
    return joined(names);
  };
  if (const std::string names = without(split.train); !names.empty())
    notes.push_back("No training sample is of class " + names + ": the model cannot predict it.");
  if (const std::string names = without(split.test); !names.empty())
    notes.push_back("No test sample is of class " + names + ": how well it is predicted is not measured.");
}

Dataset Dataset::normalise(double mean, double deviation) const {
  if (!std::isfinite(mean) || !(deviation > 0) || !std::isfinite(deviation))
    fail("Dataset::normalise", text("mean ", mean, " and deviation ", deviation), "finite numbers, deviation > 0");
  auto view = std::make_shared<View>(*view_);
  view->scale /= deviation;
  view->offset = (view->offset - mean) / deviation;
  return Dataset(std::move(view));
}

Dataset Dataset::random_flip(uint64_t seed) const {
  if (input_shape().rank() != 3) fail("Dataset::random_flip", text("samples of shape ", input_shape()), "images");
  auto view = std::make_shared<View>(*view_);
  view->flip = true;
  view->flip_seed = seed;
  return Dataset(std::move(view));
}

Dataset Dataset::random_shift(int pixels, uint64_t seed) const {
  if (input_shape().rank() != 3) fail("Dataset::random_shift", text("samples of shape ", input_shape()), "images");
  const int64_t most = std::min(input_shape()[0], input_shape()[1]);
  if (pixels < 0 || pixels >= most)
    fail("Dataset::random_shift", text(pixels, " pixels"), text("0 to ", most - 1),
         "A larger shift could leave nothing.");
  auto view = std::make_shared<View>(*view_);
  view->shift = pixels;
  view->shift_seed = seed;
  return Dataset(std::move(view));
}

Dataset Dataset::cutout(int pixels, uint64_t seed) const {
  if (input_shape().rank() != 3) fail("Dataset::cutout", text("samples of shape ", input_shape()), "images");
  const int64_t most = std::min(input_shape()[0], input_shape()[1]);
  if (pixels < 0 || pixels >= most)
    fail("Dataset::cutout", text(pixels, " pixels"), text("0 to ", most - 1), "A larger square could leave nothing.");
  auto view = std::make_shared<View>(*view_);
  view->cutout = pixels;
  view->cutout_seed = seed;
  return Dataset(std::move(view));
}

Dataset Dataset::label_noise(double rate, uint64_t seed) const {
  if (!(rate >= 0 && rate <= 1)) fail("Dataset::label_noise", text("rate ", rate), "a number from 0 to 1");
  if (classes() < 2) fail("Dataset::label_noise", text(classes(), " class"), "at least 2, to have another one");
  auto view = std::make_shared<View>(*view_);
  Generator generator{seed, uint64_t{1} << 62};  // not split's numbers, or a split with the same seed finds the noise
  std::vector<int64_t> order = generator.permutation(size());
  order.resize(static_cast<size_t>(std::llround(rate * static_cast<double>(size()))));
  for (const int64_t position : order) {
    int32_t& label = view->labels[static_cast<size_t>(position)];
    const int32_t step = 1 + static_cast<int32_t>(generator.below(static_cast<uint64_t>(classes() - 1)));
    label = static_cast<int32_t>((label + step) % classes());
  }
  return Dataset(std::move(view));
}

namespace {
/// Beta(alpha, alpha) by Joehnk's method: x / (x + y) with x = u^(1 / alpha) and y = v^(1 / alpha), where x + y is at
/// most 1. It accepts quickly while alpha is at most 1. By logarithms, as both powers may be 0 in floating point.
double draw_beta(double alpha, Generator& generator) {
  constexpr uint64_t levels = uint64_t{1} << 53;
  const auto log_of_uniform = [&] {
    return std::log((static_cast<double>(generator.below(levels)) + 0.5) / static_cast<double>(levels));
  };
  while (true) {
    const double log_u = log_of_uniform(), log_v = log_of_uniform();
    const double log_ratio = (log_v - log_u) / alpha;  // of y to x
    const double log_sum = std::max(log_u, log_v) / alpha + std::log1p(std::exp(-std::abs(log_ratio)));
    if (log_sum <= 0) return 1 / (1 + std::exp(log_ratio));
  }
}
}  // namespace

MixedBatch mixup(const Batch& batch, double alpha, uint64_t seed, int64_t step) {
  if (!(alpha > 0 && alpha <= 1)) fail("mixup", text("alpha ", alpha), "a number above 0 and at most 1");
  Generator generator = detail::stream_of(detail::Drawn::mixup, seed, step);
  const double share = draw_beta(alpha, generator);
  const Tensor others = Tensor::from(generator.permutation(batch.x.size(0))).to(batch.x.device());
  const auto times = [](const Tensor& x, double factor) { return core::unary(core::UnaryOp::affine, x, factor, 0); };
  const Tensor mixed =
      core::binary(core::BinaryOp::add, times(batch.x, share), times(core::gather_rows(batch.x, others), 1 - share));
  return {mixed, batch.y, core::gather_rows(batch.y, others), share};
}

}  // namespace minima::datasets
