// Expert linears on tensor cores: which product a token of a tile is, and whose weights the tile takes. The kernels are
// LinearStream's and LinearF32Stream's, which ask here (LinearKernel::experts).
//
// Invariants
//  1. A product is row * slots + slot. Its arithmetic is the linear's of its expert, whatever tile it is in.
//  2. Up to `few` rows an item is a product: its expert is read behind griddep_wait. For more rows the prepare grid's
//     first CTA sorts the products by expert: tiles hold products of one expert, whose weights are read once a tile.
//     Which it is the step's variant says, prepare's and main's alike; there may be fewer rows than it is meant for.
//  3. The table lies behind the prepared rows: tile count (64 bytes) | products, sorted by expert, i32, and kMostTokens
//     zeros, so that whatever a tile reads there is a product | tiles, 4 words each: expert, first of its products in
//     the sorted list, how many, 0. `bytesPerRow` a row are room for it.
#pragma once
#include "compiler/kernels/cpu/ExpertLinear.h"
#include "compiler/kernels/cuda/TensorEmitter.h"

namespace ingot::cuda {

struct ExpertTable {
  cpu::ExpertShape shape;
  uint64_t rowBytes = 0; // of a prepared row; slots that share no input have one each
  uint32_t few = 1;      // more rows make tables, in the room of at least few + 1
  static constexpr uint32_t kLeastTokens = 8, kMostTokens = 64;          // of a full tile
  uint64_t parts() const { return shape.sharedInput ? 1 : shape.slots; } // prepared rows a row

  uint64_t bytesPerRow() const;
  static constexpr int64_t kHeaderBytes = 64, kZeroBytes = 4 * kMostTokens, kTileBytes = 16;
  Value table(TensorEmitter &m, Value prepared) const; // ptr<1>; `prepared`: ptr<1> to row 0
  Value products(Emitter &e) const;                    // i32
  Value tiles(TensorEmitter &m, Value table) const;    // ptr<1>
};

/// Bytes of shared memory that the sort takes in a CTA of `threads`.
uint32_t expertSortBytes(const ExpertTable &table, uint32_t threads);
/// The whole CTA sorts the products: fills the table at `target` (ptr<1>) from `indices` (ptr<1>, row 0), in tiles of
/// up to `tokens`. Shared memory from 0 on; ends without a barrier.
void emitExpertSort(TensorEmitter &m, const ExpertTable &table, Value indices, Value target, uint32_t tokens,
                    uint32_t threads);

/// The items of a main kernel. Everything is asked behind griddep_wait.
class ExpertItems {
public:
  ExpertItems(const cpu::LaunchFrame &frame, decoder::ExpertLinearOp root, const ExpertTable &table, bool byProduct)
      : frame(frame), root(root), table(table), byProduct(byProduct) {}

  Value weightAddress(Emitter &e) const { return frame.weightAddress(e, root.getWeightAttr()); }
  /// i64: items of `groups` groups of blocks each.
  Value count(TensorEmitter &m, uint64_t groups) const;
  /// Of item / groups, i64.
  void open(TensorEmitter &m, Value tile) const;
  Value weightOffset(Emitter &e) const; // i64 bytes to the tile's expert
  Value size() const { return tokens; } // i64: its products
  /// i64: the prepared row of token `token` (i32) of the tile; for those behind its last that one, to read less.
  Value preparedRow(TensorEmitter &m, Value token) const;
  /// 16 lanes of block `unit` (i64) of token `token` (i64, below size()) to the result.
  void store(TensorEmitter &m, Value token, Value unit, Value lanes) const;

private:
  Value productOf(TensorEmitter &m, Value token) const; // i64
  Value tableBase(TensorEmitter &m) const;

  const cpu::LaunchFrame &frame;
  mutable decoder::ExpertLinearOp root;
  const ExpertTable &table;
  bool byProduct;
  mutable Value own, expert, tokens; // of the item: the product, or ptr<1> to its products; i64
};

} // namespace ingot::cuda
