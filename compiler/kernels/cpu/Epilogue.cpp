// Emission of epilogues. A value is known in the unit at hand or it is not: behind a split each part's ops run only in
// the units of that part, and an append writes the operand that is there.
#include "compiler/kernels/cpu/Epilogue.h"
#include "compiler/kernels/cpu/KvAppend.h"
#include "compiler/kernels/cpu/KvLayout.h"
#include "compiler/kernels/cpu/Pointwise.h"

#include "llvm/ADT/TypeSwitch.h"
#include <numeric>

using namespace mlir;

namespace ingot::cpu {

//===- legality ---------------------------------------------------------------------------------------------------===//

// Columns that an op needs together.
static int64_t unitOf(Operation *op) {
  if (auto rope = dyn_cast<decoder::RopeOp>(op))
    return unitColumns(LaunchFrame::columns(rope.getInput()) / rope.getHeads());
  if (auto norm = dyn_cast<decoder::NormOp>(op))
    return unitColumns(LaunchFrame::columns(norm.getInput()) / norm.getGroups());
  if (auto append = dyn_cast<decoder::AppendOp>(op))
    if (auto layout = KvLayout::of(append, append.getCacheAttr()); succeeded(layout))
      return std::lcm(unitColumns(layout->keyDim), unitColumns(layout->valueDim));
  return laneCount;
}

static LogicalResult checkSplit(decoder::SplitOp split, int64_t unit) {
  if (!split.getInput().hasOneUse()) return split.emitOpError("must be the only user of its input in an epilogue");
  int64_t offset = 0;
  for (int64_t size : split.getSizes()) {
    offset = llvm::alignTo(offset, split.getAlign());
    if (offset % unit)
      return split.emitOpError("has a part at column ") << offset << ", but the epilogue works on units of " << unit;
    offset += size;
  }
  return success();
}

static LogicalResult checkOp(Operation *op, int64_t unit) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](decoder::SplitOp split) { return checkSplit(split, unit); })
      .Case([&](decoder::GateOp gate) -> LogicalResult {
        if (gate.getBlock() == laneCount) return success();
        return gate.emitOpError("must alternate in blocks of 16 in an epilogue");
      })
      .Case([&](decoder::AppendOp append) { return checkAppend(append, unit); })
      .Case<decoder::RopeOp, decoder::NormOp, decoder::YieldOp>([](Operation *) { return success(); })
      .Default([](Operation *op) -> LogicalResult {
        if (isPointwise(op)) return success();
        return op->emitOpError("cannot follow a linear in one launch on the CPU");
      });
}

FailureOr<unsigned> epilogueUnitBlocks(const LaunchFrame &frame, decoder::LinearOp root) {
  int64_t unit = laneCount;
  bool gate = false;
  auto ops = llvm::make_range(std::next(root->getIterator()), root->getBlock()->end());
  for (Operation &op : ops) unit = std::lcm(unit, unitOf(&op)), gate |= isa<decoder::GateOp>(op);
  if (gate) unit *= 2;
  for (Operation &op : ops)
    if (failed(checkOp(&op, unit))) return failure();
  const WeightView &weight = frame.weight(root.getWeightAttr());
  if (blockCount(weight.rows) % (unit / laneCount))
    return root.emitOpError("has a weight of ") << weight.rows << " rows, which units of " << unit << " do not divide";
  return unit / laneCount;
}

//===- emission ---------------------------------------------------------------------------------------------------===//

namespace {
// Columns [column, column + 16 * blocks.size()) of a value of `cols` columns.
struct UnitValue {
  Blocks blocks;
  Value column;
  int64_t cols = 0;
};

class Epilogue {
public:
  using Known = llvm::DenseMap<mlir::Value, UnitValue>;
  Epilogue(Emitter &e, const LaunchFrame &frame, Value token, bool padded)
      : e(e), frame(frame), token(token), padded(padded) {}

  // Emits `op` and all behind it, as far as their operands are known.
  void run(Operation *op, Known known) {
    for (; op; op = op->getNextNode()) {
      if (auto split = dyn_cast<decoder::SplitOp>(op)) {
        auto input = known.find(split.getInput());
        if (input == known.end()) continue;
        return parts(split, input->second);
      }
      if (auto yield = dyn_cast<decoder::YieldOp>(op)) {
        stores(known);
      } else if (auto append = dyn_cast<decoder::AppendOp>(op)) {
        if (auto key = known.find(append.getKey()); key != known.end())
          emitAppend(e, frame, append, /*value=*/false, token, key->second.column, key->second.blocks);
        if (auto value = known.find(append.getValue()); value != known.end())
          emitAppend(e, frame, append, /*value=*/true, token, value->second.column, value->second.blocks);
      } else if (const UnitValue *unit = leading(op, known)) {
        UnitValue result = compute(op, *unit, known);
        known[op->getResult(0)] = std::move(result);
      }
    }
  }

  // Columns of a plain vector (bias) or a row (launch input) of `cols` that belong to `unit`. Blocks past the end
  // repeat the last: they are padding, and never stored.
  Blocks columnsOf(const UnitValue &unit, int64_t cols, llvm::function_ref<Value(Value column)> load) {
    Blocks blocks;
    for (size_t b = 0; b < unit.blocks.size(); ++b) {
      Value column = e.iadd(unit.column, b * laneCount);
      if (!coversExactly(unit, cols)) column = e.clamp(column, e.i64c(llvm::alignTo(cols, laneCount) - laneCount));
      blocks.push_back(load(column));
    }
    return blocks;
  }

  Blocks plainVector(FlatSymbolRefAttr symbol, const UnitValue &unit) {
    const WeightFormat &format = frame.weight(symbol).format;
    Value base = frame.weightAddress(e, symbol);
    int64_t cols = frame.weight(symbol).cols;
    return columnsOf(unit, cols, [&](Value column) {
      if (cols % laneCount == 0) return loadPlain(e, format, base, column, laneCount);
      return loadPlainBefore(e, format, base, column, cols);
    });
  }

private:
  // Whether every unit that runs lies wholly inside `cols` columns.
  bool coversExactly(const UnitValue &unit, int64_t cols) {
    return unit.cols == cols && cols % int64_t(unit.blocks.size() * laneCount) == 0 && !padded;
  }

  // The operand that says where the op works: the first that is known, when all others are known or inputs.
  const UnitValue *leading(Operation *op, const Known &known) {
    const UnitValue *first = nullptr;
    for (mlir::Value operand : op->getOperands()) {
      auto found = known.find(operand);
      if (found == known.end() && !isa<BlockArgument>(operand)) return nullptr;
      if (found != known.end() && !first) first = &found->second;
    }
    return first;
  }

  UnitValue compute(Operation *op, const UnitValue &unit, const Known &known) {
    UnitValue result{{}, unit.column, int64_t(LaunchFrame::columns(op->getResult(0)))};
    if (auto gate = dyn_cast<decoder::GateOp>(op)) {
      result.column = e.udiv(unit.column, 2);
      for (size_t b = 0; b < unit.blocks.size(); b += 2)
        result.blocks.push_back(e.mul(emitActivation(e, gate.getKind(), unit.blocks[b]), unit.blocks[b + 1]));
    } else if (auto rope = dyn_cast<decoder::RopeOp>(op)) {
      result.blocks = this->rope(rope, unit);
    } else if (auto norm = dyn_cast<decoder::NormOp>(op)) {
      int64_t groupDim = unit.cols / norm.getGroups();
      auto vector = [&](FlatSymbolRefAttr symbol) { return symbol ? headVector(symbol, groupDim) : Blocks(); };
      result.blocks = emitGroupNorm(e, unit.blocks, norm.getKind(), groupDim, norm.getEps().convertToFloat(),
                                    vector(norm.getGainAttr()), vector(norm.getBiasAttr()));
    } else {
      result.blocks = pointwise(op, unit, known);
    }
    return result;
  }

  Blocks pointwise(Operation *op, const UnitValue &unit, const Known &known) {
    SmallVector<Blocks> operands;
    for (mlir::Value operand : op->getOperands()) {
      auto found = known.find(operand);
      operands.push_back(found != known.end() ? found->second.blocks : inputBlocks(operand, unit));
    }
    Blocks result;
    for (size_t b = 0; b < unit.blocks.size(); ++b) {
      SmallVector<Value> lanes;
      for (const Blocks &operand : operands) lanes.push_back(operand[b]);
      result.push_back(emitPointwise(e, op, lanes));
    }
    return result;
  }

  Blocks inputBlocks(mlir::Value argument, const UnitValue &unit) {
    Value row = frame.inputRow(e, argument, token);
    return columnsOf(unit, LaunchFrame::columns(argument),
                     [&](Value column) { return loadColumns(e, row, column, laneCount); });
  }

  Blocks headVector(FlatSymbolRefAttr symbol, int64_t cols) {
    Blocks blocks;
    for (int64_t c = 0; c < cols; c += laneCount)
      blocks.push_back(loadPlain(e, frame.weight(symbol).format, frame.weightAddress(e, symbol), e.i64c(c),
                                 std::min(laneCount, cols - c)));
    return blocks;
  }

  Blocks rope(decoder::RopeOp op, const UnitValue &unit) {
    Value row = frame.inputRow(e, op.getAngles(), token);
    int64_t cols = LaunchFrame::columns(op.getAngles());
    Blocks angles;
    for (int64_t c = 0; c < cols; c += laneCount) // rows have room for whole blocks
      angles.push_back(loadColumns(e, row, e.i64c(c), laneCount));
    return emitRope(e, unit.blocks, angles, unit.cols / op.getHeads(), cols / 2, op.getInterleaved());
  }

  void parts(decoder::SplitOp split, const UnitValue &input) {
    int64_t offset = 0;
    for (auto [part, size] : llvm::zip(split.getResults(), split.getSizes())) {
      offset = llvm::alignTo(offset, split.getAlign());
      Value column = e.isub(input.column, e.i64c(offset)); // wraps, hence large, before the part
      e.guard(e.ult(column, e.i64c(size)), [&] {
        Known known;
        known[part] = {input.blocks, column, size};
        run(split->getNextNode(), known);
      });
      offset += size;
    }
  }

  void stores(const Known &known) {
    for (const ResultView &result : frame.results)
      if (auto found = known.find(result.value); found != known.end()) store(result, found->second);
  }

  // Rows have room for whole blocks, logits rows end with their last column.
  void store(const ResultView &result, const UnitValue &unit) {
    Value row = frame.resultRow(e, result, token);
    int64_t cols = result.cols;
    for (auto [b, lanes] : llvm::enumerate(unit.blocks)) {
      Value column = e.iadd(unit.column, b * laneCount), block = lanes;
      auto write = [&] {
        Value address = e.at(row, e.imul(column, 4));
        if (result.exact && cols % laneCount)
          e.b.create<LLVM::MaskedStoreOp>(block, address, e.firstLanes(e.isub(e.i64c(cols), column)), 4);
        else
          e.store(block, address);
      };
      if (coversExactly(unit, cols))
        write();
      else
        e.guard(e.ult(column, e.i64c(cols)), write);
    }
  }

  Emitter &e;
  const LaunchFrame &frame;
  Value token;
  bool padded; // the weight has blocks of rows behind the result's last column
};
} // namespace

void emitEpilogue(Emitter &e, const LaunchFrame &frame, decoder::LinearOp root, Value token, Value unit,
                  ArrayRef<Value> blocks) {
  int64_t cols = LaunchFrame::columns(root.getResult());
  bool padded = blockCount(frame.weight(root.getWeightAttr()).rows) * kBlockRows != uint64_t(cols);
  Epilogue epilogue(e, frame, token, padded);
  UnitValue value{Blocks(blocks), e.imul(unit, blocks.size() * laneCount), cols};
  if (auto bias = root.getBiasAttr())
    for (auto [block, addend] : llvm::zip(value.blocks, epilogue.plainVector(bias, value)))
      block = e.add(block, addend);
  epilogue.run(root->getNextNode(), {{root.getResult(), value}});
}

} // namespace ingot::cpu
