// --stats: what a run cost.
#pragma once
#include "tools/ingot-run/generator.h"

namespace ingot {

struct RunReport {
  uint64_t process_start, ready; // clock: main() began; the session was open
  RunTimes times;
  SessionStats session;
  DeviceKind device;
  DeviceFacts facts;
};

// To stderr, as text or as one JSON object.
void print_report(const RunReport &report, bool json);

// Bytes of memory that the process held at its peak.
size_t peak_memory();

} // namespace ingot
