// The forward pass: one abstract value per SSA value, by the ops' IndexFunction rules; no fixpoint.
//
// Values are of one kind each:
//   Closed  glue or a constant: a shape and a closed form of every element, evaluated on demand and memoised
//   Token   depends on the tokens: a shape with exactly one factor S (rule R) and constants; a form only in a View
//   History depends on the tokens through a cache or a score: axes P, T or two S, and a form like Closed whose leaves
//   may
//           be ExprOp::Read of an origin of AttentionParts (rules K and A); attention's last product makes it a Token
//   Unknown nothing is known; its cause has been reported
// A Token value without a factor S is `selected`: made of rows that the graph picked (the last token's); rows are
// chosen at run time, hence it may mix with nothing but constants and its like. A value is poisoned if it hangs on a
// reported failure: what fails because of it is not reported again.
//
// Invariants
// 1. Batch is 1 and is no factor of a shape (C1).
// 2. A report concerns one op; only reports at live ops are printed, in program order. A `graph.shape` that is
//    known makes nothing live: exporters slice row 0 only to read its shape.
// 3. A closed form is a function of its value and indices alone.
#pragma once
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "passes/infer/AttentionParts.h"
#include "passes/infer/MaskTable.h"
#include "passes/infer/Prover.h"
#include "passes/infer/Score.h"
#include "passes/infer/Shape.h"
#include "llvm/ADT/MapVector.h"
#include <functional>
#include <map>
#include <set>

namespace ingot::infer {

class Experts;
class RowBuilder;
class Typing;

using Indices = llvm::ArrayRef<Expr>;
/// The element at the indices; null after Typing::report.
using ClosedForm = std::function<Expr(Indices)>;

struct AbstractValue {
  enum class Kind { Unknown, Closed, Token, History };
  Kind kind = Kind::Unknown;
  Shape shape;
  ClosedForm form;
  bool constant = false; ///< Closed, and made of constants only: may become a weight recipe
  bool poisoned = false;
  bool selected = false; ///< Token: of picked rows
  bool perRow = false;   ///< Token: one of these a token, though its shape has no factor S (RulesQuant.cpp)

  bool isClosed() const { return kind == Kind::Closed; }
  bool isToken() const { return kind == Kind::Token; }
  bool isHistory() const { return kind == Kind::History; }
};

/// What a structure spelled in many ops was recognised as: it hangs on `needs` only and is lowered by `lower`.
struct Recognised {
  llvm::SmallVector<mlir::Value, 3> needs;
  std::function<void(RowBuilder &)> lower;
};

/// While it lives, token values made from `root` by elementwise and movement ops have closed forms, too: expressions
/// over Read(origin; indices) of root's elements. One at a time.
class View {
public:
  View(Typing &typing, mlir::Value root);
  ~View();
  View(const View &) = delete;

private:
  friend class Typing;
  Typing &typing;
  mlir::Value root;
  llvm::DenseMap<mlir::Value, std::map<std::vector<unsigned>, Expr>> memo;
};

class Typing {
public:
  /// `modelFile`: where constant tables are read from.
  explicit Typing(mlir::func::FuncOp main, std::string modelFile = "")
      : main(main), prover(exprs), modelFile(std::move(modelFile)) {}

  /// Types every op of the function; arguments have been set before (Convention).
  void run();
  /// Types an op that a rule has moved before its own.
  void typeMoved(mlir::Operation &op);

  const AbstractValue &operator[](mlir::Value value) const { return values.find(value)->second; }
  llvm::ArrayRef<Dim> shape(mlir::Value value) const { return (*this)[value].shape; }

  /// The element of a closed value, or of a token value in a View; null (reported) where it has no closed form.
  Expr at(mlir::Value value, Indices indices);
  /// The integers of a closed scalar or 1-d tensor, each affine; nullopt (reported at `user`) otherwise.
  std::optional<llvm::SmallVector<Expr, 4>> integers(mlir::Value value, mlir::Operation *user);

  void setClosed(mlir::Value value, Shape shape, ClosedForm form, bool constant = false);
  /// Checks rule R: exactly one factor S, the rest constant. `form`: the element out of the operands' elements, if the
  /// op is elementwise or moves data.
  void setToken(mlir::Value value, Shape shape, ClosedForm form = {});
  /// A Token made of the last row alone (see above).
  void setSelected(mlir::Value value, Shape shape);
  /// A Token with no factor S that has a value a token; what is made of it and constants alone is one, too.
  void setPerRow(mlir::Value value, Shape shape);
  void setHistory(mlir::Value value, Shape shape, ClosedForm form);
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

  /// A graph's table reaches no further: contexts stay within `positions`.
  void limitPositions(int64_t positions) {
    positionLimit = positionLimit ? std::min(positionLimit, positions) : positions;
  }

  mlir::func::FuncOp main;
  ExprContext exprs;
  Prover prover;
  AttentionParts attention;
  ScoreReader &scores();     ///< after the convention is known
  int64_t positionLimit = 0; ///< 0: none
  /// The longest context that will be run, P + S: what was asked for, else the model's own; huge if nobody knows.
  int64_t longestContext() const;
  /// The same to build on: contexts will stay within it (limitPositions).
  int64_t boundContext();
  int64_t contextLimit = 0; ///< asked for; 0: none
  llvm::DenseMap<mlir::Operation *, Recognised> recognised;
  std::shared_ptr<Experts> experts; ///< what routers lead to
  /// Names a relaxation of the chunk law that the compiled model makes use of (decoder.limits).
  void relax(llvm::StringRef name) { relaxations.insert(name.str()); }
  std::set<std::string> relaxations;

private:
  Expr readMask(Expr table);
  Expr readLine(Expr table);
  Expr unclamped(Expr e);

  friend class View;
  struct Report {
    std::string problem;
    bool fatal; // the results are unreliable
  };
  void type(mlir::Operation &op);

  llvm::DenseMap<mlir::Value, AbstractValue> values;
  llvm::DenseMap<mlir::Value, std::map<std::vector<unsigned>, Expr>> memo;
  llvm::MapVector<mlir::Operation *, Report> reports;
  std::string modelFile;
  std::unique_ptr<ScoreReader> scoreReader;
  llvm::DenseMap<mlir::Attribute, std::optional<MaskTable>> masks;
  View *view = nullptr;
  std::optional<unsigned> viewOrigin;
  bool muted = false; // the op being typed hangs on a failure
  unsigned depth = 0;
};

/// The graph's name for an argument or result of @main.
llvm::StringRef argumentName(mlir::func::FuncOp main, unsigned index);
llvm::StringRef resultName(mlir::func::FuncOp main, unsigned index);

/// Live ops of the function: what the given values are computed from (invariant 2); a recognised op hangs on what it
/// needs only.
llvm::DenseSet<mlir::Operation *> liveOps(const Typing &typing, llvm::ArrayRef<mlir::Value> roots);

} // namespace ingot::infer
