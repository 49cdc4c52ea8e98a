// plan dialect -> the FlatBuffer's object form. The only place that knows both.
#pragma once
#include "compiler/target/CpuTarget.h"
#include "compiler/tokenize/tokenize.h"
#include "mlir/IR/BuiltinOps.h"
#include "runtime/format/plan_generated.h"

namespace ingot {

struct CompiledCode {
  cpu::CpuLevel level;
  cpu::CodeBlob blob;
};

/// What the plan says about the model that is not in the IR.
struct PlanFacts {
  std::string name, compiler, weightFormat, activationFormat = "f32";
  uint32_t vocabSize = 0, hiddenSize = 0;
  std::vector<std::string> licences;
  GenerationFacts generation;
  uint64_t pageTokens = 0;
  uint32_t queryTileRows = 0;
  bool weightsLeftOut = false;
  std::vector<uint64_t> pageBytes; // one a cache group, in module order
};

/// `module` has passed verify-plan. Segment numbers are left to the writer. Null, with an error at the module's
/// location, when a kernel has no code or a number does not fit its field.
std::unique_ptr<plan::PlanT> translatePlan(mlir::ModuleOp module, llvm::ArrayRef<CompiledCode> code,
                                           const PlanFacts &facts);

} // namespace ingot
