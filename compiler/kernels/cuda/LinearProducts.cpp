// Fragments of packed weights and what is done with them. Codes become f16 without arithmetic on integers: 0x6400 |
// code is 1024 + code, and 0x6400 | code << 4 is 1024 + 16 code; subtracting 1024 + z (after an exact division by 16)
// is exact (Kim et al., "Who Says Elephants Can't Run", 2022).
#include "compiler/kernels/cuda/LinearProducts.h"

using namespace mlir;

namespace ingot::cuda {
namespace {
using Element = WeightFormat::Type;
using Zero = WeightFormat::Zero;

constexpr uint32_t k1024 = 0x64006400, kMinus1024 = 0xe400e400, kMinus64 = 0xd400d400, kSixteenth = 0x2c002c00;
constexpr uint32_t k960 = 0x63806380, kBoth = 0x00010001;
} // namespace

LinearProducts::LinearProducts(TensorEmitter &m, const LinearShape &shape, unsigned tokenTiles)
    : m(m), e(m.e), shape(shape), f(shape.format), tokenTiles(tokenTiles), pairBytes(e.shl(m.g, 3)) {}

// Integers: mma row g is row 2g, mma row g + 8 row 2g + 1, so that both are one 8-byte read. Floats: as they lie.
Value LinearProducts::row(unsigned r) {
  return f.isInteger() ? e.iadd(e.shl(m.g, 1), int64_t(r)) : e.iadd(m.g, int64_t(8 * r));
}

LinearProducts::Words LinearProducts::rowWords(Value chunk) { return m.load(m.advance(chunk, pairBytes), 2); }

//===- parameters of a group --------------------------------------------------------------------------------------===//

std::pair<Value, Value> LinearProducts::rowFloats(Value address) {
  if (f.scale == WeightFormat::Scale::f32) {
    auto words = m.load(m.advance(address, pairBytes), 2, e.f32);
    return {words[0], words[1]};
  }
  Value word = m.loadWord(m.advance(address, e.shl(m.g, 2)));
  return {m.half(word, 0), m.half(word, 1)};
}

void LinearProducts::loadFactors(Value group, Parameters &p) {
  std::tie(p.scale[0], p.scale[1]) = rowFloats(m.advance(group, scaleOffset(f)));
  if (f.zero == Zero::minimum) std::tie(p.minimum[0], p.minimum[1]) = rowFloats(m.advance(group, zeroOffset(f)));
}

void LinearProducts::loadPoints(Value group, Parameters &p) {
  if (f.zero != Zero::zero_point) return;
  Value bytes = m.loadWord(m.advance(m.advance(group, zeroOffset(f)), e.iand(e.shl(m.g, 1), e.i32c(~3))));
  bytes = e.b.create<arith::ShRUIOp>(bytes, e.shl(e.iand(m.g, e.i32c(1)), 4)); // rows 2g, 2g + 1 of four
  p.point[0] = e.iand(bytes, e.i32c(255)), p.point[1] = e.iand(e.lshr(bytes, 8), e.i32c(255));
}

void LinearProducts::deriveBiases(Parameters &p) {
  int64_t point = f.zero == Zero::symmetric ? int64_t(1) << (f.bits() - 1) : 0;
  for (int r : {0, 1}) {
    if (p.point[r]) {
      p.bias[r] = e.ior(e.imul(p.point[r], int64_t(kBoth)), m.word(kMinus1024));
      p.sixteenths[r] = m.pairAdd(p.bias[r], m.word(k960));
    } else {
      p.bias[r] = m.word(kMinus1024 | point * kBoth);
      p.sixteenths[r] = m.word(kMinus64 | (point << 4) * kBoth);
    }
  }
}

LinearProducts::Parameters LinearProducts::parameters(Value group) {
  Parameters p;
  loadFactors(group, p), loadPoints(group, p), deriveBiases(p);
  return p;
}

//===- fragments: words (row 0, row 1, row 0, row 1) of k halves 0, 0, 1, 1 ---------------------------------------===//

// Nibbles 0, 4 and 1, 5 of both rows.
LinearProducts::Words LinearProducts::int4Fragment(ValueRange rows, const Parameters &p) {
  Words a;
  for (int r : {0, 1}) a.push_back(m.pairAdd(m.maskOr(rows[r], 0x000f000f, k1024), p.bias[r]));
  for (int r : {0, 1})
    a.push_back(m.pairFma(m.maskOr(rows[r], 0x00f000f0, k1024), m.word(kSixteenth), p.sixteenths[r]));
  return a;
}

// Bytes 0, 1 and 2, 3 of both rows.
LinearProducts::Words LinearProducts::int8Fragment(ValueRange rows, const Parameters &p) {
  Words a;
  for (uint32_t selector : {0x4140, 0x4342})
    for (int r : {0, 1}) {
      Value codes = e.ixor(rows[r], m.word(0x80808080));
      a.push_back(m.pairAdd(m.permute(codes, m.word(0x64646464), selector), p.bias[r]));
    }
  return a;
}

SmallVector<LinearProducts::Words> LinearProducts::gridFragments(Value group, const Parameters &p) {
  SmallVector<Words> steps;
  bool small = f.group == 16;
  auto chunk = [&](int64_t index, Value lanes) {
    return rowWords(m.advance(m.advance(group, index * kChunkBytes), e.imul(lanes, kChunkBytes)));
  };
  auto shifted = [&](Words words, Value bits) {
    for (Value &word : words) word = e.b.create<arith::ShRUIOp>(word, bits);
    return words;
  };
  if (f.type == Element::int8) { // chunks 0..3: one step
    for (int64_t step = 0; step < f.group / 16; ++step) steps.push_back(int8Fragment(chunk(4 * step, m.t), p));
  } else if (small) { // two threads share a chunk
    Words words = chunk(0, e.lshr(m.t, 1));
    steps.push_back(int4Fragment(shifted(words, e.shl(e.iand(m.t, e.i32c(1)), 3)), p));
  } else {
    for (int64_t tile = 0; tile < f.group / kTileColumns; ++tile) {
      Words words = chunk(4 * tile, m.t);
      steps.push_back(int4Fragment(words, p));
      steps.push_back(int4Fragment(shifted(words, e.i32c(8)), p));
    }
  }
  return steps;
}

SmallVector<LinearProducts::Words> LinearProducts::floatFragments(Value span) {
  SmallVector<Words> steps;
  Value k = e.iadd(e.shl(e.lshr(m.lane, 4), 3), e.iand(m.lane, e.i32c(7))), half = e.iand(e.lshr(m.lane, 3), e.i32c(1));
  Value address = m.advance(span, e.iadd(e.shl(k, 5), e.shl(half, 4)));
  for (int64_t step = 0; step < shape.spanColumns() / 16; ++step)
    steps.push_back(m.loadMatrix(m.advance(address, step * 16 * groupDataBytes(f))));
  return steps;
}

//===- floating activations ---------------------------------------------------------------------------------------===//

void LinearProducts::scaleFloats(const Parameters &p, ValueRange d, const ActivationSource &x, unsigned j,
                                 unsigned group, Words &sums) {
  for (int token : {0, 1}) {
    Value sum = f.zero == Zero::minimum ? e.bitcast(e.f32, x.record(j, group, token)[0]) : Value();
    for (int r : {0, 1}) {
      Value &acc = sums[4 * j + 2 * r + token];
      acc = e.fma(d[2 * r + token], p.scale[r], acc);
      if (sum) acc = e.fma(sum, p.minimum[r], acc);
    }
  }
}

void LinearProducts::addFloatGroup(Value span, unsigned group, const ActivationSource &x, Words &sums) {
  bool grid = f.isInteger();
  Value address = m.advance(span, grid ? group * groupBytes(f) : 0);
  Parameters p = grid ? parameters(address) : Parameters();
  SmallVector<Words> a = grid ? gridFragments(address, p) : floatFragments(span);
  auto kind = shape.activations == Activations::bf16 ? ptx::MmaKind::bf16 : ptx::MmaKind::f16;
  for (unsigned j = 0; j < tokenTiles; ++j) {
    Words d(4, m.zero());
    for (auto [i, fragment] : llvm::enumerate(a)) {
      unsigned step = group + i; // groups of 16 columns: one step each
      for (unsigned term = 0; term < shape.terms; ++term) {
        Words b = x.fragment(j, step / 2, term);
        m.mma(kind, d, fragment, ValueRange(b).slice(step % 2 * 2, 2));
      }
    }
    if (grid)
      scaleFloats(p, d, x, j, group, sums);
    else
      for (int i = 0; i < 4; ++i) sums[4 * j + i] = e.add(sums[4 * j + i], d[i]);
  }
}

//===- int8 activations -------------------------------------------------------------------------------------------===//

// Bytes of both rows for the tile's two k halves: int4 codes are unsigned, int8 codes less 128.
LinearProducts::Words LinearProducts::byteFragment(Value span, unsigned tile) {
  if (f.type == Element::int4) {
    Value chunk = f.group == 16
                      ? e.iadd(e.imul(e.lshr(m.t, 1), groupBytes(f)), e.imul(e.iand(m.t, e.i32c(1)), kChunkBytes))
                      : e.imul(m.t, kChunkBytes);
    Words rows = rowWords(m.advance(m.advance(span, tile * 4 * kChunkBytes), chunk)), a;
    for (int shift : {0, 4})
      for (Value row : rows) a.push_back(e.iand(shift ? e.lshr(row, shift) : row, m.word(0x0f0f0f0f)));
    return a;
  }
  Words a;
  for (int64_t half : {0, 1}) {
    Value chunk;
    if (f.group == 16)
      chunk = e.iadd(e.imul(e.lshr(m.t, 1), groupBytes(f)),
                     e.imul(e.iadd(e.shl(e.iand(m.t, e.i32c(1)), 1), half), kChunkBytes));
    else
      chunk = e.imul(e.iadd(m.t, tile * 8 + half * 4), kChunkBytes);
    a.append(rowWords(m.advance(span, chunk)));
  }
  return a;
}

void LinearProducts::addInt8Group(Value span, unsigned group, const ActivationSource &x, Words &sums) {
  Value address = m.advance(span, group * groupBytes(f));
  Parameters p = parameters(address);
  SmallVector<Words> a;
  for (unsigned tile = 0; tile < shape.spanTiles(); ++tile) a.push_back(byteFragment(span, tile));
  auto kind = f.type == Element::int4 ? ptx::MmaKind::u8s8 : ptx::MmaKind::s8s8;
  Value mine = f.group == 16 ? e.ieq(e.lshr(m.t, 1), e.i32c(group)) : Value(); // threads of the group's columns
  for (unsigned j = 0; j < tokenTiles; ++j) {
    Words d(4, e.i32c(0));
    for (unsigned tile = 0; tile < shape.spanTiles(); ++tile) {
      Words b = x.fragment(j, tile, 0);
      if (mine)
        for (Value &word : b) word = e.select(mine, word, e.i32c(0));
      m.mma(kind, d, a[tile], b);
    }
    for (int token : {0, 1}) {
      Words record = x.record(j, group, token);
      Value scale = e.bitcast(e.f32, record[0]), start = record[1];
      for (int r : {0, 1}) {
        Value &acc = sums[4 * j + 2 * r + token];
        Value sum = e.iadd(d[2 * r + token], begin(p, start, r));
        acc = e.fma(e.toFloat(sum), e.mul(p.scale[r], scale), acc);
        if (f.zero == Zero::minimum) acc = e.fma(e.toFloat(start), e.mul(p.minimum[r], scale), acc);
      }
    }
  }
}

Value LinearProducts::begin(const Parameters &p, Value start, unsigned r) {
  if (f.zero == Zero::symmetric) return start;
  int64_t offset = f.type == Element::int8 ? 128 : 0;
  return e.imul(start, p.point[r] ? e.isub(e.i32c(offset), p.point[r]) : e.i32c(offset));
}

void LinearProducts::addSpan(Value weights, const ActivationSource &x, Words &sums) {
  for (unsigned group = 0; group < shape.spanGroups(); ++group)
    shape.isInt8() ? addInt8Group(weights, group, x, sums) : addFloatGroup(weights, group, x, sums);
}

} // namespace ingot::cuda
