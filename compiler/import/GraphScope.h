// One ONNX graph's names while it is imported: which Value a name is, materialised on first use.
#pragma once
#include "compiler/import/Diagnostics.h"
#include "compiler/import/Import.h"
#include "compiler/import/TensorData.h"
#include "compiler/import/WeightTable.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

namespace ingot {

/// What all graphs of a model share.
struct ModelContext {
  mlir::MLIRContext &context;
  ExternalData files;
  WeightTable weights;
  DiagnosticSink &sink;
  std::map<std::string, int64_t> opsets; ///< by domain, "" for ONNX's own
};

class GraphScope {
public:
  GraphScope(ModelContext &model, mlir::Block &entry)
      : model(model), builder(mlir::OpBuilder::atBlockEnd(&entry)), entry(entry) {}

  void defineTensor(TensorData tensor);
  void define(llvm::StringRef name, mlir::Value value) { values[name] = value; }
  /// The name's value could not be made; its users are skipped without another diagnostic.
  void poison(llvm::StringRef name) { poisoned.insert(name); }
  bool isPoisoned(llvm::StringRef name) const { return poisoned.contains(name); }
  bool isDefined(llvm::StringRef name) const;

  /// The value of a name: a graph.constant or graph.weight for a tensor of the file. Null if the name is unknown or its
  /// bytes cannot be read.
  mlir::Value lookup(llvm::StringRef name);

  /// The file's tensor that a constant or weight op stands for; null for any other value.
  const TensorData *tensorOf(mlir::Value value) const;

  /// A constant at the graph's entry.
  mlir::Value constant(mlir::DenseElementsAttr value, mlir::Location location);

  ModelContext &model;
  mlir::OpBuilder builder; ///< at the end of what has been imported

  /// The IR of a tensor of the file that has no name in the graph (an attribute), or is used for the first time.
  mlir::Value materialise(TensorData tensor, mlir::Location location);

private:
  mlir::Block &entry;
  mlir::Operation *lastConstant = nullptr;
  llvm::DenseMap<mlir::Attribute, mlir::Value> constants; // equal literals are one op
  llvm::StringMap<mlir::Value> values;
  llvm::StringMap<TensorData> tensors;
  llvm::StringSet<> poisoned;
  llvm::DenseMap<mlir::Operation *, std::unique_ptr<TensorData>> origins;
};

} // namespace ingot
