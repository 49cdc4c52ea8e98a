// Generated text on its way to stdout: stop strings are looked for before a byte leaves, and a reader that has gone
// away ends the run quietly.
#pragma once
#include "runtime/base/status.h"

#include <string>
#include <string_view>
#include <vector>

namespace ingot {

// Holds back what may become a stop string.
class StopFilter {
public:
  explicit StopFilter(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  // Adds new text; appends what may be shown to *shown. True when a stop string is complete: the text before it is all.
  bool add(std::string_view text, std::string *shown);
  // What was held back, at the end.
  void flush(std::string *shown);

private:
  std::vector<std::string> stops_;
  std::string held_;
};

// Unbuffered stdout.
class TextOutput {
public:
  // Error: what the system says (a full disk). A closed pipe is no error: closed() is true from then on.
  Status write(std::string_view text);
  bool closed() const { return closed_; }

private:
  bool closed_ = false;
};

} // namespace ingot
