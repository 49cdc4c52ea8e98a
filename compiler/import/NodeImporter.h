// What an operator's handler sees of one ONNX node: its operands, its attributes, and ways to build ops.
//
// Failure is sticky. The first thing that is wrong is reported as the node's gap; from then on operands and created
// values are null and nothing is built, so a handler reads straight through. A handler that looks into a value asks
// `failed()` first or uses the null-safe accessors here. Attributes, operands and results that a handler did not look
// at are gaps by themselves: nothing that might change a node's meaning is dropped silently.
#pragma once
#include "compiler/import/GraphScope.h"
#include "dialects/graph/Graph.h"
#include "llvm/ADT/SmallBitVector.h"

namespace onnx {
class NodeProto;
class AttributeProto;
class GraphProto;
} // namespace onnx

namespace ingot {

/// The type of a value; tensor<f32> for null, so that a failed handler can read on.
mlir::RankedTensorType typeOf(mlir::Value value, mlir::MLIRContext &context);

class NodeImporter {
public:
  NodeImporter(GraphScope &scope, const onnx::NodeProto &node, int64_t opset);

  const int64_t opset; ///< version of the node's domain
  mlir::OpBuilder &builder() { return scope.builder; }
  mlir::Location loc() const { return location; }
  mlir::MLIRContext &context() { return scope.model.context; }
  WeightTable &weights() { return scope.model.weights; }
  GraphScope &names() { return scope; }
  const std::string &nodeName() const { return name; }

  // Operands.
  size_t inputCount() const;
  bool has(size_t i) const;
  mlir::Value input(size_t i);                 ///< a missing one is a gap
  mlir::Value optional(size_t i);              ///< null if missing
  void refuse(size_t i, llvm::StringRef name); ///< a gap naming the operand, if it is there
  std::string inputName(size_t i) const;
  llvm::SmallVector<mlir::Value>
  sequence(size_t i); ///< the items of an operand that is a sequence; a gap if it is none

  // Types.
  mlir::RankedTensorType type(mlir::Value value) { return typeOf(value, context()); }
  int64_t rank(mlir::Value value) { return type(value).getRank(); }
  int64_t dim(mlir::Value value, int64_t axis); ///< kDynamic if unknown; negative axes count from the end
  mlir::Type element(mlir::Value value) { return type(value).getElementType(); }
  mlir::Type elementOf(int64_t onnxType); ///< a gap for a type we do not have (f32 is returned)
  bool isFloat(mlir::Value value) { return llvm::isa<mlir::FloatType>(element(value)); }
  /// Normalises a negative axis; a gap if it is outside of [-rank, rank).
  int64_t axis(int64_t axis, int64_t rank);
  llvm::SmallVector<int64_t> axes(llvm::ArrayRef<int64_t> axes, int64_t rank); ///< normalised, sorted, distinct
  /// A gap unless `good`.
  bool require(bool good, const llvm::Twine &reason);

  // Attributes; one of the wrong kind is a gap.
  bool hasAttribute(llvm::StringRef name) const { return find(name) != nullptr; }
  int64_t integer(llvm::StringRef name, std::optional<int64_t> fallback = std::nullopt);
  bool flag(llvm::StringRef name, bool fallback); ///< 0 or 1; what other numbers mean no specification says
  float real(llvm::StringRef name, std::optional<float> fallback = std::nullopt);
  std::string text(llvm::StringRef name, llvm::StringRef fallback);
  llvm::SmallVector<int64_t> integers(llvm::StringRef name);
  llvm::SmallVector<float> reals(llvm::StringRef name);
  std::optional<TensorData> tensor(llvm::StringRef name);
  const onnx::GraphProto *graph(llvm::StringRef name); ///< null, and a gap, if it is missing
  void ignore(llvm::StringRef name);                   ///< does not change the meaning here
  void expect(llvm::StringRef name, int64_t only);     ///< a gap for any other value

  /// The integers of an operand that must be constant (axes, pads); a gap naming `what` else.
  llvm::SmallVector<int64_t> constants(size_t i, llvm::StringRef what);

  // Building.
  /// An op of the graph dialect; `args` as its builder takes them after the result types, which are inferred.
  template <typename Op, typename... Args> mlir::Value create(Args &&...args) {
    Op op = createAll<Op>(1, std::forward<Args>(args)...);
    return op ? folded(op) : mlir::Value();
  }
  template <typename Op, typename... Args> Op createAll(unsigned results, Args &&...args) {
    if (failed() || !(isPresent(args) && ...)) return skip(), Op();
    llvm::SmallVector<mlir::Type> unknown(results, builder().getNoneType());
    mlir::OperationState state(location, Op::getOperationName());
    Op::build(builder(), state, mlir::TypeRange(unknown), std::forward<Args>(args)...);
    return llvm::cast_if_present<Op>(insert(state, /*infer=*/true));
  }
  /// An op whose result types the caller names: `args` as its builder takes them, types first.
  template <typename Op, typename... Args> Op createTyped(Args &&...args) {
    if (failed()) return Op();
    mlir::OperationState state(location, Op::getOperationName());
    Op::build(builder(), state, std::forward<Args>(args)...);
    return llvm::cast_if_present<Op>(insert(state, /*infer=*/false));
  }
  template <typename Op, typename... Args> mlir::Value createOne(Args &&...args) {
    Op op = createTyped<Op>(std::forward<Args>(args)...);
    return op ? folded(op) : mlir::Value();
  }
  mlir::Value unary(graph::UnaryKind kind, mlir::Value x) { return create<graph::UnaryOp>(kind, x); }
  mlir::Value binary(graph::BinaryKind kind, mlir::Value x, mlir::Value y) {
    return create<graph::BinaryOp>(kind, x, y);
  }
  mlir::Value cast(mlir::Value x, mlir::Type element);
  /// To a computed shape, in which 0 means 0.
  mlir::Value reshape(mlir::Value x, mlir::Value shape) { return create<graph::ReshapeOp>(x, shape, true); }
  mlir::Value shapeOf(mlir::Value x);
  mlir::Value unsqueeze(mlir::Value x, llvm::ArrayRef<int64_t> axes);
  mlir::Value literal(mlir::DenseElementsAttr value);        ///< a graph.constant
  mlir::Value materialise(TensorData tensor);                ///< a graph.constant or graph.weight
  mlir::Value integerVector(llvm::ArrayRef<int64_t> values); ///< i64[n]
  mlir::Value scalar(double value, mlir::Type element);      ///< rank 0, integer or float

  // Weights.
  /// A value that is made of the file's tensors alone by layout changes, casts and dequantisation.
  bool isWeight(mlir::Value value) const;
  /// The value as a recipe under construction; a gap if it is no weight.
  mlir::Value recipeValue(RecipeWriter &writer, mlir::Value value);
  /// The value as a recipe; null for a null value.
  mlir::FlatSymbolRefAttr recipe(mlir::Value value, llvm::StringRef hint);
  std::string hint() const; ///< a name for a weight of this node

  // Results.
  size_t outputCount() const;
  bool wants(size_t i) const;
  void set(size_t i, mlir::Value value);
  void setSequence(size_t i, llvm::SmallVector<mlir::Value> items);

  void gap(const llvm::Twine &reason);
  void skip() { hasFailed = true; } ///< an operand has a gap of its own
  bool failed() const { return hasFailed; }
  /// Defines or poisons the node's outputs. Call once, after the handler.
  void finish();

  /// The attribute as it stands, or what it refers to of the function around; null if neither is there.
  const onnx::AttributeProto *find(llvm::StringRef name) const;

private:
  const onnx::AttributeProto *take(llvm::StringRef name, int type);
  mlir::Operation *insert(mlir::OperationState &state, bool infer);
  bool inferTypes(mlir::Operation *op);
  mlir::Value folded(mlir::Operation *op); ///< a constant instead of the op's result, if it is a small one
  void checkUnread();
  template <typename T> static bool isPresent(const T &argument) {
    if constexpr (std::is_base_of_v<mlir::Value, T>)
      return bool(argument);
    else
      return true;
  }

  GraphScope &scope;
  const onnx::NodeProto &node;
  std::string name; // in messages
  mlir::Location location;
  llvm::SmallBitVector readInputs;
  llvm::StringSet<> readAttributes;
  llvm::SmallVector<mlir::Value> outputs;
  std::map<size_t, llvm::SmallVector<mlir::Value>> sequenceOutputs;
  bool hasFailed = false;
};

} // namespace ingot
