// The CUDA pipeline: kernels run as PTX (emulated), texts are reproducible and mergeable, cubins come with their
// report.
#include "compiler/target/CudaTarget.h"
#include "compiler/target/ObjectCache.h"
#include "tools/cuda-emulator/machine.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

using namespace mlir;
using namespace ingot::cuda;

namespace {

/// Kernel NAME: to[i] = from[i] * 3 + table[i % 4], not fused; threads exchange neighbours through shared memory.
std::string kernelText(const std::string &name, const std::string &factor = "3.0") {
  return "module @" + name + R"( {
  llvm.mlir.global internal constant @table(dense<[0.1, 0.2, 0.3, 0.4]> : vector<4xf32>) : vector<4xf32>
  func.func @)" +
         name + R"((%args: !llvm.ptr, %scratch: !llvm.ptr) attributes {ptx.entry = #ptx.entry<threads = 64>} {
    %from = llvm.load %args invariant : !llvm.ptr -> !llvm.ptr
    %t = ptx.id thread : i32
    %c3 = arith.constant 3 : i32
    %c1 = arith.constant 1 : i32
    %table = llvm.mlir.addressof @table : !llvm.ptr
    %index = arith.andi %t, %c3 : i32
    %entry = llvm.getelementptr %table[%index] : (!llvm.ptr, i32) -> !llvm.ptr, f32
    %addend = llvm.load %entry : !llvm.ptr -> f32
    %source = llvm.getelementptr %from[%t] : (!llvm.ptr, i32) -> !llvm.ptr, f32
    %x = llvm.load %source : !llvm.ptr -> f32
    %factor = arith.constant )" +
         factor + R"( : f32
    %product = arith.mulf %x, %factor : f32
    %sum = arith.addf %product, %addend : f32
    %shared = ptx.shared : !llvm.ptr<3>
    %mine = llvm.getelementptr %shared[%t] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, f32
    ptx.store %mine, %sum : !llvm.ptr<3>, f32
    ptx.barrier
    %other = arith.xori %t, %c1 : i32
    %theirs = llvm.getelementptr %shared[%other] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, f32
    %y = ptx.load %theirs : !llvm.ptr<3> -> f32
    %target = llvm.getelementptr %scratch[%t] : (!llvm.ptr, i32) -> !llvm.ptr, f32
    llvm.store %y, %target : f32, !llvm.ptr
    return
  }
}
)";
}

class CudaTarget : public testing::Test {
protected:
  FailureOr<CudaCode> compile(const std::string &text, const CudaOptions &options = {}) {
    auto module = parseSourceString<ModuleOp>(text, &context);
    if (!module) return failure();
    return compileCuda(*module, options);
  }

  DialectRegistry registry = [] {
    DialectRegistry all;
    registerCudaTarget(all);
    return all;
  }();
  MLIRContext context{registry};
  std::string error;
  ScopedDiagnosticHandler handler{&context, [this](Diagnostic &diagnostic) {
                                    error += diagnostic.str() + "\n";
                                    return success();
                                  }};
};

TEST_F(CudaTarget, KernelRunsUnderTheEmulator) {
  CudaOptions options;
  options.levels = {80, 90};
  auto code = compile("module {" + kernelText("triple") + "}", options);
  ASSERT_TRUE(succeeded(code)) << error;
  for (const PtxText &text : code->texts) {
    SCOPED_TRACE(text.text);
    ingot::emulator::Memory memory;
    ingot::emulator::Module ptx;
    ASSERT_TRUE(memory.reserve().ok());
    ASSERT_TRUE(ingot::emulator::parse(text.text, &ptx).ok());
    ASSERT_TRUE(ingot::emulator::load(ptx, memory).ok());
    uint64_t from = memory.allocate(256), to = memory.allocate(256), args = memory.allocate(8);
    for (int i = 0; i < 64; ++i) reinterpret_cast<float *>(from)[i] = i * 0.37f;
    memcpy(reinterpret_cast<void *>(args), &from, 8);
    memory.mark_written(from, 256), memory.mark_written(args, 8);
    ingot::emulator::Launch launch;
    launch.entry = ptx.entry("triple");
    ASSERT_NE(launch.entry, nullptr);
    launch.block = {64, 1, 1}, launch.dynamic_shared = 256;
    launch.parameters.resize(16);
    memcpy(launch.parameters.data(), &args, 8), memcpy(launch.parameters.data() + 8, &to, 8);
    ingot::emulator::Fault fault = ingot::emulator::Machine(memory, {}).run({&launch, 1});
    ASSERT_FALSE(fault) << fault.message();
    for (int i = 0; i < 64; ++i) {
      volatile float product = (i ^ 1) * 0.37f * 3.0f;
      EXPECT_EQ(reinterpret_cast<float *>(to)[i], product + 0.1f * (1 + (i ^ 1) % 4)) << i;
    }
  }
}

TEST_F(CudaTarget, TextDoesNotDependOnJobsOrOrder) {
  CudaOptions one, two;
  two.jobs = 3;
  auto forward = compile("module {" + kernelText("a") + kernelText("b") + kernelText("c") + "}", one);
  auto backward = compile("module {" + kernelText("c") + kernelText("a") + kernelText("b") + "}", two);
  ASSERT_TRUE(succeeded(forward) && succeeded(backward)) << error;
  EXPECT_EQ(forward->texts[0].text, backward->texts[0].text);
}

TEST_F(CudaTarget, KernelsOfOneTextKeepTheirOwnTables) {
  auto code = compile("module {" + kernelText("a") + kernelText("b") + "}");
  ASSERT_TRUE(succeeded(code)) << error;
  ingot::emulator::Module ptx;
  ASSERT_TRUE(ingot::emulator::parse(code->texts[0].text, &ptx).ok()) << code->texts[0].text;
  EXPECT_EQ(ptx.entries.size(), 2u);
  size_t tables = 0;
  for (auto &variable : ptx.variables) tables += variable->space == ingot::emulator::Space::global;
  EXPECT_EQ(tables, 2u);
  EXPECT_EQ(StringRef(code->texts[0].text).count(".extern .shared"), 1u);
}

TEST_F(CudaTarget, KnownKernelsAreTakenFromTheCache) {
  ingot::cpu::ObjectCache cache;
  CudaOptions options;
  options.objects = &cache;
  auto first = compile("module {" + kernelText("a") + kernelText("b") + "}", options);
  auto second = compile("module {" + kernelText("a") + kernelText("b", "4.0") + "}", options);
  auto fresh = compile("module {" + kernelText("a") + kernelText("b", "4.0") + "}");
  ASSERT_TRUE(succeeded(first) && succeeded(second) && succeeded(fresh)) << error;
  EXPECT_EQ(cache.hits(), 1u);
  EXPECT_EQ(second->texts[0].text, fresh->texts[0].text);
}

/// A loop of the whole warp around a condition that differs by lane, which a compiler for one thread would lift out of
/// it: two loops, each with matrices that only some lanes multiply.
TEST_F(CudaTarget, MatricesStayWithTheWholeWarp) {
  const char *text = R"(module { module @k {
    func.func @k(%from: !llvm.ptr<1>, %n: i64) attributes {ptx.entry = #ptx.entry<threads = 32>} {
      %lane = ptx.id lane : i32
      %c7 = arith.constant 7 : i32
      %few = arith.cmpi ult, %lane, %c7 : i32
      %zero = arith.constant 0 : i32
      %one = arith.constant 1 : i32
      %count = arith.trunci %n : i64 to i32
      %shared = ptx.shared : !llvm.ptr<3>
      %sum = scf.for %i = %zero to %count step %one iter_args(%c = %zero) -> i32 : i32 {
        %x = scf.if %few -> i32 {
          %more = ptx.load %from : !llvm.ptr<1> -> i32
          scf.yield %more : i32
        } else {
          scf.yield %zero : i32
        }
        ptx.store %shared, %x : !llvm.ptr<3>, i32
        %a:4 = ptx.ldmatrix %shared : i32, i32, i32, i32
        %d:4 = ptx.mma u8s8 (%a#0, %a#1, %a#2, %a#3) (%x, %x) (%c, %c, %c, %c) : i32, i32, i32, i32 -> i32, i32, i32, i32
        scf.yield %d#0 : i32
      }
      ptx.store %from, %sum : !llvm.ptr<1>, i32
      return
    }
  } })";
  auto code = compile(text);
  ASSERT_TRUE(succeeded(code)) << error;
  const std::string &ptx = code->texts[0].text;
  for (const char *instruction : {"ldmatrix.sync", "mma.sync"}) {
    size_t first = ptx.find(instruction);
    ASSERT_NE(first, ptx.npos) << ptx;
    EXPECT_EQ(ptx.find(instruction, first + 1), ptx.npos) << ptx;
  }
}

TEST_F(CudaTarget, WritableDataIsRefusedByName) {
  std::string text = kernelText("writer");
  text.replace(text.find("internal constant"), 17, "internal");
  size_t store = text.find("    llvm.store");
  text.insert(store, "    llvm.store %y, %entry : f32, !llvm.ptr\n");
  EXPECT_TRUE(failed(compile("module {" + text + "}")));
  EXPECT_NE(error.find("kernel writer has writable data"), std::string::npos) << error;
}

TEST(PtxasReport, ReadsWhatPtxasSays) {
  auto kernels = parseReport("ptxas info    : 0 bytes gmem\n"
                             "ptxas info    : Compiling entry function 'second' for 'sm_90'\n"
                             "ptxas info    : Function properties for second\n"
                             "    16 bytes stack frame, 4 bytes spill stores, 8 bytes spill loads\n"
                             "ptxas info    : Used 255 registers, used 2 barriers, 1024 bytes smem\n"
                             "ptxas info    : Compiling entry function 'first' for 'sm_90'\n"
                             "ptxas info    : Function properties for first\n"
                             "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
                             "ptxas info    : Used 14 registers, used 0 barriers\n",
                             90);
  ASSERT_EQ(kernels.size(), 2u);
  EXPECT_EQ(kernels[0].kernel, "first");
  EXPECT_EQ(kernels[0].registers, 14u);
  EXPECT_EQ(complaint(kernels[0]), "");
  EXPECT_EQ(kernels[1].registers, 255u);
  EXPECT_EQ(kernels[1].barriers, 2u);
  EXPECT_EQ(kernels[1].staticShared, 1024u);
  EXPECT_EQ(kernels[1].stack, 16u);
  EXPECT_EQ(complaint(kernels[1]), "kernel second on sm_90 spills registers (4 bytes stored, 8 loaded)");
}

TEST(PtxasReport, CountsInstructions) {
  std::vector<KernelReport> kernels(1);
  kernels[0].kernel = "k";
  countSass("\t.section\t.text.k,\"ax\",@progbits\n"
            "\t.sectioninfo\t@\"SHI_REGISTERS=16\"\n"
            "        /*0000*/                   LDG.E.128.CONSTANT R8, desc[UR6][R2.64] ;\n"
            "        /*0010*/              @!P0 LDG.E R8, desc[UR6][R2.64] ;\n"
            "        /*0020*/                   LDGSTS.E.BYPASS.128 [R1], desc[UR6][R2.64] ;\n"
            "        /*0030*/                   HMMA.16816.F32 R4, R8, R2, R4 ;\n"
            "        /*0040*/                   IMMA.16832.S8.S8 R4, R8.ROW, R2.COL, R4 ;\n"
            "        /*0050*/                   NOP;\n"
            "\t.section\t.text.other,\"ax\",@progbits\n"
            "        /*0000*/                   LDG.E R8, desc[UR6][R2.64] ;\n",
            kernels);
  ASSERT_TRUE(kernels[0].sass.has_value());
  EXPECT_EQ(kernels[0].sass->instructions, 5u);
  EXPECT_EQ(kernels[0].sass->loads, 2u);
  EXPECT_EQ(kernels[0].sass->wideLoads, 1u);
  EXPECT_EQ(kernels[0].sass->asyncCopies, 1u);
  EXPECT_EQ(kernels[0].sass->halfMmas, 1u);
  EXPECT_EQ(kernels[0].sass->integerMmas, 1u);
}

class Ptxas : public CudaTarget {
protected:
  void SetUp() override {
    auto tools = findTools();
    if (!tools) GTEST_SKIP() << llvm::toString(tools.takeError());
  }
};

TEST_F(Ptxas, MakesACubinAnArchitectureWithItsReport) {
  CudaOptions options;
  options.levels = {80, 90};
  options.cubins = {90, 80};
  options.disassemble = true;
  auto code = compile("module {" + kernelText("a") + kernelText("b") + "}", options);
  ASSERT_TRUE(succeeded(code)) << error;
  ASSERT_EQ(code->cubins.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    const Cubin &cubin = code->cubins[i];
    EXPECT_EQ(cubin.sm, i ? 90u : 80u);
    EXPECT_EQ(memcmp(cubin.bytes.data(),
                     "\x7f"
                     "ELF",
                     4),
              0);
    ASSERT_EQ(cubin.kernels.size(), 2u);
    EXPECT_EQ(cubin.kernels[1].kernel, "b");
    EXPECT_GT(cubin.kernels[1].registers, 0u);
  }
}

TEST_F(Ptxas, CubinsAreReproducible) {
  CudaOptions options;
  options.cubins = {80};
  auto first = compile("module {" + kernelText("a") + "}", options);
  auto second = compile("module {" + kernelText("a") + "}", options);
  ASSERT_TRUE(succeeded(first) && succeeded(second)) << error;
  EXPECT_EQ(first->cubins[0].bytes, second->cubins[0].bytes);
}

TEST_F(Ptxas, StackFrameFailsTheBuildByName) {
  std::string text = kernelText("deep");
  size_t at = text.find("    %target");
  text.insert(at, R"(    %size = llvm.mlir.constant(64 : i32) : i32
    %local = llvm.alloca %size x f32 : (i32) -> !llvm.ptr
    %cell = llvm.getelementptr %local[%t] : (!llvm.ptr, i32) -> !llvm.ptr, f32
    llvm.store volatile %y, %cell : f32, !llvm.ptr
    %back = llvm.load volatile %cell : !llvm.ptr -> f32
)");
  CudaOptions options;
  options.cubins = {80};
  EXPECT_TRUE(failed(compile("module {" + text + "}", options)));
  EXPECT_NE(error.find("kernel deep on sm_80 has a stack frame of 256 bytes"), std::string::npos) << error;
}

TEST_F(Ptxas, UnknownArchitectureIsRefused) {
  CudaOptions options;
  options.cubins = {83};
  EXPECT_TRUE(failed(compile("module {" + kernelText("a") + "}", options)));
  EXPECT_NE(error.find("ptxas for sm_83: "), std::string::npos) << error;
}

TEST_F(CudaTarget, AbsentPtxasIsAnErrorWithTheRemedy) {
  CudaOptions options;
  options.cubins = {80};
  options.ptxas = "/nonexistent/ptxas";
  EXPECT_TRUE(failed(compile("module {" + kernelText("a") + "}", options)));
  EXPECT_NE(error.find("'/nonexistent/ptxas' cannot be executed"), std::string::npos) << error;
}

/// compileCuda's error where ptxas is a shell script of these lines.
class BrokenPtxas : public CudaTarget {
protected:
  std::string errorOf(const std::string &script) {
    std::string path = testing::TempDir() + "broken-ptxas." + std::to_string(getpid());
    std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    CudaOptions options;
    options.cubins = {80};
    options.ptxas = path;
    EXPECT_TRUE(failed(compile("module {" + kernelText("a") + "}", options)));
    std::filesystem::remove(path);
    return error;
  }
};

TEST_F(BrokenPtxas, SilentFailureNamesTheStatusAndTheRemedy) {
  std::string text = errorOf("exit 7");
  EXPECT_NE(text.find("ptxas for sm_80 exits with 7 and says nothing"), std::string::npos) << text;
  EXPECT_NE(text.find("INGOT_PTXAS"), std::string::npos) << text;
}

TEST_F(BrokenPtxas, ASignalIsNamed) {
  std::string text = errorOf("kill -9 $$");
  EXPECT_NE(text.find("did not finish: Killed"), std::string::npos) << text;
  EXPECT_NE(text.find("sm_80"), std::string::npos) << text;
}

TEST_F(BrokenPtxas, ItsFirstErrorIsShown) {
  std::string text = errorOf("echo 'ptxas /t/kernels.ptx, line 3; error   : odd' >&2; exit 255");
  EXPECT_NE(text.find("ptxas for sm_80: line 3; error   : odd"), std::string::npos) << text;
}

TEST_F(BrokenPtxas, SuccessWithoutACubinIsAnError) {
  std::string text = errorOf("exit 0");
  EXPECT_NE(text.find("wrote nothing"), std::string::npos) << text;
}

} // namespace
