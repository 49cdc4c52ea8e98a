// The pass: convention, typing, caches, rows, limits. README.md tells the method.
#include "dialects/graph/Graph.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
#include "passes/infer/Convention.h"
#include "passes/infer/IndexFunction.h"
#include "passes/infer/Passes.h"
#include "passes/infer/RotaryEmbedding.h"
#include "passes/infer/RowIdioms.h"

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;

namespace ingot {
#define GEN_PASS_DEF_INFER
#include "passes/infer/Passes.h.inc"
} // namespace ingot

namespace {

/// Ops between the cut and the logits, and the value at the cut. Behind the last op with two token operands (the last
/// residual add) everything is a function of one row: it runs only for the rows whose logits are wanted.
struct Cut {
  Value value;
  llvm::SetVector<Operation *> head;
};

bool ignoresClosedOperands(Operation *op) {
  return isa<graph::ReshapeOp, graph::SqueezeOp, graph::UnsqueezeOp, graph::ExpandOp, graph::SliceOp>(op);
}

Cut findCut(const Typing &typing, Value logits) {
  Cut cut{logits, {}};
  while (Operation *op = cut.value.getDefiningOp()) {
    if (isa<decoder::AttentionOp, decoder::RopeOp, decoder::EmbedOp>(op) || op->getNumResults() != 1 ||
        typing.recognised.contains(op))
      break;
    Value next;
    bool single = true;
    for (Value operand : op->getOperands()) {
      if (typing[operand].isToken())
        single &= !next, next = operand;
      else
        single &= typing[operand].constant || ignoresClosedOperands(op);
    }
    if (!single || !next || !isa<FloatType>(cast<RankedTensorType>(next.getType()).getElementType())) break;
    cut.head.insert(op);
    cut.value = next;
  }
  return cut;
}

class InferPass : public ingot::impl::InferBase<InferPass> {
public:
  using InferBase::InferBase;

  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<func::FuncDialect, graph::GraphDialect, decoder::DecoderDialect, weights::WeightsDialect>();
    registerIndexFunctions(registry);
  }
  void runOnOperation() override {
    if (failed(run())) signalPassFailure();
  }

private:
  LogicalResult run();
  FailureOr<Interface> type(Typing &typing, const LearntSizes &learnt, bool promptOnly = false);
  bool provesCacheBranch(func::FuncOp main);
  LearntSizes learnSizes(func::FuncOp main);
  bool learnMore(func::FuncOp main, LearntSizes &learnt);
  LogicalResult emit(Typing &typing, const Interface &interface, RotaryTables &tables);
  LogicalResult setLimits(OpBuilder &builder, Typing &typing, int64_t positions);
};

func::FuncOp makeFunction(OpBuilder &builder, Location location, StringRef name, TypeRange arguments) {
  auto type = builder.getFunctionType(arguments, {});
  auto function = builder.create<func::FuncOp>(location, name, type);
  function.addEntryBlock();
  return function;
}

/// Closes a function with its one result.
void finish(func::FuncOp function, OpBuilder &builder, Value result) {
  builder.create<func::ReturnOp>(function.getLoc(), result);
  function.setType(builder.getFunctionType(function.getArgumentTypes(), result.getType()));
}

/// Exporters join the columns that rotate with those that pass, even if there are none of them. An empty token value
/// has no rows: joins leave it out, what maps it is empty, too, and nothing else can be made of it. True if `op` is
/// done.
bool lowerEmpty(Operation &op, RowBuilder &rows) {
  Typing &typing = rows.typing;
  auto isEmpty = [&](Value v) { return typing[v].isToken() && rows.width(v) == 0; };
  if (llvm::all_of(op.getResults(), isEmpty)) return true;
  if (isa<graph::ConcatOp>(op))
    for (unsigned k = op.getNumOperands(); k-- > 0;)
      if (isEmpty(op.getOperand(k))) op.eraseOperand(k);
  if (!llvm::any_of(op.getOperands(), isEmpty)) return false;
  typing.report(&op, "takes an empty tensor; only joining with others makes sense of it");
  return true;
}

void lowerOp(Operation &op, RowBuilder &rows) {
  Typing &typing = rows.typing;
  bool token = llvm::any_of(op.getResults(), [&](Value v) { return typing[v].isToken() && !typing[v].poisoned; });
  auto rule = dyn_cast<IndexFunction>(op);
  if (!rule || !token) return;
  auto known = typing.recognised.find(&op);
  if (known != typing.recognised.end()) return known->second.lower(rows);
  if (lowerEmpty(op, rows)) return;
  rule.lowerRows(rows);
  bool ready = llvm::all_of(op.getOperands(), [&](Value v) { return !typing[v].isToken() || rows.rows(v); });
  bool done = llvm::any_of(op.getResults(), [&](Value v) { return bool(rows.rows(v)); });
  if (ready && !done) rows.noRowForm(&op); // unless it has told a better reason
}

LogicalResult InferPass::setLimits(OpBuilder &builder, Typing &typing, int64_t positions) {
  Location location = typing.main.getLoc();
  if (maxContext < 0) return emitError(location) << "--max-context " << int64_t(maxContext) << " is negative";
  if (positions && maxContext > positions)
    return emitError(location) << "--max-context " << int64_t(maxContext) << " is over the model's own limit of "
                               << positions << " positions (the length of its position tables)";
  int64_t limit = maxContext ? int64_t(maxContext) : positions ? positions : int64_t(configContext);
  if (!limit)
    return emitError(location) << "the graph does not tell how many positions it is made for: give --max-context";
  SmallVector<StringRef> names(typing.relaxations.begin(), typing.relaxations.end());
  for (StringRef name : names) mlir::emitWarning(location) << "read under the relaxation '" << name << "'";
  builder.create<decoder::LimitsOp>(location, limit, 0, builder.getStrArrayAttr(names));
  return success();
}

/// Removes symbols of the weights dialect that nothing names any more.
void dropUnused(ModuleOp module) {
  for (int round = 0; round < 2; ++round) { // recipes first, then sources
    llvm::DenseSet<StringAttr> used;
    module.walk([&](Operation *op) {
      op->getAttrDictionary().walk([&](SymbolRefAttr symbol) { used.insert(symbol.getRootReference()); });
    });
    for (Operation &op : llvm::make_early_inc_range(module.getOps()))
      if (isa<weights::RecipeOp, weights::SourceOp>(op) && !used.contains(SymbolTable::getSymbolName(&op))) op.erase();
  }
}

/// Everything that the cut and the caches hang on. False if the value at the cut has no rows.
bool emitBody(RowBuilder &rows, func::FuncOp body, const Interface &interface, Value cut) {
  Block &block = body.getBody().front();
  rows.startFunction(block, body.getArgument(1));
  rows.set(interface.tokens, body.getArgument(0));
  llvm::DenseSet<Operation *> live = liveOps(rows.typing, rootsOf(rows.typing, cut));
  for (Operation &op : rows.typing.main.getBody().front().without_terminator())
    if (live.contains(&op)) lowerOp(op, rows);
  Value hidden = rows.rows(cut);
  if (hidden) finish(body, rows.builder, hidden);
  return bool(hidden);
}

/// The rows that are wanted, and what lies behind the cut. False if the logits have no rows.
bool emitHead(RowBuilder &rows, func::FuncOp head, const Interface &interface, const Cut &cut) {
  Value input = head.getArgument(0);
  rows.startFunction(head.getBody().front(), Value());
  rows.set(cut.value, rows.builder.create<decoder::TakeRowsOp>(head.getLoc(), input.getType(), input));
  for (Operation *op : llvm::reverse(cut.head)) lowerOp(*op, rows);
  Value logits = rows.rows(interface.logits);
  if (logits) finish(head, rows.builder, logits);
  return bool(logits);
}

LogicalResult InferPass::emit(Typing &typing, const Interface &interface, RotaryTables &tables) {
  Location location = typing.main.getLoc();
  OpBuilder symbols(typing.main);
  CachePlaces places = placeCaches(typing, interface.logits, symbols);
  Recipes recipes(getOperation());
  Cut cut = findCut(typing, interface.logits);
  RowBuilder rows(typing, recipes, tables, places);
  auto ids = RankedTensorType::get({ShapedType::kDynamic}, symbols.getI32Type());
  func::FuncOp body = makeFunction(symbols, location, "body", {ids, ids});
  func::FuncOp head = makeFunction(symbols, location, "head", rows.rowType(rows.width(cut.value)));
  bool traced = emitBody(rows, body, interface, cut.value);
  traced &= emitHead(rows, head, interface, cut); // even without a body: all gaps are told at once
  if (failed(typing.flush(rootsOf(typing, interface.logits)))) return failure();
  if (!traced) return emitError(location) << "the logits could not be traced to the tokens";
  symbols.setInsertionPoint(body);
  if (typing.positionLimit) tables.limit(typing.positionLimit);
  if (failed(setLimits(symbols, typing, tables.positions))) return failure();
  typing.main.erase();
  return success();
}

FailureOr<Interface> InferPass::type(Typing &typing, const LearntSizes &learnt, bool promptOnly) {
  FailureOr<Interface> interface = applyConvention(typing, learnt, promptOnly);
  if (failed(interface)) return failure();
  typing.contextLimit = maxContext ? int64_t(maxContext) : int64_t(configContext);
  typing.run();
  return interface;
}

/// C5: types the function for the sizes of its pasts only. True if that told new ones.
bool InferPass::learnMore(func::FuncOp main, LearntSizes &learnt) {
  bool open = llvm::any_of(main.getArgumentTypes(), [](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return tensor && tensor.getRank() >= 3 && tensor.getNumDynamicDims() > 2 - (tensor.getRank() == 3);
  });
  if (!open) return false;
  Typing trial(main, modelFile);
  ScopedDiagnosticHandler silence(&getContext(), [](Diagnostic &) { return success(); });
  if (failed(type(trial, learnt))) return false;
  bool grew = false;
  for (auto [axis, size] : trial.attention.learnt) grew |= learnt.insert({axis, size}).second;
  return grew;
}

LearntSizes InferPass::learnSizes(func::FuncOp main) {
  LearntSizes learnt;
  while (learnMore(main, learnt)) {
  }
  return learnt;
}

/// C6: types a copy of the function with its branch for a past (typing settles branches: only one may be tried on the
/// function itself).
bool InferPass::provesCacheBranch(func::FuncOp main) {
  ScopedDiagnosticHandler silence(&getContext(), [](Diagnostic &) { return success(); });
  OpBuilder builder(main);
  auto copy = cast<func::FuncOp>(builder.clone(*main));
  copy.setName("trial");
  bool proved = false;
  {
    LearntSizes learnt = learnSizes(copy);
    Typing trial(copy, modelFile);
    if (succeeded(type(trial, learnt)))
      if (Value logits = findLogits(trial)) proved = succeeded(trial.flush({logits}));
  }
  copy.erase();
  return proved;
}

LogicalResult InferPass::run() {
  ModuleOp module = getOperation();
  auto main = module.lookupSymbol<func::FuncOp>("main");
  if (!main || !main.getBody().hasOneBlock()) return module.emitError("infer needs func.func @main of one block");
  bool promptOnly = hasCacheSwitch(main) && !provesCacheBranch(main);
  LearntSizes learnt = promptOnly ? LearntSizes() : learnSizes(main);
  Typing typing(main, modelFile);
  RotaryTables tables(module, modelFile);
  FailureOr<Interface> interface = type(typing, learnt, promptOnly);
  if (failed(interface)) return failure();
  if (promptOnly) typing.relax("prompt-branch");
  recogniseRotaryEmbeddings(typing, tables);
  interface->logits = findLogits(typing);
  if (!interface->logits || failed(emit(typing, *interface, tables))) return failure();
  if (failed(recogniseRowIdioms(module))) return failure();
  dropUnused(module);
  return success();
}

} // namespace
