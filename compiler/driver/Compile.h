// compile(model, options) -> artifact: the phases of design section 4 in order, with progress, diagnostics and a
// report.
#pragma once
#include "compiler/driver/CompileOptions.h"
#include "compiler/driver/PhaseReport.h"
#include "compiler/import/Diagnostics.h"

namespace ingot {

/// One step of the plan and its floor (design, idea 9).
struct StepReport {
  std::string entry, name;
  uint64_t weightBytes = 0, operationsPerRow = 0;
};

/// What the assembler says of a CUDA kernel on one architecture; only made when a report is asked for.
struct KernelReport {
  std::string kernel;
  uint32_t architecture = 0, registers = 0;
  uint32_t threads = 0, residentBlocks = 0; // of a block; blocks that an SM holds at once
  uint64_t sharedBytes = 0;                 // of a block, static and dynamic
  uint64_t spillBytes = 0, stackBytes = 0;
  bool disassembled = false; // the counts below are there
  uint32_t instructions = 0, loads = 0, wideLoads = 0, asyncCopies = 0, halfMmas = 0, integerMmas = 0;
};

struct CompileResult {
  bool ok = false;
  std::vector<Diagnostic> errors; // every gap of the model, not only the first
  std::vector<std::string> warnings;
  PhaseReport report;
  std::vector<StepReport> steps; // of the first program
  std::vector<KernelReport> kernels;
  uint64_t artifactBytes = 0, weightBytes = 0;
};

/// Never throws; nothing is left behind on failure. With options.check, stops after infer and writes nothing.
CompileResult compileModel(const CompileOptions &options);

} // namespace ingot
