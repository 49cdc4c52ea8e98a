// ptx ops -> LLVM 19: an intrinsic where one is sound, inline assembly where there is none (dp4a, lop3, ld.global.nc
// with a cache hint, griddepcontrol, offsets of cp.async and ldmatrix) or where LLVM's own is not (atomics and fences
// lose their order).
#include "compiler/target/CudaStages.h"
#include "dialects/ptx/Ptx.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace ingot::ptx;

namespace {

using Values = SmallVector<Value>;
using llvm::Twine;

/// Lowers one op at a time; each `lower` returns what the op's results become.
class Lowering {
public:
  Lowering(ModuleOp kernel, unsigned level) : kernel(kernel), level(level), b(kernel.getLoc(), kernel.getContext()) {}
  LogicalResult run();

private:
  ModuleOp kernel;
  unsigned level;
  ImplicitLocOpBuilder b;
  Type i1 = b.getI1Type(), i32 = b.getI32Type(), f32 = b.getF32Type();

  Value constant(int64_t value) { return b.create<LLVM::ConstantOp>(i32, b.getI32IntegerAttr(value)); }
  Values intrinsic(const Twine &name, ArrayRef<Type> results, ValueRange operands);
  Values assembly(const Twine &text, ArrayRef<Type> results, ValueRange operands, bool effects);
  Values unpack(Value value, ArrayRef<Type> types);
  Value globalAddress(Value address);
  Value sharedBase();
  Values words(Values values, Type type);

  Values lower(IdOp op);
  Values lower(BarrierOp op);
  Values lower(WarpSyncOp op) { return intrinsic("bar.warp.sync", {}, op.getMask()); }
  Values lower(ShuffleOp op);
  Values lower(BallotOp op) { return intrinsic("vote.ballot.sync", {i32}, {op.getMask(), op.getPredicate()}); }
  Values lower(VoteOp op);
  Values lower(GriddepWaitOp op) { return level < 90 ? Values() : assembly("griddepcontrol.wait;", {}, {}, true); }
  Values lower(GriddepLaunchOp op) {
    return level < 90 ? Values() : assembly("griddepcontrol.launch_dependents;", {}, {}, true);
  }
  Values lower(SharedOp op);
  Values lower(LoadOp op);
  Values lower(StoreOp op);
  Values lower(LoadNcOp op);
  Values lower(PrefetchOp op) { return assembly("prefetch.global.L2 [$0];", {}, globalAddress(op.getAddress()), true); }
  Values lower(CpAsyncOp op);
  Values lower(CpAsyncCommitOp) { return intrinsic("cp.async.commit.group", {}, {}); }
  Values lower(CpAsyncWaitOp op) { return intrinsic("cp.async.wait.group", {}, constant(op.getPending())); }
  Values lower(LdmatrixOp op);
  Values lower(AtomicOp op);
  Values lower(FenceOp op);
  Values lower(MmaOp op);
  Values lower(Dp4aOp op);
  Values lower(PackOp op);
  Values lower(PackS8Op op) {
    return assembly("cvt.pack.sat.s8.s32.b32 $0, $1, $2, $3;", {i32}, {op.getHigh(), op.getLow(), op.getRest()}, false);
  }
  Values lower(PairAddOp op) { return assembly("add.rn.f16x2 $0, $1, $2;", {i32}, op->getOperands(), false); }
  Values lower(PairFmaOp op) {
    return assembly("fma.rn." + stringifyPairType(op.getType()) + "x2 $0, $1, $2, $3;", {i32}, op->getOperands(),
                    false);
  }
  Values lower(ApproxOp op) {
    return assembly(stringifyFunction(op.getFunction()) + ".approx.f32 $0, $1;", {f32}, op.getX(), false);
  }
  Values lower(PrmtOp op) { return intrinsic("prmt", {i32}, op->getOperands()); }
  Values lower(Lop3Op op) {
    return assembly("lop3.b32 $0, $1, $2, $3, " + Twine(op.getTable()) + ";", {i32}, op->getOperands(), false);
  }
};

} // namespace

/// The elements of a struct, or the value itself.
Values Lowering::unpack(Value value, ArrayRef<Type> types) {
  if (types.size() == 1) return {value};
  Values elements;
  for (size_t i = 0; i < types.size(); ++i) elements.push_back(b.create<LLVM::ExtractValueOp>(value, i));
  return elements;
}

static Type resultType(MLIRContext *context, ArrayRef<Type> types) {
  if (types.empty()) return Type();
  return types.size() == 1 ? types[0] : LLVM::LLVMStructType::getLiteral(context, types);
}

static SmallVector<Type, 1> optional(Type type) { return type ? SmallVector<Type, 1>{type} : SmallVector<Type, 1>{}; }

Values Lowering::intrinsic(const Twine &name, ArrayRef<Type> results, ValueRange operands) {
  auto call = b.create<LLVM::CallIntrinsicOp>(optional(resultType(b.getContext(), results)),
                                              b.getStringAttr("llvm.nvvm." + name), operands,
                                              LLVM::FastmathFlagsAttr::get(b.getContext(), LLVM::FastmathFlags::none));
  return results.empty() ? Values() : unpack(call.getResults(), results);
}

static char constraintOf(Type type) {
  if (type.isF32()) return 'f';
  if (type.isInteger(32)) return 'r';
  return type.isInteger(16) ? 'h' : 'l'; // i64 and pointers
}

/// `effects`: it touches memory or time, and nothing moves across it.
Values Lowering::assembly(const Twine &text, ArrayRef<Type> results, ValueRange operands, bool effects) {
  SmallVector<std::string> constraints;
  for (Type type : results) constraints.push_back(std::string("=") + constraintOf(type));
  for (Type type : operands.getTypes()) constraints.push_back(std::string(1, constraintOf(type)));
  if (effects) constraints.push_back("~{memory}");
  auto op = b.create<LLVM::InlineAsmOp>(optional(resultType(b.getContext(), results)), operands, text.str(),
                                        llvm::join(constraints, ","), effects, /*is_align_stack=*/false,
                                        LLVM::AsmDialectAttr(), ArrayAttr());
  return results.empty() ? Values() : unpack(op.getRes(), results);
}

Value Lowering::globalAddress(Value address) {
  auto type = LLVM::LLVMPointerType::get(b.getContext(), 1);
  return address.getType() == type ? address : b.create<LLVM::AddrSpaceCastOp>(type, address).getResult();
}

/// The launch's dynamic shared memory: one symbol for all kernels of a text.
Value Lowering::sharedBase() {
  auto type = LLVM::LLVMArrayType::get(b.getI8Type(), 0);
  auto global = kernel.lookupSymbol<LLVM::GlobalOp>("ingot_shared");
  if (!global) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(kernel.getBody());
    global = b.create<LLVM::GlobalOp>(type, /*isConstant=*/false, LLVM::Linkage::External, "ingot_shared", Attribute(),
                                      /*alignment=*/16, /*addrSpace=*/3);
  }
  return b.create<LLVM::AddressOfOp>(global);
}

Values Lowering::lower(IdOp op) {
  static const char *const names[] = {"tid.x", "ntid.x", "ctaid.x", "nctaid.x", "laneid"};
  return intrinsic(Twine("read.ptx.sreg.") + names[unsigned(op.getWhich())], {i32}, {});
}

/// As text, because LLVM would put the numbers into registers.
Values Lowering::lower(BarrierOp op) {
  if (!op.getThreads()) return assembly("bar.sync " + Twine(op.getId()) + ";", {}, {}, true);
  return assembly("bar.sync " + Twine(op.getId()) + ", " + Twine(*op.getThreads()) + ";", {}, {}, true);
}

/// PTX's c: the bits of a lane that name its segment, and the last lane of a segment (the first one for `up`).
Values Lowering::lower(ShuffleOp op) {
  uint32_t segment = (32 - op.getWidth()) << 8, clamp = op.getMode() == ShuffleMode::up ? 0 : 31;
  Type type = op.getValue().getType();
  return intrinsic("shfl.sync." + stringifyShuffleMode(op.getMode()) + (type == i32 ? ".i32" : ".f32"), {type},
                   {op.getMask(), op.getValue(), op.getLane(), constant(segment | clamp)});
}

Values Lowering::lower(VoteOp op) {
  return intrinsic("vote." + stringifyVoteMode(op.getMode()) + ".sync", {i1}, {op.getMask(), op.getPredicate()});
}

Values Lowering::lower(SharedOp op) {
  Value base = sharedBase();
  if (op.getOffset() == 0) return {base};
  return {b.create<LLVM::GEPOp>(base.getType(), b.getI8Type(), base, LLVM::GEPArg(int32_t(op.getOffset())))};
}

/// One vector access: LLVM knows what it touches, and prints ld.v2, ld.v4.
Values Lowering::lower(LoadOp op) {
  Type type = op.getWords()[0].getType();
  size_t count = op.getWords().size();
  if (count == 1) return {b.create<LLVM::LoadOp>(type, op.getAddress(), 4)};
  Value vector = b.create<LLVM::LoadOp>(VectorType::get({int64_t(count)}, type), op.getAddress(), 4 * count);
  Values words;
  for (size_t i = 0; i < count; ++i) words.push_back(b.create<LLVM::ExtractElementOp>(vector, constant(i)));
  return words;
}

Values Lowering::lower(StoreOp op) {
  size_t count = op.getWords().size();
  Value value = op.getWords()[0];
  if (count > 1) {
    value = b.create<LLVM::UndefOp>(VectorType::get({int64_t(count)}, value.getType()));
    for (size_t i = 0; i < count; ++i) value = b.create<LLVM::InsertElementOp>(value, op.getWords()[i], constant(i));
  }
  b.create<LLVM::StoreOp>(value, op.getAddress(), 4 * count);
  return {};
}

Values Lowering::lower(LoadNcOp op) {
  size_t count = op.getWords().size();
  std::string text = op.getStreaming() ? "ld.global.nc.L1::no_allocate" : "ld.global.nc";
  if (count == 1) text += ".b32 $0";
  if (count == 2) text += ".v2.b32 {$0, $1}";
  if (count == 4) text += ".v4.b32 {$0, $1, $2, $3}";
  SmallVector<Type> types(count, i32);
  return assembly(text + ", [$" + Twine(count) + "];", types, globalAddress(op.getAddress()), false);
}

/// Takes constant advances off an address: "+bytes", as PTX writes them behind a register.
static std::string takeOffset(Value &address) {
  int64_t offset = 0;
  while (auto gep = address.getDefiningOp<LLVM::GEPOp>()) {
    APInt bytes;
    bool constant =
        gep.getDynamicIndices().size() == 1 && matchPattern(gep.getDynamicIndices()[0], m_ConstantInt(&bytes));
    if (!constant || !gep.getElemType().isInteger(8)) break;
    int64_t sum = offset + bytes.getSExtValue();
    if (sum < 0 || sum > INT32_MAX) break;
    offset = sum, address = gep.getBase();
  }
  return offset ? "+" + std::to_string(offset) : "";
}

/// As text, because LLVM would add every offset in a register of its own.
Values Lowering::lower(CpAsyncOp op) {
  Value shared = op.getShared(), global = op.getGlobal();
  std::string to = takeOffset(shared), from = takeOffset(global);
  Values operands = {shared, globalAddress(global)};
  if (op.getBytes()) operands.push_back(op.getBytes());
  return assembly("cp.async.cg.shared.global [$0" + Twine(to) + "], [$1" + from + "], 16" +
                      (op.getBytes() ? ", $2;" : ";"),
                  {}, operands, true);
}

Values Lowering::lower(LdmatrixOp op) {
  Value address = op.getAddress();
  std::string offset = takeOffset(address);
  SmallVector<Type> types(op.getWords().size(), i32);
  size_t count = types.size();
  std::string words = count == 1 ? "{$0}" : count == 2 ? "{$0, $1}" : "{$0, $1, $2, $3}";
  return assembly("ldmatrix.sync.aligned.m8n8.x" + Twine(count) + (op.getTrans() ? ".trans" : "") + ".shared.b16 " +
                      words + ", [$" + Twine(count) + offset + "];",
                  types, address, true);
}

Values Lowering::lower(AtomicOp op) {
  Type type = op.getValue().getType();
  StringRef suffix = op.getKind() == AtomicKind::exch ? ".b" : ".u";
  std::string text = ("atom." + stringifyOrder(op.getOrder()) + "." + stringifyScope(op.getScope()) + ".global." +
                      stringifyAtomicKind(op.getKind()) + suffix + Twine(type.getIntOrFloatBitWidth()))
                         .str();
  return assembly(text + " $0, [$1], $2;", {type}, {globalAddress(op.getAddress()), op.getValue()}, true);
}

Values Lowering::lower(FenceOp op) {
  return assembly("fence." + stringifyOrder(op.getOrder()) + "." + stringifyScope(op.getScope()) + ";", {}, {}, true);
}

/// Words as another type of 32 bits.
Values Lowering::words(Values values, Type type) {
  for (Value &value : values)
    if (value.getType() != type) value = b.create<LLVM::BitcastOp>(type, value);
  return values;
}

Values Lowering::lower(MmaOp op) {
  static const char *const names[] = {"m16n8k16.row.col.f32.f32", "m16n8k16.row.col.bf16", "m16n8k32.row.col.s8",
                                      "m16n8k32.row.col.u8.s8"};
  Type pair = op.getKind() == MmaKind::f16 ? VectorType::get({2}, b.getF16Type()) : i32;
  Values operands = words(llvm::to_vector(op.getA()), pair);
  llvm::append_range(operands, words(llvm::to_vector(op.getB()), pair));
  llvm::append_range(operands, op.getC());
  return intrinsic(Twine("mma.") + names[unsigned(op.getKind())], llvm::to_vector(op.getD().getTypes()), operands);
}

Values Lowering::lower(Dp4aOp op) {
  static const char *const names[] = {"s32.s32", "u32.s32", "s32.u32", "u32.u32"};
  return assembly(Twine("dp4a.") + names[unsigned(op.getSigns())] + " $0, $1, $2, $3;", {i32}, op->getOperands(),
                  false);
}

/// PTX takes the high half first.
Values Lowering::lower(PackOp op) {
  return assembly("cvt.rn." + stringifyPairType(op.getType()) + "x2.f32 $0, $1, $2;", {i32},
                  {op.getHigh(), op.getLow()}, false);
}

LogicalResult Lowering::run() {
  WalkResult result = kernel.walk([&](Operation *op) {
    if (!isa_and_nonnull<PtxDialect>(op->getDialect())) return WalkResult::advance();
    b.setLoc(op->getLoc());
    b.setInsertionPoint(op);
    Values results;
    bool known = TypeSwitch<Operation *, bool>(op)
                     .Case<
#define GET_OP_LIST
#include "dialects/ptx/PtxOps.cpp.inc"
                         >([&](auto typed) { return results = lower(typed), true; })
                     .Default(false);
    if (!known) return op->emitError("has no lowering"), WalkResult::interrupt();
    op->replaceAllUsesWith(results);
    op->erase();
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

LogicalResult ingot::cuda::lowerPtx(ModuleOp kernel, unsigned level) { return Lowering(kernel, level).run(); }
