// Finds the tools, runs them on files of a temporary folder, and takes that away again.
#include "compiler/target/Ptxas.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace ingot::cuda {

static Error failure(const Twine &message) { return createStringError(inconvertibleErrorCode(), message); }

static std::string inFolder(StringRef folder, StringRef tool) {
  SmallString<256> path(folder);
  sys::path::append(path, tool);
  return sys::fs::can_execute(path) ? std::string(path) : "";
}

/// The tool in the Python packages of a virtual environment: lib/python3.x/site-packages/nvidia/*/bin.
static std::string inVenv(StringRef venv, StringRef tool) {
  std::error_code error;
  SmallString<256> lib(venv);
  sys::path::append(lib, "lib");
  for (sys::fs::directory_iterator python(lib, error), end; !error && python != end; python.increment(error)) {
    SmallString<256> packages(python->path());
    sys::path::append(packages, "site-packages", "nvidia");
    std::error_code none;
    for (sys::fs::directory_iterator package(packages, none); !none && package != end; package.increment(none)) {
      std::string found = inFolder(package->path() + "/bin", tool);
      if (!found.empty()) return found;
    }
  }
  return "";
}

static std::string aboveThisProgram(StringRef tool) {
  SmallString<256> folder(sys::fs::getMainExecutable(nullptr, nullptr));
  for (int i = 0; i < 4 && !folder.empty(); ++i) {
    sys::path::remove_filename(folder);
    std::string found = inVenv((folder + "/venv").str(), tool);
    if (!found.empty()) return found;
  }
  return "";
}

static std::string find(StringRef tool, const char *variable) {
  auto environment = [](const char *name) { return sys::Process::GetEnv(name).value_or(""); };
  if (std::string path = environment(variable); !path.empty()) return path;
  if (auto path = sys::findProgramByName(tool)) return *path;
  for (const char *home : {"CUDA_HOME", "CUDA_PATH"})
    if (std::string path = environment(home); !path.empty())
      if (std::string found = inFolder(path + "/bin", tool); !found.empty()) return found;
  if (std::string venv = environment("VIRTUAL_ENV"); !venv.empty())
    if (std::string found = inVenv(venv, tool); !found.empty()) return found;
  return aboveThisProgram(tool);
}

Expected<Tools> findTools(StringRef ptxas) {
  Tools tools;
  tools.ptxas = ptxas.empty() ? find("ptxas", "INGOT_PTXAS") : ptxas.str();
  if (tools.ptxas.empty())
    return failure(
        "no ptxas on this machine to make cubins with: run tools/setup.sh, or `pip install nvidia-cuda-nvcc-cu12` "
        "and name its ptxas with --ptxas or INGOT_PTXAS, or compile with --sm none (PTX only)");
  if (!sys::fs::can_execute(tools.ptxas)) return failure("'" + tools.ptxas + "' cannot be executed (ptxas)");
  tools.nvdisasm = inFolder(sys::path::parent_path(tools.ptxas), "nvdisasm");
  if (tools.nvdisasm.empty()) tools.nvdisasm = find("nvdisasm", "INGOT_NVDISASM");
  return tools;
}

namespace {
/// A folder that goes away with it.
class TemporaryFolder {
public:
  static Expected<std::unique_ptr<TemporaryFolder>> create() {
    SmallString<128> path;
    if (std::error_code error = sys::fs::createUniqueDirectory("ingot-ptxas", path))
      return failure("no temporary folder for ptxas: " + error.message());
    return std::unique_ptr<TemporaryFolder>(new TemporaryFolder(path.str().str()));
  }
  ~TemporaryFolder() { sys::fs::remove_directories(path); }
  std::string file(StringRef name) const { return path + "/" + name.str(); }

private:
  TemporaryFolder(std::string path) : path(std::move(path)) {}
  std::string path;
};

struct Outcome {
  int status;
  std::string output, errors;
};
} // namespace

static std::string readFile(const std::string &path) {
  auto buffer = MemoryBuffer::getFile(path);
  return buffer ? (*buffer)->getBuffer().str() : std::string();
}

static Expected<Outcome> run(const std::string &program, ArrayRef<std::string> arguments,
                             const TemporaryFolder &folder) {
  SmallVector<StringRef> words = {program};
  words.append(arguments.begin(), arguments.end());
  std::string output = folder.file("output"), errors = folder.file("errors"), message;
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(output), StringRef(errors)};
  int status = sys::ExecuteAndWait(program, words, std::nullopt, redirects, 0, 0, &message);
  if (status < 0) return failure("'" + program + "' did not finish: " + message);
  return Outcome{status, readFile(output), readFile(errors)};
}

/// The first line that says error or fatal, without the temporary file's name.
static std::string firstError(StringRef log) {
  for (StringRef line : split(log, '\n')) {
    if (!line.contains("error") && !line.contains("fatal")) continue;
    size_t at = line.find(".ptx, ");
    return (at == StringRef::npos ? line : line.substr(at + 6)).str();
  }
  return log.trim().str();
}

static Error failed(const Outcome &outcome, StringRef log, unsigned sm) {
  std::string what = firstError(log), name = "ptxas for sm_" + std::to_string(sm);
  if (!what.empty()) return failure(name + ": " + what);
  return failure(
      name + " exits with " + Twine(outcome.status) +
      " and says nothing: try it by hand (ptxas --version), name another one with --ptxas or INGOT_PTXAS, or "
      "compile with --sm none (PTX only)");
}

/// Warnings of ptxas that say that code is slower than written (wgmma serialised and the like).
static std::string performanceWarning(StringRef log) {
  for (StringRef line : split(log, '\n'))
    for (const char *code : {"C7508", "C7510", "C7511", "C7515"})
      if (line.contains(code)) return line.str();
  return "";
}

static Error disassembleInto(Cubin &cubin, const Tools &tools, const std::string &file, const TemporaryFolder &folder) {
  auto outcome = run(tools.nvdisasm, {"-c", file}, folder);
  if (!outcome) return outcome.takeError();
  if (outcome->status) return failure("nvdisasm: " + outcome->errors);
  countSass(outcome->output, cubin.kernels);
  cubin.sass = std::move(outcome->output);
  return Error::success();
}

Expected<Cubin> assemblePtx(const Tools &tools, StringRef ptx, unsigned sm, bool disassemble) {
  auto folder = TemporaryFolder::create();
  if (!folder) return folder.takeError();
  std::string input = (*folder)->file("kernels.ptx"), output = (*folder)->file("kernels.cubin");
  std::error_code error;
  raw_fd_ostream stream(input, error);
  if (!error) stream << ptx, stream.close(), error = stream.error();
  if (error) return stream.clear_error(), failure("cannot write PTX for ptxas: " + error.message());
  auto outcome = run(tools.ptxas,
                     {"-arch=sm_" + std::to_string(sm), "-O3", "-fmad=false", "-v", "-warn-spills", "-warn-lmem-usage",
                      input, "-o", output},
                     **folder);
  if (!outcome) return failure("sm_" + Twine(sm) + ": " + toString(outcome.takeError()));
  std::string log = outcome->output + outcome->errors;
  if (outcome->status) return failed(*outcome, log, sm);
  if (std::string warning = performanceWarning(log); !warning.empty()) return failure(warning);
  Cubin cubin{sm, {}, parseReport(log, sm), {}};
  std::string bytes = readFile(output);
  if (bytes.empty()) return failure("ptxas for sm_" + Twine(sm) + " wrote nothing");
  cubin.bytes.assign(bytes.begin(), bytes.end());
  if (disassemble && !tools.nvdisasm.empty())
    if (Error problem = disassembleInto(cubin, tools, output, **folder)) return problem;
  return cubin;
}

} // namespace ingot::cuda
