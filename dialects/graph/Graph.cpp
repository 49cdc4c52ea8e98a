// Registration and verifiers of the graph dialect. Result types are checked against inference (GraphTypes*.cpp), so a
// verifier here states only what inference does not.
#include "dialects/graph/Graph.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace ingot::graph;

#include "dialects/graph/GraphEnums.cpp.inc"

#include "dialects/graph/GraphDialect.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/graph/GraphAttrs.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/graph/GraphOps.cpp.inc"

void GraphDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/graph/GraphAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/graph/GraphOps.cpp.inc"
      >();
}

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValue(); }

static LogicalResult sameElementType(Operation *op, Value a, Value b) {
  Type left = getElementTypeOrSelf(a.getType()), right = getElementTypeOrSelf(b.getType());
  if (left == right) return success();
  return op->emitOpError("has operands of different element types, ") << left << " and " << right;
}

// Rule: operands have one element type, but for the exponent of pow and the count of a shift.
LogicalResult BinaryOp::verify() {
  if (getKind() == BinaryKind::pow) return success();
  return sameElementType(*this, getLhs(), getRhs());
}

LogicalResult CompareOp::verify() { return sameElementType(*this, getLhs(), getRhs()); }

LogicalResult SelectOp::verify() {
  if (!getElementTypeOrSelf(getCondition().getType()).isInteger(1))
    return emitOpError("needs a condition of i1, not ") << getCondition().getType();
  return sameElementType(*this, getYes(), getNo());
}

LogicalResult CastOp::verify() {
  if (areCompatible(getInput().getType(),
                    cast<RankedTensorType>(getType()).clone(getElementTypeOrSelf(getInput().getType()))))
    return success();
  return emitOpError("changes the shape");
}

LogicalResult RangeOp::verify() {
  if (failed(sameElementType(*this, getStart(), getLimit()))) return failure();
  return sameElementType(*this, getStart(), getDelta());
}

LogicalResult IotaOp::verify() {
  int64_t rank = cast<RankedTensorType>(getType()).getRank(), axis = getAxis();
  if (axis < 0 || axis >= rank) return emitOpError("has axis ") << axis << " outside of rank " << rank;
  return success();
}

LogicalResult MatmulOp::verify() { return sameElementType(*this, getLhs(), getRhs()); }

// Rules: 1. the condition is i1; 2. both regions yield the result types, up to how many dims are known.
LogicalResult IfOp::verify() {
  if (!getElementTypeOrSelf(getCondition().getType()).isInteger(1)) return emitOpError("needs a condition of i1");
  for (Region *region : getRegions()) {
    auto yield = region->empty() || region->front().empty() ? YieldOp() : dyn_cast<YieldOp>(region->front().back());
    if (!yield) return emitOpError("needs regions that end in graph.yield");
    if (!areCompatible(yield.getValues().getTypes(), getResultTypes()))
      return emitOpError("has a region that yields other types than its results");
  }
  return success();
}
