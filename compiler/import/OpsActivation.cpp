// Activation functions: those the decoder world uses are single graph ops; the rest are spelled out.
#include "compiler/import/OpTable.h"

using namespace mlir;
using namespace ingot;
using graph::BinaryKind, graph::CompareKind, graph::UnaryKind;

namespace {

// Arithmetic between a tensor and constants of its element type.
struct Formula {
  NodeImporter &n;
  Value x = n.input(0);

  Value c(double value) { return n.scalar(value, n.element(x)); }
  Value add(Value a, Value b) { return n.binary(BinaryKind::add, a, b); }
  Value sub(Value a, Value b) { return n.binary(BinaryKind::sub, a, b); }
  Value mul(Value a, Value b) { return n.binary(BinaryKind::mul, a, b); }
  Value div(Value a, Value b) { return n.binary(BinaryKind::div, a, b); }
  Value min(Value a, Value b) { return n.binary(BinaryKind::min, a, b); }
  Value max(Value a, Value b) { return n.binary(BinaryKind::max, a, b); }
  Value exp(Value a) { return n.unary(UnaryKind::exp, a); }
  Value sigmoid(Value a) { return n.unary(UnaryKind::sigmoid, a); }
  Value less(Value a, Value b) { return n.create<graph::CompareOp>(CompareKind::lt, a, b); }
  Value select(Value condition, Value yes, Value no) { return n.create<graph::SelectOp>(condition, yes, no); }
};

} // namespace

static OpHandler unary(UnaryKind kind) {
  return [kind](NodeImporter &n) { n.set(0, n.unary(kind, n.input(0))); };
}

static void importGelu(NodeImporter &n) {
  std::string approximate = n.text("approximate", "none");
  n.require(approximate == "none" || approximate == "tanh", "approximate must be none or tanh");
  n.set(0, n.unary(approximate == "tanh" ? UnaryKind::gelu_tanh : UnaryKind::gelu, n.input(0)));
}

// com.microsoft: act(x + bias).
static OpHandler biased(UnaryKind kind) {
  return [kind](NodeImporter &n) {
    Value x = n.input(0), bias = n.optional(1);
    n.set(0, n.unary(kind, bias ? n.binary(BinaryKind::add, x, bias) : x));
  };
}

// x * sigmoid(alpha * x)
static OpHandler swish(float alphaDefault) {
  return [alphaDefault](NodeImporter &n) {
    Formula f{n};
    float alpha = n.real("alpha", alphaDefault);
    n.set(0, f.mul(f.x, f.sigmoid(alpha == 1 ? f.x : f.mul(f.x, f.c(alpha)))));
  };
}

static void importLeakyRelu(NodeImporter &n) {
  Formula f{n};
  Value slope = f.c(n.real("alpha", 0.01f));
  n.set(0, f.select(f.less(f.x, f.c(0)), f.mul(f.x, slope), f.x));
}

static void importPRelu(NodeImporter &n) {
  Formula f{n};
  n.set(0, f.select(f.less(f.x, f.c(0)), f.mul(f.x, n.input(1)), f.x));
}

static void importThresholdedRelu(NodeImporter &n) {
  Formula f{n};
  n.set(0, f.select(f.less(f.c(n.real("alpha", 1.0f)), f.x), f.x, f.c(0)));
}

// gamma * (x > 0 ? x : alpha * (exp(x) - 1))
static OpHandler elu(float alphaDefault, float gammaDefault, bool hasGamma) {
  return [=](NodeImporter &n) {
    Formula f{n};
    Value alpha = f.c(n.real("alpha", alphaDefault));
    Value low = f.mul(alpha, f.sub(f.exp(f.min(f.x, f.c(0))), f.c(1)));
    Value result = f.select(f.less(f.x, f.c(0)), low, f.x);
    n.set(0, hasGamma ? f.mul(f.c(n.real("gamma", gammaDefault)), result) : result);
  };
}

// max(0, x) + min(0, alpha * (exp(x / alpha) - 1))
static void importCelu(NodeImporter &n) {
  Formula f{n};
  Value alpha = f.c(n.real("alpha", 1.0f));
  Value low = f.mul(alpha, f.sub(f.exp(f.div(f.x, alpha)), f.c(1)));
  n.set(0, f.add(f.max(f.x, f.c(0)), f.min(f.c(0), low)));
}

static Value hardSigmoid(Formula &f, float alpha, float beta) {
  return f.max(f.c(0), f.min(f.c(1), f.add(f.mul(f.x, f.c(alpha)), f.c(beta))));
}

static void importHardSigmoid(NodeImporter &n) {
  Formula f{n};
  float alpha = n.real("alpha", 0.2f), beta = n.real("beta", 0.5f);
  n.set(0, hardSigmoid(f, alpha, beta));
}

static void importHardSwish(NodeImporter &n) {
  Formula f{n};
  n.set(0, f.mul(f.x, hardSigmoid(f, 1.0f / 6, 0.5f)));
}

static void importSoftsign(NodeImporter &n) {
  Formula f{n};
  n.set(0, f.div(f.x, f.add(f.c(1), n.unary(UnaryKind::abs, f.x))));
}

static void importMish(NodeImporter &n) {
  Formula f{n};
  n.set(0, f.mul(f.x, n.unary(UnaryKind::tanh, n.unary(UnaryKind::softplus, f.x))));
}

// x < -lambd: x + bias; x > lambd: x - bias; 0 else
static void importShrink(NodeImporter &n) {
  Formula f{n};
  Value bias = f.c(n.real("bias", 0.0f)), lambda = f.c(n.real("lambd", 0.5f));
  Value high = f.select(f.less(lambda, f.x), f.sub(f.x, bias), f.c(0));
  n.set(0, f.select(f.less(f.x, n.unary(UnaryKind::neg, lambda)), f.add(f.x, bias), high));
}

// com.microsoft: x + bias + skip
static void importBiasAdd(NodeImporter &n) {
  n.set(0, n.binary(BinaryKind::add, n.binary(BinaryKind::add, n.input(0), n.input(1)), n.input(2)));
}

// com.microsoft: y = x + bias in two halves along the last dim, the first times gelu of the second
static void importBiasSplitGelu(NodeImporter &n) {
  Value x = n.binary(BinaryKind::add, n.input(0), n.input(1));
  int64_t columns = n.dim(x, -1), last = n.rank(x) - 1;
  n.require(n.failed() || (last >= 0 && columns != ShapedType::kDynamic && columns % 2 == 0),
            "needs a static and even last dim");
  auto half = [&](int64_t begin) {
    return n.create<graph::SliceOp>(x, n.integerVector({begin}), n.integerVector({begin + columns / 2}),
                                    ArrayRef<int64_t>{last}, ArrayRef<int64_t>{1});
  };
  if (n.failed()) return;
  n.set(0, n.binary(BinaryKind::mul, half(0), n.unary(UnaryKind::gelu, half(columns / 2))));
}

// com.microsoft: softmax(x + bias) over the dims from `axis` on, which must be the last one
static void importBiasSoftmax(NodeImporter &n) {
  Value x = n.binary(BinaryKind::add, n.input(0), n.input(1));
  n.expect("is_inner_broadcast", 1);
  int64_t axis = n.axis(n.integer("axis", 1), n.rank(x));
  n.require(n.failed() || axis == n.rank(x) - 1, "its axis must be the last");
  n.set(0, n.create<graph::SoftmaxOp>(x, axis));
}

void ingot::addActivationOps(OpTable &table) {
  table.add("", "Relu", unary(UnaryKind::relu));
  table.add("", "Softplus", unary(UnaryKind::softplus));
  table.add("", "Gelu", importGelu, 20);
  // Builders write Gelu and its relatives into com.microsoft, and some into '' before opset 20.
  table.add("", "Gelu", importGelu, 1, 19);
  table.add("com.microsoft", "Gelu", biased(UnaryKind::gelu));
  table.add("com.microsoft", "BiasGelu", biased(UnaryKind::gelu));
  table.add("com.microsoft", "FastGelu", biased(UnaryKind::gelu_tanh));
  table.add("com.microsoft", "BiasAdd", importBiasAdd);
  table.add("com.microsoft", "BiasSplitGelu", importBiasSplitGelu);
  table.add("com.microsoft", "BiasSoftmax", importBiasSoftmax);
  table.add("com.microsoft", "QuickGelu", swish(1.702f));
  table.add("", "Swish", swish(1), 24);
  table.add("", "LeakyRelu", importLeakyRelu, 6);
  table.add("", "PRelu", importPRelu, 9);
  table.add("", "ThresholdedRelu", importThresholdedRelu, 10);
  table.add("", "Elu", elu(1, 1, false), 6);
  table.add("", "Selu", elu(1.67326319217681884765625f, 1.05070102214813232421875f, true), 6);
  table.add("", "Celu", importCelu, 12);
  table.add("", "HardSigmoid", importHardSigmoid, 6);
  table.add("", "HardSwish", importHardSwish, 14);
  table.add("", "Softsign", importSoftsign);
  table.add("", "Mish", importMish, 18);
  table.add("", "Shrink", importShrink, 9);
}
