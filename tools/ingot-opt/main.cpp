// mlir-opt with Ingot's dialects and passes: every pass by its flag, for lit tests.
#include "dialects/decoder/Decoder.h"
#include "dialects/graph/Graph.h"
#include "dialects/plan/Plan.h"
#include "dialects/ptx/Ptx.h"
#include "dialects/weights/Weights.h"
#include "passes/fuse/Passes.h"
#include "passes/infer/Passes.h"
#include "passes/lower/Passes.h"
#include "passes/plan/Passes.h"
#include "passes/quantize/Passes.h"
#include "passes/specialize/Passes.h"
#include "tools/cli/exit_code.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/AsmState.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"

using namespace ingot;

/// MlirOptMain with the tools' exit codes: LLVM would leave with 1 on an unknown option.
static int run(int argc, char **argv, mlir::DialectRegistry &registry) {
  llvm::cl::opt<std::string> input(llvm::cl::Positional, llvm::cl::desc("<input file>"), llvm::cl::init("-"));
  llvm::cl::opt<std::string> output("o", llvm::cl::desc("output file"), llvm::cl::init("-"));
  llvm::InitLLVM initialise(argc, argv);
  mlir::MlirOptMainConfig::registerCLOptions(registry);
  mlir::registerAsmPrinterCLOptions();
  mlir::registerMLIRContextCLOptions();
  mlir::registerPassManagerCLOptions();
  if (!llvm::cl::ParseCommandLineOptions(argc, argv, "Ingot's passes\n", &llvm::errs())) return exit_usage;
  return mlir::succeeded(mlir::MlirOptMain(argc, argv, input, output, registry)) ? exit_done : exit_bad_input;
}

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registry.insert<mlir::arith::ArithDialect, mlir::func::FuncDialect, mlir::LLVM::LLVMDialect, mlir::scf::SCFDialect,
                  mlir::vector::VectorDialect>();
  registry.insert<ingot::graph::GraphDialect, ingot::decoder::DecoderDialect, ingot::weights::WeightsDialect,
                  ingot::plan_ir::PlanDialect, ingot::ptx::PtxDialect>();
  mlir::registerCanonicalizerPass();
  mlir::registerCSEPass();
  ingot::registerInferPasses();
  ingot::registerFusePasses();
  ingot::registerQuantizePasses();
  ingot::registerSpecializePasses();
  ingot::registerLowerPasses();
  ingot::registerPlanPasses();
  return run(argc, argv, registry);
}
