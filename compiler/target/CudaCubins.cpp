// Cubins of all architectures, a process of ptxas each, as many at a time as there are jobs.
#include "compiler/target/CudaStages.h"
#include "compiler/target/Dump.h"
#include "compiler/target/ObjectCache.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/ThreadPool.h"
#include <set>

using namespace mlir;

namespace ingot::cuda {

using cpu::ObjectCache;

namespace {
struct Assembly {
  unsigned sm;
  const PtxText *text;
  Cubin cubin;
  std::string error;
};
} // namespace

/// The text of the highest level that `sm` can run, or null.
static const PtxText *textFor(unsigned sm, ArrayRef<PtxText> texts) {
  const PtxText *best = nullptr;
  for (const PtxText &text : texts)
    if (text.level <= sm) best = &text;
  return best;
}

static std::set<std::string> spillingKernels(const Cubin &cubin) {
  std::set<std::string> names;
  for (const KernelReport &kernel : cubin.kernels)
    if (kernel.spillStores || kernel.spillLoads) names.insert(kernel.kernel);
  return names;
}

/// ptxas spills of its own accord, with registers to spare, to fit more blocks on an SM; asked for one block, it does
/// not.
static std::string withFewerBlocks(StringRef text, const std::set<std::string> &kernels) {
  std::string result;
  bool spills = false;
  for (StringRef line : llvm::split(text, '\n')) {
    StringRef entry = line;
    if (entry.consume_front(".visible .entry "))
      spills = kernels.count(entry.take_until([](char c) { return c == '('; }).str());
    if (spills && line.starts_with(".minnctapersm")) continue;
    result += line.str() + "\n";
    if (spills && line.starts_with(".maxntid")) result += ".minnctapersm 1\n";
  }
  return result;
}

// A cubin that was made before has no report: nobody asks for one while kernels are shared (a report wants them anew).
static llvm::Error assemble(Assembly &work, const Tools &tools, const CudaOptions &options) {
  bool disassemble = options.disassemble || !options.dumpDirectory.empty();
  ObjectCache *cache = disassemble ? nullptr : options.objects;
  ObjectCache::Key key = cache ? ObjectCache::keyOf(work.text->text, 1000 + work.sm) : ObjectCache::Key();
  if (auto known = cache ? cache->find(key) : std::nullopt) {
    work.cubin = {work.sm, {known->begin(), known->end()}, {}, {}};
    return llvm::Error::success();
  }
  auto cubin = assemblePtx(tools, work.text->text, work.sm, disassemble);
  if (!cubin) return cubin.takeError();
  if (auto spilling = spillingKernels(*cubin); !spilling.empty()) {
    cubin = assemblePtx(tools, withFewerBlocks(work.text->text, spilling), work.sm, disassemble);
    if (!cubin) return cubin.takeError();
  }
  for (const KernelReport &kernel : cubin->kernels)
    if (std::string what = complaint(kernel); !what.empty())
      return llvm::createStringError(llvm::inconvertibleErrorCode(), what);
  work.cubin = std::move(*cubin);
  if (cache) cache->insert(key, ObjectCache::Bytes(work.cubin.bytes.begin(), work.cubin.bytes.end()));
  return llvm::Error::success();
}

static LogicalResult dump(Location location, const Cubin &cubin, const CudaOptions &options) {
  if (options.dumpDirectory.empty() || cubin.sass.empty()) return success();
  return writeDump(location, options.dumpDirectory + "/kernels.sm_" + std::to_string(cubin.sm) + ".sass", cubin.sass);
}

FailureOr<std::vector<Cubin>> assembleCubins(Location location, ArrayRef<PtxText> texts, const CudaOptions &options) {
  std::vector<Assembly> work;
  for (unsigned sm : options.cubins) {
    const PtxText *text = textFor(sm, texts);
    if (!text) return emitError(location) << "sm_" << sm << " is too old: CUDA kernels need sm_80 or newer";
    work.push_back({sm, text, {}, {}});
  }
  if (work.empty()) return std::vector<Cubin>();
  llvm::sort(work, [](const Assembly &a, const Assembly &b) { return a.sm < b.sm; });
  auto tools = findTools(options.ptxas);
  if (!tools) return emitError(location) << llvm::toString(tools.takeError());

  llvm::DefaultThreadPool pool(llvm::hardware_concurrency(std::max(1u, options.jobs)));
  for (Assembly &one : work) pool.async([&] { one.error = llvm::toString(assemble(one, *tools, options)); });
  pool.wait();

  std::vector<Cubin> cubins;
  for (Assembly &one : work) {
    if (!one.error.empty()) return emitError(location) << one.error;
    if (failed(dump(location, one.cubin, options))) return failure();
    cubins.push_back(std::move(one.cubin));
  }
  return cubins;
}

} // namespace ingot::cuda
