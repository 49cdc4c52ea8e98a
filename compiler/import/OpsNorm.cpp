// Normalisations. Over the last axis with weights of the model they are decoder.norm; else they are spelled out.
#include "compiler/import/Embed.h"
#include "compiler/import/OpTable.h"
#include "compiler/import/ScaledDotProduct.h"
#include "dialects/decoder/Decoder.h"

using namespace mlir;
using namespace ingot;
using decoder::NormKind;
using graph::BinaryKind, graph::ReduceKind, graph::UnaryKind;

namespace {
struct Norm {
  NormKind kind;
  Value x, gain, bias; // bias may be null
  int64_t axis;
  float eps;
};
struct Normed {
  Value y, mean, inverse; // the last two only when spelled out
};
} // namespace

static bool isRowNorm(NodeImporter &n, const Norm &norm) {
  int64_t columns = n.dim(norm.x, -1);
  auto fits = [&](Value w) { return n.isWeight(w) && n.rank(w) == 1 && n.dim(w, 0) == columns; };
  return norm.axis == n.rank(norm.x) - 1 && fits(norm.gain) && (!norm.bias || fits(norm.bias));
}

static Value rowNorm(NodeImporter &n, const Norm &norm, StringRef gain, StringRef bias) {
  auto gainRecipe = n.recipe(norm.gain, gain), biasRecipe = n.recipe(norm.bias, bias);
  return n.createOne<decoder::NormOp>(norm.x.getType(), decoder::NormKindAttr::get(&n.context(), norm.kind), norm.x,
                                      gainRecipe, biasRecipe, n.builder().getF32FloatAttr(norm.eps),
                                      n.builder().getI64IntegerAttr(1));
}

// (x - mean) / sqrt(mean((x - mean)^2) + eps) in f32, then gain and bias in the operand's type; rms has no mean.
static Normed spelledOut(NodeImporter &n, const Norm &norm) {
  Type element = n.element(norm.x), f32 = n.builder().getF32Type();
  Type wide = element.isF64() ? element : f32;
  SmallVector<int64_t> axes;
  for (int64_t i = norm.axis; i < n.rank(norm.x); ++i) axes.push_back(i);
  auto mean = [&](Value v) { return n.create<graph::ReduceOp>(ReduceKind::mean, v, ArrayRef(axes), true); };
  Normed result;
  Value x = n.cast(norm.x, wide);
  if (norm.kind == NormKind::layer) {
    result.mean = mean(x);
    x = n.binary(BinaryKind::sub, x, result.mean);
  }
  Value variance = n.binary(BinaryKind::add, mean(n.binary(BinaryKind::mul, x, x)), n.scalar(norm.eps, wide));
  result.inverse = n.unary(UnaryKind::reciprocal, n.unary(UnaryKind::sqrt, variance));
  result.y = n.cast(n.binary(BinaryKind::mul, x, result.inverse), element);
  result.y = n.binary(BinaryKind::mul, result.y, n.cast(norm.gain, element));
  if (norm.bias) result.y = n.binary(BinaryKind::add, result.y, n.cast(norm.bias, element));
  return result;
}

static OpHandler norm(NormKind kind, bool hasBias) {
  return [=](NodeImporter &n) {
    Value x = n.input(0), gain = n.input(1), bias = hasBias ? n.optional(2) : Value();
    int64_t axis = n.axis(n.integer("axis", -1), n.rank(x));
    Norm norm{kind, x, gain, bias, axis, n.real("epsilon", 1e-5f)};
    n.expect("stash_type", 1);
    n.require(n.isFloat(x), "needs floats");
    if (n.failed()) return;
    bool statistics = n.wants(1) || n.wants(2);
    if (!statistics && isRowNorm(n, norm)) return n.set(0, rowNorm(n, norm, n.inputName(1), n.inputName(2)));
    Normed result = spelledOut(n, norm);
    n.set(0, result.y);
    n.set(1, kind == NormKind::layer ? result.mean : result.inverse);
    n.set(2, result.inverse);
  };
}

// com.microsoft: norm(input + skip + bias); the sum itself is result 3. Operands: input, skip, gain, (beta,) bias.
static OpHandler skipNorm(NormKind kind) {
  return [kind](NodeImporter &n) {
    bool layer = kind == NormKind::layer;
    Value sum = n.binary(BinaryKind::add, n.input(0), n.input(1)), gain = n.input(2);
    Value beta = layer ? n.optional(3) : Value(), bias = n.optional(layer ? 4 : 3);
    if (bias) sum = n.binary(BinaryKind::add, sum, bias);
    if (n.failed() || !n.require(n.isFloat(sum), "needs floats")) return;
    Norm norm{kind, sum, gain, beta, n.axis(-1, n.rank(sum)), n.real("epsilon", layer ? 1e-12f : 1e-5f)};
    if (n.failed()) return;
    n.set(3, sum);
    if (isRowNorm(n, norm) && !n.wants(1) && !n.wants(2))
      return n.set(0, rowNorm(n, norm, n.inputName(2), layer ? n.inputName(3) : ""));
    Normed result = spelledOut(n, norm);
    n.set(0, result.y);
    n.set(1, layer ? result.mean : result.inverse);
    n.set(2, result.inverse);
  };
}

// com.microsoft: norm(words[ids] + positions[position ids] + segments[segment ids]); the sum itself is result 2.
// Without position ids, a row's tokens stand at 0, 1, ..
static void importEmbedLayerNorm(NodeImporter &n) {
  n.expect("mask_index_type", 0);
  Value ids = n.input(0), segments = n.optional(1), positions = n.optional(8), gain = n.input(5), bias = n.input(6);
  n.refuse(7, "mask");
  n.require(bool(segments) == n.has(4), "its segment ids and segment embedding must come together");
  n.require(n.failed() || n.rank(ids) == 2, "its ids must be [B, S]");
  if (n.failed()) return;
  if (!positions) positions = n.unsqueeze(iota(n, extentOf(n, ids, 1)), {0});
  Value sum = lookUp(n, n.input(2), ids, 0, n.inputName(2));
  sum = n.binary(BinaryKind::add, sum, lookUp(n, n.input(3), positions, 0, n.inputName(3)));
  if (segments) sum = n.binary(BinaryKind::add, sum, lookUp(n, n.input(4), segments, 0, n.inputName(4)));
  if (n.failed()) return;
  Norm norm{NormKind::layer, sum, gain, bias, n.axis(-1, n.rank(sum)), n.real("epsilon", 1e-12f)};
  if (n.failed()) return;
  n.set(0, isRowNorm(n, norm) ? rowNorm(n, norm, n.inputName(5), n.inputName(6)) : spelledOut(n, norm).y);
  n.set(2, sum);
}

void ingot::addNormOps(OpTable &table) {
  table.add("", "LayerNormalization", norm(NormKind::layer, true));
  table.add("", "RMSNormalization", norm(NormKind::rms, false), 23);
  table.add("", "SimplifiedLayerNormalization", norm(NormKind::rms, false));
  table.add("com.microsoft", "SimplifiedLayerNormalization", norm(NormKind::rms, false));
  table.add("com.microsoft", "SkipSimplifiedLayerNormalization", skipNorm(NormKind::rms));
  table.add("com.microsoft", "EmbedLayerNormalization", importEmbedLayerNorm);
  table.add("com.microsoft", "SkipLayerNormalization", skipNorm(NormKind::layer));
}
