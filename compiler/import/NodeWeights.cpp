// Reading a value of the graph as a recipe over the file's tensors: whatever layout ops an exporter put between an
// initializer and its use become part of the recipe.
#include "compiler/import/NodeImporter.h"
#include "onnx.pb.h"

using namespace mlir;
using namespace ingot;

static constexpr unsigned maxChain = 16;

// The operand a layout op passes on, null for any other op.
static Value layoutInput(Operation *op) {
  if (auto reshape = dyn_cast<graph::ReshapeOp>(op))
    return cast<RankedTensorType>(reshape.getType()).hasStaticShape() ? reshape.getInput() : Value();
  if (isa<graph::SqueezeOp, graph::UnsqueezeOp, graph::TransposeOp>(op)) return op->getOperand(0);
  if (auto cast = dyn_cast<graph::CastOp>(op))
    return isa<FloatType>(getElementTypeOrSelf(cast.getType())) &&
                   isa<FloatType>(getElementTypeOrSelf(cast.getInput().getType()))
               ? cast.getInput()
               : Value();
  return {};
}

bool NodeImporter::isWeight(Value value) const {
  for (unsigned i = 0; value && i < maxChain; ++i) {
    Operation *op = value.getDefiningOp();
    if (!op) return false;
    if (isa<graph::WeightOp, graph::ConstantOp>(op)) return true;
    value = layoutInput(op);
  }
  return false;
}

Value NodeImporter::recipeValue(RecipeWriter &writer, Value value) {
  SmallVector<Operation *> chain;
  if (!require(isWeight(value), "an operand must be a weight of the model")) return {};
  for (; !isa<graph::WeightOp, graph::ConstantOp>(value.getDefiningOp()); value = layoutInput(value.getDefiningOp()))
    chain.push_back(value.getDefiningOp());
  const TensorData *tensor = scope.tensorOf(value);
  auto literal = value.getDefiningOp<graph::ConstantOp>();
  Value result = tensor ? writer.load(*tensor) : writer.constant(cast<DenseElementsAttr>(literal.getValue()));
  for (Operation *op : llvm::reverse(chain)) {
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    if (auto transpose = dyn_cast<graph::TransposeOp>(op))
      result = writer.transpose(result, transpose.getPermutation());
    else if (isa<graph::CastOp>(op))
      result = writer.cast(result, type.getElementType());
    else
      result = writer.reshape(result, type.getShape());
  }
  return result;
}

FlatSymbolRefAttr NodeImporter::recipe(Value value, StringRef hint) {
  if (!value || failed()) return {};
  RecipeWriter writer(weights(), location);
  Value result = recipeValue(writer, value);
  return result ? writer.finish(result, hint) : FlatSymbolRefAttr();
}

std::string NodeImporter::hint() const { return node.name().empty() ? node.op_type() : node.name(); }
