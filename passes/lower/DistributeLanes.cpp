// distribute-lanes: a kernel written on vectors of 16 lanes becomes the code of one of the 16 threads of a *worker*,
// half a warp. A vector value becomes the thread's own element, a shuffle an exchange between the threads, and scalars
// stay: every thread of a worker holds the same ones.
//
// Invariants
//  1. Conditions and addresses of such code are scalars, hence equal in a worker's threads; the two workers of a warp
//     go their own ways. Shuffles and waits name the worker's own threads only.
//  2. Elements past a vector's length are any value, and are neither loaded nor stored.
//  3. A scalar is stored once, by the lane that holds it. Waits stand where another lane could see too much or too
//     little (LaneMemory.h).
//  4. Scalar loads and stores in an address space of their own, and ops of dialects unknown here that touch no vector,
//     are native code of a thread: they stay. A vector op that has no form here is an error that names it.
#include "dialects/ptx/BoundsGuard.h"
#include "dialects/ptx/Ptx.h"
#include "passes/lower/LaneExchange.h"
#include "passes/lower/LaneMemory.h"
#include "passes/lower/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace ingot;

namespace ingot {
#define GEN_PASS_DEF_DISTRIBUTELANES
#include "passes/lower/Passes.h.inc"
} // namespace ingot

namespace {

VectorType vectorOf(Type type) { return dyn_cast<VectorType>(type); }
bool touchesVectors(Operation *op) {
  auto isVector = [](Type type) { return bool(vectorOf(type)); };
  return llvm::any_of(op->getOperandTypes(), isVector) || llvm::any_of(op->getResultTypes(), isVector);
}

/// Ops whose result's lane depends on the operands' same lane only.
bool isElementwise(Operation *op) {
  return isa<arith::AddFOp, arith::SubFOp, arith::MulFOp, arith::DivFOp, arith::NegFOp, arith::CmpFOp, arith::ExtFOp,
             arith::TruncFOp, arith::SIToFPOp, arith::UIToFPOp, arith::FPToSIOp, arith::FPToUIOp>(op) ||
         isa<arith::AddIOp, arith::SubIOp, arith::MulIOp, arith::DivUIOp, arith::DivSIOp, arith::RemUIOp,
             arith::RemSIOp, arith::AndIOp, arith::OrIOp, arith::XOrIOp, arith::ShLIOp, arith::ShRUIOp, arith::ShRSIOp,
             arith::MinUIOp, arith::MaxUIOp, arith::MinSIOp, arith::MaxSIOp, arith::CmpIOp, arith::ExtSIOp,
             arith::ExtUIOp, arith::TruncIOp, arith::SelectOp>(op) ||
         isa<LLVM::FMAOp, LLVM::SqrtOp, LLVM::FAbsOp, LLVM::FFloorOp, LLVM::FCeilOp, LLVM::RoundEvenOp, LLVM::UndefOp,
             LLVM::ZeroOp, LLVM::BitcastOp>(op);
}

class Distributor {
public:
  explicit Distributor(func::FuncOp function) : function(function), b(function.getContext()) {}

  LogicalResult run() {
    if (failed(check())) return failure();
    order = findLaneOrder(function);
    function.walk([&](LLVM::ShuffleVectorOp op) { firstCount[op] = vectorOf(op.getV1().getType()).getDimSize(0); });
    function.walk([&](LLVM::LoadOp op) { noteCount(op, op.getType()); });
    function.walk([&](LLVM::StoreOp op) { noteCount(op, op.getValue().getType()); });
    b.setInsertionPointToStart(&function.getBody().front());
    worker = std::make_unique<LaneExchange>(b, function.getLoc());
    walk(function.getBody());
    for (Operation *op : llvm::reverse(dead)) op->erase();
    return success();
  }

private:
  static bool isGeneric(Type type) {
    auto pointer = dyn_cast<LLVM::LLVMPointerType>(type);
    return pointer && pointer.getAddressSpace() == 0;
  }

  //===- what there is a form for ---------------------------------------------------------------------------------===//

  static bool isKnown(Operation *op) {
    if (auto bitcast = dyn_cast<LLVM::BitcastOp>(op)) {
      auto from = vectorOf(bitcast.getArg().getType()), to = vectorOf(bitcast.getType());
      return from && to && from.getDimSize(0) == to.getDimSize(0);
    }
    if (isElementwise(op) || isa<scf::ForOp, scf::IfOp, scf::YieldOp>(op)) return true;
    if (isa<LLVM::LoadOp, LLVM::StoreOp, LLVM::MaskedLoadOp, LLVM::MaskedStoreOp, LLVM::ShuffleVectorOp>(op))
      return true;
    if (auto extract = dyn_cast<LLVM::ExtractElementOp>(op)) return matchPattern(extract.getPosition(), m_Constant());
    if (auto insert = dyn_cast<LLVM::InsertElementOp>(op)) return matchPattern(insert.getPosition(), m_Constant());
    if (auto constant = dyn_cast<arith::ConstantOp>(op)) return isa<DenseElementsAttr>(constant.getValue());
    if (auto call = dyn_cast<LLVM::CallIntrinsicOp>(op))
      return call.getIntrin() == "llvm.x86.avx512.vpdpbusd.512" || call.getIntrin() == "llvm.fptosi.sat.v16i64.v16f32";
    return false;
  }

  LogicalResult check() {
    WalkResult result = function.walk([&](Operation *op) {
      if (op == function || !touchesVectors(op)) return WalkResult::advance();
      auto tooLong = [](Type type) {
        auto vector = vectorOf(type);
        return vector && (vector.getRank() != 1 || vector.isScalable() || vector.getDimSize(0) > kLanes);
      };
      if (llvm::any_of(op->getOperandTypes(), tooLong) || llvm::any_of(op->getResultTypes(), tooLong))
        return op->emitOpError("works on a vector of more than 16 lanes: a worker has 16 threads"),
               WalkResult::interrupt();
      if (isKnown(op)) return WalkResult::advance();
      InFlightDiagnostic error = op->emitOpError("has no form for the lanes of a worker");
      if (auto call = dyn_cast<LLVM::CallIntrinsicOp>(op)) error << ": " << call.getIntrin();
      return WalkResult::interrupt();
    });
    return failure(result.wasInterrupted());
  }

  //===- the walk -------------------------------------------------------------------------------------------------===//

  void noteCount(Operation *op, Type type) {
    if (auto vector = vectorOf(type)) count[op] = vector.getDimSize(0);
  }

  void walk(Region &region) {
    for (Block &block : region) {
      for (BlockArgument argument : block.getArguments())
        if (auto vector = vectorOf(argument.getType())) setLanes(argument, vector.getElementType());
      for (Operation &op : llvm::make_early_inc_range(block)) visit(&op);
    }
  }

  void visit(Operation *op) {
    b.setInsertionPoint(op);
    if (order.waits.contains(op)) worker->wait(b, op->getLoc());
    if (isa<LLVM::Prefetch>(op)) return dead.push_back(op);
    for (Region &region : op->getRegions()) walk(region);
    b.setInsertionPoint(op);
    llvm::TypeSwitch<Operation *>(op)
        .Case<LLVM::LoadOp, LLVM::StoreOp, LLVM::MaskedLoadOp, LLVM::MaskedStoreOp, LLVM::ShuffleVectorOp,
              LLVM::ExtractElementOp, LLVM::InsertElementOp, arith::ConstantOp, LLVM::CallIntrinsicOp>(
            [&](auto op) { distribute(op); })
        .Default([&](Operation *op) { elementwise(op); });
  }

  bool isLanes(Value v) const { return lanes.contains(v); }
  void setLanes(Value v, Type element) {
    v.setType(element);
    lanes.insert(v);
  }
  /// `op`'s only result is `value` from now on; `differs`: it is not the same in every lane.
  void replace(Operation *op, Value value, bool differs) {
    op->getResult(0).replaceAllUsesWith(value);
    if (differs) lanes.insert(value);
    dead.push_back(op);
  }

  // Elementwise ops, loops and conditionals keep their form: only types change.
  void elementwise(Operation *op) {
    bool differs = !isElementwise(op) || llvm::any_of(op->getOperands(), [&](Value v) { return isLanes(v); });
    for (OpResult result : op->getResults())
      if (auto vector = vectorOf(result.getType())) {
        result.setType(vector.getElementType());
        if (differs) lanes.insert(result);
      }
  }

  //===- constants and shuffles -----------------------------------------------------------------------------------===//

  void distribute(arith::ConstantOp op) {
    auto vector = vectorOf(op.getType());
    if (!vector) return;
    auto values = cast<DenseElementsAttr>(op.getValue());
    if (values.isSplat()) {
      auto splat = cast<TypedAttr>(values.getSplatValue<Attribute>());
      return replace(op, b.create<arith::ConstantOp>(op.getLoc(), splat), false);
    }
    replace(op, worker->table(b, op.getLoc(), values), true);
  }

  void distribute(LLVM::ShuffleVectorOp op) {
    int64_t n = firstCount[op];
    ArrayRef<int32_t> mask = op.getMask();
    auto part = [&](bool second) { // the lanes that operand 0 or 1 fills: -1 where it does not
      SmallVector<int32_t> index;
      for (int32_t i : mask) index.push_back(i >= 0 && (i >= n) == second ? i - n * second : -1);
      return index;
    };
    auto moved = [&](Value from, ArrayRef<int32_t> index) {
      return isLanes(from) ? worker->permute(b, op.getLoc(), from, index) : from;
    };
    SmallVector<int32_t> first = part(false), second = part(true);
    auto isUsed = [](int32_t i) { return i >= 0; };
    bool one = llvm::any_of(first, isUsed), two = llvm::any_of(second, isUsed);
    auto differs = [&](Value from, ArrayRef<int32_t> index) {
      return isLanes(from) && !LaneExchange::isBroadcast(index);
    };
    if (!two) return replace(op, moved(op.getV1(), first), differs(op.getV1(), first));
    if (!one) return replace(op, moved(op.getV2(), second), differs(op.getV2(), second));
    SmallVector<bool> fromSecond;
    for (int32_t i : second) fromSecond.push_back(isUsed(i));
    Value takes = worker->lanesWhere(b, op.getLoc(), fromSecond);
    replace(op, b.create<arith::SelectOp>(op.getLoc(), takes, moved(op.getV2(), second), moved(op.getV1(), first)),
            true);
  }

  static int64_t position(Value v) {
    APInt number;
    matchPattern(v, m_ConstantInt(&number));
    return number.getSExtValue();
  }

  // A store of the element is the affair of the lane that holds it: it needs no exchange.
  void distribute(LLVM::ExtractElementOp op) {
    Value from = op.getVector();
    if (!isLanes(from)) return replace(op, from, false);
    bool exchanged = false;
    for (Operation *user : op->getUsers()) {
      auto store = dyn_cast<LLVM::StoreOp>(user);
      if (store && store.getValue() == op.getRes() && isGeneric(store.getAddr().getType()))
        held[store] = from;
      else
        exchanged = true;
    }
    if (!exchanged) return dead.push_back(op);
    SmallVector<int32_t> index(kLanes, position(op.getPosition()));
    replace(op, worker->permute(b, op.getLoc(), from, index), false);
  }

  // Into undefined lanes: every lane may have it.
  void distribute(LLVM::InsertElementOp op) {
    Value to = op.getVector();
    if (to.getDefiningOp<LLVM::UndefOp>()) return replace(op, op.getValue(), false);
    SmallVector<bool> mine(kLanes, false);
    mine[position(op.getPosition())] = true;
    Value here = worker->lanesWhere(b, op.getLoc(), mine);
    replace(op, b.create<arith::SelectOp>(op.getLoc(), here, op.getValue(), to), true);
  }

  void distribute(LLVM::CallIntrinsicOp op) {
    if (op.getNumResults() != 1 || !vectorOf(op.getResult(0).getType())) return;
    if (op.getIntrin() == "llvm.x86.avx512.vpdpbusd.512")
      return replace(op, worker->dotBytes(b, op.getLoc(), op->getOperand(0), op->getOperand(1), op->getOperand(2)),
                     true);
    auto call = b.create<LLVM::CallIntrinsicOp>(op.getLoc(), TypeRange{b.getI64Type()},
                                                b.getStringAttr("llvm.fptosi.sat.i64.f32"), op->getOperands());
    replace(op, call->getResult(0), true);
  }

  //===- memory ---------------------------------------------------------------------------------------------------===//

  /// Constant offsets go last, so that neighbours share an address.
  Value elementAddress(Location loc, Value address, Type element, int64_t count) {
    Place place = placeOf(address);
    if (!llvm::isInt<32>(place.offset)) place = {address};
    Value index = worker->laneBelow(b, loc, count);
    Value own = b.create<LLVM::GEPOp>(loc, address.getType(), element, place.base, ValueRange{index});
    if (!place.offset) return own;
    return b.create<LLVM::GEPOp>(loc, address.getType(), b.getI8Type(), own,
                                 ArrayRef<LLVM::GEPArg>{int32_t(place.offset)});
  }

  static unsigned elementAlignment(Type element) {
    return isa<LLVM::LLVMPointerType>(element) ? 8 : std::max(1u, element.getIntOrFloatBitWidth() / 8);
  }

  void distribute(LLVM::LoadOp op) {
    auto vector = vectorOf(op.getType());
    if (!vector) return;
    Type element = vector.getElementType();
    int64_t count = vector.getDimSize(0);
    Value address = elementAddress(op.getLoc(), op.getAddr(), element, count);
    auto load = [&]() -> Value {
      return b.create<LLVM::LoadOp>(op.getLoc(), element, address, elementAlignment(element), op.getVolatile_(),
                                    op.getNontemporal(), op.getInvariant());
    };
    if (!order.masked.contains(op)) return replace(op, load(), true);
    Value none = b.create<LLVM::UndefOp>(op.getLoc(), element); // the address has the bound; the mask is for order
    replace(op, where(op.getLoc(), lanesBelow(op.getLoc(), count), element, load, none), true);
  }

  Value lanesBelow(Location loc, int64_t count) {
    SmallVector<bool> inside;
    for (int64_t lane = 0; lane < kLanes; ++lane) inside.push_back(lane < count);
    return worker->lanesWhere(b, loc, inside);
  }

  /// The place of a mask: the generator's guard, or else this line.
  static Location guardOf(Operation *op, std::source_location place = std::source_location::current()) {
    return guardPlace(op->getLoc()) ? op->getLoc() : boundsGuard(op->getContext(), place);
  }

  /// Runs `body` in the lanes where `condition` holds.
  Value where(Location loc, Value condition, Type result, llvm::function_ref<Value()> body, Value otherwise = {}) {
    auto branch = result ? b.create<scf::IfOp>(loc, TypeRange{result}, condition, true, true)
                         : b.create<scf::IfOp>(loc, condition, false);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    Value value = body();
    if (!result) return {};
    b.create<scf::YieldOp>(loc, value);
    b.setInsertionPointToStart(branch.elseBlock());
    b.create<scf::YieldOp>(loc, otherwise);
    return branch.getResult(0);
  }

  void distribute(LLVM::MaskedLoadOp op) {
    Type element = vectorOf(op.getType()).getElementType();
    Value otherwise = op.getPassThru().empty() ? b.create<LLVM::UndefOp>(op.getLoc(), element) : op.getPassThru()[0];
    Value value = where(
        guardOf(op), op.getMask(), element,
        [&] {
          Value address = elementAddress(op.getLoc(), op.getData(), element, kLanes);
          return b.create<LLVM::LoadOp>(op.getLoc(), element, address, elementAlignment(element)).getRes();
        },
        otherwise);
    replace(op, value, true);
  }

  void storeElement(Location loc, Value value, Value base) {
    Value address = elementAddress(loc, base, value.getType(), kLanes);
    b.create<LLVM::StoreOp>(loc, value, address, elementAlignment(value.getType()));
  }

  void distribute(LLVM::MaskedStoreOp op) {
    where(guardOf(op), op.getMask(), {},
          [&] { return storeElement(op.getLoc(), op.getValue(), op.getData()), Value(); });
    dead.push_back(op);
  }

  void distribute(LLVM::StoreOp op) {
    Location loc = op.getLoc();
    if (auto found = count.find(op); found != count.end()) {
      auto store = [&] { return storeElement(loc, op.getValue(), op.getAddr()), Value(); };
      found->second == kLanes ? store() : where(guardOf(op), lanesBelow(loc, found->second), {}, store);
      return dead.push_back(op);
    }
    if (!isGeneric(op.getAddr().getType())) return;
    auto source = held.find(op);
    SmallVector<bool> mine(kLanes, false);
    mine[storingLane(op)] = true;
    Value value = source == held.end() ? op.getValue() : source->second;
    where(loc, worker->lanesWhere(b, loc, mine), {},
          [&] { return b.create<LLVM::StoreOp>(loc, value, op.getAddr(), op.getAlignment().value_or(1)), Value(); });
    dead.push_back(op);
  }

  func::FuncOp function;
  OpBuilder b;
  std::unique_ptr<LaneExchange> worker;
  LaneOrder order;
  llvm::DenseSet<Value> lanes; // values that differ between the lanes
  llvm::DenseMap<Operation *, int64_t> firstCount, count;
  llvm::DenseMap<Operation *, Value> held; // stores of one lane's element
  SmallVector<Operation *> dead;
};

struct DistributeLanes : ingot::impl::DistributeLanesBase<DistributeLanes> {
  void runOnOperation() override {
    SmallVector<func::FuncOp> functions;
    getOperation().walk([&](func::FuncOp function) {
      if (!function.isExternal()) functions.push_back(function);
    });
    for (func::FuncOp function : functions)
      if (failed(distributeLanes(function))) return signalPassFailure();
  }
};

} // namespace

LogicalResult ingot::distributeLanes(func::FuncOp kernel) { return Distributor(kernel).run(); }
