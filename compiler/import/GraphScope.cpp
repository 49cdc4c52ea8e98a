// Tensors of the file become IR here and only here: a literal up to 64 KiB, a reference to a source above.
#include "compiler/import/GraphScope.h"

#include "dialects/graph/Graph.h"
#include "dialects/graph/NodeLocation.h"

using namespace mlir;
using namespace ingot;

void GraphScope::defineTensor(TensorData tensor) {
  std::string name = tensor.name;
  tensors[name] = std::move(tensor);
}

bool GraphScope::isDefined(StringRef name) const {
  return values.count(name) || tensors.count(name) || poisoned.contains(name);
}

Value GraphScope::lookup(StringRef name) {
  if (auto found = values.find(name); found != values.end()) return found->second;
  auto tensor = tensors.find(name);
  if (tensor == tensors.end()) return {};
  Value value = materialise(tensor->second, graph::nodeLocation(model.context, name, "initializer"));
  if (value) values[name] = value;
  return value;
}

Value GraphScope::constant(DenseElementsAttr value, Location location) {
  Value &known = constants[value];
  if (known) return known;
  OpBuilder::InsertionGuard guard(builder);
  if (lastConstant)
    builder.setInsertionPointAfter(lastConstant);
  else
    builder.setInsertionPointToStart(&entry);
  lastConstant = builder.create<graph::ConstantOp>(location, value.getType(), value);
  return known = lastConstant->getResult(0);
}

Value GraphScope::materialise(TensorData tensor, Location location) {
  Value value;
  if (tensor.isSmall()) {
    DenseElementsAttr elements = readConstant(tensor, model.files);
    if (elements) value = constant(elements, location);
  }
  if (!value) { // large, or (with allowMissingWeights) in a file that is not there
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(&entry);
    value = builder.create<graph::WeightOp>(location, tensor.type, model.weights.source(tensor));
  }
  auto &origin = origins[value.getDefiningOp()]; // of equal tensors, the first
  if (!origin) origin = std::make_unique<TensorData>(std::move(tensor));
  return value;
}

const TensorData *GraphScope::tensorOf(Value value) const {
  Operation *op = value ? value.getDefiningOp() : nullptr;
  auto found = op ? origins.find(op) : origins.end();
  return found == origins.end() ? nullptr : found->second.get();
}
