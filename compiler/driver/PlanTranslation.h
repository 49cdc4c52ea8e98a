// plan dialect -> the FlatBuffer's object form. The only place that knows both.
#pragma once
#include "compiler/tokenize/tokenize.h"
#include "mlir/IR/BuiltinOps.h"
#include "runtime/format/abi.h"
#include "runtime/format/plan_generated.h"
#include "llvm/ADT/StringMap.h"

namespace ingot {

/// One code segment of a program.
struct CompiledCode {
  ingot_segment_kind kind;
  uint32_t level; // plan.fbs, Code
  std::vector<uint8_t> bytes;
  llvm::StringMap<uint64_t> entry; // CPU: offset of each kernel
};

/// The model as code for one target: a module that has passed verify-plan, and the code of its kernels.
struct CompiledProgram {
  mlir::ModuleOp module;
  std::vector<CompiledCode> code;
};

/// What the plan says about the model that is not in the IR.
struct PlanFacts {
  std::string name, compiler, weightFormat, activationFormat = "f32";
  uint32_t vocabSize = 0, hiddenSize = 0;
  std::vector<std::string> licences;
  GenerationFacts generation;
  uint64_t pageTokens = 0;
  bool weightsLeftOut = false;
  std::vector<uint64_t> pageBytes; // one a cache group, in module order
};

/// Facts, weights and cache groups are the first program's; all programs must place weights alike. Segment numbers are
/// left to the writer. Null, with an error at a module's location, when a kernel has no code, a number does not fit its
/// field, or programs disagree.
std::unique_ptr<plan::PlanT> translatePlan(llvm::ArrayRef<CompiledProgram> programs, const PlanFacts &facts);

} // namespace ingot
