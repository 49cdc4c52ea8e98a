// The way of a model through the house: import -> infer -> fuse -> quantize -> specialize -> lower -> plan -> write.
#include "compiler/driver/Compile.h"

#include "compiler/artifact/writer.h"
#include "compiler/driver/Backend.h"
#include "compiler/driver/IrDump.h"
#include "compiler/driver/ModelFolder.h"
#include "compiler/driver/PlanTranslation.h"
#include "compiler/import/Import.h"
#include "compiler/target/CudaTarget.h"
#include "compiler/target/Occupancy.h"
#include "compiler/weights/recipe.h"
#include "dialects/decoder/Decoder.h"
#include "dialects/graph/Graph.h"
#include "dialects/graph/NodeLocation.h"
#include "dialects/plan/Plan.h"
#include "passes/fuse/Passes.h"
#include "passes/infer/Passes.h"
#include "passes/lower/Passes.h"
#include "passes/plan/Passes.h"
#include "passes/quantize/Passes.h"
#include "passes/specialize/Passes.h"

using namespace mlir;
using namespace ingot;

static constexpr const char *kCompiler = "ingotc 0.1.0";

// Inputs that are bound before anything is understood; infer decides use_cache_branch (design section 3, C6).
static constexpr const char *kLogitsToKeep[] = {"num_logits_to_keep", "logits_to_keep"};

namespace {
class Compilation {
public:
  explicit Compilation(const CompileOptions &options)
      : options(options), context(registry()),
        handler(&context, [this](mlir::Diagnostic &diagnostic) { return collect(diagnostic); }) {}

  CompileResult run() {
    context.loadAllAvailableDialects();
    context.printOpOnDiagnostic(false); // people see messages, not IR
    result.ok = succeeded(compile());
    result.report.end();
    return std::move(result);
  }

private:
  static DialectRegistry registry() {
    DialectRegistry registry;
    registry.insert<func::FuncDialect, arith::ArithDialect, scf::SCFDialect, LLVM::LLVMDialect, decoder::DecoderDialect,
                    weights::WeightsDialect, plan_ir::PlanDialect, graph::GraphDialect>();
    cpu::registerCpuTarget(registry);
    cuda::registerCudaTarget(registry);
    return registry;
  }

  LogicalResult collect(mlir::Diagnostic &diagnostic) {
    std::string text = diagnostic.str();
    for (mlir::Diagnostic &note : diagnostic.getNotes()) text += "; " + note.str();
    graph::Node node = graph::nodeOf(diagnostic.getLocation());
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error)
      result.errors.push_back({node.name, node.opType, "", text});
    else if (diagnostic.getSeverity() == DiagnosticSeverity::Warning)
      result.warnings.push_back(text);
    return success();
  }

  LogicalResult error(std::string text) {
    result.errors.push_back({"", "", "", std::move(text)});
    return failure();
  }
  LogicalResult error(llvm::Error problem) { return error(llvm::toString(std::move(problem))); }

  void phase(const std::string &name, double fraction) {
    result.report.begin(name);
    if (options.progress) options.progress(name.c_str(), fraction);
  }

  LogicalResult compile() {
    if (failed(find()) || failed(understand())) return failure();
    if (module->getOps<decoder::CacheGroupOp>().empty())
      return error(model.onnx +
                   ": has no attention, so its tokens never meet; a decoder-only language model was expected");
    if (options.check) return success();
    phase("fuse", 0.03);
    if (failed(runPasses("fuse", buildFusePipeline))) return failure();
    readSizes();
    llvm::append_range(result.warnings, dropForeignTokens(tokenizer.facts, facts.vocabSize));
    phase("quantize", 0.04);
    if (failed(quantize())) return failure();
    phase("specialize", 0.08);
    if (failed(runPasses("specialize",
                         [&](OpPassManager &manager) { buildSpecializePipeline(manager, options.maxContext); })))
      return failure();
    for (const std::string &target : options.targets)
      if (failed(buildProgram(target))) return failure();
    phase("write", 0.5);
    return write();
  }

  /// One target's program, from the module that all targets share.
  LogicalResult buildProgram(const std::string &target) {
    std::unique_ptr<Backend> backend =
        (target == "cuda" ? createCudaBackend : createCpuBackend)(options, module->getLoc());
    double begin = 0.09 + 0.41 * programs.size() / options.targets.size(), share = 0.41 / options.targets.size();
    std::string suffix = target == "cpu" ? "" : "-" + target;
    modules.push_back(module->clone());
    ModuleOp clone = *modules.back();
    phase("lower" + suffix, begin);
    if (failed(runPasses("lower" + suffix, clone,
                         [&](OpPassManager &manager) { buildLowerPipeline(manager, backend->generator()); })))
      return failure();
    phase("plan" + suffix, begin + 0.05 * share);
    if (failed(runPasses("plan" + suffix, clone, [&](OpPassManager &manager) {
          buildPlanPipeline(manager, backend->generator(), backend->target());
        })))
      return failure();
    phase("code" + suffix, begin + 0.08 * share);
    auto code = backend->generateCode(result.kernels);
    if (failed(code)) return failure();
    describeKernels(clone);
    programs.push_back({clone, std::move(*code)});
    return readPages(backend->generator());
  }

  /// The KV cache is one for all targets.
  LogicalResult readPages(KernelGenerator &generator) {
    std::vector<uint64_t> bytes;
    for (auto group : module->getOps<decoder::CacheGroupOp>()) bytes.push_back(generator.pageBytes(group));
    bool first = programs.size() == 1;
    if (!first && (facts.pageTokens != generator.pageTokens() || facts.pageBytes != bytes))
      return error("internal error: the targets lay out KV pages differently");
    facts.pageTokens = generator.pageTokens();
    facts.pageBytes = std::move(bytes);
    return success();
  }

  LogicalResult find() {
    phase("import", 0);
    auto found = findModel(options.model);
    if (!found) return error(found.takeError());
    model = *found;
    return success();
  }

  LogicalResult understand() {
    if (failed(import())) return failure();
    phase("infer", 0.02);
    InferOptions infer;
    infer.maxContext = options.maxContext;
    infer.configContext = int64_t(tokenizer.facts.maxContext);
    infer.modelFile = model.onnx;
    return runPasses("infer", [&](OpPassManager &manager) { buildInferPipeline(manager, infer); });
  }

  LogicalResult import() {
    DiagnosticSink sink;
    Builder builder(&context);
    ImportOptions importing{.allowMissingWeights = options.check || !options.withWeights, .bindings = {}};
    for (const char *name : kLogitsToKeep) // 0: all of them
      importing.bindings[name] = DenseElementsAttr::get(RankedTensorType::get({}, builder.getI64Type()), int64_t(0));
    module = importOnnx(model.onnx, context, importing, sink);
    for (ingot::Diagnostic problem : sink.all()) {
      if (problem.node.empty()) problem.text = model.onnx + ": " + problem.text;
      result.errors.push_back(std::move(problem));
    }
    if (!module || !sink.empty()) return failure();
    tokenizer = compileTokenizer(model.folder);
    llvm::append_range(result.warnings, tokenizer.warnings);
    for (const std::string &text : tokenizer.errors) (void)error(text);
    return success(tokenizer.errors.empty());
  }

  LogicalResult runPasses(StringRef phaseName, function_ref<void(OpPassManager &)> build) {
    return runPasses(phaseName, *module, build);
  }

  LogicalResult runPasses(StringRef phaseName, ModuleOp on, function_ref<void(OpPassManager &)> build) {
    PassManager manager(&context);
    build(manager);
    if (failed(manager.run(on))) return failure();
    llvm::Error problem = dump.write(phaseName, on);
    return problem ? error(std::move(problem)) : success();
  }

  void readSizes() {
    auto head = module->lookupSymbol<func::FuncOp>("head");
    facts.hiddenSize = cast<RankedTensorType>(head.getArgumentTypes()[0]).getDimSize(1);
    facts.vocabSize = cast<RankedTensorType>(head.getResultTypes()[0]).getDimSize(1);
  }

  LogicalResult quantize() {
    bool quantised = options.quantize != "none";
    QuantizePhaseOptions phaseOptions;
    phaseOptions.weights = options.quantize;
    phaseOptions.head = !options.quantizeHead.empty() ? options.quantizeHead : quantised ? "int8" : "none";
    phaseOptions.activations = options.activations;
    phaseOptions.cache = !options.kvCache.empty() ? options.kvCache : quantised ? "f16" : "graph";
    phaseOptions.scalesFitF16 = [this](weights::RecipeOp recipe) {
      auto type = scaleTypeOf(recipe.getResult(), sources());
      if (type) return type->isF16();
      (void)error(type.takeError());
      return false;
    };
    if (failed(runPasses("quantize", [&](OpPassManager &manager) { buildQuantizePipeline(manager, phaseOptions); })))
      return failure();
    module->walk([&](decoder::LaunchOp launch) {
      decoder::NumAttr num = launch.getNumAttr();
      if (num && num.getActivations() == decoder::ActivationKind::int8)
        facts.activationFormat = "int8 g" + std::to_string(num.getGroup());
    });
    return success(result.errors.empty());
  }

  SourceFiles &sources() {
    auto absent = options.withWeights ? SourceFiles::Absent::is_an_error : SourceFiles::Absent::reads_as_zeros;
    if (!sourceFiles) sourceFiles = std::make_unique<SourceFiles>(model.onnx, absent);
    return *sourceFiles;
  }

  /// For people: the format that most weight bytes have, and the steps with their floors.
  void describePlan() {
    std::map<std::string, int64_t> bytes;
    for (auto weight : planned().getOps<plan_ir::WeightOp>()) bytes[weight.getLayout().str()] += weight.getSize();
    int64_t most = -1;
    for (auto &[layout, size] : bytes)
      if (size > most) std::tie(most, facts.weightFormat) = std::pair(size, layout);
    planned().walk([&](plan_ir::StepOp step) {
      StringRef entry = plan_ir::stringifySpace(step->getParentOfType<plan_ir::EntryOp>().getSpace());
      result.steps.push_back({entry.str(), step.getName().str(), step.getWeightBytes(), step.getOpsPerRow()});
    });
  }

  /// The plan knows how kernels are launched; with it, how many blocks an SM holds.
  void describeKernels(ModuleOp program) {
    llvm::StringMap<plan_ir::KernelOp> byName;
    program.walk([&](plan_ir::KernelOp kernel) { byName[kernel.getSymName()] = kernel; });
    for (KernelReport &report : result.kernels) {
      plan_ir::KernelOp kernel = byName.lookup(report.kernel);
      if (!kernel) continue;
      report.threads = kernel.getBlockThreads();
      report.sharedBytes += kernel.getSharedBytes();
      report.residentBlocks =
          cuda::residentBlocks(report.architecture, report.threads, report.registers, report.sharedBytes);
    }
  }

  /// The module that says where weights lie: all programs' modules say the same.
  ModuleOp planned() { return programs.front().module; }

  LogicalResult write() {
    facts.name = tokenizer.facts.modelName.empty() ? "unnamed" : tokenizer.facts.modelName;
    facts.licences = readLicences(model);
    facts.weightsLeftOut = !options.withWeights;
    facts.compiler = kCompiler;
    facts.generation = tokenizer.facts;
    describePlan();
    auto plan = translatePlan(programs, facts);
    if (!plan) return failure();
    ArtifactContents contents{std::move(*plan), {}, {}, std::move(tokenizer.tokenizer), std::move(tokenizer.chat)};
    for (CompiledProgram &program : programs)
      for (CompiledCode &code : program.code) contents.code.push_back({code.kind, code.level, std::move(code.bytes)});
    for (auto weight : planned().getOps<plan_ir::WeightOp>()) {
      auto op = cast<weights::RecipeOp>(SymbolTable::lookupSymbolIn(planned(), weight.getRecipeAttr()));
      auto recipe = Recipe::build(op, sources());
      if (!recipe) return error(recipe.takeError());
      contents.weights.push_back(std::move(*recipe));
    }
    contents.zeroWeights = !options.withWeights;
    auto sizes = writeArtifact(contents, options.output, options.jobs, [&](uint64_t done, uint64_t total) {
      if (options.progress) options.progress("write", 0.5 + 0.5 * done / total);
    });
    if (!sizes) return error(sizes.takeError());
    result.artifactBytes = sizes->file;
    result.weightBytes = sizes->weights;
    return success();
  }

  const CompileOptions &options;
  CompileResult result;
  MLIRContext context;
  ScopedDiagnosticHandler handler;
  ModelFolder model;
  CompiledTokenizer tokenizer;
  OwningOpRef<ModuleOp> module;
  SmallVector<OwningOpRef<ModuleOp>> modules; // of the programs
  std::unique_ptr<SourceFiles> sourceFiles;
  std::vector<CompiledProgram> programs;
  PlanFacts facts;
  IrDump dump{options.dumpIr};
};
} // namespace

CompileResult ingot::compileModel(const CompileOptions &options) { return Compilation(options).run(); }
