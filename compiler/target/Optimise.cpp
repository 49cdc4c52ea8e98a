// Facts that shape this file (LLVM 19): library functions that are known make memcpy and memset of loops; the loop and
// SLP vectorisers cannot beat lanes that are written out, and cost compile time.
#include "compiler/target/Optimise.h"

#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/IR/Module.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Target/TargetMachine.h"

using namespace llvm;

void ingot::optimise(Module &module, TargetMachine &machine, ModulePassManager first, StringRef without) {
  PipelineTuningOptions tuning;
  tuning.LoopVectorization = tuning.SLPVectorization = tuning.LoopInterleaving = false;
  LoopAnalysisManager loops;
  FunctionAnalysisManager functions;
  CGSCCAnalysisManager sccs;
  ModuleAnalysisManager modules;
  PassInstrumentationCallbacks callbacks;
  callbacks.registerShouldRunOptionalPassCallback([&](StringRef pass, Any) { return pass != without; });
  PassBuilder builder(&machine, tuning, std::nullopt, &callbacks);
  functions.registerPass([&] {
    TargetLibraryInfoImpl none(machine.getTargetTriple());
    none.disableAllFunctions();
    return TargetLibraryAnalysis(none);
  });
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(sccs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, sccs, modules);
  first.addPass(builder.buildPerModuleDefaultPipeline(OptimizationLevel::O3));
  first.run(module, modules);
}
