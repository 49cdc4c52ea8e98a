// compileCuda: for each level lower all kernels, send each through LLVM on its own thread and context, merge in name
// order.
#include "compiler/target/CudaTarget.h"
#include "compiler/target/CudaStages.h"
#include "compiler/target/Dump.h"
#include "compiler/target/ObjectCache.h"
#include "dialects/ptx/Ptx.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/ThreadPool.h"
#include "llvm/Target/TargetMachine.h"
#include <mutex>

using namespace mlir;

namespace ingot::cuda {

using cpu::ObjectCache;

void registerCudaTarget(DialectRegistry &registry) {
  registry.insert<arith::ArithDialect, func::FuncDialect, scf::SCFDialect, LLVM::LLVMDialect, ptx::PtxDialect>();
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
}

namespace {
// One kernel on its way at one level; either `ptx` or `error` is set at the end.
struct Job {
  ModuleOp module;
  std::string name, ptx, ir, error;
  ObjectCache::Key key = {};
  bool cached = false;
};

struct LevelRun {
  ModuleOp module; // a clone, lowered in place
  unsigned level;
  const CudaOptions &options;
  std::vector<Job> jobs;

  bool dumps() const { return !options.dumpDirectory.empty(); }
  ObjectCache *cache() const { return dumps() || options.marks ? nullptr : options.objects; }
  void takeCached();
  llvm::Error runJob(Job &job, std::mutex &translation) const;
  LogicalResult write(const Job &job, StringRef extension, StringRef text);
  LogicalResult dump();
  FailureOr<std::string> run();
};
} // namespace

/// Jobs whose kernel is known already need neither lowering nor LLVM.
void LevelRun::takeCached() {
  for (Job &job : jobs) {
    std::string text;
    llvm::raw_string_ostream(text) << job.module;
    job.key = ObjectCache::keyOf(text, level);
    auto known = cache()->find(job.key);
    if (!known) continue;
    job.ptx.assign(known->begin(), known->end()), job.cached = true;
    job.module.erase();
  }
}

llvm::Error LevelRun::runJob(Job &job, std::mutex &translation) const {
  auto machine = createTargetMachine(level);
  if (!machine) return machine.takeError();
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> module;
  std::vector<EntryPoint> entries;
  std::vector<std::string> guards;
  {
    std::lock_guard lock(translation); // MLIR's context is shared
    entries = takeEntries(job.module);
    if (options.marks) guards = keepGuards(job.module);
    module = translateModuleToLLVMIR(job.module, context, job.name);
  }
  auto failure = [&](const char *what) {
    return llvm::createStringError(llvm::inconvertibleErrorCode(), "kernel " + job.name + ": " + what);
  };
  if (!module) return failure("cannot be translated to LLVM IR");
  if (entries.empty()) return failure("has no entry (a function with 'ptx.entry')");
  prepare(*module, entries, **machine);
  if (dumps()) llvm::raw_string_ostream(job.ir) << *module;
  if (llvm::Error error = lint(*module)) return error;
  auto text = printPtx(*module, **machine);
  if (!text) return text.takeError();
  job.ptx = options.marks ? markGuards(*text, guards) : std::move(*text);
  return llvm::Error::success();
}

LogicalResult LevelRun::write(const Job &job, StringRef extension, StringRef text) {
  return writeDump(module->getLoc(),
                   options.dumpDirectory + "/" + job.name + ".sm_" + std::to_string(level) + extension.str(), text);
}

LogicalResult LevelRun::dump() {
  for (const Job &job : jobs)
    if (failed(write(job, ".ll", job.ir)) || failed(write(job, ".ptx", job.ptx))) return failure();
  return success();
}

static bool isName(StringRef name) {
  return !name.empty() && llvm::all_of(name, [](char c) { return llvm::isAlnum(c) || c == '_'; });
}

FailureOr<std::string> LevelRun::run() {
  for (auto kernel : module.getOps<ModuleOp>())
    jobs.push_back({kernel, kernel.getName().value_or("").str(), {}, {}, {}});
  llvm::sort(jobs, [](const Job &a, const Job &b) { return a.name < b.name; });
  for (const Job &job : jobs) {
    if (!isName(job.name)) return module.emitError("'") << job.name << "' is no name of a CUDA kernel";
    if (!dumps()) continue;
    std::string text;
    llvm::raw_string_ostream(text) << job.module;
    if (failed(write(job, ".mlir", text))) return failure();
  }
  if (cache()) takeCached();
  if (failed(lowerKernels(module, level)))
    return module.emitError("the kernels cannot be lowered (a bug of the compiler)");

  std::mutex translation;
  llvm::DefaultThreadPool pool(llvm::hardware_concurrency(std::max(1u, options.jobs)));
  for (Job &job : jobs)
    if (!job.cached) pool.async([&] { job.error = llvm::toString(runJob(job, translation)); });
  pool.wait();

  if (dumps() && failed(dump())) return failure();
  std::vector<StringRef> texts;
  for (Job &job : jobs) {
    if (!job.error.empty()) return module.emitError("sm_") << level << ": " << job.error;
    if (cache() && !job.cached) cache()->insert(job.key, ObjectCache::Bytes(job.ptx.begin(), job.ptx.end()));
    texts.push_back(job.ptx);
  }
  return mergePtx(level, texts);
}

FailureOr<CudaCode> compileCuda(ModuleOp module, const CudaOptions &options) {
  if (failed(verify(module))) return failure();
  if (!options.dumpDirectory.empty() && failed(makeDumpFolder(module.getLoc(), options.dumpDirectory)))
    return failure();
  CudaCode code;
  std::vector<unsigned> levels = options.levels;
  llvm::sort(levels);
  for (unsigned level : levels) {
    OwningOpRef<ModuleOp> clone = module.clone();
    auto text = LevelRun{*clone, level, options, {}}.run();
    if (failed(text)) return failure();
    code.texts.push_back({level, std::move(*text)});
  }
  auto cubins = assembleCubins(module.getLoc(), code.texts, options);
  if (failed(cubins)) return failure();
  code.cubins = std::move(*cubins);
  return code;
}

} // namespace ingot::cuda
