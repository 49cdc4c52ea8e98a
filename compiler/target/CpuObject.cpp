// The LLVM half: O3 for a CPU level, then an object file in memory, then the checks that name a kernel.
//
// No fast-math flag is ever set and contraction is off, so bits are those of the instructions written.
#include "compiler/target/CpuStages.h"
#include "compiler/target/Optimise.h"

#include "llvm/IR/DiagnosticHandler.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/Utils/Cloning.h"
#include <mutex>

using namespace llvm;

namespace ingot::cpu {

static const char *const triple = "x86_64-unknown-linux-gnu";
static const char *cpuName(CpuLevel level) { return level == CpuLevel::v3 ? "x86-64-v3" : "x86-64-v4"; }
static const char *features(CpuLevel level) { return level == CpuLevel::v3 ? "" : "+avx512vnni"; }

static Error failure(const Twine &message) { return createStringError(inconvertibleErrorCode(), message); }

Expected<std::unique_ptr<TargetMachine>> createTargetMachine(CpuLevel level) {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
  });
  std::string error;
  const Target *target = TargetRegistry::lookupTarget(triple, error);
  if (!target) return failure(error);
  TargetOptions options;
  options.AllowFPOpFusion = FPOpFusion::Strict;
  options.FunctionSections = true;
  options.UniqueSectionNames = true;
  options.MCOptions.AsmVerbose = true;
  std::unique_ptr<TargetMachine> machine(target->createTargetMachine(
      triple, cpuName(level), features(level), options, Reloc::PIC_, CodeModel::Small, CodeGenOptLevel::Aggressive));
  if (!machine) return failure("LLVM has no code generator for " + Twine(cpuName(level)));
  return machine;
}

// Every kernel: the level's features, no library calls, no unwind tables, a bound on its frame.
static void setAttributes(Module &module, CpuLevel level) {
  for (Function &function : module) {
    if (function.isDeclaration()) continue;
    function.addFnAttr("target-cpu", cpuName(level));
    if (*features(level)) function.addFnAttr("target-features", features(level));
    function.addFnAttr("prefer-vector-width", level == CpuLevel::v3 ? "256" : "512");
    function.addFnAttr("min-legal-vector-width", level == CpuLevel::v3 ? "256" : "512");
    function.addFnAttr("no-builtins");
    function.addFnAttr("warn-stack-size", std::to_string(maxStackFrame));
    function.addFnAttr(Attribute::NoUnwind);
    function.setAlignment(Align(64));
    function.setDSOLocal(true);
  }
}

static Error emit(Module &module, TargetMachine &machine, CodeGenFileType kind, SmallVectorImpl<char> &bytes) {
  raw_svector_ostream stream(bytes);
  legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, stream, nullptr, kind)) return failure("LLVM cannot emit this file type");
  passes.run(module);
  return Error::success();
}

// Turns the frame-size warning and every error of the code generator into messages.
struct Diagnostics : DiagnosticHandler {
  std::string &messages;
  Diagnostics(std::string &messages) : messages(messages) {}
  bool handleDiagnostics(const DiagnosticInfo &info) override {
    bool frame = info.getKind() == DK_ResourceLimit || info.getKind() == DK_StackSize;
    if (!frame && info.getSeverity() != DS_Error) return true;
    raw_string_ostream stream(messages);
    DiagnosticPrinterRawOStream printer(stream);
    if (!messages.empty()) stream << "; ";
    info.print(printer);
    return true;
  }
};

Expected<ObjectFile> assemble(Module &module, TargetMachine &machine, CpuLevel level, bool dump) {
  ObjectFile object;
  object.name = module.getModuleIdentifier();
  std::string messages;
  module.getContext().setDiagnosticHandler(std::make_unique<Diagnostics>(messages));
  module.setTargetTriple(triple);
  module.setDataLayout(machine.createDataLayout());
  setAttributes(module, level);
  optimise(module, machine);
  if (dump) {
    raw_string_ostream(object.ir) << module;
    // Code generation changes the module: assemble a clone for the text.
    std::unique_ptr<Module> copy = CloneModule(module);
    SmallVector<char, 0> text;
    if (Error error = emit(*copy, machine, CodeGenFileType::AssemblyFile, text)) return error;
    object.assembly.assign(text.begin(), text.end());
    messages.clear();
  }
  if (Error error = emit(module, machine, CodeGenFileType::ObjectFile, object.bytes)) return error;
  if (!messages.empty()) return failure("kernel " + object.name + ": " + messages);
  if (Error error = checkObject(object)) return error;
  return object;
}

Error checkObject(const ObjectFile &object) {
  MemoryBufferRef buffer(StringRef(object.bytes.data(), object.bytes.size()), object.name);
  auto parsed = object::ObjectFile::createELFObjectFile(buffer);
  if (!parsed) return parsed.takeError();
  for (const object::ELFSymbolRef symbol : (*parsed)->symbols()) {
    auto flags = symbol.getFlags();
    auto name = symbol.getName();
    if (!flags || !name) return failure("kernel " + object.name + ": unreadable symbol table");
    if ((*flags & object::SymbolRef::SF_Undefined) && !name->empty())
      return failure("kernel " + object.name + " calls '" + *name + "': generated code must not call out");
  }
  for (const object::ELFSectionRef section : (*parsed)->sections()) {
    if (!(section.getFlags() & ELF::SHF_ALLOC) || !(section.getFlags() & ELF::SHF_WRITE) || !section.getSize())
      continue;
    auto name = section.getName();
    return failure("kernel " + object.name + " has writable data in " + (name ? *name : "a section"));
  }
  return Error::success();
}

} // namespace ingot::cpu
