// Slots, strides and loads of a launch.
#include "compiler/kernels/cpu/LaunchFrame.h"
#include "compiler/weights/recipe.h"

using namespace mlir;

namespace ingot::cpu {

uint64_t LaunchFrame::columns(mlir::Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  return type.getRank() == 2 ? type.getDimSize(1) : 1;
}

static FailureOr<WeightView> viewOf(decoder::LaunchOp launch, FlatSymbolRefAttr symbol) {
  auto recipe = SymbolTable::lookupNearestSymbolFrom<weights::RecipeOp>(launch, symbol);
  if (!recipe) return launch.emitOpError("names a weight ") << symbol << " that has no recipe";
  RankedTensorType type = recipe.getResultType();
  auto format = formatOf(type);
  if (!format) return launch.emitOpError("weight ") << symbol << ": " << llvm::toString(format.takeError());
  WeightView view;
  view.format = *format;
  auto pack = recipe.getResult().getDefiningOp<weights::PackOp>();
  view.packed = pack && pack.getLayout() == weights::LayoutKind::r16;
  if (!view.packed && view.format.isInteger())
    return launch.emitOpError("weight ") << symbol << " lies on a grid and must be packed in layout r16";
  view.rows = type.getRank() == 2 ? type.getDimSize(0) : 1;
  view.cols = type.getRank() ? type.getShape().back() : 1;
  return view;
}

// What @head returns are the caller's logits.
static bool isLogits(OpResult result) {
  return llvm::any_of(result.getUsers(), [](Operation *user) {
    auto function = dyn_cast<func::FuncOp>(user->getParentOp());
    return isa<func::ReturnOp>(user) && function && function.getName() == "head";
  });
}

FailureOr<LaunchFrame> LaunchFrame::build(decoder::LaunchOp launch) {
  LaunchFrame frame;
  frame.launch = launch;
  unsigned slot = 0;
  for (mlir::Value input : launch.getInputs())
    frame.inputSlots.push_back(cast<RankedTensorType>(input.getType()).getElementType().isF32() ? slot++ : ~0u);
  Block &block = launch.getBody().front();
  for (Operation &op : block)
    for (FlatSymbolRefAttr symbol : decoder::weightSymbols(&op)) {
      if (frame.weights.count(symbol.getAttr())) continue;
      auto view = viewOf(launch, symbol);
      if (failed(view)) return failure();
      view->slot = slot++;
      frame.weights.insert({symbol.getAttr(), *view});
    }
  auto yield = cast<decoder::YieldOp>(block.getTerminator());
  for (OpResult result : launch.getResults()) {
    auto type = dyn_cast<RankedTensorType>(result.getType());
    if (!type || type.getRank() != 2 || type.isDynamicDim(1)) return launch.emitOpError("has a result without a width");
    uint64_t cols = type.getDimSize(1);
    bool exact = isLogits(result);
    frame.results.push_back(
        {yield.getValues()[result.getResultNumber()], cols, exact ? cols * 4 : rowStride(cols), exact, slot++});
  }
  frame.preparedSlot = slot; // present only with a prepare grid
  frame.layerSlot = slot;    // behind it: LaunchKernels adds 1 when there is one
  return frame;
}

Value LaunchFrame::inputRow(Emitter &e, mlir::Value argument, Value row) const {
  unsigned slot = inputSlots[cast<BlockArgument>(argument).getArgNumber()];
  return e.at(e.slotPointer(slot), e.imul(row, rowStride(columns(argument))));
}

bool LaunchFrame::isPosition(mlir::Value argument) const {
  decoder::LaunchOp op = launch;
  auto input = dyn_cast<BlockArgument>(op.getInputs()[cast<BlockArgument>(argument).getArgNumber()]);
  return input && input.getArgNumber() == 1; // @body(ids, positions)
}

Value LaunchFrame::resultRow(Emitter &e, const ResultView &result, Value row) const {
  return e.at(e.slotPointer(result.slot), e.imul(row, result.stride));
}

// 16 elements; with a mask, zeros where it is not set.
static Value loadMasked(Emitter &e, Type element, Value address, Value mask) {
  Type type = e.vec(element);
  if (!mask) return e.load(type, address);
  return e.b.create<LLVM::MaskedLoadOp>(type, address, mask, ValueRange{e.b.create<LLVM::ZeroOp>(type)},
                                        element.getIntOrFloatBitWidth() / 8);
}

static Value maskOf(Emitter &e, int64_t count) { return count >= laneCount ? Value() : e.firstLanes(count); }

Value loadColumns(Emitter &e, Value base, Value column, int64_t count) {
  return loadMasked(e, e.f32, e.at(base, e.imul(column, 4)), maskOf(e, count));
}

static Value loadPlainMasked(Emitter &e, const WeightFormat &format, Value base, Value column, Value mask) {
  Value address = e.at(base, e.imul(column, format.bits() / 8));
  if (format.type == WeightFormat::Type::f32) return loadMasked(e, e.f32, address, mask);
  Value raw = loadMasked(e, e.i16, address, mask);
  if (format.type == WeightFormat::Type::f16) return e.extendHalf(e.bitcast(e.vec(e.f16), raw));
  return e.bitcast(e.lanesType(), e.shl(e.zext(e.vec(e.i32), raw), 16)); // bf16
}

Value loadPlain(Emitter &e, const WeightFormat &format, Value base, Value column, int64_t count) {
  return loadPlainMasked(e, format, base, column, maskOf(e, count));
}

Value loadPlainBefore(Emitter &e, const WeightFormat &format, Value base, Value column, int64_t cols) {
  return loadPlainMasked(e, format, base, column, e.firstLanes(e.isub(e.i64c(cols), column)));
}

void forColumns(Emitter &e, int64_t n, llvm::function_ref<void(Value, int64_t)> body) {
  int64_t whole = n / laneCount * laneCount;
  if (whole) e.loop(e.i64c(0), e.i64c(whole), laneCount, [&](Value column) { body(column, laneCount); });
  if (whole < n) body(e.i64c(whole), n - whole);
}

Value foldColumns(Emitter &e, int64_t n, Value carried, llvm::function_ref<Value(Value, int64_t, Value)> body) {
  int64_t whole = n / laneCount * laneCount;
  if (whole)
    carried = e.loop(e.i64c(0), e.i64c(whole), laneCount, {carried}, [&](Value column, ValueRange values) {
      return SmallVector<Value>{body(column, laneCount, values[0])};
    })[0];
  return whole < n ? body(e.i64c(whole), n - whole, carried) : carried;
}

} // namespace ingot::cpu
