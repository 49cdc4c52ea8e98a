// Texts of kernels, each a module of its own, become one module: one header, and one declaration of the launch's
// dynamic shared memory. All other names are the kernels' own (CudaModule.cpp); labels and registers are local to their
// entry. LLVM has unrolled what deserves it: ptxas, left to itself, unrolls main loops in full and spills.
#include "compiler/target/CudaStages.h"

#include "llvm/ADT/StringExtras.h"

using namespace llvm;

namespace ingot::cuda {

static bool isHeader(StringRef line) {
  return line.starts_with(".version") || line.starts_with(".target") || line.starts_with(".address_size");
}
static bool isComment(StringRef line) { return line.ltrim().starts_with("//"); }

std::string mergePtx(unsigned level, ArrayRef<StringRef> kernels) {
  std::string text = ".version 8.0\n.target sm_" + std::to_string(level) + "\n.address_size 64\n";
  bool shared = false;
  std::string body;
  for (StringRef kernel : kernels)
    for (StringRef line : split(kernel, '\n')) {
      if (line.trim().empty() || isHeader(line) || isComment(line)) continue;
      if (line.starts_with(".extern .shared")) {
        if (!shared) text += line.str() + "\n";
        shared = true;
        continue;
      }
      bool marked = line.contains(guardMark);
      body += (marked ? line : line.split("//").first).rtrim().str() + "\n";
      if (line.starts_with(".maxntid")) body += ".pragma \"nounroll\";\n";
    }
  return text + body;
}

} // namespace ingot::cuda
