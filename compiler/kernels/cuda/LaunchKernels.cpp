// Dispatch of launch regions: native kernels first, else lanes.
#include "compiler/kernels/cuda/LaunchKernels.h"
#include "compiler/kernels/cuda/Attend.h"
#include "compiler/kernels/cuda/ExpertLinear.h"
#include "compiler/kernels/cuda/Linear.h"
#include "compiler/kernels/cuda/Worker.h"

using namespace mlir;

namespace ingot::cuda {

FailureOr<LaunchKernels> CudaKernels::generate(decoder::LaunchOp launch) {
  if (!options.tensorCores) return LaneKernels::generate(launch);
  if (auto attend = dyn_cast_or_null<decoder::AttendOp>(launch.getRoot())) {
    auto frame = cpu::LaunchFrame::build(launch);
    if (failed(frame)) return failure();
    auto shape = cpu::attendShape(*frame, attend);
    if (failed(shape)) return failure();
    if (isTensorAttend(*shape, options.exactActivations)) return generateTensorAttend(*frame, attend, *shape);
  }
  if (isa_and_nonnull<decoder::LinearOp, decoder::ExpertLinearOp>(launch.getRoot())) {
    std::string stem = cpu::kernelStem(launch, hash(launch));
    auto native = isa<decoder::LinearOp>(launch.getRoot())
                      ? generateNativeLinear(launch, stem, module, options.exactActivations)
                      : generateExpertLinear(launch, stem, module, options.exactActivations);
    if (failed(native)) return failure();
    if (*native) return **native;
  }
  return LaneKernels::generate(launch);
}

LogicalResult CudaKernels::emit(KernelVariant &variant, Body body) { return emitWorkers(module, variant, body); }

// Two grids: splits of keys, then their sum. Slots: query, sinks, result, `prepared` (the partial results), layer.
FailureOr<LaunchKernels> CudaKernels::generateTensorAttend(cpu::LaunchFrame &frame, decoder::AttendOp root,
                                                           const cpu::AttendShape &shape) {
  frame.layerSlot = frame.preparedSlot + 1;
  std::string stem = cpu::kernelStem(frame.launch, hash(frame.launch));
  KernelVariant main, finish;
  main.kernel = stem + "_attend", main.grid = GridKind::queryTiles, main.units = shape.kv.kvHeads;
  if (failed(emitTensorAttend(module, main, shape, attendTerms(shape, options.exactActivations), [&](cpu::Emitter &e) {
        return AttendOperands{frame.inputRow(e, root.getQuery(), e.i64c(0)), e.slotPointer(frame.preparedSlot),
                              e.slot(frame.layerSlot)};
      })))
    return failure();
  finish.kernel = stem + "_finish", finish.units = shape.heads;
  if (failed(emit(finish, [&](cpu::Emitter &e) -> FailureOr<uint64_t> {
        emitAttendFinish(e, shape, e.slotPointer(frame.preparedSlot), frame.resultRow(e, frame.results[0], e.i64c(0)),
                         root.getSinks() ? frame.weightAddress(e, root.getSinksAttr()) : cpu::Value());
        return 0;
      })))
    return failure();
  LaunchKernels kernels;
  kernels.main.push_back(main);
  kernels.finish.push_back(finish);
  kernels.partialBytes = attendPartialBytes(shape);
  return kernels;
}

} // namespace ingot::cuda
