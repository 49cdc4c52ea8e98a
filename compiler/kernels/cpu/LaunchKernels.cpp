// Dispatch of launch regions to their generators.
#include "compiler/kernels/cpu/LaunchKernels.h"
#include "compiler/kernels/cpu/Attend.h"
#include "compiler/kernels/cpu/Epilogue.h"
#include "compiler/kernels/cpu/ExpertLinear.h"
#include "compiler/kernels/cpu/KvLayout.h"
#include "compiler/kernels/cpu/LaunchFrame.h"
#include "compiler/kernels/cpu/Linear.h"
#include "compiler/kernels/cpu/Prepare.h"
#include "compiler/kernels/cpu/RowProgram.h"
#include "compiler/weights/recipe.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace ingot::cpu {

uint64_t LaneKernels::hash(decoder::LaunchOp launch) { return hashLaunch(launch); }
uint64_t LaneKernels::pageTokens() { return kPageTokens; }
uint32_t LaneKernels::queryTileRows() { return kQueryTileRows; }

uint64_t LaneKernels::pageBytes(decoder::CacheGroupOp group) {
  auto layout = KvLayout::of(group);
  return failed(layout) ? 0 : layout->pageBytes();
}

uint64_t LaneKernels::packedBytes(weights::RecipeOp recipe) {
  RankedTensorType type = recipe.getResultType();
  auto pack = recipe.getResult().getDefiningOp<weights::PackOp>();
  if (!pack || pack.getLayout() == weights::LayoutKind::rows)
    return type.getNumElements() * type.getElementTypeBitWidth() / 8;
  auto format = formatOf(type);
  if (!format) return llvm::consumeError(format.takeError()), 0;
  uint64_t rows = type.getRank() == 2 ? type.getDimSize(0) : 1;
  return ingot::packedBytes(*format, rows, type.getShape().back()).value_or(0);
}

std::string LaneKernels::layoutName(weights::RecipeOp recipe) {
  RankedTensorType type = recipe.getResultType();
  auto pack = recipe.getResult().getDefiningOp<weights::PackOp>();
  if (pack && pack.getLayout() == weights::LayoutKind::r16) {
    auto format = formatOf(type);
    if (format) return format->name();
    llvm::consumeError(format.takeError());
  }
  std::string name = "rows.";
  llvm::raw_string_ostream(name) << type.getElementType();
  return name;
}

std::string kernelStem(decoder::LaunchOp launch, uint64_t hash) {
  std::string stem = launch.getName().str();
  for (char &c : stem)
    if (!llvm::isAlnum(c)) c = '_';
  return stem + "_" + llvm::utohexstr(hash, /*LowerCase=*/true, /*Width=*/16);
}

LogicalResult CpuKernels::emit(KernelVariant &variant, Body body) {
  for (auto [level, module] : modules) {
    Emitter e(module, level, variant.kernel);
    auto scratch = body(e);
    if (failed(scratch)) return failure();
    e.finish();
    variant.scratchBytes = *scratch;
  }
  return success();
}

FailureOr<LaunchKernels> LaneKernels::generate(decoder::LaunchOp launch) {
  std::string stem = kernelStem(launch, hash(launch));
  Operation *root = launch.getRoot();
  if (!root) return generateRows(launch, stem);
  if (isa<decoder::ExpertLinearOp>(root)) return generateExperts(launch, stem);
  return isa<decoder::LinearOp>(root) ? generateLinear(launch, stem) : generateAttend(launch, stem);
}

FailureOr<LaunchKernels> LaneKernels::generateRows(decoder::LaunchOp launch, const std::string &stem) {
  auto frame = LaunchFrame::build(launch);
  if (failed(frame)) return failure();
  KernelVariant variant;
  variant.kernel = stem + "_rows";
  if (machine == Machine::cuda) variant.units = columnUnits(*frame);
  if (failed(emit(variant, [&](Emitter &e) { return emitRowProgram(e, *frame, variant.units); }))) return failure();
  LaunchKernels kernels;
  kernels.main.push_back(variant);
  return kernels;
}

// Up to so many rows a second copy of the work costs less than a barrier of about a microsecond.
static uint32_t privateRows(uint64_t cols) { return std::clamp<uint64_t>(4096 / cols, 1, 8); }

FailureOr<LaunchKernels> LaneKernels::generateLinear(decoder::LaunchOp launch, const std::string &stem) {
  auto frame = LaunchFrame::build(launch);
  if (failed(frame)) return failure();
  auto root = cast<decoder::LinearOp>(launch.getRoot());
  auto input = preparedInput(*frame, root);
  if (failed(input)) return failure();
  auto unit = epilogueUnitBlocks(*frame, root);
  if (failed(unit)) return failure();
  frame->layerSlot = frame->preparedSlot + input->exists();

  const WeightView &weight = frame->weight(root.getWeightAttr());
  if (!weight.packed) return root.emitOpError("wants its weight packed in layout r16");
  if (weight.cols != input->cols)
    return root.emitOpError("has ") << input->cols << " input columns for a weight of " << weight.cols;
  LinearShape shape{weight.format, weight.rows, weight.cols, input->int8, *unit};
  LaunchKernels kernels;
  kernels.opsPerRow = weight.rows * weight.cols;
  if (input->exists()) {
    KernelVariant variant;
    variant.kernel = stem + "_prepare";
    auto body = [&](Emitter &e) -> FailureOr<uint64_t> { return emitPrepare(e, *frame, root, *input); };
    if (failed(emit(variant, body))) return failure();
    kernels.prepare.push_back(variant);
    kernels.preparedBytesPerRow = input->bytesPerRow();
    if (machine == Machine::cpu) kernels.preparePrivateRows = privateRows(input->cols);
  }
  for (const LinearVariant &linear : linearVariants(shape, machine)) {
    KernelVariant variant;
    variant.maxRows = linear.maxRows, variant.per = linear.per, variant.streams = linear.streams;
    variant.units = linear.units(shape);
    variant.kernel = stem + "_t" + std::to_string(linear.per) + "s" + std::to_string(linear.streams);
    auto body = [&](Emitter &e) -> FailureOr<uint64_t> {
      LinearOperands operands;
      operands.weights = frame->weightAddress(e, root.getWeightAttr());
      operands.x =
          input->exists() ? e.slotPointer(frame->preparedSlot) : frame->inputRow(e, root.getInput(), e.i64c(0));
      operands.xStride = input->exists() ? input->bytesPerRow() : rowStride(input->cols);
      emitLinear(e, shape, linear, operands, [&](Value token, Value unit, ArrayRef<Value> blocks) {
        emitEpilogue(e, *frame, root, token, unit, blocks);
      });
      return linear.scratchBytes();
    };
    if (failed(emit(variant, body))) return failure();
    kernels.main.push_back(variant);
  }
  return kernels;
}

FailureOr<LaunchKernels> LaneKernels::generateExperts(decoder::LaunchOp launch, const std::string &stem) {
  auto frame = LaunchFrame::build(launch);
  if (failed(frame)) return failure();
  auto root = cast<decoder::ExpertLinearOp>(launch.getRoot());
  auto shape = expertShape(*frame, root);
  if (failed(shape)) return failure();
  LaunchKernels kernels;
  kernels.opsPerRow = shape->slots * shape->linear.rows * shape->linear.cols;
  for (const ExpertVariant &expert : expertVariants(*shape, machine)) {
    KernelVariant variant;
    variant.maxRows = expert.linear.maxRows, variant.per = expert.per(), variant.streams = expert.linear.streams;
    variant.units = expert.units(*shape);
    variant.kernel = stem + (expert.grouped ? "_grouped" : "_s" + std::to_string(expert.linear.streams));
    auto body = [&](Emitter &e) -> FailureOr<uint64_t> {
      emitExpertLinear(e, *frame, root, *shape, expert);
      return expert.scratchBytes();
    };
    if (failed(emit(variant, body))) return failure();
    kernels.main.push_back(variant);
  }
  return kernels;
}

// An attend launch is attend alone: its query an input, its result yielded.
FailureOr<AttendShape> attendShape(const LaunchFrame &frame, decoder::AttendOp root) {
  auto yield = cast<decoder::YieldOp>(root->getBlock()->getTerminator());
  if (!isa<BlockArgument>(root.getQuery()) || root->getNextNode() != yield || &root->getBlock()->front() != root ||
      yield.getValues() != ValueRange{root.getResult()})
    return root.emitOpError("must be alone in its launch on the CPU");
  auto layout = KvLayout::of(root, root.getCacheAttr());
  if (failed(layout)) return failure();
  AttendShape shape;
  shape.kv = *layout;
  shape.heads = root.getHeads();
  shape.scale = root.getScale().convertToFloat(), shape.softcap = root.getSoftcap().convertToFloat();
  shape.window = root.getMask().getWindow();
  if (root.getAlibi()) shape.slopes = root.getAlibi()->vec();
  shape.queryStride = rowStride(LaunchFrame::columns(root.getQuery()));
  shape.resultStride = rowStride(LaunchFrame::columns(root.getResult()));
  if (!shape.slopes.empty() && shape.slopes.size() != shape.heads)
    return root.emitOpError("has ") << shape.slopes.size() << " alibi slopes for " << shape.heads << " heads";
  if (shape.heads % layout->kvHeads || LaunchFrame::columns(root.getQuery()) != shape.heads * layout->keyDim ||
      LaunchFrame::columns(root.getResult()) != shape.heads * layout->valueDim)
    return root.emitOpError("has ") << shape.heads << " heads that do not fit its cache group or its rows";
  if (root.getSinks()) {
    const WeightView &sinks = frame.weight(root.getSinksAttr());
    if (sinks.packed || sinks.format.type != WeightFormat::Type::f32 || sinks.rows * sinks.cols != shape.heads)
      return root.emitOpError("wants its sinks as one plain f32 a head");
  }
  return shape;
}

FailureOr<LaunchKernels> LaneKernels::generateAttend(decoder::LaunchOp launch, const std::string &stem) {
  auto frame = LaunchFrame::build(launch);
  if (failed(frame)) return failure();
  auto root = cast<decoder::AttendOp>(launch.getRoot());
  auto shape = attendShape(*frame, root);
  if (failed(shape)) return failure();
  KernelVariant variant;
  variant.kernel = stem + "_attend";
  variant.grid = GridKind::queryTiles;
  variant.units = shape->kv.kvHeads;
  auto body = [&](Emitter &e) -> FailureOr<uint64_t> {
    AttendOperands operands;
    operands.query = frame->inputRow(e, root.getQuery(), e.i64c(0));
    operands.result = frame->resultRow(e, frame->results[0], e.i64c(0));
    operands.layer = e.slot(frame->layerSlot);
    if (root.getSinks()) operands.sinks = frame->weightAddress(e, root.getSinksAttr());
    emitAttend(e, *shape, operands);
    return attendScratchBytes(*shape);
  };
  if (failed(emit(variant, body))) return failure();
  LaunchKernels kernels;
  kernels.main.push_back(variant);
  return kernels;
}

} // namespace ingot::cpu
