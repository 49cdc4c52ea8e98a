// Exit codes of every tool: 0 done, 1 bad input, 2 usage, 3 our own bug, 4 the GPU was lost, 130 interrupted (as shells
// count SIGINT).
#pragma once
#include "runtime/base/status.h"

namespace ingot {

enum ExitCode : int {
  exit_done = 0,
  exit_bad_input = 1,
  exit_usage = 2,
  exit_bug = 3,
  exit_device = 4,
  exit_interrupted = 130
};

inline int exit_code_of(const Status &status) {
  switch (status.code()) {
  case Code::ok:
    return exit_done;
  case Code::cancelled:
    return exit_interrupted;
  case Code::device_lost:
    return exit_device;
  case Code::internal:
  case Code::usage:
    return exit_bug; // a tool that misuses the runtime is our bug, not the user's
  default:
    return exit_bad_input;
  }
}

} // namespace ingot
