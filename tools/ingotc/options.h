// ingotc's command line (design section 11) as CompileOptions.
#pragma once
#include "compiler/driver/CompileOptions.h"
#include "tools/ingotc/progress.h"

namespace ingot {

struct IngotcOptions {
  CompileOptions compile;
  bool json = false; // with --check
  bool time = false;
  ProgressStyle progress = ProgressStyle::automatic;
};

/// Fills `options`. Returns -1 to go on, else the exit code (--help, --version and usage errors are printed here).
int parseOptions(int argc, char **argv, IngotcOptions &options);

} // namespace ingot
