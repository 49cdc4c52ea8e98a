// Addresses are geps of bytes. What is known of them comes from their indices: constants, bounds, divisors.
#include "passes/lower/LaneAccess.h"
#include "runtime/format/abi.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"
#include <variant>

using namespace mlir;

namespace ingot {
namespace {

constexpr unsigned kMostDepth = 12; // of an index's expression

std::optional<int64_t> constantOf(Value v) {
  APInt number;
  if (!matchPattern(v, m_ConstantInt(&number))) return std::nullopt;
  return number.getSExtValue();
}

/// The induction variable's loop.
scf::ForOp loopOf(Value v) {
  auto argument = dyn_cast<BlockArgument>(v);
  auto loop = argument ? dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp()) : scf::ForOp();
  return loop && argument == loop.getInductionVar() ? loop : scf::ForOp();
}

/// A gep of bytes: its one index as a value or as a number.
std::optional<std::variant<Value, int64_t>> byteIndex(LLVM::GEPOp gep) {
  if (!gep.getElemType().isInteger(8) || gep.getIndices().size() != 1) return std::nullopt;
  auto index = gep.getIndices()[0];
  if (auto attribute = dyn_cast<IntegerAttr>(index)) return attribute.getInt();
  if (auto number = constantOf(cast<Value>(index))) return *number;
  return cast<Value>(index);
}

//===- divisors ---------------------------------------------------------------------------------------------------===//

constexpr uint64_t kMostDivisor = 64;

uint64_t divisorOf(int64_t number) {
  return number == 0 ? kMostDivisor : std::min<uint64_t>(kMostDivisor, number & -number);
}

/// A power of two, at most 64, that divides the integer or the address.
uint64_t divisorOf(Value v, unsigned depth = 0) {
  if (auto number = constantOf(v)) return divisorOf(*number);
  auto of = [&](Value w) { return depth < kMostDepth ? divisorOf(w, depth + 1) : 1; };
  bool pointer = isa<LLVM::LLVMPointerType>(v.getType());
  if (auto loop = loopOf(v)) return std::min(of(loop.getLowerBound()), of(loop.getStep()));
  if (isa<BlockArgument>(v)) return pointer ? kMostDivisor : 1; // scratch
  Operation *op = v.getDefiningOp();
  if (isa<LLVM::LoadOp, LLVM::AddressOfOp>(op)) return pointer ? kMostDivisor : 1;
  if (auto gep = dyn_cast<LLVM::GEPOp>(op)) {
    auto index = byteIndex(gep);
    if (!index) return 1;
    auto *number = std::get_if<int64_t>(&*index);
    return std::min(of(gep.getBase()), number ? divisorOf(*number) : of(std::get<Value>(*index)));
  }
  if (isa<arith::MulIOp>(op)) return std::min(kMostDivisor, of(op->getOperand(0)) * of(op->getOperand(1)));
  if (isa<arith::AddIOp, arith::SubIOp, arith::MinUIOp, arith::MaxUIOp, arith::RemUIOp>(op))
    return std::min(of(op->getOperand(0)), of(op->getOperand(1)));
  if (isa<arith::SelectOp>(op)) return std::min(of(op->getOperand(1)), of(op->getOperand(2)));
  if (isa<arith::ExtSIOp, arith::ExtUIOp>(op)) return of(op->getOperand(0));
  return 1;
}

//===- bounds -----------------------------------------------------------------------------------------------------===//

/// low <= v <= high, 0 <= low, high < 2^31: sums and products of two stay far from an overflow of i64.
struct Bounds {
  int64_t low, high;
};

std::optional<Bounds> boundsOf(Value v, unsigned depth = 0) {
  auto checked = [](int64_t low, int64_t high) -> std::optional<Bounds> {
    if (low < 0 || low > high || !llvm::isInt<32>(high)) return std::nullopt;
    return Bounds{low, high};
  };
  if (auto number = constantOf(v)) return checked(*number, *number);
  if (depth == kMostDepth || !v.getType().isInteger(64)) return std::nullopt;
  auto of = [&](Value w) { return boundsOf(w, depth + 1); };
  if (auto loop = loopOf(v)) {
    auto first = of(loop.getLowerBound()), end = of(loop.getUpperBound()), step = of(loop.getStep());
    if (!first || !end || !step || step->low == 0) return std::nullopt;
    int64_t last = std::max(first->low, end->high - 1);
    if (first->low == first->high && step->low == step->high) last -= (last - first->low) % step->low;
    return checked(first->low, last);
  }
  Operation *op = v.getDefiningOp();
  if (!op || op->getNumOperands() != 2) return std::nullopt;
  auto a = of(op->getOperand(0)), b = of(op->getOperand(1));
  if (isa<arith::RemUIOp>(op) && b && b->low > 0) return checked(0, b->high - 1);
  if (isa<arith::MinUIOp>(op) && (a || b)) return checked(0, !a ? b->high : !b ? a->high : std::min(a->high, b->high));
  if (!a || !b) return std::nullopt;
  if (isa<arith::AddIOp>(op)) return checked(a->low + b->low, a->high + b->high);
  if (isa<arith::MulIOp>(op)) return checked(a->low * b->low, a->high * b->high);
  if (isa<arith::DivUIOp>(op) && b->low > 0) return checked(a->low / b->high, a->high / b->low);
  return std::nullopt;
}

/// `size` bytes at every place where the address can be.
Extent everywhere(Value address, int64_t size) {
  Extent all{address, 0, size};
  while (auto gep = all.base.getDefiningOp<LLVM::GEPOp>()) {
    auto index = byteIndex(gep);
    if (!index) break;
    auto *number = std::get_if<int64_t>(&*index);
    auto bounds = number ? Bounds{*number, *number} : boundsOf(std::get<Value>(*index));
    if (!bounds) break;
    all = {gep.getBase(), all.begin + bounds->low, all.end + bounds->high};
  }
  return all;
}

//===- memory and lanes -------------------------------------------------------------------------------------------===//

MemoryClass classOf(Value address) {
  Value root = address;
  while (auto gep = root.getDefiningOp<LLVM::GEPOp>()) root = gep.getBase();
  if (auto argument = dyn_cast<BlockArgument>(root)) {
    if (!isa<func::FuncOp>(argument.getOwner()->getParentOp())) return {MemoryClass::unknown};
    return {argument.getArgNumber() ? MemoryClass::scratch : MemoryClass::readOnly, argument.getArgNumber()};
  }
  if (root.getDefiningOp<LLVM::AddressOfOp>()) return {MemoryClass::readOnly};
  auto load = root.getDefiningOp<LLVM::LoadOp>();
  if (!load) return {MemoryClass::unknown};
  Place place = placeOf(load.getAddr());
  auto argument = dyn_cast<BlockArgument>(place.base);
  bool fromArguments = argument && isa<func::FuncOp>(argument.getOwner()->getParentOp()) && !argument.getArgNumber();
  if (fromArguments && place.offset >= int64_t(offsetof(ingot_args, slot))) return {MemoryClass::slot, place.offset};
  return {MemoryClass::elsewhere};
}

/// Lane i touches element i of a vector, and no other lane does (LaneOrder::masked); a scalar is loaded by all.
LaneUse lanesOf(Operation *op, Value address, VectorType vector, unsigned bytes, bool write) {
  LaneUse use;
  if (!vector) {
    if (write) use.one = storingLane(op);
    return use;
  }
  int64_t count = vector.getDimSize(0);
  use.bytes = bytes;
  for (unsigned period = 1; period <= 16; period *= 2)
    if (count <= period && bytes * period <= kMostDivisor && divisorOf(address) >= bytes * period)
      use.periods |= period;
  return use;
}

} // namespace

std::optional<LaneAccess> laneAccessOf(Operation *op) {
  Value address;
  Type type;
  bool write = false;
  if (auto load = dyn_cast<LLVM::LoadOp>(op)) {
    if (load.getInvariant()) return std::nullopt;
    address = load.getAddr(), type = load.getType();
  } else if (auto store = dyn_cast<LLVM::StoreOp>(op)) {
    address = store.getAddr(), type = store.getValue().getType(), write = true;
  } else if (auto load = dyn_cast<LLVM::MaskedLoadOp>(op)) {
    address = load.getData(), type = load.getType();
  } else if (auto store = dyn_cast<LLVM::MaskedStoreOp>(op)) {
    address = store.getData(), type = store.getValue().getType(), write = true;
  } else {
    return std::nullopt;
  }
  if (cast<LLVM::LLVMPointerType>(address.getType()).getAddressSpace() != 0) return std::nullopt;
  MemoryClass memory = classOf(address);
  if (memory.kind == MemoryClass::readOnly && !write) return std::nullopt;
  auto vector = dyn_cast<VectorType>(type);
  Type element = vector ? vector.getElementType() : type;
  int64_t bytes = isa<LLVM::LLVMPointerType>(element) ? 8 : (element.getIntOrFloatBitWidth() + 7) / 8;
  int64_t size = bytes * (vector ? vector.getDimSize(0) : 1);
  Place place = placeOf(address);
  return LaneAccess{op,
                    memory,
                    write,
                    lanesOf(op, address, vector, bytes, write),
                    {place.base, place.offset, place.offset + size},
                    everywhere(address, size)};
}

Place placeOf(Value address) {
  Place place{address};
  while (auto gep = place.base.getDefiningOp<LLVM::GEPOp>()) {
    auto index = byteIndex(gep);
    if (!index || !std::holds_alternative<int64_t>(*index)) break;
    place.offset += std::get<int64_t>(*index);
    place.base = gep.getBase();
  }
  return place;
}

unsigned storingLane(Operation *op) {
  auto store = dyn_cast<LLVM::StoreOp>(op);
  auto extract = store ? store.getValue().getDefiningOp<LLVM::ExtractElementOp>() : LLVM::ExtractElementOp();
  if (!extract) return 0;
  return constantOf(extract.getPosition()).value_or(0);
}

} // namespace ingot
