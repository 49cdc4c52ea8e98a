// Registration and verifiers of the weights dialect.
#include "dialects/weights/Weights.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace ingot::weights;

#include "dialects/weights/WeightsEnums.cpp.inc"

#include "dialects/weights/WeightsDialect.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/weights/WeightsAttrs.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/weights/WeightsOps.cpp.inc"

void WeightsDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/weights/WeightsAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/weights/WeightsOps.cpp.inc"
      >();
}

Value RecipeOp::getResult() { return cast<YieldOp>(getBody().front().back()).getValue(); }

RankedTensorType RecipeOp::getResultType() { return cast<RankedTensorType>(getResult().getType()); }

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValue(); }
