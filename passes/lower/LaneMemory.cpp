// Walks over the structured control flow: accesses pending since the last wait meet the next access, and a loop's body
// is walked until what comes round from its end adds nothing. A wait is placed at every conflict; when there is none
// left, each wait is tried without.
#include "passes/lower/LaneMemory.h"
#include "passes/lower/LaneAccess.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Interfaces/LoopLikeInterface.h"
#include "llvm/ADT/SetVector.h"
#include <map>

using namespace mlir;

namespace ingot {
namespace {

/// An access since the last wait, and the outermost loop of which a turn has ended since (or null).
using Pending = std::pair<const LaneAccess *, Operation *>;
using PendingSet = llvm::SetVector<Pending>;

bool apart(const Extent &mine, const Extent &theirs, Operation *turned) {
  Value base = mine.base;
  bool same = base == theirs.base && (!turned || !turned->isAncestor(base.getParentRegion()->getParentOp()));
  return same && (mine.end <= theirs.begin || theirs.end <= mine.begin);
}

bool conflicts(const Pending &earlier, const LaneAccess &next) {
  const LaneAccess &access = *earlier.first;
  bool known = access.memory.kind != MemoryClass::unknown && next.memory.kind != MemoryClass::unknown;
  if ((known && access.memory != next.memory) || (!access.write && !next.write)) return false;
  if (access.write && next.write && known && next.memory.kind != MemoryClass::scratch) return false;
  if (access.lanes.agrees(next.lanes)) return false;
  return !apart(access.here, next.here, earlier.second) && !apart(access.ever, next.ever, earlier.second);
}

class Waits {
public:
  explicit Waits(func::FuncOp function) : function(function) {
    function.walk([&](Operation *op) {
      if (auto access = laneAccessOf(op)) accesses.try_emplace(op, *access);
    });
  }

  llvm::DenseSet<Operation *> found;
  llvm::DenseMap<Operation *, LaneAccess> accesses;

  void find() {
    while (Operation *place = firstConflict()) found.insert(place);
    // Those in the innermost loops cost most: they go first if they can.
    std::multimap<unsigned, Operation *, std::greater<>> byDepth;
    function.walk([&](Operation *op) {
      if (found.contains(op)) byDepth.emplace(depthOf(op), op);
    });
    for (auto [depth, op] : byDepth) {
      found.erase(op);
      if (firstConflict()) found.insert(op);
    }
  }

private:
  static unsigned depthOf(Operation *op) {
    unsigned depth = 0;
    while ((op = op->getParentOp())) depth += isa<LoopLikeOpInterface>(op);
    return depth;
  }

  // Where a wait would order the first two accesses that need one; null: there are none.
  Operation *firstConflict() {
    conflict = nullptr;
    walk(function.getBody(), {});
    return conflict;
  }

  // In front of the outermost loop that `next` is in and `earlier` is not; else of `next` itself. If `earlier` is of a
  // turn before, what is meant is the loop whose turn it was.
  static Operation *placeBetween(const Pending &earlier, Operation *next) {
    Operation *place = next;
    for (Operation *op = next; op; op = op->getParentOp()) {
      if (op->isAncestor(earlier.first->op) && (!earlier.second || !earlier.second->isProperAncestor(op))) break;
      if (isa<LoopLikeOpInterface>(op)) place = op;
    }
    return place;
  }

  void meet(const LaneAccess &next, PendingSet &pending) {
    for (const Pending &earlier : pending) {
      if (!conflicts(earlier, next)) continue;
      Operation *place = placeBetween(earlier, next.op);
      if (!conflict || conflict->isProperAncestor(place)) conflict = place; // the latest is good for all
    }
    pending.insert({&next, nullptr});
  }

  PendingSet walk(Region &region, PendingSet pending) {
    if (region.empty()) return pending;
    for (Operation &op : region.front()) {
      step(&op, pending);
      if (conflict) break;
    }
    return pending;
  }

  static bool join(PendingSet &to, const PendingSet &from) {
    size_t before = to.size();
    to.insert(from.begin(), from.end());
    return to.size() > before;
  }

  // A loop's turn is over.
  static PendingSet turned(const PendingSet &pending, Operation *loop) {
    PendingSet all;
    for (auto [access, before] : pending) all.insert({access, loop->isAncestor(access->op) ? loop : before});
    return all;
  }

  void step(Operation *op, PendingSet &pending) {
    if (found.contains(op)) pending.clear();
    if (auto access = accesses.find(op); access != accesses.end()) return meet(access->second, pending);
    if (op->getNumRegions() == 0) return;
    if (isa<LoopLikeOpInterface>(op)) {
      PendingSet around, end;
      do {
        PendingSet begin = pending;
        join(begin, around);
        end.clear();
        for (Region &inner : op->getRegions()) join(end, turned(walk(inner, begin), op));
      } while (join(around, end) && !conflict);
      join(pending, around);
      return;
    }
    PendingSet after = isa<scf::IfOp>(op) && cast<scf::IfOp>(op).elseBlock() ? PendingSet() : pending;
    for (Region &inner : op->getRegions()) join(after, walk(inner, pending));
    pending = after;
  }

  func::FuncOp function;
  Operation *conflict = nullptr;
};

} // namespace

LaneOrder findLaneOrder(func::FuncOp function) {
  Waits waits(function);
  waits.find();
  LaneOrder order{std::move(waits.found), {}};
  llvm::DenseSet<std::pair<int, int64_t>> written;
  for (auto &[op, access] : waits.accesses)
    if (access.write) written.insert({access.memory.kind, access.memory.number});
  for (auto &[op, access] : waits.accesses) {
    auto vector = access.write ? VectorType() : dyn_cast<VectorType>(op->getResult(0).getType());
    bool own = written.contains({access.memory.kind, access.memory.number}) ||
               written.contains({MemoryClass::unknown, 0}) || access.memory.kind == MemoryClass::unknown;
    if (vector && vector.getDimSize(0) < 16 && own) order.masked.insert(op);
  }
  return order;
}

} // namespace ingot
