// How f32 linears cut K, and which kernels they get.
#include "compiler/kernels/cuda/LinearF32.h"
#include "compiler/kernels/cuda/LinearPrepare.h"

using namespace mlir;

namespace ingot::cuda {

// The fewest columns past K; of equal cuts the one with the first stage.
RunCut RunCut::of(uint64_t cols) {
  uint64_t least = (cols + kSplits * kRuns - 1) / (kSplits * kRuns);
  RunCut best{0, 0};
  for (uint32_t stage : {16, 20, 12, 8, 4}) {
    RunCut cut{llvm::alignTo(least, stage), stage};
    if (!best.stage || cut.columns < best.columns) best = cut;
  }
  return best;
}

// A copy of nothing follows no address.
Value FloatLinear::pieceBytes(Emitter &e, Value k) const {
  if (!cut.padded(kernel.shape.cols)) return {};
  Value cols = e.i32c(kernel.shape.cols);
  return e.guarded(e.ult(k, cols), e.shl(e.umin(e.isub(cols, k), e.i32c(4)), 2), e.i32c(0));
}

FailureOr<std::optional<LaunchKernels>> generateFloatLinear(NativeLinear &native, const std::string &stem,
                                                            ModuleOp module) {
  using Result = std::optional<LaunchKernels>;
  cpu::LaunchFrame &frame = native.frame;
  const cpu::WeightView &weight = native.weight();
  decoder::NormOp prologue = native.prologue;
  LinearShape shape{weight.format, weight.rows, weight.cols, Activations::f32, 1, native.unitBlocks};
  RunCut cut = RunCut::of(weight.cols);
  if (prologue && !canPrepare(shape)) return Result();
  for (uint32_t tokens : {1, 8})
    if (!FloatStreamTiling::of(shape, cut, tokens)) return Result();
  frame.layerSlot = frame.preparedSlot + (prologue ? 1 : 0);

  LaunchKernels kernels;
  kernels.opsPerRow = weight.rows * weight.cols;
  FloatLinear linear{{module, frame, native.root, shape}, cut, {}, 0};
  if (prologue) {
    KernelVariant prepare;
    prepare.kernel = stem + "_prepare";
    if (failed(emitLinearPrepare(module, frame, native.root.getInput(), prologue, shape, prepare))) return failure();
    kernels.prepare.push_back(prepare);
    kernels.preparedBytesPerRow = linear.inputStride = shape.preparedBytes();
    linear.input = [&](Emitter &e) { return e.slotPointer(frame.preparedSlot); };
  } else {
    linear.inputStride = cpu::rowStride(weight.cols);
    linear.input = [&](Emitter &e) { return frame.inputRow(e, native.root.getInput(), e.i64c(0)); };
  }
  SmallVector<uint32_t> most{1, 8}; // rows of the variants; the last one's are any
  for (uint32_t tokens : {32, 64})
    if (FloatTileTiling::of(shape, cut, tokens)) most.push_back(tokens);
  for (uint32_t tokens : most) {
    bool tile = tokens > 8;
    KernelVariant variant;
    variant.maxRows = tokens == most.back() ? UINT32_MAX : tokens;
    variant.kernel = stem + (tile ? "_tile" : "_t") + std::to_string(tokens);
    if (failed(tile ? emitFloatTile(linear, *FloatTileTiling::of(shape, cut, tokens), variant)
                    : emitFloatStream(linear, *FloatStreamTiling::of(shape, cut, tokens), variant)))
      return failure();
    kernels.main.push_back(variant);
  }
  return Result(kernels);
}

} // namespace ingot::cuda
