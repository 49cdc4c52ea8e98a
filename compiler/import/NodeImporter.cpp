// Operands, attributes, op creation with inferred types, results. See the header for how failure travels.
#include "compiler/import/NodeImporter.h"
#include "compiler/import/ElementTypes.h"
#include "dialects/graph/NodeLocation.h"
#include "onnx.pb.h"

#include "mlir/IR/Verifier.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace ingot;

RankedTensorType ingot::typeOf(Value value, MLIRContext &context) {
  if (value)
    if (auto type = dyn_cast<RankedTensorType>(value.getType())) return type;
  return RankedTensorType::get({}, Float32Type::get(&context));
}

static StringRef nameOf(const onnx::NodeProto &node) {
  if (!node.name().empty() || node.output_size() == 0) return node.name();
  return node.output(0);
}

NodeImporter::NodeImporter(GraphScope &scope, const onnx::NodeProto &node, int64_t opset)
    : opset(opset), scope(scope), node(node), name((scope.prefix() + nameOf(node)).str()),
      location(graph::nodeLocation(scope.model.context, name, node.op_type())), readInputs(node.input_size()),
      outputs(node.output_size()) {}

void NodeImporter::gap(const Twine &reason) {
  if (!hasFailed) scope.model.sink.report({name, node.op_type(), node.domain(), reason.str()});
  hasFailed = true;
}

bool NodeImporter::require(bool good, const Twine &reason) {
  if (!good) gap(reason);
  return good;
}

//===- operands ---------------------------------------------------------------------------------------------------===//

size_t NodeImporter::inputCount() const { return node.input_size(); }

bool NodeImporter::has(size_t i) const {
  return i < inputCount() && !node.input(i).empty() && !scope.isAbsent(node.input(i));
}

std::string NodeImporter::inputName(size_t i) const { return has(i) ? node.input(i) : ""; }

Value NodeImporter::optional(size_t i) {
  if (!has(i)) return {};
  readInputs.set(i);
  if (failed()) return {};
  Value value = scope.lookup(node.input(i));
  if (!value) gap("its operand '" + node.input(i) + "' is not defined before it");
  return value;
}

Value NodeImporter::input(size_t i) {
  if (!has(i)) gap("operand " + Twine(i) + " is missing");
  return optional(i);
}

SmallVector<Value> NodeImporter::sequence(size_t i) {
  if (!has(i)) gap("operand " + Twine(i) + " is missing");
  if (failed()) return {};
  readInputs.set(i);
  const SmallVector<Value> *items = scope.sequence(node.input(i));
  if (!items) gap("its operand '" + node.input(i) + "' is no sequence that is known at compile time");
  return items ? *items : SmallVector<Value>();
}

void NodeImporter::refuse(size_t i, StringRef name) {
  if (has(i)) gap("its operand '" + name + "' is not supported");
}

int64_t NodeImporter::dim(Value value, int64_t axis) {
  RankedTensorType shaped = type(value);
  if (axis < 0) axis += shaped.getRank();
  return axis >= 0 && axis < shaped.getRank() ? shaped.getDimSize(axis) : ShapedType::kDynamic;
}

Type NodeImporter::elementOf(int64_t onnxType) {
  Type element = onnxType >= 0 && onnxType < 64 ? elementType(context(), int32_t(onnxType)) : Type();
  if (require(bool(element), "makes " + elementTypeName(int32_t(onnxType)) + ", which is not supported"))
    return element;
  return Float32Type::get(&context());
}

int64_t NodeImporter::axis(int64_t axis, int64_t rank) {
  if (!require(axis >= -rank && axis < rank, "axis " + Twine(axis) + " is outside of rank " + Twine(rank))) return 0;
  return axis < 0 ? axis + rank : axis;
}

SmallVector<int64_t> NodeImporter::axes(ArrayRef<int64_t> axes, int64_t rank) {
  SmallVector<int64_t> sorted;
  for (int64_t each : axes) sorted.push_back(axis(each, rank));
  llvm::sort(sorted);
  require(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end() || failed(), "an axis is named twice");
  return sorted;
}

SmallVector<int64_t> NodeImporter::constants(size_t i, StringRef what) {
  auto values = graph::constantIntegers(input(i));
  if (!values) gap("its " + what + " must be constant");
  return values.value_or(SmallVector<int64_t>());
}

//===- attributes -------------------------------------------------------------------------------------------------===//

const onnx::AttributeProto *NodeImporter::find(StringRef name) const {
  for (const auto &attribute : node.attribute())
    if (attribute.name() == name)
      return attribute.ref_attr_name().empty() ? &attribute : scope.functionAttribute(attribute.ref_attr_name());
  return nullptr;
}

const onnx::AttributeProto *NodeImporter::take(StringRef name, int type) {
  readAttributes.insert(name);
  const onnx::AttributeProto *attribute = find(name);
  if (attribute && attribute->type() != type) gap("attribute '" + name + "' is of another kind than the operator's");
  return attribute;
}

int64_t NodeImporter::integer(StringRef name, std::optional<int64_t> fallback) {
  const auto *attribute = take(name, onnx::AttributeProto::INT);
  if (!attribute && !fallback) gap("attribute '" + name + "' is missing");
  return attribute ? attribute->i() : fallback.value_or(0);
}

bool NodeImporter::flag(StringRef name, bool fallback) {
  int64_t value = integer(name, fallback);
  if (value != 0 && value != 1) gap("attribute '" + name + "' is " + Twine(value) + "; 0 or 1 was expected");
  return value != 0;
}

float NodeImporter::real(StringRef name, std::optional<float> fallback) {
  const auto *attribute = take(name, onnx::AttributeProto::FLOAT);
  if (!attribute && !fallback) gap("attribute '" + name + "' is missing");
  return attribute ? attribute->f() : fallback.value_or(0);
}

std::string NodeImporter::text(StringRef name, StringRef fallback) {
  const auto *attribute = take(name, onnx::AttributeProto::STRING);
  return attribute ? attribute->s() : fallback.str();
}

SmallVector<int64_t> NodeImporter::integers(StringRef name) {
  const auto *attribute = take(name, onnx::AttributeProto::INTS);
  if (!attribute) return {};
  return SmallVector<int64_t>(attribute->ints().begin(), attribute->ints().end());
}

SmallVector<float> NodeImporter::reals(StringRef name) {
  const auto *attribute = take(name, onnx::AttributeProto::FLOATS);
  if (!attribute) return {};
  return SmallVector<float>(attribute->floats().begin(), attribute->floats().end());
}

std::optional<TensorData> NodeImporter::tensor(StringRef name) {
  const auto *attribute = take(name, onnx::AttributeProto::TENSOR);
  if (!attribute || failed()) return std::nullopt;
  std::string error;
  auto data = tensorData(attribute->t(), context(), scope.model.files, error);
  if (!data) gap("the tensor in attribute '" + name + "' " + error);
  if (data && data->name.empty()) data->name = nodeName();
  return data;
}

const onnx::GraphProto *NodeImporter::graph(StringRef name) {
  const auto *attribute = take(name, onnx::AttributeProto::GRAPH);
  if (!attribute) gap("attribute '" + name + "' is missing");
  return attribute && !failed() ? &attribute->g() : nullptr;
}

void NodeImporter::ignore(StringRef name) { readAttributes.insert(name); }

void NodeImporter::expect(StringRef name, int64_t only) {
  int64_t value = integer(name, only);
  if (!failed()) require(value == only, name + " = " + Twine(value) + " is not supported");
}

//===- building ---------------------------------------------------------------------------------------------------===//

bool NodeImporter::inferTypes(Operation *op) {
  auto inferable = dyn_cast<InferTypeOpInterface>(op);
  SmallVector<Type> types;
  if (!inferable ||
      mlir::failed(inferable.inferReturnTypes(&context(), location, op->getOperands(), op->getRawDictionaryAttrs(),
                                              op->getPropertiesStorage(), op->getRegions(), types)))
    return false;
  for (auto [result, type] : llvm::zip(op->getResults(), types)) {
    auto shaped = cast<RankedTensorType>(type);
    if (!checkedTensorType(shaped.getShape(), shaped.getElementType())) {
      gap("the result's shape is too large");
      return false;
    }
    result.setType(type);
  }
  return true;
}

// Diagnostics of inference and verifiers become the node's gap.
Operation *NodeImporter::insert(OperationState &state, bool infer) {
  std::string reason;
  ScopedDiagnosticHandler capture(&context(), [&](mlir::Diagnostic &diagnostic) {
    if (reason.empty()) reason = diagnostic.str();
    return success();
  });
  Operation *op = builder().create(state);
  bool good = !infer || inferTypes(op);
  if (good) {
    good = succeeded(op->getName().verifyInvariants(op));
    for (Type type : op->getResultTypes()) {
      auto shaped = dyn_cast<RankedTensorType>(type);
      good &= shaped && checkedTensorType(shaped.getShape(), shaped.getElementType());
    }
  }
  if (good) return op;
  gap(reason.empty() ? "its operands do not fit together" : reason);
  op->erase();
  return nullptr;
}

Value NodeImporter::cast(Value x, Type element) {
  if (!x || type(x).getElementType() == element) return x;
  return createOne<graph::CastOp>(type(x).clone(element), x, true);
}

Value NodeImporter::shapeOf(Value x) { return create<graph::ShapeOp>(x, 0, rank(x)); }

Value NodeImporter::unsqueeze(Value x, ArrayRef<int64_t> axes) {
  return axes.empty() ? x : create<graph::UnsqueezeOp>(x, axes);
}

Value NodeImporter::literal(DenseElementsAttr value) { return scope.constant(value, location); }

Value NodeImporter::materialise(TensorData tensor) { return scope.materialise(std::move(tensor), location); }

Value NodeImporter::integerVector(ArrayRef<int64_t> values) {
  auto type = RankedTensorType::get({int64_t(values.size())}, builder().getI64Type());
  return scope.constant(DenseElementsAttr::get(type, values), location);
}

Value NodeImporter::scalar(double value, Type element) {
  auto type = RankedTensorType::get({}, element);
  TypedAttr attribute;
  if (auto floating = dyn_cast<FloatType>(element))
    attribute = FloatAttr::get(floating, value);
  else
    attribute = IntegerAttr::get(element, APInt(element.getIntOrFloatBitWidth(), uint64_t(int64_t(value))));
  return scope.constant(DenseElementsAttr::get(type, Attribute(attribute)), location);
}

//===- results ----------------------------------------------------------------------------------------------------===//

size_t NodeImporter::outputCount() const { return node.output_size(); }

bool NodeImporter::wants(size_t i) const {
  return i < outputCount() && !node.output(i).empty() && scope.isUsed(node.output(i));
}

void NodeImporter::set(size_t i, Value value) {
  if (i < outputs.size()) outputs[i] = value;
}

void NodeImporter::setSequence(size_t i, SmallVector<Value> items) {
  if (!failed()) sequenceOutputs[i] = std::move(items);
}

void NodeImporter::checkUnread() {
  for (const auto &attribute : node.attribute())
    if (!readAttributes.contains(attribute.name()) && find(attribute.name()))
      gap("attribute '" + Twine(attribute.name()) + "' is not supported");
  for (size_t i = 0; i < inputCount(); ++i)
    if (has(i) && !readInputs.test(i)) gap("operand " + Twine(i) + " ('" + node.input(i) + "') is not supported");
  for (size_t i = 0; i < outputs.size(); ++i)
    if (wants(i) && !outputs[i] && !sequenceOutputs.count(i))
      gap("result " + Twine(i) + " ('" + node.output(i) + "') is not supported");
}

void NodeImporter::finish() {
  if (!failed()) checkUnread();
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!wants(i)) continue;
    if (scope.isDefined(node.output(i))) gap("its result '" + node.output(i) + "' is defined twice");
    if (failed())
      scope.poison(node.output(i));
    else if (auto items = sequenceOutputs.find(i); items != sequenceOutputs.end())
      scope.defineSequence(node.output(i), std::move(items->second));
    else
      scope.define(node.output(i), outputs[i]);
  }
}
