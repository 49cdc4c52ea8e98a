#include "runtime/device/cpu/executor.h"

#include <new>

namespace ingot {

namespace {

template <class Kind> Status place(const Allocator &allocator, Block *memory, Device **device) {
  INGOT_TRY(memory->take(allocator, sizeof(Kind), alignof(Kind) < 64 ? 64 : alignof(Kind), "the device"));
  *device = new (memory->data()) Kind;
  return {};
}

} // namespace

Status DeviceOwner::make(DeviceKind kind, const Artifact &artifact, const Allocator &allocator) {
  if (kind == DeviceKind::automatic) kind = artifact.program(plan::Target::cpu) ? DeviceKind::cpu : DeviceKind::cuda;
  INGOT_TRY(artifact.supports(kind == DeviceKind::cpu ? plan::Target::cpu : plan::Target::cuda));
  if (kind == DeviceKind::cuda)
    return Status::error(Code::unsupported, "this build runs on the CPU only; CUDA is not there yet");
  kind_ = kind;
  return place<CpuExecutor>(allocator, &memory_, &device_);
}

} // namespace ingot
