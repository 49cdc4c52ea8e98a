// ONNX in, graph + decoder + weights dialects out. Everything in a model file is untrusted: whatever it holds, import
// returns a module or diagnostics, never asserts, and its memory does not grow with the weights.
#pragma once
#include "compiler/import/Diagnostics.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include <map>
#include <string>

namespace ingot {

struct ImportOptions {
  /// External data files may be absent (ingotc --check); their ranges are then not checked.
  bool allowMissingWeights = false;
  /// Graph inputs that become constants (`num_logits_to_keep`): the function loses the argument.
  /// A name that is no input is of no account; a single element takes the input's shape.
  std::map<std::string, mlir::DenseElementsAttr> bindings;
};

/// Reads the model file at `path`. The result holds, in this order, `weights.source` and `weights.recipe` symbols and
/// `func.func @main`, whose arguments and results are the graph's inputs and outputs and carry `graph.name` and
/// `graph.dims` (array of strings: a dim's parameter, "" where it has none). Null when `sink` has received diagnostics:
/// all gaps of the model, not only the first. Not thread-safe in `context`.
mlir::OwningOpRef<mlir::ModuleOp> importOnnx(const std::string &path, mlir::MLIRContext &context,
                                             const ImportOptions &options, DiagnosticSink &sink);

/// The same from bytes in memory; external data is looked for in `folder`.
mlir::OwningOpRef<mlir::ModuleOp> importOnnxBytes(llvm::StringRef bytes, const std::string &folder,
                                                  mlir::MLIRContext &context, const ImportOptions &options,
                                                  DiagnosticSink &sink);

} // namespace ingot
