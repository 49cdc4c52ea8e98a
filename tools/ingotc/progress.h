// Shows how far a compilation is: a bar with the time left on a terminal, a line a phase elsewhere. Writes to stderr.
#pragma once
#include <chrono>
#include <string>

namespace ingot {

enum class ProgressStyle { automatic, bar, lines, none };

bool parseProgressStyle(const std::string &text, ProgressStyle &style);

class Progress {
public:
  explicit Progress(ProgressStyle style);
  ~Progress() { clear(); }
  /// `fraction` of the whole work in [0, 1]. Calls may come as often as they like.
  void show(const char *phase, double fraction);
  /// Takes the bar off the terminal, so that other lines can be written.
  void clear();

private:
  using Clock = std::chrono::steady_clock;
  ProgressStyle style;
  std::string lastPhase;
  Clock::time_point started = Clock::now(), drawn{};
  bool onScreen = false;
};

} // namespace ingot
