// The kernel of many tokens: what limits is arithmetic. A warp takes a block of 16 rows and all tokens of the tile, so
// that a weight is unpacked once for 64 tokens; the CTA's warps share the activations. Splits of K come one after the
// other and are added when they end, the order in which the stream kernel adds them.
//
// Shared memory: [ring] of (activations [token][stage's tiles] | [warp] weights), then the sums of the splits so far
// [block][token][16] f32, each element one thread's own until the end (registers hold a split's). Rows of activations
// that are a multiple of 128 bytes apart are swizzled: eight threads' reads of 16 bytes (two tokens) or sixteen of 8
// (four) hit all banks once.
#include "compiler/kernels/cuda/LinearKernels.h"
#include "compiler/kernels/cuda/Worker.h"

using namespace mlir;

namespace ingot::cuda {
namespace {

using Words = SmallVector<Value>;

struct Layout {
  const LinearShape &shape;
  const PanelTiling &tiling;

  uint32_t stageTiles() const { return tiling.stageSpans * shape.spanTiles(); }
  uint32_t rowBytes() const { return stageTiles() * shape.tileBytes(); } // of a token
  uint32_t weightBytes() const { return tiling.stageSpans * shape.spanBytes(); }
  uint32_t weights() const { return tiling.tokens * rowBytes(); } // inside a stage
  uint32_t stageBytes() const { return weights() + tiling.blocks * weightBytes(); }
  uint32_t sumBytes() const { return tiling.blocks * tiling.tokens * 64; }
  uint32_t sums() const { return tiling.ring * stageBytes(); }
  uint32_t rows() const { return sums() + sumBytes(); } // of experts: the tokens' prepared rows, i32
  uint32_t bytes() const { return rows() + tiling.tokens * 4; }
  uint32_t threads() const { return tiling.blocks * 32; }
};

struct Panel {
  TensorEmitter &m;
  const LinearKernel &kernel;
  const PanelTiling &tiling;
  LinearProducts products;
  Emitter &e = m.e;
  const LinearShape &shape = kernel.shape;
  Layout layout{shape, tiling};
  uint32_t tokenTiles = tiling.tokens / 8;
  int64_t splitStages = shape.splitSpans() / tiling.stageSpans, sequence = splitStages * kSplits;
  bool padded = shape.splitBytes() * kSplits != shape.blockBytes();
  // Of the item.
  Value weights = {}, rows = {}; // ptr<1>: the warp's block; row 0 of the tile
  Value firstToken = {};

  //===- filling the ring -----------------------------------------------------------------------------------------===//

  // i64 bytes from `rows` to the prepared row of token `token` (i32) of the tile.
  Value rowOffset(Value token) {
    Value row = token;
    if (kernel.experts) row = m.loadWord(m.shared(e.iadd(e.shl(token, 2), int64_t(layout.rows()))));
    return e.imul(e.zext(e.i64, row), int64_t(shape.preparedBytes()));
  }
  // Products of an expert lie anywhere.
  void noteRows() {
    e.loop(m.thread, e.i32c(tiling.tokens), layout.threads(), [&](Value token) {
      Value row = e.trunc(e.i32, kernel.experts->preparedRow(m, token));
      m.store(row, m.shared(e.iadd(e.shl(token, 2), int64_t(layout.rows()))));
    });
    m.barrier();
  }

  Value slot(Value index) { return m.shared(e.imul(e.urem(index, tiling.ring), int64_t(layout.stageBytes()))); }
  Value ownWeights(Value slot) {
    return m.advance(slot, e.iadd(e.imul(m.warp, int64_t(layout.weightBytes())), int64_t(layout.weights())));
  }

  // Where byte `offset` (i32) of token `token` lies in its row; both kinds of read take 8 or 16 bytes of a tile.
  Value swizzled(Value offset, Value token) {
    if (layout.rowBytes() % 128) return offset;
    Value turn = shape.isInt8() ? e.shl(e.iand(token, e.i32c(3)), 5) : e.shl(e.iand(token, e.i32c(1)), 6);
    return e.ixor(offset, turn);
  }

  void fetchActivations(Value index, Value slot) {
    uint32_t pieces = layout.rowBytes() / 16, all = tiling.tokens * pieces;
    Value from = m.advance(rows, e.imul(index, int64_t(layout.rowBytes())));
    for (uint32_t first = 0; first < all; first += layout.threads()) {
      auto copy = [&] {
        Value piece = e.iadd(m.thread, int64_t(first));
        Value token = e.udiv(piece, pieces), offset = e.shl(e.urem(piece, pieces), 4);
        Value source = e.iadd(rowOffset(token), e.zext(e.i64, offset));
        Value target = e.iadd(e.imul(token, int64_t(layout.rowBytes())), swizzled(offset, token));
        m.copy(m.advance(slot, target), m.advance(from, source));
      };
      first + layout.threads() <= all ? copy() : e.guard(e.ult(m.thread, e.i32c(all - first)), copy);
    }
  }

  void fetchWeights(Value index, Value slot) {
    Value offset = e.imul(index, int64_t(layout.weightBytes())), left;
    if (padded) left = e.isub(e.i32c(shape.blockBytes()), offset); // past the end of the block: zeros
    WeightCopy{m, layout.weightBytes()}.issue(ownWeights(slot), m.advance(weights, offset), left);
  }

  //===- using it -------------------------------------------------------------------------------------------------===//

  // The sums of a split one stage further.
  void multiply(Value slot, Value index, Words &acc) {
    std::map<std::tuple<unsigned, unsigned, unsigned>, Words> known;
    unsigned words = shape.termBytes() / 16;
    Value lane = e.imul(m.t, int64_t(4 * words));
    Value tokenRow = m.advance(slot, e.imul(m.g, int64_t(layout.rowBytes())));
    Value groups = e.imul(index, int64_t(tiling.stageSpans * shape.spanGroups() * shape.groupRecordBytes()));
    Value ownRecords = m.advance(rows, e.imul(e.zext(e.i64, e.shl(m.t, 1)), int64_t(shape.preparedBytes())));
    for (uint32_t span = 0; span < tiling.stageSpans; ++span) {
      uint32_t firstTile = span * shape.spanTiles(), firstGroup = span * shape.spanGroups();
      ActivationSource x;
      x.fragment = [&](unsigned j, unsigned tile, unsigned term) {
        Words &read = known[{j, firstTile + tile, term}];
        int64_t at = (firstTile + tile) * shape.tileBytes() + term * shape.termBytes();
        if (read.empty()) {
          Value offset = swizzled(e.iadd(lane, at), m.g);
          read = m.load(m.advance(m.advance(tokenRow, offset), 8 * j * layout.rowBytes()), words);
        }
        return read;
      };
      x.record = [&](unsigned j, unsigned group, unsigned token) {
        int64_t at = shape.groupOffset() + (firstGroup + group) * shape.groupRecordBytes();
        if (kernel.experts) {
          Value own = rowOffset(e.iadd(e.shl(m.t, 1), int64_t(8 * j + token)));
          return m.load(m.advance(m.advance(rows, own), e.iadd(groups, at)), shape.groupRecordBytes() / 4);
        }
        Value base = m.advance(ownRecords, groups);
        return m.load(m.advance(base, at + (8 * j + token) * int64_t(shape.preparedBytes())),
                      shape.groupRecordBytes() / 4);
      };
      products.addSpan(m.advance(ownWeights(slot), span * shape.spanBytes()), x, acc);
    }
  }

  // Stages [index, index + splitStages): the sums of a split, from zeros.
  Words split(Value first) {
    return e.loop(e.i32c(0), e.i32c(splitStages), 1, products.zeros(), [&](Value stage, ValueRange values) {
      Value index = e.iadd(first, stage), ahead = e.iadd(index, int64_t(tiling.ring - 1));
      m.wait(tiling.ring - 2);
      m.barrier(); // everybody's pieces of this stage are there, and nobody reads the last one any more
      e.guard(e.ult(ahead, e.i32c(sequence)), [&] {
        Value to = slot(ahead);
        fetchActivations(ahead, to);
        fetchWeights(ahead, to);
      });
      m.commit();
      Words acc(values);
      multiply(slot(index), index, acc);
      return acc;
    });
  }

  // Adds a split's sums to those in shared memory, or begins with +0.
  void addSums(Value own, ValueRange sums) {
    for (uint32_t j = 0; j < tokenTiles; ++j)
      for (int token : {0, 1})
        for (int r : {0, 1}) {
          Value address = m.advance(own, e.iadd(e.shl(products.row(r), 2), int64_t((8 * j + token) * 64)));
          Value sum = sums.empty() ? m.zero() : e.add(m.loadWord(address, e.f32), sums[4 * j + 2 * r + token]);
          m.store(sum, address);
        }
  }

  void emit(Value item, int64_t units) {
    const ExpertItems *experts = kernel.experts;
    firstToken = experts ? e.i64c(0) : e.imul(e.udiv(item, units), int64_t(tiling.tokens));
    if (experts) experts->open(m, e.udiv(item, units));
    Value group = e.urem(item, units);
    Value block = e.iadd(e.imul(group, int64_t(tiling.blocks)), e.zext(e.i64, m.warp));
    block = e.clamp(block, e.i64c(shape.blocks() - 1));
    Value base = m.global(kernel.weightAddress(e));
    if (experts) base = m.advance(base, experts->weightOffset(e)), noteRows();
    weights = m.advance(base, e.imul(block, int64_t(shape.blockBytes())));
    rows = m.advance(m.global(e.slotPointer(kernel.frame.preparedSlot)),
                     e.imul(firstToken, int64_t(shape.preparedBytes())));
    for (uint32_t i = 0; i + 1 < tiling.ring && int64_t(i) < sequence; ++i) fetchWeights(e.i32c(i), slot(e.i32c(i)));
    if (!experts) e.b.create<ptx::GriddepWaitOp>();
    for (uint32_t i = 0; i + 1 < tiling.ring; ++i) { // the first group holds all weights so far
      if (int64_t(i) < sequence) fetchActivations(e.i32c(i), slot(e.i32c(i)));
      m.commit();
    }
    Value token = e.iadd(e.imul(m.warp, int64_t(tiling.tokens)), e.shl(m.t, 1));
    Value own = m.shared(e.iadd(e.shl(token, 6), int64_t(layout.sums())));
    addSums(own, {});
    e.loop(e.i32c(0), e.i32c(sequence), splitStages, [&](Value first) { addSums(own, split(first)); });
    m.barrier();
    emitLinearFinish(m, kernel,
                     {m.shared(e.i32c(layout.sums())), e.imul(group, int64_t(tiling.blocks / shape.unitBlocks)),
                      firstToken, 1, tiling.blocks, tiling.tokens, layout.threads()});
    m.barrier(); // before the next item's
  }
};
} // namespace

std::optional<PanelTiling> PanelTiling::of(const LinearShape &shape) {
  constexpr uint32_t mostWarps = 8;
  uint32_t unit = shape.unitBlocks;
  if (unit > mostWarps) return std::nullopt;
  uint32_t blocks = std::min<uint64_t>(mostWarps / unit * unit, shape.blocks() / unit * unit);
  bool light = shape.spanTiles() == 1 && shape.spanGroups() == 1 && shape.terms == 1; // few registers a span
  uint32_t spans = light && shape.splitSpans() % 2 == 0 ? 2 : 1;
  for (uint32_t tokens : {64, 32})
    for (uint32_t ring : {4, 3, 2}) {
      PanelTiling tiling{tokens, blocks, spans, ring};
      if (Layout{shape, tiling}.bytes() <= kMostSharedBytes) return tiling;
    }
  return std::nullopt;
}

LogicalResult emitLinearPanel(const LinearKernel &kernel, const PanelTiling &tiling, KernelVariant &variant) {
  const LinearShape &shape = kernel.shape;
  Layout layout{shape, tiling};
  variant.per = tiling.tokens, variant.units = (shape.blocks() + tiling.blocks - 1) / tiling.blocks;
  variant.blockThreads = layout.threads(), variant.blockItems = 1, variant.sharedBytes = layout.bytes();

  Emitter e(kernel.module, variant.kernel);
  e.b.create<ptx::GriddepLaunchOp>();
  TensorEmitter m(e);
  Panel panel{m, kernel, tiling, LinearProducts(m, shape, tiling.tokens / 8)};
  return kernel.emitItems(m, variant, /*ctas=*/1, [&](Value item) { panel.emit(item, variant.units); });
}

} // namespace ingot::cuda
