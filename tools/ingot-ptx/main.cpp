// ingot-ptx KERNELS.mlir: kernel modules to PTX, for lit tests and for looking at one kernel.
#include "compiler/target/CudaTarget.h"
#include "tools/cli/exit_code.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"

using namespace ingot;

static constexpr const char *help = R"(ingot-ptx: PTX of kernel modules

usage: ingot-ptx KERNELS.mlir [options]     a module of named modules, one a kernel; - reads standard input
  --level 80|90     virtual architecture (80)
  --mark-guards     name bounds guards behind their instructions
  --dump DIR        also write each kernel's MLIR, LLVM IR and PTX there
  --help
)";

static int usage(const llvm::Twine &reason) {
  llvm::errs() << "ingot-ptx: " << reason << "; see --help\n";
  return exit_usage;
}

/// -1: go on.
static int parse(int argc, char **argv, std::string &file, cuda::CudaOptions &options) {
  for (int i = 1; i < argc; ++i) {
    llvm::StringRef name = argv[i];
    if (name == "--help") return llvm::outs() << help, exit_done;
    if (name == "--mark-guards") {
      options.marks = true;
      continue;
    }
    if (!name.starts_with("--")) {
      if (!file.empty()) return usage("one file, please");
      file = name;
      continue;
    }
    if (i + 1 == argc) return usage(name + " needs a value");
    llvm::StringRef value = argv[++i];
    if (name == "--level") {
      if (value != "80" && value != "90") return usage("--level is 80 or 90");
      options.levels = {value == "80" ? 80u : 90u};
    } else if (name == "--dump")
      options.dumpDirectory = value;
    else
      return usage("unknown option " + name);
  }
  return file.empty() ? usage("no file") : -1;
}

int main(int argc, char **argv) {
  std::string file;
  cuda::CudaOptions options;
  if (int code = parse(argc, argv, file, options); code >= 0) return code;
  mlir::DialectRegistry registry;
  cuda::registerCudaTarget(registry);
  mlir::MLIRContext context(registry);
  context.loadAllAvailableDialects();
  auto module = mlir::parseSourceFile<mlir::ModuleOp>(file, &context);
  if (!module) return exit_bad_input;
  auto code = cuda::compileCuda(*module, options);
  if (failed(code)) return exit_bad_input;
  llvm::outs() << code->texts[0].text;
  return exit_done;
}
