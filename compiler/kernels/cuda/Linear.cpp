// Which linears have kernels of their own, and which kernels those on tensor cores get.
#include "compiler/kernels/cuda/Linear.h"
#include "compiler/kernels/cpu/Epilogue.h"
#include "compiler/kernels/cuda/LinearF32.h"
#include "compiler/kernels/cuda/LinearPrepare.h"

using namespace mlir;

namespace ingot::cuda {

Activations activationsOf(const WeightFormat &format) {
  if (format.type == WeightFormat::Type::f32) return Activations::f32;
  return format.type == WeightFormat::Type::bf16 ? Activations::bf16 : Activations::f16;
}

// bf16 has 8 bits of significand, f16 has 11: so many terms hold an f32's 24, or nearly (22).
uint32_t termsOf(Activations activations, bool exact) {
  if (!exact || activations == Activations::int8 || activations == Activations::f32) return 1;
  return activations == Activations::bf16 ? 3 : 2;
}

namespace {
struct Row {
  uint32_t maxRows, tokens;
};
constexpr Row kOne{1, 1}, kFew{8, 8}, kSome{32, 32};

// The one norm in front of the root, or null; false: something else stands there.
bool findPrologue(decoder::LinearOp root, decoder::NormOp &norm) {
  for (Operation &op : *root->getBlock()) {
    if (&op == root) break;
    if (norm) return false;
    norm = dyn_cast<decoder::NormOp>(op);
    if (!norm || norm.getResult() != root.getInput() || norm.getGroups() != 1) return false;
  }
  return isa<BlockArgument>(norm ? norm.getInput() : root.getInput());
}

FailureOr<std::optional<NativeLinear>> open(decoder::LaunchOp launch) {
  using Result = std::optional<NativeLinear>;
  auto root = dyn_cast_or_null<decoder::LinearOp>(launch.getRoot());
  if (!root) return Result();
  auto frame = cpu::LaunchFrame::build(launch);
  if (failed(frame)) return failure();
  const cpu::WeightView &weight = frame->weight(root.getWeightAttr());
  decoder::NormOp prologue;
  if (!weight.packed || !findPrologue(root, prologue)) return Result();
  auto num = launch.getNum();
  bool int8 = num && num->getActivations() == decoder::ActivationKind::int8;
  if (int8 && (!weight.format.isInteger() || num->getGroup() != weight.format.group)) return Result();
  if (weight.cols != cpu::LaunchFrame::columns(root.getInput())) return Result();
  auto unit = cpu::epilogueUnitBlocks(*frame, root);
  if (failed(unit)) return failure();
  return Result(NativeLinear{std::move(*frame), root, prologue, int8, uint32_t(*unit)});
}

FailureOr<std::optional<LaunchKernels>> generateTensorLinear(NativeLinear &linear, const std::string &stem,
                                                             ModuleOp module, bool exactActivations) {
  using Result = std::optional<LaunchKernels>;
  cpu::LaunchFrame &frame = linear.frame;
  const cpu::WeightView &weight = linear.weight();
  Activations activations = linear.int8 ? Activations::int8 : activationsOf(weight.format);
  LinearShape shape{weight.format,    weight.rows, weight.cols, activations, termsOf(activations, exactActivations),
                    linear.unitBlocks};
  if (!canPrepare(shape) || !StreamTiling::of(shape, kOne.tokens) || !StreamTiling::of(shape, kFew.tokens))
    return Result();
  frame.layerSlot = frame.preparedSlot + 1;

  LaunchKernels kernels;
  kernels.opsPerRow = weight.rows * weight.cols;
  kernels.preparedBytesPerRow = shape.preparedBytes();
  KernelVariant prepare;
  prepare.kernel = stem + "_prepare";
  if (failed(emitLinearPrepare(module, frame, linear.root.getInput(), linear.prologue, shape, prepare)))
    return failure();
  kernels.prepare.push_back(prepare);

  LinearKernel kernel{module, frame, linear.root, shape};
  auto tiling = PanelTiling::of(shape);
  for (Row row : {kOne, kFew, kSome}) {
    KernelVariant variant;
    bool last = !tiling && row.tokens == kSome.tokens;
    variant.maxRows = last ? UINT32_MAX : row.maxRows, variant.kernel = stem + "_t" + std::to_string(row.tokens);
    if (failed(emitLinearStream(kernel, *StreamTiling::of(shape, row.tokens), variant))) return failure();
    kernels.main.push_back(variant);
  }
  if (tiling) {
    KernelVariant variant;
    variant.kernel = stem + "_panel" + std::to_string(tiling->tokens);
    if (failed(emitLinearPanel(kernel, *tiling, variant))) return failure();
    kernels.main.push_back(variant);
  }
  return Result(kernels);
}

} // namespace

FailureOr<std::optional<LaunchKernels>> generateNativeLinear(decoder::LaunchOp launch, const std::string &stem,
                                                             ModuleOp module, bool exactActivations) {
  auto linear = open(launch);
  if (failed(linear)) return failure();
  if (!*linear) return std::optional<LaunchKernels>();
  if ((*linear)->weight().format.type == WeightFormat::Type::f32) return generateFloatLinear(**linear, stem, module);
  return generateTensorLinear(**linear, stem, module, exactActivations);
}

} // namespace ingot::cuda
