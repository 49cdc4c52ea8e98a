// mlir-opt with Ingot's dialects and passes: every pass by its flag, for lit tests.
#include "dialects/decoder/Decoder.h"
#include "dialects/graph/Graph.h"
#include "dialects/weights/Weights.h"
#ifdef INGOT_HAS_PLAN_DIALECT
#include "dialects/plan/Plan.h"
#endif
#ifdef INGOT_HAS_INFER
#include "passes/infer/Passes.h"
#endif
#ifdef INGOT_HAS_FUSE
#include "passes/fuse/Passes.h"
#endif
#ifdef INGOT_HAS_QUANTIZE
#include "passes/quantize/Passes.h"
#endif
#ifdef INGOT_HAS_SPECIALIZE
#include "passes/specialize/Passes.h"
#endif
#ifdef INGOT_HAS_LOWER
#include "passes/lower/Passes.h"
#endif
#ifdef INGOT_HAS_PLAN
#include "passes/plan/Passes.h"
#endif

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"

static void registerPhases() {
#ifdef INGOT_HAS_INFER
  ingot::registerInferPasses();
#endif
#ifdef INGOT_HAS_FUSE
  ingot::registerFusePasses();
#endif
#ifdef INGOT_HAS_QUANTIZE
  ingot::registerQuantizePasses();
#endif
#ifdef INGOT_HAS_SPECIALIZE
  ingot::registerSpecializePasses();
#endif
#ifdef INGOT_HAS_LOWER
  ingot::registerLowerPasses();
#endif
#ifdef INGOT_HAS_PLAN
  ingot::registerPlanPasses();
#endif
}

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registry.insert<mlir::arith::ArithDialect, mlir::func::FuncDialect, mlir::LLVM::LLVMDialect, mlir::scf::SCFDialect,
                  mlir::vector::VectorDialect>();
  registry.insert<ingot::graph::GraphDialect, ingot::decoder::DecoderDialect, ingot::weights::WeightsDialect>();
#ifdef INGOT_HAS_PLAN_DIALECT
  registry.insert<ingot::plan::PlanDialect>();
#endif
  mlir::registerCanonicalizerPass();
  mlir::registerCSEPass();
  registerPhases();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "Ingot's passes\n", registry));
}
