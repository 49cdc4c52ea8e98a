// Rotary tables back to closed forms. A graph's cos and sin tables are cos(p * f[d]) * c and sin(p * f[d]) * c rounded
// to their type; the angle is float32(p) * f[d] rounded to float32 (numerics.md, line rope).
//
// A frequency is found from the phases at p = 1, 2, 4, ... (doubling p halves the error; products with powers of two
// are exact; narrow types: the least-squares slope over all p), then searched within +-4 ulp until the whole column
// agrees with both tables within 1.2e-7 * c plus half a unit in the last place of the table's type.
#pragma once
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"
#include "passes/infer/Recipes.h"
#include <map>
#include <string>
#include <vector>

namespace ingot::infer {

/// Float values of a constant array [rows, columns] and how exactly its type holds 1.0.
struct FloatTable {
  int64_t rows = 0, columns = 0;
  std::vector<float> values;
  double unit = 0; ///< unit in the last place of 1.0
};

struct RotaryForm {
  llvm::SmallVector<float, 64> frequencies;
  float scale = 1.0f;
};

/// nullopt if no closed form reproduces the tables.
std::optional<RotaryForm> recoverRotary(const FloatTable &cos, const FloatTable &sin);

/// Reads tables of the model: arrays in the IR, or sources in files beside `modelFile`
/// (a source with the file "" lies in it).
class RotaryTables {
public:
  RotaryTables(mlir::ModuleOp module, std::string modelFile) : module(module), modelFile(std::move(modelFile)) {}

  /// The shape of a table attribute of floats; empty for anything else.
  llvm::ArrayRef<int64_t> fullShape(mlir::Attribute table);
  /// The same as a matrix [rows, columns], leading axes of length 1 left out.
  std::optional<std::pair<int64_t, int64_t>> shape(mlir::Attribute table);
  /// Equal contents, or contents that cannot be read (see problem()).
  bool sameColumn(mlir::Attribute a, int64_t columnA, mlir::Attribute b, int64_t columnB);
  /// The closed form of the given columns of two tables from the row `first` on. nullopt: keep the tables.
  std::optional<RotaryForm> recover(mlir::Attribute cos, llvm::ArrayRef<int64_t> cosColumns, mlir::Attribute sin,
                                    llvm::ArrayRef<int64_t> sinColumns, int64_t first);
  /// Why a table's bytes could not be read; told once. Empty: all were read.
  std::string takeProblem();
  /// Follows a recipe that only loads a source, so that both spellings of a table are one.
  mlir::Attribute resolve(mlir::Attribute table);

  /// The model's own limit: the fewest rows of any table by position; 0 = none seen.
  int64_t positions = 0;
  void limit(int64_t rows) { positions = positions ? std::min(positions, rows) : rows; }

private:
  const FloatTable *read(mlir::Attribute table);
  std::optional<FloatTable> readFile(mlir::Attribute table);

  mlir::ModuleOp module;
  std::string modelFile, problem;
  bool told = false;
  llvm::DenseMap<mlir::Attribute, std::optional<FloatTable>> known;
  std::map<std::tuple<void *, int64_t, void *, int64_t>, bool> compared;
};

} // namespace ingot::infer
