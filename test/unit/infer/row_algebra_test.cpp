// The normal form of a random function of a row has the function's values, however it was built.
#include "passes/infer/RowAlgebra.h"
#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace ingot::infer;

namespace {

using Row = std::vector<double>;

Row map(const Row &a, auto f) {
  Row result;
  for (double value : a) result.push_back(f(value));
  return result;
}
Row zip(const Row &a, const Row &b, auto f) {
  Row result;
  for (size_t i = 0; i < a.size(); ++i) result.push_back(f(a[i], b[i]));
  return result;
}
Row averaged(const Row &a) {
  double sum = 0;
  for (double value : a) sum += value;
  return Row(a.size(), sum / double(a.size()));
}

/// The values of a normal form at a row.
class Values {
public:
  Values(const RowAlgebra &algebra, Row x) : algebra(algebra), x(std::move(x)) {}

  Row of(const Terms &terms) const {
    Row sum(x.size(), 0.0);
    for (const Product &product : terms) {
      Row row(x.size(), product.factor);
      for (Power power : product.powers)
        row =
            zip(row, of(algebra.atom(power.atom)), [&](double a, double b) { return a * std::pow(b, power.exponent); });
      sum = zip(sum, row, std::plus());
    }
    return sum;
  }

private:
  Row of(const Atom &atom) const {
    switch (atom.kind) {
    case AtomKind::row:
    case AtomKind::vector:
      return x;
    case AtomKind::mean:
      return averaged(of(atom.of));
    case AtomKind::group:
      return of(atom.of);
    case AtomKind::exp:
      return map(of(atom.of), [](double v) { return std::exp(v); });
    case AtomKind::sigmoid:
      return map(of(atom.of), [](double v) { return 1 / (1 + std::exp(-v)); });
    case AtomKind::erf:
      return map(of(atom.of), [](double v) { return std::erf(v); });
    case AtomKind::relu:
      return map(of(atom.of), [](double v) { return v > 0 ? v : 0; });
    }
    return {};
  }
  const RowAlgebra &algebra;
  Row x;
};

/// A random function built twice: as a form, and as the values it must have.
struct Function {
  RowAlgebra::Form form;
  Row values;
};

class RandomFunctions {
public:
  RandomFunctions(RowAlgebra &algebra, Row x, unsigned seed) : algebra(algebra), x(std::move(x)), random(seed) {}

  Function make(unsigned depth) {
    unsigned choice = random() % (depth ? 11 : 2);
    if (choice == 0) return {algebra.row(), x};
    if (choice == 1) {
      double value = double(int(random() % 9)) / 4 - 1;
      return {algebra.literal(value), Row(x.size(), value)};
    }
    Function a = make(depth - 1);
    if (choice < 6) return binary(choice, a, make(depth - 1));
    return unary(choice, a);
  }

private:
  Function binary(unsigned choice, const Function &a, const Function &b) {
    bool both = a.form && b.form;
    if (choice < 4) {
      double sign = choice == 2 ? 1 : -1;
      return {both ? RowAlgebra::Form(algebra.add(*a.form, *b.form, sign)) : std::nullopt,
              zip(a.values, b.values, [&](double p, double q) { return p + sign * q; })};
    }
    return {both ? algebra.multiply(*a.form, *b.form) : std::nullopt, zip(a.values, b.values, std::multiplies())};
  }
  Function unary(unsigned choice, const Function &a) {
    auto apply = [&](auto form, auto value) {
      return Function{a.form ? form(*a.form) : std::nullopt, map(a.values, value)};
    };
    static constexpr double exponents[] = {2, 3, -1, 0.5, -0.5};
    double exponent = exponents[random() % 5];
    switch (choice) {
    case 6:
    case 7:
      return apply([&](const Terms &t) { return algebra.power(t, exponent); },
                   [&](double v) { return std::pow(v, exponent); });
    case 8:
      return {a.form ? algebra.mean(*a.form) : std::nullopt, averaged(a.values)};
    case 9:
      return apply([&](const Terms &t) { return algebra.tanh(t); }, [](double v) { return std::tanh(v); });
    default:
      return apply([&](const Terms &t) { return algebra.apply(AtomKind::exp, t); },
                   [](double v) { return std::exp(v); });
    }
  }
  RowAlgebra &algebra;
  Row x;
  std::mt19937 random;
};

} // namespace

TEST(RowAlgebra, AFormHasTheValuesOfTheFunction) {
  const Row x{0.7, -1.3, 0.2, 2.1, -0.4};
  unsigned compared = 0;
  for (unsigned seed = 0; seed < 20000; ++seed) {
    RowAlgebra algebra;
    algebra.allow(1e-12);
    Function function = RandomFunctions(algebra, x, seed).make(5);
    if (!function.form) continue;
    Row values = Values(algebra, x).of(*function.form);
    for (size_t i = 0; i < x.size(); ++i) {
      double expected = function.values[i];
      if (!std::isfinite(expected) || std::fabs(expected) > 1e6) continue; // a pole, a root of less than nothing
      EXPECT_NEAR(values[i], expected, 1e-6 * (1 + std::fabs(expected))) << "seed " << seed;
      ++compared;
    }
  }
  EXPECT_GT(compared, 20000u);
}

TEST(RowAlgebra, RootsAndPolesAreNotCancelled) {
  RowAlgebra algebra;
  Terms x = algebra.row(), square = *algebra.multiply(x, x);
  EXPECT_FALSE(algebra.equal(*algebra.power(square, 0.5), x)); // |x|
  EXPECT_FALSE(algebra.equal(*algebra.multiply(x, *algebra.power(x, -1)), algebra.literal(1)));
}

TEST(RowAlgebra, SpellingsOfTheLogisticFunctionAreOneForm) {
  RowAlgebra algebra;
  algebra.allow(1e-6);
  Terms x = algebra.row(), minus = algebra.add({}, x, -1);
  Terms sigmoid = *algebra.apply(AtomKind::sigmoid, x);
  Terms byExp = *algebra.power(algebra.add(algebra.literal(1), *algebra.apply(AtomKind::exp, minus)), -1);
  Terms byTanh = algebra.add(algebra.literal(0.5), *algebra.tanh(algebra.add({}, x, 0.5)), 0.5);
  EXPECT_TRUE(algebra.equal(sigmoid, byExp));
  EXPECT_TRUE(algebra.equal(sigmoid, byTanh));
  EXPECT_TRUE(algebra.equal(*algebra.apply(AtomKind::sigmoid, minus), algebra.add(algebra.literal(1), sigmoid, -1)));
}
