#include "compiler/driver/PlanTranslation.h"

#include "dialects/decoder/Decoder.h"
#include "dialects/plan/Plan.h"

using namespace mlir;
using namespace ingot;

static LogicalResult fits32(Operation *op, int64_t value, StringRef what) {
  if (value >= 0 && value <= int64_t(UINT32_MAX)) return success();
  return op->emitOpError("has ") << what << " " << value << ", which does not fit the artifact";
}

namespace {
/// The tables of one program.
class ProgramTranslation {
public:
  ProgramTranslation(ModuleOp module, ArrayRef<CompiledCode> code)
      : op(*module.getOps<plan_ir::ProgramOp>().begin()), code(code), program(std::make_unique<plan::ProgramT>()) {
    for (auto [i, weight] : llvm::enumerate(module.getOps<plan_ir::WeightOp>())) weights[weight.getSymName()] = i;
  }

  std::unique_ptr<plan::ProgramT> run() {
    program->target = plan::Target(op.getTarget());
    program->q_tile_rows = op.getQTileRows();
    for (const CompiledCode &compiled : code) {
      program->code.push_back(std::make_unique<plan::CodeT>());
      program->code.back()->level = compiled.level;
    }
    for (auto kernel : op.getBody().getOps<plan_ir::KernelOp>())
      if (failed(translateKernel(kernel))) return nullptr;
    translateBuffers();
    for (auto entry : op.getBody().getOps<plan_ir::EntryOp>()) translateEntry(entry);
    return std::move(program);
  }

private:
  LogicalResult translateKernel(plan_ir::KernelOp kernel) {
    auto out = std::make_unique<plan::KernelT>();
    out->name = kernel.getSymName().str();
    out->hash = kernel.getHash();
    out->scratch_bytes = kernel.getScratchBytes();
    if (failed(fits32(kernel, kernel.getBlockThreads(), "threads")) ||
        failed(fits32(kernel, kernel.getBlockItems(), "items a CTA")) ||
        failed(fits32(kernel, kernel.getSharedBytes(), "bytes of shared memory")))
      return failure();
    out->block_threads = kernel.getBlockThreads();
    out->block_items = kernel.getBlockItems();
    out->shared_bytes = kernel.getSharedBytes();
    if (op.getTarget() == plan_ir::Target::cpu && failed(translateAddresses(kernel, *out))) return failure();
    kernels[kernel.getSymName()] = program->kernels.size();
    program->kernels.push_back(std::move(out));
    return success();
  }

  LogicalResult translateAddresses(plan_ir::KernelOp kernel, plan::KernelT &out) {
    for (auto [i, compiled] : llvm::enumerate(code)) {
      auto address = compiled.entry.find(kernel.getSymName());
      if (address == compiled.entry.end()) return kernel.emitOpError("has no code at level v") << compiled.level;
      out.address.push_back(plan::CodeAddress(i, 0, address->second));
    }
    return success();
  }

  void translateBuffers() {
    for (auto buffer : op.getBody().getOps<plan_ir::BufferOp>()) {
      auto out = std::make_unique<plan::BufferT>();
      out->name = buffer.getSymName().str();
      out->space = plan::Space(buffer.getSpace());
      out->bytes_per_row = buffer.getBytesPerRow();
      out->offset_per_row = buffer.getOffsetPerRow();
      buffers[buffer.getSymName()] = program->buffers.size();
      program->buffers.push_back(std::move(out));
    }
  }

  std::vector<std::unique_ptr<plan::VariantT>> translateVariants(ArrayAttr variants) {
    std::vector<std::unique_ptr<plan::VariantT>> list;
    for (auto variant : variants.getAsRange<plan_ir::VariantAttr>()) {
      auto out = std::make_unique<plan::VariantT>();
      out->max_rows = variant.getMaxRows();
      out->kernel = kernels.lookup(variant.getKernel().getValue());
      out->grid = plan::Grid(variant.getGrid());
      out->units = variant.getUnits();
      out->per = variant.getPer();
      out->streams = variant.getStreams();
      list.push_back(std::move(out));
    }
    return list;
  }

  std::unique_ptr<plan::BindingT> translateBinding(plan_ir::BindingAttr binding) {
    auto out = std::make_unique<plan::BindingT>();
    out->kind = plan::BindingKind(binding.getKind());
    out->value = binding.getValue();
    if (binding.getKind() == plan_ir::BindingKind::buffer) out->index = buffers.lookup(binding.getSymbol().getValue());
    if (binding.getKind() == plan_ir::BindingKind::weight) out->index = weights.lookup(binding.getSymbol().getValue());
    return out;
  }

  void translateEntry(plan_ir::EntryOp entry) {
    auto out = std::make_unique<plan::EntryT>();
    out->space = plan::Space(entry.getSpace());
    for (auto step : entry.getBody().getOps<plan_ir::StepOp>()) {
      auto s = std::make_unique<plan::StepT>();
      s->name = step.getName().str();
      for (auto binding : step.getBindings().getAsRange<plan_ir::BindingAttr>())
        s->bindings.push_back(translateBinding(binding));
      s->prepare = translateVariants(step.getPrepare());
      s->prepared_bytes_per_row = step.getPreparedBytesPerRow();
      s->prepare_private_rows = step.getPreparePrivateRows();
      s->main = translateVariants(step.getMain());
      if (step.getFinish()) s->finish = translateVariants(*step.getFinish());
      s->partial_bytes = step.getPartialBytes();
      s->weight_bytes = step.getWeightBytes();
      s->ops_per_row = step.getOpsPerRow();
      out->steps.push_back(std::move(s));
    }
    bool body = entry.getSpace() == plan_ir::Space::body;
    (body ? program->body_arena_bytes_per_row : program->head_arena_bytes_per_row) = entry.getArenaBytesPerRow();
    (body ? program->body : program->head) = std::move(out);
  }

  plan_ir::ProgramOp op;
  ArrayRef<CompiledCode> code;
  std::unique_ptr<plan::ProgramT> program;
  llvm::StringMap<uint32_t> kernels, weights, buffers;
};

/// What the programs share.
class Translation {
public:
  Translation(ModuleOp module, const PlanFacts &facts)
      : module(module), facts(facts), plan(std::make_unique<plan::PlanT>()) {}

  std::unique_ptr<plan::PlanT> run() {
    translateFacts();
    translateWeights();
    translateCaches();
    return std::move(plan);
  }

private:
  void translateFacts() {
    auto limits = *module.getOps<decoder::LimitsOp>().begin();
    auto out = std::make_unique<plan::FactsT>();
    out->name = facts.name;
    out->compiler = facts.compiler;
    out->max_context = limits.getMaxContext();
    out->max_new_per_sequence = limits.getMaxNewPerSequence();
    for (auto name : limits.getRelaxations().getAsValueRange<StringAttr>()) out->relaxations.push_back(name.str());
    out->numerics = "exact";
    out->weight_format = facts.weightFormat;
    out->activation_format = facts.activationFormat;
    out->licences = facts.licences;
    out->weights_left_out = facts.weightsLeftOut;
    out->vocab_size = facts.vocabSize;
    out->hidden_size = facts.hiddenSize;
    for (auto group : module.getOps<decoder::CacheGroupOp>()) out->layers += group.getLayers();
    const GenerationFacts &generation = facts.generation;
    out->tokens = std::make_unique<plan::TokenFactsT>();
    out->tokens->bos = generation.bos;
    out->tokens->pad = generation.pad;
    out->tokens->eos = generation.eos;
    out->tokens->add_bos = generation.addBos;
    out->sampling = std::make_unique<plan::SamplingFactsT>();
    out->sampling->present = generation.sampling;
    out->sampling->temperature = generation.temperature;
    out->sampling->top_k = generation.topK;
    out->sampling->top_p = generation.topP;
    out->sampling->min_p = generation.minP;
    out->sampling->repetition_penalty = generation.repetitionPenalty;
    plan->facts = std::move(out);
  }

  void translateWeights() {
    for (auto weight : module.getOps<plan_ir::WeightOp>()) {
      auto out = std::make_unique<plan::WeightT>();
      out->name = weight.getRecipe().str();
      out->layout = weight.getLayout().str();
      out->offset = weight.getOffset();
      out->size = weight.getSize();
      out->rows = weight.getRows();
      out->cols = weight.getCols();
      plan->weights.push_back(std::move(out));
    }
  }

  void translateCaches() {
    for (auto [i, group] : llvm::enumerate(module.getOps<decoder::CacheGroupOp>())) {
      auto out = std::make_unique<plan::CacheGroupT>();
      out->name = group.getSymName().str();
      out->layers = group.getLayers();
      out->kv_heads = group.getKvHeads();
      out->key_dim = group.getKeyDim();
      out->value_dim = group.getValueDim();
      out->type = group.getType().isF32()   ? plan::DType::f32
                  : group.getType().isF16() ? plan::DType::f16
                                            : plan::DType::bf16;
      out->window = group.getWindow();
      out->page_tokens = facts.pageTokens;
      out->page_bytes = facts.pageBytes[i];
      plan->cache_groups.push_back(std::move(out));
    }
  }

  ModuleOp module;
  const PlanFacts &facts;
  std::unique_ptr<plan::PlanT> plan;
};
} // namespace

/// All programs read one weights segment.
static LogicalResult verifyShared(ModuleOp first, ModuleOp other) {
  auto left = first.getOps<plan_ir::WeightOp>(), right = other.getOps<plan_ir::WeightOp>();
  auto same = [](plan_ir::WeightOp a, plan_ir::WeightOp b) { return a->getAttrDictionary() == b->getAttrDictionary(); };
  if (std::equal(left.begin(), left.end(), right.begin(), right.end(), same)) return success();
  return other.emitError("internal error: the targets place the weights differently");
}

std::unique_ptr<plan::PlanT> ingot::translatePlan(ArrayRef<CompiledProgram> programs, const PlanFacts &facts) {
  std::unique_ptr<plan::PlanT> plan = Translation(programs.front().module, facts).run();
  for (const CompiledProgram &compiled : programs) {
    if (failed(verifyShared(programs.front().module, compiled.module))) return nullptr;
    plan->programs.push_back(ProgramTranslation(compiled.module, compiled.code).run());
    if (!plan->programs.back()) return nullptr;
  }
  return plan;
}
