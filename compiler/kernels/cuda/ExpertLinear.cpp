// Which kernels an expert linear gets: a prepare grid, whose first CTA sorts the products, and the linears' own kernels
// for a product, 8 products of an expert and 32.
#include "compiler/kernels/cuda/ExpertLinear.h"
#include "compiler/kernels/cuda/Linear.h"
#include "compiler/kernels/cuda/LinearF32.h"
#include "compiler/kernels/cuda/LinearPrepare.h"

using namespace mlir;

namespace ingot::cuda {
namespace {

constexpr uint64_t kMostExperts = 4096;

struct Generator {
  ModuleOp module;
  const std::string &stem;
  const cpu::LaunchFrame &frame;
  decoder::ExpertLinearOp root;
  LinearShape shape;
  ExpertTable table;
  RunCut cut = RunCut::of(shape.cols); // of f32 weights
  LaunchKernels kernels = {};

  bool isFloat() const { return shape.activations == Activations::f32; }
  bool fits() const {
    if (table.shape.experts > kMostExperts || !canPrepare(shape)) return false;
    for (uint32_t tokens : {1, 8})
      if (isFloat() ? !FloatStreamTiling::of(shape, cut, tokens) : !StreamTiling::of(shape, tokens)) return false;
    return true;
  }

  // Tokens a tile of many products has, as the tiling allows.
  uint32_t largest() const {
    if (isFloat()) return FloatTileTiling::of(shape, cut, 32) ? 32 : 8;
    return StreamTiling::of(shape, 32)->tokens;
  }

  LogicalResult prepare(uint32_t maxRows, uint32_t tokens) {
    KernelVariant variant;
    variant.maxRows = maxRows, variant.kernel = stem + "_prepare" + std::to_string(tokens);
    PrepareExtra extra;
    extra.parts = table.parts();
    if (tokens > 1) {
      extra.sharedBytes = expertSortBytes(table, prepareThreads(shape));
      extra.first = [&](TensorEmitter &m, uint32_t threads) {
        Emitter &e = m.e;
        Value target = table.table(m, m.global(e.slotPointer(frame.preparedSlot)));
        Value indices = m.global(frame.inputRow(e, root.getIndices(), e.i64c(0)));
        emitExpertSort(m, table, indices, target, tokens, threads);
      };
    }
    if (failed(emitLinearPrepare(module, frame, root.getInput(), {}, shape, variant, extra))) return failure();
    kernels.prepare.push_back(variant);
    return success();
  }

  // `tokens` of a tile; 1: of products one by one.
  LogicalResult main(uint32_t maxRows, uint32_t tokens) {
    ExpertItems items(frame, root, table, /*byProduct=*/tokens == 1);
    LinearKernel kernel{module, frame, {}, shape, &items};
    KernelVariant variant;
    variant.maxRows = maxRows, variant.kernel = stem + "_t" + std::to_string(tokens);
    LogicalResult made = success();
    if (isFloat()) {
      FloatLinear linear{kernel, cut, [&](Emitter &e) { return e.slotPointer(frame.preparedSlot); }, table.rowBytes};
      made = tokens > 8 ? emitFloatTile(linear, *FloatTileTiling::of(shape, cut, tokens), variant)
                        : emitFloatStream(linear, *FloatStreamTiling::of(shape, cut, tokens), variant);
    } else {
      made = emitLinearStream(kernel, *StreamTiling::of(shape, tokens == 1 || tokens == 8 ? tokens : 32), variant);
    }
    if (failed(made)) return failure();
    // CTAs for all products and for tiles that are full; those that are not make some CTAs take two.
    uint64_t slots = table.shape.slots;
    variant.per = std::max<uint64_t>(1, tokens / slots);
    variant.units *= std::max<uint64_t>(1, slots / tokens);
    kernels.main.push_back(variant);
    return success();
  }

  // A product an item, tiles of 8 while these are not full on the average, then larger ones.
  LogicalResult generate() {
    const cpu::ExpertShape &experts = table.shape;
    uint32_t most = largest(), least = ExpertTable::kLeastTokens;
    uint32_t some = std::max<uint64_t>(table.few + 1, least * experts.experts / experts.slots);
    kernels.opsPerRow = experts.slots * experts.linear.rows * experts.linear.cols;
    kernels.preparedBytesPerRow = table.parts() * table.rowBytes + table.bytesPerRow();
    SmallVector<std::pair<uint32_t, uint32_t>> steps = {{table.few, 1}, {most > least ? some : UINT32_MAX, least}};
    if (most > least) steps.push_back({UINT32_MAX, most});
    for (auto [maxRows, tokens] : steps)
      if (failed(prepare(maxRows, tokens)) || failed(main(maxRows, tokens))) return failure();
    return success();
  }
};
} // namespace

FailureOr<std::optional<LaunchKernels>> generateExpertLinear(decoder::LaunchOp launch, const std::string &stem,
                                                             ModuleOp module, bool exactActivations) {
  using Result = std::optional<LaunchKernels>;
  auto root = dyn_cast<decoder::ExpertLinearOp>(launch.getRoot());
  if (!root) return Result();
  auto frame = cpu::LaunchFrame::build(launch);
  if (failed(frame)) return failure();
  auto experts = cpu::expertShape(*frame, root);
  if (failed(experts)) return failure();
  const cpu::LinearShape &linear = experts->linear;
  Activations activations = activationsOf(linear.format);
  LinearShape shape{linear.format, linear.blocks() * kBlockRows,           linear.cols,
                    activations,   termsOf(activations, exactActivations), /*unitBlocks=*/1};
  ExpertTable table;
  table.shape = *experts, table.rowBytes = shape.preparedBytes(), table.few = cpu::fewRows(*experts);
  frame->layerSlot = frame->preparedSlot + 1;
  Generator generator{module, stem, *frame, root, shape, table};
  if (!generator.fits()) return Result();
  if (failed(generator.generate())) return failure();
  return Result(generator.kernels);
}

} // namespace ingot::cuda
