// The reference evaluator: a slow, obvious meaning for every graph op and every decoder op in import form. Tests
// compare everything else with it, and import folds small constants with it.
//
// Modes. `plain`: each op in double precision, its result rounded once to the element type. `contract`: decoder ops and
// elementary functions on f32 use numerics.h, the arithmetic that generated kernels have bit for bit.
//
// Untrusted graphs and values: an index out of range or a shape that does not fit is an error, never undefined.
#pragma once
#include "compiler/reference/Array.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/Twine.h"
#include <map>
#include <string>

namespace ingot::reference {

enum class Mode { plain, contract };

class Evaluator {
public:
  /// `modelFile`: the file the module was imported from; weights.source files are relative to its folder.
  Evaluator(mlir::ModuleOp module, std::string modelFile, Mode mode = Mode::plain)
      : module(module), modelFile(std::move(modelFile)), mode(mode) {}

  /// Calls a function of the module. Arguments must have its types, up to dynamic dims. Nothing on an error: see
  /// error().
  std::optional<std::vector<Array>> run(llvm::StringRef function, std::vector<Array> arguments);

  /// A block on given arguments: what its terminator yields. False on an error.
  bool runRegion(mlir::Block &block, std::vector<Array> arguments, std::vector<Array> &results);

  /// One op on given operands. False on an error.
  bool evaluate(mlir::Operation *op, llvm::ArrayRef<Array> operands, std::vector<Array> &results);

  const std::string &error() const { return message; }

  // For the op families (Eval*.cpp).
  bool fail(const llvm::Twine &reason);
  bool isContract() const { return mode == Mode::contract; }
  /// The value of a weights.source or weights.recipe symbol, kept for the evaluator's life if it is small.
  std::optional<Array> source(llvm::StringRef symbol);
  std::optional<Array> recipe(llvm::StringRef symbol);

private:
  friend bool evaluateControl(Evaluator &, mlir::Operation *, llvm::ArrayRef<Array>, std::vector<Array> &);
  bool runBlock(mlir::Block &block, std::vector<Array> &results);

  mlir::ModuleOp module;
  std::string modelFile;
  Mode mode;
  std::string message;
  llvm::DenseMap<mlir::Value, Array> values;
  std::map<std::string, Array> kept;
};

// A family evaluates its own ops and says false in `known` for any other.
using Family = bool (*)(Evaluator &, mlir::Operation *, llvm::ArrayRef<Array>, std::vector<Array> &, bool &known);
bool evaluateElementwise(Evaluator &, mlir::Operation *, llvm::ArrayRef<Array>, std::vector<Array> &, bool &known);
bool evaluateMovement(Evaluator &, mlir::Operation *, llvm::ArrayRef<Array>, std::vector<Array> &, bool &known);
bool evaluateIndexed(Evaluator &, mlir::Operation *, llvm::ArrayRef<Array>, std::vector<Array> &, bool &known);
bool evaluateContraction(Evaluator &, mlir::Operation *, llvm::ArrayRef<Array>, std::vector<Array> &, bool &known);
bool evaluateQuant(Evaluator &, mlir::Operation *, llvm::ArrayRef<Array>, std::vector<Array> &, bool &known);
bool evaluateRows(Evaluator &, mlir::Operation *, llvm::ArrayRef<Array>, std::vector<Array> &, bool &known);
bool evaluateAttention(Evaluator &, mlir::Operation *, llvm::ArrayRef<Array>, std::vector<Array> &, bool &known);

/// Evaluates the ops of one recipe (Recipes.cpp).
std::optional<Array> evaluateRecipe(Evaluator &evaluator, mlir::Operation *recipe);

} // namespace ingot::reference
