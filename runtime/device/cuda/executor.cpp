// Opening and closing; steps are in step.cpp.
#include "runtime/device/cuda/executor.h"
#include "runtime/device/cuda/upload.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace ingot::cuda {
namespace {

constexpr size_t row_granule = 64;                      // format/abi.h, invariant 3
constexpr uint64_t graph_budget = uint64_t(64) << 20;   // bytes
constexpr uint64_t driver_reserve = uint64_t(32) << 20; // what the driver takes for itself as it goes
constexpr int graphs_that_overlap = 12030; // the first driver whose captures keep programmatic dependent launches

uint64_t scratch_bytes(const plan::Program &program) {
  uint64_t most = 0;
  for (const plan::Kernel *kernel : *program.kernels()) most = std::max(most, kernel->scratch_bytes());
  return saturating_product(most, most_scratch_ctas);
}

uint64_t count_launches(const plan::Program &program) {
  uint64_t count = Top::most_rounds; // or argmax
  for (const plan::Entry *entry : {program.body(), program.head()})
    for (const plan::Step *step : *entry->steps())
      count += 1 + (count_of(step->prepare()) > 0) + (count_of(step->finish()) > 0);
  return count;
}

// "5.1 GB", "320 MB"
struct SizeText {
  char text[24];
  explicit SizeText(uint64_t bytes) {
    bool large = bytes >= 1000000000;
    snprintf(text, sizeof text, large ? "%.1f GB" : "%.0f MB", double(bytes) * (large ? 1e-9 : 1e-6));
  }
};

// 1,234,567
const char *with_commas(uint64_t number, char (&text)[32]) {
  char *next = text + sizeof text - 1;
  *next = 0;
  for (int digits = 0; number || digits == 0; number /= 10, ++digits) {
    if (digits && digits % 3 == 0) *--next = ',';
    *--next = char('0' + number % 10);
  }
  return next;
}

// INGOT_CUDA_WATCHDOG, where it is set, in the place of *seconds.
Status read_watchdog(uint32_t *seconds) {
  const char *forced = getenv("INGOT_CUDA_WATCHDOG");
  if (!forced || !*forced) return {};
  char *end;
  unsigned long number = strtoul(forced, &end, 10);
  if (*end || *forced < '0' || *forced > '9' || number > 1000000)
    return Status::error(Code::bad_input, "INGOT_CUDA_WATCHDOG: '%.40s' is no number of seconds (0: no watchdog)",
                         forced);
  *seconds = uint32_t(number);
  return {};
}

// A variable of the environment that is 0 or 1, in the place of *on where it is set.
Status read_switch(const char *name, bool *on) {
  const char *forced = getenv(name);
  if (!forced || !*forced) return {};
  *on = strcmp(forced, "1") == 0;
  if (*on || strcmp(forced, "0") == 0) return {};
  return Status::error(Code::bad_input, "%s: '%.40s' is neither 0 nor 1", name, forced);
}

} // namespace

Status CudaExecutor::open(const Artifact &artifact, const DeviceOptions &options, const ingot_batch *batch) {
  artifact_ = &artifact;
  program_ = artifact.program(plan::Target::cuda);
  batch_ = batch;
  options_ = options;
  INGOT_TRY(read_watchdog(&options_.watchdog_seconds));
  n_groups_ = count_of(artifact.plan().cache_groups());
  body_rows_ = options.most_rows;
  head_rows_ = options.most_logits;
  Status status = open_all();
  if (!status.ok()) weights_.leave(driver_, context_ && hangs(context_)); // others may wait for them
  return status;
}

Status CudaExecutor::open_all() {
  INGOT_TRY(predict());
  INGOT_TRY(driver_.open());
  INGOT_TRY(look_at(driver_, options_.card, &card_));
  INGOT_TRY(code_.choose(*artifact_, *program_, card_));
  INGOT_TRY(INGOT_CUDA(driver_, cuDevicePrimaryCtxRetain, &context_, card_.device));
  INGOT_TRY(enter());
  if (!apart_) INGOT_TRY(weights_.join(*artifact_, context_));
  INGOT_TRY(compare_with_free());
  INGOT_TRY(INGOT_CUDA(driver_, cuStreamCreate, &stream_, CU_STREAM_NON_BLOCKING));
  INGOT_TRY(INGOT_CUDA(driver_, cuEventCreate, &done_, CU_EVENT_DISABLE_TIMING));
  INGOT_TRY(code_.load(driver_, card_, options_.allocator));
  bool may_overlap = true, may_be_graphs = true;
  INGOT_TRY(read_switch("INGOT_CUDA_OVERLAP", &may_overlap));
  INGOT_TRY(read_switch("INGOT_CUDA_GRAPHS", &may_be_graphs));
  overlaps_ = may_overlap && code_.overlaps();
  overlaps_in_graphs_ = overlaps_ && driver_.version() >= graphs_that_overlap;
  INGOT_TRY(argmax_.load(driver_));
  INGOT_TRY(top_.load(driver_));
  launches_ = count_launches(*program_);
  if (may_be_graphs) INGOT_TRY(graphs_.open(options_.allocator, graph_budget, launches_));
  INGOT_TRY(take_memory());
  bind(*program_->body());
  bind(*program_->head());
  INGOT_TRY(open_profile());
  return wait();
}

// Notes every region; from here on bytes() is what the GPU must have.
Status CudaExecutor::predict() {
  const plan::Plan &plan = artifact_->plan();
  INGOT_TRY(read_switch("INGOT_CUDA_APART", &apart_));
  constexpr uint32_t others = 6; // scratch, logits, three of likeliest logits, the step block
  INGOT_TRY(memory_.open(options_.allocator, n_groups_ + Places::most_regions(plan, *program_, apart_) + others));
  INGOT_TRY(block_.open(plan, *program_, options_, apart_));
  for (uint32_t g = 0; g < n_groups_; ++g)
    INGOT_TRY(
        memory_.add("KV cache", saturating_product(options_.pages[g].page_bytes, options_.pages[g].pages), &pools_[g]));
  uint64_t most_splits = (uint64_t(options_.max_context) + INGOT_SPLIT_TOKENS - 1) / INGOT_SPLIT_TOKENS;
  Places::Rows rows = {align_up(body_rows_, row_granule), align_up(head_rows_, row_granule),
                       std::min<uint64_t>(body_rows_, INGOT_SPLIT_ROWS) * most_splits};
  INGOT_TRY(places_.add(plan, *program_, rows, apart_, memory_));
  INGOT_TRY(memory_.add("scratch", scratch_bytes(*program_), &scratch_));
  uint64_t vocab = artifact_->facts().vocab_size(), key = sizeof(uint64_t);
  INGOT_TRY(memory_.add("logits", saturating_product(vocab * sizeof(float), head_rows_), &logits_));
  INGOT_TRY(memory_.add("likeliest logits", most_best() * key * head_rows_, &best_));
  for (uint32_t i : {0u, 1u})
    INGOT_TRY(memory_.add("likeliest logits", saturating_product(Top::round_keys(uint32_t(vocab), i) * key, head_rows_),
                          &between_[i]));
  return memory_.add("step block", block_.bytes(), &block_memory_);
}

uint64_t CudaExecutor::most_best() const {
  return Top::class_of(std::min(most_candidates, artifact_->facts().vocab_size()));
}

// Before anything large is loaded: does it all fit?
Status CudaExecutor::compare_with_free() {
  size_t free = 0, total = 0;
  INGOT_TRY(INGOT_CUDA(driver_, cuMemGetInfo_v2, &free, &total));
  uint64_t weights = weights_.is_there() ? 0 : weights_.bytes();
  uint64_t need = memory_.bytes() + weights + code_.memory() + graph_budget + driver_reserve, pages = 0;
  if (need <= free) return {};
  for (uint32_t g = 0; g < n_groups_; ++g) pages += memory_.size(pools_[g]);
  char tokens[32];
  if (need - pages > free)
    return Status::error(
        Code::no_memory,
        "the GPU (%.60s) is too small: the model needs %s without any KV cache, %s of %s are free: free "
        "some, take a larger GPU, or compile with smaller weights (--quantize)",
        card_.name, SizeText(need - pages).text, SizeText(free).text, SizeText(total).text);
  return Status::error(Code::no_memory,
                       "needs %s for %u sequences x %s tokens, %s free on the GPU (%.60s): use --kv-memory, "
                       "--max-context or --max-sequences",
                       SizeText(need).text, options_.most_segments, with_commas(options_.max_context, tokens),
                       SizeText(free).text, card_.name);
}

// Everything but the weights starts as zeros: page 0 and rows of pads are read, though nothing comes of it.
Status CudaExecutor::take_memory() {
  INGOT_TRY(memory_.take(driver_));
  for (uint32_t g = 0; g < n_groups_; ++g) pool_addresses_[g] = memory_.address(pools_[g]);
  INGOT_TRY(memory_.zero(driver_, stream_));
  INGOT_TRY(pinned_block_.take(driver_, block_.bytes()));
  INGOT_TRY(pinned_best_.take(driver_, memory_.size(best_)));
  INGOT_TRY(pinned_logits_.take(driver_, memory_.size(logits_)));
  INGOT_TRY(on_host_.take(options_.allocator, head_rows_, "logits"));
  block_.place(pinned_block_.data(), memory_.address(block_memory_));
  return apart_ ? places_.upload(driver_, stream_, artifact_->weights())
                : weights_.upload(driver_, stream_, options_.progress);
}

uint64_t CudaExecutor::slot_of(const plan::Binding &binding, plan::Space space, uint32_t step) const {
  switch (binding.kind()) {
  case plan::BindingKind::immediate:
    return binding.value();
  case plan::BindingKind::logits:
    return memory_.address(logits_);
  default:
    return places_.of(binding, space, step, weights_.address());
  }
}

void CudaExecutor::bind(const plan::Entry &entry) {
  for (uint32_t s = 0; s < entry.steps()->size(); ++s) {
    const plan::Step &step = *entry.steps()->Get(s);
    ingot_args *args = block_.args(entry.space(), s);
    for (uint32_t i = 0; i < step.bindings()->size(); ++i)
      args->slot[i] = slot_of(*step.bindings()->Get(i), entry.space(), s);
  }
}

Status CudaExecutor::open_profile() {
  if (!options_.timed) return {};
  INGOT_TRY(delay_.load(driver_));
  INGOT_TRY(grids_.take(options_.allocator, launches_, "grid times"));
  INGOT_TRY(marks_.take(options_.allocator, launches_ + 1, "grid times"));
  for (Mark &mark : marks_) INGOT_TRY(INGOT_CUDA(driver_, cuEventCreate, &mark.event, CU_EVENT_DEFAULT));
  return {};
}

CudaExecutor::~CudaExecutor() {
  bool is_hung = context_ && hangs(context_); // a step of any session: it would hold up every call
  if (is_hung) weights_.leave(driver_, true);
  if (!context_ || is_hung) return;
  (void)INGOT_CUDA(driver_, cuCtxSetCurrent, context_);
  if (stream_) (void)INGOT_CUDA(driver_, cuStreamSynchronize, stream_);
  graphs_.close(driver_);
  for (const Mark &mark : marks_)
    if (mark.event) (void)INGOT_CUDA(driver_, cuEventDestroy_v2, mark.event);
  for (Pinned *each : {&pinned_block_, &pinned_best_, &pinned_logits_}) each->release(driver_);
  memory_.release(driver_);
  weights_.leave(driver_, false);
  argmax_.unload(driver_);
  top_.unload(driver_);
  delay_.unload(driver_);
  code_.unload(driver_);
  if (done_) (void)INGOT_CUDA(driver_, cuEventDestroy_v2, done_);
  if (stream_) (void)INGOT_CUDA(driver_, cuStreamDestroy_v2, stream_);
  (void)INGOT_CUDA(driver_, cuDevicePrimaryCtxRelease_v2, card_.device);
}

uint8_t *CudaExecutor::pages(uint32_t group) const { return as_pointer<uint8_t>(pool_addresses_[group]); }

DeviceFacts CudaExecutor::facts() const {
  return {.name = card_.name,
          .level = code_.level(),
          .memory_bytes = memory_.bytes() + weights_.bytes(),
          .weight_bytes = weights_.bytes(),
          .host_ns = host_ns_};
}

} // namespace ingot::cuda
