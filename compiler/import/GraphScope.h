// One ONNX graph's names while it is imported: which Value a name is, materialised on first use. Graphs nest: a branch
// of an If sees the names around it, the body of a function only its operands.
#pragma once
#include "compiler/import/Diagnostics.h"
#include "compiler/import/Import.h"
#include "compiler/import/TensorData.h"
#include "compiler/import/WeightTable.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

namespace onnx {
class AttributeProto;
class FunctionProto;
class TensorProto;
} // namespace onnx

namespace ingot {

using OpsetTable = std::map<std::string, int64_t>; ///< version by domain, "" for ONNX's own

/// What a function's body sees of its call besides its operands.
struct FunctionCall {
  OpsetTable opsets;
  llvm::StringMap<const onnx::AttributeProto *> attributes; ///< given by the call, or the function's defaults
  std::string prefix;                                       ///< of the names of its nodes in messages
};

/// What all graphs of a model share.
struct ModelContext {
  mlir::MLIRContext &context;
  ExternalData files;
  WeightTable weights;
  DiagnosticSink &sink;
  OpsetTable opsets;
  llvm::StringMap<const onnx::FunctionProto *> functions = {}; ///< by functionKey
  llvm::SmallVector<const onnx::FunctionProto *> calls = {};   ///< functions being inlined, outermost first
  size_t nodesLeft = 1 << 18;                                  ///< bound on nodes after inlining
};

class GraphScope {
public:
  GraphScope(ModelContext &model, mlir::Block &entry)
      : model(model), builder(mlir::OpBuilder::atBlockEnd(&entry)), root(*this), entry(entry) {}

  /// A branch inside `outer`, whose ops go to the end of `block`.
  GraphScope(GraphScope &outer, mlir::Block &block);
  /// The body of a function at a call in `caller`: its ops go where the caller's go.
  GraphScope(GraphScope &caller, const FunctionCall &call);

  void defineTensor(TensorData tensor);
  /// Reads an initializer; what is wrong with it is reported.
  void defineInitializer(const onnx::TensorProto &tensor);
  void define(llvm::StringRef name, mlir::Value value) { values[name] = value; }
  /// A sequence of tensors whose length is known; lives at import only.
  void defineSequence(llvm::StringRef name, llvm::SmallVector<mlir::Value> items) {
    sequences[name] = std::move(items);
  }
  const llvm::SmallVector<mlir::Value> *sequence(llvm::StringRef name) const;
  /// The name's value could not be made; its users are skipped without another diagnostic.
  void poison(llvm::StringRef name) { poisoned.insert(name); }
  bool isPoisoned(llvm::StringRef name) const;
  /// Defined in this very graph.
  bool isDefined(llvm::StringRef name) const;
  /// An optional operand of a function that its call left out.
  void defineAbsent(llvm::StringRef name) { absent.insert(name); }
  bool isAbsent(llvm::StringRef name) const;

  /// Whether anything reads a name that this graph's nodes define (GraphImporter says so before the nodes).
  void markUsed(llvm::StringRef name) { used.insert(name); }
  bool isUsed(llvm::StringRef name) const { return used.contains(name); }

  int64_t opset(llvm::StringRef domain) const; ///< 1 if the domain is not imported
  /// What an attribute of the function around stands for; null if the call does not give it.
  const onnx::AttributeProto *functionAttribute(llvm::StringRef name) const;
  llvm::StringRef prefix() const { return call ? llvm::StringRef(call->prefix) : ""; }

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
  GraphScope *outer = nullptr; // whose names are seen
  GraphScope &root;            // holds the constants
  const FunctionCall *call = nullptr;
  mlir::Block &entry;
  mlir::Operation *lastConstant = nullptr;
  llvm::DenseMap<mlir::Attribute, mlir::Value> constants; // equal literals are one op
  llvm::StringMap<mlir::Value> values;
  llvm::StringMap<TensorData> tensors;
  llvm::StringMap<llvm::SmallVector<mlir::Value>> sequences;
  llvm::StringSet<> poisoned, absent, used;
  llvm::DenseMap<mlir::Operation *, std::unique_ptr<TensorData>> origins;
};

} // namespace ingot
