// f32 linears of many tokens. A warp takes a block of 16 rows and the tile's tokens: lane (g, t) multiplies rows
// 4t .. 4t+3 by tokens g, g + 8, ... The CTA's warps share the activations, and take the splits of K side by side (a
// small matrix has too few blocks for a card) or one after the other (sums of many blocks want the room).
//
// Shared memory: [ring] of (x [parallel][token][stage's columns] | weights [parallel][block][column][16 rows]);
// [parallel][block][token][16] sums, over the ring once it is used up where splits are parallel, else behind it. Rows
// of x are an odd number of 16 bytes apart: eight tokens' reads hit all banks once.
#include "compiler/kernels/cuda/LinearF32.h"
#include "compiler/kernels/cuda/Worker.h"

using namespace mlir;

namespace ingot::cuda {
namespace {

using Words = SmallVector<Value>;

// A thread needs 8 registers a token for its sums, of a run and of a split.
uint32_t mostThreads(uint32_t tokens) { return tokens > 32 ? 384 : 512; }

struct Layout {
  const RunCut &cut;
  const FloatTileTiling &tiling;

  uint32_t pieces() const { return cut.stage / 4; } // of 16 bytes, of a token's columns
  uint32_t tokenBytes() const { return (pieces() | 1) * 16; }
  uint32_t inputBytes() const { return tiling.parallel * tiling.tokens * tokenBytes(); }
  uint32_t blockBytes() const { return cut.stage * kFloatColumnBytes; }
  uint32_t stageBytes() const { return inputBytes() + tiling.warps() * blockBytes(); }
  uint32_t ringBytes() const { return tiling.ring * stageBytes(); }
  uint32_t sumBytes() const { return tiling.warps() * tiling.tokens * 64; }
  uint32_t sums() const { return tiling.parallel > 1 ? 0 : ringBytes(); }
  uint32_t bytes() const { return std::max(ringBytes(), sums() + sumBytes()); }
  uint32_t threads() const { return tiling.warps() * 32; }
};

struct Tile {
  TensorEmitter &m;
  const FloatLinear &linear;
  const FloatTileTiling &tiling;
  Emitter &e = m.e;
  const LinearShape &shape = linear.kernel.shape;
  const RunCut &cut = linear.cut;
  Layout layout{cut, tiling};
  uint32_t ownTokens = tiling.tokens / 8, serial = kSplits / tiling.parallel;
  int64_t runStages = cut.columns / cut.stage, splitStages = runStages * kRuns, sequence = splitStages * serial;
  bool padded = cut.padded(shape.cols);
  // Of the thread for good: the window of K it works in (0 where splits are serial) and its block.
  Value window = tiling.parallel > 1 ? e.urem(m.warp, tiling.parallel) : e.i32c(0);
  Value block = e.udiv(m.warp, tiling.parallel);
  Value input = m.global(linear.input(e));
  Value allWeights = m.global(linear.kernel.weightAddress(e)); // of the first expert
  Value ownSums = {};                                          // of token g, rows 4t ..
  // Of the item.
  Value weights = {}, firstToken = {};
  Words rows = {}; // ptr<1>: of the activations that the thread copies

  //===- filling the ring -----------------------------------------------------------------------------------------===//

  Value slot(Value index) { return m.shared(e.imul(e.urem(index, tiling.ring), int64_t(layout.stageBytes()))); }
  Value firstColumn(Value window, Value index) {
    return e.iadd(e.imul(window, int64_t(cut.splitColumns())), e.imul(index, int64_t(cut.stage)));
  }
  Value weightsOf(Value slot) {
    Value own = e.iadd(e.imul(window, int64_t(tiling.blocks)), block);
    return m.advance(slot, e.iadd(e.imul(own, int64_t(layout.blockBytes())), int64_t(layout.inputBytes())));
  }

  void fetchWeights(Value index, Value slot) {
    Value k = firstColumn(window, index), left;
    if (padded) left = e.shl(e.isub(e.i32c(shape.cols), k), 6); // past the end of the block: zeros
    WeightCopy{m, layout.blockBytes()}.issue(weightsOf(slot), m.advance(weights, e.shl(k, 6)), left);
  }

  // A thread copies the same 4 columns of the same rows of every window.
  uint32_t lines() { return std::min<uint32_t>(llvm::bit_floor(layout.threads() / layout.pieces()), tiling.tokens); }
  Value ownLine() { return e.udiv(m.thread, layout.pieces()); }
  void openRows() {
    rows.clear();
    for (uint32_t first = 0; first < tiling.tokens; first += lines()) {
      Value token = e.iadd(ownLine(), int64_t(first));
      Value row = linear.kernel.inputRow(m, firstToken, token);
      rows.push_back(m.advance(input, e.imul(row, int64_t(linear.inputStride))));
    }
  }
  void fetchInput(Value index, Value slot) {
    Value part = e.urem(m.thread, layout.pieces()), line = ownLine();
    auto copy = [&] {
      for (uint32_t first = 0; first < tiling.tokens; first += lines()) {
        Value from = rows[first / lines()];
        for (uint32_t window = 0; window < tiling.parallel; ++window) {
          Value k = e.iadd(firstColumn(e.i32c(window), index), e.shl(part, 2)), bytes = linear.pieceBytes(e, k);
          Value own = e.iadd(e.imul(line, int64_t(layout.tokenBytes())), e.shl(part, 4));
          Value to = e.iadd(own, int64_t((window * tiling.tokens + first) * layout.tokenBytes()));
          m.copy(m.advance(slot, to), m.advance(from, e.shl(k, 2)), bytes);
        }
      }
    };
    uint32_t busy = lines() * layout.pieces();
    busy == layout.threads() ? copy() : e.guard(e.ult(m.thread, e.i32c(busy)), copy);
  }

  //===- using it -------------------------------------------------------------------------------------------------===//

  // acc: [own token][row 4t + r].
  Words multiply(Value slot, ValueRange before) {
    Words acc(before);
    Value rows = m.advance(weightsOf(slot), e.shl(m.t, 4));
    Value line = e.iadd(e.imul(window, int64_t(tiling.tokens)), m.g);
    Value own = m.advance(slot, e.imul(line, int64_t(layout.tokenBytes())));
    for (uint32_t first = 0; first < cut.stage; first += 4) {
      SmallVector<Words> w;
      for (uint32_t j = 0; j < 4; ++j) w.push_back(m.load(m.advance(rows, (first + j) * kFloatColumnBytes), 4, e.f32));
      for (uint32_t i = 0; i < ownTokens; ++i) {
        Words x = m.load(m.advance(own, 8 * i * layout.tokenBytes() + 4 * first), 4, e.f32);
        for (uint32_t j = 0; j < 4; ++j)
          for (uint32_t r = 0; r < 4; ++r) acc[4 * i + r] = e.fma(w[j][r], x[j], acc[4 * i + r]);
      }
    }
    return acc;
  }

  // A run's chains, from stage `first` on.
  Words run(Value first) {
    Words zeros(4 * ownTokens, m.zero());
    return e.loop(e.i32c(0), e.i32c(runStages), 1, zeros, [&](Value stage, ValueRange acc) {
      Value index = e.iadd(first, stage), ahead = e.iadd(index, int64_t(tiling.ring - 1));
      m.wait(tiling.ring - 2);
      m.barrier(); // everybody's pieces of this stage are there, and nobody reads the last one any more
      e.guard(e.ult(ahead, e.i32c(sequence)),
              [&] { fetchWeights(ahead, slot(ahead)), fetchInput(ahead, slot(ahead)); });
      m.commit();
      return multiply(slot(index), acc);
    });
  }

  // A split: its runs added to +0 in order.
  Words split(Value first) {
    Words zeros(4 * ownTokens, m.zero());
    return e.loop(e.i32c(0), e.i32c(splitStages), runStages, zeros, [&](Value stage, ValueRange sums) {
      Words next;
      for (auto [sum, own] : llvm::zip_equal(sums, run(e.iadd(first, stage)))) next.push_back(e.add(sum, own));
      return next;
    });
  }

  void storeSums(ValueRange sums) {
    for (uint32_t i = 0; i < ownTokens; ++i) m.store(sums.slice(4 * i, 4), m.advance(ownSums, 8 * i * 64));
  }
  void addSums(ValueRange sums) {
    Words all;
    for (uint32_t i = 0; i < ownTokens; ++i)
      for (auto [before, own] : llvm::zip_equal(m.load(m.advance(ownSums, 8 * i * 64), 4, e.f32), sums.slice(4 * i, 4)))
        all.push_back(e.add(before, own));
    storeSums(all);
  }

  // Whether the sums lie where the last stage does, which other warps may still read.
  bool sumsMeetLastStage() { return layout.sumBytes() > (sequence - 1) % tiling.ring * layout.stageBytes(); }

  void emit(Value item, const KernelVariant &variant) {
    int64_t units = variant.units;
    bool oneTile = linear.kernel.hasOneTile(variant);
    firstToken = oneTile ? e.i64c(0) : e.imul(e.udiv(item, units), int64_t(tiling.tokens));
    Value group = oneTile ? item : e.urem(item, units);
    const ExpertItems *experts = linear.kernel.experts;
    if (experts) experts->open(m, e.udiv(item, units));
    Value first = experts ? m.advance(allWeights, experts->weightOffset(e)) : allWeights;
    Value own = e.iadd(e.imul(group, int64_t(tiling.blocks)), e.zext(e.i64, block));
    own = e.clamp(own, e.i64c(shape.blocks() - 1));
    weights = m.advance(first, e.imul(own, int64_t(shape.blockBytes())));
    Value tile = e.imul(e.iadd(e.imul(window, int64_t(tiling.blocks)), block), int64_t(tiling.tokens));
    ownSums = m.shared(e.iadd(e.iadd(e.shl(e.iadd(tile, m.g), 6), e.shl(m.t, 4)), int64_t(layout.sums())));
    uint32_t early = std::min<int64_t>(tiling.ring - 1, sequence);
    for (uint32_t i = 0; i < early; ++i) fetchWeights(e.i32c(i), slot(e.i32c(i)));
    if (!experts) e.b.create<ptx::GriddepWaitOp>();
    openRows();
    for (uint32_t i = 0; i + 1 < tiling.ring; ++i) { // the first group holds all weights so far
      if (i < early) fetchInput(e.i32c(i), slot(e.i32c(i)));
      m.commit();
    }
    if (serial == 1) {
      Words sums = split(e.i32c(0));
      if (sumsMeetLastStage()) m.barrier(); // the ring is used up
      storeSums(sums);
    } else {
      storeSums(Words(4 * ownTokens, m.zero()));
      e.loop(e.i32c(0), e.i32c(sequence), splitStages, [&](Value first) { addSums(split(first)); });
    }
    m.barrier();
    emitLinearFinish(m, linear.kernel,
                     {m.shared(e.i32c(layout.sums())), e.imul(group, int64_t(tiling.blocks / shape.unitBlocks)),
                      oneTile ? Value() : firstToken, tiling.parallel, tiling.blocks, tiling.tokens, layout.threads()});
    if (!linear.kernel.hasOneItem(variant)) m.barrier(); // before the next item's
  }
};
} // namespace

// As many blocks as share the activations well, and yet tiles for all multiprocessors: a small matrix whose units are
// too large for parallel splits rather takes fewer tokens at once.
std::optional<FloatTileTiling> FloatTileTiling::of(const LinearShape &shape, const RunCut &cut, uint32_t tokens) {
  uint32_t unit = shape.unitBlocks, wanted = tokens > 32 ? 64 : 256;
  for (uint32_t parallel : {kSplits, 1u}) {
    uint32_t most = mostThreads(tokens) / 32 / parallel, blocks = unit;
    if (parallel == 1 && tokens > 32 && shape.blocks() / blocks < wanted) break;
    while (blocks + unit <= std::min(most, 8u) && shape.blocks() / (blocks + unit) >= wanted) blocks += unit;
    for (uint32_t ring : {4, 3, 2}) {
      FloatTileTiling tiling{tokens, blocks, parallel, ring};
      if (blocks <= most && Layout{cut, tiling}.bytes() <= kMostSharedBytes) return tiling;
    }
  }
  return std::nullopt;
}

LogicalResult emitFloatTile(const FloatLinear &linear, const FloatTileTiling &tiling, KernelVariant &variant) {
  Layout layout{linear.cut, tiling};
  variant.per = tiling.tokens, variant.units = (linear.kernel.shape.blocks() + tiling.blocks - 1) / tiling.blocks;
  variant.blockThreads = layout.threads(), variant.blockItems = 1, variant.sharedBytes = layout.bytes();
  Emitter e(linear.kernel.module, variant.kernel);
  e.b.create<ptx::GriddepLaunchOp>();
  TensorEmitter m(e);
  Tile tile{m, linear, tiling};
  return linear.kernel.emitItems(m, variant, /*ctas=*/0, [&](Value item) { tile.emit(item, variant); });
}

} // namespace ingot::cuda
