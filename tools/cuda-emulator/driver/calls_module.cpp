// The calls about modules, kernels and launches.
#include "tools/cuda-emulator/driver/errors.h"
#include "tools/cuda-emulator/driver/stream.h"
#include <algorithm>
#include <cstring>

namespace ingot::cuda {
using namespace emulator;

namespace {

// The caller's log buffers among the options of a load.
struct JitLog {
  char *error = nullptr;
  void **error_bytes = nullptr, **info_bytes = nullptr;
  size_t capacity = 0;
};

CUresult read_options(Driver &driver, unsigned count, const CUjit_option *options, void **values, JitLog *log) {
  if (count && (!options || !values)) return CUDA_ERROR_INVALID_VALUE;
  for (unsigned i = 0; i < count; ++i) {
    switch (options[i]) {
    case CU_JIT_ERROR_LOG_BUFFER:
      log->error = static_cast<char *>(values[i]);
      break;
    case CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES:
      log->error_bytes = &values[i];
      break;
    case CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES:
      log->info_bytes = &values[i];
      break;
    default:
      if (options[i] < CU_JIT_MAX_REGISTERS || options[i] > CU_JIT_CACHE_MODE)
        return driver.refuse(CUDA_ERROR_INVALID_VALUE, "cuModuleLoadDataEx: option %d is not emulated", options[i]);
    }
  }
  if (log->error_bytes) log->capacity = reinterpret_cast<size_t>(*log->error_bytes);
  if (log->info_bytes) *log->info_bytes = nullptr;
  return CUDA_SUCCESS;
}

void write_error(const JitLog &log, const char *text) {
  if (!log.error_bytes) return;
  size_t written = 0;
  if (log.error && log.capacity) {
    written = std::min(strlen(text), log.capacity - 1);
    memcpy(log.error, text, written);
    log.error[written++] = 0;
  }
  *log.error_bytes = reinterpret_cast<void *>(written);
}

bool is_binary(const char *image) {
  static constexpr unsigned char elf[4] = {0x7f, 'E', 'L', 'F'}, fatbin[4] = {0x50, 0xed, 0x55, 0xba};
  return !memcmp(image, elf, 4) || !memcmp(image, fatbin, 4);
}

// Are these the artifact's kernels, and not the runtime's own?
bool generated(std::string_view ptx) { return ptx.find(".entry ingot_") == ptx.npos; }

// The text with the line that the settings replace: a mutant (test/cuda/mutate_kernels.py).
std::string mutated(const Driver &driver, std::string text) {
  if (!driver.settings.mutate || !generated(text)) return text;
  size_t begin = 0;
  for (unsigned line = 1; line < driver.settings.mutate; ++line) {
    begin = text.find('\n', begin);
    if (begin++ == text.npos) return text;
  }
  return text.replace(begin, text.find('\n', begin) - begin, driver.settings.mutant);
}

// "8.0" -> 80, "sm_90a" -> 90; 0 when there is no number.
unsigned number_in(const std::string &text) {
  unsigned number = 0;
  for (char c : text)
    if (c >= '0' && c <= '9') number = number * 10 + unsigned(c - '0');
  return number;
}

// May this driver compile the module for this card?
CUresult check_target(Driver &driver, const Module &module, std::string *why) {
  unsigned newest = ptx_version_of_driver(driver.settings.driver);
  if (number_in(module.version) > newest) {
    *why = "PTX version " + module.version + " is newer than this driver's " + std::to_string(newest / 10) + "." +
           std::to_string(newest % 10);
    return CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
  }
  bool specific = module.target.ends_with('a') || module.target.ends_with('f');
  unsigned target = number_in(module.target);
  if (target <= driver.settings.sm && !(specific && target != driver.settings.sm)) return CUDA_SUCCESS;
  *why = "PTX for ." + module.target + " cannot be compiled for sm_" + std::to_string(driver.settings.sm);
  return CUDA_ERROR_INVALID_PTX;
}

// At most this many registers a thread: ptxas keeps every kernel within what its largest block can have.
int register_bound(const Entry &entry) {
  uint32_t threads = (entry.max_threads + 31) / 32 * 32 * std::max(1u, entry.minimum_ctas);
  return int(std::min<uint32_t>(255, 65536 / threads / 8 * 8));
}

} // namespace

CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned int count, CUjit_option *options,
                            void **values) {
  return call(Call::cuModuleLoadDataEx, Needs::uncaptured, [&](Driver &driver, Lock &) {
    if (!module || !image) return CUDA_ERROR_INVALID_VALUE;
    JitLog log;
    if (CUresult result = read_options(driver, count, options, values, &log); result != CUDA_SUCCESS) return result;
    auto *text = static_cast<const char *>(image);
    if (is_binary(text)) return CUDA_ERROR_NO_BINARY_FOR_GPU; // the emulator runs PTX alone
    auto loaded = std::make_shared<LoadedModule>();
    if (Status parsed = parse(mutated(driver, text), &loaded->module); !parsed.ok()) {
      write_error(log, parsed.message());
      return driver.refuse(CUDA_ERROR_INVALID_PTX, "%s", parsed.message());
    }
    std::string why;
    if (CUresult result = check_target(driver, loaded->module, &why); result != CUDA_SUCCESS) {
      write_error(log, why.c_str());
      return driver.refuse(result, "%s", why.c_str());
    }
    if (Status placed = load(loaded->module, *driver.memory); !placed.ok()) {
      write_error(log, placed.message());
      return driver.refuse(CUDA_ERROR_OUT_OF_MEMORY, "%s", placed.message());
    }
    loaded->generated = generated(text);
    write_error(log, "");
    *module = driver.modules.add(loaded);
    return CUDA_SUCCESS;
  });
}

CUresult cuModuleUnload(CUmodule module) {
  return call(Call::cuModuleUnload, Needs::uncaptured, [&](Driver &driver, Lock &lock) {
    if (!driver.modules.find(module)) return CUDA_ERROR_INVALID_HANDLE;
    CUresult result = finish_all(driver, lock);
    auto unloaded = driver.modules.remove(module);
    driver.write_coverage(*unloaded);
    for (CUfunction function : unloaded->functions) driver.functions.remove(function);
    unloaded->loaded = false;
    unload(unloaded->module, *driver.memory);
    return result;
  });
}

CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
  return call(Call::cuModuleGetFunction, Needs::context, [&](Driver &driver, Lock &) {
    if (!function || !name) return CUDA_ERROR_INVALID_VALUE;
    auto owner = driver.modules.find(module);
    if (!owner) return CUDA_ERROR_INVALID_HANDLE;
    const Entry *entry = owner->module.entry(name);
    if (!entry) return CUDA_ERROR_NOT_FOUND;
    auto made = std::make_shared<Function>();
    made->owner = owner;
    made->entry = entry;
    size_t plain = 48 << 10;
    made->dynamic_shared_limit = plain > entry->static_shared ? plain - entry->static_shared : 0;
    *function = driver.functions.add(made);
    owner->functions.push_back(*function);
    return CUDA_SUCCESS;
  });
}

CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute, int value) {
  return call(Call::cuFuncSetAttribute, Needs::context, [&](Driver &driver, Lock &) {
    auto set = driver.functions.find(function);
    if (!set) return CUDA_ERROR_INVALID_HANDLE;
    if (attribute == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) {
      if (value < 0 || size_t(value) + set->entry->static_shared > driver.card.shared_per_block_optin)
        return CUDA_ERROR_INVALID_VALUE;
      set->dynamic_shared_limit = size_t(value);
      return CUDA_SUCCESS;
    }
    if (attribute != CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT || value < -1 || value > 100)
      return CUDA_ERROR_INVALID_VALUE;
    set->carveout = value;
    return CUDA_SUCCESS;
  });
}

CUresult cuFuncGetAttribute(int *value, CUfunction_attribute attribute, CUfunction function) {
  return call(Call::cuFuncGetAttribute, Needs::context, [&](Driver &driver, Lock &) {
    auto asked = driver.functions.find(function);
    if (!value) return CUDA_ERROR_INVALID_VALUE;
    if (!asked) return CUDA_ERROR_INVALID_HANDLE;
    const Entry &entry = *asked->entry;
    switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
      *value = int(entry.max_threads);
      break;
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:
      *value = int(entry.static_shared);
      break;
    case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES:
    case CU_FUNC_ATTRIBUTE_CACHE_MODE_CA:
      *value = 0;
      break;
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES:
      *value = int(entry.local_bytes);
      break;
    case CU_FUNC_ATTRIBUTE_NUM_REGS:
      *value = register_bound(entry);
      break;
    case CU_FUNC_ATTRIBUTE_PTX_VERSION:
      *value = int(number_in(asked->owner->module.target));
      break;
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION:
      *value = int(driver.settings.sm);
      break;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
      *value = int(asked->dynamic_shared_limit);
      break;
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
      *value = asked->carveout;
      break;
    default:
      return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
  });
}

// A lower bound, because the registers are an upper one.
CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction function, int block_size, size_t dynamic) {
  return call(Call::cuOccupancyMaxActiveBlocksPerMultiprocessor, Needs::context, [&](Driver &driver, Lock &) {
    auto asked = driver.functions.find(function);
    if (!blocks || block_size <= 0) return CUDA_ERROR_INVALID_VALUE;
    if (!asked) return CUDA_ERROR_INVALID_HANDLE;
    const Card &card = driver.card;
    const Entry &entry = *asked->entry;
    *blocks = 0;
    if (size_t(block_size) > entry.max_threads || dynamic > asked->dynamic_shared_limit) return CUDA_SUCCESS;
    size_t threads = (size_t(block_size) + 31) / 32 * 32;
    size_t shared = (entry.static_shared + dynamic + card.shared_reserved + 127) / 128 * 128;
    size_t most = std::min<size_t>(card.blocks_per_sm, card.threads_per_sm / threads);
    most = std::min(most, card.registers_per_sm / (size_t(register_bound(entry)) * threads));
    if (shared) most = std::min(most, card.shared_per_sm / shared);
    *blocks = int(most);
    return CUDA_SUCCESS;
  });
}

namespace {

CUresult read_attributes(Driver &driver, const CUlaunchConfig &config, bool *programmatic) {
  if (config.numAttrs && !config.attrs) return CUDA_ERROR_INVALID_VALUE;
  for (unsigned i = 0; i < config.numAttrs; ++i) {
    const CUlaunchAttribute &attribute = config.attrs[i];
    const auto &cluster = attribute.value.clusterDim;
    switch (attribute.id) {
    case CU_LAUNCH_ATTRIBUTE_IGNORE:
    case CU_LAUNCH_ATTRIBUTE_PRIORITY:
      break;
    case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION:
      *programmatic = attribute.value.programmaticStreamSerializationAllowed != 0;
      if (*programmatic && driver.settings.sm < 90)
        return driver.refuse(CUDA_ERROR_NOT_SUPPORTED, "programmatic dependent launch needs sm_90");
      break;
    case CU_LAUNCH_ATTRIBUTE_COOPERATIVE:
      if (!attribute.value.cooperative) break;
      return driver.refuse(CUDA_ERROR_NOT_SUPPORTED, "cooperative launches are not emulated");
    case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION:
      if (cluster.x == 1 && cluster.y == 1 && cluster.z == 1) break;
      return driver.refuse(CUDA_ERROR_NOT_SUPPORTED, "clusters are not emulated");
    default:
      return driver.refuse(CUDA_ERROR_NOT_SUPPORTED, "launch attribute %d is not emulated", int(attribute.id));
    }
  }
  return CUDA_SUCCESS;
}

CUresult check_shape(Driver &driver, const CUlaunchConfig &config, const Function &function) {
  const Entry &entry = *function.entry;
  uint64_t threads = uint64_t(config.blockDimX) * config.blockDimY * config.blockDimZ;
  if (!config.gridDimX || !config.gridDimY || !config.gridDimZ || !threads)
    return driver.refuse(CUDA_ERROR_INVALID_VALUE, "launch of '%s' with an empty grid or block", entry.name.c_str());
  if (config.gridDimX > 2147483647u || config.gridDimY > 65535 || config.gridDimZ > 65535 || config.blockDimX > 1024 ||
      config.blockDimY > 1024 || config.blockDimZ > 64 || threads > 1024)
    return driver.refuse(CUDA_ERROR_INVALID_VALUE, "launch of '%s' with a grid or block beyond the card's limits",
                         entry.name.c_str());
  if (threads > entry.max_threads)
    return driver.refuse(CUDA_ERROR_INVALID_VALUE, "launch of '%s' with %llu threads a block, it allows %u",
                         entry.name.c_str(), (unsigned long long)threads, entry.max_threads);
  if (config.sharedMemBytes > function.dynamic_shared_limit)
    return driver.refuse(CUDA_ERROR_INVALID_VALUE, "launch of '%s' with %u bytes of dynamic shared memory, allowed %zu",
                         entry.name.c_str(), config.sharedMemBytes, function.dynamic_shared_limit);
  return CUDA_SUCCESS;
}

} // namespace

CUresult cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction function, void **parameters, void **extra) {
  return call(Call::cuLaunchKernelEx, Needs::context, [&](Driver &driver, Lock &lock) {
    if (!config) return CUDA_ERROR_INVALID_VALUE;
    if (extra) return driver.refuse(CUDA_ERROR_NOT_SUPPORTED, "cuLaunchKernelEx: extra parameters are not emulated");
    auto launched = driver.functions.find(function);
    auto target = stream_of(driver, config->hStream);
    if (!launched || !target) return CUDA_ERROR_INVALID_HANDLE;
    const Entry &entry = *launched->entry;
    Work work;
    work.kind = Work::launch;
    work.module = launched->owner;
    Launch &launch = work.launched;
    if (CUresult result = read_attributes(driver, *config, &launch.programmatic); result != CUDA_SUCCESS) return result;
    if (CUresult result = check_shape(driver, *config, *launched); result != CUDA_SUCCESS) return result;
    launch.entry = &entry;
    launch.grid = {config->gridDimX, config->gridDimY, config->gridDimZ};
    bool strides = entry.name.find("ingot_") != 0; // the runtime's own kernels are made for their grids
    if (driver.settings.grid && strides) launch.grid = {driver.settings.grid, 1, 1};
    if (strides)
      launch.grid[0] = unsigned(std::min<uint64_t>(uint64_t(launch.grid[0]) * driver.settings.times, 1 << 30));
    launch.block = {config->blockDimX, config->blockDimY, config->blockDimZ};
    launch.dynamic_shared = config->sharedMemBytes;
    launch.parameters.resize(entry.parameter_bytes);
    for (size_t i = 0; i < entry.parameters.size(); ++i) {
      if (!parameters || !parameters[i]) return CUDA_ERROR_INVALID_VALUE;
      memcpy(launch.parameters.data() + entry.parameters[i].offset, parameters[i], entry.parameters[i].size);
    }
    if (Fault fault = check(launch, driver.machine->options()))
      return driver.refuse(CUDA_ERROR_INVALID_VALUE, "%s", fault.message().c_str());
    return enqueue(driver, lock, target, std::move(work));
  });
}

} // namespace ingot::cuda
