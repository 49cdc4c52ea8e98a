// Evaluation of row-wise ops.
#include "compiler/kernels/cpu/RowProgram.h"
#include "compiler/kernels/cpu/Blocks.h"
#include "compiler/kernels/cpu/KvAppend.h"
#include "compiler/kernels/cpu/Pointwise.h"

#include "llvm/ADT/TypeSwitch.h"
#include <numeric>

using namespace mlir;

namespace ingot::cpu {

RowValue RowProgram::inMemory(Value address, int64_t cols) {
  return {address, [this, address](Value column, int64_t count) { return loadColumns(e, address, column, count); },
          cols};
}

RowValue &RowProgram::value(mlir::Value v) {
  if (!values.count(v) && isa<BlockArgument>(v))
    values[v] = inMemory(frame.inputRow(e, v, row), LaunchFrame::columns(v));
  return values[v];
}

Value RowProgram::destination(mlir::Value v) {
  for (const ResultView &result : frame.results)
    if (result.value == v) return frame.resultRow(e, result, row);
  return scratchSpace(rowStride(LaunchFrame::columns(v)));
}

Value RowProgram::scratchSpace(uint64_t bytes) {
  Value address = e.at(e.scratch, scratchUsed);
  scratchUsed += llvm::alignTo(bytes, 64);
  return address;
}

Value RowProgram::memoryOf(mlir::Value v) {
  RowValue &known = value(v);
  if (known.memory) return known.memory;
  Columns lanes = known.lanes;
  int64_t cols = known.cols;
  Value to = destination(v);
  forColumns(e, cols, [&](Value column, int64_t count) {
    e.storeFirst(lanes(column, count), e.at(to, e.imul(column, 4)), count);
  });
  values[v] = inMemory(to, cols);
  return to;
}

void RowProgram::define(mlir::Value v, Columns lanes) {
  values[v] = {Value(), std::move(lanes), int64_t(LaunchFrame::columns(v))};
  if (!v.hasOneUse() && !unit) memoryOf(v);
}

LogicalResult RowProgram::evaluate(Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](decoder::NormOp norm) {
        norm.getGroups() > 1 ? groupNorm(norm) : this->norm(norm);
        return success();
      })
      .Case([&](decoder::RopeOp op) { return rope(op), success(); })
      .Case([&](decoder::GateOp op) { return gate(op), success(); })
      .Case([&](decoder::SplitOp op) { return split(op), success(); })
      .Case([&](decoder::TakeRowsOp op) { return takeRows(op), success(); })
      .Case([&](decoder::AppendOp op) { return append(op); })
      .Case([&](decoder::RowsOp op) { return rows(op); })
      .Case([&](decoder::EmbedOp op) { return embed(op), success(); })
      .Case([&](decoder::LookupRowsOp op) { return lookupRows(op), success(); })
      .Case([&](decoder::AnglesOp op) { return angles(op), success(); })
      .Default([&](Operation *op) -> LogicalResult {
        if (!isPointwise(op)) return op->emitOpError("cannot be part of a row program on the CPU");
        return pointwise(op), success();
      });
}

void RowProgram::pointwise(Operation *op) {
  SmallVector<Columns> operands;
  for (mlir::Value operand : op->getOperands()) operands.push_back(value(operand).lanes);
  define(op->getResult(0), [this, op, operands](Value column, int64_t count) {
    SmallVector<Value> lanes;
    for (const Columns &operand : operands) lanes.push_back(operand(column, count));
    return emitPointwise(e, op, lanes);
  });
}

Columns plainColumns(Emitter &e, const LaunchFrame &frame, FlatSymbolRefAttr symbol) {
  if (!symbol) return nullptr;
  Value base = frame.weightAddress(e, symbol);
  WeightFormat format = frame.weight(symbol).format;
  return [&e, base, format](Value column, int64_t count) { return loadPlain(e, format, base, column, count); };
}

// The statistics of the columns that `lanes` makes.
static NormStats rowStats(Emitter &e, decoder::NormOp op, int64_t cols, const Columns &lanes) {
  return emitNormStats(e, op.getKind(), cols, op.getEps().convertToFloat(), [&](Value sum, NormStep step) {
    return foldColumns(e, cols, sum, [&](Value column, int64_t count, Value carried) {
      return step(lanes(column, count), count, carried);
    });
  });
}

// The columns are needed twice or thrice: a chain of ops in front is computed once.
void RowProgram::norm(decoder::NormOp op) {
  memoryOf(op.getInput());
  Columns input = value(op.getInput()).lanes;
  NormStats stats = rowStats(e, op, value(op.getInput()).cols, input);
  Columns gain = plainColumns(e, frame, op.getGainAttr()), bias = plainColumns(e, frame, op.getBiasAttr());
  define(op.getResult(), [this, stats, input, gain, bias](Value column, int64_t count) {
    return applyNorm(e, stats, input(column, count), gain ? gain(column, count) : Value(),
                     bias ? bias(column, count) : Value());
  });
}

void RowProgram::groupNorm(decoder::NormOp op) {
  Value from = memoryOf(op.getInput()), to = destination(op.getResult());
  int64_t cols = value(op.getInput()).cols, groupDim = cols / op.getGroups();
  Columns gain = plainColumns(e, frame, op.getGainAttr()), bias = plainColumns(e, frame, op.getBiasAttr());
  e.loop(op.getGroups(), [&](Value group) {
    Value offset = e.imul(group, groupDim * 4), source = e.at(from, offset), target = e.at(to, offset);
    Columns lanes = [&](Value column, int64_t count) { return loadColumns(e, source, column, count); };
    NormStats stats = rowStats(e, op, groupDim, lanes);
    forColumns(e, groupDim, [&](Value column, int64_t count) {
      Value y = applyNorm(e, stats, lanes(column, count), gain ? gain(column, count) : Value(),
                          bias ? bias(column, count) : Value());
      e.storeFirst(y, e.at(target, e.imul(column, 4)), count);
    });
  });
  values[op.getResult()] = inMemory(to, cols);
}

void RowProgram::rope(decoder::RopeOp op) {
  Value from = memoryOf(op.getInput()), table = memoryOf(op.getAngles()), to = destination(op.getResult());
  int64_t cols = value(op.getInput()).cols, angleCols = value(op.getAngles()).cols, headDim = cols / op.getHeads();
  Blocks angles;
  for (int64_t c = 0; c < angleCols; c += laneCount)
    angles.push_back(loadColumns(e, table, e.i64c(c), std::min(laneCount, angleCols - c)));
  auto turn = [&](Value first, int64_t count) {
    Value source = e.at(from, e.imul(first, 4)), target = e.at(to, e.imul(first, 4));
    Blocks blocks;
    for (int64_t c = 0; c < count; c += laneCount)
      blocks.push_back(loadColumns(e, source, e.i64c(c), std::min(laneCount, count - c)));
    blocks = emitRope(e, blocks, angles, headDim, angleCols / 2, op.getInterleaved());
    for (int64_t c = 0; c < count; c += laneCount)
      e.storeFirst(blocks[c / laneCount], e.at(target, c * 4), std::min(laneCount, count - c));
  };
  int64_t unit = unitColumns(headDim), whole = cols / unit * unit;
  if (whole) e.loop(e.i64c(0), e.i64c(whole), unit, [&](Value first) { turn(first, unit); });
  if (whole < cols) turn(e.i64c(whole), cols - whole);
  values[op.getResult()] = inMemory(to, cols);
}

// Columns alternate: `block` of gate, `block` of up; the last of each may be cut short by the result's width.
void RowProgram::gate(decoder::GateOp op) {
  Value from = memoryOf(op.getInput()), to = destination(op.getResult());
  int64_t cols = LaunchFrame::columns(op.getResult()), block = op.getBlock();
  auto chunk = [&](Value index, int64_t width) {
    Value gate = e.at(from, e.imul(index, 2 * block * 4)), up = e.at(gate, block * 4);
    Value target = e.at(to, e.imul(index, block * 4));
    forColumns(e, width, [&](Value column, int64_t count) {
      Value y = e.mul(emitActivation(e, op.getKind(), loadColumns(e, gate, column, count)),
                      loadColumns(e, up, column, count));
      e.storeFirst(y, e.at(target, e.imul(column, 4)), count);
    });
  };
  if (cols / block) e.loop(cols / block, [&](Value index) { chunk(index, block); });
  if (cols % block) chunk(e.i64c(cols / block), cols % block);
  values[op.getResult()] = inMemory(to, cols);
}

void RowProgram::split(decoder::SplitOp op) {
  Value from = memoryOf(op.getInput());
  int64_t offset = 0;
  for (auto [part, size] : llvm::zip(op.getResults(), op.getSizes())) {
    offset = llvm::alignTo(offset, op.getAlign());
    values[part] = inMemory(e.at(from, offset * 4), size);
    offset += size;
  }
}

void RowProgram::takeRows(decoder::TakeRowsOp op) {
  Value index = e.zext(e.i64, e.batchI32(offsetof(ingot_batch, logit_row), row));
  Value address = frame.inputRow(e, op.getInput(), index);
  values[op.getResult()] = inMemory(address, LaunchFrame::columns(op.getResult()));
}

LogicalResult RowProgram::append(decoder::AppendOp op) {
  auto group = SymbolTable::lookupNearestSymbolFrom<decoder::CacheGroupOp>(op, op.getCacheAttr());
  if (failed(checkAppend(op, std::lcm(unitColumns(group.getKeyDim()), unitColumns(group.getValueDim())))))
    return failure();
  for (bool isValue : {false, true}) {
    mlir::Value operand = isValue ? op.getValue() : op.getKey();
    Value from = memoryOf(operand);
    int64_t cols = value(operand).cols, unit = unitColumns(isValue ? group.getValueDim() : group.getKeyDim());
    auto heads = [&](Value first, int64_t count) {
      Value source = e.at(from, e.imul(first, 4));
      Blocks blocks;
      for (int64_t c = 0; c < count; c += laneCount)
        blocks.push_back(loadColumns(e, source, e.i64c(c), std::min(laneCount, count - c)));
      emitAppend(e, frame, op, isValue, row, first, blocks);
    };
    int64_t whole = cols / unit * unit;
    if (whole) e.loop(e.i64c(0), e.i64c(whole), unit, [&](Value first) { heads(first, unit); });
    if (whole < cols) heads(e.i64c(whole), cols - whole);
  }
  return success();
}

// Ids and positions (i32) have no row in memory: they come from the batch.
Value RowProgram::rowOf(mlir::Value input) {
  if (cast<RankedTensorType>(input.getType()).getElementType().isF32()) return memoryOf(input);
  Value number =
      e.batchI32(frame.isPosition(input) ? offsetof(ingot_batch, position) : offsetof(ingot_batch, token), row);
  Value address = scratchSpace(4);
  e.store(number, address);
  return address;
}

LogicalResult RowProgram::rows(decoder::RowsOp op) {
  Block &block = op.getBody().front();
  GraphRow &region =
      *regions.emplace_back(std::make_unique<GraphRow>(e, [this](uint64_t bytes) { return scratchSpace(bytes); }));
  for (auto [argument, input] : llvm::zip(block.getArguments(), op.getInputs())) region.bind(argument, rowOf(input));
  auto weights = op.getWeights().getAsRange<FlatSymbolRefAttr>();
  for (auto [argument, symbol] : llvm::zip(block.getArguments().drop_front(op.getInputs().size()), weights))
    region.bind(argument, frame.weightAddress(e, symbol));
  for (Operation &inner : block.without_terminator())
    if (failed(region.evaluate(&inner))) return failure();
  for (auto [result, yielded] : llvm::zip(op.getResults(), block.getTerminator()->getOperands())) {
    if (GraphValue &known = region.value(yielded); known.memory)
      values[result] = inMemory(known.memory, known.count());
    else
      define(result, known.lanes);
  }
  return success();
}

//===- units ------------------------------------------------------------------------------------------------------===//

uint32_t columnUnits(const LaunchFrame &frame) {
  decoder::LaunchOp launch = frame.launch;
  for (Operation &op : launch.getBody().front().without_terminator()) {
    bool onlyYielded = llvm::all_of(op.getUsers(), [](Operation *user) { return isa<decoder::YieldOp>(user); });
    if (isa<decoder::AnglesOp>(op) && onlyYielded) continue; // the first unit's affair
    if (!isPointwise(&op) && !isa<decoder::EmbedOp, decoder::LookupRowsOp, decoder::TakeRowsOp>(op)) return 1;
  }
  int64_t most = 1;
  for (const ResultView &result : frame.results) most = std::max<int64_t>(most, result.cols);
  return llvm::divideCeil(most, kUnitColumns);
}

void RowProgram::forUnitColumns(int64_t cols, llvm::function_ref<void(Value column, int64_t count)> body) {
  if (!unit) return forColumns(e, cols, body);
  int64_t whole = cols / laneCount * laneCount;
  Value first = e.imul(unit, kUnitColumns);
  if (whole)
    e.loop(first, e.clamp(e.iadd(first, kUnitColumns), e.i64c(whole)), laneCount,
           [&](Value column) { body(column, laneCount); });
  if (whole < cols) e.ifThen(e.ieq(unit, e.i64c(whole / kUnitColumns)), [&] { body(e.i64c(whole), cols - whole); });
}

void RowProgram::yield() {
  llvm::DenseSet<mlir::Value> done; // in their own rows: the first result that names them
  for (const ResultView &result : frame.results) {
    RowValue &known = value(result.value);
    if (known.stored && done.insert(result.value).second) continue;
    Value to = frame.resultRow(e, result, row);
    forUnitColumns(known.cols, [&](Value column, int64_t count) {
      e.storeFirst(known.lanes(column, count), e.at(to, e.imul(column, 4)), count);
    });
  }
}

FailureOr<uint64_t> emitRowProgram(Emitter &e, const LaunchFrame &frame, uint32_t units) {
  uint64_t scratch = 0;
  bool failed = false;
  decoder::LaunchOp launch = frame.launch;
  e.loop(e.begin, e.end, 1, [&](Value item) {
    RowProgram program(e, frame, e.udiv(item, units), units > 1 ? e.urem(item, units) : Value());
    for (Operation &op : launch.getBody().front().without_terminator()) failed |= mlir::failed(program.evaluate(&op));
    if (!failed) program.yield();
    scratch = program.scratchBytes();
  });
  if (failed) return failure();
  return scratch;
}

} // namespace ingot::cpu
