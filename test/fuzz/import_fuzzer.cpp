// libFuzzer on import and infer: any bytes are a module or diagnostics; infer makes rows of the module or says at which
// node it cannot. Most mutations keep the model a model
// (ModelMutator.h).
//   import_fuzzer -max_len=1048576 CORPUS_FOLDER SEEDS_FOLDER     (seeds.py makes the seeds)
#include "ModelMutator.h"
#include "compiler/import/Import.h"
#include "passes/infer/Passes.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>
#include <unistd.h>

/// The model as a file: infer reads tables at their place in it.
static const char *modelFile(llvm::StringRef bytes) {
  static int file = memfd_create("model", 0);
  static const std::string path = "/proc/self/fd/" + std::to_string(file);
  if (ftruncate(file, 0) || pwrite(file, bytes.data(), bytes.size(), 0) != ssize_t(bytes.size())) std::abort();
  return path.c_str();
}

static void infer(mlir::ModuleOp module, llvm::StringRef bytes) {
  mlir::MLIRContext *context = module.getContext();
  bool told = false;
  mlir::ScopedDiagnosticHandler handler(context, [&](mlir::Diagnostic &diagnostic) {
    told |= diagnostic.getSeverity() == mlir::DiagnosticSeverity::Error;
    return mlir::success();
  });
  ingot::InferOptions options;
  options.modelFile = modelFile(bytes);
  options.configContext = 64;
  mlir::PassManager manager(context);
  ingot::buildInferPipeline(manager, options);
  if (mlir::failed(manager.run(module)) != told) std::abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  llvm::StringRef bytes(reinterpret_cast<const char *>(data), size);
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  context.printOpOnDiagnostic(false);
  ingot::DiagnosticSink sink;
  ingot::ImportOptions options;
  options.allowMissingWeights = true;
  auto module = ingot::importOnnxBytes(bytes, "", context, options, sink);
  if (bool(module) != sink.empty()) std::abort();
  if (module) infer(*module, bytes);
  return 0;
}

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maxSize);

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t maxSize, unsigned seed) {
  onnx::ModelProto model;
  if (seed % 16 == 0 || !model.ParseFromArray(data, int(size))) return LLVMFuzzerMutate(data, size, maxSize);
  mutateModel(model, seed);
  size_t mutated = model.ByteSizeLong();
  if (mutated > maxSize || !model.SerializeToArray(data, int(mutated))) return LLVMFuzzerMutate(data, size, maxSize);
  return mutated;
}
