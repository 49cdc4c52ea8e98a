// Expert linears: which product meets which expert; the products themselves are Linear's.
#include "compiler/kernels/cpu/ExpertLinear.h"

using namespace mlir;

namespace ingot::cpu {
namespace {

struct Kernel {
  Emitter &e;
  const LaunchFrame &frame;
  decoder::ExpertLinearOp root;
  const ExpertShape &shape;
  const ExpertVariant &variant;
  Value input = frame.inputRow(e, root.getInput(), e.i64c(0));
  Value indices = frame.inputRow(e, root.getIndices(), e.i64c(0));
  Value weights = frame.weightAddress(e, root.getWeightAttr());
  int64_t units = variant.linear.units(shape.linear);

  Value rowOf(Value product) { return e.udiv(product, shape.slots); }
  Value slotOf(Value product) { return e.urem(product, shape.slots); }

  Value expertOf(Value product) {
    Value row = e.imul(rowOf(product), rowStride(shape.slots));
    return cpu::expertOf(e, shape, e.load(e.f32, e.at(indices, e.iadd(row, e.imul(slotOf(product), 4)))));
  }

  Value weightsOf(Value expert) {
    return e.at(weights, e.imul(expert, shape.linear.blocks() * blockBytes(shape.linear.format, shape.linear.cols)));
  }

  Value inputOf(Value product) {
    uint64_t columns = shape.sharedInput ? shape.linear.cols : shape.linear.cols * shape.slots;
    Value row = e.at(input, e.imul(rowOf(product), rowStride(columns)));
    return shape.sharedInput ? row : e.at(row, e.imul(slotOf(product), shape.linear.cols * 4));
  }

  void store(Value product, Value expert, Value unit, Value lanes) {
    storeProduct(e, frame, root, shape, {rowOf(product), slotOf(product), expert}, unit, lanes);
  }

  void byProduct() {
    e.loop(e.begin, e.end, 1, [&](Value item) {
      Value unit = e.urem(item, units), product = e.udiv(item, units), expert = expertOf(product);
      emitLinearItem(e, shape.linear, variant.linear, weightsOf(expert), unit, {inputOf(product)}, e.i64c(1),
                     [&](Value, Value u, ArrayRef<Value> blocks) { store(product, expert, u, blocks[0]); });
    });
  }

  // The products found so far wait in scratch until a register tile is full.
  Value waiting(Value i) { return e.at(e.at(e.scratch, variant.linear.scratchBytes()), e.imul(i, 8)); }

  void flush(Value expert, Value unit, Value count, int64_t tokens) {
    SmallVector<Value> rows;
    for (int64_t t = 0; t < tokens; ++t)
      rows.push_back(inputOf(e.load(e.i64, waiting(e.clamp(e.i64c(t), e.isub(count, e.i64c(1)))))));
    emitLinearItem(
        e, shape.linear, variant.linear, weightsOf(expert), unit, rows, count,
        [&](Value t, Value u, ArrayRef<Value> blocks) { store(e.load(e.i64, waiting(t)), expert, u, blocks[0]); });
  }

  void byExpert() {
    int64_t tokens = linearTokens(shape.linear, variant.linear, e.level), all = units * shape.experts;
    Value products = e.imul(e.rows(), shape.slots);
    e.loop(e.begin, e.end, 1, [&](Value item) {
      Value unit = e.urem(item, units), expert = e.urem(e.udiv(item, units), shape.experts);
      Value first = e.imul(e.imul(e.udiv(item, all), variant.per()), shape.slots);
      Value end = e.clamp(products, e.iadd(first, int64_t(variant.per() * shape.slots)));
      Value last = e.isub(end, e.i64c(1));
      e.loop(first, end, 1, {e.i64c(0)}, [&](Value product, ValueRange found) {
        Value mine = e.ieq(expertOf(product), expert);
        e.store(product, waiting(found[0])); // overwritten by the next one unless it is ours
        Value count = e.iadd(found[0], e.zext(e.i64, mine));
        Value full = e.ior(e.ieq(count, e.i64c(tokens)), e.ieq(product, last));
        Value go = e.iand(full, e.ult(e.i64c(0), count));
        e.ifThen(go, [&] { flush(expert, unit, count, tokens); });
        return SmallVector<Value>{e.select(go, e.i64c(0), count)};
      });
    });
  }
};

} // namespace

uint32_t fewRows(const ExpertShape &shape) { return std::max<uint64_t>(1, shape.experts / (2 * shape.slots)); }

Value expertOf(Emitter &e, const ExpertShape &shape, Value index) {
  Value zero = e.constant(e.f32, 0.0), last = e.constant(e.f32, double(shape.experts - 1));
  index = e.select(e.less(zero, index), index, zero);
  index = e.select(e.less(last, index), last, index);
  return e.b.create<arith::FPToUIOp>(e.i64, index);
}

void storeProduct(Emitter &e, const LaunchFrame &frame, decoder::ExpertLinearOp root, const ExpertShape &shape,
                  const Product &product, Value unit, Value lanes) {
  int64_t cols = shape.linear.rows;
  Value column = e.imul(unit, laneCount), inside = e.firstLanes(e.isub(e.i64c(cols), column));
  Value offset = e.iadd(e.imul(product.slot, cols), column);
  bool whole = cols % laneCount == 0;
  if (root.getBias()) {
    Value bias = frame.weightAddress(e, root.getBiasAttr());
    Value from = e.at(bias, e.imul(e.iadd(e.imul(product.expert, cols), column), 4));
    Value none = e.lanes(0.0);
    Value addend = whole ? e.loadLanes(from)
                         : Value(e.b.create<LLVM::MaskedLoadOp>(e.lanesType(), from, inside, ValueRange{none}, 4));
    lanes = e.add(lanes, addend);
  }
  Value to = e.at(frame.resultRow(e, frame.results[0], product.row), e.imul(offset, 4));
  if (whole)
    e.store(lanes, to);
  else
    e.b.create<LLVM::MaskedStoreOp>(lanes, to, inside, 4);
}

SmallVector<ExpertVariant> expertVariants(const ExpertShape &shape, Machine machine) {
  SmallVector<ExpertVariant> variants;
  uint32_t few = fewRows(shape);
  for (const LinearVariant &linear : linearVariants(shape.linear, machine)) {
    if (linear.per == 1) variants.push_back({linear, false}), variants.back().linear.maxRows = few;
    if (linear.maxRows == UINT32_MAX) variants.push_back({linear, true});
  }
  return variants;
}

void emitExpertLinear(Emitter &e, const LaunchFrame &frame, decoder::ExpertLinearOp root, const ExpertShape &shape,
                      const ExpertVariant &variant) {
  Kernel kernel{e, frame, root, shape, variant};
  variant.grouped ? kernel.byExpert() : kernel.byProduct();
}

FailureOr<ExpertShape> expertShape(const LaunchFrame &frame, decoder::ExpertLinearOp root) {
  auto yield = cast<decoder::YieldOp>(root->getBlock()->getTerminator());
  if (!isa<BlockArgument>(root.getInput()) || !isa<BlockArgument>(root.getIndices()) || root->getNextNode() != yield ||
      &root->getBlock()->front() != root || yield.getValues() != ValueRange{root.getResult()})
    return root.emitOpError("must be alone in its launch on the CPU");
  const WeightView &weight = frame.weight(root.getWeightAttr());
  if (!weight.packed) return root.emitOpError("wants its weight packed in layout r16");
  ExpertShape shape;
  shape.experts = root.getExperts(), shape.slots = root.getSlots();
  shape.linear = {weight.format, uint64_t(root.getSlotColumns()), weight.cols, false, 1};
  uint64_t columns = LaunchFrame::columns(root.getInput());
  shape.sharedInput = columns == weight.cols;
  if (!shape.sharedInput && columns != weight.cols * shape.slots)
    return root.emitOpError("has ") << columns << " input columns for a weight of " << weight.cols;
  if (weight.rows != shape.experts * shape.linear.blocks() * kBlockRows)
    return root.emitOpError("has a weight of ") << weight.rows << " rows for " << shape.experts << " experts of "
                                                << shape.linear.rows << " in whole blocks of 16";
  if (auto symbol = root.getBiasAttr()) {
    const WeightView &bias = frame.weight(symbol);
    if (bias.packed || bias.format.type != WeightFormat::Type::f32 ||
        bias.rows * bias.cols != shape.experts * shape.linear.rows)
      return root.emitOpError("wants its bias as plain f32, one a row of each expert");
  }
  return shape;
}

} // namespace ingot::cpu
