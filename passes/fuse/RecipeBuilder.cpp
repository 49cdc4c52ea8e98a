#include "passes/fuse/RecipeBuilder.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace ingot;

static RankedTensorType withRows(Value input, int64_t rows) {
  auto type = cast<RankedTensorType>(input.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape[0] = rows;
  return RankedTensorType::get(shape, type.getElementType(), type.getEncoding());
}

RecipeBuilder::RecipeBuilder(ModuleOp module, Location loc) : module(module), builder(module.getContext()) {
  // Symbols come before the functions that use them, in the order of their making: deterministic.
  Block *body = module.getBody();
  auto function = llvm::find_if(*body, [](Operation &op) { return isa<func::FuncOp>(op); });
  builder.setInsertionPoint(body, function);
  recipe = builder.create<weights::RecipeOp>(loc, "unnamed_recipe");
  builder.createBlock(&recipe.getBody());
}

Value RecipeBuilder::load(FlatSymbolRefAttr symbol) {
  auto other = cast<weights::RecipeOp>(SymbolTable::lookupSymbolIn(module, symbol));
  IRMapping mapping;
  for (Operation &op : other.getBody().front().without_terminator()) builder.clone(op, mapping);
  return mapping.lookup(other.getResult());
}

Value RecipeBuilder::slice(Value input, int64_t axis, int64_t begin, int64_t extent) {
  auto type = cast<RankedTensorType>(input.getType());
  if (begin == 0 && extent == type.getDimSize(axis)) return input;
  SmallVector<int64_t> shape(type.getShape());
  shape[axis] = extent;
  auto result = RankedTensorType::get(shape, type.getElementType(), type.getEncoding());
  return builder.create<weights::SliceOp>(recipe.getLoc(), result, input, axis, begin);
}

Value RecipeBuilder::padRows(Value input, int64_t rows) {
  if (cast<RankedTensorType>(input.getType()).getDimSize(0) == rows) return input;
  return builder.create<weights::PadRowsOp>(recipe.getLoc(), withRows(input, rows), input);
}

Value RecipeBuilder::concatRows(ValueRange inputs) {
  if (inputs.size() == 1) return inputs.front();
  int64_t rows = 0;
  for (Value input : inputs) rows += cast<RankedTensorType>(input.getType()).getDimSize(0);
  return builder.create<weights::ConcatOp>(recipe.getLoc(), withRows(inputs.front(), rows), inputs, 0);
}

Value RecipeBuilder::permuteRows(Value input, ArrayRef<int64_t> extents, ArrayRef<int64_t> strides) {
  int64_t rows = 1;
  for (int64_t extent : extents) rows *= extent;
  return builder.create<weights::PermuteRowsOp>(recipe.getLoc(), withRows(input, rows), input, extents, strides);
}

Value RecipeBuilder::cast(Value input, Type element) {
  auto type = mlir::cast<RankedTensorType>(input.getType());
  if (type == RankedTensorType::get(type.getShape(), element)) return input;
  return builder.create<weights::CastOp>(recipe.getLoc(), RankedTensorType::get(type.getShape(), element), input);
}

Value RecipeBuilder::quantise(Value input, weights::GridAttr grid) {
  auto type = mlir::cast<RankedTensorType>(input.getType());
  auto result = RankedTensorType::get(type.getShape(), builder.getF32Type(), grid);
  return builder.create<weights::QuantiseOp>(recipe.getLoc(), result, input);
}

Value RecipeBuilder::pack(Value input, weights::LayoutKind layout) {
  return builder.create<weights::PackOp>(recipe.getLoc(), input.getType(), input,
                                         weights::LayoutKindAttr::get(module.getContext(), layout));
}

FlatSymbolRefAttr RecipeBuilder::finish(Value result, StringRef hint) {
  builder.create<weights::YieldOp>(recipe.getLoc(), result);
  std::string name = hint.str();
  for (unsigned n = 1; SymbolTable::lookupSymbolIn(module, name); ++n) name = (hint + "_" + Twine(n)).str();
  recipe.setSymName(name);
  return FlatSymbolRefAttr::get(module.getContext(), name);
}

RankedTensorType ingot::recipeType(Operation *user, FlatSymbolRefAttr symbol) {
  return cast<weights::RecipeOp>(SymbolTable::lookupNearestSymbolFrom(user, symbol)).getResultType();
}
