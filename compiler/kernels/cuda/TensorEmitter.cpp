// Emission of what TensorEmitter.h names.
#include "compiler/kernels/cuda/TensorEmitter.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace ingot::cuda {

TensorEmitter::TensorEmitter(Emitter &e) : e(e) {
  sharedPointer = LLVM::LLVMPointerType::get(e.b.getContext(), 3);
  globalPointer = LLVM::LLVMPointerType::get(e.b.getContext(), 1);
  thread = e.b.create<ptx::IdOp>(e.i32, ptx::Register::thread);
  warp = e.lshr(thread, 5), lane = e.iand(thread, e.i32c(31));
  g = e.lshr(lane, 2), t = e.iand(lane, e.i32c(3));
}

Value TensorEmitter::shared(Value offset) { return advance(e.b.create<ptx::SharedOp>(sharedPointer, 0), offset); }
Value TensorEmitter::global(Value pointer) { return e.b.create<LLVM::AddrSpaceCastOp>(globalPointer, pointer); }
Value TensorEmitter::advance(Value pointer, Value bytes) {
  return e.b.create<LLVM::GEPOp>(pointer.getType(), e.i8, pointer, ValueRange{bytes});
}
Value TensorEmitter::advance(Value pointer, int64_t bytes) { return bytes ? advance(pointer, e.i32c(bytes)) : pointer; }
Value TensorEmitter::times(Value x, int64_t y) {
  APInt constant;
  return matchPattern(x, m_ConstantInt(&constant)) ? e.i32c(constant.getSExtValue() * y) : e.imul(x, y);
}

SmallVector<Value> TensorEmitter::load(Value address, unsigned words, Type type) {
  auto op = e.b.create<ptx::LoadOp>(SmallVector<Type>(words, type ? type : e.i32), address);
  return SmallVector<Value>(op.getWords());
}
void TensorEmitter::store(ValueRange words, Value address) { e.b.create<ptx::StoreOp>(address, words); }

void TensorEmitter::copy(Value shared, Value global, Value bytes) { e.b.create<ptx::CpAsyncOp>(shared, global, bytes); }
void TensorEmitter::commit() { e.b.create<ptx::CpAsyncCommitOp>(); }
void TensorEmitter::wait(unsigned pending) { e.b.create<ptx::CpAsyncWaitOp>(pending); }

void TensorEmitter::barrier() { e.b.create<ptx::BarrierOp>(0, IntegerAttr()); }
void TensorEmitter::warpSync() { e.b.create<ptx::WarpSyncOp>(e.i32c(everyLane)); }
Value TensorEmitter::shuffleXor(Value x, unsigned lanes) {
  return e.b.create<ptx::ShuffleOp>(x.getType(), ptx::ShuffleMode::bfly, x, e.i32c(lanes), e.i32c(everyLane), 32);
}
Value TensorEmitter::fromLane(Value x, unsigned lane, unsigned width) {
  return e.b.create<ptx::ShuffleOp>(x.getType(), ptx::ShuffleMode::idx, x, e.i32c(lane), e.i32c(everyLane), width);
}

SmallVector<Value> TensorEmitter::loadMatrix(Value address) {
  return SmallVector<Value>(e.b.create<ptx::LdmatrixOp>(SmallVector<Type>(4, e.i32), address, true).getWords());
}
void TensorEmitter::mma(ptx::MmaKind kind, SmallVector<Value> &sums, ValueRange a, ValueRange b) {
  auto op = e.b.create<ptx::MmaOp>(SmallVector<Type>(4, sums[0].getType()), kind, a, b, ValueRange(sums));
  llvm::copy(op.getD(), sums.begin());
}

Value TensorEmitter::pack(ptx::PairType type, Value low, Value high) {
  return e.b.create<ptx::PackOp>(e.i32, type, low, high);
}
Value TensorEmitter::pairAdd(Value x, Value y) { return e.b.create<ptx::PairAddOp>(e.i32, x, y); }
Value TensorEmitter::pairFma(Value x, Value y, Value z) {
  return e.b.create<ptx::PairFmaOp>(e.i32, ptx::PairType::f16, x, y, z);
}
Value TensorEmitter::permute(Value x, Value y, uint32_t selector) {
  return e.b.create<ptx::PrmtOp>(e.i32, x, y, word(selector));
}
Value TensorEmitter::maskOr(Value x, uint32_t mask, uint32_t bits) {
  return e.b.create<ptx::Lop3Op>(e.i32, x, word(mask), word(bits), (0xf0 & 0xcc) | 0xaa);
}
Value TensorEmitter::half(Value word, unsigned i) {
  return e.extendHalf(e.bitcast(e.f16, e.trunc(e.i16, i ? e.lshr(word, 16) : word)));
}
Value TensorEmitter::brain(Value word, unsigned i) {
  return e.bitcast(e.f32, i ? e.iand(word, this->word(0xffff0000)) : e.shl(word, 16));
}

} // namespace ingot::cuda
