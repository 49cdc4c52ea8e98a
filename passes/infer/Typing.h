// The forward pass: one abstract value per SSA value, by the ops' IndexFunction rules; no fixpoint.
//
// Values are of one kind each:
//   Closed  glue or a constant: a shape and a closed form of every element, evaluated on demand and memoised
//   Token   depends on the tokens: a shape with exactly one factor S (rule R) and constants
//   Cache   a past key or value [heads, P, d] (rule K): only attention reads it
//   Unknown nothing is known; its cause has been reported
// A value is poisoned if it hangs on a reported failure: what fails because of it is not reported again.
//
// Invariants
// 1. Batch is 1 and is no factor of a shape (C1).
// 2. A report concerns one op; only reports at live ops are printed, in program order. A `graph.shape` that is
//    known makes nothing live: exporters slice row 0 only to read its shape.
// 3. A closed form is a function of its value and indices alone.
#pragma once
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "passes/infer/Prover.h"
#include "passes/infer/Shape.h"
#include "llvm/ADT/MapVector.h"
#include <functional>
#include <map>

namespace ingot::infer {

using Indices = llvm::ArrayRef<Expr>;
/// The element at the indices; null after Typing::report.
using ClosedForm = std::function<Expr(Indices)>;

struct AbstractValue {
  enum class Kind { Unknown, Closed, Token, Cache };
  Kind kind = Kind::Unknown;
  Shape shape;
  ClosedForm form;
  bool constant = false; ///< Closed, and made of constants only: may become a weight recipe
  bool poisoned = false;

  bool isClosed() const { return kind == Kind::Closed; }
  bool isToken() const { return kind == Kind::Token; }
};

class Typing {
public:
  explicit Typing(mlir::func::FuncOp main) : main(main), prover(exprs) {}

  /// Types every op of the function; arguments have been set before (Convention).
  void run();

  const AbstractValue &operator[](mlir::Value value) const { return values.find(value)->second; }
  llvm::ArrayRef<Dim> shape(mlir::Value value) const { return (*this)[value].shape; }

  /// The element of a closed value; null (reported) where it has no closed form.
  Expr at(mlir::Value value, Indices indices);
  /// The integers of a closed scalar or 1-d tensor, each affine; nullopt (reported at `user`) otherwise.
  std::optional<llvm::SmallVector<Expr, 4>> integers(mlir::Value value, mlir::Operation *user);

  void setClosed(mlir::Value value, Shape shape, ClosedForm form, bool constant = false);
  /// Checks rule R: exactly one factor S, the rest constant.
  void setToken(mlir::Value value, Shape shape);
  void setCache(mlir::Value value, Shape shape);
  void setUnknown(mlir::Value value);

  /// What is wrong with an op, once per op: "<problem>; <what would help>". Results not set become Unknown.
  void report(mlir::Operation *op, const llvm::Twine &problem);
  /// The same where the results are known nevertheless: what follows is checked, too.
  void complain(mlir::Operation *op, const llvm::Twine &problem);
  bool isReported(mlir::Operation *op) const { return reports.contains(op); }
  /// Marks the live ops by walking back from the roots, then prints the reports at live ops. True if there were none.
  mlir::LogicalResult flush(llvm::ArrayRef<mlir::Value> roots);

  Dim dim(int64_t size) { return Dim(exprs, exprs.integer(size)); }
  Dim freshDim() { return Dim(exprs, exprs.fresh()); }
  Dim pastDim() { return Dim(exprs, exprs.past()); }
  Dim totalDim() { return Dim(exprs, exprs.total()); }

  mlir::func::FuncOp main;
  ExprContext exprs;
  Prover prover;

private:
  struct Report {
    std::string problem;
    bool fatal; // the results are unreliable
  };
  void type(mlir::Operation &op);

  llvm::DenseMap<mlir::Value, AbstractValue> values;
  llvm::DenseMap<mlir::Value, std::map<std::vector<unsigned>, Expr>> memo;
  llvm::MapVector<mlir::Operation *, Report> reports;
  bool muted = false; // the op being typed hangs on a failure
  unsigned depth = 0;
};

/// The graph's name for an argument or result of @main.
llvm::StringRef argumentName(mlir::func::FuncOp main, unsigned index);
llvm::StringRef resultName(mlir::func::FuncOp main, unsigned index);

/// Live ops of the function: what the given values are computed from (invariant 2).
llvm::DenseSet<mlir::Operation *> liveOps(const Typing &typing, llvm::ArrayRef<mlir::Value> roots);

} // namespace ingot::infer
