// Emission of prepare grids: the norm stays a function of columns and fuses into the quantiser's loop over groups.
#include "compiler/kernels/cpu/Prepare.h"
#include "compiler/kernels/cpu/MathFunctions.h"
#include "compiler/kernels/cpu/RowProgram.h"

using namespace mlir;

namespace ingot::cpu {

FailureOr<PreparedInput> preparedInput(const LaunchFrame &frame, decoder::LinearOp root) {
  PreparedInput input;
  for (Operation &op : *root->getBlock()) {
    if (&op == root) break;
    input.prologue = dyn_cast<decoder::NormOp>(op);
    if (!input.prologue || input.prologue.getResult() != root.getInput() || input.prologue.getGroups() != 1)
      return op.emitOpError("cannot stand before a linear on the CPU: its prologue is one norm or nothing");
  }
  if (!input.prologue && !isa<BlockArgument>(root.getInput()))
    return root.emitOpError("must read its prologue or an input of the launch");
  input.cols = LaunchFrame::columns(root.getInput());
  decoder::LaunchOp launch = frame.launch;
  auto num = launch.getNum();
  input.int8 = num && num->getActivations() == decoder::ActivationKind::int8;
  if (!input.int8) return input;
  const WeightView &weight = frame.weight(root.getWeightAttr());
  if (!weight.format.isInteger() || num->getGroup() != weight.format.group)
    return root.emitOpError("has int8 activations in groups of ")
           << num->getGroup() << ", but its weight's layout is " << weight.format.name();
  input.layout = {input.cols, weight.format.group};
  return input;
}

namespace {
// One row's quantiser (numerics.md, int8 activations).
struct Quantiser {
  Emitter &e;
  const PreparedRow &layout;
  int64_t factor; // PreparedRow: start = factor * sum
  const Columns &lanes;
  Value out;

  // The lanes of one group; a group that the row's end cuts short has zeros behind it.
  SmallVector<Value> groupLanes(Value firstColumn, int64_t count) {
    SmallVector<Value> blocks;
    for (int64_t c = 0; c < int64_t(layout.group); c += laneCount) {
      int64_t valid = std::min(laneCount, count - c);
      if (valid <= 0)
        blocks.push_back(e.lanes(0.0));
      else
        blocks.push_back(e.keepFirst(lanes(e.iadd(firstColumn, c), valid), valid));
    }
    return blocks;
  }

  // The largest magnitude by its bits: a NaN wins and shows.
  Value largest(ArrayRef<Value> blocks) {
    Value bits;
    for (Value x : blocks) {
      Value magnitude = e.bitcast(e.vec(e.i32), e.abs(x));
      bits = bits ? e.smax(bits, magnitude) : magnitude;
    }
    return e.bitcast(e.f32, e.maxSignedLanes(bits));
  }

  void group(Value index, int64_t count) {
    Value first = e.imul(index, layout.group), limit = e.constant(e.f32, 127.0);
    auto blocks = groupLanes(first, count);
    Value amax = largest(blocks);
    Value tiny = e.less(amax, e.constant(e.f32, 0x1p-120));
    Value inverse = e.broadcast(e.select(tiny, e.constant(e.f32, 0.0), e.div(limit, amax)));
    Value sum;
    for (auto [b, x] : llvm::enumerate(blocks)) {
      Value shifted = e.add(e.mul(x, inverse), e.lanes(math::roundMagic));
      Value bytes = e.trunc(e.vec(e.i8), e.bitcast(e.vec(e.i32), shifted));
      e.store(bytes, e.at(out, e.iadd(first, b * laneCount)));
      Value words = e.sext(e.vec(e.i32), bytes);
      sum = sum ? e.iadd(sum, words) : words;
    }
    Value offset = e.imul(index, 4);
    e.store(e.div(amax, limit), e.at(e.at(out, layout.scaleOffset()), offset));
    e.store(e.imul(e.addLanes(sum), factor), e.at(e.at(out, layout.startOffset()), offset));
  }

  void emit() {
    int64_t whole = layout.cols / layout.group;
    if (whole) e.loop(whole, [&](Value index) { group(index, layout.group); });
    if (int64_t tail = layout.cols % layout.group) group(e.i64c(whole), tail);
  }
};
} // namespace

uint64_t emitPrepare(Emitter &e, const LaunchFrame &frame, decoder::LinearOp root, const PreparedInput &input) {
  uint64_t scratch = 0;
  e.loop(e.begin, e.end, 1, [&](Value row) {
    RowProgram program(e, frame, row);
    if (input.prologue) (void)program.evaluate(input.prologue); // a norm: always possible
    Columns lanes = program.value(root.getInput()).lanes;
    Value out = e.at(e.slotPointer(frame.preparedSlot), e.imul(row, input.bytesPerRow()));
    if (input.int8) {
      Quantiser{e, input.layout, sumFactor(frame.weight(root.getWeightAttr()).format, e.level), lanes, out}.emit();
    } else {
      forColumns(e, input.cols, [&](Value column, int64_t count) {
        e.storeFirst(lanes(column, count), e.at(out, e.imul(column, 4)), count);
      });
    }
    scratch = program.scratchBytes();
  });
  return scratch;
}

} // namespace ingot::cpu
