// Reads what ptxas -v says about its kernels, and counts instructions in what nvdisasm prints.
#include "compiler/target/Ptxas.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace llvm;

namespace ingot::cuda {

/// The number that stands before `what` in a line such as "8 bytes stack frame, 0 bytes spill stores"; else 0.
static unsigned numberBefore(StringRef line, StringRef what) {
  size_t at = line.find(what);
  if (at == StringRef::npos) return 0;
  StringRef head = line.take_front(at).rtrim();
  unsigned number = 0;
  head.substr(head.find_last_not_of("0123456789") + 1).getAsInteger(10, number);
  return number;
}

// ptxas info    : Compiling entry function 'NAME' for 'sm_90'
// ptxas info    : Function properties for NAME
//     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
// ptxas info    : Used 22 registers, used 1 barriers, 128 bytes smem, 380 bytes cmem[0]
std::vector<KernelReport> parseReport(StringRef log, unsigned sm) {
  std::vector<KernelReport> kernels;
  for (StringRef line : split(log, '\n')) {
    auto [head, rest] = line.split("Compiling entry function '");
    if (!rest.empty()) {
      KernelReport &kernel = kernels.emplace_back();
      kernel.kernel = rest.split('\'').first.str(), kernel.sm = sm;
    } else if (kernels.empty()) {
      continue;
    } else if (line.contains("bytes stack frame")) {
      kernels.back().stack = numberBefore(line, " bytes stack frame");
      kernels.back().spillStores = numberBefore(line, " bytes spill stores");
      kernels.back().spillLoads = numberBefore(line, " bytes spill loads");
    } else if (line.contains(": Used ")) {
      kernels.back().registers = numberBefore(line, " registers");
      kernels.back().barriers = numberBefore(line, " barriers");
      kernels.back().staticShared = numberBefore(line, " bytes smem");
    }
  }
  llvm::sort(kernels, [](const KernelReport &a, const KernelReport &b) { return a.kernel < b.kernel; });
  return kernels;
}

/// The mnemonic of a line such as "        /*0030*/              @!P0 LDG.E.128.CONSTANT R8, desc[UR6][R2.64] ;".
static StringRef mnemonicOf(StringRef line) {
  line = line.ltrim();
  if (!line.consume_front("/*")) return "";
  StringRef code = line.split("*/").second.ltrim();
  if (code.starts_with("@")) code = code.split(' ').second.ltrim();
  return code.take_until([](char c) { return c == ' ' || c == ';'; });
}

static void count(StringRef mnemonic, SassCounts &counts) {
  if (mnemonic.empty() || mnemonic == "NOP") return;
  ++counts.instructions;
  if (mnemonic.starts_with("LDG.")) {
    ++counts.loads;
    if (mnemonic.contains(".128")) ++counts.wideLoads;
  }
  if (mnemonic.starts_with("LDGSTS")) ++counts.asyncCopies;
  if (mnemonic.starts_with("HMMA")) ++counts.halfMmas;
  if (mnemonic.starts_with("IMMA")) ++counts.integerMmas;
}

void countSass(StringRef sass, std::vector<KernelReport> &kernels) {
  SassCounts none, *counts = &none;
  for (StringRef line : split(sass, '\n')) {
    StringRef section = line.ltrim();
    if (section.consume_front(".section\t") || section.consume_front(".section ")) {
      StringRef name = section.ltrim().split(',').first;
      counts = &none;
      if (!name.consume_front(".text.")) continue;
      auto kernel = llvm::find_if(kernels, [&](const KernelReport &k) { return k.kernel == name; });
      if (kernel != kernels.end()) counts = &kernel->sass.emplace();
      continue;
    }
    count(mnemonicOf(line), *counts);
  }
}

std::string complaint(const KernelReport &report) {
  std::string where = "kernel " + report.kernel + " on sm_" + std::to_string(report.sm);
  if (report.spillStores || report.spillLoads)
    return where + " spills registers (" + std::to_string(report.spillStores) + " bytes stored, " +
           std::to_string(report.spillLoads) + " loaded)";
  if (report.stack) return where + " has a stack frame of " + std::to_string(report.stack) + " bytes";
  return "";
}

} // namespace ingot::cuda
