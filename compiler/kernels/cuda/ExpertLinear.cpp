// Which kernels an expert linear gets: a prepare grid, whose first CTA sorts the products, and the linears' own kernels
// for a product, 8 products of an expert, 32 and 64.
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

  // The kernels' tokens a tile, ascending. 0: the shape has none of that size.
  uint32_t medium() const {
    if (isFloat()) return FloatTileTiling::of(shape, cut, 32) ? 32 : 0;
    return StreamTiling::of(shape, 32)->tokens;
  }
  uint32_t large() const {
    if (isFloat()) return FloatTileTiling::of(shape, cut, 64) ? 64 : 0;
    auto tiling = PanelTiling::of(shape);
    return tiling ? tiling->tokens : 0;
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
    } else if (tokens > 8 && tokens == large()) {
      made = emitLinearPanel(kernel, *PanelTiling::of(shape), variant);
    } else {
      made = emitLinearStream(kernel, *StreamTiling::of(shape, tokens > 8 ? 32 : tokens), variant);
    }
    if (failed(made)) return failure();
    // CTAs for all products and for tiles that are full; those that are not make some CTAs take two.
    uint64_t slots = table.shape.slots;
    variant.per = std::max<uint64_t>(1, tokens / slots);
    variant.units *= std::max<uint64_t>(1, slots / tokens);
    kernels.main.push_back(variant);
    return success();
  }

  // A product an item; then tiles of a size that is not full on the average, until there is no larger one.
  LogicalResult generate() {
    const cpu::ExpertShape &experts = table.shape;
    kernels.opsPerRow = experts.slots * experts.linear.rows * experts.linear.cols;
    kernels.preparedBytesPerRow = table.parts() * table.rowBytes + table.bytesPerRow();
    SmallVector<uint32_t> sizes = {1, ExpertTable::kLeastTokens};
    for (uint32_t tokens : {medium(), large()})
      if (tokens > sizes.back()) sizes.push_back(tokens);
    uint32_t rows = table.few;
    for (uint32_t tokens : sizes) {
      if (tokens > 1) rows = std::max<uint64_t>(rows + 1, tokens * experts.experts / experts.slots);
      uint32_t maxRows = tokens == sizes.back() ? UINT32_MAX : rows;
      if (failed(prepare(maxRows, tokens)) || failed(main(maxRows, tokens))) return failure();
    }
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
