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

  /// Shape [rows, columns] of a table attribute; nullopt unless it is a matrix of floats.
  std::optional<std::pair<int64_t, int64_t>> shape(mlir::Attribute table);
  /// Null closed form: keep the tables. `problem` is set if their bytes cannot be read.
  std::optional<RotaryForm> recover(mlir::Attribute cos, mlir::Attribute sin, std::string &problem);

  /// The model's own limit: the fewest rows of any table by position; 0 = none seen.
  int64_t positions = 0;
  void limit(int64_t rows) { positions = positions ? std::min(positions, rows) : rows; }

private:
  mlir::Attribute resolve(mlir::Attribute table);
  std::optional<FloatTable> read(mlir::Attribute table, std::string &problem);

  mlir::ModuleOp module;
  std::string modelFile;
};

} // namespace ingot::infer
