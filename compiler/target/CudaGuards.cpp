// Bounds guards from MLIR locations to marks in PTX (dialects/ptx/BoundsGuard.h). LLVM carries debug locations through
// all of its passes and prints them as `.loc` directives; code does not depend on them. Line 1 is everything that is no
// guard, line 2 + k is guard k.
#include "compiler/target/CudaStages.h"
#include "dialects/ptx/BoundsGuard.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/BinaryFormat/Dwarf.h"

using namespace mlir;

namespace ingot::cuda {

static constexpr unsigned firstLine = 2;

/// What guards have become by now; constants and conditions beside them have their location, too.
static bool decides(Operation *op) { return isa<LLVM::CondBrOp, LLVM::UMinOp, LLVM::SelectOp>(op); }

static LLVM::DISubprogramAttr scopeOf(LLVM::LLVMFuncOp function, LLVM::DIFileAttr file, LLVM::DICompileUnitAttr unit) {
  MLIRContext *context = function.getContext();
  auto type = LLVM::DISubroutineTypeAttr::get(context, llvm::dwarf::DW_CC_normal, {});
  return LLVM::DISubprogramAttr::get(context, DistinctAttr::create(UnitAttr::get(context)), unit, file,
                                     function.getNameAttr(), function.getNameAttr(), file, 1, 1,
                                     LLVM::DISubprogramFlags::Definition | LLVM::DISubprogramFlags::Optimized, type);
}

std::vector<std::string> keepGuards(ModuleOp kernel) {
  MLIRContext *context = kernel.getContext();
  auto file = LLVM::DIFileAttr::get(context, "guards", "");
  auto unit = LLVM::DICompileUnitAttr::get(DistinctAttr::create(UnitAttr::get(context)), llvm::dwarf::DW_LANG_C, file,
                                           StringAttr::get(context, "ingot"), /*isOptimized=*/true,
                                           LLVM::DIEmissionKind::DebugDirectivesOnly);
  std::vector<std::string> guards;
  for (auto function : kernel.getOps<LLVM::LLVMFuncOp>()) {
    if (function.isExternal()) continue;
    function.walk([&](Operation *op) {
      unsigned line = 1;
      if (FileLineColLoc place = guardPlace(op->getLoc()); place && decides(op)) {
        line = firstLine + guards.size();
        guards.push_back((place.getFilename().getValue() + ":" + llvm::Twine(place.getLine())).str());
      }
      op->setLoc(FileLineColLoc::get(context, "guards", line, 0));
    });
    function->setLoc(FusedLoc::get(context, {function.getLoc()}, scopeOf(function, file, unit)));
  }
  return guards;
}

std::string markGuards(llvm::StringRef ptx, llvm::ArrayRef<std::string> guards) {
  std::string text;
  unsigned place = 0;
  for (llvm::StringRef line : llvm::split(ptx, '\n')) {
    llvm::StringRef words = line.trim();
    if (words.consume_front(".loc")) {
      words = words.ltrim().split(' ').second.ltrim(); // behind the file's number
      if (words.consumeInteger(10, place)) place = 0;
      continue;
    }
    bool ofDebugging = llvm::any_of(ArrayRef<llvm::StringRef>{".file", ".section", "$L__tmp", "$L__func_"},
                                    [&](llvm::StringRef start) { return words.starts_with(start); });
    if (ofDebugging) continue;
    bool marked = words.ends_with(";") && place >= firstLine && place - firstLine < guards.size();
    text += marked ? (line + " " + guardMark + guards[place - firstLine] + "\n").str() : (line + "\n").str();
  }
  return text;
}

} // namespace ingot::cuda
