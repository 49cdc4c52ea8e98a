// From MLIR kernels to one flat, position-independent blob of x86-64 code: lower, optimise, assemble, link in process.
//
// Invariants of a blob (a violation fails the build with the kernel's name)
//  1. No undefined symbol, no dynamic relocation, no .data or .bss, no stack frame over 16 KiB.
//  2. Text and read-only data only, relative to each other: it runs wherever it is mapped on a page boundary.
//  3. The bytes depend on the module, the level and LLVM's version, not on the number of jobs.
#pragma once
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"
#include <cstdint>
#include <string>
#include <vector>

namespace ingot {

namespace cpu {
/// Instruction levels of generated code, numbered as in the artifact. v3: AVX2, FMA, F16C. v4: AVX-512 F, BW, CD, DQ,
/// VL and VNNI.
enum class CpuLevel : uint32_t { v3 = 3, v4 = 4 };
inline const char *name(CpuLevel level) { return level == CpuLevel::v3 ? "v3" : "v4"; }

class ObjectCache;

struct CodegenOptions {
  unsigned jobs = 1;              // threads that optimise and assemble
  std::string dumpDirectory;      // when set, <kernel>.<level>.{mlir,ll,s} are written here
  ObjectCache *objects = nullptr; // not used while dumping
};

struct CodeBlob {
  std::vector<uint8_t> bytes;      // entry points are 64-byte aligned
  llvm::StringMap<uint64_t> entry; // offset of each kernel
};

/// Registers the LLVM IR translations that compileCpu needs, in addition to the dialects of the kernels.
void registerCpuTarget(mlir::DialectRegistry &registry);

/// `module` holds one nested builtin.module a kernel (see Emitter.h), and is lowered in place. Errors are emitted at
/// the module's location. Thread-safe for modules of different contexts; links are serialised inside.
mlir::FailureOr<CodeBlob> compileCpu(mlir::ModuleOp module, CpuLevel level, const CodegenOptions &options);

} // namespace cpu
} // namespace ingot
