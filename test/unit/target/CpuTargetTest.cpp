// The code generation pipeline: kernels run where they are mapped, bytes are reproducible, violations name the kernel.
#include "test/unit/target/LoadedCode.h"

using namespace mlir;
using namespace ingot::cpu;

namespace {

class CpuTarget : public testing::TestWithParam<CpuLevel> {
protected:
  std::unique_ptr<MLIRContext> context = makeContext();
  LoadedCode code{*context, GetParam()};
};

// slot 1 [i] = fma(slot 0 [i], 3, 0.1) for rows of 16
void emitScale(ModuleOp module, CpuLevel level, llvm::StringRef name) {
  Emitter e(module, level, name);
  e.loop(e.begin, e.end, 1, [&](Value row) {
    Value x = e.loadLanes(e.at(e.slotPointer(0), e.imul(row, 64)));
    e.store(e.fma(x, e.lanes(3.0), e.lanes(0.1)), e.at(e.slotPointer(1), e.imul(row, 64)));
  });
  e.finish();
}

struct Arguments {
  const ingot_batch *batch = nullptr;
  uint64_t rows = 0;
  uint64_t slot[4] = {};
  const ingot_args *get() const { return reinterpret_cast<const ingot_args *>(this); }
};

TEST_P(CpuTarget, KernelRunsFromTheMappedBlob) {
  emitScale(*code.module, code.level, "scale");
  ASSERT_TRUE(code.compile()) << code.error;
  if (!runs(code.level)) GTEST_SKIP() << "this CPU lacks level " << name(code.level);
  std::vector<float> in(64), out(64);
  for (int i = 0; i < 64; ++i) in[i] = i * 0.37f;
  Arguments arguments;
  arguments.slot[0] = uint64_t(in.data()), arguments.slot[1] = uint64_t(out.data());
  EXPECT_EQ(code.kernel("scale")(arguments.get(), 1, 4, nullptr), 0);
  for (int i = 0; i < 64; ++i) EXPECT_EQ(out[i], i < 16 ? 0.0f : __builtin_fmaf(in[i], 3.0f, 0.1f)) << i;
}

TEST_P(CpuTarget, BytesDoNotDependOnJobs) {
  std::vector<uint8_t> bytes[2];
  for (int turn = 0; turn < 2; ++turn) {
    LoadedCode one(*context, GetParam());
    for (const char *name : {"b", "a", "c"}) emitScale(*one.module, one.level, name);
    ASSERT_TRUE(one.compile(turn + 1)) << one.error;
    bytes[turn] = one.blob.bytes;
    for (auto &entry : one.blob.entry) EXPECT_EQ(entry.second % 64, 0u);
  }
  EXPECT_EQ(bytes[0], bytes[1]);
}

TEST_P(CpuTarget, HalfConversionIsNotACall) {
  Emitter e(*code.module, code.level, "half");
  Value x = e.extendHalf(e.load(e.vec(e.f16), e.slotPointer(0)));
  Value scalar = e.extendHalf(e.load(e.f16, e.slotPointer(1)));
  e.store(e.roundHalf(e.mul(x, e.broadcast(scalar))), e.slotPointer(2));
  e.store(e.roundHalf(scalar), e.slotPointer(3));
  e.finish();
  EXPECT_TRUE(code.compile()) << code.error;
}

TEST_P(CpuTarget, ClearingALoopIsNotAMemset) {
  Emitter e(*code.module, code.level, "clear");
  e.loop(e.begin, e.end, 1, [&](Value i) { e.store(e.integer(e.i8, 0), e.at(e.slotPointer(0), i)); });
  e.finish();
  EXPECT_TRUE(code.compile()) << code.error;
}

TEST_P(CpuTarget, CallIsRefusedByName) {
  Emitter e(*code.module, code.level, "caller");
  e.store(e.b.create<LLVM::ExpOp>(e.load(e.f32, e.slotPointer(0))), e.slotPointer(1));
  e.finish();
  EXPECT_FALSE(code.compile());
  EXPECT_NE(code.error.find("kernel caller calls 'expf'"), std::string::npos) << code.error;
}

TEST_P(CpuTarget, WritableDataIsRefusedByName) {
  Emitter e(*code.module, code.level, "writer");
  Value address;
  {
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToStart((*code.module->getOps<ModuleOp>().begin()).getBody());
    e.b.create<LLVM::GlobalOp>(e.i32, /*isConstant=*/false, LLVM::Linkage::External, "counter",
                               e.b.getI32IntegerAttr(7));
  }
  address = e.b.create<LLVM::AddressOfOp>(e.ptr, "counter");
  e.store(e.iadd(e.load(e.i32, address), 1), address);
  e.finish();
  EXPECT_FALSE(code.compile());
  EXPECT_NE(code.error.find("kernel writer has writable data in .data"), std::string::npos) << code.error;
}

TEST_P(CpuTarget, AbsoluteAddressIsRefused) {
  Emitter e(*code.module, code.level, "absolute");
  {
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToStart((*code.module->getOps<ModuleOp>().begin()).getBody());
    auto table = e.b.create<LLVM::GlobalOp>(e.ptr, /*isConstant=*/true, LLVM::Linkage::External, "table", Attribute());
    e.b.setInsertionPointToStart(&table.getInitializerRegion().emplaceBlock());
    e.b.create<LLVM::ReturnOp>(ValueRange{e.b.create<LLVM::AddressOfOp>(e.ptr, "table")});
  }
  e.store(e.load(e.ptr, e.b.create<LLVM::AddressOfOp>(e.ptr, "table")), e.slotPointer(0));
  e.finish();
  EXPECT_FALSE(code.compile());
  EXPECT_NE(code.error.find("absolute"), std::string::npos) << code.error;
}

TEST_P(CpuTarget, LargeStackFrameIsRefusedByName) {
  Emitter e(*code.module, code.level, "deep");
  Value memory = e.b.create<LLVM::AllocaOp>(e.ptr, e.i8, e.i64c(20000), 64);
  e.loop(e.begin, e.end, 1, [&](Value i) { e.store(e.trunc(e.i8, i), e.at(memory, i)); });
  e.store(e.load(e.i8, e.at(memory, e.begin)), e.slotPointer(0));
  e.finish();
  EXPECT_FALSE(code.compile());
  EXPECT_NE(code.error.find("deep"), std::string::npos) << code.error;
  EXPECT_NE(code.error.find("stack frame"), std::string::npos) << code.error;
}

INSTANTIATE_TEST_SUITE_P(Levels, CpuTarget, testing::Values(CpuLevel::v3, CpuLevel::v4),
                         [](auto &info) { return std::string(name(info.param)); });

} // namespace
