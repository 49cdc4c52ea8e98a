// f32 linears of few tokens. A warp takes a split of a block: lane (g, t) multiplies rows 4t .. 4t+3 in the columns of
// run g, so that 4 columns of all runs, 2 KB, are a stage of its ring. Weights of the first stages are on their way
// before the previous kernel has ended; no barrier of the CTA inside the loop.
//
// Shared memory: [warp][ring] stages (weights [together][run][4 columns][16 rows] | x [token][run][4 columns]), then
// [split][block][token][16] sums. In the weights of odd runs neighbouring columns are swapped: eight lanes' reads, two
// runs', hit all banks once.
#include "compiler/kernels/cuda/LinearF32.h"
#include "compiler/kernels/cuda/Worker.h"

using namespace mlir;

namespace ingot::cuda {
namespace {

using Words = SmallVector<Value>;
constexpr uint32_t kColumns = 4, kBlockBytes = kRuns * kColumns * kFloatColumnBytes; // of a stage
constexpr uint32_t kMostRing = 8, kRing = 3, kManyCtas = 1056; // eight CTAs a multiprocessor of the largest cards
constexpr uint32_t kWantedBytes = 74 << 10;                    // of a CTA: three on an H100

uint32_t stageBytes(const FloatStreamTiling &tiling) {
  return tiling.together * kBlockBytes + tiling.tokens * kRuns * 16;
}
uint64_t sequenceOf(const FloatStreamTiling &tiling, const RunCut &cut) { // stages of a warp
  return cut.columns / kColumns * tiling.passes();
}
uint32_t slotsOf(const FloatStreamTiling &tiling, const RunCut &cut) { // of a warp's ring
  return std::min<uint64_t>(tiling.ring, sequenceOf(tiling, cut));
}
uint32_t ringBytes(const FloatStreamTiling &tiling, const RunCut &cut) {
  return tiling.warps() * slotsOf(tiling, cut) * stageBytes(tiling);
}
uint32_t sharedBytes(const FloatStreamTiling &tiling, const RunCut &cut) {
  return ringBytes(tiling, cut) + kSplits * tiling.blocks * tiling.tokens * 64;
}

struct Stream {
  TensorEmitter &m;
  const FloatLinear &linear;
  const FloatStreamTiling &tiling;
  Emitter &e = m.e;
  const LinearShape &shape = linear.kernel.shape;
  const RunCut &cut = linear.cut;
  int64_t stages = cut.columns / kColumns, sequence = sequenceOf(tiling, cut), slots = slotsOf(tiling, cut);
  bool padded = cut.padded(shape.cols);
  size_t sumCount = size_t(tiling.together) * tiling.tokens * 4; // [block][token][row 4t + r]
  // Of the thread for good.
  Value run = m.g, quad = m.t, split = e.iand(m.warp, e.i32c(kSplits - 1)), part = e.lshr(m.warp, 2);
  Value ring = m.shared(e.imul(m.warp, stageBytes(tiling) * slots));
  Value sums = m.shared(e.i32c(ringBytes(tiling, cut)));
  Value allWeights = m.global(linear.kernel.weightAddress(e)); // of the first expert
  Value input = m.global(linear.input(e));
  Value oddRun = e.shl(e.iand(run, e.i32c(1)), 6);
  Value ownWeights = e.ior(e.ior(e.shl(run, 8), oddRun), e.shl(quad, 4)); // column j: xor 64 j
  Value ownInput = e.shl(run, 4);
  // Of the item.
  Value weights = {}, firstBlock = {}, firstToken = {};
  Words rows = {}; // ptr<1>: of the lane's pieces of activations

  //===- filling the ring -----------------------------------------------------------------------------------------===//

  Value slot(Value index) { return m.advance(ring, e.imul(e.urem(index, slots), int64_t(stageBytes(tiling)))); }
  Value ownBlock(Value pass) {
    return e.imul(e.iadd(e.imul(pass, int64_t(tiling.parts)), part), int64_t(tiling.together));
  }
  // The first of a stage's columns in run `run` of the warp's split.
  Value firstColumn(Value stage, Value run) {
    Value whole = e.iadd(e.imul(split, int64_t(kRuns)), run);
    return e.iadd(e.imul(whole, int64_t(cut.columns)), e.imul(stage, int64_t(kColumns)));
  }
  Value stageOf(Value index) { return tiling.passes() == 1 ? index : e.urem(index, stages); }

  // A lane copies 4 rows of a column of every other run.
  void fetchWeights(Value index) {
    Value pass = tiling.passes() == 1 ? e.i32c(0) : e.udiv(index, stages);
    Value to = slot(index), first = e.iadd(firstBlock, ownBlock(pass)), stage = stageOf(index);
    Value odd = e.lshr(m.lane, 4), column = e.iand(e.lshr(m.lane, 2), e.i32c(3)), rows = e.shl(quad, 4);
    Value place = e.iadd(e.iadd(e.shl(odd, 8), e.shl(e.ixor(column, odd), 6)), rows);
    for (int64_t i = 0; i < tiling.together; ++i) { // the last block stands in for those behind it
      Value block = e.clamp(e.iadd(first, i), e.i32c(shape.blocks() - 1));
      Value from = m.advance(weights, e.imul(e.zext(e.i64, block), int64_t(shape.blockBytes())));
      for (int64_t pair = 0; pair < kRuns / 2; ++pair) {
        Value k = e.iadd(firstColumn(stage, e.iadd(odd, 2 * pair)), column), there;
        if (padded) there = e.guarded(e.ult(k, e.i32c(shape.cols)), e.i32c(16), e.i32c(0));
        m.copy(m.advance(to, e.iadd(place, i * kBlockBytes + pair * 512)), m.advance(from, e.iadd(e.shl(k, 6), rows)),
               there);
      }
    }
  }

  // Piece p of 16 bytes: token p / 8, run p % 8.
  uint32_t pieces() { return tiling.tokens * kRuns; }
  void openRows() {
    rows.clear();
    for (uint32_t first = 0; first < pieces(); first += 32) {
      Value token = e.lshr(e.iadd(m.lane, int64_t(first)), 3);
      Value row = linear.kernel.inputRow(m, firstToken, token);
      rows.push_back(m.advance(input, e.imul(row, int64_t(linear.inputStride))));
    }
  }
  void fetchInput(Value index) {
    Value to = m.advance(slot(index), tiling.together * kBlockBytes), stage = stageOf(index);
    for (uint32_t first = 0; first < pieces(); first += 32) {
      auto copy = [&] {
        Value piece = e.iadd(m.lane, int64_t(first));
        Value k = firstColumn(stage, e.iand(piece, e.i32c(kRuns - 1))), bytes = linear.pieceBytes(e, k);
        m.copy(m.advance(to, e.shl(piece, 4)), m.advance(rows[first / 32], e.shl(k, 2)), bytes);
      };
      first + 32 <= pieces() ? copy() : e.guard(e.ult(m.lane, e.i32c(pieces() - first)), copy);
    }
  }
  //===- using it -------------------------------------------------------------------------------------------------===//

  Words multiply(Value slot, ValueRange before) {
    Words acc(before);
    SmallVector<Words> x;
    Value row = m.advance(slot, e.iadd(ownInput, int64_t(tiling.together * kBlockBytes)));
    for (uint32_t token = 0; token < tiling.tokens; ++token)
      x.push_back(m.load(m.advance(row, token * kRuns * 16), 4, e.f32));
    for (uint32_t i = 0; i < tiling.together; ++i)
      for (uint32_t j = 0; j < kColumns; ++j) {
        Value at = e.iadd(e.ixor(ownWeights, e.i32c(64 * j)), int64_t(i * kBlockBytes));
        Words w = m.load(m.advance(slot, at), 4, e.f32);
        for (uint32_t token = 0; token < tiling.tokens; ++token)
          for (uint32_t r = 0; r < 4; ++r) {
            Value &sum = acc[(i * tiling.tokens + token) * 4 + r];
            sum = e.fma(w[r], x[token][j], sum);
          }
      }
    return acc;
  }

  Words pass(Value pass) {
    Value first = e.imul(pass, stages);
    return e.loop(e.i32c(0), e.i32c(stages), 1, Words(sumCount, m.zero()), [&](Value stage, ValueRange acc) {
      Value index = e.iadd(first, stage);
      m.wait(tiling.ring - 2);
      m.warpSync(); // all lanes' pieces of this stage are there, and nobody reads the last one any more
      if (tiling.ring <= sequence) { // else all stages are on their way
        Value ahead = e.iadd(index, int64_t(tiling.ring - 1));
        e.guard(e.ult(ahead, e.i32c(sequence)), [&] { fetchWeights(ahead), fetchInput(ahead); });
      }
      m.commit();
      return multiply(slot(index), acc);
    });
  }

  // The runs of the warp's split, added in order. They meet in the stage that was used last, four tokens at a time:
  // [run][token][16], of which a lane adds 2 rows.
  void storeSums(Value pass, ValueRange acc) {
    Value meet = slot(e.iadd(e.imul(pass, stages), stages - 1));
    uint32_t most = std::min<uint32_t>(tiling.tokens, 4), runBytes = most * 64;
    // A lane's sums lie where the weights were that it alone has read.
    bool ownPlace = runBytes == kColumns * kFloatColumnBytes;
    for (uint32_t i = 0; i < tiling.together; ++i)
      for (uint32_t first = 0; first < tiling.tokens; first += most) {
        if (!ownPlace || i || first) m.warpSync(); // nobody reads what was there any more
        Value own = m.advance(meet, e.iadd(e.imul(run, int64_t(runBytes)), e.shl(quad, 4)));
        for (uint32_t token = 0; token < most; ++token)
          m.store(acc.slice((i * tiling.tokens + first + token) * 4, 4), m.advance(own, token * 64));
        m.warpSync();
        Value block = e.iadd(ownBlock(pass), int64_t(i));
        whereReal(block, most, [&] { addRuns(meet, runBytes, block, first); });
      }
  }
  void whereReal(Value block, uint32_t tokens, llvm::function_ref<void()> body) {
    Value inside;
    if (tokens < 4) inside = e.ult(m.lane, e.i32c(tokens * 8));
    if (tiling.passes() * tiling.parts * tiling.together != tiling.blocks) {
      Value real = e.ult(block, e.i32c(tiling.blocks));
      inside = inside ? e.iand(inside, real) : real;
    }
    inside ? e.guard(inside, body) : body();
  }
  void addRuns(Value meet, uint32_t runBytes, Value block, uint32_t firstToken) {
    Value own = e.shl(m.lane, 3);
    Words sum(2, m.zero());
    for (uint32_t r = 0; r < kRuns; ++r) {
      Words words = m.load(m.advance(meet, e.iadd(own, int64_t(r * runBytes))), 2, e.f32);
      for (int i : {0, 1}) sum[i] = e.add(sum[i], words[i]);
    }
    Value at = e.imul(e.iadd(e.imul(split, int64_t(tiling.blocks)), block), int64_t(tiling.tokens) * 64);
    m.store(sum, m.advance(sums, e.iadd(e.iadd(at, own), int64_t(firstToken) * 64)));
  }

  void emit(Value item, const KernelVariant &variant) {
    int64_t units = variant.units;
    bool oneTile = linear.kernel.hasOneTile(variant);
    firstToken = oneTile ? e.i64c(0) : e.imul(e.udiv(item, units), int64_t(tiling.tokens));
    Value group = oneTile ? item : e.urem(item, units);
    const ExpertItems *experts = linear.kernel.experts;
    if (experts) experts->open(m, e.udiv(item, units));
    weights = experts ? m.advance(allWeights, experts->weightOffset(e)) : allWeights;
    firstBlock = e.imul(e.trunc(e.i32, group), int64_t(tiling.blocks));
    uint32_t early = std::min<int64_t>(tiling.ring - 1, sequence);
    for (uint32_t i = 0; i < early; ++i) fetchWeights(e.i32c(i));
    if (!experts) e.b.create<ptx::GriddepWaitOp>();
    openRows();
    for (uint32_t i = 0; i + 1 < tiling.ring; ++i) { // the first group holds all weights so far
      if (i < early) fetchInput(e.i32c(i));
      m.commit();
    }
    e.loop(e.i32c(0), e.i32c(tiling.passes()), 1, [&](Value index) { storeSums(index, pass(index)); });
    m.barrier();
    emitLinearFinish(m, linear.kernel,
                     {sums, e.imul(group, int64_t(tiling.blocks / shape.unitBlocks)), oneTile ? Value() : firstToken,
                      kSplits, tiling.blocks, tiling.tokens, tiling.warps() * 32});
    if (!linear.kernel.hasOneItem(variant)) m.barrier(); // before the next item's
  }
};
} // namespace

std::optional<FloatStreamTiling> FloatStreamTiling::of(const LinearShape &shape, const RunCut &cut, uint32_t tokens) {
  uint32_t unit = shape.unitBlocks, blocks = unit;
  while (blocks + unit <= 4 && shape.blocks() / (blocks + unit) >= kManyCtas) blocks += unit;
  uint32_t together = tokens > 1 && blocks % 2 == 0 ? 2 : 1;
  FloatStreamTiling tiling{tokens, blocks, together, std::min<uint32_t>(blocks / together, 2), kMostRing};
  auto most = [&](uint32_t bytes) { return sharedBytes(tiling, cut) <= bytes; };
  while (tiling.ring > kRing && (tiling.ring > sequenceOf(tiling, cut) + 1 || !most(kWantedBytes))) --tiling.ring;
  while (tiling.parts > 1 && !most(kMostSharedBytes)) --tiling.parts;
  if (!most(kMostSharedBytes)) return std::nullopt;
  return tiling;
}

LogicalResult emitFloatStream(const FloatLinear &linear, const FloatStreamTiling &tiling, KernelVariant &variant) {
  variant.per = tiling.tokens, variant.units = (linear.kernel.shape.blocks() + tiling.blocks - 1) / tiling.blocks;
  variant.blockThreads = tiling.warps() * 32, variant.blockItems = 1;
  variant.sharedBytes = sharedBytes(tiling, linear.cut);
  Emitter e(linear.kernel.module, variant.kernel);
  e.b.create<ptx::GriddepLaunchOp>();
  TensorEmitter m(e);
  Stream stream{m, linear, tiling};
  return linear.kernel.emitItems(m, variant, /*ctas=*/0, [&](Value item) { stream.emit(item, variant); });
}

} // namespace ingot::cuda
