// Control flow. If is one of its branches where the condition is known, graph.if else; what has no place in a decoder's
// step is refused by name, with what would help.
#include "compiler/import/GraphImporter.h"
#include "compiler/import/OpTable.h"

using namespace mlir;
using namespace ingot;

static SmallVector<Value> importInto(NodeImporter &n, const onnx::GraphProto *graph, Region &region) {
  SmallVector<Value> results = importBranch(n, *graph, region.emplaceBlock());
  if (!n.failed()) n.require(results.size() == n.outputCount(), "its branches and results differ in number");
  return results;
}

// The type of a value that is one of the two.
static Type joined(NodeImporter &n, Value a, Value b) {
  RankedTensorType x = n.type(a), y = n.type(b);
  if (!n.require(x.getRank() == y.getRank() && x.getElementType() == y.getElementType(),
                 "its branches give different types, which only a condition known at compile time can choose from"))
    return {};
  SmallVector<int64_t> shape(x.getShape());
  for (auto [dim, other] : llvm::zip(shape, y.getShape()))
    if (dim != other) dim = ShapedType::kDynamic;
  return x.clone(shape);
}

// The branches are imported into an op without results: theirs tell the types of the real one.
static void makeIf(NodeImporter &n, Value condition, const onnx::GraphProto *yes, const onnx::GraphProto *no) {
  auto draft = n.builder().create<graph::IfOp>(n.loc(), TypeRange(), condition);
  SmallVector<Value> results[2] = {importInto(n, yes, draft.getThenRegion())};
  results[1] = importInto(n, no, draft.getElseRegion());
  SmallVector<Type> types;
  for (size_t i = 0; i < n.outputCount() && !n.failed(); ++i) types.push_back(joined(n, results[0][i], results[1][i]));
  if (!n.failed()) {
    auto op = n.builder().create<graph::IfOp>(n.loc(), types, condition);
    for (unsigned i = 0; i < 2; ++i) {
      op->getRegion(i).takeBody(draft->getRegion(i));
      OpBuilder::atBlockEnd(&op->getRegion(i).front()).create<graph::YieldOp>(n.loc(), results[i]);
    }
    for (size_t i = 0; i < n.outputCount(); ++i) n.set(i, op.getResult(unsigned(i)));
  }
  draft.erase();
}

static void importIf(NodeImporter &n) {
  Value condition = n.input(0);
  const onnx::GraphProto *yes = n.graph("then_branch"), *no = n.graph("else_branch");
  if (n.failed()) return;
  n.require(n.element(condition).isInteger(1) && n.type(condition).hasStaticShape() &&
                n.type(condition).getNumElements() == 1,
            "its condition must be one boolean");
  if (n.failed()) return;
  auto known = graph::constantIntegers(condition);
  if (!known || known->size() != 1) return makeIf(n, condition, yes, no);
  SmallVector<Value> results = importBranch(n, known->front() ? *yes : *no, *n.builder().getBlock());
  if (!n.failed()) n.require(results.size() == n.outputCount(), "its branches and results differ in number");
  for (size_t i = 0; i < n.outputCount() && !n.failed(); ++i) n.set(i, results[i]);
}

void ingot::addControlOps(OpTable &table) {
  table.add("", "If", importIf);
  auto refuse = [&](llvm::StringRef domain, std::initializer_list<const char *> names, const char *why) {
    for (const char *name : names) table.refuse(domain, name, why);
  };
  refuse("", {"Loop", "Scan"}, "loops are not supported; export the model without them (unrolled, or traced)");
  refuse("", {"Optional", "OptionalGetElement", "OptionalHasElement"}, "optional values are not supported");
  refuse("", {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"},
         "makes random numbers; sampling belongs to the runtime, export the logits");
  for (const char *domain : {"", "com.microsoft"})
    refuse(domain, {"LSTM", "GRU", "RNN", "LinearAttention", "CausalConvWithState"},
           "keeps a recurrent state; artifacts reserve a slot for such states, but no kernel fills it yet");
  refuse(
      "", {"Conv", "ConvTranspose", "ConvInteger", "QLinearConv"},
      "convolves: along the sequence that is a recurrent state (LFM2 and other hybrids), for which artifacts reserve a "
      "slot that no kernel fills yet; of an image, compile the text decoder alone");
  constexpr const char *image = "belongs to an image encoder; compile the text decoder alone";
  refuse("", {"Resize", "GridSample", "RoiAlign", "MaxPool", "AveragePool", "GlobalAveragePool", "MaxUnpool"}, image);
  refuse("com.microsoft", {"SkipGroupNorm", "GroupNorm", "NhwcConv"}, image);
  refuse("com.microsoft", {"DecoderMaskedMultiHeadAttention", "DecoderMaskedSelfAttention"},
         "attends from one new token only, so a prompt cannot be fed; export the model with MultiHeadAttention or "
         "GroupQueryAttention");
}
