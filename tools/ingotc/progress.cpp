#include "tools/ingotc/progress.h"

#include <algorithm>
#include <cstdio>
#include <unistd.h>

using namespace ingot;

bool ingot::parseProgressStyle(const std::string &text, ProgressStyle &style) {
  if (text == "auto")
    style = ProgressStyle::automatic;
  else if (text == "bar")
    style = ProgressStyle::bar;
  else if (text == "lines")
    style = ProgressStyle::lines;
  else if (text == "none")
    style = ProgressStyle::none;
  else
    return false;
  return true;
}

Progress::Progress(ProgressStyle style) : style(style) {
  if (style == ProgressStyle::automatic)
    this->style = isatty(STDERR_FILENO) ? ProgressStyle::bar : ProgressStyle::lines;
}

void Progress::show(const char *phase, double fraction) {
  if (style == ProgressStyle::none) return;
  if (style == ProgressStyle::lines) {
    if (lastPhase != phase) fprintf(stderr, "ingotc: %s\n", phase);
    lastPhase = phase;
    return;
  }
  Clock::time_point now = Clock::now();
  if (now - drawn < std::chrono::milliseconds(100) && lastPhase == phase) return;
  lastPhase = phase;
  drawn = now;
  fraction = std::clamp(fraction, 0.0, 1.0);
  double spent = std::chrono::duration<double>(now - started).count();
  constexpr int kWidth = 30;
  int filled = int(fraction * kWidth);
  fprintf(stderr, "\r\x1b[K%-10s [%.*s%*s] %3.0f %%", phase, filled, "##############################", kWidth - filled,
          "", fraction * 100);
  if (fraction > 0.05) fprintf(stderr, "  %.0f s left", spent / fraction - spent);
  fflush(stderr);
  onScreen = true;
}

void Progress::clear() {
  if (onScreen) fputs("\r\x1b[K", stderr);
  onScreen = false;
}
