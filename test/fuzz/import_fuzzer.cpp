// libFuzzer on the importer: any bytes are a module or diagnostics, with an If left open and with a branch chosen.
// Corpus: models of test/data, and of the zoo (merged decoders, attention operators).
//   import_fuzzer -max_len=65536 CORPUS_FOLDER
#include "compiler/import/Import.h"

#include "mlir/IR/MLIRContext.h"
#include <cstdlib>
#include <optional>

static void import(llvm::StringRef bytes, std::optional<bool> branch) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  ingot::DiagnosticSink sink;
  ingot::ImportOptions options;
  options.allowMissingWeights = true;
  auto flag = mlir::RankedTensorType::get({1}, mlir::IntegerType::get(&context, 1));
  if (branch) options.bindings["use_cache_branch"] = mlir::DenseElementsAttr::get(flag, *branch);
  auto module = ingot::importOnnxBytes(bytes, "", context, options, sink);
  if (bool(module) != sink.empty()) std::abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  llvm::StringRef bytes(reinterpret_cast<const char *>(data), size);
  import(bytes, std::nullopt);
  import(bytes, size % 2 == 0);
  return 0;
}
