#include "runtime/device/cpu/executor.h"
#include "runtime/device/cuda/executor.h"

#include <cstring>
#include <new>

namespace ingot {

namespace {

template <class Kind> Status place(const Allocator &allocator, Block *memory, Device **device) {
  INGOT_TRY(memory->take(allocator, sizeof(Kind), alignof(Kind) < 64 ? 64 : alignof(Kind), "the device"));
  *device = new (memory->data()) Kind;
  return {};
}

} // namespace

Status parse_device(const char *text, DeviceKind *kind) {
  *kind = !text ? DeviceKind::automatic : !strcmp(text, "cpu") ? DeviceKind::cpu : DeviceKind::cuda;
  if (!text || *kind == DeviceKind::cpu || !strcmp(text, "cuda")) return {};
  return Status::error(Code::usage, "'%.40s' is no kind of device: use cpu or cuda", text);
}

Status DeviceOwner::make(DeviceKind kind, const Artifact &artifact, const Allocator &allocator) {
  if (kind == DeviceKind::automatic) kind = artifact.program(plan::Target::cpu) ? DeviceKind::cpu : DeviceKind::cuda;
  INGOT_TRY(artifact.supports(kind == DeviceKind::cpu ? plan::Target::cpu : plan::Target::cuda));
  reset(); // of an open() that failed before
  kind_ = kind;
  return kind == DeviceKind::cpu ? place<CpuExecutor>(allocator, &memory_, &device_)
                                 : place<cuda::CudaExecutor>(allocator, &memory_, &device_);
}

} // namespace ingot
