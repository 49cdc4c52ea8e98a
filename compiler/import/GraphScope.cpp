// Tensors of the file become IR here and only here: a literal up to 64 KiB, a reference to a source above.
#include "compiler/import/GraphScope.h"

#include "dialects/graph/Graph.h"
#include "dialects/graph/NodeLocation.h"
#include "onnx.pb.h"

using namespace mlir;
using namespace ingot;

GraphScope::GraphScope(GraphScope &outer, Block &block)
    : model(outer.model), builder(OpBuilder::atBlockEnd(&block)), outer(&outer), root(outer.root), call(outer.call),
      entry(root.entry) {}

GraphScope::GraphScope(GraphScope &caller, const FunctionCall &call)
    : model(caller.model), builder(OpBuilder::atBlockEnd(caller.builder.getBlock())), root(caller.root), call(&call),
      entry(root.entry) {}

void GraphScope::defineInitializer(const onnx::TensorProto &tensor) {
  std::string error;
  auto data = tensorData(tensor, model.context, model.files, error);
  if (!data) model.sink.error("initializer '" + tensor.name() + "' " + error);
  if (isDefined(tensor.name())) model.sink.error("initializer '" + tensor.name() + "' is defined twice");
  if (data)
    defineTensor(std::move(*data));
  else
    poison(tensor.name());
}

bool GraphScope::isPoisoned(StringRef name) const {
  return poisoned.contains(name) || (outer && !isDefined(name) && outer->isPoisoned(name));
}

bool GraphScope::isAbsent(StringRef name) const {
  return absent.contains(name) || (outer && !isDefined(name) && outer->isAbsent(name));
}

const SmallVector<Value> *GraphScope::sequence(StringRef name) const {
  auto found = sequences.find(name);
  if (found != sequences.end()) return &found->second;
  return outer && !isDefined(name) ? outer->sequence(name) : nullptr;
}

int64_t GraphScope::opset(StringRef domain) const {
  const OpsetTable &opsets = call ? call->opsets : model.opsets;
  auto found = opsets.find(domain.str());
  return found == opsets.end() ? 1 : found->second;
}

const onnx::AttributeProto *GraphScope::functionAttribute(StringRef name) const {
  if (!call) return nullptr;
  auto found = call->attributes.find(name);
  return found == call->attributes.end() ? nullptr : found->second;
}

void GraphScope::defineTensor(TensorData tensor) {
  std::string name = tensor.name;
  tensors[name] = std::move(tensor);
}

bool GraphScope::isDefined(StringRef name) const {
  return values.count(name) || tensors.count(name) || sequences.count(name) || poisoned.contains(name);
}

Value GraphScope::lookup(StringRef name) {
  if (auto found = values.find(name); found != values.end()) return found->second;
  auto tensor = tensors.find(name);
  if (tensor == tensors.end()) return outer ? outer->lookup(name) : Value();
  Value value = materialise(tensor->second, graph::nodeLocation(model.context, name, "initializer"));
  if (value) values[name] = value;
  return value;
}

Value GraphScope::constant(DenseElementsAttr value, Location location) {
  if (&root != this) return root.constant(value, location);
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
  if (&root != this) return root.materialise(std::move(tensor), location);
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
  if (&root != this) return root.tensorOf(value);
  Operation *op = value ? value.getDefiningOp() : nullptr;
  auto found = op ? origins.find(op) : origins.end();
  return found == origins.end() ? nullptr : found->second.get();
}
