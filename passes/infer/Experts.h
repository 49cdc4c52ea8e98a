// Mixtures of experts: rows that a router picks for an expert, however a graph spells it.
//
// A *router* is a topk over constant columns: `slots` indices a token, in [0, experts), no two equal. An *assignment*
// is a pair (token t, slot k); the expert of it is the index there. Graphs gather the rows of assignments in an order
// of their own, work on them row by row with the expert's weights, and add the results up by token. A *world* is such
// an order:
//   picked  the assignments of one expert: nonzero(index == e), then gather ... scatter
//   sorted  all of them, sorted by expert: topk over the flattened indices with k = S * slots
//   segment the part of a sorted world that is one expert's: a range between cumulated counts of experts
// Values of a world are Histories whose leading axis is the world's, tagged here; no rule but Experts.cpp's sees them.
//
// Invariants
//  1. Along its world's axis every op on a tagged value is pointwise; worlds never mix.
//  2. Integers of a world have closed forms over the world's t, k and e; an index is trusted only where its form is
//  proved
//     to be t, k, e, t * slots + k or a position of the sorted list.
//  3. What leaves a world is a Token again: a sum over the assignments of each token (every expert once, into zeros or
//  by
//     addition), or the sorted list brought back to the order of assignments.
#pragma once
#include "mlir/IR/Operation.h"
#include "passes/infer/Shape.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SetVector.h"
#include <deque>
#include <functional>
#include <map>

namespace ingot::infer {

class Typing;

struct Router {
  mlir::Value indices; // of the topk, [.., S, .., slots]
  int64_t slots = 0, experts = 0;
  Expr t, k, e;
};

struct World {
  Router *router;
  Dim length;
  Expr position;                   // the index along its axis
  int64_t expert = -1;             // -1: sorted
  World *sorted = nullptr;         // a segment's
  unsigned counts = 0, bounds = 0; // origins of a sorted world's counts and cumulated counts by expert
  bool ascending = true;
};

/// Rows of a token value, one an assignment: the token's whole row, or the slot's share of it.
struct PickedRows {
  mlir::Value source;
  bool shared;
};

/// What a token value is the sum of: for each expert its rows of assignments, by token.
struct Mixture {
  Router *router;
  std::map<int64_t, mlir::Value> parts; // by expert; -1: all at once
  mlir::Value base;                     // added; null: zeros
  llvm::SetVector<mlir::Value> needs;
};

class Experts {
public:
  explicit Experts(Typing &typing) : typing(typing) {}

  /// Types an op that has to do with experts; false: any other op. `rule` is the op's own.
  bool infer(mlir::Operation *op, llvm::function_ref<void()> rule);

  World *worldOf(mlir::Value value) const { return worlds.lookup(value); }
  const PickedRows *pickedRows(mlir::Value value) const;
  /// A value of a segment that is the segment's part of a value of its sorted world.
  mlir::Value cutFrom(mlir::Value value) const { return cuts.lookup(value); }

  Typing &typing;

private:
  Router *routerOf(mlir::Value value);
  Expr routedForm(Router &router, mlir::Value value, llvm::ArrayRef<Expr> indices);
  bool startPicked(mlir::Operation *op);
  bool startSorted(mlir::Operation *op);
  void routed(mlir::Operation *op, World *world, llvm::function_ref<void()> rule);
  void product(mlir::Operation *op, World *world);
  void gather(mlir::Operation *op, World *world, llvm::function_ref<void()> rule);
  void pick(mlir::Operation *op, World *world, mlir::Value source, llvm::ArrayRef<Dim> axes, llvm::ArrayRef<Expr> index,
            Shape shape);
  void gatherRows(mlir::Operation *op, World *world, mlir::Value input, mlir::Value indices, size_t axis);
  void segment(mlir::Operation *op, World *world);
  void join(mlir::Operation *op, World *world);
  void cumulate(mlir::Operation *op, World *world);
  void scatter(mlir::Operation *op, World *world);
  void addMixtures(mlir::Operation *op);
  void setMixture(mlir::Operation *op, Mixture mixture);
  bool gatheredProduct(mlir::Operation *op);
  Expr at(World *world, mlir::Value value, llvm::ArrayRef<Expr> rest = {});
  bool isZero(mlir::Value value);
  bool isOne(mlir::Value value);
  bool isExpert(Router &router, Expr form);
  void collectNeeds(mlir::Value value, llvm::SetVector<mlir::Value> &needs);
  void setRagged(mlir::Value value, World *world, Shape shape, std::function<Expr(llvm::ArrayRef<Expr>)> form = {});

  std::deque<Router> routers;
  std::deque<World> allWorlds;
  llvm::DenseMap<mlir::Value, World *> worlds;
  llvm::DenseMap<mlir::Value, PickedRows> picked;
  llvm::DenseMap<mlir::Value, mlir::Value> cuts;
  llvm::DenseMap<mlir::Value, Mixture> mixtures;
  llvm::DenseMap<mlir::Value, World *> inverses; // where each assignment lies in the sorted list
};

} // namespace ingot::infer
