// Scalar closed forms: what one element of a tensor is, as an expression over index variables, P (cached tokens) and
// S (new tokens). Hash-consed: equal expressions are one node, so comparing two of them is comparing pointers.
//
// Invariants
// 1. Builders return normal forms; a node is never built past them. Integer arithmetic that stays linear is one Affine.
// 2. Integer comparisons are `L <= 0` (AtMostZero) or `L == 0` (IsZero) of an Affine L, divided by its coefficients'
// gcd.
// 3. A Boolean turned into a number is Select(c, 1, 0); arithmetic with literals moves into the branches of a Select.
// 4. S >= 1; P and every index variable are >= 0. An index variable may be made with an upper bound, which comparison
// and
//    division know when it is a literal; all other upper bounds are the prover's business.
// 5. An overflow or a division by zero gives Undefined, which equals only itself and is never a literal.
// 6. ToReal(affine) keeps integers exact: contexts stay below 2^24, where float32 holds every integer.
#pragma once
#include "mlir/IR/Attributes.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/FoldingSet.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/raw_ostream.h"
#include <deque>
#include <optional>
#include <string>

namespace ingot::infer {

enum class ExprOp : uint8_t {
  Affine,     // constant + sum of coefficient * variable
  Real,       // a floating-point literal
  Bool,       // a Boolean literal
  AtMostZero, // affine <= 0
  IsZero,     // affine == 0
  Less,       // a < b on reals
  Equal,      // a == b on anything else
  And,
  Or,
  Not,
  Select, // condition, yes, no
  Add,
  Sub,
  Mul,
  Div,      // of reals
  FloorDiv, // of integers by a positive literal
  Mod,      // of integers by a positive literal, in [0, literal)
  ToReal,
  Unary, // an opaque function named by `code`
  Table, // an element of the constant array `table` at integer operands
  Read,  // an element, known at run time only, of the origin `code` at integer operands: a cache, a product of query
         // and key, a row. Without operands: a symbol for any number
  Undefined, // see invariant 5
};

struct ExprNode;

/// What a Unary's `code` may be besides a graph::UnaryKind: the cast of a real to an integer, or these plus a width in
/// bits.
constexpr unsigned TruncatedToInteger = 999, RoundedToFloat = 1000, WrappedToInteger = 2000;
constexpr unsigned UnsignedWrap = 100; // added to WrappedToInteger + width
/// The code of rounding to a float of that width; bf16 is none other than f16 by its width alone.
constexpr unsigned roundingTo(unsigned width, bool brain) { return RoundedToFloat + width + (brain ? 1 : 0); }
constexpr bool isRounding(unsigned code) { return code > RoundedToFloat && code < WrappedToInteger; }

/// A handle; copying and comparing are free. A null handle means "no closed form".
class Expr {
public:
  Expr() = default;
  Expr(const ExprNode *node) : node(node) {}
  explicit operator bool() const { return node; }
  bool operator==(const Expr &other) const = default;
  const ExprNode *operator->() const { return node; }
  const ExprNode *get() const { return node; }

  bool isAffine() const;
  bool isLiteral() const;
  bool is(int64_t value) const { return asInteger() == value; }
  std::optional<int64_t> asInteger() const;
  std::optional<double> asReal() const;
  std::optional<bool> asBool() const;

private:
  const ExprNode *node = nullptr;
};

using Variable = unsigned;

struct ExprNode : llvm::FoldingSetNode {
  ExprOp op;
  unsigned id;   // order of creation: a deterministic sort key
  unsigned code; // Unary
  int64_t constant;
  double real;
  mlir::Attribute table;
  llvm::SmallVector<std::pair<Variable, int64_t>, 2> terms; // ascending variables, no zero coefficient
  llvm::SmallVector<Expr, 3> operands;
  void Profile(llvm::FoldingSetNodeID &id) const;
};

class ExprContext {
public:
  ExprContext();
  ExprContext(const ExprContext &) = delete;

  static constexpr Variable P = 0, S = 1;

  /// A fresh index variable, below `bound` where given; the name is for messages only.
  Variable newVariable(llvm::StringRef name, Expr bound = {});
  Expr boundOf(Variable v) const { return bounds[v]; }
  Expr variable(Variable v);
  /// Graphs without a cache: P is 0 everywhere.
  void forgetPast() { remembers = false; }
  bool remembersPast() const { return remembers; }
  Expr past() { return remembers ? variable(P) : integer(0); }
  Expr fresh() { return variable(S); }
  Expr total() { return add(past(), fresh()); }

  Expr integer(int64_t value);
  Expr real(double value);
  Expr boolean(bool value);
  Expr undefined();

  Expr add(Expr a, Expr b);
  Expr sub(Expr a, Expr b);
  Expr mul(Expr a, Expr b);
  Expr divide(Expr a, Expr b); ///< reals: IEEE; integers: truncation (Undefined unless exact or both are literals)
  Expr floorDiv(Expr a, int64_t divisor);
  Expr mod(Expr a, int64_t divisor);
  Expr minimum(Expr a, Expr b) { return select(lessEqual(a, b), a, b); }
  Expr maximum(Expr a, Expr b) { return select(lessEqual(a, b), b, a); }
  Expr toReal(Expr a);
  Expr toInteger(Expr a);
  Expr toBool(Expr a);

  Expr less(Expr a, Expr b);
  Expr lessEqual(Expr a, Expr b);
  Expr equal(Expr a, Expr b);
  Expr logicalNot(Expr a);
  Expr logicalAnd(Expr a, Expr b);
  Expr logicalOr(Expr a, Expr b);
  Expr select(Expr condition, Expr yes, Expr no);

  Expr unary(unsigned code, Expr a);
  Expr table(mlir::Attribute array, llvm::ArrayRef<Expr> indices);

  /// Origins are numbered by their owner (newOrigin); the name is for messages only.
  unsigned newOrigin(llvm::StringRef name);
  Expr read(unsigned origin, llvm::ArrayRef<Expr> indices);
  /// The reads in an expression, each node once.
  llvm::SmallVector<Expr, 2> reads(Expr e);

  /// Rebuilds `e` with variables replaced and given Boolean nodes decided.
  using Substitution = llvm::SmallDenseMap<Variable, Expr, 4>;
  Expr substitute(Expr e, const Substitution &map);
  Expr decide(Expr e, Expr atom, bool truth);
  /// Replaces every occurrence of the node `from`.
  Expr replace(Expr e, Expr from, Expr to);

  bool mentions(Expr e, Variable v);
  std::string print(Expr e);

private:
  using Rewrite = llvm::function_ref<Expr(Expr)>; // null: descend
  Expr rewrite(Expr e, Rewrite leaf, llvm::DenseMap<const ExprNode *, Expr> &memo);
  Expr rebuild(Expr e, llvm::ArrayRef<Expr> operands);
  Expr make(ExprOp op, llvm::ArrayRef<Expr> operands, unsigned code = 0, mlir::Attribute table = {});
  Expr makeAffine(int64_t constant, llvm::ArrayRef<std::pair<Variable, int64_t>> terms);
  Expr intern(ExprNode &&candidate);
  Expr combine(Expr a, Expr b, int64_t factor);
  Expr scale(Expr a, int64_t factor);
  Expr atMostZero(Expr affine);
  Expr isZero(Expr affine);
  std::optional<int64_t> lowerBound(Expr affine) const;
  std::optional<int64_t> upperBound(Expr affine) const;
  std::optional<Expr> throughSelect(llvm::function_ref<Expr(Expr, Expr)> op, Expr a, Expr b);
  void print(Expr e, llvm::raw_ostream &os);

  std::deque<ExprNode> nodes;
  llvm::FoldingSet<ExprNode> unique;
  std::vector<std::string> names, origins;
  std::vector<Expr> bounds; ///< by variable; null: none
  bool remembers = true;
};

} // namespace ingot::infer

namespace llvm {
template <> struct DenseMapInfo<ingot::infer::Expr> {
  using Pointer = DenseMapInfo<const ingot::infer::ExprNode *>;
  static ingot::infer::Expr getEmptyKey() { return Pointer::getEmptyKey(); }
  static ingot::infer::Expr getTombstoneKey() { return Pointer::getTombstoneKey(); }
  static unsigned getHashValue(ingot::infer::Expr e) { return Pointer::getHashValue(e.get()); }
  static bool isEqual(ingot::infer::Expr a, ingot::infer::Expr b) { return a == b; }
};
} // namespace llvm
