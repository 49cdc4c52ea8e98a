// ptxas and nvdisasm as child processes: PTX to a cubin, its report a kernel, and counts of instructions in its SASS.
//
// ptxas is looked for in this order: the path given (--ptxas), INGOT_PTXAS, the PATH, CUDA_HOME/bin, the Python package
// nvidia-cuda-nvcc-cu12 in VIRTUAL_ENV, then in a folder `venv` beside one of the folders above this program (where
// tools/setup.sh puts it). nvdisasm (optional) beside ptxas, then likewise with INGOT_NVDISASM.
#pragma once
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ingot::cuda {

struct Tools {
  std::string ptxas;
  std::string nvdisasm; // empty: there is none
};

/// An error says how to get ptxas.
llvm::Expected<Tools> findTools(llvm::StringRef ptxas = "");

/// Instructions of a kernel's machine code.
struct SassCounts {
  unsigned instructions = 0;
  unsigned wideLoads = 0;   // LDG of 16 bytes
  unsigned loads = 0;       // all LDG
  unsigned asyncCopies = 0; // LDGSTS
  unsigned halfMmas = 0;    // HMMA
  unsigned integerMmas = 0; // IMMA
};

/// What ptxas says about a kernel on one architecture.
struct KernelReport {
  std::string kernel;
  unsigned sm = 0;
  unsigned registers = 0, barriers = 0;
  unsigned staticShared = 0; // bytes; what the launch adds is not among them
  unsigned stack = 0, spillStores = 0, spillLoads = 0;
  std::optional<SassCounts> sass; // when nvdisasm is there
};

struct Cubin {
  unsigned sm = 0;
  std::vector<uint8_t> bytes;
  std::vector<KernelReport> kernels; // by name
  std::string sass;                  // nvdisasm's text, when it was asked for
};

/// One run of ptxas; an error has its first message. Thread-safe. Spills and warnings are the caller's to judge.
llvm::Expected<Cubin> assemblePtx(const Tools &tools, llvm::StringRef ptx, unsigned sm, bool disassemble);

/// What forbids a release: spills, a stack frame. Empty: nothing.
std::string complaint(const KernelReport &report);

// For tests.
std::vector<KernelReport> parseReport(llvm::StringRef log, unsigned sm);
void countSass(llvm::StringRef sass, std::vector<KernelReport> &kernels);

} // namespace ingot::cuda
