// What attention written in primitives consists of, found on the way: caches, products of query and key, softmaxes.
// Each is an origin of ExprOp::Read leaves in the closed forms of History values; RulesScore.cpp makes them, Score.cpp
// reads the scores, Convention.cpp pairs and places the caches.
//
// Reads
// past(column, j)   element of a past input, columns in the order of the constant factors of its shape
// cache(column, j)  the same of past and new rows together
// dot(head, i, j)   query i times key j
// probability(head, i, j)
// row(...)          a number that is the same for all keys of a query (the maximum over them, say)
#pragma once
#include "mlir/IR/Value.h"
#include "passes/infer/Expr.h"
#include "llvm/ADT/MapVector.h"

namespace ingot::infer {

struct PastInput {
  mlir::BlockArgument argument;
};

/// Past rows and the rows that this step appends to them.
struct CachePart {
  mlir::Operation *op = nullptr; ///< who joins them
  mlir::BlockArgument past;      ///< null in a graph without caches
  int64_t offset = 0;            ///< where its columns begin in `past`
  int64_t columns = 0;
  mlir::Value fresh; ///< a token value of `columns` columns in the cache's order
  mlir::Type type;   ///< of an element
};

struct DotPart {
  mlir::Operation *op = nullptr;
  mlir::Value query; ///< columns: heads * size
  int64_t heads = 0, size = 0;
  unsigned cache = 0;
  double factor = 1;
};

/// How the scores of one attention follow from its products: mask(alibi + cap(scale * dot)), see ScoreForm.
struct ProbabilityPart {
  mlir::Operation *op = nullptr;
  unsigned dot = 0;
  double scale = 1, softcap = 0;
  int64_t window = 0;
  llvm::SmallVector<float> alibi; ///< a slope a head, empty: none
  llvm::SmallVector<float> sinks; ///< a logit a head, empty: none
};

/// One attention of the graph, whatever spells it.
struct AttentionForm {
  unsigned keys = 0, values = 0; ///< caches
  int64_t kvHeads = 0, window = 0;
};

/// An axis of an argument.
using ArgumentAxis = std::pair<unsigned, unsigned>;

struct AttentionParts {
  llvm::DenseMap<Variable, ArgumentAxis> openSizes;              ///< sizes of pasts that the file does not tell
  llvm::SmallVector<std::pair<ArgumentAxis, int64_t>, 4> learnt; ///< what typing found them to be
  llvm::DenseMap<unsigned, PastInput> pasts;
  llvm::MapVector<unsigned, CachePart> caches;
  llvm::DenseMap<unsigned, DotPart> dots;
  llvm::DenseMap<unsigned, ProbabilityPart> probabilities;
  llvm::MapVector<mlir::Operation *, AttentionForm> forms;
};

} // namespace ingot::infer
