// --profile: every phase of every step as a slice, in the JSON that ui.perfetto.dev reads.
#pragma once
#include "runtime/session/session.h"
#include "tools/cli/output_file.h"

#include <string>

namespace ingot {

class Trace {
public:
  Status open(const std::string &path, const Artifact &artifact);
  void watch(Session *session); // the session was opened with `timed`
  Status commit();

private:
  static void ran(void *self, plan::Space space, const Executor &executor);
  void add(plan::Space space, const Executor &executor);

  OutputFile file_;
  const Artifact *artifact_ = nullptr;
  std::string pending_;
  uint64_t start_ = 0;
  Status status_;
};

} // namespace ingot
