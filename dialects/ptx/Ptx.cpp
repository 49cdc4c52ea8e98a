// Registration and verifiers of the ptx dialect.
#include "dialects/ptx/Ptx.h"

#include "mlir/IR/DialectImplementation.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace ingot::ptx;

#include "dialects/ptx/PtxEnums.cpp.inc"

#include "dialects/ptx/PtxDialect.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/ptx/PtxAttrs.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/ptx/PtxOps.cpp.inc"

void PtxDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/ptx/PtxAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/ptx/PtxOps.cpp.inc"
      >();
}

static constexpr uint32_t warpSize = 32, maxBlockThreads = 1024, maxBarriers = 16, maxSharedBytes = 227 << 10;

LogicalResult EntryAttr::verify(function_ref<InFlightDiagnostic()> emitError, unsigned threads, unsigned ctas) {
  if (threads == 0 || threads > maxBlockThreads) return emitError() << "a block has 1 to 1024 threads, not " << threads;
  if (ctas > 32) return emitError() << "an SM holds at most 32 blocks, not " << ctas;
  return success();
}

LogicalResult PtxDialect::verifyOperationAttribute(Operation *op, NamedAttribute attribute) {
  if (attribute.getName() != entryAttrName) return op->emitError("unknown attribute '") << attribute.getName() << "'";
  if (!isa<EntryAttr>(attribute.getValue())) return op->emitError("'ptx.entry' is a #ptx.entry attribute");
  auto function = dyn_cast<FunctionOpInterface>(op);
  if (!function || function.isExternal()) return op->emitError("'ptx.entry' is for functions with a body");
  auto returnsNothing =
      function.getResultTypes().empty() || llvm::all_of(function.getResultTypes(), llvm::IsaPred<LLVM::LLVMVoidType>);
  return returnsNothing ? success() : op->emitError("an entry returns nothing");
}

LogicalResult BarrierOp::verify() {
  if (getId() >= maxBarriers) return emitError("barriers are numbered 0 to 15");
  auto threads = getThreads();
  if (threads && (*threads == 0 || *threads % warpSize || *threads > maxBlockThreads))
    return emitError("a barrier is for a multiple of 32 threads up to 1024");
  return success();
}

LogicalResult ShuffleOp::verify() {
  uint32_t width = getWidth();
  return llvm::isPowerOf2_32(width) && width <= warpSize ? success() : emitError("width is 1, 2, 4, 8, 16 or 32");
}

LogicalResult SharedOp::verify() {
  return getOffset() < maxSharedBytes ? success() : emitError("a block has at most 227 KiB of shared memory");
}

static LogicalResult verifyWords(Operation *op, TypeRange words) {
  if (words.size() != 1 && words.size() != 2 && words.size() != 4) return op->emitError("1, 2 or 4 words");
  return llvm::all_equal(words) ? success() : op->emitError("words of one type");
}
LogicalResult LoadOp::verify() { return verifyWords(*this, getWords().getTypes()); }
LogicalResult StoreOp::verify() { return verifyWords(*this, getWords().getTypes()); }
LogicalResult LoadNcOp::verify() { return verifyWords(*this, getWords().getTypes()); }
LogicalResult LdmatrixOp::verify() { return verifyWords(*this, getWords().getTypes()); }

LogicalResult CpAsyncWaitOp::verify() {
  return getPending() <= 31 ? success() : emitError("at most 31 pending groups");
}

LogicalResult AtomicOp::verify() {
  return getOrder() != Order::sc ? success() : emitError("an atomic is relaxed, acquire, release or acq_rel");
}
LogicalResult FenceOp::verify() {
  return getOrder() == Order::acq_rel || getOrder() == Order::sc ? success() : emitError("a fence is acq_rel or sc");
}

LogicalResult MmaOp::verify() {
  if (getA().size() != 4 || getB().size() != 2 || getC().size() != 4 || getD().size() != 4)
    return emitError("a has 4 words, b has 2, c and d have 4");
  bool floats = getKind() == MmaKind::f16 || getKind() == MmaKind::bf16;
  auto fits = [&](Type type) { return isa<FloatType>(type) == floats; };
  if (!llvm::all_of(getC().getTypes(), fits) || !llvm::all_of(getD().getTypes(), fits))
    return emitError("c and d are ") << (floats ? "f32" : "i32");
  return success();
}

LogicalResult Lop3Op::verify() { return getTable() <= 255 ? success() : emitError("a table has 8 bits"); }
