// A step: describe it, upload its block, launch, wait, bring back what is asked for.
#include "runtime/device/cuda/executor.h"

#include <algorithm>
#include <ctime>
#include <immintrin.h>

namespace ingot::cuda {
namespace {

// What the processor may take to queue a launch and its event.
constexpr uint64_t launch_ns = 10'000;

// How long to spin for a step before going to sleep between looks: longer than a token of a large model takes.
constexpr uint64_t spin_ns = 20'000'000, nap_ns = 200'000;

} // namespace

Status CudaExecutor::enter() {
  INGOT_TRY(driver_.alive());
  if (hangs(context_)) return hung();
  return INGOT_CUDA(driver_, cuCtxSetCurrent, context_);
}

CudaExecutor::Step CudaExecutor::describe(Work work) const {
  Step step;
  step.body = has(work, plan::Space::body);
  step.head = has(work, plan::Space::head) && batch_->n_logits > 0;
  uint32_t longest = 0;
  for (uint64_t s = 0; s < batch_->n_segs; ++s) longest = std::max(longest, batch_->kv_len[s]);
  if (batch_->n_rows <= INGOT_SPLIT_ROWS)
    step.splits = std::max<uint64_t>(1, (uint64_t(longest) + INGOT_SPLIT_TOKENS - 1) / INGOT_SPLIT_TOKENS);
  step.most.rows = row_class(batch_->n_rows, body_rows_);
  step.most.splits = split_class(step.splits);
  // Tiles of the class: as many as its rows can make in this session. More rows than tiles hold make whole tiles, and
  // each segment at most one that is not.
  uint32_t per = std::max(1u, program_->q_tile_rows());
  step.most.tiles = std::min(step.most.rows, step.most.rows / per + std::min(step.most.rows, options_.most_segments));
  step.head_rows = step.head ? row_class(batch_->n_logits, head_rows_) : 0;
  step.best = best_asked_;
  return step;
}

Status CudaExecutor::upload_block(const Step &step) {
  uint64_t from, count;
  block_.write(*batch_, step.splits, pool_addresses_, &from, &count);
  Status status = INGOT_CUDA(driver_, cuMemcpyHtoDAsync_v2, block_.device(from), block_.host(from), count, stream_);
  if (!status.ok()) block_.forget();
  return status;
}

Status CudaExecutor::launch(const plan::Entry &entry, const Launch &launch, bool first) {
  INGOT_TRY(mark_grid(entry.space(), launch));
  const plan::Kernel &kernel = *program_->kernels()->Get(launch.kernel);
  CUlaunchAttribute overlap = {};
  overlap.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
  overlap.value.programmaticStreamSerializationAllowed = 1;
  CUlaunchConfig config = {};
  config.gridDimX = launch.ctas;
  config.gridDimY = config.gridDimZ = config.blockDimY = config.blockDimZ = 1;
  config.blockDimX = kernel.block_threads();
  config.sharedMemBytes = kernel.shared_bytes();
  config.hStream = stream_;
  // The first one follows a copy: there is nothing to overlap with.
  if (!first && (capturing_ ? overlaps_in_graphs_ : overlaps_)) {
    config.attrs = &overlap;
    config.numAttrs = 1;
  }
  CUdeviceptr args = block_.args_address(entry.space(), launch.step), scratch = memory_.address(scratch_);
  void *parameters[] = {&args, &scratch};
  return INGOT_CUDA(driver_, cuLaunchKernelEx, &config, code_.kernel(launch.kernel), parameters, nullptr);
}

Status CudaExecutor::launch_all(const Step &step) {
  bool first = true;
  auto entry = [&](const plan::Entry &which, const StepClass &most) {
    return for_each_launch(*program_, which, most, [&](const Launch &each) {
      bool is_first = first;
      first = false;
      return launch(which, each, is_first);
    });
  };
  if (step.body) INGOT_TRY(entry(*program_->body(), step.most));
  if (!step.head) return {};
  INGOT_TRY(entry(*program_->head(), {.rows = step.head_rows}));
  return select(step.head_rows, step.best);
}

// The `best` likeliest logits of each row that the last head computed.
Status CudaExecutor::select(uint32_t head_rows, uint32_t best) {
  CUdeviceptr logits = memory_.address(logits_), batch = block_.batch_address();
  uint32_t vocab = artifact_->facts().vocab_size();
  if (best == 1) return argmax_.launch(driver_, stream_, logits, block_.best_address(), batch, vocab, head_rows);
  Top::Places places = {
      logits, memory_.address(best_), batch, {memory_.address(between_[0]), memory_.address(between_[1])}};
  return top_.launch(driver_, stream_, places, vocab, head_rows, best);
}

// Queues the copy of what select() found.
Status CudaExecutor::bring_best(uint32_t best) {
  CUdeviceptr from = best == 1 ? block_.best_address() : memory_.address(best_);
  return INGOT_CUDA(driver_, cuMemcpyDtoHAsync_v2, pinned_best_.data(), from,
                    batch_->n_logits * best * sizeof(uint64_t), stream_);
}

// As a graph, if this class of steps has one or comes for the second time.
Status CudaExecutor::launch_graph_or_all(const Step &step) {
  if (options_.timed) return launch_all(step);
  GraphKey key = {step.body ? step.most.rows : 0, step.head_rows, step.body ? step.most.splits : 0,
                  step.head ? step.best : 0};
  bool capture;
  CUgraphExec graph = graphs_.find(key, &capture);
  if (!graph && !capture) return launch_all(step);
  if (!graph) {
    capturing_ = true;
    Status status = graphs_.capture(driver_, stream_, key, launches_, [&] { return launch_all(step); }, &graph);
    capturing_ = false;
    INGOT_TRY(status);
  }
  return INGOT_CUDA(driver_, cuGraphLaunch, graph, stream_);
}

Status CudaExecutor::start(const Step &step) {
  INGOT_TRY(enter());
  n_grids_ = 0;
  std::fill(on_host_.begin(), on_host_.end(), uint8_t(0));
  if (options_.timed) INGOT_TRY(delay_.launch(driver_, stream_, launches_ * launch_ns));
  INGOT_TRY(upload_block(step));
  INGOT_TRY(launch_graph_or_all(step));
  INGOT_TRY(mark_end());
  if (!step.head) return {};
  return bring_best(step.best);
}

// Waits for all that was queued. A watchdog that barks leaves the step running.
Status CudaExecutor::wait() {
  INGOT_TRY(INGOT_CUDA(driver_, cuEventRecord, done_, stream_));
  uint64_t begin = options_.clock(), limit = uint64_t(options_.watchdog_seconds) * 1'000'000'000;
  for (uint64_t now = begin;; now = options_.clock()) {
    CUresult result = driver_->cuEventQuery(done_);
    if (result != CUDA_ERROR_NOT_READY) {
      waited_ns_ += now - begin;
      return driver_.check(result, "cuEventQuery");
    }
    if (limit && now - begin > limit) return hung();
    if (now - begin < spin_ns) {
      _mm_pause();
    } else {
      timespec nap = {0, long(nap_ns)};
      nanosleep(&nap, nullptr);
    }
  }
}

Status CudaExecutor::hung() {
  note_hang(context_);
  return driver_.lose(Status::error(Code::device_lost,
                                    "the GPU is lost: a step did not end within %u seconds; it may hang for ever, end "
                                    "this process (INGOT_CUDA_WATCHDOG=SECONDS waits longer, 0 without end)",
                                    options_.watchdog_seconds));
}

// Something failed while a step was queued: what was queued already ends before the error is told.
Status CudaExecutor::abandon(const Status &status) {
  block_.forget();
  if (status.code() == Code::device_lost) return status;
  Status ended = wait();
  return ended.code() == Code::device_lost ? ended : status;
}

Status CudaExecutor::run(Work work, const std::atomic<bool> *cancel, WorkTimes *times) {
  INGOT_TRY(driver_.alive());
  auto cancelled = [&] { return cancel && cancel->load(std::memory_order_relaxed); };
  if (cancelled()) return Status::error(Code::cancelled, "cancelled");
  uint64_t begin = options_.clock(), waited = waited_ns_;
  const Step step = describe(work);
  Status status = start(step);
  if (status.ok()) status = wait();
  if (!status.ok()) return abandon(status);
  if (step.head) best_there_ = step.best, best_asked_ = 1, last_head_rows_ = step.head_rows;
  uint64_t end = options_.clock();
  times->body_ns += end - begin;
  host_ns_ += end - begin - (waited_ns_ - waited);
  INGOT_TRY(time_grids());
  return cancelled() ? Status::error(Code::cancelled, "cancelled") : Status();
}

Status CudaExecutor::copy_page(uint32_t group, uint32_t from, uint32_t to) {
  INGOT_TRY(enter());
  size_t bytes = artifact_->plan().cache_groups()->Get(group)->page_bytes();
  CUdeviceptr pool = pool_addresses_[group];
  return INGOT_CUDA(driver_, cuMemcpyDtoDAsync_v2, pool + to * bytes, pool + from * bytes, bytes, stream_);
}

Status CudaExecutor::logits(uint32_t row, const float **values) {
  INGOT_TRY(enter());
  uint64_t bytes = artifact_->facts().vocab_size() * sizeof(float);
  *values = reinterpret_cast<const float *>(pinned_logits_.data() + row * bytes);
  if (on_host_[row]) return {};
  // Who wants a second row wants them all.
  bool all = std::find(on_host_.begin(), on_host_.end(), 1) != on_host_.end();
  uint64_t first = all ? 0 : row, count = all ? batch_->n_logits : 1;
  Status status = INGOT_CUDA(driver_, cuMemcpyDtoHAsync_v2, pinned_logits_.data() + first * bytes,
                             memory_.address(logits_) + first * bytes, count * bytes, stream_);
  if (status.ok()) status = wait();
  if (!status.ok()) return abandon(status);
  std::fill_n(on_host_.begin() + first, count, uint8_t(1));
  return {};
}

Status CudaExecutor::top(uint32_t row, std::span<Candidate> best, uint32_t *count) {
  INGOT_TRY(driver_.alive());
  uint32_t wanted = Top::class_of(best.size());
  best_asked_ = std::max(best_asked_, wanted);
  if (wanted > best_there_) {
    INGOT_TRY(enter());
    best_there_ = 0;
    Status status = select(last_head_rows_, wanted);
    if (status.ok()) status = bring_best(wanted);
    if (status.ok()) status = wait();
    if (!status.ok()) return abandon(status);
    best_there_ = wanted;
  }
  auto keys = reinterpret_cast<const uint64_t *>(pinned_best_.data()) + uint64_t(row) * best_there_;
  for (*count = 0; *count < best.size() && keys[*count] != 0; ++*count) best[*count] = Top::candidate_of(keys[*count]);
  return {};
}

// An event before each grid. Events cannot be taken out of a graph: profiled steps are launched one by one.
Status CudaExecutor::mark_grid(plan::Space space, const Launch &launch) {
  if (!options_.timed) return {};
  uint64_t rows = space == plan::Space::body ? batch_->n_rows : batch_->n_logits;
  grids_[n_grids_] = {space, launch.step, launch.kernel, launch.part, rows, launch.ctas, 0, 0};
  return INGOT_CUDA(driver_, cuEventRecord, marks_[n_grids_++].event, stream_);
}

Status CudaExecutor::mark_end() {
  return options_.timed ? INGOT_CUDA(driver_, cuEventRecord, marks_[n_grids_].event, stream_) : Status();
}

// Times of the GPU's own clock, put so that the last grid ends now.
Status CudaExecutor::time_grids() {
  uint64_t end = options_.clock();
  for (size_t i = n_grids_; i-- > 0;) {
    float ms = 0;
    INGOT_TRY(INGOT_CUDA(driver_, cuEventElapsedTime, &ms, marks_[i].event, marks_[i + 1].event));
    grids_[i].end = end;
    end -= uint64_t(double(std::max(ms, 0.0f)) * 1e6);
    grids_[i].begin = end;
  }
  return {};
}

} // namespace ingot::cuda
