// The arithmetic of tensor-core linears: one warp, one block of 16 weight rows, a span of columns, 8 n tokens. Every
// kernel calls this and nothing else, so that they agree in every bit (LinearShape.h, invariant 2).
//
// Rows of a block stand on the mma's 16-row side, tokens on its 8-column side. A thread (g, t) holds the sums of rows
// `row(0)`, `row(1)` for tokens 8 j + 2t and 8 j + 2t + 1: sums[4 j + 2 r + token % 2].
#pragma once
#include "compiler/kernels/cuda/LinearShape.h"
#include "compiler/kernels/cuda/TensorEmitter.h"

namespace ingot::cuda {

/// Where a span's activations come from. `j` counts tiles of 8 tokens, the rest inside the span.
struct ActivationSource {
  /// This thread's words of token 8 j + g: 4 (f16, bf16: two steps of two) or 2 (int8).
  std::function<SmallVector<Value>(unsigned j, unsigned tile, unsigned term)> fragment;
  /// Words of the group's record for token 8 j + 2t + token: 1 (affine: f32 sum) or 2 (int8: f32 d, i32 start).
  std::function<SmallVector<Value>(unsigned j, unsigned group, unsigned token)> record;
};

/// The one token's, of a set of at most 8 groups side by side: column g of the mma is group `own` = min(g, groups - 1).
struct SetSource {
  /// This thread's words of tile `tile` of group `own`: 4 (f16, bf16) or 2 (int8); 2 of a group of 16 columns.
  std::function<SmallVector<Value>(unsigned tile, unsigned term)> fragment;
  /// The record of group min(2t + i, groups - 1), as above.
  std::function<SmallVector<Value>(unsigned i)> record;
};

class LinearProducts {
public:
  /// `tokenTiles`: n.
  LinearProducts(TensorEmitter &m, const LinearShape &shape, unsigned tokenTiles);

  SmallVector<Value> zeros() { return SmallVector<Value>(4 * tokenTiles, m.zero()); }
  /// The sums of a split one span further. `weights`: ptr<3> to the span's bytes.
  void addSpan(Value weights, const ActivationSource &x, SmallVector<Value> &sums);
  /// One token, integer weights: the two sums (by row) `groups` groups further. They are those of a quad's thread
  /// (groups - 1) / 2; before, too, if `continued`, else every thread's.
  void addSet(Value weights, unsigned groups, const SetSource &x, SmallVector<Value> &sums, bool continued);
  /// The block's row behind sums[.. + 2 r]: i32.
  Value row(unsigned r);

private:
  using Words = SmallVector<Value>;
  struct Parameters {    // of a group, by row
    Value scale[2];      // f32
    Value minimum[2];    // f32
    Value point[2];      // i32 zero point
    Value bias[2];       // pair of f16: -(1024 + zero point)
    Value sixteenths[2]; // pair of f16: -(64 + zero point)
  };
  Words rowWords(Value chunk); // dwords of both rows
  std::pair<Value, Value> rowFloats(Value address);
  void loadFactors(Value group, Parameters &p); // scale, minimum
  void loadPoints(Value group, Parameters &p);  // point
  void deriveBiases(Parameters &p);             // bias, sixteenths
  Parameters parameters(Value group);
  Value begin(const Parameters &p, Value start, unsigned r); // what an int8 group's sum starts from
  Words int4Fragment(ValueRange rows, const Parameters &p);
  Words int8Fragment(ValueRange rows, const Parameters &p);
  SmallVector<Words> gridFragments(Value group, const Parameters &p); // all steps of a group
  SmallVector<Words> floatFragments(Value span);
  Words byteFragment(Value span, unsigned tile);
  Words groupOnColumns(Value span, unsigned group, const SetSource &x, Value half);
  void addFloatGroup(Value span, unsigned group, const ActivationSource &x, Words &sums);
  void addInt8Group(Value span, unsigned group, const ActivationSource &x, Words &sums);
  void scaleFloats(const Parameters &p, ValueRange d, const ActivationSource &x, unsigned j, unsigned group,
                   Words &sums);

  TensorEmitter &m;
  Emitter &e;
  const LinearShape &shape;
  const WeightFormat &f;
  unsigned tokenTiles;
  Value pairBytes; // 8 g: where this thread's rows lie in a chunk
};

} // namespace ingot::cuda
