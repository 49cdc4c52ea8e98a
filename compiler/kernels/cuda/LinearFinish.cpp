// What the main kernels share: copies of weights, and the way from sums in shared memory to the epilogue.
#include "compiler/kernels/cpu/Epilogue.h"
#include "compiler/kernels/cuda/LinearKernels.h"
#include "compiler/kernels/cuda/Worker.h"

using namespace mlir;

namespace ingot::cuda {

static constexpr int64_t kRowBytes = 64; // 16 sums

Value LinearKernel::weightAddress(Emitter &e) const {
  return experts ? experts->weightAddress(e) : frame.weightAddress(e, root.getWeightAttr());
}

Value LinearKernel::inputRow(TensorEmitter &m, Value firstToken, Value token) const {
  if (experts) return experts->preparedRow(m, token);
  Emitter &e = m.e;
  Value last = e.isub(e.trunc(e.i32, e.rows()), e.i32c(1));
  return e.zext(e.i64, e.umin(e.iadd(e.trunc(e.i32, firstToken), token), last));
}

LogicalResult LinearKernel::emitItems(TensorEmitter &m, const KernelVariant &variant, uint32_t ctas,
                                      llvm::function_ref<void(Value)> emit) const {
  Emitter &e = m.e;
  if (experts) e.b.create<ptx::GriddepWaitOp>();
  if (hasOneItem(variant)) { // which other CTAs would only do again
    Value first = e.ieq(e.b.create<ptx::IdOp>(e.i32, ptx::Register::block), e.i32c(0));
    e.ifThen(first, [&] { emit(e.i64c(0)); });
    return finishEntry(e, variant.blockThreads, ctas);
  }
  auto id = [&](ptx::Register which) { return e.zext(e.i64, e.b.create<ptx::IdOp>(e.i32, which)); };
  Value items = experts               ? experts->count(m, variant.units)
                : hasOneTile(variant) ? e.i64c(variant.units)
                                      : itemCount(e, variant);
  auto loop = e.itemLoop(id(ptx::Register::block), items, id(ptx::Register::blocks));
  {
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToStart(loop.getBody());
    emit(loop.getInductionVar());
  }
  return finishEntry(e, variant.blockThreads, ctas);
}

void WeightCopy::issue(Value to, Value from, Value left) {
  Emitter &e = m.e;
  Value offset = e.shl(m.lane, 4);
  for (uint32_t first = 0; first < bytes; first += 32 * 16) {
    auto copy = [&] {
      Value at = e.iadd(offset, int64_t(first)), there;
      if (left) there = e.guarded(e.slt(at, left), e.i32c(16), e.i32c(0)); // all or nothing: blocks are whole pieces
      m.copy(m.advance(to, e.iadd(offset, int64_t(first))), m.advance(from, at), there);
    };
    if (first + 32 * 16 <= bytes)
      copy();
    else
      e.guard(e.ult(offset, e.i32c(bytes - first)), copy);
  }
}

// Rows behind the step's last have room in buffers, up to the next 64, but neither in logits nor in the KV cache.
static bool endsWithItsRows(const cpu::LaunchFrame &frame) {
  decoder::LaunchOp launch = frame.launch;
  return llvm::any_of(frame.results, [](const cpu::ResultView &result) { return result.exact; }) ||
         !launch.getBody().getOps<decoder::AppendOp>().empty();
}

// i64: of the tile. A tile that is all there is ends with the step.
static Value tokenCount(Emitter &e, const LinearKernel &kernel, const LinearFinish &finish) {
  if (kernel.experts) return kernel.experts->size();
  if (finish.tokens == 1) return e.i64c(1);
  if (!finish.firstToken) return e.rows();
  Value tokens = e.i64c(finish.tokens), left = e.isub(e.rows(), finish.firstToken);
  return endsWithItsRows(kernel.frame) ? e.clamp(tokens, left) : e.umin(tokens, left); // or less work
}

static Value rowOf(Emitter &e, const LinearFinish &finish, Value token) {
  return finish.firstToken ? e.iadd(finish.firstToken, token) : token;
}

void emitLinearFinish(TensorEmitter &m, const LinearKernel &kernel, const LinearFinish &finish) {
  Emitter &e = m.e;
  const LinearShape &shape = kernel.shape;
  int64_t unitBlocks = shape.unitBlocks, unitsHere = finish.blocks / unitBlocks;
  int64_t blockBytes = finish.tokens * kRowBytes, splitBytes = finish.blocks * blockBytes;
  Value units = e.i64c(shape.blocks() / unitBlocks);
  Value count = tokenCount(e, kernel, finish);
  Value worker = e.zext(e.i64, e.lshr(m.thread, 4));
  e.loop(worker, e.imul(count, unitsHere), finish.threads / kWorkerThreads, [&](Value pair) {
    bool one = finish.tokens == 1;
    Value token = one ? e.i64c(0) : e.udiv(pair, unitsHere), own = one ? pair : e.urem(pair, unitsHere);
    Value unit = e.iadd(finish.firstUnit, own);
    e.guard(e.ult(unit, units), [&] {
      Value row = kernel.experts ? kernel.experts->preparedRow(m, e.trunc(e.i32, token)) : rowOf(e, finish, token);
      Value at = e.iadd(e.imul(own, unitBlocks * blockBytes), e.imul(token, kRowBytes));
      Value sums = m.advance(finish.sums, e.trunc(e.i32, at));
      Value factor;
      if (shape.hasFactor()) {
        Value prepared = e.at(e.slotPointer(kernel.frame.preparedSlot), e.imul(row, int64_t(shape.preparedBytes())));
        factor = e.broadcast(e.load(e.f32, e.at(prepared, shape.factorOffset())));
      }
      SmallVector<Value> blocks;
      for (int64_t b = 0; b < unitBlocks; ++b) {
        Value sum = finish.splits > 1 ? e.lanes(0.0) : Value();
        for (int64_t s = 0; s < finish.splits; ++s) {
          Value part = e.load(e.lanesType(), m.advance(sums, b * blockBytes + s * splitBytes));
          sum = sum ? e.add(sum, part) : part;
        }
        blocks.push_back(factor ? e.mul(sum, factor) : sum);
      }
      if (kernel.experts)
        kernel.experts->store(m, token, unit, blocks[0]);
      else
        cpu::emitEpilogue(e, kernel.frame, kernel.root, row, unit, blocks);
    });
  });
}

} // namespace ingot::cuda
