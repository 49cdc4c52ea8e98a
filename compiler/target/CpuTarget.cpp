// compileCpu: lower all kernels, send each through LLVM on its own thread and context, link in name order.
#include "compiler/target/CpuTarget.h"
#include "compiler/target/CpuStages.h"
#include "compiler/target/Dump.h"
#include "compiler/target/ObjectCache.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/ThreadPool.h"
#include "llvm/Target/TargetMachine.h"
#include <mutex>

using namespace mlir;

namespace ingot::cpu {

void registerCpuTarget(DialectRegistry &registry) {
  registry.insert<arith::ArithDialect, func::FuncDialect, scf::SCFDialect, LLVM::LLVMDialect>();
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
}

namespace {
// One kernel on its way; either `object` or `error` is set at the end.
struct Job {
  ModuleOp module;
  std::string name;
  ObjectFile object;
  std::string error;
  ObjectCache::Key key = {};
  bool cached = false;
};
} // namespace

static llvm::Error runJob(Job &job, CpuLevel level, bool dump, std::mutex &translation) {
  auto machine = createTargetMachine(level);
  if (!machine) return machine.takeError();
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> module;
  {
    std::lock_guard lock(translation); // MLIR's context is shared
    module = translateModuleToLLVMIR(job.module, context, job.name);
  }
  if (!module) return llvm::createStringError("kernel " + job.name + ": cannot be translated to LLVM IR");
  auto object = assemble(*module, **machine, level, dump);
  if (!object) return object.takeError();
  job.object = std::move(*object);
  return llvm::Error::success();
}

static LogicalResult writeText(ModuleOp module, const CodegenOptions &options, CpuLevel level, StringRef name,
                               StringRef extension, StringRef text) {
  return writeDump(module.getLoc(), (options.dumpDirectory + "/" + name + "." + cpu::name(level) + extension).str(),
                   text);
}

static LogicalResult dumpJob(ModuleOp module, const Job &job, const CodegenOptions &options, CpuLevel level) {
  return success(succeeded(writeText(module, options, level, job.name, ".ll", job.object.ir)) &&
                 succeeded(writeText(module, options, level, job.name, ".s", job.object.assembly)));
}

static LogicalResult dumpModules(ModuleOp module, ArrayRef<Job> jobs, const CodegenOptions &options, CpuLevel level) {
  if (failed(makeDumpFolder(module.getLoc(), options.dumpDirectory))) return failure();
  for (const Job &job : jobs) {
    std::string text;
    llvm::raw_string_ostream(text) << job.module;
    if (failed(writeText(module, options, level, job.name, ".mlir", text))) return failure();
  }
  return success();
}

/// Jobs whose kernel is known already need neither lowering nor LLVM.
static void takeCached(std::vector<Job> &jobs, CpuLevel level, ObjectCache &cache) {
  for (Job &job : jobs) {
    std::string text;
    llvm::raw_string_ostream(text) << job.module;
    job.key = ObjectCache::keyOf(text, level);
    auto known = cache.find(job.key);
    if (!known) continue;
    job.object.name = job.name, job.object.bytes = std::move(*known), job.cached = true;
    job.module.erase();
  }
}

FailureOr<CodeBlob> compileCpu(ModuleOp module, CpuLevel level, const CodegenOptions &options) {
  std::vector<Job> jobs;
  for (auto kernel : module.getOps<ModuleOp>())
    jobs.push_back({kernel, kernel.getName().value_or("").str(), {}, {}, {}, false});
  llvm::sort(jobs, [](const Job &a, const Job &b) { return a.name < b.name; });
  bool dump = !options.dumpDirectory.empty();
  if (dump && failed(dumpModules(module, jobs, options, level))) return failure();
  ObjectCache *cache = dump ? nullptr : options.objects;
  if (cache) takeCached(jobs, level, *cache);
  if (failed(lowerKernels(module))) return module.emitError("the kernels cannot be lowered (a bug of the compiler)");

  std::mutex translation;
  llvm::DefaultThreadPool pool(llvm::hardware_concurrency(std::max(1u, options.jobs)));
  for (Job &job : jobs)
    if (!job.cached) pool.async([&] { job.error = llvm::toString(runJob(job, level, dump, translation)); });
  pool.wait();

  std::vector<ObjectFile> objects;
  for (Job &job : jobs) {
    if (!job.error.empty()) return module.emitError(name(level)) << ": " << job.error;
    if (dump && failed(dumpJob(module, job, options, level))) return failure();
    if (cache && !job.cached) cache->insert(job.key, job.object.bytes);
    objects.push_back(std::move(job.object));
  }
  auto blob = linkObjects(objects);
  if (!blob) return module.emitError(name(level)) << ": " << llvm::toString(blob.takeError());
  return std::move(*blob);
}

} // namespace ingot::cpu
