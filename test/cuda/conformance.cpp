// Runs the conformance pack on a CUDA driver, real or emulated, and holds every result against the modelled one and,
// where there are recordings, against the recorded one; or records.
//
//   cuda-conformance [--driver LIBRARY] [--only TEXT] [--recordings FILE | --record FILE] [--list] PACK.data...
//
// Exit codes: 0 all agree, 1 some do not, 2 usage or no usable driver.
// A program that faults takes its context with it, so programs run in a child process; after a fault the next child
// goes on behind it.
#include "runtime/device/cuda/driver_api.h"
#include "test/cuda/pack.h"
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <functional>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace ingot;
using namespace ingot::cuda;
using namespace ingot::conformance;

namespace {

// What a child tells its parent about one program, in memory shared by both.
struct Outcome {
  enum State : uint8_t { waiting, running, matched, differs, faulted, skipped } state;
  bool stale;     // a recording of another version of the program
  char text[300]; // of differs and faulted
};

struct Options {
  std::string driver = getenv("INGOT_CUDA_DRIVER") ? getenv("INGOT_CUDA_DRIVER") : "libcuda.so.1";
  std::string only, record, recordings;
  std::vector<std::string> packs;
};

class Session {
public:
  Session() = default;
  // Opens the driver and its first device. False with a line on stderr.
  bool open(const std::string &library);
  bool run(const Program &program, std::vector<Bytes> *outputs); // false: `error` says why
  std::string describe();
  bool lost() const { return lost_; }
  int sm = 0;
  std::string error;

private:
  bool check(CUresult result, const char *what);
  bool run_loaded(const Program &program, CUmodule module, std::vector<Bytes> *outputs);
  bool prepare(const Program &program, std::vector<CUdeviceptr> *buffers);

  DriverCalls calls_;
  CUdevice device_ = 0;
  CUcontext context_ = nullptr;
  CUstream stream_ = nullptr;
  bool lost_ = false;
};

bool Session::check(CUresult result, const char *what) {
  if (result == CUDA_SUCCESS) return true;
  const char *name = nullptr;
  if (calls_.cuGetErrorName) calls_.cuGetErrorName(result, &name);
  error = std::string(what) + ": " + (name ? name : std::to_string(result));
  lost_ = result >= CUDA_ERROR_ILLEGAL_ADDRESS && result <= CUDA_ERROR_LAUNCH_FAILED &&
          result != CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
  return false;
}

bool Session::open(const std::string &library) {
  void *handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) return error = dlerror(), false;
#define INGOT_CONFORMANCE_LOAD(name, parameters)                                                                       \
  calls_.name = reinterpret_cast<decltype(calls_.name)>(dlsym(handle, #name));                                         \
  if (!calls_.name) return error = library + " has no " #name ": the driver is older than 12.0", false;
  INGOT_CUDA_CALLS(INGOT_CONFORMANCE_LOAD)
#undef INGOT_CONFORMANCE_LOAD
  int major = 0, minor = 0;
  if (!check(calls_.cuInit(0), "cuInit") || !check(calls_.cuDeviceGet(&device_, 0), "cuDeviceGet") ||
      !check(calls_.cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device_), "attribute") ||
      !check(calls_.cuDeviceGetAttribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device_), "attribute") ||
      !check(calls_.cuDevicePrimaryCtxRetain(&context_, device_), "cuDevicePrimaryCtxRetain") ||
      !check(calls_.cuCtxSetCurrent(context_), "cuCtxSetCurrent") ||
      !check(calls_.cuStreamCreate(&stream_, CU_STREAM_NON_BLOCKING), "cuStreamCreate"))
    return false;
  sm = major * 10 + minor;
  return true;
}

std::string Session::describe() {
  char name[128] = "";
  int version = 0;
  calls_.cuDeviceGetName(name, sizeof name, device_);
  calls_.cuDriverGetVersion(&version);
  return std::string(name) + ", sm_" + std::to_string(sm) + ", driver " + std::to_string(version / 1000) + "." +
         std::to_string(version % 1000 / 10);
}

// Outputs start as 0xA5 everywhere, so that what a program should not write is compared, too.
bool Session::prepare(const Program &program, std::vector<CUdeviceptr> *buffers) {
  for (const Argument &argument : program.arguments) {
    CUdeviceptr &buffer = buffers->emplace_back(0);
    if (argument.kind == Argument::scalar) continue;
    size_t bytes = argument.kind == Argument::output ? argument.expected.size() : argument.value.size();
    if (!check(calls_.cuMemAlloc_v2(&buffer, bytes), "cuMemAlloc")) return false;
    CUresult filled = argument.kind == Argument::output
                          ? calls_.cuMemsetD8Async(buffer, 0xa5, bytes, stream_)
                          : calls_.cuMemcpyHtoDAsync_v2(buffer, argument.value.data(), bytes, stream_);
    if (!check(filled, "filling a buffer")) return false;
  }
  return true;
}

bool Session::run_loaded(const Program &program, CUmodule module, std::vector<Bytes> *outputs) {
  CUfunction function = nullptr;
  if (!check(calls_.cuModuleGetFunction(&function, module, program.entry.c_str()), "cuModuleGetFunction")) return false;
  if (program.dynamic_shared > (48 << 10) &&
      !check(calls_.cuFuncSetAttribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                                       int(program.dynamic_shared)),
             "cuFuncSetAttribute"))
    return false;
  std::vector<CUdeviceptr> buffers;
  bool ok = prepare(program, &buffers);
  if (ok) {
    std::vector<void *> parameters;
    for (size_t i = 0; i < buffers.size(); ++i)
      parameters.push_back(program.arguments[i].kind == Argument::scalar
                               ? const_cast<uint8_t *>(program.arguments[i].value.data())
                               : static_cast<void *>(&buffers[i]));
    CUlaunchConfig config{program.grid[0],  program.grid[1],        program.grid[2], program.block[0], program.block[1],
                          program.block[2], program.dynamic_shared, stream_,         nullptr,          0};
    ok = check(calls_.cuLaunchKernelEx(&config, function, parameters.data(), nullptr), "cuLaunchKernelEx");
  }
  for (size_t i = 0; i < buffers.size() && ok; ++i) {
    const Argument &argument = program.arguments[i];
    if (argument.kind != Argument::output && argument.kind != Argument::both) continue;
    Bytes &bytes = outputs->emplace_back(argument.expected.size());
    ok = check(calls_.cuMemcpyDtoHAsync_v2(bytes.data(), buffers[i], bytes.size(), stream_), "cuMemcpyDtoH");
  }
  ok = check(calls_.cuStreamSynchronize(stream_), "cuStreamSynchronize") && ok;
  for (CUdeviceptr buffer : buffers)
    if (buffer && !lost_) calls_.cuMemFree_v2(buffer);
  return ok;
}

bool Session::run(const Program &program, std::vector<Bytes> *outputs) {
  char log[1024] = "";
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void *values[] = {log, reinterpret_cast<void *>(sizeof log)};
  CUmodule module = nullptr;
  if (!check(calls_.cuModuleLoadDataEx(&module, program.ptx.c_str(), 2, options, values), "cuModuleLoadDataEx"))
    return error += log[0] ? std::string(": ") + log : "", false;
  bool ok = run_loaded(program, module, outputs);
  if (!lost_) calls_.cuModuleUnload(module);
  return ok;
}

// Against the model, and against the recording if there is one.
std::string judge(const Program &program, const std::vector<Bytes> &outputs, const Recordings &recordings,
                  bool *stale) {
  auto found = recordings.programs.find(program.name);
  const Recording *recording = found == recordings.programs.end() ? nullptr : &found->second;
  *stale = recording && recording->hash != program.hash();
  if (*stale) recording = nullptr;
  size_t output = 0;
  for (const Argument &argument : program.arguments) {
    if (argument.kind != Argument::output && argument.kind != Argument::both) continue;
    if (auto text = difference(argument.comparison, outputs[output], argument.expected); !text.empty())
      return text + " (modelled)";
    if (recording)
      if (auto text = difference(argument.comparison, outputs[output], recording->outputs[output]); !text.empty())
        return text + " (recorded)";
    ++output;
  }
  return {};
}

void write_recording(const Options &options, const Program &program, const std::vector<Bytes> &outputs) {
  FILE *file = fopen(options.record.c_str(), "a");
  if (!file) return;
  fprintf(file, "recorded %s %llx", program.name.c_str(), (unsigned long long)program.hash());
  for (const Bytes &bytes : outputs) fprintf(file, " %s", to_hex(bytes).c_str());
  fputc('\n', file);
  fclose(file);
}

// The child: runs programs from `first` on until all are done or the context is lost. Its exit code is 2 when there is
// no usable driver.
int run_child(const Options &options, const std::vector<Program> &programs, const Recordings &recordings,
              Outcome *outcomes, size_t first) {
  Session session;
  if (!session.open(options.driver)) return fprintf(stderr, "%s\n", session.error.c_str()), 2;
  if (first == 0) {
    printf("%s\n", session.describe().c_str());
    fflush(stdout);
    if (FILE *file = options.record.empty() ? nullptr : fopen(options.record.c_str(), "w")) {
      fprintf(file, "# Written by cuda-conformance --record.\ndevice %s\n", session.describe().c_str());
      fclose(file);
    }
  }
  for (size_t i = first; i < programs.size() && !session.lost(); ++i) {
    Outcome &outcome = outcomes[i];
    if (programs[i].sm > unsigned(session.sm)) {
      outcome.state = Outcome::skipped;
      continue;
    }
    outcome.state = Outcome::running;
    std::vector<Bytes> outputs;
    std::string text;
    alarm(30); // one that hangs takes this process along, not the others' turn
    bool ran = session.run(programs[i], &outputs);
    alarm(0);
    if (ran) text = judge(programs[i], outputs, recordings, &outcome.stale);
    if (ran && !options.record.empty()) write_recording(options, programs[i], outputs);
    snprintf(outcome.text, sizeof outcome.text, "%s", ran ? text.c_str() : session.error.c_str());
    outcome.state = !ran ? Outcome::faulted : text.empty() ? Outcome::matched : Outcome::differs;
  }
  return 0;
}

int usage() {
  fprintf(stderr, "usage: cuda-conformance [--driver LIBRARY] [--only TEXT] [--recordings FILE | --record FILE] "
                  "PACK.data...\n");
  return 2;
}

bool read_options(int argc, char **argv, Options *options) {
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    std::string *value = argument == "--driver"       ? &options->driver
                         : argument == "--only"       ? &options->only
                         : argument == "--recordings" ? &options->recordings
                         : argument == "--record"     ? &options->record
                                                      : nullptr;
    if (value && ++i < argc)
      *value = argv[i];
    else if (!value && argument[0] != '-')
      options->packs.push_back(argument);
    else
      return false;
  }
  return !options->packs.empty();
}

int report(const std::vector<Program> &programs, const Outcome *outcomes, const Recordings &recordings) {
  size_t counts[Outcome::skipped + 1] = {}, stale = 0;
  for (size_t i = 0; i < programs.size(); ++i) {
    ++counts[outcomes[i].state];
    stale += outcomes[i].stale;
    if (outcomes[i].state == Outcome::differs || outcomes[i].state == Outcome::faulted)
      printf("%s: %s: %s\n", programs[i].name.c_str(),
             outcomes[i].state == Outcome::differs ? "differs" : "did not run", outcomes[i].text);
  }
  printf("%zu programs: %zu match, %zu differ, %zu did not run, %zu skipped (newer architecture)\n", programs.size(),
         counts[Outcome::matched], counts[Outcome::differs], counts[Outcome::faulted], counts[Outcome::skipped]);
  if (recordings.programs.empty())
    printf("held against modelled results only: there are no recordings of hardware\n");
  else
    printf("held against modelled results and recordings of %s (%zu recordings are stale)\n", recordings.device.c_str(),
           stale);
  return counts[Outcome::matched] + counts[Outcome::skipped] == programs.size() ? 0 : 1;
}

} // namespace

int main(int argc, char **argv) {
  Options options;
  if (!read_options(argc, argv, &options)) return usage();
  std::vector<Program> programs;
  Recordings recordings;
  std::string error;
  for (const std::string &pack : options.packs)
    if (!read_pack(pack, &programs, &error)) return fprintf(stderr, "%s\n", error.c_str()), 2;
  if (!options.recordings.empty() && !read_recordings(options.recordings, &recordings, &error))
    return fprintf(stderr, "%s\n", error.c_str()), 2;
  std::erase_if(programs, [&](const Program &p) { return p.name.find(options.only) == p.name.npos; });
  if (programs.empty()) return fprintf(stderr, "no program is named like '%s'\n", options.only.c_str()), 2;

  size_t bytes = programs.size() * sizeof(Outcome);
  void *shared = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return fprintf(stderr, "no memory\n"), 2;
  auto *outcomes = static_cast<Outcome *>(shared);
  size_t first = 0;
  while (first < programs.size()) {
    pid_t child = fork();
    if (child < 0) return perror("fork"), 2;
    if (child == 0) {
      int code = run_child(options, programs, recordings, outcomes, first);
      fflush(stdout);
      _exit(code); // no unwinding of a context that may be lost
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 2) return 2;
    size_t before = first;
    while (first < programs.size() && outcomes[first].state != Outcome::waiting) ++first;
    if (first > before && outcomes[first - 1].state == Outcome::running) {
      outcomes[first - 1].state = Outcome::faulted;
      snprintf(outcomes[first - 1].text, sizeof outcomes[0].text, "the process died, or it hung");
    }
    if (first == before) return fprintf(stderr, "the driver's process dies before it runs anything\n"), 2;
  }
  return report(programs, outcomes, recordings);
}
