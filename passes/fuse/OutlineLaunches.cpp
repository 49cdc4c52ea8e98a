// Puts every op of a function into a launch (dialects/decoder/README.md, launch rules 1-5).
//
// What depends on tokens and positions only comes first. Then, for each root in order: its prologue is cloned in (norms
// are cheap: each consumer's prepare repeats them, once a row); its epilogue is every following op that only needs
// region values and values made before the root. What is left are row programs: neighbours that depend on each other or
// on nothing made between them share a launch.
#include "dialects/decoder/Decoder.h"
#include "passes/fuse/Passes.h"
#include "llvm/ADT/SetVector.h"
#include <numeric>

using namespace mlir;
using namespace ingot;
using namespace ingot::decoder;

namespace ingot {
#define GEN_PASS_DEF_OUTLINELAUNCHES
#include "passes/fuse/Passes.h.inc"
} // namespace ingot

using OpSet = llvm::SetVector<Operation *>;

static constexpr int64_t kLanes = 16;

static bool isRoot(Operation *op) { return isa<LinearOp, ExpertLinearOp, AttendOp>(op); }

static bool isRowProgram(Operation *op) {
  return isa<DecoderDialect>(op->getDialect()) && !isRoot(op) && !isa<LaunchOp>(op);
}

static int64_t columnsOf(Value value) { return cast<RankedTensorType>(value.getType()).getDimSize(1); }

/// Ops that may follow a linear (launch rule 3). A norm only when it works head by head: on a part of a split, or in
/// groups.
static bool isEpilogue(Operation *op) {
  if (auto norm = dyn_cast<NormOp>(op)) return norm.getGroups() > 1 || norm.getInput().getDefiningOp<SplitOp>();
  if (auto gate = dyn_cast<GateOp>(op)) return gate.getBlock() == kLanes;
  if (auto split = dyn_cast<SplitOp>(op)) return split.getAlign() % kLanes == 0 && split.getInput().hasOneUse();
  return isa<AddOp, MulOp, ScaleOp, SoftcapOp, ActOp, RopeOp, AppendOp>(op);
}

/// Columns that `op` needs together: whole heads in whole lanes.
static int64_t unitOf(Operation *op) {
  if (auto rope = dyn_cast<RopeOp>(op)) return std::lcm(kLanes, columnsOf(rope.getInput()) / int64_t(rope.getHeads()));
  if (auto norm = dyn_cast<NormOp>(op)) return std::lcm(kLanes, columnsOf(norm.getInput()) / int64_t(norm.getGroups()));
  if (isa<GateOp>(op)) return 2 * kLanes;
  auto append = dyn_cast<AppendOp>(op);
  if (!append) return kLanes;
  auto group = SymbolTable::lookupNearestSymbolFrom<CacheGroupOp>(op, append.getCacheAttr());
  return std::lcm(std::lcm(kLanes, int64_t(group.getKeyDim())), std::lcm(kLanes, int64_t(group.getValueDim())));
}

/// Launch rules 3 and 4: the unit that all ops together need divides the linear's columns and the parts of splits.
static bool fitsUnits(LinearOp root, ArrayRef<Operation *> epilogue) {
  int64_t unit = kLanes;
  for (Operation *op : epilogue) unit = std::lcm(unit, unitOf(op));
  bool fits = int64_t(llvm::alignTo(columnsOf(root.getResult()), kLanes)) % unit == 0;
  for (Operation *op : epilogue)
    if (auto split = dyn_cast<SplitOp>(op)) fits &= int64_t(split.getAlign()) % unit == 0;
  return fits;
}

static bool availableBefore(Value value, Operation *op) {
  Operation *def = value.getDefiningOp();
  return !def || (def->getBlock() == op->getBlock() && def->isBeforeInBlock(op));
}

/// The root's followers, in block order; as many of the first as fit the unit they need together.
static OpSet collectEpilogue(Operation *root) {
  OpSet ops;
  ops.insert(root);
  if (!isa<LinearOp>(root)) return ops;
  for (Operation *op = root->getNextNode(); op; op = op->getNextNode()) {
    if (!isEpilogue(op)) continue;
    bool touches = false, ready = true;
    for (Value operand : op->getOperands()) {
      bool inside = operand.getDefiningOp() && ops.contains(operand.getDefiningOp());
      touches |= inside;
      // An append writes what is in registers: key and value must both be.
      ready &= inside || (!isa<AppendOp>(op) && availableBefore(operand, root));
    }
    if (touches && ready) ops.insert(op);
  }
  while (ops.size() > 1 && !fitsUnits(cast<LinearOp>(root), ops.getArrayRef().drop_front())) ops.pop_back();
  return ops;
}

/// A norm that only linears read is repeated in each one's prepare.
static NormOp prologueOf(Operation *root) {
  auto linear = dyn_cast<LinearOp>(root);
  auto norm = linear ? linear.getInput().getDefiningOp<NormOp>() : NormOp();
  if (!norm || norm.getGroups() != 1) return {};
  bool onlyLinears = llvm::all_of(norm->getUsers(), [](Operation *user) { return isa<LinearOp>(user); });
  return onlyLinears ? norm : NormOp();
}

/// A short name for people: what a profile shows.
static StringRef launchName(const OpSet &ops) {
  bool append = false, gate = false, fromAttend = false, fromGate = false, vocabulary = false, root = false;
  for (Operation *op : ops) {
    append |= isa<AppendOp>(op);
    gate |= isa<GateOp>(op);
    if (isa<AttendOp>(op)) return "attend";
    if (isa<ExpertLinearOp>(op)) return "experts";
    if (isa<EmbedOp>(op)) return "embed";
    if (isa<TakeRowsOp>(op)) return "take_rows";
    auto linear = dyn_cast<LinearOp>(op);
    if (!linear) continue;
    root = true;
    if (auto before = linear.getInput().getDefiningOp<LaunchOp>()) {
      fromAttend |= before.getName() == "attend";
      fromGate |= before.getName() == "mlp_in";
    }
    vocabulary |= op->getParentOfType<func::FuncOp>().getName() == "head";
  }
  if (append) return root ? "attn_in" : "append";
  if (gate) return "mlp_in";
  if (fromAttend) return "attn_out";
  if (fromGate) return "mlp_out";
  return vocabulary ? "lm_head" : root ? "linear" : "rows";
}

/// Moves `ops` into a new launch at `at`; `clones` are copied in front of them.
static LaunchOp outline(const OpSet &ops, ArrayRef<Operation *> clones, Operation *at) {
  llvm::SetVector<Value> inputs;
  llvm::SmallPtrSet<Operation *, 16> inside(ops.begin(), ops.end());
  auto addInputs = [&](Operation *op) {
    for (Value operand : op->getOperands())
      if (!operand.getDefiningOp() ||
          (!inside.contains(operand.getDefiningOp()) && !llvm::is_contained(clones, operand.getDefiningOp())))
        inputs.insert(operand);
  };
  for (Operation *op : clones) addInputs(op);
  for (Operation *op : ops) addInputs(op);

  SmallVector<Value> outputs;
  for (Operation *op : ops)
    for (Value result : op->getResults())
      if (llvm::any_of(result.getUsers(), [&](Operation *user) { return !inside.contains(user); }))
        outputs.push_back(result);

  OpBuilder b(at);
  SmallVector<Type> types(ValueRange(outputs).getTypes());
  auto launch = b.create<LaunchOp>(ops.front()->getLoc(), types, launchName(ops), inputs.getArrayRef(), NumAttr());
  Block *block = b.createBlock(&launch.getBody());
  IRMapping mapping;
  for (Value input : inputs) mapping.map(input, block->addArgument(input.getType(), input.getLoc()));
  for (Operation *op : clones) b.clone(*op, mapping);
  for (Operation *op : ops) b.clone(*op, mapping);
  SmallVector<Value> yields;
  for (Value output : outputs) yields.push_back(mapping.lookup(output));
  b.create<YieldOp>(launch.getLoc(), yields);

  for (auto [output, result] : llvm::zip(outputs, launch.getResults())) output.replaceAllUsesWith(result);
  for (Operation *op : llvm::reverse(ops)) op->erase();
  for (Operation *op : clones)
    if (op->use_empty()) op->erase();
  return launch;
}

/// What needs the tokens and positions only (embed, angles) goes in front, where every launch can read it.
static void hoistInputs(Block &block) {
  Operation *front = &block.front();
  for (Operation &op : llvm::make_early_inc_range(block)) {
    bool early = isRowProgram(&op) && llvm::all_of(op.getOperands(), llvm::IsaPred<BlockArgument>);
    if (!early) continue;
    if (&op == front)
      front = op.getNextNode();
    else
      op.moveBefore(front);
  }
}

static void outlineRoots(Block &block) {
  SmallVector<Operation *> roots;
  for (Operation &op : block)
    if (isRoot(&op)) roots.push_back(&op);
  for (Operation *root : roots) {
    SmallVector<Operation *> clones;
    if (NormOp norm = prologueOf(root)) clones.push_back(norm);
    outline(collectEpilogue(root), clones, root);
  }
}

static void outlineRowPrograms(Block &block) {
  for (Operation *op = &block.front(); op;) {
    if (!isRowProgram(op)) {
      op = op->getNextNode();
      continue;
    }
    OpSet run;
    for (; op && isRowProgram(op); op = op->getNextNode()) run.insert(op);
    outline(run, {}, run.front());
  }
}

namespace {
struct OutlineLaunches : ingot::impl::OutlineLaunchesBase<OutlineLaunches> {
  void runOnOperation() override {
    if (getOperation().isDeclaration()) return;
    Block &block = getOperation().getBody().front();
    hoistInputs(block);
    outlineRoots(block);
    outlineRowPrograms(block);
  }
};
} // namespace
