// What every later phase may rely on after infer.
//
// Rules
// 1. The module holds weights.source, weights.recipe, decoder.cache_group, decoder.state_slot, one decoder.limits, and
// the
//    functions @body and @head; nothing else.
// 2. @body(tensor<?xi32>, tensor<?xi32>) -> tensor<?xDxf32>; @head(tensor<?xDxf32>) -> tensor<?xVxf32>, one block each.
// 3. They hold decoder ops in rows form and the return: every result is tensor<?xnxf32>; no launch, append, attend.
// 4. @head begins with take_rows; no other take_rows exists.
// 5. Every attention names a cache group of its kv_heads and window, and a layer in it; each layer of each group has
//    exactly one attention, and none has a past, seqlens, total or present.
// 6. Every symbol of an op is a recipe or a cache group. A linear's recipe is [N, K] for [.., K] -> [.., N]; an
//    attention's sinks are a recipe of as many elements as it has heads; experts' are [experts * N, K].
#include "dialects/decoder/Decoder.h"
#include "dialects/weights/Weights.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "passes/infer/Passes.h"
#include <set>

using namespace mlir;
using namespace ingot;

namespace ingot {
#define GEN_PASS_DEF_VERIFYINFER
#include "passes/infer/Passes.h.inc"
} // namespace ingot

namespace {

bool isRows(Type type) {
  auto rows = dyn_cast<RankedTensorType>(type);
  return rows && rows.getRank() == 2 && rows.isDynamicDim(0) && !rows.isDynamicDim(1) && rows.getElementType().isF32();
}

bool isIds(Type type) {
  auto ids = dyn_cast<RankedTensorType>(type);
  return ids && ids.getRank() == 1 && ids.isDynamicDim(0) && ids.getElementType().isInteger(32);
}

class VerifyInferPass : public ingot::impl::VerifyInferBase<VerifyInferPass> {
  void runOnOperation() override {
    if (failed(verifyModule()) || failed(verifyFunctions())) signalPassFailure();
  }

  LogicalResult verifyModule();    // rule 1
  LogicalResult verifyFunctions(); // rules 2-6
  LogicalResult verifySignature(func::FuncOp function);
  LogicalResult verifyOp(Operation &op);
  LogicalResult verifySymbols(Operation &op);
  LogicalResult verifyAttention(decoder::AttentionOp op);
  LogicalResult verifyExperts(decoder::ExpertLinearOp op);

  std::set<std::pair<StringRef, int64_t>> layers;
};

LogicalResult VerifyInferPass::verifyModule() {
  ModuleOp module = getOperation();
  for (Operation &op : module.getOps())
    if (!isa<weights::SourceOp, weights::RecipeOp, decoder::CacheGroupOp, decoder::StateSlotOp, decoder::LimitsOp,
             func::FuncOp>(op))
      return op.emitError("is left in the module after infer");
  if (!llvm::hasSingleElement(module.getOps<decoder::LimitsOp>()))
    return module.emitError("needs one decoder.limits after infer");
  for (auto function : module.getOps<func::FuncOp>())
    if (function.getName() != "body" && function.getName() != "head")
      return function.emitError("is left in the module after infer");
  return success();
}

LogicalResult VerifyInferPass::verifyFunctions() {
  ModuleOp module = getOperation();
  layers.clear();
  auto body = module.lookupSymbol<func::FuncOp>("body"), head = module.lookupSymbol<func::FuncOp>("head");
  if (!body || !head) return module.emitError("needs @body and @head after infer");
  for (func::FuncOp function : {body, head}) {
    if (failed(verifySignature(function))) return failure();
    for (Operation &op : function.getBody().front().without_terminator())
      if (failed(verifyOp(op))) return failure();
  }
  if (body.getResultTypes() != head.getArgumentTypes()) return head.emitError("does not take what @body returns");
  if (!isa<decoder::TakeRowsOp>(head.getBody().front().front()))
    return head.emitError("must begin with decoder.take_rows");
  for (auto group : module.getOps<decoder::CacheGroupOp>())
    for (int64_t layer = 0; layer < int64_t(group.getLayers()); ++layer)
      if (!layers.count({group.getSymName(), layer})) return group.emitError("has no attention for layer ") << layer;
  return success();
}

LogicalResult VerifyInferPass::verifySignature(func::FuncOp function) {
  bool isBody = function.getName() == "body";
  TypeRange arguments = function.getArgumentTypes(), results = function.getResultTypes();
  bool good = function.getBody().hasOneBlock() && results.size() == 1 && isRows(results[0]) &&
              (isBody ? arguments.size() == 2 && isIds(arguments[0]) && isIds(arguments[1])
                      : arguments.size() == 1 && isRows(arguments[0]));
  return good ? success() : function.emitError("has another signature than rows form wants");
}

LogicalResult VerifyInferPass::verifyOp(Operation &op) {
  if (!isa<decoder::DecoderDialect>(op.getDialect()) ||
      isa<decoder::LaunchOp, decoder::AppendOp, decoder::AttendOp>(op))
    return op.emitError("is left after infer");
  if (!llvm::all_of(op.getResultTypes(), isRows)) return op.emitError("has a result that is no rows [?, n] of f32");
  bool first = op.getPrevNode() == nullptr && op.getParentOfType<func::FuncOp>().getName() == "head";
  if (isa<decoder::TakeRowsOp>(op) && !first) return op.emitError("stands elsewhere than at the beginning of @head");
  if (auto attention = dyn_cast<decoder::AttentionOp>(op)) return verifyAttention(attention);
  return verifySymbols(op);
}

LogicalResult VerifyInferPass::verifySymbols(Operation &op) {
  for (FlatSymbolRefAttr symbol : decoder::weightSymbols(&op))
    if (!getOperation().lookupSymbol<weights::RecipeOp>(symbol.getAttr()))
      return op.emitError("names ") << symbol << ", which is no recipe";
  if (auto experts = dyn_cast<decoder::ExpertLinearOp>(op)) return verifyExperts(experts);
  auto linear = dyn_cast<decoder::LinearOp>(op);
  if (!linear) return success();
  auto weight = getOperation().lookupSymbol<weights::RecipeOp>(linear.getWeightAttr().getAttr()).getResultType();
  auto columns = [](Value v) { return cast<RankedTensorType>(v.getType()).getDimSize(1); };
  bool fits = weight.getRank() == 2 && weight.getDimSize(0) == columns(linear.getResult()) &&
              weight.getDimSize(1) == columns(linear.getInput());
  return fits ? success() : linear.emitError("has a weight of type ") << weight;
}

LogicalResult VerifyInferPass::verifyExperts(decoder::ExpertLinearOp op) {
  auto typeOf = [&](FlatSymbolRefAttr symbol) {
    return getOperation().lookupSymbol<weights::RecipeOp>(symbol.getAttr()).getResultType();
  };
  RankedTensorType weight = typeOf(op.getWeightAttr());
  int64_t rows = int64_t(op.getExperts()) * op.getSlotColumns();
  int64_t columns = cast<RankedTensorType>(op.getInput().getType()).getDimSize(1);
  bool fits = weight.getRank() == 2 && weight.getDimSize(0) == rows &&
              (weight.getDimSize(1) == columns || weight.getDimSize(1) * op.getSlots() == columns);
  if (!fits) return op.emitError("has a weight of type ") << weight;
  bool biasFits = !op.getBiasAttr() || typeOf(op.getBiasAttr()).getNumElements() == rows;
  return biasFits ? success() : op.emitError("has a bias that is not one a row of each expert");
}

LogicalResult VerifyInferPass::verifyAttention(decoder::AttentionOp op) {
  if (!op.getCache() || op.getPastKey() || op.getSeqlens() || op.getTotal() || op.getPresentKey() ||
      op.getPresentValue())
    return op.emitError("is still in import form");
  auto group = getOperation().lookupSymbol<decoder::CacheGroupOp>(*op.getCache());
  if (!group) return op.emitError("names no cache group");
  bool fits = group.getKvHeads() == op.getKvHeads() && int64_t(group.getWindow()) == op.getMask().getWindow() &&
              int64_t(*op.getLayer()) < int64_t(group.getLayers());
  if (!fits) return op.emitError("does not fit its cache group");
  if (!layers.insert({group.getSymName(), *op.getLayer()}).second)
    return op.emitError("shares its layer with another attention");
  if (!op.getSinks()) return success();
  auto sinks = getOperation().lookupSymbol<weights::RecipeOp>(*op.getSinks());
  bool perHead = sinks && sinks.getResultType().getNumElements() == int64_t(op.getHeads());
  return perHead ? success() : op.emitError("names sinks that are not one a head");
}

} // namespace
