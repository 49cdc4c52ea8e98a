// Node order, captured names, and the choice of a handler.
#include "compiler/import/GraphImporter.h"
#include "compiler/import/OpTable.h"
#include "compiler/import/Wire.h"
#include "onnx.pb.h"

using namespace mlir;
using namespace ingot;

std::string ingot::canonicalDomain(const std::string &domain) { return domain == "ai.onnx" ? "" : domain; }

using Nodes = google::protobuf::RepeatedPtrField<onnx::NodeProto>;

// Names that a graph takes from around it.
static void collectCaptured(const onnx::GraphProto &graph, std::vector<std::string> &names) {
  llvm::StringSet<> defined;
  for (const auto &tensor : graph.initializer()) defined.insert(tensor.name());
  for (const auto &input : graph.input()) defined.insert(input.name());
  for (const auto &node : graph.node())
    for (const std::string &name : node.output()) defined.insert(name);
  std::vector<std::string> used;
  for (const auto &output : graph.output()) used.push_back(output.name());
  for (const auto &node : graph.node()) {
    used.insert(used.end(), node.input().begin(), node.input().end());
    for (const auto &attribute : node.attribute())
      if (attribute.has_g()) collectCaptured(attribute.g(), used);
  }
  for (std::string &name : used)
    if (!defined.contains(name)) names.push_back(std::move(name));
}

static std::vector<std::string> operandNames(const onnx::NodeProto &node) {
  std::vector<std::string> names(node.input().begin(), node.input().end());
  for (const auto &attribute : node.attribute())
    if (attribute.has_g()) collectCaptured(attribute.g(), names);
  return names;
}

// The nodes that the wanted names depend on, each after those that make its operands (ONNX wants that order, tools do
// not always keep it). A node on a cycle comes before one of its makers, whose result it then reports as missing.
static std::vector<const onnx::NodeProto *> neededNodes(const Nodes &nodes, ArrayRef<std::string> wanted) {
  llvm::StringMap<int> makers;
  for (int i = 0; i < nodes.size(); ++i)
    for (const std::string &name : nodes[i].output())
      if (!name.empty()) makers.try_emplace(name, i);
  struct Step {
    int node;
    std::vector<std::string> operands;
    size_t next = 0;
  };
  std::vector<const onnx::NodeProto *> order;
  std::vector<char> entered(nodes.size(), false);
  std::vector<Step> path;
  auto enter = [&](const std::string &name) {
    auto maker = makers.find(name);
    if (maker == makers.end() || entered[maker->second]) return;
    entered[maker->second] = true;
    path.push_back({maker->second, operandNames(nodes[maker->second])});
  };
  for (const std::string &name : wanted) {
    enter(name);
    while (!path.empty()) {
      Step &step = path.back();
      if (step.next < step.operands.size()) {
        enter(std::string(step.operands[step.next++]));
      } else {
        order.push_back(&nodes[step.node]);
        path.pop_back();
      }
    }
  }
  return order;
}

static void importNode(GraphScope &scope, const onnx::NodeProto &node) {
  std::string domain = canonicalDomain(node.domain()), why;
  NodeImporter importer(scope, node, scope.opset(domain));
  const onnx::FunctionProto *function = functionOf(scope.model, node);
  const OpHandler *handler = function ? nullptr : operatorTable().find(domain, node.op_type(), importer.opset, why);
  bool poisoned = llvm::any_of(node.input(), [&](const std::string &name) { return scope.isPoisoned(name); });
  if (scope.model.nodesLeft == 0)
    importer.gap("the model has too many nodes");
  else if (scope.model.nodesLeft--, !function && !handler)
    importer.gap(why);
  else if (poisoned)
    importer.skip();
  else if (function)
    inlineFunction(importer, node, *function);
  else
    (*handler)(importer);
  importer.finish();
}

static void importNodes(GraphScope &scope, const Nodes &nodes, ArrayRef<std::string> wanted) {
  auto needed = neededNodes(nodes, wanted);
  for (const std::string &name : wanted) scope.markUsed(name);
  for (const onnx::NodeProto *node : needed)
    for (const std::string &name : operandNames(*node)) scope.markUsed(name);
  for (const onnx::NodeProto *node : needed) importNode(scope, *node);
}

void ingot::importNodes(GraphScope &scope, const onnx::GraphProto &graph) {
  std::vector<std::string> wanted;
  for (const auto &output : graph.output()) wanted.push_back(output.name());
  ::importNodes(scope, graph.node(), wanted);
}

// What a scope's names are once its nodes are imported. Empty if one is poisoned.
static SmallVector<Value> resultsOf(NodeImporter &n, GraphScope &scope, ArrayRef<std::string> names) {
  SmallVector<Value> results;
  for (const std::string &name : names) {
    Value value = scope.lookup(name);
    if (!value && scope.isPoisoned(name))
      n.skip();
    else if (!value)
      n.gap("the result '" + Twine(name) + "' of its body is defined by no node");
    results.push_back(value);
  }
  return n.failed() ? SmallVector<Value>() : results;
}

SmallVector<Value> ingot::importBranch(NodeImporter &n, const onnx::GraphProto &branch, Block &block) {
  n.require(branch.input_size() == 0, "its branches must have no inputs");
  n.require(branch.sparse_initializer_size() == 0, "a branch has a sparse initializer, which is not supported");
  GraphScope scope(n.names(), block);
  for (const auto &tensor : branch.initializer()) scope.defineInitializer(tensor);
  std::vector<std::string> wanted;
  for (const auto &output : branch.output()) wanted.push_back(output.name());
  ::importNodes(scope, branch.node(), wanted);
  return resultsOf(n, scope, wanted);
}

//===- functions --------------------------------------------------------------------------------------------------===//

static constexpr size_t maxCallDepth = 32;

static std::string functionKey(const std::string &domain, const std::string &name) {
  return canonicalDomain(domain) + '\0' + name;
}

// Fields that our onnx.proto does not know: libprotobuf keeps them as they stood.
static std::vector<std::string> unknownFields(const std::string &fields, uint32_t number) {
  std::vector<std::string> found;
  WireReader reader(fields);
  for (WireField field; reader.next(field);)
    if (field.number == number && field.type == 2) found.push_back(field.body.str());
  return found;
}

void ingot::declareFunctions(ModelContext &model, const onnx::ModelProto &proto) {
  for (const onnx::FunctionProto &function : proto.functions()) {
    constexpr uint32_t overload = 13;
    auto overloads = unknownFields(function.unknown_fields(), overload);
    if (!overloads.empty() && !overloads.back().empty())
      model.sink.error("function '" + function.name() + "' has overloads, which are not supported");
    if (!model.functions.try_emplace(functionKey(function.domain(), function.name()), &function).second)
      model.sink.error("function '" + function.name() + "' is defined twice");
  }
}

const onnx::FunctionProto *ingot::functionOf(const ModelContext &model, const onnx::NodeProto &node) {
  if (model.functions.empty()) return nullptr;
  auto found = model.functions.find(functionKey(node.domain(), node.op_type()));
  return found == model.functions.end() ? nullptr : found->second;
}

namespace {
// A call and the attributes that it owns: the function's defaults.
struct Call : FunctionCall {
  std::vector<std::unique_ptr<onnx::AttributeProto>> defaults;
};
} // namespace

static Call makeCall(NodeImporter &n, const onnx::NodeProto &node, const onnx::FunctionProto &function) {
  constexpr uint32_t attributeProto = 11; // of FunctionProto: attributes with a default
  Call call;
  call.prefix = n.nodeName() + "/";
  for (const auto &opset : function.opset_import()) call.opsets[canonicalDomain(opset.domain())] = opset.version();
  llvm::StringSet<> known;
  for (const std::string &bytes : unknownFields(function.unknown_fields(), attributeProto)) {
    auto attribute = std::make_unique<onnx::AttributeProto>();
    if (!n.require(attribute->ParseFromString(bytes), "its function's default attributes are damaged")) return call;
    call.attributes[attribute->name()] = attribute.get();
    known.insert(attribute->name());
    call.defaults.push_back(std::move(attribute));
  }
  for (const std::string &name : function.attribute()) known.insert(name);
  for (const auto &attribute : node.attribute()) {
    n.ignore(attribute.name());
    if (!n.require(known.contains(attribute.name()), "its function has no attribute '" + attribute.name() + "'")) break;
    if (const onnx::AttributeProto *value = n.find(attribute.name())) call.attributes[attribute.name()] = value;
  }
  return call;
}

void ingot::inlineFunction(NodeImporter &n, const onnx::NodeProto &node, const onnx::FunctionProto &function) {
  ModelContext &model = n.names().model;
  n.require(!llvm::is_contained(model.calls, &function), "its function calls itself");
  n.require(model.calls.size() < maxCallDepth, "functions are nested deeper than " + Twine(maxCallDepth));
  n.require(node.input_size() <= function.input_size() && node.output_size() <= function.output_size(),
            "has more operands or results than its function");
  if (n.failed()) return;
  Call call = makeCall(n, node, function);
  GraphScope body(n.names(), call);
  for (int i = 0; i < function.input_size(); ++i) {
    Value value = n.optional(size_t(i));
    if (n.failed()) return;
    if (value)
      body.define(function.input(i), value);
    else
      body.defineAbsent(function.input(i));
  }
  std::vector<std::string> wanted;
  for (int i = 0; i < node.output_size(); ++i)
    wanted.push_back(n.wants(size_t(i)) ? function.output(i) : std::string());
  std::vector<std::string> named;
  llvm::copy_if(wanted, std::back_inserter(named), [](const std::string &name) { return !name.empty(); });
  model.calls.push_back(&function);
  ::importNodes(body, function.node(), named);
  model.calls.pop_back();
  SmallVector<Value> results = resultsOf(n, body, named);
  for (size_t i = 0, next = 0; i < wanted.size() && !n.failed(); ++i)
    if (!wanted[i].empty()) n.set(i, results[next++]);
}
