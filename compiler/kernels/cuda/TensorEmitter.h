// What tensor-core linears say: one thread's view of its CTA, in 32-bit counts and pointers of known address spaces
// (distribute-lanes leaves those alone). A thin layer on the CPU's Emitter and the ptx dialect.
#pragma once
#include "compiler/kernels/cpu/Emitter.h"
#include "dialects/ptx/Ptx.h"

namespace ingot::cuda {

using cpu::Emitter;
using mlir::SmallVector;
using mlir::Type;
using mlir::Value;
using mlir::ValueRange;

class TensorEmitter {
public:
  explicit TensorEmitter(Emitter &e);

  Emitter &e;
  Value thread, warp, lane;                // i32: in the CTA, in the CTA, in the warp
  Value g, t;                              // lane = 4 g + t, as mma's fragments count
  Type sharedPointer, globalPointer;       // ptr<3>, ptr<1>
  static constexpr int32_t everyLane = -1; // a member mask

  // Addresses.
  Value shared(Value offset);                // into the CTA's dynamic shared memory
  Value global(Value pointer);               // a generic pointer that is known to be global
  Value advance(Value pointer, Value bytes); // in the pointer's own address space
  Value advance(Value pointer, int64_t bytes);
  Value times(Value x, int64_t y); // i32, folded: PTX has room for constant offsets

  // Words: i32 or f32, 1, 2 or 4 side by side, aligned to their size.
  SmallVector<Value> load(Value address, unsigned words, Type type = {});
  Value loadWord(Value address, Type type = {}) { return load(address, 1, type)[0]; }
  void store(ValueRange words, Value address);

  // Copies of 16 bytes, in groups that land in order.
  void copy(Value shared, Value global, Value bytes = {}); // the rest of the 16 becomes zeros
  void commit();
  void wait(unsigned pending); // all but the newest `pending` groups of this thread have landed

  void barrier();
  void warpSync();
  Value shuffleXor(Value x, unsigned lanes);
  Value fromLane(Value x, unsigned lane, unsigned width); // of every `width` lanes

  // Fragments.
  SmallVector<Value> loadMatrix(Value address); // ldmatrix.x4.trans
  void mma(ptx::MmaKind kind, SmallVector<Value> &sums, ValueRange a, ValueRange b);

  // Words as pairs of f16 (or bf16), or as bytes.
  Value word(uint32_t bits) { return e.i32c(int32_t(bits)); }
  Value pack(ptx::PairType type, Value low, Value high); // of f32, to nearest even
  Value pairAdd(Value x, Value y);                       // f16
  Value pairFma(Value x, Value y, Value z);              // f16
  Value permute(Value x, Value y, uint32_t selector);
  Value maskOr(Value x, uint32_t mask, uint32_t bits); // (x & mask) | bits
  Value half(Value word, unsigned i);                  // f16 -> f32
  Value brain(Value word, unsigned i);                 // bf16 -> f32

  Value zero() { return e.constant(e.f32, 0.0); }
  Value wide(Value x) { return e.zext(e.i64, x); } // unsigned i32 -> i64
};

} // namespace ingot::cuda
