// Linear kernels against this machine's read speed: every iteration runs a plain read of the same bytes and then the
// kernel, both on the same threads, and what counts is the ratio (`of_read`). Prefill reports operations per second.
// Times are the threads' CPU time, so that other processes disturb little.
//
//   bench_linear [--benchmark_filter=int4] ; INGOT_BENCH_MB is the size of the weights (default 1024: past every cache)
#include "compiler/kernels/cpu/Linear.h"
#include "compiler/kernels/cpu/PreparedRow.h"
#include "test/unit/target/LoadedCode.h"

#include <atomic>
#include <benchmark/benchmark.h>
#include <ctime>
#include <functional>
#include <immintrin.h>
#include <thread>

using namespace ingot;
using namespace ingot::cpu;

namespace {

constexpr unsigned kThreads = 2;

double threadSeconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

// Threads that spin for the next job; the caller is one of them.
class SpinPool {
public:
  SpinPool() {
    for (unsigned i = 1; i < kThreads; ++i) threads.emplace_back([this, i] { work(i); });
  }
  ~SpinPool() {
    stop = true;
    ++generation;
    for (auto &thread : threads) thread.join();
  }
  // Mean CPU seconds of the threads.
  template <class F> double run(F &&f) {
    job = f;
    running = kThreads - 1;
    ++generation;
    timed(0);
    while (running) _mm_pause();
    double sum = 0;
    for (double s : seconds) sum += s;
    return sum / kThreads;
  }

private:
  void timed(unsigned id) {
    double begin = threadSeconds();
    job(id);
    seconds[id] = threadSeconds() - begin;
  }
  void work(unsigned id) {
    for (unsigned seen = 0;;) {
      while (generation == seen) _mm_pause();
      seen = generation;
      if (stop) return;
      timed(id);
      --running;
    }
  }
  std::function<void(unsigned)> job;
  double seconds[kThreads] = {};
  std::atomic<unsigned> generation{0}, running{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
};

// Reads [begin, end) of 64-byte lines in four streams with prefetch, which is what this kind of machine likes best.
__attribute__((target("avx2"))) uint64_t readLines(const uint8_t *p, size_t bytes) {
  size_t part = bytes / 4 / 64 * 64;
  __m256i sum = _mm256_setzero_si256();
  for (size_t i = 0; i < part; i += 64)
    for (size_t s = 0; s < 4; ++s) {
      const uint8_t *line = p + s * part + i;
      _mm_prefetch(line + 1152, _MM_HINT_T0);
      sum = _mm256_xor_si256(sum, _mm256_load_si256(reinterpret_cast<const __m256i *>(line)));
      sum = _mm256_xor_si256(sum, _mm256_load_si256(reinterpret_cast<const __m256i *>(line + 32)));
    }
  return _mm256_extract_epi64(sum, 0);
}

struct Bench {
  CpuLevel level;
  LinearShape shape;
  LinearVariant variant;
  uint64_t tokens;
  std::unique_ptr<mlir::MLIRContext> context = makeContext();
  LoadedCode code{*context, level};
  PreparedRow prepared{shape.cols, shape.format.group};
  uint64_t xStride = shape.int8Activations ? prepared.bytes() : (shape.cols * 4 + 63) / 64 * 64;
  uint64_t yStride = shape.blocks() * 64;

  void compile() {
    Emitter e(*code.module, level, "linear");
    Value y = e.slotPointer(2);
    emitLinear(e, shape, variant, {e.slotPointer(0), e.slotPointer(1), xStride},
               [&](Value token, Value unit, llvm::ArrayRef<Value> blocks) {
                 Value row = e.at(e.at(y, e.imul(token, yStride)), e.imul(unit, 64 * int64_t(shape.unitBlocks)));
                 for (auto [b, block] : llvm::enumerate(blocks)) e.store(block, e.at(row, 64 * int64_t(b)));
               });
    e.finish();
    if (!code.compile()) fprintf(stderr, "%s", code.error.c_str()), abort();
  }
};

uint8_t *bigMemory(size_t bytes) {
  void *p = mmap(nullptr, bytes + (2 << 20), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uint8_t *base = reinterpret_cast<uint8_t *>((uintptr_t(p) + (2 << 20) - 1) & ~uintptr_t((2 << 20) - 1));
  madvise(base, bytes, MADV_HUGEPAGE);
  for (size_t i = 0; i < bytes; i += 8)
    *reinterpret_cast<uint64_t *>(base + i) = 0x1c081c0c1c101c00 ^ (i * 0x9e3779b1 & 0xff);
  return base;
}

void linear(benchmark::State &state, CpuLevel level, LinearShape shape, size_t index, uint64_t tokens) {
  if (!runs(level)) return state.SkipWithError("level missing");
  Bench bench{level, shape, linearVariants(shape)[index], tokens};
  bench.compile();
  const char *size = getenv("INGOT_BENCH_MB");
  uint64_t weightBytes = *packedBytes(shape.format, shape.rows, shape.cols);
  uint64_t copies = tokens > 8 ? 1 : std::max<uint64_t>(1, (uint64_t(size ? atoi(size) : 1024) << 20) / weightBytes);
  static uint8_t *memory = bigMemory(uint64_t(1100) << 20);
  static SpinPool pool;
  std::vector<uint8_t> x(tokens * bench.xStride + 64, 1), y(tokens * bench.yStride + 64),
      scratch(kThreads * 65536 + 64);
  auto aligned = [](std::vector<uint8_t> &v) { return (uint64_t(v.data()) + 63) & ~uint64_t(63); };
  for (size_t t = 0; t < tokens; ++t) { // f32 rows whole, of prepared rows the scales: ordinary numbers
    uint64_t i = shape.int8Activations ? bench.prepared.scaleOffset() : 0;
    uint64_t end = shape.int8Activations ? bench.prepared.startOffset() : bench.xStride;
    for (; i < end; i += 4) *reinterpret_cast<float *>(aligned(x) + t * bench.xStride + i) = 0.01f;
  }
  uint64_t items = bench.variant.units(shape) * ((tokens + bench.variant.per - 1) / bench.variant.per);
  auto kernel = bench.code.kernel("linear");
  std::vector<double> ratios;
  double total = 0, bytes = double(copies) * weightBytes;
  for (auto _ : state) {
    double read = pool.run([&](unsigned id) {
      size_t part = size_t(bytes) / kThreads / 256 * 256;
      benchmark::DoNotOptimize(readLines(memory + id * part, part));
    });
    std::atomic<uint64_t> cursor{0};
    uint64_t grain = std::max<uint64_t>(1, items / 16), grains = (items + grain - 1) / grain;
    double time = pool.run([&](unsigned id) {
      for (uint64_t i; (i = cursor.fetch_add(1)) < grains * copies;) {
        uint64_t args[5] = {0, tokens, uint64_t(memory + i / grains * weightBytes), aligned(x), aligned(y)};
        uint64_t begin = i % grains * grain;
        kernel(reinterpret_cast<ingot_args *>(args), begin, std::min(items, begin + grain),
               reinterpret_cast<void *>(aligned(scratch) + id * 65536));
      }
    });
    state.SetIterationTime(time);
    ratios.push_back(read / time);
    total += time;
  }
  std::sort(ratios.begin(), ratios.end());
  state.counters["of_read"] = ratios[ratios.size() / 2];
  state.counters["GB/s"] = bytes * ratios.size() / total / 1e9;
  state.counters["Gop/s"] = 2.0 * copies * shape.rows * shape.cols * tokens * ratios.size() / total / 1e9;
}

void add(const char *format, CpuLevel level, LinearShape shape) {
  auto variants = linearVariants(shape);
  for (size_t i = 0; i < variants.size(); ++i)
    for (uint64_t tokens : {1, 4, 8, 512}) {
      bool fits = variants[i].maxRows >= tokens && (i == 0 || variants[i - 1].maxRows < tokens || variants[i].streams);
      if (!fits || (tokens < 5 && variants[i].per > 4)) continue;
      std::string label = std::string(format) + "/" + name(level) + "/" + std::to_string(shape.rows) + "x" +
                          std::to_string(shape.cols) + "/rows" + std::to_string(tokens) + "/streams" +
                          std::to_string(variants[i].streams);
      benchmark::RegisterBenchmark(label.c_str(), linear, level, shape, i, tokens)
          ->UseManualTime()
          ->Iterations(tokens > 8 ? 20 : 7);
    }
}

} // namespace

int main(int argc, char **argv) {
  using Type = WeightFormat::Type;
  using Zero = WeightFormat::Zero;
  for (CpuLevel level : {CpuLevel::v4, CpuLevel::v3}) {
    add("int4.affine.a8", level, {{.type = Type::int4, .zero = Zero::minimum, .group = 32}, 3072, 576, true, 2});
    add("int4.affine.a8", level, {{.type = Type::int4, .zero = Zero::minimum, .group = 32}, 576, 1536, true, 1});
    add("int4.sym.a8", level, {{.type = Type::int4, .group = 32}, 4096, 4096, true, 1});
    add("int8.sym.a8", level, {{.type = Type::int8, .group = 32}, 49152, 576, true, 1});
    add("int4.affine.f32", level, {{.type = Type::int4, .zero = Zero::minimum, .group = 32}, 3072, 576, false, 2});
    add("int4.sym.f32", level, {{.type = Type::int4, .group = 32}, 3072, 576, false, 2});
    add("f16", level, {{.type = Type::f16}, 3072, 576, false, 2});
    add("f32", level, {{.type = Type::f32}, 3072, 576, false, 2});
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
