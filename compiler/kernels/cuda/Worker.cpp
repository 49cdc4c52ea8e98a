// Items to workers: neighbouring items to neighbouring half-warps, whose weights lie side by side.
#include "compiler/kernels/cuda/Worker.h"
#include "dialects/ptx/Ptx.h"
#include "passes/lower/Passes.h"

using namespace mlir;

namespace ingot::cuda {
using cpu::Emitter, cpu::Value;

static Value id(Emitter &e, ptx::Register which) { return e.zext(e.i64, e.b.create<ptx::IdOp>(e.i32, which)); }

static Value groupCount(Emitter &e, const KernelVariant &variant) {
  return variant.grid == GridKind::rows ? e.udiv(e.iadd(e.rows(), variant.per - 1), variant.per)
                                        : e.batchCount(offsetof(ingot_batch, n_q_tiles));
}

Value itemCount(Emitter &e, const KernelVariant &variant) {
  Value groups = groupCount(e, variant);
  if (variant.grid == GridKind::queryTiles) groups = e.imul(groups, e.batchCount(offsetof(ingot_batch, n_splits)));
  return e.imul(groups, variant.units);
}

// A worker lasts as long as its item: few in a CTA spread a small grid over the multiprocessors.
static uint32_t threadsOf(const KernelVariant &variant) {
  return variant.maxRows == 1 || variant.grid == GridKind::queryTiles ? 2 * kWorkerThreads : 4 * kWorkerThreads;
}

LogicalResult emitWorkers(ModuleOp module, KernelVariant &variant,
                          llvm::function_ref<FailureOr<uint64_t>(Emitter &e)> body) {
  uint32_t threads = threadsOf(variant), workers = threads / kWorkerThreads;
  Emitter e(module, variant.kernel);
  e.b.create<ptx::GriddepLaunchOp>();
  e.b.create<ptx::GriddepWaitOp>();
  Value worker =
      e.iadd(e.imul(id(e, ptx::Register::block), workers), e.udiv(id(e, ptx::Register::thread), kWorkerThreads));
  auto bytes = e.b.create<arith::ConstantOp>(e.b.getI64IntegerAttr(0)); // known once the body is there
  e.scratch = e.at(e.scratch, e.imul(worker, Value(bytes)));
  // On lanes an attention takes all splits at once, even where another layer's does not.
  Value items = e.imul(groupCount(e, variant), variant.units), step = e.imul(id(e, ptx::Register::blocks), workers);
  auto loop = e.itemLoop(worker, items, step);
  FailureOr<uint64_t> used = failure();
  {
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToStart(loop.getBody());
    e.begin = loop.getInductionVar(), e.end = e.iadd(e.begin, 1);
    used = body(e);
  }
  if (failed(used)) return failure();
  uint64_t own = llvm::alignTo(*used, 64);
  bytes.setValueAttr(e.b.getI64IntegerAttr(own));
  variant.blockThreads = threads, variant.blockItems = workers, variant.scratchBytes = own * workers;
  return finishEntry(e, threads, 0);
}

LogicalResult finishEntry(Emitter &e, uint32_t threads, uint32_t ctas) {
  e.finish();
  e.function->setAttr("ptx.entry", ptx::EntryAttr::get(e.b.getContext(), threads, ctas));
  return distributeLanes(e.function);
}

} // namespace ingot::cuda
