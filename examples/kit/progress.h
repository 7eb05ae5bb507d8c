// Progress of a long computation: on a terminal a bar with the time left, redrawn in place; elsewhere plain lines.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace minima::examples {

/// "[=====>    ]  52%  0:14 left  sgd seed 1  loss 0.031" for `done` of `total`; the time is left out when not finite.
std::string progress_bar(int64_t done, int64_t total, double seconds_left, const std::string& note);

/// 75 -> "1:15"
std::string clock_time(double seconds);

class Progress {
 public:
  /// `total` work units; the time left assumes that they all cost the same. `already_done` were done by an earlier,
  /// interrupted process and say nothing about speed.
  explicit Progress(int64_t total, int64_t already_done = 0);
  ~Progress() { clear(); }

  /// Redraws the bar a few times a second; without a terminal prints nothing.
  void update(int64_t done, const std::string& note);
  /// A line that stays. On a terminal the bar moves below it.
  void line(const std::string& text);
  /// A line for those without a bar: printed if there is no terminal and the last line is some seconds old.
  void plain_line(const std::string& text);
  /// Takes the bar off the screen.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  bool terminal_;
  bool drawn_ = false;
  int64_t total_, already_done_;
  Clock::time_point start_ = Clock::now(), last_draw_{}, last_line_ = start_;
};

}  // namespace minima::examples
