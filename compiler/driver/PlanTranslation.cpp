#include "compiler/driver/PlanTranslation.h"

#include "dialects/decoder/Decoder.h"
#include "dialects/plan/Plan.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace ingot;

namespace {
class Translation {
public:
  Translation(ModuleOp module, ArrayRef<CompiledCode> code, const PlanFacts &facts)
      : module(module), code(code), facts(facts), plan(std::make_unique<plan::PlanT>()) {}

  std::unique_ptr<plan::PlanT> run() {
    translateFacts();
    translateCode();
    if (failed(translateKernels())) return nullptr;
    translateWeights();
    translateCaches();
    translateBuffers();
    for (auto entry : module.getOps<plan_ir::EntryOp>()) translateEntry(entry);
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

  void translateCode() {
    for (auto [i, compiled] : llvm::enumerate(code)) {
      auto out = std::make_unique<plan::CodeT>();
      out->level = uint32_t(compiled.level);
      plan->code.push_back(std::move(out));
    }
  }

  LogicalResult translateKernels() {
    for (auto kernel : module.getOps<plan_ir::KernelOp>()) {
      auto out = std::make_unique<plan::KernelT>();
      out->name = kernel.getSymName().str();
      out->hash = kernel.getHash();
      out->scratch_bytes = kernel.getScratchBytes();
      for (auto [i, compiled] : llvm::enumerate(code)) {
        auto address = compiled.blob.entry.find(kernel.getSymName());
        if (address == compiled.blob.entry.end())
          return kernel.emitOpError("has no code at level ") << cpu::name(compiled.level);
        out->address.push_back(plan::CodeAddress(i, 0, address->second));
      }
      kernels[kernel.getSymName()] = plan->kernels.size();
      plan->kernels.push_back(std::move(out));
    }
    return success();
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
      weights[weight.getSymName()] = plan->weights.size();
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
      out->type = group.getType().isF16() ? plan::DType::f16 : plan::DType::f32;
      out->window = group.getWindow();
      out->page_tokens = facts.pageTokens;
      out->page_bytes = facts.pageBytes[i];
      plan->cache_groups.push_back(std::move(out));
    }
    plan->q_tile_rows = facts.queryTileRows;
  }

  void translateBuffers() {
    for (auto buffer : module.getOps<plan_ir::BufferOp>()) {
      auto out = std::make_unique<plan::BufferT>();
      out->name = buffer.getSymName().str();
      out->space = plan::Space(buffer.getSpace());
      out->bytes_per_row = buffer.getBytesPerRow();
      out->offset_per_row = buffer.getOffsetPerRow();
      buffers[buffer.getSymName()] = plan->buffers.size();
      plan->buffers.push_back(std::move(out));
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
      s->weight_bytes = step.getWeightBytes();
      s->ops_per_row = step.getOpsPerRow();
      out->steps.push_back(std::move(s));
    }
    bool body = entry.getSpace() == plan_ir::Space::body;
    (body ? plan->body_arena_bytes_per_row : plan->head_arena_bytes_per_row) = entry.getArenaBytesPerRow();
    (body ? plan->body : plan->head) = std::move(out);
  }

  ModuleOp module;
  ArrayRef<CompiledCode> code;
  const PlanFacts &facts;
  std::unique_ptr<plan::PlanT> plan;
  llvm::StringMap<uint32_t> kernels, weights, buffers;
};
} // namespace

std::unique_ptr<plan::PlanT> ingot::translatePlan(ModuleOp module, ArrayRef<CompiledCode> code,
                                                  const PlanFacts &facts) {
  return Translation(module, code, facts).run();
}
