// The order of the phase infer.
#include "passes/infer/Passes.h"

#include "mlir/Pass/PassManager.h"

void ingot::buildInferPipeline(mlir::OpPassManager &manager, const InferOptions &options) {
  manager.addPass(createRecogniseNorms());
  manager.addPass(createRecogniseActivations());
  manager.addPass(createInfer(options));
  manager.addPass(createVerifyInfer());
}
