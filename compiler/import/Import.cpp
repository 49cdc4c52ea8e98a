// The model level: file, scanner, protobuf, opsets, the function's signature, nodes in order, results.
#include "compiler/import/Import.h"
#include "compiler/import/ElementTypes.h"
#include "compiler/import/GraphImporter.h"
#include "compiler/import/OpTable.h"
#include "compiler/import/Scanner.h"
#include "dialects/decoder/Decoder.h"
#include "dialects/graph/Graph.h"
#include "dialects/graph/NodeLocation.h"
#include "onnx.pb.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace ingot;

namespace {

class ModelImporter {
public:
  ModelImporter(const onnx::ModelProto &proto, ModuleOp module, ModelContext &model, const ImportOptions &options)
      : proto(proto), module(module), model(model), options(options) {}

  void run();

private:
  bool readOpsets();
  void readInitializers(GraphScope &scope);
  func::FuncOp makeFunction();
  void readInputs(GraphScope &scope, func::FuncOp function);
  void makeResults(GraphScope &scope, func::FuncOp function);
  bool isBound(const std::string &input) const { return options.bindings.count(input); }
  DenseElementsAttr binding(const onnx::ValueInfoProto &input);
  RankedTensorType inputType(const onnx::ValueInfoProto &input);
  DictionaryAttr describe(const onnx::ValueInfoProto &value, int64_t rank);

  const onnx::ModelProto &proto;
  ModuleOp module;
  ModelContext &model;
  const ImportOptions &options;
  llvm::StringSet<> initializers;
};

bool ModelImporter::readOpsets() {
  for (const auto &opset : proto.opset_import()) model.opsets[canonicalDomain(opset.domain())] = opset.version();
  auto standard = model.opsets.find("");
  int64_t version = standard == model.opsets.end() ? 1 : standard->second;
  if (standard != model.opsets.end() && (version < OpTable::oldest || version > OpTable::newest))
    model.sink.error("the model is of ONNX opset " + std::to_string(version) + "; " + std::to_string(OpTable::oldest) +
                     " to " + std::to_string(OpTable::newest) + " are supported");
  return model.sink.empty();
}

void ModelImporter::readInitializers(GraphScope &scope) {
  for (const auto &tensor : proto.graph().initializer()) scope.defineInitializer(tensor);
  for (const auto &sparse : proto.graph().sparse_initializer())
    model.sink.error("initializer '" + sparse.values().name() + "' is sparse, which is not supported");
}

RankedTensorType ModelImporter::inputType(const onnx::ValueInfoProto &input) {
  const auto &tensor = input.type().tensor_type();
  Type element = elementType(model.context, input.type().has_tensor_type() ? tensor.elem_type() : 0);
  SmallVector<int64_t> dims;
  for (const auto &dim : tensor.shape().dim())
    dims.push_back(dim.has_dim_value() ? dim.dim_value() : ShapedType::kDynamic);
  RankedTensorType type = element && tensor.has_shape() ? checkedTensorType(dims, element) : RankedTensorType();
  if (!type) model.sink.error("input '" + input.name() + "' must be a tensor of a supported type and known rank");
  return type;
}

// graph.name and graph.dims of an argument or result.
DictionaryAttr ModelImporter::describe(const onnx::ValueInfoProto &value, int64_t rank) {
  Builder builder(&model.context);
  SmallVector<StringRef> dims(rank, "");
  const auto &shape = value.type().tensor_type().shape();
  for (int i = 0; i < shape.dim_size() && i < rank; ++i) dims[i] = shape.dim(i).dim_param();
  return builder.getDictionaryAttr({builder.getNamedAttr("graph.name", builder.getStringAttr(value.name())),
                                    builder.getNamedAttr("graph.dims", builder.getStrArrayAttr(dims))});
}

func::FuncOp ModelImporter::makeFunction() {
  for (const auto &tensor : proto.graph().initializer()) initializers.insert(tensor.name());
  SmallVector<Type> types;
  SmallVector<DictionaryAttr> attributes;
  for (const auto &input : proto.graph().input()) {
    if (initializers.contains(input.name()) || isBound(input.name())) continue;
    RankedTensorType type = inputType(input);
    if (!type) continue;
    types.push_back(type);
    attributes.push_back(describe(input, type.getRank()));
  }
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  auto function = builder.create<func::FuncOp>(module.getLoc(), "main", builder.getFunctionType(types, {}));
  function.addEntryBlock();
  function.setAllArgAttrs(attributes);
  return function;
}

DenseElementsAttr ModelImporter::binding(const onnx::ValueInfoProto &input) {
  DenseElementsAttr value = options.bindings.at(input.name());
  RankedTensorType type = inputType(input);
  if (!type || value.getNumElements() != 1 || type.getElementType() != value.getElementType()) return value;
  SmallVector<int64_t> ones(size_t(type.getRank()), 1);
  return value.reshape(type.clone(ones));
}

void ModelImporter::readInputs(GraphScope &scope, func::FuncOp function) {
  unsigned next = 0;
  for (const auto &input : proto.graph().input()) {
    if (initializers.contains(input.name())) continue;
    Location location = graph::nodeLocation(model.context, input.name(), "input");
    if (scope.isDefined(input.name()))
      model.sink.error("input '" + input.name() + "' is defined twice");
    else if (isBound(input.name()))
      scope.define(input.name(), scope.constant(binding(input), location));
    else
      scope.define(input.name(), function.getArgument(next++));
  }
}

void ModelImporter::makeResults(GraphScope &scope, func::FuncOp function) {
  SmallVector<Value> results;
  SmallVector<DictionaryAttr> attributes;
  for (const auto &output : proto.graph().output()) {
    Value value = scope.lookup(output.name());
    if (!value && !scope.isPoisoned(output.name()))
      model.sink.error("output '" + output.name() + "' is defined by no node");
    if (!value) continue;
    results.push_back(value);
    attributes.push_back(describe(output, cast<RankedTensorType>(value.getType()).getRank()));
  }
  if (!model.sink.empty()) return;
  scope.builder.create<func::ReturnOp>(module.getLoc(), results);
  SmallVector<Type> types(ValueRange(results).getTypes());
  function.setType(FunctionType::get(&model.context, function.getArgumentTypes(), types));
  function.setAllResultAttrs(attributes);
}

// Constants that became recipes, and glue that nothing reads.
void eraseDead(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block))) {
    for (Region &region : op.getRegions())
      if (!region.empty()) eraseDead(region.front());
    if (isOpTriviallyDead(&op)) op.erase();
  }
}

void ModelImporter::run() {
  if (!proto.has_graph() || proto.graph().output_size() == 0) return model.sink.error("the model has no graph");
  declareFunctions(model, proto);
  if (!readOpsets()) return;
  if (proto.graph().initializer_size() + proto.graph().input_size() == 0 && proto.graph().node_size() == 0)
    return model.sink.error("the model's graph is empty");
  func::FuncOp function = makeFunction();
  if (!model.sink.empty()) return;
  model.weights.insertBefore(function);
  GraphScope scope(model, function.getBody().front());
  readInitializers(scope);
  readInputs(scope, function);
  if (!model.sink.empty()) return;
  importNodes(scope, proto.graph());
  makeResults(scope, function);
  if (!model.sink.empty()) return;
  eraseDead(function.getBody().front());
}

} // namespace

static std::unique_ptr<onnx::ModelProto> parse(StringRef bytes, DiagnosticSink &sink) {
  std::string error;
  auto scanned = scanModel(bytes, error);
  auto proto = std::make_unique<onnx::ModelProto>();
  google::protobuf::SetLogHandler(nullptr);
  if (!scanned)
    sink.error("cannot read the model: " + error);
  else if (scanned->size() > INT32_MAX || !proto->ParseFromString(*scanned))
    sink.error("cannot read the model: it is damaged or not an ONNX model");
  return sink.empty() ? std::move(proto) : nullptr;
}

OwningOpRef<ModuleOp> ingot::importOnnxBytes(StringRef bytes, const std::string &folder, MLIRContext &context,
                                             const ImportOptions &options, DiagnosticSink &sink) {
  context.loadDialect<func::FuncDialect, graph::GraphDialect, decoder::DecoderDialect, weights::WeightsDialect>();
  std::unique_ptr<onnx::ModelProto> proto = parse(bytes, sink);
  if (!proto) return {};
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
  ModelContext model{context, ExternalData(bytes, folder, options.allowMissingWeights), WeightTable(*module), sink, {}};
  ModelImporter(*proto, *module, model, options).run();
  if (!sink.empty()) return {};
  ScopedDiagnosticHandler capture(&context, [&](mlir::Diagnostic &diagnostic) {
    sink.error("the imported graph is inconsistent: " + diagnostic.str());
    return success();
  });
  if (failed(verify(*module)) && sink.empty()) sink.error("the imported graph is inconsistent");
  return sink.empty() ? std::move(module) : OwningOpRef<ModuleOp>();
}

OwningOpRef<ModuleOp> ingot::importOnnx(const std::string &path, MLIRContext &context, const ImportOptions &options,
                                        DiagnosticSink &sink) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer) {
    sink.error("cannot open '" + path + "': " + buffer.getError().message());
    return {};
  }
  return importOnnxBytes((*buffer)->getBuffer(), llvm::sys::path::parent_path(path).str(), context, options, sink);
}
