// --profile: every phase of every step as a slice, in the JSON that ui.perfetto.dev reads.
#pragma once
#include "runtime/session/session.h"
#include "tools/cli/output_file.h"

#include <string>

namespace ingot {

class Trace {
public:
  // The session was opened with `timed`.
  Status open(const std::string &path, Session *session);
  Status commit();

private:
  static void ran(void *self, const Device &device);
  void add(const Device &device);

  OutputFile file_;
  const plan::Program *program_ = nullptr; // that runs
  std::string pending_;
  uint64_t start_ = 0;
  Status status_;
};

} // namespace ingot
