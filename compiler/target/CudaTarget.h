// From MLIR kernels to PTX text and cubins: lower, optimise, print PTX per kernel, merge, assemble with ptxas.
//
// A kernel is a builtin.module nested in the module given, named [A-Za-z0-9_]+, that holds func, scf, arith, LLVM and
// ptx ops on scalars. Its functions with a `ptx.entry` attribute (dialects/ptx) are entries; their names, which the
// caller keeps unique, go into the text; everything else in the kernel is private to it.
//
// Invariants
//  1. The text depends on the module, the level and LLVM's version, not on the number of jobs.
//  2. Floats are what the ops say: no contraction (add.rn, mul.rn), no flush to zero, div.rn, sqrt.rn.
//  3. Generic pointers are global ones: what a kernel loads, gets or makes of an integer is never an address of shared
//     memory. (Shared memory is ptx.shared's, address space 3.)
//  4. `invariant` loads and ptx.load_nc read what no kernel ever writes (weights, arguments, the batch): they may stand
//     above ptx.griddep_wait, where the grid before this one is still writing. Other loads stay below it.
//  5. No call, no atomic of LLVM, no intrinsic without an instruction: refused with the kernel's name.
//  6. No cubin whose kernels spill, have a stack frame or draw a warning about performance from ptxas.
#pragma once
#include "compiler/target/Ptxas.h"
#include "mlir/IR/BuiltinOps.h"
#include <cstdint>
#include <string>
#include <vector>

namespace ingot::cpu {
class ObjectCache;
}

namespace ingot::cuda {

struct CudaOptions {
  std::vector<unsigned> levels = {80}; // virtual architectures: 80, 90; a text each
  std::vector<unsigned> cubins;        // real architectures; empty: no ptxas is needed
  std::string ptxas;                   // its path; empty: it is looked for (Ptxas.h)
  unsigned jobs = 1;                   // threads that optimise, processes that assemble
  std::string dumpDirectory;           // when set, gets <kernel>.sm_<level>.{mlir,ll,ptx}, kernels.sm_<real>.sass
  bool marks = false;       // PTX says behind an instruction `// guard FILE:LINE` (dialects/ptx/BoundsGuard.h)
  bool disassemble = false; // count instructions for the report, where nvdisasm is there
  cpu::ObjectCache *objects = nullptr; // PTX of kernels and cubins; not used while dumping or marking
};

struct PtxText {
  unsigned level = 0;
  std::string text;
};

struct CudaCode {
  std::vector<PtxText> texts; // ascending levels
  std::vector<Cubin> cubins;  // ascending architectures, each made of the highest level that it can run
};

/// Registers dialects and LLVM IR translations that compileCuda needs.
void registerCudaTarget(mlir::DialectRegistry &registry);

/// `module` stays as it is. Errors are emitted at its location. Thread-safe for modules of different contexts.
mlir::FailureOr<CudaCode> compileCuda(mlir::ModuleOp module, const CudaOptions &options);

} // namespace ingot::cuda
