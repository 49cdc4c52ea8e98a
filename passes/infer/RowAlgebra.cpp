// Arithmetic of normal forms.
#include "passes/infer/RowAlgebra.h"
#include "llvm/ADT/STLExtras.h"
#include <cmath>

using namespace ingot;
using namespace ingot::infer;

static constexpr size_t maxProducts = 24;
static constexpr unsigned maxNatural = 4;

static bool isNatural(double exponent) {
  return exponent >= 1 && exponent <= maxNatural && exponent == std::floor(exponent);
}
static bool isInteger(double exponent) { return exponent == std::floor(exponent); }

static bool samePowers(llvm::ArrayRef<Power> a, llvm::ArrayRef<Power> b) {
  return llvm::equal(a, b, [](Power p, Power q) { return p.atom == q.atom && p.exponent == q.exponent; });
}

RowAlgebra::RowAlgebra() { atoms.push_back({AtomKind::row, {}, {}, true}); }

//===- comparing
//---------------------------------------------------------------------------------------------------===//

bool RowAlgebra::close(double a, double b) const {
  return std::fabs(a - b) <= tolerance * std::max(std::fabs(a), std::fabs(b));
}

bool RowAlgebra::equal(const Terms &a, const Terms &b) const {
  return a.size() == b.size() && llvm::all_of(a, [&](const Product &p) {
           return llvm::any_of(
               b, [&](const Product &q) { return samePowers(p.powers, q.powers) && close(p.factor, q.factor); });
         });
}

std::optional<double> RowAlgebra::asLiteral(const Terms &a) {
  if (a.empty()) return 0.0;
  if (a.size() == 1 && a[0].powers.empty()) return a[0].factor;
  return std::nullopt;
}

bool RowAlgebra::varies(const Terms &a) const {
  return llvm::any_of(
      a, [&](const Product &p) { return llvm::any_of(p.powers, [&](Power q) { return atoms[q.atom].varies; }); });
}

unsigned RowAlgebra::intern(Atom atom) {
  for (auto [id, known] : llvm::enumerate(atoms))
    if (known.kind == atom.kind && known.vector == atom.vector && equal(known.of, atom.of)) return id;
  atoms.push_back(std::move(atom));
  return atoms.size() - 1;
}

//===- sums and products
//-------------------------------------------------------------------------------------------===//

Terms RowAlgebra::literal(double value) const { return value == 0 ? Terms{} : Terms{Product{value, {}}}; }

Terms RowAlgebra::vector(mlir::Value constant) { return power1(intern({AtomKind::vector, {}, constant, true})); }

void RowAlgebra::insert(Terms &sum, Product product) const {
  auto *same = llvm::find_if(sum, [&](const Product &p) { return samePowers(p.powers, product.powers); });
  if (same == sum.end()) return sum.push_back(std::move(product));
  double size = std::fabs(product.factor);
  same->factor += product.factor;
  if (std::fabs(same->factor) <= tolerance * size) sum.erase(same);
}

Terms RowAlgebra::add(const Terms &a, const Terms &b, double factor) const {
  Terms sum = a;
  for (Product product : b) {
    product.factor *= factor;
    if (product.factor != 0) insert(sum, product);
  }
  return sum;
}

static Product times(const Product &a, const Product &b) {
  Product result{a.factor * b.factor, a.powers};
  for (Power power : b.powers) {
    auto *place = llvm::find_if(result.powers, [&](Power p) { return p.atom >= power.atom; });
    if (place == result.powers.end() || place->atom != power.atom)
      result.powers.insert(place, power);
    else if ((place->exponent += power.exponent) == 0)
      result.powers.erase(place);
  }
  return result;
}

/// Invariant 3: a group that ends up with a natural exponent is multiplied out.
RowAlgebra::Form RowAlgebra::expandGroups(Product product) {
  auto *group = llvm::find_if(product.powers,
                              [&](Power p) { return atoms[p.atom].kind == AtomKind::group && isNatural(p.exponent); });
  if (group == product.powers.end()) return Terms{product};
  Power power = *group;
  product.powers.erase(group);
  Terms inside = atoms[power.atom].of; // a copy: atoms may move
  Form factor = natural(inside, unsigned(power.exponent));
  return factor ? multiply(*factor, {product}) : std::nullopt;
}

RowAlgebra::Form RowAlgebra::multiply(const Terms &a, const Terms &b) {
  Terms sum;
  for (const Product &p : a)
    for (const Product &q : b) {
      Form expanded = expandGroups(times(p, q));
      if (!expanded) return std::nullopt;
      sum = add(sum, *expanded);
      if (sum.size() > maxProducts) return std::nullopt;
    }
  return sum;
}

RowAlgebra::Form RowAlgebra::natural(const Terms &base, unsigned exponent) {
  Form result = base;
  for (unsigned i = 1; i < exponent && result; ++i) result = multiply(*result, base);
  return result;
}

//===- other powers
//------------------------------------------------------------------------------------------------===//

/// Exponents multiply where the base is positive for sure: under a root it is a group, and exp is anyway.
RowAlgebra::Form RowAlgebra::powerOfPositive(const Product &base, double exponent) const {
  if (!(base.factor > 0)) return std::nullopt;
  Product result{std::pow(base.factor, exponent), base.powers};
  for (Power &power : result.powers) {
    AtomKind kind = atoms[power.atom].kind;
    bool root = kind == AtomKind::group && (isInteger(exponent) || !isInteger(power.exponent));
    if (!root && !(kind == AtomKind::exp && isInteger(exponent))) return std::nullopt;
    power.exponent *= exponent;
  }
  return Terms{result};
}

RowAlgebra::Form RowAlgebra::sigmoidFrom(const Terms &denominator) {
  if (denominator.size() != 2) return std::nullopt;
  bool oneFirst = denominator[0].powers.empty();
  const Product &one = denominator[oneFirst ? 0 : 1], &e = denominator[oneFirst ? 1 : 0];
  if (!one.powers.empty() || !close(one.factor, 1) || !close(e.factor, 1) || e.powers.size() != 1) return std::nullopt;
  const Atom &atom = atoms[e.powers[0].atom];
  if (atom.kind != AtomKind::exp || std::fabs(e.powers[0].exponent) != 1) return std::nullopt;
  return apply(AtomKind::sigmoid, add({}, Terms(atom.of), -e.powers[0].exponent));
}

RowAlgebra::Form RowAlgebra::power(const Terms &base, double exponent) {
  if (auto value = asLiteral(base)) {
    double result = std::pow(*value, exponent);
    return std::isfinite(result) ? Form(literal(result)) : std::nullopt;
  }
  if (isNatural(exponent)) return natural(base, unsigned(exponent));
  if (exponent == 0 || !std::isfinite(exponent)) return std::nullopt;
  if (base.size() == 1)
    if (Form result = powerOfPositive(base[0], exponent)) return expandGroups((*result)[0]);
  if (exponent == -1)
    if (Form result = sigmoidFrom(base)) return result;
  unsigned group = intern({AtomKind::group, base, {}, varies(base)});
  return Terms{Product{1, {{group, exponent}}}};
}

//===- functions
//---------------------------------------------------------------------------------------------------===//

RowAlgebra::Form RowAlgebra::mean(const Terms &a) {
  Terms sum;
  for (const Product &product : a) {
    Product outside{product.factor, {}}, inside{1, {}};
    for (Power power : product.powers) (atoms[power.atom].varies ? inside : outside).powers.push_back(power);
    if (!inside.powers.empty()) {
      unsigned mean = intern({AtomKind::mean, {inside}, {}, false});
      outside = times(outside, {1, {{mean, 1}}});
    }
    Form expanded = expandGroups(outside);
    if (!expanded) return std::nullopt;
    sum = add(sum, *expanded);
  }
  return sum;
}

/// Whether the product with the least powers has a negative factor: the order of a sum does not matter.
static bool startsNegative(const Terms &a) {
  auto less = [](const Product &p, const Product &q) {
    auto order = [](Power m, Power n) { return std::pair(m.atom, m.exponent) < std::pair(n.atom, n.exponent); };
    return std::lexicographical_compare(p.powers.begin(), p.powers.end(), q.powers.begin(), q.powers.end(), order);
  };
  return std::min_element(a.begin(), a.end(), less)->factor < 0;
}

RowAlgebra::Form RowAlgebra::apply(AtomKind function, const Terms &a) {
  if (asLiteral(a)) return std::nullopt; // constants are folded elsewhere
  bool flipped = function != AtomKind::relu && startsNegative(a);
  Terms argument = add({}, a, flipped ? -1 : 1);
  Terms result = power1(intern({function, argument, {}, varies(argument)}));
  if (!flipped) return result;
  if (function == AtomKind::sigmoid) return add(literal(1), result, -1);
  if (function == AtomKind::erf) return add({}, result, -1);
  result[0].powers[0].exponent = -1; // exp
  return result;
}

RowAlgebra::Form RowAlgebra::tanh(const Terms &a) {
  Form sigmoid = apply(AtomKind::sigmoid, add({}, a, 2));
  return sigmoid ? Form(add(literal(-1), *sigmoid, 2)) : std::nullopt;
}
