// Products, broadcast and regrouping of symbolic dims.
#include "passes/infer/Shape.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include <numeric>

using namespace ingot::infer;
using llvm::ArrayRef;

//===- Dim
//---------------------------------------------------------------------------------------------------------===//

void Dim::append(ExprContext &context, Expr factor) {
  if (factor.is(1)) return;
  if (!parts.empty() && parts.back().asInteger() && factor.asInteger())
    parts.back() = context.mul(parts.back(), factor);
  else
    parts.push_back(factor);
}

std::optional<int64_t> Dim::constant() const {
  if (parts.empty()) return 1;
  return parts.size() == 1 ? parts[0].asInteger() : std::nullopt;
}

Expr Dim::size(ExprContext &context) const {
  Expr product = context.integer(1);
  for (Expr factor : parts) {
    product = context.mul(product, factor);
    if (!product.isAffine()) return context.undefined();
  }
  return product;
}

std::string Dim::print(ExprContext &context) const {
  if (parts.empty()) return "1";
  std::string text;
  for (Expr factor : parts) text += (text.empty() ? "" : "*") + context.print(factor);
  return text;
}

std::string ingot::infer::print(ExprContext &context, ArrayRef<Dim> shape) {
  std::string text = "[";
  for (const Dim &dim : shape) text += (text.size() == 1 ? "" : ", ") + dim.print(context);
  return text + "]";
}

std::optional<int64_t> ingot::infer::constantProduct(ArrayRef<Dim> shape) {
  int64_t product = 1;
  for (const Dim &dim : shape) {
    auto size = dim.constant();
    if (!size || llvm::MulOverflow(product, *size, product)) return std::nullopt;
  }
  return product;
}

std::optional<Shape> ingot::infer::broadcast(ArrayRef<ArrayRef<Dim>> shapes) {
  size_t rank = 0;
  for (ArrayRef<Dim> shape : shapes) rank = std::max(rank, shape.size());
  Shape result(rank);
  for (ArrayRef<Dim> shape : shapes)
    for (size_t k = 0; k < shape.size(); ++k) {
      const Dim &dim = shape[k];
      Dim &joined = result[rank - shape.size() + k];
      if (dim.isOne() || dim == joined) continue;
      if (!joined.isOne()) return std::nullopt;
      joined = dim;
    }
  return result;
}

//===- regrouping
//--------------------------------------------------------------------------------------------------===//

/// A symbolic size as constant * atom with a primitive atom.
static std::pair<int64_t, Expr> contentOf(ExprContext &context, Expr size) {
  int64_t content = size->constant;
  for (auto [v, coefficient] : size->terms) content = std::gcd(content, coefficient);
  Expr atom = context.integer(size->constant / content);
  for (auto [v, coefficient] : size->terms)
    atom = context.add(atom, context.mul(context.integer(coefficient / content), context.variable(v)));
  return {content, atom};
}

/// The symbolic factors of a shape in order, and the products of the constants before, between and behind them.
struct Skeleton {
  llvm::SmallVector<int64_t, 4> constants{1};
  llvm::SmallVector<Expr, 2> atoms;
  bool valid = true;
  void add(ExprContext &context, Expr factor) {
    if (auto size = factor.asInteger()) {
      valid &= *size > 0 && !llvm::MulOverflow(constants.back(), *size, constants.back());
    } else if (factor.isAffine()) {
      auto [content, atom] = contentOf(context, factor);
      valid &= !llvm::MulOverflow(constants.back(), content, constants.back());
      atoms.push_back(atom);
      constants.push_back(1);
    } else {
      valid = false;
    }
  }
};

/// The size of the one -1: the total over the rest, each at most one symbolic factor more than the other.
static Expr restOf(ExprContext &context, const Skeleton &from, ArrayRef<Expr> sizes) {
  Skeleton to;
  for (Expr size : sizes)
    if (!size.is(-1)) to.add(context, size);
  if (!to.valid) return context.undefined();
  auto product = [](ArrayRef<int64_t> values) {
    int64_t all = 1;
    for (int64_t value : values)
      if (llvm::MulOverflow(all, value, all)) return int64_t(0);
    return all;
  };
  int64_t have = product(from.constants), used = product(to.constants);
  if (used <= 0 || have <= 0 || have % used) return context.undefined();
  llvm::SmallVector<Expr, 2> left(from.atoms);
  for (Expr atom : to.atoms) {
    auto *place = llvm::find(left, atom);
    if (place == left.end()) return context.undefined();
    left.erase(place);
  }
  if (left.size() > 1) return context.undefined();
  Expr rest = context.integer(have / used);
  return left.empty() ? rest : context.mul(rest, left[0]);
}

/// Appends `size` (constant content times atom) to the dim so that the constants before the atom come out right.
static bool placeAtom(ExprContext &context, Dim &dim, int64_t content, Expr atom, int64_t wanted, int64_t &placed) {
  if (wanted % placed) return false;
  int64_t before = wanted / placed;
  if (content % before) return false;
  dim.append(context, context.integer(before));
  dim.append(context, atom);
  dim.append(context, context.integer(content / before));
  placed = content / before;
  return true;
}

std::optional<Shape> ingot::infer::regroup(ExprContext &context, ArrayRef<Dim> from, ArrayRef<Expr> sizes) {
  Skeleton source;
  for (const Dim &dim : from)
    for (Expr factor : dim.factors()) source.add(context, factor);
  if (!source.valid) return std::nullopt;
  Shape result;
  size_t next = 0;    // the next symbolic factor
  int64_t placed = 1; // product of the constants placed since the last one
  for (Expr size : sizes) {
    if (size.is(-1)) size = restOf(context, source, sizes);
    if (!size.isAffine()) return std::nullopt;
    Dim &dim = result.emplace_back();
    if (auto constant = size.asInteger()) {
      if (*constant <= 0 || llvm::MulOverflow(placed, *constant, placed)) return std::nullopt;
      dim.append(context, size);
      continue;
    }
    auto [content, atom] = contentOf(context, size);
    if (next == source.atoms.size() || source.atoms[next] != atom) return std::nullopt;
    if (!placeAtom(context, dim, content, atom, source.constants[next], placed)) return std::nullopt;
    ++next;
  }
  if (next != source.atoms.size() || placed != source.constants.back()) return std::nullopt;
  return result;
}

namespace {
/// The index within each atom and, between atoms, within the constants, all in row-major order.
struct Coordinates {
  llvm::SmallVector<Expr, 2> atoms;
  llvm::SmallVector<Expr, 4> runs; // one more than atoms: the flat index within each run of constants
};
} // namespace

/// The quotient and remainder of c * size + rest with 0 <= rest < size known from rest's bound; nullopt otherwise.
static std::optional<std::pair<Expr, Expr>> divideBySymbol(ExprContext &context, Expr index, Expr size) {
  if (!index.isAffine() || size->terms.empty()) return std::nullopt;
  auto [symbol, weight] = size->terms.back();
  int64_t quotient = 0;
  for (auto [v, coefficient] : index->terms)
    if (v == symbol && coefficient % weight == 0) quotient = coefficient / weight;
  Expr rest = context.sub(index, context.mul(context.integer(quotient), size));
  bool inside = rest.is(0) || (rest.isAffine() && rest->constant == 0 && rest->terms.size() == 1 &&
                               rest->terms[0].second == 1 && context.boundOf(rest->terms[0].first) == size);
  if (!inside) return std::nullopt;
  return std::pair(context.integer(quotient), rest);
}

/// Splits an index along a dim into one index a factor; factors are split off from the right.
static bool splitIndex(ExprContext &context, const Dim &dim, Expr index, llvm::SmallVectorImpl<Expr> &parts) {
  ArrayRef<Expr> factors = dim.factors();
  parts.assign(factors.size(), Expr());
  for (size_t k = factors.size(); k-- > 0;) {
    if (k == 0) {
      parts[0] = index;
      break;
    }
    auto size = factors[k].asInteger();
    if (!size) {
      auto divided = divideBySymbol(context, index, factors[k]);
      if (!divided) return false;
      std::tie(index, parts[k]) = *divided;
      continue;
    }
    parts[k] = context.mod(index, *size);
    index = context.floorDiv(index, *size);
  }
  return true;
}

static std::optional<Coordinates> flatten(ExprContext &context, ArrayRef<Dim> shape, ArrayRef<Expr> index) {
  Coordinates result;
  result.runs.push_back(context.integer(0));
  for (size_t d = 0; d < shape.size(); ++d) {
    llvm::SmallVector<Expr, 4> parts;
    if (!splitIndex(context, shape[d], index[d], parts)) return std::nullopt;
    for (auto [factor, part] : llvm::zip(shape[d].factors(), parts)) {
      if (auto size = factor.asInteger()) {
        result.runs.back() = context.add(context.mul(result.runs.back(), context.integer(*size)), part);
      } else {
        result.atoms.push_back(part);
        result.runs.push_back(context.integer(0));
      }
    }
  }
  return result;
}

/// The dims of `from` without their common ends with `to` are read as digits of the flattened index.
static bool readDigits(ExprContext &context, ArrayRef<Dim> from, const Coordinates &place,
                       llvm::MutableArrayRef<Expr> out) {
  struct Digit {
    size_t dim;
    Expr factor;
  };
  llvm::SmallVector<Digit, 8> digits;
  for (size_t d = 0; d < from.size(); ++d)
    for (Expr factor : from[d].factors()) digits.push_back({d, factor});
  llvm::SmallVector<Expr, 8> weights(from.size(), context.integer(1));
  size_t atom = place.atoms.size();
  Expr run = place.runs.back();
  for (size_t k = digits.size(); k-- > 0;) {
    auto [dim, factor] = digits[k];
    Expr digit;
    if (auto size = factor.asInteger()) {
      bool leading = k == 0 || !digits[k - 1].factor.asInteger(); // takes what is left: no needless modulus
      digit = leading ? run : context.mod(run, *size);
      run = leading ? context.integer(0) : context.floorDiv(run, *size);
    } else {
      if (atom == 0) return false;
      digit = place.atoms[--atom];
      run = place.runs[atom];
    }
    out[dim] = context.add(out[dim], context.mul(weights[dim], digit));
    weights[dim] = context.mul(weights[dim], factor);
    if (!weights[dim].isAffine()) return false;
  }
  return true;
}

std::optional<llvm::SmallVector<Expr, 4>> ingot::infer::regroupedIndex(ExprContext &context, ArrayRef<Dim> from,
                                                                       ArrayRef<Dim> to, ArrayRef<Expr> index) {
  llvm::SmallVector<Expr, 4> result(from.size(), context.integer(0));
  size_t begin = 0, end = from.size();
  while (!to.empty() && begin < end && from[begin] == to.front()) {
    result[begin++] = index.front();
    to = to.drop_front(), index = index.drop_front();
  }
  while (!to.empty() && begin < end && from[end - 1] == to.back()) {
    result[--end] = index.back();
    to = to.drop_back(), index = index.drop_back();
  }
  auto place = flatten(context, to, index);
  llvm::MutableArrayRef<Expr> inner(result.data() + begin, end - begin);
  if (!place || !readDigits(context, from.slice(begin, end - begin), *place, inner)) return std::nullopt;
  return result;
}

std::optional<RowPlace> ingot::infer::rowPlace(ExprContext &context, ArrayRef<Dim> shape, ArrayRef<Expr> index) {
  auto place = flatten(context, shape, index);
  if (!place || place->atoms.size() > 1) return std::nullopt;
  if (place->atoms.empty()) return RowPlace{place->runs[0], context.integer(0)};
  int64_t inner = 1; // the constants behind the axis of tokens
  bool behind = false;
  for (const Dim &dim : shape)
    for (Expr factor : dim.factors()) {
      auto size = factor.asInteger();
      behind |= !size;
      if (behind && size && llvm::MulOverflow(inner, *size, inner)) return std::nullopt;
    }
  return RowPlace{context.add(context.mul(place->runs[0], context.integer(inner)), place->runs[1]), place->atoms[0]};
}

llvm::SmallVector<Expr, 4> ingot::infer::rowIndex(ExprContext &context, ArrayRef<Dim> shape, int64_t column,
                                                  Expr token) {
  llvm::SmallVector<Expr, 4> index(shape.size(), context.integer(0));
  for (size_t d = shape.size(); d-- > 0;) {
    Expr weight = context.integer(1);
    for (Expr factor : llvm::reverse(shape[d].factors())) {
      auto size = factor.asInteger();
      Expr digit = size ? context.integer(column % *size) : token;
      if (size) column /= *size;
      index[d] = context.add(index[d], context.mul(weight, digit));
      weight = context.mul(weight, factor);
    }
  }
  return index;
}

int64_t ingot::infer::columnsOf(ArrayRef<Dim> shape) {
  int64_t columns = 1;
  for (const Dim &dim : shape)
    for (Expr factor : dim.factors())
      if (auto size = factor.asInteger()) columns *= *size;
  return columns;
}
