// Links the kernels' objects with lld in process. The result is one read-only, executable image without headers.
//
// lld works on paths: the objects and our linker script are anonymous memory files and the output a pipe, all named
// through /proc/self/fd, so nothing is written to a disk. (lld makes a temporary file beside a regular output.)
// A pie link with `-z text` makes any absolute address an error.
#include "compiler/target/CpuStages.h"

#include "lld/Common/Driver.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/MemoryBuffer.h"
#include <fcntl.h>
#include <mutex>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

LLD_HAS_DRIVER(elf)

using namespace llvm;

namespace ingot::cpu {

static Error failure(const Twine &message) { return createStringError(inconvertibleErrorCode(), message); }

// Everything that is loaded goes into one section at address 0; what may not exist keeps its name, to be found below.
static constexpr StringRef linkerScript = R"(
SECTIONS {
  .blob : ALIGN(4096) { *(.text .text.*) . = ALIGN(64); *(.rodata .rodata.*) }
  .data : { *(.data .data.*) }
  .bss : { *(.bss .bss.*) *(COMMON) }
  /DISCARD/ : { *(.comment) *(.note.*) *(.eh_frame) *(.llvm*) }
}
)";

// A file that lives in memory only.
class MemoryFile {
public:
  MemoryFile(const char *name) : descriptor(memfd_create(name, MFD_CLOEXEC)) {}
  ~MemoryFile() {
    if (descriptor >= 0) close(descriptor);
  }
  MemoryFile(MemoryFile &&other) : descriptor(std::exchange(other.descriptor, -1)) {}
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor); }
  bool write(StringRef bytes) const {
    while (!bytes.empty()) {
      ssize_t n = ::write(descriptor, bytes.data(), bytes.size());
      if (n <= 0) return false;
      bytes = bytes.drop_front(n);
    }
    return descriptor >= 0;
  }

private:
  int descriptor;
};

// A pipe whose other end a thread reads into memory.
class OutputPipe {
public:
  OutputPipe() {
    if (pipe2(ends, O_CLOEXEC) == 0) reader = std::thread([this] { drain(); });
  }
  ~OutputPipe() { finish(); }
  bool valid() const { return ends[1] >= 0; }
  std::string path() const { return "/proc/self/fd/" + std::to_string(ends[1]); }
  /// Closes the writing end; all that was written.
  StringRef finish() {
    if (!reader.joinable()) return StringRef(bytes.data(), bytes.size());
    close(ends[1]);
    reader.join();
    close(ends[0]);
    return StringRef(bytes.data(), bytes.size());
  }

private:
  void drain() {
    char buffer[65536];
    for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;) bytes.append(buffer, buffer + n);
  }
  int ends[2] = {-1, -1};
  SmallVector<char, 0> bytes;
  std::thread reader;
};

// Runs lld on arguments; its messages become the error.
static Error runLinker(ArrayRef<std::string> arguments) {
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  std::vector<const char *> pointers;
  for (const std::string &argument : arguments) pointers.push_back(argument.c_str());
  std::string messages;
  raw_string_ostream stream(messages);
  lld::Result result = lld::lldMain(pointers, stream, stream, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode == 0) return Error::success();
  return failure("linking the kernels failed: " + StringRef(messages).trim());
}

// Takes the image and the entry offsets out of the linked ELF file.
static Expected<CodeBlob> extractBlob(StringRef elf, ArrayRef<ObjectFile> objects) {
  auto parsed = object::ObjectFile::createELFObjectFile(MemoryBufferRef(elf, "kernels"));
  if (!parsed) return parsed.takeError();
  CodeBlob blob;
  uint64_t start = 0; // the dynamic linker's tables, which nobody reads, may lie before it
  for (const object::ELFSectionRef section : (*parsed)->sections()) {
    auto name = section.getName();
    if (!name) return name.takeError();
    if (*name == ".blob") {
      auto contents = section.getContents();
      if (!contents) return contents.takeError();
      blob.bytes.assign(contents->bytes_begin(), contents->bytes_end());
      start = section.getAddress();
    } else if ((section.getFlags() & ELF::SHF_WRITE) && section.getSize() && *name != ".dynamic" &&
               *name != ".relro_padding") {
      return failure("the kernels' image has a writable section " + *name);
    } else if ((section.getType() == ELF::SHT_RELA || section.getType() == ELF::SHT_REL) && section.getSize()) {
      return failure("the kernels' image needs relocation at load time (" + *name + ")");
    }
  }
  for (const object::ELFSymbolRef symbol : (*parsed)->symbols()) {
    if (symbol.getELFType() != ELF::STT_FUNC) continue;
    auto name = symbol.getName();
    auto address = symbol.getAddress();
    if (!name) return name.takeError();
    if (!address) return address.takeError();
    blob.entry[*name] = *address - start;
  }
  for (const ObjectFile &object : objects)
    if (!blob.entry.count(object.name)) return failure("kernel " + object.name + " is missing from the linked image");
  return blob;
}

Expected<CodeBlob> linkObjects(ArrayRef<ObjectFile> objects) {
  std::vector<MemoryFile> files;
  std::vector<std::string> arguments = {
      "ld.lld",         "-pie",           "--no-dynamic-linker", "-z",
      "text",           "--no-undefined", "--threads=1",         "--no-mmap-output-file",
      "--build-id=none"};
  MemoryFile script("linker script");
  OutputPipe output;
  if (!script.write(linkerScript) || !output.valid()) return failure("no memory for a link");
  for (const ObjectFile &object : objects) {
    files.emplace_back(object.name.c_str());
    if (!files.back().write(StringRef(object.bytes.data(), object.bytes.size())))
      return failure("no memory for a link");
    arguments.push_back(files.back().path());
  }
  arguments.insert(arguments.end(), {"-T", script.path(), "-o", output.path()});
  if (Error error = runLinker(arguments)) return error;
  return extractBlob(output.finish(), objects);
}

} // namespace ingot::cpu
