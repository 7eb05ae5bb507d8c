#include "examples/kit/table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <sstream>

#include "examples/kit/metrics.h"

namespace minima::examples {

namespace {

std::string formatted(const char* format, int digits, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, format, digits, value);
  return buffer;
}

/// A value without a spread: whole numbers in full, others with four digits.
std::string lone_text(double value) {
  const double whole = std::round(value);
  return std::abs(value - whole) < 1e-9 * std::abs(value) ? fixed(whole, 0) : formatted("%.*g", 4, value);
}

/// Decimals that show two significant digits of this size.
int decimals_for(double size) {
  if (!(size > 0)) return 2;
  return std::clamp(1 - static_cast<int>(std::floor(std::log10(size))), 0, 8);
}

/// Characters of UTF-8.
size_t width_of(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace

std::string short_text(double value, int digits) { return formatted("%.*g", digits, value); }
std::string fixed(double value, int decimals) { return formatted("%.*f", decimals, value); }

std::string interval_text(const Interval& interval, double scale) {
  if (interval.count == 0) return "-";
  const double half_width = interval.half_width * scale;
  if (interval.count == 1 || half_width == 0) return lone_text(interval.mean * scale);
  const int decimals = decimals_for(half_width);
  return fixed(interval.mean * scale, decimals) + " +- " + fixed(half_width, decimals);
}

std::string signed_text(const Interval& d, double scale) {
  if (d.count < 2 || d.half_width == 0) return formatted("%+.*g", 3, d.mean * scale);
  return (d.mean * scale < 0 ? "" : "+") + fixed(d.mean * scale, decimals_for(d.half_width * scale));
}

std::string difference_text(const Interval& d, double scale) {
  if (d.count == 0) return "-";
  if (d.count == 1) return signed_text(d, scale);
  if (d.half_width == 0) return signed_text(d, scale) + " (no spread)";
  auto end = [&](double value) { return signed_text({value, d.half_width, d.count}, scale); };
  return signed_text(d, scale) + " [" + end(d.low()) + ", " + end(d.high()) + "]";
}

std::string aligned(const Table& table, bool words) {
  std::vector<size_t> widths;
  for (const auto& row : table)
    for (size_t i = 0; i < row.size(); ++i) {
      if (i == widths.size()) widths.push_back(0);
      widths[i] = std::max(widths[i], width_of(row[i]));
    }
  std::string result;
  for (const auto& row : table) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string space(widths[i] - width_of(row[i]), ' ');
      line += (i == 0 ? row[i] + space : words ? "  " + row[i] + space : "  " + space + row[i]);
    }
    result += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return result;
}

std::string wrapped(const std::string& text, size_t width) {
  std::istringstream lines(text);
  std::string result;
  for (std::string line; std::getline(lines, line);) {
    while (line.size() > width) {
      size_t space = line.rfind(' ', width);
      if (space == std::string::npos) space = line.find(' ');
      if (space == std::string::npos) break;
      result += line.substr(0, space) + "\n";
      line.erase(0, space + 1);
    }
    result += line + "\n";
  }
  if (!result.empty()) result.pop_back();
  return result;
}

}  // namespace minima::examples
