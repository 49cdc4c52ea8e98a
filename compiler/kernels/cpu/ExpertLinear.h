// Main kernels of a launch with an expert_linear root: every row has `slots` products, each with the expert that its
// index names. Arithmetic: a linear's, product by product, whatever the grid.
//
// Invariants
//  1. Experts lie one after the other, each a packed linear of its own (rows padded to whole blocks).
//  2. A *product* is row * slots + slot. Few rows: an item is some blocks of one product. Many rows: an item is some
//     blocks of one expert and takes all products that name it, several at a time, so that its weights are read once.
//  3. An index is clamped to the experts there are: no input reads past the weight.
#pragma once
#include "compiler/kernels/cpu/LaunchFrame.h"
#include "compiler/kernels/cpu/Linear.h"

namespace ingot::cpu {

struct ExpertShape {
  LinearShape linear; // of one expert; f32 activations, unitBlocks = 1
  uint64_t experts = 1, slots = 1;
  bool sharedInput = true; // a row of x is [cols] for all slots, else [slots][cols]
};

struct ExpertVariant {
  LinearVariant linear; // how one item is tiled; maxRows is the plan's
  bool grouped;         // by expert

  uint32_t per() const { return grouped ? 1u << 15 : 1; } // plan.Variant.per
  uint64_t units(const ExpertShape &s) const { return linear.units(s.linear) * (grouped ? s.experts : s.slots); }
  uint64_t scratchBytes() const { return linear.scratchBytes() + 16 * 8; } // and the products of a register tile
};

llvm::SmallVector<ExpertVariant> expertVariants(const ExpertShape &shape, Machine machine = Machine::cpu);

/// Emits the kernel of `variant`. `root` must be alone in its launch.
void emitExpertLinear(Emitter &e, const LaunchFrame &frame, decoder::ExpertLinearOp root, const ExpertShape &shape,
                      const ExpertVariant &variant);

/// The expert that an index names, i64: clamped (invariant 3), a NaN is expert 0.
Value expertOf(Emitter &e, const ExpertShape &shape, Value index);

struct Product {
  Value row, slot, expert; // i64
};
/// 16 columns of a product, with its bias, to its slot of the result, which may begin anywhere in the row.
void storeProduct(Emitter &e, const LaunchFrame &frame, decoder::ExpertLinearOp root, const ExpertShape &shape,
                  const Product &product, Value unit, Value lanes);

/// Up to so many rows products hardly share an expert: each reads its own.
uint32_t fewRows(const ExpertShape &shape);

/// What the root is; errors where no kernel fits.
mlir::FailureOr<ExpertShape> expertShape(const LaunchFrame &frame, decoder::ExpertLinearOp root);

} // namespace ingot::cpu
