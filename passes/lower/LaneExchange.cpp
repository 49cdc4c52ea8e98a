// Emission of what LaneExchange.h names. Numbers that differ by lane are computed from the lane where that is cheap:
// lines, masks and small numbers packed into a register; else they lie in a table.
#include "passes/lower/LaneExchange.h"
#include "dialects/ptx/BoundsGuard.h"
#include "dialects/ptx/Ptx.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;

namespace ingot {

LaneExchange::LaneExchange(OpBuilder &b, Location loc) {
  Value thread = b.create<ptx::IdOp>(loc, b.getI32Type(), ptx::Register::thread);
  lane = b.create<arith::AndIOp>(loc, thread, integer(b, loc, 32, kLanes - 1));
  lane64 = b.create<arith::ExtUIOp>(loc, b.getI64Type(), lane);
  Value upper = b.create<arith::AndIOp>(loc, thread, integer(b, loc, 32, kLanes));
  mask = b.create<arith::ShLIOp>(loc, integer(b, loc, 32, 0xffff), upper);
}

Value LaneExchange::integer(OpBuilder &b, Location loc, unsigned width, int64_t value) {
  return b.create<arith::ConstantOp>(loc, b.getIntegerAttr(b.getIntegerType(width), APInt(width, value, true)));
}

void LaneExchange::wait(OpBuilder &b, Location loc) { b.create<ptx::WarpSyncOp>(loc, mask); }

Value LaneExchange::laneBelow(OpBuilder &b, Location loc, int64_t count) {
  if (count >= kLanes) return lane64;
  Location guard = boundsGuard(b.getContext(), std::source_location::current());
  return b.create<arith::MinUIOp>(guard, lane64, integer(b, loc, 64, count - 1));
}

Value LaneExchange::dotBytes(OpBuilder &b, Location loc, Value acc, Value u8, Value s8) {
  return b.create<ptx::Dp4aOp>(loc, b.getI32Type(), ptx::Signs::us, u8, s8, acc);
}

//===- constants that differ by lane ------------------------------------------------------------------------------===//

Value LaneExchange::lanesWhere(OpBuilder &b, Location loc, ArrayRef<bool> lanes) {
  uint64_t bits = 0;
  for (auto [i, inside] : llvm::enumerate(lanes)) bits |= uint64_t(inside) << i;
  if (bits == 0 || bits == 0xffff) return integer(b, loc, 1, bits != 0);
  if (llvm::isMask_64(bits)) {
    Value count = integer(b, loc, 32, llvm::popcount(bits));
    return b.create<arith::CmpIOp>(loc, arith::CmpIPredicate::ult, lane, count);
  }
  if (llvm::isPowerOf2_64(bits))
    return b.create<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, lane, integer(b, loc, 32, llvm::Log2_64(bits)));
  Value moved = b.create<arith::ShRUIOp>(loc, integer(b, loc, 32, bits), lane);
  return b.create<arith::TruncIOp>(loc, b.getI1Type(), moved);
}

// A line in the lane, or multiples of a power of two below 16 of them; null: neither.
Value LaneExchange::integers(OpBuilder &b, Location loc, unsigned width, ArrayRef<int64_t> values) {
  Value index = width == 64 ? lane64 : lane;
  auto fitted = [&](Value v) -> Value {
    return width < 32 ? Value(b.create<arith::TruncIOp>(loc, b.getIntegerType(width), v)) : v;
  };
  unsigned wide = std::max(width, 32u);
  int64_t step = values.size() > 1 ? values[1] - values[0] : 0;
  bool isLine =
      llvm::all_of(llvm::enumerate(values), [&](auto v) { return v.value() == values[0] + int64_t(v.index()) * step; });
  if (isLine) {
    Value line = step == 1 ? index : Value(b.create<arith::MulIOp>(loc, index, integer(b, loc, wide, step)));
    return fitted(values[0] ? Value(b.create<arith::AddIOp>(loc, line, integer(b, loc, wide, values[0]))) : line);
  }
  uint64_t all = 0;
  for (int64_t v : values) all |= uint64_t(v);
  unsigned zeros = all ? llvm::countr_zero(all) : 0;
  if (all >> zeros > 15) return {};
  uint64_t nibbles = 0;
  for (auto [i, v] : llvm::enumerate(values)) nibbles |= uint64_t(v) >> zeros << (4 * i);
  Value shift = b.create<arith::ShLIOp>(loc, lane64, integer(b, loc, 64, 2));
  Value moved = b.create<arith::ShRUIOp>(loc, integer(b, loc, 64, int64_t(nibbles)), shift);
  Value code = b.create<arith::AndIOp>(loc, moved, integer(b, loc, 64, 15));
  if (zeros) code = b.create<arith::ShLIOp>(loc, code, integer(b, loc, 64, zeros));
  return width == 64 ? code : Value(b.create<arith::TruncIOp>(loc, b.getIntegerType(width), code));
}

Value LaneExchange::table(OpBuilder &b, Location loc, DenseElementsAttr values) {
  Type element = values.getElementType();
  if (element.isInteger(1)) return lanesWhere(b, loc, SmallVector<bool>(values.getValues<bool>()));
  if (isa<IntegerType>(element)) {
    SmallVector<int64_t> numbers;
    for (const APInt &v : values.getValues<APInt>()) numbers.push_back(v.getSExtValue());
    if (Value computed = integers(b, loc, element.getIntOrFloatBitWidth(), numbers)) return computed;
  }
  auto module = b.getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
  std::string name = ("lanes" + Twine(llvm::range_size(module.getOps<LLVM::GlobalOp>()))).str();
  auto type = LLVM::LLVMArrayType::get(element, values.getNumElements());
  auto pointer = LLVM::LLVMPointerType::get(b.getContext());
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module.getBody());
    auto elements = values.reshape(RankedTensorType::get({values.getNumElements()}, element));
    b.create<LLVM::GlobalOp>(loc, type, /*isConstant=*/true, LLVM::Linkage::Internal, name, elements, /*alignment=*/64);
  }
  Value base = b.create<LLVM::AddressOfOp>(loc, pointer, name);
  Value index = laneBelow(b, loc, values.getNumElements());
  Value address = b.create<LLVM::GEPOp>(loc, pointer, element, base, ValueRange{index});
  unsigned bytes = std::max(1u, element.getIntOrFloatBitWidth() / 8);
  return b.create<LLVM::LoadOp>(loc, element, address, bytes, false, false, /*isInvariant=*/true);
}

//===- exchanges --------------------------------------------------------------------------------------------------===//

bool LaneExchange::isBroadcast(ArrayRef<int32_t> index) {
  return index.size() > 1 && index[0] >= 0 && llvm::all_equal(index);
}

Value LaneExchange::shuffleWord(OpBuilder &b, Location loc, Value word, Value lane, bool butterfly) {
  auto mode = butterfly ? ptx::ShuffleMode::bfly : ptx::ShuffleMode::idx;
  return b.create<ptx::ShuffleOp>(loc, word.getType(), mode, word, lane, mask, kLanes);
}

// Any type as words: narrow ones grow, wide ones go in two.
Value LaneExchange::shuffle(OpBuilder &b, Location loc, Value from, Value lane, bool butterfly) {
  Type type = from.getType();
  if (type.isF32() || type.isInteger(32)) return shuffleWord(b, loc, from, lane, butterfly);
  unsigned width = isa<LLVM::LLVMPointerType>(type) ? 64 : type.getIntOrFloatBitWidth();
  Type bitsType = b.getIntegerType(width), i32 = b.getI32Type();
  bool pointer = isa<LLVM::LLVMPointerType>(type), real = isa<FloatType>(type);
  Value bits = from;
  if (pointer) bits = b.create<LLVM::PtrToIntOp>(loc, bitsType, from);
  if (real) bits = b.create<LLVM::BitcastOp>(loc, bitsType, from);
  if (width < 32) {
    Value word = b.create<arith::ExtUIOp>(loc, i32, bits);
    bits = b.create<arith::TruncIOp>(loc, bitsType, shuffleWord(b, loc, word, lane, butterfly));
  } else {
    Value half = integer(b, loc, 64, 32);
    Value low = b.create<arith::TruncIOp>(loc, i32, bits);
    Value high = b.create<arith::TruncIOp>(loc, i32, b.create<arith::ShRUIOp>(loc, bits, half));
    low = b.create<arith::ExtUIOp>(loc, bitsType, shuffleWord(b, loc, low, lane, butterfly));
    high = b.create<arith::ExtUIOp>(loc, bitsType, shuffleWord(b, loc, high, lane, butterfly));
    bits = b.create<arith::OrIOp>(loc, low, b.create<arith::ShLIOp>(loc, high, half));
  }
  if (pointer) return b.create<LLVM::IntToPtrOp>(loc, type, bits);
  return real ? Value(b.create<LLVM::BitcastOp>(loc, type, bits)) : bits;
}

Value LaneExchange::permute(OpBuilder &b, Location loc, Value from, ArrayRef<int32_t> index) {
  // What does not matter goes along with what does.
  std::optional<int64_t> distance, flip;
  bool shifts = true, flips = true;
  for (auto [l, i] : llvm::enumerate(index)) {
    if (i < 0) continue;
    int64_t d = (i - int64_t(l)) & (kLanes - 1), x = i ^ int64_t(l);
    shifts &= distance.value_or(d) == d, flips &= flip.value_or(x) == x;
    distance = d, flip = x;
  }
  if (!distance || (shifts && *distance == 0)) return from;
  if (isBroadcast(index)) return shuffle(b, loc, from, integer(b, loc, 32, index[0]), false);
  if (flips) return shuffle(b, loc, from, integer(b, loc, 32, *flip), true);
  Value source;
  if (shifts) {
    source = b.create<arith::AddIOp>(loc, lane, integer(b, loc, 32, *distance)); // modulo the width
  } else {
    SmallVector<int64_t> numbers;
    for (int32_t i : index) numbers.push_back(i < 0 ? 0 : i);
    source = integers(b, loc, 32, numbers);
  }
  return shuffle(b, loc, from, source, false);
}

} // namespace ingot
