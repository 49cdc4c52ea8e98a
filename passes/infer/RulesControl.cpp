// A choice between two regions by a condition on S and P: the branch that is taken at every length, else the one that
// the longest context takes (the relaxation max-context-branch: LongRoPE's factors). Its ops move out of the region
// before they are typed, so that all else sees straight code.
#include "passes/infer/RotaryAngles.h"
#include "passes/infer/Rules.h"

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;

namespace {

struct IfRule {
  void infer(graph::IfOp op, Typing &typing) const {
    Value condition = op.getCondition();
    if (!typing[condition].isClosed())
      return typing.report(op, "chooses a branch by the tokens; export the model without data-dependent control flow");
    Expr e = typing.at(condition, SmallVector<Expr, 1>(typing.shape(condition).size(), typing.exprs.integer(0)));
    auto truth = e ? decideByContext(typing, e).asBool() : std::nullopt;
    if (!truth)
      return typing.report(op, "chooses a branch by " + typing.exprs.print(e) +
                                   ", which is neither constant nor a condition on the total length P+S");
    Block &taken = (*truth ? op.getThenRegion() : op.getElseRegion()).front();
    for (Operation &inner : llvm::make_early_inc_range(taken.without_terminator())) {
      inner.moveBefore(op);
      typing.typeMoved(inner);
    }
    for (auto [result, value] : llvm::zip(op.getResults(), taken.getTerminator()->getOperands()))
      result.replaceAllUsesWith(value); // what follows is not typed yet
  }
};

} // namespace

void ingot::infer::attachControl(MLIRContext *context) { attach<graph::IfOp, IfRule>(context); }
