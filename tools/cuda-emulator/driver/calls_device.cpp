// The calls about the driver, the device and its primary context.
#include "tools/cuda-emulator/driver/errors.h"
#include "tools/cuda-emulator/driver/stream.h"
#include <cstdio>

namespace ingot::cuda {
using namespace emulator;

static bool exists(const Driver &driver, CUdevice device) {
  return device >= 0 && unsigned(device) < driver.settings.devices;
}

CUresult cuInit(unsigned int flags) {
  return call(Call::cuInit, Needs::nothing, [&](Driver &driver, Lock &) {
    if (!driver.settings_error.ok()) return CUDA_ERROR_SYSTEM_NOT_READY;
    if (flags) return CUDA_ERROR_INVALID_VALUE;
    if (!driver.settings.devices) return CUDA_ERROR_NO_DEVICE;
    driver.initialised = true;
    return CUDA_SUCCESS;
  });
}

CUresult cuDriverGetVersion(int *version) {
  return call(Call::cuDriverGetVersion, Needs::nothing, [&](Driver &driver, Lock &) {
    if (!version) return CUDA_ERROR_INVALID_VALUE;
    *version = driver.settings.driver;
    return CUDA_SUCCESS;
  });
}

CUresult cuGetErrorName(CUresult error, const char **text) {
  return call(Call::cuGetErrorName, Needs::nothing, [&](Driver &, Lock &) {
    if (!text) return CUDA_ERROR_INVALID_VALUE;
    *text = error_name(error);
    return *text ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  });
}

CUresult cuGetErrorString(CUresult error, const char **text) {
  return call(Call::cuGetErrorString, Needs::nothing, [&](Driver &, Lock &) {
    if (!text) return CUDA_ERROR_INVALID_VALUE;
    *text = error_text(error);
    return *text ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  });
}

CUresult cuDeviceGetCount(int *count) {
  return call(Call::cuDeviceGetCount, Needs::initialised, [&](Driver &driver, Lock &) {
    if (!count) return CUDA_ERROR_INVALID_VALUE;
    *count = int(driver.settings.devices);
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGet(CUdevice *device, int ordinal) {
  return call(Call::cuDeviceGet, Needs::initialised, [&](Driver &driver, Lock &) {
    if (!device) return CUDA_ERROR_INVALID_VALUE;
    if (!exists(driver, ordinal)) return CUDA_ERROR_INVALID_DEVICE;
    *device = ordinal;
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetName(char *name, int length, CUdevice device) {
  return call(Call::cuDeviceGetName, Needs::initialised, [&](Driver &driver, Lock &) {
    if (!name || length <= 0) return CUDA_ERROR_INVALID_VALUE;
    if (!exists(driver, device)) return CUDA_ERROR_INVALID_DEVICE;
    std::string text = "Emulated sm_" + std::to_string(driver.settings.sm);
    if (device > 0) text += " (" + std::to_string(device) + ")";
    snprintf(name, size_t(length), "%s", text.c_str());
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute which, CUdevice device) {
  return call(Call::cuDeviceGetAttribute, Needs::initialised, [&](Driver &driver, Lock &) {
    if (!value) return CUDA_ERROR_INVALID_VALUE;
    if (!exists(driver, device)) return CUDA_ERROR_INVALID_DEVICE;
    if (attribute(driver.card, driver.settings, which, value)) return CUDA_SUCCESS;
    return driver.refuse(CUDA_ERROR_INVALID_VALUE, "cuDeviceGetAttribute: attribute %d is not emulated", int(which));
  });
}

CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
  return call(Call::cuDeviceTotalMem_v2, Needs::initialised, [&](Driver &driver, Lock &) {
    if (!bytes) return CUDA_ERROR_INVALID_VALUE;
    if (!exists(driver, device)) return CUDA_ERROR_INVALID_DEVICE;
    *bytes = driver.settings.memory;
    return CUDA_SUCCESS;
  });
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
  return call(Call::cuDevicePrimaryCtxRetain, Needs::initialised, [&](Driver &driver, Lock &) {
    if (!context) return CUDA_ERROR_INVALID_VALUE;
    if (!exists(driver, device)) return CUDA_ERROR_INVALID_DEVICE;
    if (driver.sticky != CUDA_SUCCESS) return driver.sticky; // only a new process mends it
    if (driver.retained && driver.device != device)
      return driver.refuse(CUDA_ERROR_NOT_SUPPORTED, "the emulator has the context of one card at a time");
    driver.device = device;
    if (!driver.retained)
      if (CUresult result = driver.open_context(); result != CUDA_SUCCESS) return result;
    ++driver.retained;
    *context = driver.context;
    return CUDA_SUCCESS;
  });
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  return call(Call::cuDevicePrimaryCtxRelease_v2, Needs::initialised, [&](Driver &driver, Lock &lock) {
    if (!exists(driver, device)) return CUDA_ERROR_INVALID_DEVICE;
    if (!driver.retained || driver.device != device) return CUDA_ERROR_INVALID_CONTEXT;
    if (driver.retained == 1) {
      (void)finish_all(driver, lock);
      driver.close_context();
    }
    --driver.retained;
    return CUDA_SUCCESS;
  });
}

CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice device, unsigned int flags) {
  return call(Call::cuDevicePrimaryCtxSetFlags_v2, Needs::initialised, [&](Driver &driver, Lock &) {
    if (!exists(driver, device)) return CUDA_ERROR_INVALID_DEVICE;
    return flags & ~0x1fu || (flags & 7) == 3 || (flags & 7) > 4 ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
  });
}

CUresult cuCtxSetCurrent(CUcontext context) {
  return call(Call::cuCtxSetCurrent, Needs::initialised, [&](Driver &driver, Lock &) {
    if (context && context != driver.context) return CUDA_ERROR_INVALID_CONTEXT;
    current_context = context;
    return CUDA_SUCCESS;
  });
}

CUresult cuCtxSynchronize() {
  return call(Call::cuCtxSynchronize, Needs::uncaptured,
              [&](Driver &driver, Lock &lock) { return finish_all(driver, lock); });
}

} // namespace ingot::cuda
