// Emission of the ops named in Emitter.h.
#include "compiler/kernels/cpu/Emitter.h"
#include "dialects/ptx/BoundsGuard.h"

using namespace mlir;

namespace ingot::cpu {

Emitter::Emitter(ModuleOp levelModule, CpuLevel level, llvm::StringRef name)
    : b(UnknownLoc::get(levelModule.getContext()), levelModule.getContext()), machine(Machine::cpu), level(level) {
  open(levelModule, name,
       {LLVM::LLVMPointerType::get(b.getContext()), b.getI64Type(), b.getI64Type(),
        LLVM::LLVMPointerType::get(b.getContext())},
       {b.getI32Type()});
  begin = function.getArgument(1), end = function.getArgument(2), scratch = function.getArgument(3);
}

Emitter::Emitter(ModuleOp cudaModule, llvm::StringRef name)
    : b(UnknownLoc::get(cudaModule.getContext()), cudaModule.getContext()), machine(Machine::cuda),
      level(CpuLevel::v4) {
  Type pointer = LLVM::LLVMPointerType::get(b.getContext());
  open(cudaModule, name, {pointer, pointer}, {});
  scratch = function.getArgument(1);
}

void Emitter::open(ModuleOp parent, llvm::StringRef name, TypeRange arguments, TypeRange results) {
  i1 = b.getI1Type(), i8 = b.getI8Type(), i16 = b.getI16Type(), i32 = b.getI32Type(), i64 = b.getI64Type();
  f16 = b.getF16Type(), f32 = b.getF32Type();
  ptr = LLVM::LLVMPointerType::get(b.getContext());
  b.setInsertionPointToEnd(parent.getBody());
  auto module = b.create<ModuleOp>(name);
  b.setInsertionPointToEnd(module.getBody());
  function = b.create<func::FuncOp>(name, b.getFunctionType(arguments, results));
  Block *entry = function.addEntryBlock();
  args = entry->getArgument(0);
  b.setInsertionPointToEnd(entry);
}

void Emitter::finish() {
  if (cuda())
    b.create<func::ReturnOp>();
  else
    b.create<func::ReturnOp>(ValueRange{i32c(0)});
}

//===- constants --------------------------------------------------------------------------------------------------===//

Value Emitter::constant(Type type, double value) {
  auto element = cast<FloatType>(getElementTypeOrSelf(type));
  llvm::APFloat number(value);
  bool inexact;
  number.convert(element.getFloatSemantics(), llvm::APFloat::rmNearestTiesToEven, &inexact);
  if (auto vector = dyn_cast<VectorType>(type))
    return b.create<arith::ConstantOp>(cast<TypedAttr>(Attribute(DenseElementsAttr::get(vector, number))));
  return b.create<arith::ConstantOp>(b.getFloatAttr(element, number));
}

Value Emitter::integer(Type type, int64_t value) {
  unsigned width = getElementTypeOrSelf(type).getIntOrFloatBitWidth();
  llvm::APInt number(width, value, true);
  if (auto vector = dyn_cast<VectorType>(type))
    return b.create<arith::ConstantOp>(cast<TypedAttr>(Attribute(DenseElementsAttr::get(vector, number))));
  return b.create<arith::ConstantOp>(b.getIntegerAttr(type, number));
}

Value Emitter::intVector(Type element, llvm::ArrayRef<int64_t> values) {
  SmallVector<llvm::APInt> numbers;
  for (int64_t value : values) numbers.emplace_back(element.getIntOrFloatBitWidth(), value, true);
  auto attribute = DenseElementsAttr::get(vec(element, values.size()), numbers);
  return b.create<arith::ConstantOp>(cast<TypedAttr>(Attribute(attribute)));
}

//===- arithmetic -------------------------------------------------------------------------------------------------===//

Value Emitter::less(Value x, Value y) { return b.create<arith::CmpFOp>(arith::CmpFPredicate::OLT, x, y); }

// The type of `x` with another element type.
static Type likeShape(Value x, Type element) {
  if (auto vector = dyn_cast<VectorType>(x.getType())) return VectorType::get(vector.getShape(), element);
  return element;
}

Value Emitter::toFloat(Value ints) { return b.create<arith::SIToFPOp>(likeShape(ints, f32), ints); }
Value Emitter::extendHalf(Value x) { return b.create<arith::ExtFOp>(likeShape(x, f32), x); }
Value Emitter::roundHalf(Value x) { return b.create<arith::TruncFOp>(likeShape(x, f16), x); }

//===- vectors ----------------------------------------------------------------------------------------------------===//

Value Emitter::broadcast(Value scalar, int64_t count) {
  Type type = vec(scalar.getType(), count);
  Value undef = b.create<LLVM::UndefOp>(type);
  Value first = b.create<LLVM::InsertElementOp>(undef, scalar, i32c(0));
  return shuffle(first, undef, SmallVector<int32_t>(count, 0));
}

Value Emitter::slice(Value x, int64_t first, int64_t count) {
  SmallVector<int32_t> mask;
  for (int64_t i = 0; i < count; ++i) mask.push_back(first + i);
  return shuffle(x, x, mask);
}

Value Emitter::extract(Value x, int64_t lane) { return b.create<LLVM::ExtractElementOp>(x, i32c(lane)); }

// Folds the upper half onto the lower until one lane is left.
template <class Combine> static Value fold(Emitter &e, Value x, Combine combine) {
  int64_t n = cast<VectorType>(x.getType()).getDimSize(0);
  for (n /= 2; n >= 1; n /= 2) x = combine(e.slice(x, 0, n), e.slice(x, n, n));
  return e.extract(x, 0);
}

Value Emitter::sumLanes(Value x) {
  return fold(*this, x, [&](Value p, Value q) { return add(p, q); });
}
Value Emitter::addLanes(Value x) {
  return fold(*this, x, [&](Value p, Value q) { return iadd(p, q); });
}
Value Emitter::maxLanes(Value x) {
  return fold(*this, x, [&](Value p, Value q) { return select(less(p, q), q, p); });
}
Value Emitter::maxSignedLanes(Value x) {
  return fold(*this, x, [&](Value p, Value q) { return smax(p, q); });
}

Value Emitter::firstLanes(int64_t count) {
  SmallVector<int64_t> bits(laneCount, 0);
  for (int64_t i = 0; i < laneCount; ++i) bits[i] = i < count;
  return intVector(i1, bits);
}

Value Emitter::firstLanes(Value count) {
  SmallVector<int64_t> index(laneCount);
  for (int64_t i = 0; i < laneCount; ++i) index[i] = i;
  return slt(intVector(i32, index), broadcast(trunc(i32, count)));
}

Value Emitter::keepFirst(Value x, int64_t count) {
  return count >= laneCount ? x : select(firstLanes(count), x, lanes(0.0));
}

//===- memory -----------------------------------------------------------------------------------------------------===//

Value Emitter::at(Value base, Value bytes) { return b.create<LLVM::GEPOp>(ptr, i8, base, ValueRange{bytes}); }
Value Emitter::at(Value base, int64_t bytes) { return bytes ? at(base, i64c(bytes)) : base; }

static unsigned alignmentOf(Type type, unsigned alignment) {
  Type element = getElementTypeOrSelf(type);
  return alignment ? alignment : isa<LLVM::LLVMPointerType>(element) ? 8 : element.getIntOrFloatBitWidth() / 8;
}

Value Emitter::load(Type type, Value address, unsigned alignment) {
  return b.create<LLVM::LoadOp>(type, address, alignmentOf(type, alignment));
}
Value Emitter::loadConstant(Type type, Value address, unsigned alignment) {
  return b.create<LLVM::LoadOp>(type, address, alignmentOf(type, alignment), false, false, /*isInvariant=*/true);
}
void Emitter::store(Value value, Value address, unsigned alignment) {
  b.create<LLVM::StoreOp>(value, address, alignmentOf(value.getType(), alignment));
}
void Emitter::storeFirst(Value value, Value address, int64_t count) {
  if (count >= laneCount) return store(value, address);
  b.create<LLVM::MaskedStoreOp>(value, address, firstLanes(count), 4);
}
void Emitter::prefetch(Value address) { b.create<LLVM::Prefetch>(address, 0, 3, 1); }

Value Emitter::floatTable(llvm::ArrayRef<float> values) {
  return table(DenseElementsAttr::get(RankedTensorType::get({int64_t(values.size())}, f32), values));
}

Value Emitter::integerTable(Type element, llvm::ArrayRef<int64_t> values) {
  SmallVector<llvm::APInt> numbers;
  for (int64_t value : values) numbers.emplace_back(element.getIntOrFloatBitWidth(), value, true);
  return table(DenseElementsAttr::get(RankedTensorType::get({int64_t(values.size())}, element), numbers));
}

Value Emitter::table(DenseElementsAttr values) {
  auto module = function->getParentOfType<ModuleOp>();
  auto type = LLVM::LLVMArrayType::get(values.getElementType(), values.size());
  std::string name = ("table" + llvm::Twine(llvm::range_size(module.getOps<LLVM::GlobalOp>()))).str();
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module.getBody());
    b.create<LLVM::GlobalOp>(type, /*isConstant=*/true, LLVM::Linkage::Internal, name, values, /*alignment=*/64);
  }
  return b.create<LLVM::AddressOfOp>(ptr, name);
}

//===- control ----------------------------------------------------------------------------------------------------===//

SmallVector<Value> Emitter::loop(Value from, Value to, int64_t step, ValueRange carried, LoopBody body) {
  if (cuda() && from == begin && to == end) return body(begin, carried); // a worker's turn is one item
  auto loop = b.create<scf::ForOp>(from, to, integer(from.getType(), step), carried);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  SmallVector<Value> next = body(loop.getInductionVar(), loop.getRegionIterArgs());
  b.setInsertionPointToEnd(loop.getBody());
  if (carried.empty()) // the builder made the terminator
    return {};
  b.create<scf::YieldOp>(next);
  return SmallVector<Value>(loop.getResults());
}

void Emitter::loop(Value from, Value to, int64_t step, llvm::function_ref<void(Value)> body) {
  loop(from, to, step, ValueRange(), [&](Value i, ValueRange) {
    body(i);
    return SmallVector<Value>();
  });
}

void Emitter::loop(int64_t count, llvm::function_ref<void(Value)> body) { loop(i64c(0), i64c(count), 1, body); }

void Emitter::ifThen(Value condition, llvm::function_ref<void()> body) {
  auto branch = b.create<scf::IfOp>(condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  body();
}

SmallVector<Value> Emitter::ifElse(Value condition, TypeRange types, llvm::function_ref<SmallVector<Value>()> yes,
                                   llvm::function_ref<SmallVector<Value>()> no) {
  auto branch = b.create<scf::IfOp>(types, condition, /*addThenBlock=*/true, /*addElseBlock=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(branch.thenBlock());
  b.create<scf::YieldOp>(yes());
  b.setInsertionPointToEnd(branch.elseBlock());
  b.create<scf::YieldOp>(no());
  return SmallVector<Value>(branch.getResults());
}

//===- bounds guards ----------------------------------------------------------------------------------------------===//

void Emitter::guard(Value inside, llvm::function_ref<void()> body, Place place) {
  auto branch = OpBuilder(b).create<scf::IfOp>(boundsGuard(b.getContext(), place), inside, false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  body();
}

Value Emitter::clamp(Value index, Value last, Place place) {
  return OpBuilder(b).create<arith::MinUIOp>(boundsGuard(b.getContext(), place), index, last);
}

Value Emitter::guarded(Value inside, Value x, Value instead, Place place) {
  return OpBuilder(b).create<arith::SelectOp>(boundsGuard(b.getContext(), place), inside, x, instead);
}

scf::ForOp Emitter::itemLoop(Value first, Value items, Value step, Place place) {
  return OpBuilder(b).create<scf::ForOp>(boundsGuard(b.getContext(), place), first, items, step);
}

//===- the arguments block ----------------------------------------------------------------------------------------===//

Value Emitter::rows() { return loadConstant(i64, at(args, offsetof(ingot_args, rows))); }
Value Emitter::slot(unsigned i) { return loadConstant(i64, at(args, offsetof(ingot_args, slot) + 8 * int64_t(i))); }
Value Emitter::slotPointer(unsigned i) {
  return loadConstant(ptr, at(args, offsetof(ingot_args, slot) + 8 * int64_t(i)));
}
Value Emitter::batch() { return loadConstant(ptr, at(args, offsetof(ingot_args, batch))); }
Value Emitter::batchCount(size_t offset) { return loadConstant(i64, at(batch(), offset)); }
Value Emitter::batchPointer(size_t offset) { return loadConstant(ptr, at(batch(), offset)); }
Value Emitter::batchI32(size_t offset, Value index) {
  return loadConstant(i32, at(batchPointer(offset), imul(index, 4)));
}

//===- instructions -----------------------------------------------------------------------------------------------===//

Value Emitter::intrinsic(llvm::StringRef name, Type result, ValueRange operands) {
  return b.create<LLVM::CallIntrinsicOp>(TypeRange{result}, name, operands)->getResult(0);
}
Value Emitter::dotBytes(Value acc, Value u8, Value s8) {
  Type words = vec(i32, 16);
  auto asWords = [&](Value x) { return x.getType() == words ? x : bitcast(words, x); };
  return intrinsic("llvm.x86.avx512.vpdpbusd.512", words, {acc, asWords(u8), asWords(s8)});
}
Value Emitter::maddUnsigned(Value u8, Value s8) {
  return intrinsic("llvm.x86.avx2.pmadd.ub.sw", vec(i16, 16), {u8, s8});
}
Value Emitter::maddPairs(Value x, Value y) { return intrinsic("llvm.x86.avx2.pmadd.wd", vec(i32, 8), {x, y}); }

} // namespace ingot::cpu
