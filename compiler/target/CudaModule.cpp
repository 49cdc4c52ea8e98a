// The LLVM half for CUDA: a kernel's module gets what CudaTarget.h promises, is optimised at O3, checked and printed.
//
// Facts that shape this file (LLVM 19): a function is an entry by module metadata; inline assembly, mma and ldmatrix
// are not convergent unless their calls say so; a pointer that was loaded counts as generic unless it is cast to global
// and back, which infer-address-spaces then spreads; printing ends the process on an intrinsic without an instruction.
#include "compiler/target/CudaStages.h"
#include "compiler/target/Optimise.h"

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/IPO/AlwaysInliner.h"
#include "llvm/Transforms/IPO/GlobalDCE.h"
#include "llvm/Transforms/Scalar/InferAddressSpaces.h"
#include <mutex>

using namespace llvm;

namespace ingot::cuda {

static const char *const triple = "nvptx64-nvidia-cuda";
static constexpr unsigned globalSpace = 1;

static Error failure(const Twine &message) { return createStringError(inconvertibleErrorCode(), message); }

/// A code generator's option that only a command line can set.
template <typename T> static void setOption(StringRef name, T value) {
  auto &known = cl::getRegisteredOptions();
  auto found = known.find(name);
  if (found != known.end()) static_cast<cl::opt<T> *>(found->second)->setValue(value);
}

static void initialise() {
  LLVMInitializeNVPTXTargetInfo();
  LLVMInitializeNVPTXTarget();
  LLVMInitializeNVPTXTargetMC();
  LLVMInitializeNVPTXAsmPrinter();
  setOption<int>("nvptx-prec-divf32", 2); // IEEE, whatever a tool's command line says
  setOption<bool>("nvptx-prec-sqrtf32", true);
  auto lines = cl::getRegisteredOptions().find("use-unknown-locations"); // what has no location does not take the last
  if (lines != cl::getRegisteredOptions().end()) lines->second->addOccurrence(0, lines->first(), "Enable");
}

Expected<std::unique_ptr<TargetMachine>> createTargetMachine(unsigned level) {
  static std::once_flag once;
  std::call_once(once, initialise);
  std::string error;
  const Target *target = TargetRegistry::lookupTarget(triple, error);
  if (!target) return failure(error);
  TargetOptions options;
  options.AllowFPOpFusion = FPOpFusion::Strict; // add.rn and mul.rn: ptxas must not fuse them either
  options.MCOptions.AsmVerbose = false;
  std::unique_ptr<TargetMachine> machine(target->createTargetMachine(triple, "sm_" + std::to_string(level), "+ptx80",
                                                                     options, Reloc::PIC_, CodeModel::Small,
                                                                     CodeGenOptLevel::Aggressive));
  if (!machine) return failure("LLVM has no code generator for sm_" + Twine(level));
  return machine;
}

/// `function` becomes an entry with a bound on its block size.
static void annotate(Function &function, const EntryPoint &entry) {
  Module &module = *function.getParent();
  LLVMContext &context = module.getContext();
  NamedMDNode *annotations = module.getOrInsertNamedMetadata("nvvm.annotations");
  auto add = [&](StringRef key, unsigned value) {
    Metadata *number = ConstantAsMetadata::get(ConstantInt::get(Type::getInt32Ty(context), value));
    annotations->addOperand(
        MDNode::get(context, {ValueAsMetadata::get(&function), MDString::get(context, key), number}));
  };
  add("kernel", 1);
  add("maxntidx", entry.threads);
  if (entry.ctas) add("minctasm", entry.ctas);
}

/// Entries are visible, all else is private under a name of the kernel's own.
static void setLinkage(Module &module, ArrayRef<EntryPoint> entries) {
  for (const EntryPoint &entry : entries) annotate(*module.getFunction(entry.name), entry);
  auto isEntry = [&](const Function &f) {
    return is_contained(map_range(entries, [](auto &e) { return StringRef(e.name); }), f.getName());
  };
  for (Function &function : module) {
    if (function.isDeclaration()) continue;
    function.addFnAttr(Attribute::NoUnwind);
    function.addFnAttr(Attribute::Convergent);
    function.addFnAttr("no-builtins");
    if (isEntry(function)) continue;
    function.setLinkage(GlobalValue::InternalLinkage);
    function.addFnAttr(Attribute::AlwaysInline);
  }
  unsigned number = 0;
  for (GlobalVariable &global : module.globals()) {
    if (global.isDeclaration()) continue; // the dynamic shared memory
    global.setLinkage(GlobalValue::InternalLinkage);
    global.setName(module.getModuleIdentifier() + "__" + Twine(number++));
  }
}

/// What a whole warp executes together, though LLVM takes it for a thread's own arithmetic: it would make two loops of
/// one around a condition that differs by lane.
static bool needsWholeWarp(const CallBase &call) {
  const Function *callee = call.getCalledFunction();
  return callee && (callee->getName().starts_with("llvm.nvvm.mma.") || callee->getName().contains(".sync.aligned."));
}

/// Assembly with effects may synchronise threads; without, it computes, or it loads (ptx.load_nc).
static void setEffects(Module &module) {
  for (Function &function : module)
    for (Instruction &instruction : instructions(function)) {
      auto *call = dyn_cast<CallBase>(&instruction);
      if (call && needsWholeWarp(*call)) call->addFnAttr(Attribute::Convergent);
      if (!call || !call->isInlineAsm()) continue;
      auto *assembly = cast<InlineAsm>(call->getCalledOperand());
      if (assembly->hasSideEffects())
        call->addFnAttr(Attribute::Convergent);
      else if (StringRef(assembly->getAsmString()).starts_with("ld."))
        call->setOnlyReadsMemory();
      else
        call->setDoesNotAccessMemory();
    }
}

/// Pointers that come from outside are global ones (invariant 3).
static void makeGlobal(Function &function) {
  Type *global = PointerType::get(function.getContext(), globalSpace);
  SmallVector<Value *> roots;
  auto isGeneric = [](Value &value) {
    return value.getType()->isPointerTy() && !value.getType()->getPointerAddressSpace();
  };
  for (Argument &argument : function.args())
    if (isGeneric(argument)) roots.push_back(&argument);
  for (Instruction &instruction : instructions(function))
    if ((isa<LoadInst>(instruction) || isa<IntToPtrInst>(instruction)) && isGeneric(instruction))
      roots.push_back(&instruction);
  for (Value *root : roots) {
    auto *instruction = dyn_cast<Instruction>(root);
    IRBuilder<> builder(&*function.getEntryBlock().getFirstInsertionPt());
    if (instruction) builder.SetInsertPoint(instruction->getNextNode());
    auto *there = cast<Instruction>(builder.CreateAddrSpaceCast(root, global));
    Value *back = builder.CreateAddrSpaceCast(there, root->getType());
    root->replaceUsesWithIf(back, [&](Use &use) { return use.getUser() != there; });
  }
}

namespace {
struct MakeGlobal : PassInfoMixin<MakeGlobal> {
  PreservedAnalyses run(Function &function, FunctionAnalysisManager &) {
    makeGlobal(function);
    return PreservedAnalyses::none();
  }
  static bool isRequired() { return true; }
};
} // namespace

/// Vector-combine takes 16-byte loads apart.
static void optimiseKernel(Module &module, TargetMachine &machine) {
  ModulePassManager first;
  first.addPass(AlwaysInlinerPass());
  first.addPass(GlobalDCEPass());
  first.addPass(createModuleToFunctionPassAdaptor(MakeGlobal()));
  first.addPass(createModuleToFunctionPassAdaptor(InferAddressSpacesPass()));
  optimise(module, machine, std::move(first), "VectorCombinePass");
}

void prepare(Module &module, ArrayRef<EntryPoint> entries, TargetMachine &machine) {
  module.setTargetTriple(triple);
  module.setDataLayout(machine.createDataLayout());
  setLinkage(module, entries);
  setEffects(module);
  optimiseKernel(module, machine);
}

/// Intrinsics that become instructions, for the types that they are used on.
static bool hasInstruction(const IntrinsicInst &call) {
  if (call.getCalledFunction()->getName().starts_with("llvm.nvvm.")) return true;
  bool single = call.getType()->getScalarType()->isFloatTy() || call.getType()->getScalarType()->isDoubleTy();
  switch (call.getIntrinsicID()) {
  case Intrinsic::fma:
  case Intrinsic::sqrt:
  case Intrinsic::fabs:
  case Intrinsic::floor:
  case Intrinsic::ceil:
  case Intrinsic::trunc:
  case Intrinsic::rint:
  case Intrinsic::nearbyint:
  case Intrinsic::roundeven:
  case Intrinsic::copysign:
  case Intrinsic::minnum:
  case Intrinsic::maxnum:
  case Intrinsic::minimum:
  case Intrinsic::maximum:
    return single;
  case Intrinsic::smin:
  case Intrinsic::smax:
  case Intrinsic::umin:
  case Intrinsic::umax:
  case Intrinsic::abs:
  case Intrinsic::ctpop:
  case Intrinsic::ctlz:
  case Intrinsic::cttz:
  case Intrinsic::bswap:
  case Intrinsic::bitreverse:
  case Intrinsic::fshl:
  case Intrinsic::fshr:
  case Intrinsic::sadd_sat:
  case Intrinsic::ssub_sat:
  case Intrinsic::uadd_sat:
  case Intrinsic::usub_sat:
  case Intrinsic::fptosi_sat:
  case Intrinsic::fptoui_sat:
  case Intrinsic::memset: // loops
  case Intrinsic::memcpy:
  case Intrinsic::lifetime_start:
  case Intrinsic::lifetime_end:
  case Intrinsic::assume:
  case Intrinsic::experimental_noalias_scope_decl:
    return true;
  default:
    return false;
  }
}

/// What is wrong with an instruction; empty: nothing.
static std::string complaint(const Instruction &instruction) {
  if (instruction.isAtomic()) return "has an atomic of LLVM, whose order is lost on the way to PTX: use ptx ops";
  if (instruction.getOpcode() == Instruction::FRem) return "has a floating remainder, which is no instruction";
  auto *call = dyn_cast<CallBase>(&instruction);
  if (!call || call->isInlineAsm()) return "";
  const Function *callee = call->getCalledFunction();
  if (!callee) return "calls through a pointer";
  auto *intrinsic = dyn_cast<IntrinsicInst>(call);
  if (intrinsic && hasInstruction(*intrinsic)) return "";
  return ("calls '" + callee->getName() + "', which is no instruction").str();
}

Error lint(const Module &module) {
  for (const Function &function : module)
    for (const Instruction &instruction : instructions(function)) {
      std::string what = complaint(instruction);
      if (!what.empty()) return failure("kernel " + Twine(module.getModuleIdentifier()) + " " + what);
    }
  for (const GlobalVariable &global : module.globals())
    if (!global.isDeclaration() && !global.isConstant())
      return failure("kernel " + Twine(module.getModuleIdentifier()) + " has writable data of its own");
  return Error::success();
}

Expected<std::string> printPtx(Module &module, TargetMachine &machine) {
  SmallVector<char, 0> bytes;
  raw_svector_ostream stream(bytes);
  legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, stream, nullptr, CodeGenFileType::AssemblyFile))
    return failure("LLVM cannot print PTX");
  passes.run(module);
  return std::string(bytes.begin(), bytes.end());
}

} // namespace ingot::cuda
