#include "examples/kit/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace minima::examples {

namespace {
size_t terminal_columns() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
}
}  // namespace

std::string clock_time(double seconds) {
  const long whole = std::lround(std::max(0.0, seconds));
  char buffer[32];
  if (whole >= 3600)
    std::snprintf(buffer, sizeof buffer, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
  else
    std::snprintf(buffer, sizeof buffer, "%ld:%02ld", whole / 60, whole % 60);
  return buffer;
}

std::string progress_bar(int64_t done, int64_t total, double seconds_left, const std::string& note) {
  constexpr int width = 24;
  const double fraction = total > 0 ? std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0) : 1;
  const int filled = static_cast<int>(fraction * width);
  std::string bar = "[" + std::string(filled, '=') + (filled < width ? ">" : "") +
                    std::string(std::max(0, width - filled - 1), ' ') + "]";
  char percent[16];
  std::snprintf(percent, sizeof percent, " %3d%%", static_cast<int>(fraction * 100));
  bar += percent;
  if (done < total && std::isfinite(seconds_left)) bar += "  " + clock_time(seconds_left) + " left";
  return note.empty() ? bar : bar + "  " + note;
}

Progress::Progress(int64_t total, int64_t already_done)
    : terminal_(isatty(STDOUT_FILENO) != 0), total_(total), already_done_(already_done) {}

void Progress::update(int64_t done, const std::string& note) {
  const auto now = Clock::now();
  if (!terminal_ || now - last_draw_ < std::chrono::milliseconds(100)) return;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double seconds_left = seconds * static_cast<double>(total_ - done) / static_cast<double>(done - already_done_);
  std::printf("\r\033[K%s", progress_bar(done, total_, seconds_left, note).substr(0, terminal_columns() - 1).c_str());
  std::fflush(stdout);
  last_draw_ = now;
  drawn_ = true;
}

void Progress::line(const std::string& text) {
  clear();
  std::printf("%s\n", text.c_str());
  std::fflush(stdout);
  last_line_ = Clock::now();
}

void Progress::plain_line(const std::string& text) {
  if (!terminal_ && Clock::now() - last_line_ >= std::chrono::seconds(5)) line(text);
}

void Progress::clear() {
  if (drawn_) std::fputs("\r\033[K", stdout), std::fflush(stdout);
  drawn_ = false;
}

}  // namespace minima::examples
