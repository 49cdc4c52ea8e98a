// One token: seven of the mma's eight columns would idle, so columns are groups. Column g of B holds the activations of
// group g of a set, every group's codes are multiplied by all of it, and of each product a thread (g, t) keeps the
// columns that are the group's own: in the end the sums of groups 2t, 2t + 1 for its two rows. Conversions, scales and
// records then cost an eighth. The order of additions is that of every kernel (LinearShape.h, invariant 2): a row's sum
// goes from thread to thread of a quad, each adding its two groups.
#include "compiler/kernels/cuda/LinearProducts.h"

using namespace mlir;

namespace ingot::cuda {

// D of groups [group, ..): one, or two of 16 columns that share an int8 tile. `half`: threads of the own group's
// columns of such a tile, or null.
LinearProducts::Words LinearProducts::groupOnColumns(Value span, unsigned group, const SetSource &x, Value half) {
  Words d(4, shape.isInt8() ? e.i32c(0) : m.zero());
  if (shape.isInt8()) {
    unsigned tiles = shape.spanTiles();
    Value address = m.advance(span, group / shape.spanGroups() * shape.spanBytes());
    for (unsigned tile = 0; tile < tiles; ++tile) {
      Words b = x.fragment(tile, 0);
      if (half)
        for (Value &word : b) word = e.select(half, word, e.i32c(0));
      m.mma(f.type == WeightFormat::Type::int4 ? ptx::MmaKind::u8s8 : ptx::MmaKind::s8s8, d,
            byteFragment(address, tile), b);
    }
    return d;
  }
  Value address = m.advance(span, group * groupBytes(f));
  Parameters p;
  loadPoints(address, p), deriveBiases(p);
  auto kind = shape.activations == Activations::bf16 ? ptx::MmaKind::bf16 : ptx::MmaKind::f16;
  for (auto [step, fragment] : llvm::enumerate(gridFragments(address, p)))
    for (unsigned term = 0; term < shape.terms; ++term) {
      Words b = x.fragment(step / 2, term);
      m.mma(kind, d, fragment, ValueRange(b).slice(step % 2 * 2, 2));
    }
  return d;
}

void LinearProducts::addSet(Value weights, unsigned groups, const SetSource &x, Words &sums, bool continued) {
  bool pairs = shape.isInt8() && f.group == 16;
  Value half = pairs ? e.ieq(e.lshr(m.t, 1), e.iand(m.g, e.i32c(1))) : Value();
  // Of this thread's own groups 2t, 2t + 1: parameters and records.
  Parameters own[2];
  Words record[2];
  for (unsigned i : {0, 1}) {
    Value index = e.iadd(e.shl(m.t, 1), int64_t(i));
    if (groups < kSetGroups) index = e.umin(index, e.i32c(groups - 1));
    Value address = m.advance(weights, e.imul(index, int64_t(groupBytes(f))));
    loadFactors(address, own[i]);
    if (shape.groupRecordBytes()) record[i] = x.record(i);
    if (shape.isInt8()) loadPoints(address, own[i]);
  }

  Words kept(4);
  for (unsigned group = 0; group < groups; group += pairs ? 2 : 1) {
    Words d = groupOnColumns(weights, group, x, half);
    Value mine = e.ieq(m.t, e.i32c(group / 2));
    for (unsigned i = group % 2; i < (pairs ? 2 : group % 2 + 1); ++i)
      for (unsigned r : {0, 1}) {
        Value &value = kept[2 * r + i];
        value = value ? e.select(mine, d[2 * r + i], value) : d[2 * r + i];
      }
  }

  // acc = fma(sum, scale, acc), by group ascending.
  Words sum(4), scale(4), correction(4), minimum(4);
  for (unsigned i : {0, 1})
    for (unsigned r : {0, 1}) {
      unsigned k = 2 * r + i;
      if (!kept[k]) continue; // a set of one group
      sum[k] = shape.isInt8() ? e.toFloat(e.iadd(kept[k], begin(own[i], record[i][1], r))) : kept[k];
      Value unit = shape.isInt8() ? e.bitcast(e.f32, record[i][0]) : Value();
      scale[k] = unit ? e.mul(own[i].scale[r], unit) : own[i].scale[r];
      if (!shape.affine()) continue;
      correction[k] = unit ? e.toFloat(record[i][1]) : e.bitcast(e.f32, record[i][0]);
      minimum[k] = unit ? e.mul(own[i].minimum[r], unit) : own[i].minimum[r];
    }
  for (unsigned t = 0; 2 * t < groups; ++t)
    for (unsigned r : {0, 1}) {
      if (t || continued) sums[r] = m.fromLane(sums[r], (t ? t : llvm::divideCeil(groups, 2)) - 1, 4);
      for (unsigned i = 0; i < 2 && 2 * t + i < groups; ++i) {
        unsigned k = 2 * r + i;
        sums[r] = e.fma(sum[k], scale[k], sums[r]);
        if (correction[k]) sums[r] = e.fma(correction[k], minimum[k], sums[r]);
      }
    }
}

} // namespace ingot::cuda
