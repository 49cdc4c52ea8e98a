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

/// What the assembler says of a CUDA kernel on one architecture.
struct KernelReport {
  std::string kernel;
  uint32_t architecture = 0, registers = 0;
  uint64_t sharedBytes = 0, spillBytes = 0, stackBytes = 0;
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
