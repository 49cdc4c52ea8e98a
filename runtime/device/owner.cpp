#include "runtime/base/cpu.h"
#include "runtime/device/cpu/executor.h"
#include "runtime/device/cuda/executor.h"

#include <cstdlib>
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

Status parse_device(const char *text, DeviceChoice *choice) {
  *choice = !text ? DeviceKind::automatic : !strcmp(text, "cpu") ? DeviceKind::cpu : DeviceKind::cuda;
  if (!text || choice->kind == DeviceKind::cpu || !strcmp(text, "cuda")) return {};
  const char *number = strncmp(text, "cuda:", 5) == 0 ? text + 5 : "";
  size_t digits = strspn(number, "0123456789");
  choice->card = uint32_t(strtoul(number, nullptr, 10));
  if (digits > 0 && digits < 5 && !number[digits]) return {};
  return Status::error(Code::usage, "'%.40s' is no device: use cpu, cuda or cuda:N", text);
}

std::string list_devices() {
  const char *const levels[] = {"too old for Ingot (AVX2 and FMA are needed)", "AVX2 (v3)", "AVX-512 VNNI (v4)"};
  CpuLevel level = detect_cpu().level;
  std::string text = "cpu     " + std::string(levels[level == cpu_level_v4 ? 2 : level == cpu_level_v3]) + ", " +
                     std::to_string(usable_cpus()) + " threads";
  char line[192];
  uint32_t count = 0;
  Status status = cuda::describe_card(0, line, sizeof line, &count);
  if (!status.ok()) return text + "\ncuda    " + status.message();
  for (uint32_t card = 0; card < count && status.ok(); ++card) {
    status = cuda::describe_card(card, line, sizeof line, &count);
    text += "\ncuda:" + std::to_string(card) + "  " + (status.ok() ? line : status.message());
  }
  return text;
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
