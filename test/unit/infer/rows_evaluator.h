// Evaluates @body and @head (rows form) on the reference evaluator for one sequence from an empty cache, so that what
// infer made can be compared with what was imported.
#pragma once
#include "compiler/reference/Evaluator.h"
#include "dialects/decoder/Decoder.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

namespace ingot::infer {

class RowsEvaluator {
public:
  RowsEvaluator(mlir::ModuleOp module, std::string modelFile)
      : module(module), evaluator(module, std::move(modelFile)) {}

  /// Logits [tokens, vocabulary]; nothing on an error, see error().
  std::optional<reference::Array> logits(llvm::ArrayRef<int64_t> tokens) {
    mlir::Type i32 = mlir::IntegerType::get(module.getContext(), 32);
    reference::Array ids = reference::makeArray(i32, {int64_t(tokens.size())}), positions = ids;
    for (size_t i = 0; i < tokens.size(); ++i) ids.integers[i] = tokens[i], positions.integers[i] = int64_t(i);
    auto hidden = run("body", {ids, positions});
    return hidden ? run("head", {*hidden}) : std::nullopt;
  }
  const std::string &error() const { return evaluator.error(); }

private:
  std::optional<reference::Array> run(llvm::StringRef name, std::vector<reference::Array> arguments) {
    auto function = module.lookupSymbol<mlir::func::FuncOp>(name);
    llvm::DenseMap<mlir::Value, reference::Array> values;
    for (auto [argument, array] : llvm::zip(function.getArguments(), arguments)) values[argument] = array;
    for (mlir::Operation &op : function.getBody().front().without_terminator()) {
      std::vector<reference::Array> operands, results;
      for (mlir::Value operand : op.getOperands()) operands.push_back(values[operand]);
      if (!evaluate(op, operands, results)) return std::nullopt;
      for (auto [result, array] : llvm::zip(op.getResults(), results)) values[result] = array;
    }
    return values[function.getBody().front().getTerminator()->getOperand(0)];
  }

  bool evaluate(mlir::Operation &op, std::vector<reference::Array> &operands, std::vector<reference::Array> &results) {
    if (mlir::isa<decoder::TakeRowsOp>(op)) return results = operands, true;
    auto attention = mlir::dyn_cast<decoder::AttentionOp>(op);
    if (!attention) return evaluator.evaluate(&op, operands, results);
    for (reference::Array &operand : operands) operand.shape.insert(operand.shape.begin(), 1);
    mlir::OwningOpRef<mlir::Operation *> cacheless = op.clone();
    mlir::cast<decoder::AttentionOp>(*cacheless).removeCacheAttr();
    mlir::cast<decoder::AttentionOp>(*cacheless).removeLayerAttr();
    auto type = mlir::cast<mlir::RankedTensorType>(op.getResult(0).getType());
    cacheless->getResult(0).setType(type.clone({1, mlir::ShapedType::kDynamic, type.getDimSize(1)}));
    if (!evaluator.evaluate(*cacheless, operands, results)) return false;
    results[0].shape.erase(results[0].shape.begin());
    return true;
  }

  mlir::ModuleOp module;
  reference::Evaluator evaluator;
};

} // namespace ingot::infer
