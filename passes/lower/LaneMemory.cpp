// One walk over the structured control flow: pending accesses since the last wait meet the next access. A loop's body
// begins with all that the body does itself.
#include "passes/lower/LaneMemory.h"
#include "runtime/format/abi.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace ingot {
namespace {

std::optional<int64_t> constantOf(Value v) {
  APInt number;
  if (!matchPattern(v, m_ConstantInt(&number))) return std::nullopt;
  return number.getSExtValue();
}

/// A power of two, at most 64, that divides the integer or the address.
uint64_t divisorOf(Value v, unsigned depth = 0) {
  constexpr uint64_t most = 64;
  if (auto number = constantOf(v)) return *number == 0 ? most : std::min<uint64_t>(most, *number & -*number);
  auto of = [&](Value w) { return depth < 12 ? divisorOf(w, depth + 1) : 1; };
  if (auto argument = dyn_cast<BlockArgument>(v)) {
    if (isa<LLVM::LLVMPointerType>(v.getType())) return most; // scratch
    auto loop = dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp());
    if (!loop || argument != loop.getInductionVar()) return 1;
    return std::min(of(loop.getLowerBound()), of(loop.getStep()));
  }
  Operation *op = v.getDefiningOp();
  if (isa<LLVM::LoadOp, LLVM::AddressOfOp>(op)) return isa<LLVM::LLVMPointerType>(v.getType()) ? most : 1;
  if (auto gep = dyn_cast<LLVM::GEPOp>(op)) {
    if (!gep.getElemType().isInteger(8) || gep.getIndices().size() != 1) return 1;
    auto index = gep.getIndices()[0];
    auto constant = dyn_cast<IntegerAttr>(index);
    uint64_t offset =
        constant ? (constant.getInt() ? std::min<uint64_t>(most, constant.getInt() & -constant.getInt()) : most)
                 : of(cast<Value>(index));
    return std::min(of(gep.getBase()), offset);
  }
  if (isa<arith::MulIOp>(op)) return std::min(most, of(op->getOperand(0)) * of(op->getOperand(1)));
  if (isa<arith::AddIOp, arith::SubIOp, arith::MinUIOp, arith::MaxUIOp, arith::RemUIOp>(op))
    return std::min(of(op->getOperand(0)), of(op->getOperand(1)));
  if (isa<arith::SelectOp>(op)) return std::min(of(op->getOperand(1)), of(op->getOperand(2)));
  if (isa<arith::ExtSIOp, arith::ExtUIOp>(op)) return of(op->getOperand(0));
  return 1;
}

/// Memory that does not overlap with another class.
struct Class {
  enum Kind { readOnly, scratch, slot, elsewhere, unknown } kind;
  int64_t number = 0;
  bool operator==(const Class &) const = default;
};

Class classOf(Value address) {
  Value root = address;
  while (auto gep = root.getDefiningOp<LLVM::GEPOp>()) root = gep.getBase();
  if (auto argument = dyn_cast<BlockArgument>(root)) {
    if (!isa<func::FuncOp>(argument.getOwner()->getParentOp())) return {Class::unknown};
    return {argument.getArgNumber() ? Class::scratch : Class::readOnly, argument.getArgNumber()};
  }
  if (root.getDefiningOp<LLVM::AddressOfOp>()) return {Class::readOnly};
  auto load = root.getDefiningOp<LLVM::LoadOp>();
  if (!load) return {Class::unknown};
  Place place = placeOf(load.getAddr());
  auto argument = dyn_cast<BlockArgument>(place.base);
  bool fromArguments = argument && isa<func::FuncOp>(argument.getOwner()->getParentOp()) && !argument.getArgNumber();
  if (fromArguments && place.offset >= int64_t(offsetof(ingot_args, slot))) return {Class::slot, place.offset};
  return {Class::elsewhere};
}

struct Access {
  Class memory;
  bool write;
  int lane; // that makes it; -1: all, any element; -1 - n: all, striped in elements of n bytes
  Value base;
  int64_t begin, end; // bytes from base; without base: anywhere

  bool apart(const Access &other) const {
    return base && base == other.base && (end <= other.begin || other.end <= begin);
  }
  bool waitsFor(const Access &other) const {
    bool known = memory.kind != Class::unknown && other.memory.kind != Class::unknown;
    if ((known && memory != other.memory) || (!write && !other.write) || apart(other)) return false;
    if (write && other.write && known && memory.kind != Class::scratch) return false;
    return lane != other.lane || lane == -1;
  }
  bool operator==(const Access &) const = default;
};

using Pending = SmallVector<Access>;

void join(Pending &to, const Pending &from) {
  for (const Access &access : from)
    if (!llvm::is_contained(to, access)) to.push_back(access);
}

struct Waits {
  llvm::DenseSet<Operation *> found;

  static std::optional<Access> accessOf(Operation *op) {
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
    Class memory = classOf(address);
    if (memory.kind == Class::readOnly && !write) return std::nullopt;
    Place place = placeOf(address);
    auto vector = dyn_cast<VectorType>(type);
    Type element = vector ? vector.getElementType() : type;
    int64_t bytes = isa<LLVM::LLVMPointerType>(element) ? 8 : (element.getIntOrFloatBitWidth() + 7) / 8;
    int64_t size = bytes * (vector ? vector.getDimSize(0) : 1);
    int lane = -1;
    if (vector)
      lane =
          vector.getDimSize(0) == 16 && bytes <= 4 && divisorOf(address) >= 16 * uint64_t(bytes) ? -1 - int(bytes) : -1;
    else if (write)
      lane = storingLane(op);
    return Access{memory, write, lane, place.base, place.offset, place.offset + size};
  }

  // All that a region does, wherever it lies in the memory.
  static Pending summary(Region &region) {
    Pending all;
    region.walk([&](Operation *op) {
      if (auto access = accessOf(op)) {
        access->base = {}, access->begin = access->end = 0;
        join(all, {*access});
      }
    });
    return all;
  }

  static void forgetPlaces(Pending &pending) {
    Pending all;
    for (Access access : pending) {
      access.base = {}, access.begin = access.end = 0;
      join(all, {access});
    }
    pending = all;
  }

  Pending region(Region &region, Pending pending) {
    if (region.empty()) return pending;
    for (Operation &op : region.front()) step(&op, pending);
    return pending;
  }

  void step(Operation *op, Pending &pending) {
    if (auto access = accessOf(op)) {
      if (llvm::any_of(pending, [&](const Access &other) { return access->waitsFor(other); })) {
        found.insert(op);
        pending.clear();
      }
      join(pending, {*access});
      return;
    }
    if (op->getNumRegions() == 0) return;
    bool loops = isa<LoopLikeOpInterface>(op);
    Pending after = isa<scf::IfOp>(op) && cast<scf::IfOp>(op).elseBlock() ? Pending() : pending;
    for (Region &inner : op->getRegions()) {
      Pending begin = pending;
      if (loops) join(begin, summary(inner));
      join(after, region(inner, begin));
    }
    pending = after;
    if (loops) forgetPlaces(pending);
  }
};

} // namespace

Place placeOf(Value address) {
  Place place{address};
  while (auto gep = place.base.getDefiningOp<LLVM::GEPOp>()) {
    if (!gep.getElemType().isInteger(8) || gep.getIndices().size() != 1) break;
    auto index = gep.getIndices()[0];
    auto attribute = dyn_cast<IntegerAttr>(index);
    std::optional<int64_t> bytes = attribute ? std::optional(attribute.getInt()) : constantOf(cast<Value>(index));
    if (!bytes) break;
    place.offset += *bytes;
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

llvm::DenseSet<Operation *> findLaneWaits(func::FuncOp function) {
  Waits waits;
  waits.region(function.getBody(), {});
  return std::move(waits.found);
}

} // namespace ingot
