// Emission of prepare grids. A thread holds *pieces* of 8 columns, 4 pieces a tile, all of its row's in registers; sums
// over the row go lane by xor distance 16, 8, .. 1, then warp by warp ascending.
#include "compiler/kernels/cuda/LinearPrepare.h"
#include "compiler/kernels/cpu/MathFunctions.h"
#include "compiler/kernels/cpu/PreparedRow.h"
#include "compiler/kernels/cuda/TensorEmitter.h"
#include "compiler/kernels/cuda/Worker.h"

using namespace mlir;

namespace ingot::cuda {
namespace {

using Words = SmallVector<Value>;
constexpr uint64_t kPieceColumns = 8, kPieces = 4 /* a tile */, kMostPieces = 8 /* a thread */, kMostThreads = 1024;

uint64_t pieceCount(const LinearShape &shape) { return shape.tiles() * kPieces; }
// Two pieces a thread where that fills a warp or more.
uint64_t threadCount(const LinearShape &shape) {
  return std::clamp<uint64_t>(llvm::alignTo(pieceCount(shape) / 2, 32), 32, kMostThreads);
}

struct Prepare {
  Emitter &e;
  TensorEmitter &m;
  const cpu::LaunchFrame &frame;
  const LinearShape &shape;
  uint64_t threads = threadCount(shape), warps = threads / 32;
  Value source = {}, target = {}; // ptr<1>: the row, the prepared row
  unsigned reductions = 0;

  struct Piece {
    Value index, tile, t, column; // i32; column: of position 0
    Words x;                      // f32, by position; 0 past the row's end
  };
  SmallVector<Piece> pieces = {};

  int64_t offset(unsigned i) { return shape.column(0, i); } // of position i from position 0

  //===- loading --------------------------------------------------------------------------------------------------===//

  Value firstColumn(Value tile, Value t) {
    bool paired = shape.column(2, 0) != 2 * shape.column(1, 0); // int4 groups of 16: threads share chunks
    Value own = paired ? e.iadd(e.shl(e.lshr(t, 1), 3), e.iand(t, e.i32c(1))) : e.imul(t, int64_t(shape.column(1, 0)));
    return e.iadd(e.imul(tile, int64_t(kTileColumns)), own);
  }

  // Whether threads hold columns past the row's end.
  bool padded() { return llvm::alignTo(pieceCount(shape), threads) * kPieceColumns != shape.cols; }
  Value clamped(Value column) { return padded() ? e.clamp(column, e.i32c(shape.cols - 1)) : column; }
  Value inside(Value column) { return e.ult(column, e.i32c(shape.cols)); }

  // Columns at hand side by side: loads of 4, 2 or 1.
  unsigned run() {
    if (shape.cols % kTileColumns) return 1;
    for (unsigned width : {4u, 2u}) {
      bool whole = shape.column(1, 0) % width == 0;
      for (unsigned i = 0; i < kPieceColumns; ++i) {
        bool found = false;
        for (unsigned other = 0; other < kPieceColumns; ++other)
          found |= offset(other) == offset(i) / width * width + (offset(i) + 1) % width;
        whole &= found;
      }
      if (whole) return width;
    }
    return 1;
  }

  Piece loadPiece(unsigned i) {
    Piece piece;
    piece.index = e.iadd(m.thread, int64_t(i * threads));
    piece.tile = e.lshr(piece.index, 2), piece.t = e.iand(piece.index, e.i32c(3));
    piece.column = firstColumn(piece.tile, piece.t);
    unsigned width = run();
    llvm::SmallDenseMap<int64_t, Words> runs; // by first offset
    for (unsigned p = 0; p < kPieceColumns; ++p) {
      int64_t first = offset(p) / width * width;
      Value column = e.iadd(piece.column, first);
      Words &words = runs[first];
      if (words.empty()) words = m.load(m.advance(source, e.shl(runBase(column, width), 2)), width, e.f32);
      Value x = words[offset(p) % width];
      piece.x.push_back(padded() ? e.select(inside(e.iadd(piece.column, offset(p))), x, m.zero()) : x);
    }
    return piece;
  }
  Value runBase(Value column, unsigned width) {
    return padded() ? e.clamp(column, e.i32c(shape.cols - width)) : column;
  }

  //===- over the whole CTA ---------------------------------------------------------------------------------------===//

  Value reduce(Value x, llvm::function_ref<Value(Value, Value)> combine) {
    for (unsigned distance : {16, 8, 4, 2, 1}) x = combine(x, m.shuffleXor(x, distance));
    if (warps == 1) return x;
    Value slots = m.shared(e.i32c(reductions++ * warps * 4));
    e.ifThen(e.ieq(m.lane, e.i32c(0)), [&] { m.store(x, m.advance(slots, e.shl(m.warp, 2))); });
    m.barrier();
    Value all;
    for (uint64_t w = 0; w < warps; ++w) {
      Value other = m.loadWord(m.advance(slots, w * 4), x.getType());
      all = all ? combine(all, other) : other;
    }
    return all;
  }
  bool joinsWarps(decoder::NormOp prologue) const { return warps > 1 && (prologue || shape.hasFactor()); }
  Value sum(Value x) {
    return reduce(x, [&](Value p, Value q) { return e.add(p, q); });
  }

  //===- the prologue ---------------------------------------------------------------------------------------------===//

  Value element(const cpu::WeightView &vector, Value base, Value column) {
    const WeightFormat &f = vector.format;
    Value address = m.advance(base, e.imul(clamped(column), int64_t(f.bits() / 8)));
    if (f.type == WeightFormat::Type::f32) return m.loadWord(address, e.f32);
    Value raw = e.load(e.i16, address);
    if (f.type == WeightFormat::Type::f16) return e.extendHalf(e.bitcast(e.f16, raw));
    return e.bitcast(e.f32, e.shl(e.zext(e.i32, raw), 16));
  }

  void scaleBy(FlatSymbolRefAttr symbol, llvm::function_ref<Value(Value, Value)> combine) {
    if (!symbol) return;
    Value base = m.global(frame.weightAddress(e, symbol));
    for (Piece &piece : pieces)
      for (unsigned p = 0; p < kPieceColumns; ++p)
        piece.x[p] = combine(piece.x[p], element(frame.weight(symbol), base, e.iadd(piece.column, offset(p))));
  }

  // x - shift is 0 past the row's end, too.
  void centre(Value shift) {
    for (Piece &piece : pieces)
      for (unsigned p = 0; p < kPieceColumns; ++p) {
        Value x = e.sub(piece.x[p], shift);
        piece.x[p] = padded() ? e.select(inside(e.iadd(piece.column, offset(p))), x, m.zero()) : x;
      }
  }

  void normalise(decoder::NormOp op) {
    Value count = e.constant(e.f32, double(shape.cols));
    if (op.getKind() == decoder::NormKind::layer) {
      Value own = m.zero();
      for (Piece &piece : pieces)
        for (Value x : piece.x) own = e.add(own, x);
      centre(e.div(sum(own), count));
    }
    Value own = m.zero();
    for (Piece &piece : pieces)
      for (Value x : piece.x) own = e.fma(x, x, own);
    Value mean = sum(own);
    if (op.getKind() != decoder::NormKind::l2) mean = e.div(mean, count);
    Value root = e.sqrt(e.add(mean, e.constant(e.f32, op.getEps().convertToFloat())));
    Value factor = e.div(e.constant(e.f32, 1.0), root);
    for (Piece &piece : pieces)
      for (Value &x : piece.x) x = e.mul(x, factor);
    scaleBy(op.getGainAttr(), [&](Value x, Value gain) { return e.mul(x, gain); });
    scaleBy(op.getBiasAttr(), [&](Value x, Value bias) { return e.add(x, bias); });
    if (padded()) // gain and bias past the end are the last column's
      for (Piece &piece : pieces)
        for (unsigned p = 0; p < kPieceColumns; ++p)
          piece.x[p] = e.select(inside(e.iadd(piece.column, offset(p))), piece.x[p], m.zero());
  }

  //===- floating terms -------------------------------------------------------------------------------------------===//

  Value magnitudeBits(Value x) { return e.iand(e.bitcast(e.i32, x), e.i32c(0x7fffffff)); }
  Value largestBits(ArrayRef<Value> values) {
    Value bits = e.i32c(0);
    for (Value x : values) bits = e.smax(bits, magnitudeBits(x));
    return bits;
  }

  // The power of two that brings the row's largest into [2^14, 2^15); its inverse is the row's factor.
  Value rowScale() {
    Words all;
    for (Piece &piece : pieces) all.append(piece.x);
    Value bits = reduce(largestBits(all), [&](Value p, Value q) { return e.smax(p, q); });
    Value exponent = e.smax(e.lshr(bits, 23), e.i32c(15)); // of tiny rows 2^126 is enough
    Value scale = e.isub(e.i32c(127 + 14 + 127), exponent);
    Value factor = e.bitcast(e.f32, e.shl(e.isub(e.i32c(254), scale), 23));
    e.ifThen(e.ieq(m.thread, e.i32c(0)), [&] { m.store(factor, m.advance(target, shape.factorOffset())); });
    return e.bitcast(e.f32, e.shl(scale, 23));
  }

  void storePiece(const Piece &piece, unsigned term, ValueRange words) {
    Value at = e.iadd(e.imul(piece.tile, int64_t(shape.tileBytes())), e.imul(piece.t, int64_t(4 * words.size())));
    Value address = m.advance(target, e.iadd(at, int64_t(term * shape.termBytes())));
    whereReal(piece, [&] { m.store(words, address); });
  }
  void whereReal(const Piece &piece, llvm::function_ref<void()> body) {
    if (pieceCount(shape) % threads == 0) return body();
    e.guard(e.ult(piece.index, e.i32c(pieceCount(shape))), body);
  }

  void storeFloats(const Piece &piece) {
    Value at = e.imul(piece.index, int64_t(4 * kPieceColumns));
    whereReal(piece, [&] {
      for (unsigned p = 0; p < kPieceColumns; p += 4)
        m.store(ArrayRef(piece.x).slice(p, 4), m.advance(m.advance(target, at), 4 * p));
    });
  }

  // Cuts the piece into terms; what they hold together, by position.
  Words storeTerms(const Piece &piece, Value scale) {
    bool halves = shape.activations == Activations::f16;
    Words rest = piece.x, held(kPieceColumns);
    if (scale)
      for (Value &x : rest) x = e.mul(x, scale);
    for (unsigned term = 0; term < shape.terms; ++term) {
      Words words;
      for (unsigned p = 0; p < kPieceColumns; p += 2) {
        words.push_back(m.pack(halves ? ptx::PairType::f16 : ptx::PairType::bf16, rest[p], rest[p + 1]));
        for (unsigned i : {0, 1}) {
          Value value = halves ? m.half(words.back(), i) : m.brain(words.back(), i);
          held[p + i] = term ? e.add(held[p + i], value) : value;
          if (term + 1 < shape.terms) rest[p + i] = e.sub(rest[p + i], value);
        }
      }
      storePiece(piece, term, words);
    }
    return held;
  }

  // Pieces that share a group, and the group of a thread's s-th sum: groups of 16 columns are a thread's halves.
  uint64_t groupPieces() { return std::max<uint64_t>(kPieces, shape.groupColumns() / kPieceColumns); }

  void storeSums(const Piece &piece, const Words &held) {
    unsigned parts = shape.spanGroups(), each = kPieceColumns / parts;
    for (unsigned part = 0; part < parts; ++part) {
      Value own = m.zero();
      for (unsigned p = 0; p < each; ++p) own = e.add(own, held[part * each + p]);
      for (unsigned distance = 1; distance < groupPieces(); distance *= 2)
        own = e.add(own, m.shuffleXor(own, distance));
      storeRecord(piece, groupPieces(), parts, part, {own});
    }
  }

  // By the first piece of a group (or of a tile of `parts` groups).
  void storeRecord(const Piece &piece, uint64_t sharing, unsigned parts, unsigned part, ValueRange words) {
    Value group = e.iadd(e.imul(e.udiv(piece.index, sharing), int64_t(parts)), int64_t(part));
    Value address = m.advance(target, e.iadd(e.imul(group, int64_t(4 * words.size())), int64_t(shape.groupOffset())));
    e.ifThen(e.ieq(e.iand(piece.index, e.i32c(sharing - 1)), e.i32c(0)),
             [&] { whereReal(piece, [&] { m.store(words, address); }); });
  }

  //===- int8 -----------------------------------------------------------------------------------------------------===//

  void storeBytes(const Piece &piece) {
    uint64_t sharing = shape.groupColumns() / kPieceColumns;
    Value bits = largestBits(piece.x);
    for (unsigned distance = 1; distance < sharing; distance *= 2) bits = e.smax(bits, m.shuffleXor(bits, distance));
    Value amax = e.bitcast(e.f32, bits), limit = e.constant(e.f32, 127.0);
    Value inverse = e.select(e.less(amax, e.constant(e.f32, 0x1p-120)), m.zero(), e.div(limit, amax));
    Value sum = e.i32c(0);
    Words integers, words;
    for (Value x : piece.x) {
      Value shifted = e.add(e.mul(x, inverse), e.constant(e.f32, math::roundMagic));
      integers.push_back(e.iadd(e.bitcast(e.i32, shifted), -int64_t(math::roundMagicBits)));
      sum = e.iadd(sum, integers.back());
    }
    for (unsigned p = 0; p < kPieceColumns; p += 4) {
      Value low = m.permute(integers[p], integers[p + 1], 0x0040),
            high = m.permute(integers[p + 2], integers[p + 3], 0x0040);
      words.push_back(m.permute(low, high, 0x5410));
    }
    storePiece(piece, 0, words);
    for (unsigned distance = 1; distance < sharing; distance *= 2) sum = e.iadd(sum, m.shuffleXor(sum, distance));
    sum = e.imul(sum, cpu::sumFactor(shape.format, cpu::CpuLevel::v3));
    storeRecord(piece, sharing, 1, 0, {e.bitcast(e.i32, e.div(amax, limit)), sum});
  }

  void emit(decoder::NormOp prologue) {
    for (unsigned i = 0; i * threads < pieceCount(shape); ++i) pieces.push_back(loadPiece(i));
    if (prologue) normalise(prologue);
    Value scale = shape.hasFactor() ? rowScale() : Value();
    for (Piece &piece : pieces) {
      if (shape.isInt8() || shape.activations == Activations::f32) {
        shape.isInt8() ? storeBytes(piece) : storeFloats(piece);
        continue;
      }
      Words held = storeTerms(piece, scale);
      if (shape.affine()) storeSums(piece, held);
    }
  }
};
} // namespace

bool canPrepare(const LinearShape &shape) {
  return shape.tiles() > 0 && shape.tiles() <= kMostThreads * kMostPieces / kPieces;
}

uint32_t prepareThreads(const LinearShape &shape) { return threadCount(shape); }

LogicalResult emitLinearPrepare(ModuleOp module, const cpu::LaunchFrame &frame, mlir::Value input,
                                decoder::NormOp prologue, const LinearShape &shape, KernelVariant &variant,
                                const PrepareExtra &extra) {
  Emitter e(module, variant.kernel);
  e.b.create<ptx::GriddepLaunchOp>();
  e.b.create<ptx::GriddepWaitOp>();
  TensorEmitter m(e);
  auto id = [&](ptx::Register which) { return e.zext(e.i64, e.b.create<ptx::IdOp>(e.i32, which)); };
  if (prologue) input = prologue.getInput();
  Prepare prepare{e, m, frame, shape};
  if (extra.first) {
    e.ifThen(e.ieq(e.b.create<ptx::IdOp>(e.i32, ptx::Register::block), e.i32c(0)), [&] {
      extra.first(m, prepare.threads);
      if (prepare.joinsWarps(prologue)) m.barrier(); // shared memory is for the rows' sums now
    });
  }
  int64_t parts = extra.parts;
  auto loop = e.itemLoop(id(ptx::Register::block), e.imul(e.rows(), parts), id(ptx::Register::blocks));
  {
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToStart(loop.getBody());
    Value row = loop.getInductionVar();
    prepare.source = m.global(frame.inputRow(e, input, parts > 1 ? e.udiv(row, parts) : row));
    if (parts > 1) prepare.source = m.advance(prepare.source, e.imul(e.urem(row, parts), int64_t(shape.cols * 4)));
    prepare.target = m.global(e.at(e.slotPointer(frame.preparedSlot), e.imul(row, int64_t(shape.preparedBytes()))));
    prepare.emit(prologue);
    if (prepare.reductions == 1) m.barrier(); // before the next row's; of several, each lies between the others
  }
  variant.blockThreads = prepare.threads, variant.blockItems = 1, variant.units = parts;
  variant.sharedBytes = std::max<uint32_t>(prepare.reductions * prepare.warps * 4, extra.sharedBytes);
  return finishEntry(e, prepare.threads, /*ctas=*/0);
}

} // namespace ingot::cuda
