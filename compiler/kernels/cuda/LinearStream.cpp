// The kernel of few tokens: what limits is the read of the weights. A CTA takes `blocks` blocks of 16 rows; its warps
// are 4 splits of K times `parts`, and each streams its own bytes through a ring in shared memory, the first stages of
// which are on their way before the previous kernel has ended. No barrier of the CTA inside the loop. One token has a
// kernel of its own, in which groups stand on the mma's columns (LinearSet.cpp); where a warp's whole share of a block
// fits into the ring it is *resident*: code without a loop.
//
// Shared memory: [warp][ring] stages | partial sums [split][block][token][16] f32.
#include "compiler/kernels/cuda/LinearKernels.h"
#include "compiler/kernels/cuda/Worker.h"

using namespace mlir;

namespace ingot::cuda {
namespace {

using Words = SmallVector<Value>;
constexpr uint32_t kPieceBytes = 16, kRoundBytes = 32 * kPieceBytes; // what a lane, a warp copies at once
constexpr uint32_t kWordsAhead = 48;                                 // of activations, in registers

struct Stream {
  TensorEmitter &m;
  const LinearKernel &kernel;
  const StreamTiling &tiling;
  LinearProducts products;
  Emitter &e = m.e;
  const LinearShape &shape = kernel.shape;
  bool single = tiling.tokens == 1, sets = single && shape.format.isInteger();
  uint32_t tokenTiles = single ? 1 : tiling.tokens / 8, blockSums = sets ? 2 : 4 * tokenTiles;
  uint32_t bytes = tiling.stageBytes(shape);
  int64_t stages = shape.splitSpans() / tiling.stageSpans, sequence = stages * tiling.passes();
  int64_t slotBytes = tiling.together * bytes;
  bool wholePasses = tiling.passes() * tiling.parts * tiling.together == tiling.blocks;
  bool evenBlocks = wholePasses && shape.blocks() % tiling.blocks == 0; // no warp takes a block behind the last
  // Of the item, or of the thread for good.
  Value split = e.iand(m.warp, e.i32c(kSplits - 1)), part = e.lshr(m.warp, 2), piece = e.shl(m.lane, 4);
  Value weights = {};         // ptr<1> to this lane's piece of the split in block 0
  Value allWeights = {};      // of the first expert
  Value ring = {}, sums = {}; // ptr<3>
  Value left = {};            // i32 bytes from that piece to the block's end; null: no split is short
  Value firstBlock = {}, firstToken = {};
  Words sources = {};               // `weights` of the blocks taken together in the only pass
  Words rows = {}, recordRows = {}; // ptr<1> to the split's tiles of token 8 j + g; to row 8 j + 2t + i's records

  //===- weights --------------------------------------------------------------------------------------------------===//

  // Inside the CTA, i32: the first of the blocks that the warp takes together in pass `pass`.
  Value ownBlock(Value pass) {
    Value own = pass ? e.iadd(e.imul(pass, int64_t(tiling.parts)), part) : part;
    return e.imul(own, int64_t(tiling.together));
  }
  Words sourcesOf(Value pass) { // the last block stands in for those behind it
    Words all;
    Value first = e.iadd(firstBlock, ownBlock(pass));
    for (int64_t i = 0; i < tiling.together; ++i) {
      if (evenBlocks && i) {
        all.push_back(m.advance(all[0], i * int64_t(shape.blockBytes())));
        continue;
      }
      Value block = e.iadd(first, i);
      if (!evenBlocks) block = e.clamp(block, e.i32c(shape.blocks() - 1));
      all.push_back(m.advance(weights, e.imul(e.zext(e.i64, block), int64_t(shape.blockBytes()))));
    }
    return all;
  }

  // Copies stage `index` (i32) of the warp's sequence to `slot`, bytes into its ring (i32).
  void fetch(Value index, Value slot) {
    Value stage = tiling.passes() == 1 ? index : e.urem(index, stages);
    Words from = tiling.passes() == 1 ? sources : sourcesOf(e.udiv(index, stages));
    Value offset = m.times(stage, bytes), rest = left ? e.isub(left, offset) : Value();
    Value to = m.advance(m.advance(ring, piece), slot);
    for (int64_t i = 0; i < tiling.together; ++i) copyStage(m.advance(to, i * bytes), m.advance(from[i], offset), rest);
  }
  // `rest`: bytes of the block from there on; past them are zeros.
  void copyStage(Value to, Value from, Value rest) {
    for (uint32_t first = 0; first < bytes; first += kRoundBytes) {
      auto copy = [&] {
        Value there = rest ? e.guarded(e.slt(e.i32c(first), rest), e.i32c(kPieceBytes), e.i32c(0)) : Value();
        m.copy(m.advance(to, int64_t(first)), m.advance(from, int64_t(first)), there);
      };
      uint32_t pieces = (bytes - first) / kPieceBytes;
      pieces >= 32 ? copy() : e.guard(e.ult(m.lane, e.i32c(pieces)), copy);
    }
  }

  //===- activations ----------------------------------------------------------------------------------------------===//

  int64_t stageTiles() { return tiling.stageSpans * shape.spanTiles(); }
  uint32_t stageGroups() { return tiling.stageSpans * shape.spanGroups(); }
  unsigned fragmentWords() { return shape.termBytes() / 16; }
  unsigned recordWords() { return shape.groupRecordBytes() / 4; }

  Value rowPointer(Value token) {
    Value base = m.global(e.slotPointer(kernel.frame.preparedSlot));
    Value row = single && !kernel.experts ? firstToken : kernel.inputRow(m, firstToken, single ? e.i32c(0) : token);
    return m.advance(base, e.imul(row, int64_t(shape.preparedBytes())));
  }
  Value ownWords() { return e.imul(m.t, int64_t(shape.termBytes() / 4)); }

  void openRows() {
    rows.clear(), recordRows.clear();
    Value tiles = e.imul(split, stages * stageTiles() * int64_t(shape.tileBytes()));
    Value groups =
        e.iadd(e.imul(split, stages * int64_t(stageGroups() * shape.groupRecordBytes())), int64_t(shape.groupOffset()));
    if (sets) return openSets(tiles, groups);
    for (uint32_t j = 0; j < tokenTiles; ++j) {
      rows.push_back(m.advance(rowPointer(e.iadd(m.g, int64_t(8 * j))), e.iadd(tiles, ownWords())));
      if (!shape.groupRecordBytes()) continue;
      for (int i : {0, 1})
        recordRows.push_back(m.advance(rowPointer(e.iadd(e.shl(m.t, 1), int64_t(8 * j + i))), groups));
    }
  }

  // Column g is group g, of a set's last one; records are those of groups 2t, 2t + 1.
  void openSets(Value tiles, Value groups) {
    Value row = rowPointer(Value());
    uint32_t last = stageGroups() - 1;
    Value group = last < 7 ? e.umin(m.g, e.i32c(last)) : m.g;
    Value words = ownWords();
    if (shape.spanGroups() == 2) {
      Value tile = e.imul(e.lshr(group, 1), int64_t(shape.tileBytes()));
      words = e.iadd(words, shape.isInt8() ? tile : e.iadd(tile, e.shl(e.iand(group, e.i32c(1)), 3)));
    } else {
      words = e.iadd(words, e.imul(group, int64_t(shape.spanTiles() * shape.tileBytes())));
    }
    rows.push_back(m.advance(row, e.iadd(tiles, words)));
    if (!shape.groupRecordBytes()) return;
    for (int64_t i = 0; i < (pairedRecords() ? 1 : 2); ++i) {
      Value own = e.iadd(e.shl(m.t, 1), i);
      if (last < 7) own = e.umin(own, e.i32c(pairedRecords() ? last - 1 : last));
      recordRows.push_back(m.advance(row, e.iadd(groups, e.imul(own, int64_t(shape.groupRecordBytes())))));
    }
  }
  unsigned setWords() { return shape.spanGroups() == 2 ? 2 : fragmentWords(); } // of a tile
  bool pairedRecords() { return stageGroups() % 2 == 0; }

  // What a thread reads of the activations of stage `stage` of token tile 0: [tile][term] words; of a set [tile of a
  // group][term] words, then both records.
  Words read(Value stage) {
    Words all;
    Value base = m.advance(rows[0], e.imul(stage, stageTiles() * int64_t(shape.tileBytes())));
    int64_t tiles = sets ? shape.spanTiles() : stageTiles();
    unsigned words = sets ? setWords() : fragmentWords();
    for (int64_t tile = 0; tile < tiles; ++tile)
      for (uint32_t term = 0; term < shape.terms; ++term)
        all.append(m.load(m.advance(base, tile * shape.tileBytes() + term * shape.termBytes()), words));
    if (!sets || !shape.groupRecordBytes()) return all;
    Value offset = e.imul(stage, int64_t(stageGroups() * shape.groupRecordBytes()));
    for (Value record : recordRows)
      all.append(m.load(m.advance(record, offset), pairedRecords() ? 2 * recordWords() : recordWords()));
    return all;
  }
  unsigned readWords() {
    if (!sets) return stageTiles() * shape.terms * fragmentWords();
    return shape.spanTiles() * shape.terms * setWords() + 2 * recordWords();
  }

  // One stage: the sums of a pass further. `ahead`: what read() gave, if it was called.
  void multiply(Value slot, Value stage, ArrayRef<Value> ahead, Words &acc, bool continued) {
    if (sets) return multiplySets(slot, ahead, acc, continued);
    SmallVector<Value> bases;
    for (Value row : rows) bases.push_back(m.advance(row, e.imul(stage, stageTiles() * int64_t(shape.tileBytes()))));
    Value records = e.imul(stage, int64_t(stageGroups() * shape.groupRecordBytes()));
    for (uint32_t span = 0; span < tiling.stageSpans; ++span) {
      uint32_t firstTile = span * shape.spanTiles(), firstGroup = span * shape.spanGroups();
      std::map<std::tuple<unsigned, unsigned, unsigned>, Words> known;
      ActivationSource x;
      x.fragment = [&](unsigned j, unsigned tile, unsigned term) -> Words {
        unsigned index = (firstTile + tile) * shape.terms + term;
        if (!ahead.empty()) return Words(ahead.slice(index * fragmentWords(), fragmentWords()));
        Words &words = known[{j, tile, term}];
        int64_t at = (firstTile + tile) * shape.tileBytes() + term * shape.termBytes();
        if (words.empty()) words = m.load(m.advance(bases[j], at), fragmentWords());
        return words;
      };
      x.record = [&](unsigned j, unsigned group, unsigned token) {
        Value at = e.iadd(records, int64_t((firstGroup + group) * shape.groupRecordBytes()));
        return m.load(m.advance(recordRows[2 * j + token], at), recordWords());
      };
      for (uint32_t i = 0; i < tiling.together; ++i) {
        Words own(ArrayRef<Value>(acc).slice(i * blockSums, blockSums));
        products.addSpan(m.advance(slot, i * bytes + span * shape.spanBytes()), x, own);
        llvm::copy(own, acc.begin() + i * blockSums);
      }
    }
  }
  void multiplySets(Value slot, ArrayRef<Value> words, Words &acc, bool continued) {
    unsigned each = setWords();
    SetSource x;
    x.fragment = [&](unsigned tile, unsigned term) {
      return Words(words.slice((tile * shape.terms + term) * each, each));
    };
    x.record = [&](unsigned i) {
      return Words(words.take_back(2 * recordWords()).slice(i * recordWords(), recordWords()));
    };
    for (uint32_t i = 0; i < tiling.together; ++i) {
      Words own(ArrayRef<Value>(acc).slice(i * blockSums, blockSums));
      products.addSet(m.advance(slot, i * bytes), stageGroups(), x, own, continued);
      llvm::copy(own, acc.begin() + i * blockSums);
    }
  }

  //===- one item -------------------------------------------------------------------------------------------------===//

  bool early() { return tokenTiles == 1 && (single || readWords() <= kWordsAhead); }
  size_t sumCount() { return tiling.together * blockSums; }
  // Splits of a short K may lie past the end of it.
  uint64_t fullSplits() { return (shape.blockBytes() + shape.splitBytes() - 1) / shape.splitBytes(); }

  // The sums of one pass through the ring, from zeros; `pass` (i32) null: there is but one.
  Words pass(Value pass) {
    Words carried(sumCount(), m.zero());
    bool ahead = early();
    if (ahead) carried.append(read(e.i32c(0)));
    Value first = pass ? e.imul(pass, stages) : e.i32c(0);
    uint32_t slots = tiling.slots(shape);
    Value end = e.i32c(slots * slotBytes);
    Value slot = pass ? e.imul(e.urem(first, slots), slotBytes) : e.i32c(0), before = e.isub(slot, e.i32c(slotBytes));
    before = e.select(e.ieq(slot, e.i32c(0)), e.isub(end, e.i32c(slotBytes)), before);
    carried.append({slot, before}); // of the stage to be multiplied, and the one that was
    carried = e.loop(e.i32c(0), e.i32c(stages), 1, carried, [&](Value stage, ValueRange values) {
      Value slot = values[values.size() - 2], before = values.back();
      ValueRange words = values.drop_front(sumCount()).drop_back(2);
      m.wait(tiling.ring - 2);
      m.warpSync(); // all lanes' pieces of this stage are there, and nobody reads the last one any more
      if (tiling.ring <= sequence) { // else all stages are on their way
        Value refill = e.iadd(e.iadd(first, stage), int64_t(tiling.ring - 1));
        e.guard(e.ult(refill, e.i32c(sequence)), [&] { fetch(refill, before); });
      }
      m.commit();
      Words acc(values.take_front(sumCount())), next;
      if (ahead) {
        Value following = e.iadd(stage, 1);
        next = read(e.select(e.ult(following, e.i32c(stages)), following, e.i32c(0)));
      }
      multiply(m.advance(ring, slot), stage, SmallVector<Value>(words), acc, true);
      acc.append(next);
      Value after = e.iadd(slot, slotBytes);
      acc.append({e.select(e.ieq(after, end), e.i32c(0), after), slot});
      return acc;
    });
    carried.truncate(sumCount());
    return carried;
  }

  // The same where all stages lie in the ring.
  Words residentPass() {
    Words acc(sumCount(), m.zero());
    SmallVector<Words> words(sequence);
    int64_t ahead = std::max<int64_t>(1, kWordsAhead / readWords()), read = 0;
    for (int64_t stage = 0; stage < sequence; ++stage) {
      for (; read < sequence && read <= stage + ahead; ++read) words[read] = this->read(e.i32c(read));
      m.wait(sequence - 1 - stage);
      m.warpSync();
      multiply(m.advance(ring, stage * slotBytes), e.i32c(stage), words[stage], acc, stage > 0);
    }
    return acc;
  }

  // [split][block][token][16]
  void storeSums(Value pass, ValueRange acc) {
    for (int64_t i = 0; i < tiling.together; ++i) {
      Value block = e.iadd(ownBlock(pass), i);
      auto store = [&] { storeBlock(block, acc.slice(i * blockSums, blockSums)); };
      wholePasses ? store() : e.guard(e.ult(block, e.i32c(tiling.blocks)), store);
    }
  }
  void storeBlock(Value block, ValueRange acc) {
    Value at = e.imul(e.iadd(e.imul(split, int64_t(tiling.blocks)), block), int64_t(tiling.tokens));
    if (single) return storeSingle(m.advance(sums, e.shl(at, 6)), acc);
    Value base = m.advance(sums, e.shl(e.iadd(at, e.shl(m.t, 1)), 6));
    for (uint32_t j = 0; j < tokenTiles; ++j)
      for (int token : {0, 1})
        for (int r : {0, 1}) {
          Value to = m.advance(base, e.iadd(e.shl(products.row(r), 2), int64_t((8 * j + token) * 64)));
          m.store(acc[4 * j + 2 * r + token], to);
        }
  }
  // Columns are alike, or one thread of a quad has the sums.
  void storeSingle(Value base, ValueRange acc) {
    e.ifThen(e.ieq(m.t, e.i32c(sets ? (stageGroups() - 1) / 2 : 0)), [&] {
      Value to = m.advance(base, e.shl(products.row(0), 2));
      if (sets) return m.store(acc, to);
      for (int r : {0, 1}) m.store(acc[2 * r], m.advance(to, int64_t(r * 32)));
    });
  }

  void emit(Value item, const KernelVariant &variant) {
    int64_t units = variant.units;
    bool oneTile = kernel.hasOneTile(variant);
    if (kernel.experts) {
      kernel.experts->open(m, e.udiv(item, units));
      weights = m.advance(allWeights, kernel.experts->weightOffset(e));
    }
    Value group = oneTile ? item : e.urem(item, units);
    firstToken = oneTile || single ? e.i64c(0) : e.imul(e.udiv(item, units), int64_t(tiling.tokens));
    firstBlock = e.imul(e.trunc(e.i32, group), int64_t(tiling.blocks));
    if (tiling.passes() == 1) sources = sourcesOf(Value());
    bool resident = tiling.resident(shape);
    for (int64_t i = 0; i < (resident ? sequence : int64_t(tiling.ring) - 1); ++i) {
      if (i < sequence) fetch(e.i32c(i), e.i32c(i * slotBytes));
      m.commit();
    }
    if (!kernel.experts) e.b.create<ptx::GriddepWaitOp>();
    openRows();
    if (resident && fullSplits() < kSplits) {
      SmallVector<Type> types(sumCount(), e.f32);
      Value anything = e.ult(split, e.i32c(fullSplits()));
      storeSums(Value(), e.ifElse(
                             anything, types, [&] { return residentPass(); },
                             [&] {
                               m.wait(0); // of nothing: zeros are copies, too
                               return Words(sumCount(), m.zero());
                             }));
    } else if (resident) {
      storeSums(Value(), residentPass());
    } else if (tiling.passes() == 1) {
      storeSums(Value(), pass(Value()));
    } else {
      e.loop(e.i32c(0), e.i32c(tiling.passes()), 1, [&](Value index) { storeSums(index, pass(index)); });
    }
    m.barrier();
    uint32_t unitsHere = tiling.blocks / shape.unitBlocks;
    emitLinearFinish(m, kernel,
                     {sums, e.imul(group, int64_t(unitsHere)), oneTile ? Value() : firstToken, kSplits, tiling.blocks,
                      tiling.tokens, tiling.warps() * 32});
    if (!kernel.hasOneItem(variant)) m.barrier(); // before the next item's
  }
};
} // namespace

LogicalResult emitLinearStream(const LinearKernel &kernel, const StreamTiling &tiling, KernelVariant &variant) {
  const LinearShape &shape = kernel.shape;
  variant.per = tiling.tokens, variant.units = (shape.blocks() + tiling.blocks - 1) / tiling.blocks;
  variant.blockThreads = tiling.warps() * 32, variant.blockItems = 1;
  variant.sharedBytes = tiling.ringBytes(shape) + tiling.sumBytes();

  Emitter e(kernel.module, variant.kernel);
  e.b.create<ptx::GriddepLaunchOp>();
  TensorEmitter m(e);
  Stream stream{m, kernel, tiling, LinearProducts(m, shape, std::max(1u, tiling.tokens / 8))};
  stream.ring = m.shared(e.imul(m.warp, int64_t(tiling.ringBytes(shape) / tiling.warps())));
  stream.sums = m.shared(e.i32c(tiling.ringBytes(shape)));
  Value own = e.iadd(e.imul(stream.split, int64_t(shape.splitBytes())), stream.piece);
  stream.weights = stream.allWeights = m.advance(m.global(kernel.weightAddress(e)), own);
  if (shape.splitBytes() * kSplits != shape.blockBytes()) stream.left = e.isub(e.i32c(shape.blockBytes()), own);
  return kernel.emitItems(m, variant, /*ctas=*/0, [&](Value item) { stream.emit(item, variant); });
}

} // namespace ingot::cuda
