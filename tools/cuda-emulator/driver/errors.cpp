// Tables of errors.
#include "tools/cuda-emulator/driver/errors.h"

namespace ingot::emulator {
using namespace cuda;

namespace {
struct Text {
  CUresult error;
  const char *name, *text;
};
#define INGOT_ERROR(error, text) {error, #error, text}
constexpr Text texts[] = {
    INGOT_ERROR(CUDA_SUCCESS, "no error"),
    INGOT_ERROR(CUDA_ERROR_INVALID_VALUE, "invalid argument"),
    INGOT_ERROR(CUDA_ERROR_OUT_OF_MEMORY, "out of memory"),
    INGOT_ERROR(CUDA_ERROR_NOT_INITIALIZED, "initialization error"),
    INGOT_ERROR(CUDA_ERROR_DEINITIALIZED, "driver shutting down"),
    INGOT_ERROR(CUDA_ERROR_STUB_LIBRARY, "CUDA driver is a stub library"),
    INGOT_ERROR(CUDA_ERROR_DEVICE_UNAVAILABLE, "CUDA-capable device(s) is/are busy or unavailable"),
    INGOT_ERROR(CUDA_ERROR_NO_DEVICE, "no CUDA-capable device is detected"),
    INGOT_ERROR(CUDA_ERROR_INVALID_DEVICE, "invalid device ordinal"),
    INGOT_ERROR(CUDA_ERROR_INVALID_IMAGE, "device kernel image is invalid"),
    INGOT_ERROR(CUDA_ERROR_INVALID_CONTEXT, "invalid device context"),
    INGOT_ERROR(CUDA_ERROR_NO_BINARY_FOR_GPU, "no kernel image is available for execution on the device"),
    INGOT_ERROR(CUDA_ERROR_ECC_UNCORRECTABLE, "uncorrectable ECC error encountered"),
    INGOT_ERROR(CUDA_ERROR_INVALID_PTX, "a PTX JIT compilation failed"),
    INGOT_ERROR(CUDA_ERROR_JIT_COMPILER_NOT_FOUND, "PTX JIT compiler library not found"),
    INGOT_ERROR(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, "the provided PTX was compiled with an unsupported toolchain."),
    INGOT_ERROR(CUDA_ERROR_JIT_COMPILATION_DISABLED, "PTX JIT compilation was disabled"),
    INGOT_ERROR(CUDA_ERROR_INVALID_SOURCE, "device kernel image is invalid"),
    INGOT_ERROR(CUDA_ERROR_OPERATING_SYSTEM, "OS call failed or operation not supported on this OS"),
    INGOT_ERROR(CUDA_ERROR_INVALID_HANDLE, "invalid resource handle"),
    INGOT_ERROR(CUDA_ERROR_ILLEGAL_STATE, "the operation cannot be performed in the present state"),
    INGOT_ERROR(CUDA_ERROR_NOT_FOUND, "named symbol not found"),
    INGOT_ERROR(CUDA_ERROR_NOT_READY, "device not ready"),
    INGOT_ERROR(CUDA_ERROR_ILLEGAL_ADDRESS, "an illegal memory access was encountered"),
    INGOT_ERROR(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "too many resources requested for launch"),
    INGOT_ERROR(CUDA_ERROR_LAUNCH_TIMEOUT, "the launch timed out and was terminated"),
    INGOT_ERROR(CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE, "cannot set while device is active in this process"),
    INGOT_ERROR(CUDA_ERROR_CONTEXT_IS_DESTROYED, "context is destroyed"),
    INGOT_ERROR(CUDA_ERROR_ASSERT, "device-side assert triggered"),
    INGOT_ERROR(CUDA_ERROR_HARDWARE_STACK_ERROR, "hardware stack error"),
    INGOT_ERROR(CUDA_ERROR_ILLEGAL_INSTRUCTION, "an illegal instruction was encountered"),
    INGOT_ERROR(CUDA_ERROR_MISALIGNED_ADDRESS, "misaligned address"),
    INGOT_ERROR(CUDA_ERROR_INVALID_ADDRESS_SPACE, "operation not supported on global/shared address space"),
    INGOT_ERROR(CUDA_ERROR_INVALID_PC, "invalid program counter"),
    INGOT_ERROR(CUDA_ERROR_LAUNCH_FAILED, "unspecified launch failure"),
    INGOT_ERROR(CUDA_ERROR_NOT_PERMITTED, "operation not permitted"),
    INGOT_ERROR(CUDA_ERROR_NOT_SUPPORTED, "operation not supported"),
    INGOT_ERROR(CUDA_ERROR_SYSTEM_NOT_READY, "system not yet initialized"),
    INGOT_ERROR(CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, "system has unsupported display driver / cuda driver combination"),
    INGOT_ERROR(CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE, "forward compatibility was attempted on non supported HW"),
    INGOT_ERROR(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "operation not permitted when stream is capturing"),
    INGOT_ERROR(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "operation failed due to a previous error during capture"),
    INGOT_ERROR(CUDA_ERROR_STREAM_CAPTURE_MERGE, "operation would result in a merge of separate capture sequences"),
    INGOT_ERROR(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, "capture was not ended in the same stream as it began"),
    INGOT_ERROR(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, "capturing stream has unjoined work"),
    INGOT_ERROR(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, "dependency created on uncaptured work in another stream"),
    INGOT_ERROR(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, "operation would make the legacy stream depend on a capturing one"),
    INGOT_ERROR(CUDA_ERROR_CAPTURED_EVENT, "operation not permitted on an event last recorded in a capturing stream"),
    INGOT_ERROR(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD,
                "attempt to terminate a thread-local capture sequence from another thread"),
    INGOT_ERROR(CUDA_ERROR_INVALID_CLUSTER_SIZE, "cluster misconfiguration"),
    INGOT_ERROR(CUDA_ERROR_UNKNOWN, "unknown error"),
};
#undef INGOT_ERROR

const Text *find(CUresult error) {
  for (const Text &text : texts)
    if (text.error == error) return &text;
  return nullptr;
}
} // namespace

const char *error_name(CUresult error) {
  const Text *text = find(error);
  return text ? text->name : nullptr;
}

const char *error_text(CUresult error) {
  const Text *text = find(error);
  return text ? text->text : nullptr;
}

CUresult plausible_error(Call call) {
  switch (call) {
  case Call::cuInit:
  case Call::cuDeviceGetCount:
    return CUDA_ERROR_NO_DEVICE;
  case Call::cuDriverGetVersion:
  case Call::cuGetErrorName:
  case Call::cuGetErrorString:
    return CUDA_ERROR_INVALID_VALUE;
  case Call::cuDeviceGet:
  case Call::cuDeviceGetName:
  case Call::cuDeviceGetAttribute:
  case Call::cuDeviceTotalMem_v2:
    return CUDA_ERROR_INVALID_DEVICE;
  case Call::cuDevicePrimaryCtxSetFlags_v2:
    return CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE;
  case Call::cuCtxSetCurrent:
    return CUDA_ERROR_INVALID_CONTEXT;
  case Call::cuDevicePrimaryCtxRetain:
  case Call::cuMemAlloc_v2:
  case Call::cuMemHostAlloc:
  case Call::cuStreamCreate:
  case Call::cuEventCreate:
  case Call::cuGraphInstantiateWithFlags:
    return CUDA_ERROR_OUT_OF_MEMORY;
  case Call::cuModuleLoadDataEx:
    return CUDA_ERROR_INVALID_PTX;
  case Call::cuModuleGetFunction:
    return CUDA_ERROR_NOT_FOUND;
  case Call::cuFuncSetAttribute:
  case Call::cuFuncGetAttribute:
  case Call::cuOccupancyMaxActiveBlocksPerMultiprocessor:
    return CUDA_ERROR_INVALID_VALUE;
  case Call::cuLaunchKernelEx:
    return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
  case Call::cuStreamBeginCapture_v2:
    return CUDA_ERROR_ILLEGAL_STATE;
  case Call::cuStreamEndCapture:
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  default:
    return CUDA_ERROR_LAUNCH_FAILED; // copies, synchronising and destroying calls: an earlier launch's failure
  }
}

CUresult error_of(const Fault &fault) {
  switch (fault.kind) {
  case Fault::none:
    return CUDA_SUCCESS;
  case Fault::launch:
    return CUDA_ERROR_INVALID_VALUE;
  case Fault::out_of_bounds:
    return CUDA_ERROR_ILLEGAL_ADDRESS;
  case Fault::misaligned:
    return CUDA_ERROR_MISALIGNED_ADDRESS;
  case Fault::illegal:
    return CUDA_ERROR_ILLEGAL_INSTRUCTION;
  case Fault::timeout:
  case Fault::cancelled:
    return CUDA_ERROR_LAUNCH_TIMEOUT;
  default:
    return CUDA_ERROR_LAUNCH_FAILED;
  }
}

bool is_sticky(CUresult error) {
  return error == CUDA_ERROR_ILLEGAL_ADDRESS || error == CUDA_ERROR_LAUNCH_TIMEOUT || error == CUDA_ERROR_ASSERT ||
         error == CUDA_ERROR_ECC_UNCORRECTABLE ||
         (error >= CUDA_ERROR_HARDWARE_STACK_ERROR && error <= CUDA_ERROR_LAUNCH_FAILED);
}

bool destroys(Call call) {
  switch (call) {
  case Call::cuDevicePrimaryCtxRelease_v2:
  case Call::cuMemFree_v2:
  case Call::cuMemFreeHost:
  case Call::cuStreamDestroy_v2:
  case Call::cuEventDestroy_v2:
  case Call::cuModuleUnload:
  case Call::cuStreamEndCapture: // ends the capture, gives no graph
  case Call::cuGraphExecDestroy:
  case Call::cuGraphDestroy:
    return true;
  default:
    return false;
  }
}

} // namespace ingot::emulator
