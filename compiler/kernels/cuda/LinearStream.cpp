// The kernel of few tokens: what limits is the read of the weights. A CTA takes `blocks` blocks of 16 rows; its warps
// are 4 splits of K times `parts` blocks at once, and each streams its own bytes through a ring in shared memory, the
// first stages of which are on their way before the previous kernel has ended. No barrier of the CTA inside the loop.
//
// Shared memory: [warp][ring] stages | partial sums [split][block][token][16] f32.
#include "compiler/kernels/cuda/LinearKernels.h"
#include "compiler/kernels/cuda/Worker.h"

using namespace mlir;

namespace ingot::cuda {
namespace {

using Words = SmallVector<Value>;
constexpr uint32_t kRing = 4, kMostRing = 8, kManyCtas = 1056; // eight a multiprocessor of the largest cards

uint32_t stageBytes(const LinearShape &shape) { return shape.stageSpans() * shape.spanBytes(); } // of a block
uint32_t ringBytes(const LinearShape &shape, const StreamTiling &tiling) {
  return tiling.warps() * tiling.ring * tiling.together * stageBytes(shape);
}
uint32_t sumBytes(const StreamTiling &tiling) { return kSplits * tiling.blocks * tiling.tokens * 64; }

struct Stream {
  TensorEmitter &m;
  const LinearKernel &kernel;
  const StreamTiling &tiling;
  LinearProducts products;
  Emitter &e = m.e;
  const LinearShape &shape = kernel.shape;
  uint32_t tokenTiles = tiling.tokens / 8, blockSums = 4 * tokenTiles;
  int64_t stages = shape.stages(), sequence = stages * tiling.passes();
  bool padded = shape.splitBytes() * kSplits != shape.blockBytes();
  // Of the item, or of the thread for good.
  Value split = e.iand(m.warp, e.i32c(kSplits - 1)), part = e.lshr(m.warp, 2);
  Value weights = {}, ring = {}, sums = {}; // ptr<1> to the split's bytes in block 0; ptr<3>
  Value firstBlock = {}, firstToken = {};
  SmallVector<Value> rows = {},
                     recordRows = {}; // ptr<1> to the split's tiles of token 8 j + g; to row 8 j + 2t + i's records

  //===- weights --------------------------------------------------------------------------------------------------===//

  // Inside the CTA, i32: the first of the blocks that the warp takes together in pass `pass`.
  Value ownBlock(Value pass) {
    return e.imul(e.iadd(e.imul(pass, int64_t(tiling.parts)), part), int64_t(tiling.together));
  }

  // Copies stage `index` (i32) of the warp's sequence into its slot of the ring.
  void fetch(Value index) {
    Value pass = tiling.passes() == 1 ? e.i32c(0) : e.udiv(index, stages);
    Value stage = tiling.passes() == 1 ? index : e.urem(index, stages);
    Value offset = e.imul(stage, int64_t(stageBytes(shape)));
    Value left;
    if (padded) { // past the end of the block: zeros
      Value begin = e.iadd(e.imul(split, int64_t(shape.splitBytes())), offset);
      left = e.isub(e.i32c(shape.blockBytes()), begin);
      offset = e.select(e.slt(e.i32c(0), left), offset, e.isub(e.i32c(0), e.imul(split, int64_t(shape.splitBytes()))));
    }
    Value to = slot(index), first = e.iadd(firstBlock, ownBlock(pass));
    for (int64_t i = 0; i < tiling.together; ++i) { // the last block stands in for those behind it
      Value block = e.umin(e.iadd(first, i), e.i32c(shape.blocks() - 1));
      Value from = m.advance(weights, e.imul(e.zext(e.i64, block), int64_t(shape.blockBytes())));
      WeightCopy{m, stageBytes(shape)}.issue(m.advance(to, i * stageBytes(shape)), m.advance(from, offset), left);
    }
  }
  Value slot(Value index) {
    return m.advance(ring, e.imul(e.urem(index, tiling.ring), int64_t(tiling.together * stageBytes(shape))));
  }
  void fetchIfThere(Value index) {
    e.ifThen(e.ult(index, e.i32c(sequence)), [&] { fetch(index); });
  }

  //===- activations ----------------------------------------------------------------------------------------------===//

  int64_t stageTiles() { return shape.stageSpans() * shape.spanTiles(); }
  int64_t stageGroups() { return shape.stageSpans() * shape.spanGroups(); }

  Value rowPointer(Value token) {
    Value last = e.isub(e.trunc(e.i32, e.rows()), e.i32c(1));
    Value row = e.umin(e.iadd(e.trunc(e.i32, firstToken), token), last);
    Value base = m.global(e.slotPointer(kernel.frame.preparedSlot));
    return m.advance(base, e.imul(e.zext(e.i64, row), int64_t(shape.preparedBytes())));
  }
  void openRows() {
    rows.clear(), recordRows.clear();
    Value tiles = e.imul(split, int64_t(stages * stageTiles() * shape.tileBytes()));
    Value groups = e.imul(split, int64_t(stages * stageGroups() * shape.groupRecordBytes()));
    for (uint32_t j = 0; j < tokenTiles; ++j) {
      Value words = e.imul(m.t, int64_t(shape.termBytes() / 4));
      rows.push_back(m.advance(rowPointer(e.iadd(m.g, int64_t(8 * j))), e.iadd(tiles, words)));
      if (!shape.groupRecordBytes()) continue;
      for (int i : {0, 1}) {
        Value row = rowPointer(e.iadd(e.shl(m.t, 1), int64_t(8 * j + i)));
        recordRows.push_back(m.advance(row, e.iadd(groups, int64_t(shape.groupOffset()))));
      }
    }
  }

  // Words of the tiles of stage `stage`, [tile][term], of token tile j.
  SmallVector<Words> fragments(Value stage, uint32_t j) {
    Value base = m.advance(rows[j], e.imul(stage, stageTiles() * int64_t(shape.tileBytes())));
    SmallVector<Words> all;
    for (int64_t tile = 0; tile < stageTiles(); ++tile)
      for (uint32_t term = 0; term < shape.terms; ++term)
        all.push_back(
            m.load(m.advance(base, tile * shape.tileBytes() + term * shape.termBytes()), shape.termBytes() / 16));
    return all;
  }

  // One stage: the sums of a pass further. `ahead`: fragments of token tile 0, if they were read early.
  void multiply(Value slot, Value stage, ArrayRef<Words> ahead, Words &acc) {
    SmallVector<Value> bases;
    for (Value row : rows) bases.push_back(m.advance(row, e.imul(stage, stageTiles() * int64_t(shape.tileBytes()))));
    Value records = e.imul(stage, stageGroups() * int64_t(shape.groupRecordBytes()));
    for (uint32_t span = 0; span < shape.stageSpans(); ++span) {
      uint32_t firstTile = span * shape.spanTiles(), firstGroup = span * shape.spanGroups();
      std::map<std::tuple<unsigned, unsigned, unsigned>, Words> known;
      ActivationSource x;
      x.fragment = [&](unsigned j, unsigned tile, unsigned term) -> Words {
        if (!ahead.empty()) return ahead[(firstTile + tile) * shape.terms + term];
        Words &words = known[{j, tile, term}];
        int64_t at = (firstTile + tile) * shape.tileBytes() + term * shape.termBytes();
        if (words.empty()) words = m.load(m.advance(bases[j], at), shape.termBytes() / 16);
        return words;
      };
      x.record = [&](unsigned j, unsigned group, unsigned token) {
        Value at = e.iadd(records, int64_t((firstGroup + group) * shape.groupRecordBytes()));
        return m.load(m.advance(recordRows[2 * j + token], at), shape.groupRecordBytes() / 4);
      };
      for (uint32_t i = 0; i < tiling.together; ++i) {
        Words own(ArrayRef<Value>(acc).slice(i * blockSums, blockSums));
        products.addSpan(m.advance(slot, i * stageBytes(shape) + span * shape.spanBytes()), x, own);
        llvm::copy(own, acc.begin() + i * blockSums);
      }
    }
  }

  //===- one item -------------------------------------------------------------------------------------------------===//

  // The sums of one pass, from `acc` = zeros; `index` counts stages over all passes.
  Words pass(Value pass) {
    bool early = tokenTiles == 1;
    size_t sumCount = tiling.together * blockSums;
    Words carried(sumCount, m.zero());
    if (early)
      for (Words &words : fragments(e.i32c(0), 0)) carried.append(words);
    Value first = e.imul(pass, stages);
    carried = e.loop(e.i32c(0), e.i32c(stages), 1, carried, [&](Value stage, ValueRange values) {
      Value index = e.iadd(first, stage);
      m.wait(tiling.ring - 2);
      m.warpSync(); // all lanes' pieces of this stage are there, and nobody reads the last one any more
      fetchIfThere(e.iadd(index, int64_t(tiling.ring - 1)));
      m.commit();
      Words acc(values.take_front(sumCount)), next;
      SmallVector<Words> ahead;
      if (early) {
        unsigned width = shape.termBytes() / 16;
        for (size_t i = sumCount; i < values.size(); i += width) ahead.push_back(Words(values.slice(i, width)));
        Value following = e.iadd(stage, 1);
        following = e.select(e.ult(following, e.i32c(stages)), following, e.i32c(0));
        for (Words &words : fragments(following, 0)) next.append(words);
      }
      multiply(slot(index), stage, ahead, acc);
      acc.append(next);
      return acc;
    });
    carried.truncate(sumCount);
    return carried;
  }

  // [split][block][token][16]
  void storeSums(Value pass, ValueRange acc) {
    for (int64_t i = 0; i < tiling.together; ++i) {
      Value block = e.iadd(ownBlock(pass), i);
      bool always = int64_t(tiling.passes()) * tiling.parts * tiling.together == tiling.blocks;
      auto store = [&] { storeBlock(block, acc.slice(i * blockSums, blockSums)); };
      always ? store() : e.ifThen(e.ult(block, e.i32c(tiling.blocks)), store);
    }
  }
  void storeBlock(Value block, ValueRange acc) {
    Value at = e.imul(e.iadd(e.imul(split, int64_t(tiling.blocks)), block), int64_t(tiling.tokens));
    Value base = m.advance(sums, e.shl(e.iadd(at, e.shl(m.t, 1)), 6));
    for (uint32_t j = 0; j < tokenTiles; ++j)
      for (int token : {0, 1})
        for (int r : {0, 1}) {
          Value to = m.advance(base, e.iadd(e.shl(products.row(r), 2), int64_t((8 * j + token) * 64)));
          m.store(acc[4 * j + 2 * r + token], to);
        }
  }

  void emit(Value item, int64_t units) {
    firstToken = e.imul(e.udiv(item, units), int64_t(tiling.tokens));
    Value group = e.urem(item, units);
    firstBlock = e.imul(e.trunc(e.i32, group), int64_t(tiling.blocks));
    for (uint32_t i = 0; i + 1 < tiling.ring; ++i) {
      if (int64_t(i) < sequence) fetch(e.i32c(i));
      m.commit();
    }
    e.b.create<ptx::GriddepWaitOp>();
    openRows();
    e.loop(e.i32c(0), e.i32c(tiling.passes()), 1, [&](Value index) { storeSums(index, pass(index)); });
    m.barrier();
    uint32_t unitsHere = tiling.blocks / shape.unitBlocks;
    emitLinearFinish(m, kernel,
                     {sums, e.imul(group, int64_t(unitsHere)), firstToken, kSplits, tiling.blocks, tiling.tokens,
                      tiling.warps() * 32});
    m.barrier(); // before the next item's
  }
};
} // namespace

// A small matrix is spread over all multiprocessors; a large one takes several blocks a CTA. From 9 tokens on the read
// of the activations counts: a warp then takes two blocks together. Rings of few warps are deep: what is on its way
// before the previous kernel ends is as much as fits.
std::optional<StreamTiling> StreamTiling::of(const LinearShape &shape, uint32_t tokens) {
  uint32_t unit = shape.unitBlocks, blocks = unit;
  if (tokens > 8 && unit == 1 && shape.blocks() > 1) blocks = 2;
  while (blocks + unit <= 4 && shape.blocks() / (blocks + unit) >= kManyCtas) blocks += unit;
  uint32_t mostParts = tokens > 8 ? 2 : 4; // 256 threads may have all registers they want
  uint32_t together = tokens > 8 && blocks % 2 == 0 && shape.terms == 1 ? 2 : 1; // more terms want the registers
  StreamTiling tiling{tokens, blocks, together, std::min<uint32_t>(blocks / together, mostParts), kMostRing};
  auto fits = [&](uint32_t bytes) { return ringBytes(shape, tiling) + sumBytes(tiling) <= bytes; };
  uint64_t sequence = shape.stages() * tiling.passes();
  while (tiling.ring > kRing && (tiling.ring > sequence + 1 || !fits(kMostSharedBytes / 2))) --tiling.ring;
  if (tokens > 8) tiling.ring = kRing - 1;
  while (!fits(kMostSharedBytes) && tiling.parts > 1) --tiling.parts;
  while (!fits(kMostSharedBytes) && tiling.ring > 2) --tiling.ring;
  while (!fits(kMostSharedBytes) && tiling.tokens > 8) tiling.tokens /= 2;
  if (!fits(kMostSharedBytes)) return std::nullopt;
  return tiling;
}

LogicalResult emitLinearStream(const LinearKernel &kernel, const StreamTiling &tiling, KernelVariant &variant) {
  const LinearShape &shape = kernel.shape;
  uint32_t threads = tiling.warps() * 32;
  variant.per = tiling.tokens, variant.units = (shape.blocks() + tiling.blocks - 1) / tiling.blocks;
  variant.blockThreads = threads, variant.blockItems = 1;
  variant.sharedBytes = ringBytes(shape, tiling) + sumBytes(tiling);

  Emitter e(kernel.module, variant.kernel);
  e.b.create<ptx::GriddepLaunchOp>();
  TensorEmitter m(e);
  auto id = [&](ptx::Register which) { return e.zext(e.i64, e.b.create<ptx::IdOp>(e.i32, which)); };
  Stream stream{m, kernel, tiling, LinearProducts(m, shape, tiling.tokens / 8)};
  stream.ring = m.shared(e.imul(m.warp, int64_t(ringBytes(shape, tiling) / tiling.warps())));
  stream.sums = m.shared(e.i32c(ringBytes(shape, tiling)));
  stream.weights = m.advance(m.global(kernel.frame.weightAddress(e, kernel.root.getWeightAttr())),
                             e.imul(stream.split, int64_t(shape.splitBytes())));
  auto loop = e.b.create<scf::ForOp>(id(ptx::Register::block), itemCount(e, variant), id(ptx::Register::blocks));
  {
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToStart(loop.getBody());
    stream.emit(loop.getInductionVar(), variant.units);
  }
  return finishEntry(e, threads, /*ctas=*/0);
}

} // namespace ingot::cuda
