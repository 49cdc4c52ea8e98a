// The emission frame of the CPU kernels: a thin layer on OpBuilder in which a kernel reads like the loop it becomes.
//
// Conventions
//  1. A *lanes* value is vector<16xf32> (or 16 x i32): the 16 logical lanes of the numerics contract. LLVM splits it
//     into two ymm registers at level v3. Any other vector shape may be used through the generic methods.
//  2. Addresses are !llvm.ptr plus byte offsets; counts and offsets are i64; no index type anywhere.
//  3. Only func, scf, arith and LLVM dialect ops are made: what compiler/target lowers. Nothing here may become a call.
//  4. Each kernel lies alone in a builtin.module nested in the level's module, so that kernels compile in parallel.
#pragma once
#include "compiler/target/CpuTarget.h"
#include "runtime/format/abi.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include <source_location>

namespace ingot::cpu {

using mlir::Type;
using mlir::Value;
using mlir::ValueRange;
inline constexpr int64_t laneCount = 16;

/// Who holds the lanes: vector registers of a CPU, or the 16 threads of a CUDA worker (passes/lower, distribute-lanes).
enum class Machine { cpu, cuda };

class Emitter {
public:
  /// Starts the kernel `i32 name(ptr args, i64 begin, i64 end, ptr scratch)` in a module of its own at the end of
  /// `level`; finish() returns 0 from it. `module` must outlive the emitter.
  Emitter(mlir::ModuleOp levelModule, CpuLevel level, llvm::StringRef name);
  /// Starts the CUDA kernel `name(ptr args, ptr scratch)`, of the shapes of v4. Whoever calls this says what `begin`,
  /// `end` and a worker's own `scratch` are (kernels/cuda/Worker.h).
  Emitter(mlir::ModuleOp cudaModule, llvm::StringRef name);
  void finish();

  mlir::ImplicitLocOpBuilder b;
  const Machine machine;
  const CpuLevel level;
  mlir::func::FuncOp function;
  bool cuda() const { return machine == Machine::cuda; }
  Value args, begin, end, scratch;
  bool v4() const { return level == CpuLevel::v4; }

  // Types.
  Type i1, i8, i16, i32, i64, f16, f32, ptr;
  mlir::VectorType vec(Type element, int64_t count = laneCount) { return mlir::VectorType::get({count}, element); }
  mlir::VectorType lanesType() { return vec(f32); }

  // Constants: of the type given (scalar or vector splat).
  Value constant(Type type, double value); // float types
  Value integer(Type type, int64_t value); // integer types
  Value i64c(int64_t value) { return integer(i64, value); }
  Value i32c(int64_t value) { return integer(i32, value); }
  Value lanes(double value) { return constant(lanesType(), value); }
  Value intVector(Type element, llvm::ArrayRef<int64_t> values);

  // Floats, scalar or vector alike. No contraction: only fma() fuses.
  Value add(Value x, Value y) { return b.create<mlir::arith::AddFOp>(x, y); }
  Value sub(Value x, Value y) { return b.create<mlir::arith::SubFOp>(x, y); }
  Value mul(Value x, Value y) { return b.create<mlir::arith::MulFOp>(x, y); }
  Value div(Value x, Value y) { return b.create<mlir::arith::DivFOp>(x, y); }
  Value fma(Value x, Value y, Value z) { return b.create<mlir::LLVM::FMAOp>(x, y, z); } // x * y + z
  Value sqrt(Value x) { return b.create<mlir::LLVM::SqrtOp>(x); }
  Value abs(Value x) { return b.create<mlir::LLVM::FAbsOp>(x); }
  Value neg(Value x) { return b.create<mlir::arith::NegFOp>(x); }
  Value less(Value x, Value y); // ordered: false with a NaN
  Value select(Value c, Value x, Value y) { return b.create<mlir::arith::SelectOp>(c, x, y); }

  // Integers, scalar or vector alike; wrapping.
  Value iadd(Value x, Value y) { return b.create<mlir::arith::AddIOp>(x, y); }
  Value isub(Value x, Value y) { return b.create<mlir::arith::SubIOp>(x, y); }
  Value imul(Value x, Value y) { return b.create<mlir::arith::MulIOp>(x, y); }
  Value iadd(Value x, int64_t y) { return y ? iadd(x, integer(x.getType(), y)) : x; }
  Value imul(Value x, int64_t y) { return y == 1 ? x : imul(x, integer(x.getType(), y)); }
  Value udiv(Value x, int64_t y) { return b.create<mlir::arith::DivUIOp>(x, integer(x.getType(), y)); }
  Value urem(Value x, int64_t y) { return b.create<mlir::arith::RemUIOp>(x, integer(x.getType(), y)); }
  Value iand(Value x, Value y) { return b.create<mlir::arith::AndIOp>(x, y); }
  Value ior(Value x, Value y) { return b.create<mlir::arith::OrIOp>(x, y); }
  Value ixor(Value x, Value y) { return b.create<mlir::arith::XOrIOp>(x, y); }
  Value shl(Value x, int64_t n) { return b.create<mlir::arith::ShLIOp>(x, integer(x.getType(), n)); }
  Value lshr(Value x, int64_t n) { return b.create<mlir::arith::ShRUIOp>(x, integer(x.getType(), n)); }
  Value ashr(Value x, int64_t n) { return b.create<mlir::arith::ShRSIOp>(x, integer(x.getType(), n)); }
  Value umin(Value x, Value y) { return b.create<mlir::arith::MinUIOp>(x, y); }
  Value smax(Value x, Value y) { return b.create<mlir::arith::MaxSIOp>(x, y); }
  Value cmp(mlir::arith::CmpIPredicate p, Value x, Value y) { return b.create<mlir::arith::CmpIOp>(p, x, y); }
  Value ult(Value x, Value y) { return cmp(mlir::arith::CmpIPredicate::ult, x, y); }
  Value slt(Value x, Value y) { return cmp(mlir::arith::CmpIPredicate::slt, x, y); }
  Value ieq(Value x, Value y) { return cmp(mlir::arith::CmpIPredicate::eq, x, y); }

  // Conversions; the target type has as many elements as the source.
  Value bitcast(Type type, Value x) { return b.create<mlir::LLVM::BitcastOp>(type, x); }
  Value sext(Type type, Value x) { return b.create<mlir::arith::ExtSIOp>(type, x); }
  Value zext(Type type, Value x) { return b.create<mlir::arith::ExtUIOp>(type, x); }
  Value trunc(Type type, Value x) { return b.create<mlir::arith::TruncIOp>(type, x); }
  Value toFloat(Value ints); // signed i32 (scalar or vector) -> f32, rounded to nearest
  Value extendHalf(Value x); // f16 (scalar or vector) -> f32, F16C
  Value roundHalf(Value x);  // f32 -> f16, rounded to nearest even, F16C

  // Vectors.
  Value broadcast(Value scalar, int64_t count = laneCount);
  Value shuffle(Value x, Value y, llvm::ArrayRef<int32_t> mask) {
    return b.create<mlir::LLVM::ShuffleVectorOp>(x, y, mask);
  }
  Value slice(Value x, int64_t first, int64_t count); // consecutive elements
  Value extract(Value x, int64_t lane);
  Value sumLanes(Value x);                 // the contract's tree: +8, +4, +2, +1; f32 scalar
  Value addLanes(Value x);                 // of integers
  Value maxLanes(Value x);                 // of floats none of which is NaN or which are all ordinary; f32 scalar
  Value maxSignedLanes(Value x);           // of integers
  Value firstLanes(int64_t count);         // 16 x i1: lane < count
  Value firstLanes(Value count);           // the same, count i64 at run time
  Value keepFirst(Value x, int64_t count); // lanes past count become +0

  // Memory. Alignment in bytes is what the address promises; elements' own by default.
  Value at(Value base, Value bytes);
  Value at(Value base, int64_t bytes);
  Value load(Type type, Value address, unsigned alignment = 0);
  Value loadConstant(Type type, Value address, unsigned alignment = 0); // of what no kernel ever writes
  void store(Value value, Value address, unsigned alignment = 0);
  Value loadLanes(Value address) { return load(lanesType(), address); }
  void storeFirst(Value lanes, Value address, int64_t count); // a masked store when count < 16
  void prefetch(Value address);
  Value floatTable(llvm::ArrayRef<float> values); // address of constants that lie beside the code
  Value integerTable(Type element, llvm::ArrayRef<int64_t> values);

  // Control. Bodies get the induction variable and the carried values, and return the next ones.
  using LoopBody = llvm::function_ref<llvm::SmallVector<Value>(Value, ValueRange)>;
  llvm::SmallVector<Value> loop(Value from, Value to, int64_t step, ValueRange carried, LoopBody body);
  void loop(Value from, Value to, int64_t step, llvm::function_ref<void(Value)> body);
  void loop(int64_t count, llvm::function_ref<void(Value)> body); // unrolled by LLVM where that pays
  void ifThen(Value condition, llvm::function_ref<void()> body);
  llvm::SmallVector<Value> ifElse(Value condition, mlir::TypeRange types,
                                  llvm::function_ref<llvm::SmallVector<Value>()> yes,
                                  llvm::function_ref<llvm::SmallVector<Value>()> no);

  // The arguments block (runtime/format/abi.h).
  Value rows();                               // args->rows
  Value slot(unsigned i);                     // i64
  Value slotPointer(unsigned i);              // ptr
  Value batch();                              // ptr
  Value batchCount(size_t offset);            // a u64 field of ingot_batch, by offsetof
  Value batchPointer(size_t offset);          // a pointer field of ingot_batch
  Value batchI32(size_t offset, Value index); // element of an i32 or u32 array field

  // Bounds guards (dialects/ptx/BoundsGuard.h): what keeps a kernel inside its rows, columns, blocks and pages.
  using Place = std::source_location;
  void guard(Value inside, llvm::function_ref<void()> body, Place place = Place::current()); // ifThen
  Value clamp(Value index, Value last, Place place = Place::current());                      // umin
  Value guarded(Value inside, Value x, Value instead, Place place = Place::current());       // select
  /// The loop over a worker's or a CTA's own items, empty where there are none for it; its body is filled by the
  /// caller.
  mlir::scf::ForOp itemLoop(Value first, Value items, Value step, Place place = Place::current());

  /// A target intrinsic by its full name, e.g. "llvm.x86.avx512.vpdpbusd.512".
  Value intrinsic(llvm::StringRef name, Type result, ValueRange operands);
  Value dotBytes(Value acc, Value u8, Value s8); // v4, vpdpbusd: 16 x i32 += sums of 4 products of 64 bytes each
  Value maddUnsigned(Value u8, Value s8);        // v3, maddubs: 32 bytes each -> 16 x i16, saturating
  Value maddPairs(Value x, Value y);             // v3, pmaddwd: 16 x i16 each -> 8 x i32

private:
  void open(mlir::ModuleOp parent, llvm::StringRef name, mlir::TypeRange arguments, mlir::TypeRange results);
  Value table(mlir::DenseElementsAttr values);
};

} // namespace ingot::cpu
