// libFuzzer on the importer: any bytes are a module or diagnostics. Corpus: models of test/data.
//   import_fuzzer -max_len=65536 CORPUS_FOLDER
#include "compiler/import/Import.h"

#include "mlir/IR/MLIRContext.h"
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  ingot::DiagnosticSink sink;
  ingot::ImportOptions options;
  options.allowMissingWeights = true;
  auto module = ingot::importOnnxBytes({reinterpret_cast<const char *>(data), size}, "", context, options, sink);
  if (bool(module) != sink.empty()) std::abort();
  return 0;
}
