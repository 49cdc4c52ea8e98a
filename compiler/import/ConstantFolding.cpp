// Small results of constant operands are computed at import by the reference evaluator, and so are shapes that are
// static: exporters compute axes, permutations and shapes that the graph dialect wants as constants.
#include "compiler/import/NodeImporter.h"
#include "compiler/reference/Evaluator.h"

using namespace mlir;
using namespace ingot;

static constexpr int64_t maxFolded = 1024; // elements

static bool isSmall(Type type) {
  auto ranked = dyn_cast<RankedTensorType>(type);
  return ranked && ranked.hasStaticShape() && ranked.getNumElements() <= maxFolded;
}

static DenseElementsAttr staticShape(Operation *op) {
  auto shape = dyn_cast<graph::ShapeOp>(op);
  auto dims = shape ? graph::knownShape(shape.getResult()) : std::nullopt;
  if (!dims || llvm::is_contained(*dims, ShapedType::kDynamic)) return {};
  return DenseElementsAttr::get(cast<RankedTensorType>(shape.getType()), ArrayRef<int64_t>(*dims));
}

// Results whose extent depends on the operands' values have a dynamic type and are judged by what comes out.
static DenseElementsAttr evaluated(Operation *op) {
  SmallVector<reference::Array> operands;
  for (Value operand : op->getOperands()) {
    auto constant = operand.getDefiningOp<graph::ConstantOp>();
    auto elements = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
    if (!elements || !isSmall(elements.getType())) return {};
    operands.push_back(reference::fromElements(elements));
  }
  bool fixed = cast<RankedTensorType>(op->getResult(0).getType()).hasStaticShape();
  bool bounded = fixed ? isSmall(op->getResult(0).getType()) : isa<graph::NonzeroOp, graph::GatherOp>(op);
  if (operands.empty() || !bounded) return {};
  reference::Evaluator evaluator({}, "");
  std::vector<reference::Array> results;
  if (!evaluator.evaluate(op, operands, results) || results.size() != 1) return {};
  return reference::toElements(results[0]);
}

Value NodeImporter::folded(Operation *op) {
  Value result = op->getResult(0);
  if (!isa<graph::GraphDialect>(op->getDialect()) || op->getNumResults() != 1) return result;
  DenseElementsAttr constant = staticShape(op);
  if (!constant) constant = evaluated(op);
  if (!constant) return result;
  op->erase();
  return literal(constant);
}
