// The order of the quantize phase.
#include "passes/quantize/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "passes/fuse/Passes.h"

void ingot::buildQuantizePipeline(mlir::OpPassManager &manager, const QuantizePhaseOptions &options) {
  QuantizeWeightsOptions weights;
  weights.body = options.weights;
  weights.head = options.head;
  QuantizeActivationsOptions activations;
  activations.activations = options.activations;
  QuantizeCacheOptions cache;
  cache.type = options.cache;
  manager.addPass(createQuantizeWeights(weights));
  manager.addPass(createNarrowScales(options.scalesFitF16));
  manager.addPass(createUnifyRecipes());
  manager.addPass(createQuantizeActivations(activations));
  manager.addPass(createQuantizeCache(cache));
  manager.addPass(createVerifyQuantize());
}
