#include "runtime/device/cuda/code.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace ingot::cuda {
namespace {

constexpr int oldest_architecture = 80;
constexpr uint32_t shared_without_asking = 48u << 10;

bool runs_cubin(uint32_t level, int architecture) {
  return level / 10 == uint32_t(architecture) / 10 && level <= uint32_t(architecture);
}

// What drivers answer to a binary made by a ptxas that is newer than they are: ptxas 13 writes another ELF than 12 does
// (OS/ABI 0x41 instead of 0x33), which drivers before R580 call an invalid image. The file is not damaged: it was
// hashed.
bool is_unknown_binary(CUresult result) {
  return result == CUDA_ERROR_NO_BINARY_FOR_GPU || result == CUDA_ERROR_INVALID_IMAGE ||
         result == CUDA_ERROR_INVALID_SOURCE;
}

// "sm_80, sm_90, PTX from sm_80"
struct Holdings {
  char text[160] = {};
  size_t used = 0;

  void add(bool cubin, uint32_t level) {
    if (used + 24 > sizeof text) return;
    used += size_t(
        snprintf(text + used, sizeof text - used, "%s%ssm_%u", used ? ", " : "", cubin ? "" : "PTX from ", level));
  }
};

} // namespace

Status KernelCode::choose(const Artifact &artifact, const plan::Program &program, const Card &card) {
  artifact_ = &artifact;
  program_ = &program;
  Holdings holdings;
  uint32_t cubin_level = 0;
  Bytes cubin;
  for (const plan::Code *code : *program.code()) {
    const ingot_segment &segment = artifact.layout().segments[code->segment()];
    bool is_cubin = segment.kind == INGOT_SEGMENT_CUBIN;
    holdings.add(is_cubin, code->level());
    uint32_t &best = is_cubin ? cubin_level : ptx_level_;
    bool runs = is_cubin ? runs_cubin(code->level(), card.architecture) : code->level() <= uint32_t(card.architecture);
    if (!runs || code->level() <= best) continue;
    best = code->level();
    (is_cubin ? cubin : ptx_) = artifact.layout().bytes(segment);
  }
  is_cubin_ = cubin_level != 0;
  image_ = is_cubin_ ? cubin : ptx_;
  level_ = is_cubin_ ? cubin_level : ptx_level_;
  if (!image_.empty()) return {};
  if (card.architecture < oldest_architecture)
    return Status::error(
        Code::unsupported,
        "the GPU (%.60s, sm_%d) is too old: an Ampere GPU (sm_%d) or a newer one is needed; run on the "
        "CPU (--device cpu)",
        card.name, card.architecture, oldest_architecture);
  return Status::error(
      Code::unsupported,
      "artifact %.80s: it holds CUDA code for %s and none for this GPU (%.60s, sm_%d): compile it with "
      "--sm %d",
      artifact.name(), holdings.text, card.name, card.architecture, card.architecture);
}

// The driver wants text that ends with a zero byte, and says what is wrong with it in a log.
Status KernelCode::load_ptx(Driver &driver, const Allocator &allocator) {
  Array<char> text, log;
  INGOT_TRY(text.take(allocator, image_.size() + 1, "PTX"));
  INGOT_TRY(log.take(allocator, 4096, "PTX log"));
  memcpy(text.data(), image_.data(), image_.size());
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void *size = reinterpret_cast<void *>(log.size() - 1); // NOLINT(performance-no-int-to-ptr): as the driver wants it
  void *values[] = {log.data(), size};
  CUresult result = driver->cuModuleLoadDataEx(&module_, text.data(), 2, options, values);
  if (result == CUDA_ERROR_UNSUPPORTED_PTX_VERSION)
    return Status::error(
        Code::unsupported,
        "the CUDA driver (CUDA %d.%d) is too old for the PTX in artifact %.80s: install a newer NVIDIA "
        "driver, or compile with --sm %u",
        driver.version() / 1000, driver.version() % 1000 / 10, artifact_->name(), level_);
  Status status = driver.check(result, "cuModuleLoadDataEx");
  if (status.ok()) return status;
  module_ = nullptr;
  log[strcspn(log.data(), "\n")] = 0;
  return log[0] ? Status::error(status.code(), "%.200s: %.120s", status.message(), log.data()) : status;
}

Status KernelCode::load_image(Driver &driver, const Allocator &allocator) {
  if (is_cubin_) {
    CUresult result = driver->cuModuleLoadDataEx(&module_, image_.data(), 0, nullptr, nullptr);
    if (!is_unknown_binary(result)) {
      if (result != CUDA_SUCCESS) module_ = nullptr;
      return driver.check(result, "cuModuleLoadDataEx");
    }
    if (ptx_.empty())
      return Status::error(Code::unsupported,
                           "the CUDA driver (CUDA %d.%d) does not know the binary for sm_%u in artifact %.80s: install "
                           "a newer NVIDIA driver, or compile with --sm none",
                           driver.version() / 1000, driver.version() % 1000 / 10, level_, artifact_->name());
    // The driver compiles the same kernels from PTX.
    is_cubin_ = false;
    image_ = ptx_;
    level_ = ptx_level_;
  }
  return load_ptx(driver, allocator);
}

Status KernelCode::find(Driver &driver, const Card &card, uint32_t index) {
  const plan::Kernel &facts = *program_->kernels()->Get(index);
  CUresult result = driver->cuModuleGetFunction(&kernels_[index].function, module_, text_of(facts.name()));
  if (result == CUDA_ERROR_NOT_FOUND)
    return damaged(artifact_->name(), "the code for sm_%u has no kernel '%.60s'", level_, text_of(facts.name()));
  INGOT_TRY(driver.check(result, "cuModuleGetFunction"));
  int threads = 0;
  INGOT_TRY(INGOT_CUDA(driver, cuFuncGetAttribute, &threads, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, kernel(index)));
  if (facts.block_threads() > uint32_t(std::max(threads, 0)) || facts.shared_bytes() > uint32_t(card.shared_bytes))
    return Status::error(Code::unsupported,
                         "kernel '%.60s' wants %u threads and %u bytes of shared memory; this GPU (%.60s) gives it %d "
                         "and %d: compile the model for sm_%d",
                         text_of(facts.name()), facts.block_threads(), facts.shared_bytes(), card.name, threads,
                         card.shared_bytes, card.architecture);
  if (facts.shared_bytes() <= shared_without_asking) return {};
  return INGOT_CUDA(driver, cuFuncSetAttribute, kernel(index), CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                    int(facts.shared_bytes()));
}

Status KernelCode::load(Driver &driver, const Card &card, const Allocator &allocator) {
  INGOT_TRY(load_image(driver, allocator));
  INGOT_TRY(kernels_.take(allocator, program_->kernels()->size(), "kernels"));
  for (uint32_t i = 0; i < kernels_.size(); ++i) INGOT_TRY(find(driver, card, i));
  return {};
}

void KernelCode::unload(Driver &driver) {
  if (module_) (void)INGOT_CUDA(driver, cuModuleUnload, module_);
  module_ = nullptr;
}

} // namespace ingot::cuda
