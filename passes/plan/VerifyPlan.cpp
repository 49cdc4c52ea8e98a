// Checks plan's result. Rules, in the order in which they are checked:
//  1. there is one program, in it one entry for the body and one for the head, each with steps;
//  2. every symbol that a binding or a variant names exists and is of the right kind: buffers and kernels in the
//     program, weights in the module;
//  3. kernels for CUDA have the shape of a CTA that every card takes, others have none;
//  4. no function is left;
//  5. weights do not overlap.
#include "dialects/plan/Plan.h"
#include "dialects/weights/Weights.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/plan/Passes.h"

using namespace mlir;
using namespace ingot;
using namespace ingot::plan_ir;

namespace ingot {
#define GEN_PASS_DEF_VERIFYPLAN
#include "passes/plan/Passes.h.inc"
} // namespace ingot

static LogicalResult verifyStep(StepOp step, SymbolTable &module, SymbolTable &program) {
  for (auto binding : step.getBindings().getAsRange<BindingAttr>()) {
    bool needsBuffer = binding.getKind() == BindingKind::buffer, needsWeight = binding.getKind() == BindingKind::weight;
    if (!needsBuffer && !needsWeight) continue;
    SymbolTable &symbols = needsWeight ? module : program;
    Operation *target = binding.getSymbol() ? symbols.lookup(binding.getSymbol().getValue()) : nullptr;
    if (!(needsBuffer ? isa_and_nonnull<BufferOp>(target) : isa_and_nonnull<WeightOp>(target)))
      return step.emitOpError("binds ") << binding << ", which does not exist";
  }
  for (ArrayAttr variants : {step.getPrepare(), step.getMain(), step.getFinishAttr()}) {
    if (!variants) continue;
    for (auto variant : variants.getAsRange<VariantAttr>())
      if (!program.lookup<KernelOp>(variant.getKernel().getValue())) return step.emitOpError("names an unknown kernel");
  }
  return success();
}

static LogicalResult verifyShape(KernelOp kernel, Target target) {
  uint64_t threads = kernel.getBlockThreads(), items = kernel.getBlockItems(), shared = kernel.getSharedBytes();
  if (target == Target::cpu && (threads || items || shared)) return kernel.emitOpError("has the shape of a CTA");
  if (target == Target::cuda && (threads == 0 || threads > 1024 || items == 0 || shared > 99 * 1024))
    return kernel.emitOpError("is for a CTA of ")
           << threads << " threads, " << items << " items and " << shared << " bytes of shared memory";
  return success();
}

static LogicalResult verifyProgram(ModuleOp module, ProgramOp program) {
  SymbolTable weights(module), symbols(program);
  int entries[2] = {0, 0};
  for (auto entry : program.getBody().getOps<EntryOp>()) {
    entries[int(entry.getSpace())]++;
    if (entry.getBody().front().empty()) return entry.emitOpError("has no steps");
    for (auto step : entry.getBody().getOps<StepOp>())
      if (failed(verifyStep(step, weights, symbols))) return failure();
  }
  for (auto kernel : program.getBody().getOps<KernelOp>())
    if (failed(verifyShape(kernel, program.getTarget()))) return failure();
  if (entries[0] != 1 || entries[1] != 1)
    return program.emitOpError("needs one entry for the body and one for the head");
  return success();
}

namespace {
struct VerifyPlan : ingot::impl::VerifyPlanBase<VerifyPlan> {
  void runOnOperation() override {
    if (failed(verify(getOperation()))) signalPassFailure();
  }

  LogicalResult verify(ModuleOp module) {
    auto programs = module.getOps<ProgramOp>();
    if (std::distance(programs.begin(), programs.end()) != 1) return module.emitError("needs one program");
    if (failed(verifyProgram(module, *programs.begin()))) return failure();
    if (!module.getOps<func::FuncOp>().empty()) return module.emitError("still has functions");
    int64_t end = 0;
    for (auto weight : module.getOps<WeightOp>()) {
      if (int64_t(weight.getOffset()) < end) return weight.emitOpError("overlaps the weight before it");
      end = weight.getOffset() + weight.getSize();
    }
    return success();
  }
};
} // namespace
