// Symbolic shapes. A dim is an ordered product of factors, each a constant or affine in S and P; order tells how an
// index along the dim splits, so that reshape is a regrouping of factors.
//
// Invariants
// 1. No factor is 1, and no two constants are neighbours: equal dims compare equal factor by factor.
// 2. Batch is 1 (C1), hence it has no factor.
#pragma once
#include "passes/infer/Expr.h"

namespace ingot::infer {

class Dim {
public:
  Dim() = default; ///< 1
  Dim(ExprContext &context, Expr size) { append(context, size); }

  void append(ExprContext &context, Expr factor);
  llvm::ArrayRef<Expr> factors() const { return parts; }
  bool isOne() const { return parts.empty(); }
  std::optional<int64_t> constant() const; ///< nullopt if symbolic
  bool operator==(const Dim &other) const { return parts == other.parts; }
  /// The number of elements; Undefined where a product of two symbolic factors is no affine form.
  Expr size(ExprContext &context) const;
  std::string print(ExprContext &context) const;

private:
  llvm::SmallVector<Expr, 1> parts;
};

using Shape = llvm::SmallVector<Dim, 4>;

std::string print(ExprContext &context, llvm::ArrayRef<Dim> shape);

/// Product of constant dims, nullopt if one is symbolic or the product overflows.
std::optional<int64_t> constantProduct(llvm::ArrayRef<Dim> shape);

/// NumPy broadcast; nullopt if two dims differ and neither is 1.
std::optional<Shape> broadcast(llvm::ArrayRef<llvm::ArrayRef<Dim>> shapes);

/// The dims of `from` regrouped to the given sizes in row-major order (-1: the rest). nullopt if a symbolic factor
/// would have to be split or moved, or the counts differ.
std::optional<Shape> regroup(ExprContext &context, llvm::ArrayRef<Dim> from, llvm::ArrayRef<Expr> sizes);

/// Where element `index` of a regrouped tensor lies in the original: one expression a dim of `from`. nullopt where a
/// symbolic factor's index cannot be split off.
std::optional<llvm::SmallVector<Expr, 4>> regroupedIndex(ExprContext &context, llvm::ArrayRef<Dim> from,
                                                         llvm::ArrayRef<Dim> to, llvm::ArrayRef<Expr> index);

/// Product of the constant factors.
int64_t columnsOf(llvm::ArrayRef<Dim> shape);

/// Where an element lies in the rows of a value with at most one symbolic factor: its column counts the constant
/// factors in order. nullopt where the index cannot be split.
struct RowPlace {
  Expr column, token;
};
/// The index of the element in `column` of a token's row: rowPlace's inverse.
llvm::SmallVector<Expr, 4> rowIndex(ExprContext &context, llvm::ArrayRef<Dim> shape, int64_t column, Expr token);
std::optional<RowPlace> rowPlace(ExprContext &context, llvm::ArrayRef<Dim> shape, llvm::ArrayRef<Expr> index);

} // namespace ingot::infer
