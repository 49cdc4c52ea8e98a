// A function of one row x[0 .. n) as a normal form: a sum of products of powers. However a norm or an activation is
// spelled (operand order, pow or mul, div or reciprocal, tanh or sigmoid), it has one form up to rounded constants.
//
// Invariants
// 1. No two products of a sum have the same powers; a product's powers ascend by atom and none is 0.
// 2. Atoms are interned: equal up to `tolerance` means the same number. Atom 0 is x.
// 3. x, vectors and means have natural exponents only. A group (a sum under a root or in a denominator) has any other.
// 4. Signs are moved out of exp, sigmoid and erf: the first factor inside is positive. tanh u is 2 sigmoid(2u) - 1.
// 5. What grows beyond `maxProducts` products, or could hide a pole or a branch (x / x, sqrt(x^2)), has no form.
#pragma once
#include "mlir/IR/Value.h"
#include <optional>

namespace ingot::infer {

struct Power {
  unsigned atom;
  double exponent;
};
struct Product {
  double factor;
  llvm::SmallVector<Power, 4> powers;
};
using Terms = llvm::SmallVector<Product, 2>;

enum class AtomKind { row, vector, mean, group, exp, sigmoid, erf, relu };

struct Atom {
  AtomKind kind;
  Terms of;           ///< the argument; empty for row and vector
  mlir::Value vector; ///< a constant along the row
  bool varies;        ///< along the row
};

class RowAlgebra {
public:
  using Form = std::optional<Terms>; ///< none: no normal form
  static constexpr unsigned x = 0;

  RowAlgebra();
  /// Constants agree when they differ by no more than this part of them; only grows.
  void allow(double relative) { tolerance = std::max(tolerance, relative); }

  Terms row() const { return power1(x); }
  Terms literal(double value) const;
  Terms vector(mlir::Value constant);
  Terms add(const Terms &a, const Terms &b, double factor = 1) const; ///< a + factor b
  Form multiply(const Terms &a, const Terms &b);
  Form power(const Terms &base, double exponent);
  Form mean(const Terms &a); ///< over the row
  /// exp, sigmoid, erf or relu.
  Form apply(AtomKind function, const Terms &a);
  Form tanh(const Terms &a);

  const Atom &atom(unsigned id) const { return atoms[id]; }
  bool close(double a, double b) const;
  bool equal(const Terms &a, const Terms &b) const;
  static std::optional<double> asLiteral(const Terms &a);

private:
  static Terms power1(unsigned atom) { return {Product{1, {{atom, 1}}}}; }
  unsigned intern(Atom atom);
  bool varies(const Terms &a) const;
  void insert(Terms &sum, Product product) const;
  Form natural(const Terms &base, unsigned exponent);
  /// base^exponent of one product whose atoms are positive; none otherwise.
  Form powerOfPositive(const Product &base, double exponent) const;
  /// 1 / (1 + exp(u)) as a sigmoid; none otherwise.
  Form sigmoidFrom(const Terms &denominator);
  Form expandGroups(Product product);

  llvm::SmallVector<Atom, 8> atoms;
  double tolerance = 0;
};

} // namespace ingot::infer
