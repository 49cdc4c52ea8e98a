// Turns @body and @head from SSA over tensors into steps over buffers, and gathers them with the kernels in a program.
//
// Invariants
//  1. A tensor value is a buffer of its own, live from the step that writes it to the last that reads it; buffers that
//     are live together do not overlap. Body and head have an arena each, counted in bytes a row.
//  2. The body's result is read by the head: it stays live to the body's end, and the head binds it as a body buffer.
//  3. The head's result is the caller's logits. i32 arguments (tokens, positions) have no slot: kernels read the batch.
#include "dialects/plan/Plan.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/plan/Passes.h"

using namespace mlir;
using namespace ingot;
using namespace ingot::plan_ir;

namespace ingot {
#define GEN_PASS_DEF_PLANSTEPS
#include "passes/plan/Passes.h.inc"
} // namespace ingot

static constexpr int64_t kAlignment = 64;

static int64_t bytesPerRow(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  return llvm::alignTo(type.getDimSize(1) * (type.getElementTypeBitWidth() / 8), kAlignment);
}

namespace {
/// First-fit placement of intervals in one arena.
class Arena {
public:
  int64_t allocate(int64_t size, int64_t firstStep, int64_t lastStep) {
    int64_t offset = 0;
    for (bool moved = true; moved;) {
      moved = false;
      for (const Block &block : blocks)
        if (block.first <= lastStep && firstStep <= block.last && block.offset < offset + size &&
            offset < block.offset + block.size) {
          offset = block.offset + block.size;
          moved = true;
        }
    }
    blocks.push_back({offset, size, firstStep, lastStep});
    high = std::max(high, offset + size);
    return offset;
  }
  int64_t size() const { return high; }

private:
  struct Block {
    int64_t offset, size, first, last;
  };
  SmallVector<Block> blocks;
  int64_t high = 0;
};

struct PlanSteps : ingot::impl::PlanStepsBase<PlanSteps> {
  using PlanStepsBase::PlanStepsBase;

  void runOnOperation() override {
    auto body = getOperation().lookupSymbol<func::FuncOp>("body"),
         head = getOperation().lookupSymbol<func::FuncOp>("head");
    if (!body || !head) {
      getOperation().emitError("needs @body and @head");
      return signalPassFailure();
    }
    if (failed(createProgram())) return signalPassFailure();
    planFunction(body, Space::body);
    Value hidden = body.getBody().front().getTerminator()->getOperand(0);
    buffers[head.getArgument(0)] = buffers.lookup(hidden);
    planFunction(head, Space::head);
    body.erase();
    head.erase();
  }

private:
  LogicalResult createProgram() {
    std::optional<Target> machine = symbolizeTarget(target);
    if (!machine) return getOperation().emitError("plans for cpu or cuda, not for '") << target.getValue() << "'";
    auto kernels = llvm::to_vector(getOperation().getOps<KernelOp>());
    OpBuilder atEnd = OpBuilder::atBlockEnd(getOperation().getBody());
    auto program = atEnd.create<ProgramOp>(getOperation().getLoc(), *machine, queryTileRows);
    contents = &program.getBody().emplaceBlock();
    for (KernelOp kernel : kernels) kernel->moveBefore(contents, contents->end());
    return success();
  }

  void planFunction(func::FuncOp function, Space space) {
    Block &block = function.getBody().front();
    Value result = block.getTerminator()->getOperand(0);
    placeBuffers(block, space, result);
    OpBuilder atEnd = OpBuilder::atBlockEnd(contents);
    auto entry = atEnd.create<EntryOp>(function.getLoc(), space, arenas[int(space)].size());
    OpBuilder b = OpBuilder::atBlockEnd(&entry.getBody().emplaceBlock());
    for (auto launch : block.getOps<LaunchOp>()) planLaunch(b, launch, space == Space::head ? result : Value());
  }

  void placeBuffers(Block &block, Space space, Value result) {
    int64_t step = 0;
    DenseMap<Operation *, int64_t> order;
    for (Operation &op : block) order[&op] = step++;
    OpBuilder b = OpBuilder::atBlockEnd(contents);
    for (auto launch : block.getOps<LaunchOp>())
      for (Value value : launch.getResults()) {
        if (space == Space::head && value == result) continue;
        int64_t first = order[launch], last = first;
        for (Operation *user : value.getUsers()) last = std::max(last, order[user]);
        int64_t size = bytesPerRow(value), offset = arenas[int(space)].allocate(size, first, last);
        std::string name = ("b" + Twine(count++) + "_" + launch.getName()).str();
        b.create<BufferOp>(launch.getLoc(), name, space, size, offset);
        buffers[value] = FlatSymbolRefAttr::get(&getContext(), name);
      }
  }

  void planLaunch(OpBuilder &b, LaunchOp launch, Value logits) {
    SmallVector<Attribute> bindings;
    auto bind = [&](BindingKind kind, FlatSymbolRefAttr symbol = {}, uint64_t value = 0) {
      bindings.push_back(BindingAttr::get(&getContext(), kind, symbol, value));
    };
    for (Value input : launch.getInputs())
      if (auto buffer = buffers.lookup(input)) bind(BindingKind::buffer, buffer);
    int64_t weightBytes = 0;
    for (auto symbol : launch.getWeights().getAsRange<FlatSymbolRefAttr>()) {
      auto packed = FlatSymbolRefAttr::get(&getContext(), (symbol.getValue() + ".packed").str());
      bind(BindingKind::weight, packed);
      weightBytes += cast<WeightOp>(SymbolTable::lookupSymbolIn(getOperation(), packed)).getSize();
    }
    for (Value result : launch.getResults())
      result == logits ? bind(BindingKind::logits) : bind(BindingKind::buffer, buffers.lookup(result));
    if (!launch.getPrepare().empty() || launch.getPartialBytes()) bind(BindingKind::prepared);
    if (auto layer = launch.getLayer()) bind(BindingKind::immediate, {}, *layer);
    bool table = launch.getOpsPerRow() == 0; // embeds read a row, not the table
    b.create<StepOp>(launch.getLoc(), launch.getNameAttr(), b.getArrayAttr(bindings), launch.getPrepare(),
                     launch.getMain(), launch.getFinishAttr(), launch.getPreparedBytesPerRow(),
                     launch.getPartialBytes(), launch.getPreparePrivateRows(), table ? 0 : weightBytes,
                     launch.getOpsPerRow());
  }

  mlir::Block *contents = nullptr; // of the program
  Arena arenas[2];
  DenseMap<Value, FlatSymbolRefAttr> buffers;
  int64_t count = 0;
};
} // namespace
