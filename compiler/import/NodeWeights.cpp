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

// Depth counts layout ops and dequantisations; scales and zero points are hardly more than tensors of the file, which
// keeps a hostile graph from being walked exponentially often.
static bool isWeightValue(Value value, unsigned depth) {
  Operation *op = value ? value.getDefiningOp() : nullptr;
  if (!op || depth > maxChain) return false;
  if (isa<graph::WeightOp, graph::ConstantOp>(op)) return true;
  if (isa<graph::DequantOp>(op))
    return isWeightValue(op->getOperand(0), depth + 1) &&
           llvm::all_of(llvm::drop_begin(op->getOperands()),
                        [&](Value part) { return isWeightValue(part, depth + 12); });
  return isWeightValue(layoutInput(op), depth + 1);
}

bool NodeImporter::isWeight(Value value) const { return isWeightValue(value, 0); }

Value NodeImporter::recipeValue(RecipeWriter &writer, Value value) {
  if (!require(isWeight(value), "an operand must be a weight of the model") || failed()) return {};
  Operation *op = value.getDefiningOp();
  auto type = cast<RankedTensorType>(value.getType());
  if (const TensorData *tensor = scope.tensorOf(value)) return writer.load(*tensor);
  if (auto literal = dyn_cast<graph::ConstantOp>(op))
    return writer.constant(mlir::cast<DenseElementsAttr>(literal.getValue()));
  Value input = recipeValue(writer, op->getOperand(0));
  if (!input) return {};
  if (auto dequant = dyn_cast<graph::DequantOp>(op)) {
    Value scale = recipeValue(writer, dequant.getScale());
    Value zero = dequant.getZero() ? recipeValue(writer, dequant.getZero()) : Value();
    Value result = failed() ? Value() : writer.dequantise(input, scale, zero, dequant.getAxis(), dequant.getBlock());
    require(bool(result), "its scale or zero point does not fit its operand");
    return result;
  }
  if (auto transpose = dyn_cast<graph::TransposeOp>(op)) return writer.transpose(input, transpose.getPermutation());
  if (isa<graph::CastOp>(op)) return writer.cast(input, type.getElementType());
  return writer.reshape(input, type.getShape());
}

FlatSymbolRefAttr NodeImporter::recipe(Value value, StringRef hint) {
  if (!value || failed()) return {};
  RecipeWriter writer(weights(), location);
  Value result = recipeValue(writer, value);
  return result ? writer.finish(result, hint) : FlatSymbolRefAttr();
}

std::string NodeImporter::hint() const { return node.name().empty() ? node.op_type() : node.name(); }
