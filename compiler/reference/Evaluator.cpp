// The frame: functions, values, weights, control flow, and which family evaluates an op.
#include "compiler/reference/Evaluator.h"
#include "dialects/decoder/Decoder.h"
#include "dialects/graph/Graph.h"
#include "dialects/graph/NodeLocation.h"
#include "dialects/weights/Weights.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Path.h"
#include <cstdio>
#include <memory>

using namespace mlir;
using namespace ingot;
using namespace ingot::reference;

bool Evaluator::fail(const Twine &reason) {
  if (message.empty()) message = reason.str();
  return false;
}

static bool matches(const Array &array, Type type) {
  auto ranked = dyn_cast<RankedTensorType>(type);
  if (!ranked || ranked.getElementType() != array.element || ranked.getRank() != array.rank()) return false;
  for (int64_t i = 0; i < array.rank(); ++i)
    if (!ranked.isDynamicDim(i) && ranked.getDimSize(i) != array.shape[i]) return false;
  return true;
}

std::optional<std::vector<Array>> Evaluator::run(StringRef name, std::vector<Array> arguments) {
  message.clear();
  auto function = module.lookupSymbol<func::FuncOp>(name);
  if (!function || arguments.size() != function.getNumArguments())
    return fail("there is no function '" + name + "' of " + Twine(arguments.size()) + " arguments"), std::nullopt;
  for (auto [argument, array] : llvm::zip(function.getArguments(), arguments)) {
    if (!matches(array, argument.getType()))
      return fail("argument " + Twine(argument.getArgNumber()) + " has another type or shape"), std::nullopt;
    values[argument] = std::move(array);
  }
  std::vector<Array> results;
  bool good = runBlock(function.getBody().front(), results);
  values.clear();
  if (!good) return std::nullopt;
  return results;
}

// Values are dropped after their last use in the block, so that memory stays that of what is alive.
bool Evaluator::runBlock(Block &block, std::vector<Array> &results) {
  DenseMap<Value, unsigned> uses;
  for (Operation &op : block) {
    std::vector<Array> operands, made;
    for (Value operand : op.getOperands()) operands.push_back(values.lookup(operand));
    if (op.hasTrait<OpTrait::IsTerminator>()) {
      results = std::move(operands);
      return true;
    }
    bool good = isa<graph::IfOp>(op) ? evaluateControl(*this, &op, operands, made) : evaluate(&op, operands, made);
    if (!good) return false;
    for (auto [result, array] : llvm::zip(op.getResults(), made)) values[result] = std::move(array);
    for (Value operand : op.getOperands()) {
      auto count = llvm::count_if(operand.getUses(), [](OpOperand &) { return true; });
      if (op.getParentOp() && isa<func::FuncOp>(op.getParentOp()) && ++uses[operand] >= unsigned(count))
        values.erase(operand);
    }
  }
  return fail("a block has no terminator");
}

bool Evaluator::runRegion(Block &block, std::vector<Array> arguments, std::vector<Array> &results) {
  for (auto [argument, array] : llvm::zip(block.getArguments(), arguments)) values[argument] = std::move(array);
  return runBlock(block, results);
}

bool ingot::reference::evaluateControl(Evaluator &evaluator, Operation *op, ArrayRef<Array> operands,
                                       std::vector<Array> &results) {
  const Array &condition = operands[0];
  if (condition.size() != 1) return evaluator.fail("a condition must have one element");
  return evaluator.runBlock(op->getRegion(condition.integers[0] ? 0 : 1).front(), results);
}

bool Evaluator::evaluate(Operation *op, ArrayRef<Array> operands, std::vector<Array> &results) {
  static constexpr Family families[] = {evaluateElementwise, evaluateMovement, evaluateIndexed,  evaluateContraction,
                                        evaluateQuant,       evaluateRows,     evaluateAttention};
  for (Family family : families) {
    bool known = true;
    bool good = family(*this, op, operands, results, known);
    if (!known) continue;
    for (size_t i = 0; good && i < results.size(); ++i)
      if (!matches(results[i], op->getResult(i).getType()))
        good = fail("its result has not the type that was inferred");
    std::string node = graph::describeNode(op->getLoc());
    if (!good && !StringRef(message).starts_with("node") && !node.empty()) message = node + ": " + message;
    return good;
  }
  return fail("the reference has no meaning for " + op->getName().getStringRef());
}

//===- weights ----------------------------------------------------------------------------------------------------===//

static std::optional<Array> readSource(weights::SourceOp source, StringRef modelFile) {
  auto type = dyn_cast<RankedTensorType>(source.getType());
  SmallString<256> path(modelFile);
  if (!source.getFile().empty()) {
    path = llvm::sys::path::parent_path(modelFile);
    llvm::sys::path::append(path, source.getFile());
  }
  std::vector<char> bytes(source.getLength());
  std::unique_ptr<FILE, int (*)(FILE *)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!type || !file || fseeko(file.get(), off_t(source.getOffset()), SEEK_SET) ||
      std::fread(bytes.data(), 1, bytes.size(), file.get()) != bytes.size())
    return std::nullopt;
  return fromBytes(type, bytes);
}

std::optional<Array> Evaluator::source(StringRef symbol) {
  auto op = module.lookupSymbol<weights::SourceOp>(symbol);
  auto array = op ? readSource(op, modelFile) : std::nullopt;
  if (!array) fail("cannot read the weight '" + symbol + "'");
  return array;
}

std::optional<Array> Evaluator::recipe(StringRef symbol) {
  if (auto found = kept.find(symbol.str()); found != kept.end()) return found->second;
  auto op = module.lookupSymbol<weights::RecipeOp>(symbol);
  if (!op) return fail("there is no recipe '" + symbol + "'"), std::nullopt;
  auto array = evaluateRecipe(*this, op);
  if (array && array->size() <= 1 << 20) kept[symbol.str()] = *array;
  return array;
}
