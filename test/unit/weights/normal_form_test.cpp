// Recipes in normal form: whatever moves, cuts or scales a dequantised tensor, the values stay bit for bit what the ops
// say in their own order, and a grid is kept where one can hold them.
#include "compiler/weights/float16.h"
#include "dialects/weights/NormalForm.h"
#include "test/unit/weights/model_fixture.h"

#include <cmath>
#include <numeric>

using namespace ingot;
using namespace ingot::test;
using mlir::Value;
using Extents = std::vector<int64_t>;

namespace {

int64_t product(const Extents &shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t(1), std::multiplies<>());
}

// A tensor computed twice: as a recipe value and as plain numbers.
struct Twin {
  Value value;
  Extents shape;
  std::vector<float> numbers;

  float at(const Extents &index) const {
    int64_t flat = 0;
    for (size_t i = 0; i < shape.size(); ++i) flat = flat * shape[i] + index[i];
    return numbers[size_t(flat)];
  }
};

template <typename F> std::vector<float> tabulate(const Extents &shape, F f) {
  std::vector<float> numbers;
  for (int64_t flat = 0; flat < product(shape); ++flat) {
    Extents index(shape.size());
    for (int64_t rest = flat, i = int64_t(shape.size()); i-- > 0; rest /= shape[size_t(i)])
      index[size_t(i)] = rest % shape[size_t(i)];
    numbers.push_back(f(index));
  }
  return numbers;
}

struct NormalFormTest : ModelFixture {
  NormalFormTest() : builder(&context) {}

  void begin() {
    module = mlir::ModuleOp::create(builder.getUnknownLoc());
    builder.setInsertionPointToEnd(module->getBody());
    recipe = builder.create<weights::RecipeOp>(builder.getUnknownLoc(), "r");
    builder.setInsertionPointToEnd(&recipe.getBody().emplaceBlock());
  }

  void finish(Value value) {
    builder.create<weights::YieldOp>(builder.getUnknownLoc(), value);
    ASSERT_TRUE(mlir::succeeded(module->verify()));
    FILE *file = std::fopen(path().c_str(), "wb");
    std::fclose(file);
    files = std::make_unique<SourceFiles>(path());
  }

  int64_t below(int64_t count) { return int64_t(random() % uint64_t(count)); }

  Twin integers(const Extents &shape, mlir::IntegerType type) {
    int64_t range = int64_t(1) << type.getWidth(), low = type.isUnsigned() ? 0 : -range / 2;
    std::vector<llvm::APInt> values;
    std::vector<float> numbers;
    for (int64_t i = 0; i < product(shape); ++i) {
      int64_t value = low + below(range);
      values.emplace_back(type.getWidth(), uint64_t(value), true);
      numbers.push_back(float(value));
    }
    auto tensor = mlir::RankedTensorType::get(shape, type);
    return {constant(mlir::DenseElementsAttr::get(tensor, values)), shape, numbers};
  }
  // Numbers that f16 holds: products with 8-bit integers are exact in f32.
  Twin floats(const Extents &shape) {
    std::vector<float> numbers = normals(size_t(product(shape)));
    for (float &number : numbers) number = floatFromHalf(halfFromFloat(number));
    auto tensor = mlir::RankedTensorType::get(shape, builder.getF32Type());
    return {constant(mlir::DenseElementsAttr::get(tensor, llvm::ArrayRef(numbers))), shape, numbers};
  }
  Value constant(mlir::DenseElementsAttr elements) {
    return builder.create<weights::ConstantOp>(builder.getUnknownLoc(), elements.getType(), elements);
  }

  // DequantizeLinear of a random matrix with a scale for all, an index of the axis or a block of it.
  Twin dequantised(const Extents &shape, mlir::IntegerType type, int64_t axis, int64_t block, bool zeros) {
    Extents parts = shape;
    if (block > 0)
      parts[size_t(axis)] = (shape[size_t(axis)] + block - 1) / block;
    else
      parts = block == 0 ? Extents{shape[size_t(axis)]} : Extents{};
    Twin q = integers(shape, type), s = floats(parts), z = integers(parts, type);
    Value value =
        weights::dequantise(builder, q.value, s.value, zeros ? z.value : Value(), axis, std::max<int64_t>(0, block));
    return {value, shape, tabulate(shape, [&](const Extents &index) {
              Extents part = block > 0 ? index : block == 0 ? Extents{index[size_t(axis)]} : Extents{};
              if (block > 0) part[size_t(axis)] /= block;
              return (q.at(index) - (zeros ? z.at(part) : 0)) * s.at(part);
            })};
  }

  Twin transposed(const Twin &x) {
    Extents order(x.shape.size()), shape;
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), random);
    for (int64_t axis : order) shape.push_back(x.shape[size_t(axis)]);
    return {weights::transpose(builder, x.value, order), shape, tabulate(shape, [&](const Extents &index) {
              Extents from(index.size());
              for (size_t i = 0; i < index.size(); ++i) from[size_t(order[i])] = index[i];
              return x.at(from);
            })};
  }
  // Splits an axis, merges two, or inserts one of size 1.
  Twin reshaped(const Twin &x) {
    Extents shape = x.shape;
    size_t axis = size_t(below(int64_t(shape.size())));
    int64_t kind = below(3);
    if (kind == 0 && shape[axis] % 4 == 0) {
      shape[axis] /= 4;
      shape.insert(shape.begin() + long(axis) + 1, 4);
    } else if (kind == 1 && axis + 1 < shape.size()) {
      shape[axis] *= shape[axis + 1];
      shape.erase(shape.begin() + long(axis) + 1);
    } else {
      shape.insert(shape.begin() + long(axis), 1);
    }
    return {weights::reshape(builder, x.value, shape), shape, x.numbers};
  }
  Twin sliced(const Twin &x) {
    size_t axis = size_t(below(int64_t(x.shape.size())));
    Extents shape = x.shape;
    int64_t begin = below(shape[axis]);
    shape[axis] = 1 + below(shape[axis] - begin);
    return {weights::slice(builder, x.value, int64_t(axis), begin, shape[axis]), shape,
            tabulate(shape, [&](Extents index) {
              index[axis] += begin;
              return x.at(index);
            })};
  }
  Twin joined(const Twin &x, const Twin &y, size_t axis) {
    Extents shape = x.shape;
    shape[axis] += y.shape[axis];
    return {weights::concat(builder, {x.value, y.value}, int64_t(axis)), shape, tabulate(shape, [&](Extents index) {
              if (index[axis] < x.shape[axis]) return x.at(index);
              index[axis] -= x.shape[axis];
              return y.at(index);
            })};
  }
  Twin combined(const Twin &x, weights::Arithmetic kind) {
    Extents shape = x.shape;
    for (int64_t &extent : shape)
      if (below(2)) extent = 1;
    Twin y = floats(shape);
    Value value = weights::arithmetic(builder, kind, x.value, y.value);
    return {value, x.shape, tabulate(x.shape, [&](const Extents &index) {
              Extents part = index;
              for (size_t i = 0; i < part.size(); ++i)
                if (shape[i] == 1) part[i] = 0;
              float a = x.at(index), b = y.at(part);
              return kind == weights::Arithmetic::add ? a + b : kind == weights::Arithmetic::sub ? a - b : a * b;
            })};
  }

  mlir::IntegerType type(unsigned bits, bool isUnsigned) {
    return mlir::IntegerType::get(&context, bits,
                                  isUnsigned ? mlir::IntegerType::Unsigned : mlir::IntegerType::Signless);
  }
  weights::GridAttr gridOf(Value value) {
    return mlir::dyn_cast_or_null<weights::GridAttr>(mlir::cast<mlir::RankedTensorType>(value.getType()).getEncoding());
  }

  mlir::OpBuilder builder;
  weights::RecipeOp recipe;
};

TEST_F(NormalFormTest, KeepsValuesThroughAnyChainOfOps) {
  for (int round = 0; round < 400; ++round) {
    begin();
    int64_t block = below(4) == 0 ? -1 : below(3) == 0 ? 0 : int64_t(8) << below(3);
    Twin x = dequantised({4 * (1 + below(8)), 4 * (1 + below(12))}, type(below(2) ? 4 : 8, below(2)), below(2), block,
                         below(2));
    for (int64_t step = below(5); step-- > 0;) {
      switch (below(6)) {
      case 0:
        x = transposed(x);
        break;
      case 1:
        x = reshaped(x);
        break;
      case 2:
        x = sliced(x);
        break;
      case 3:
        x = joined(x, x, size_t(below(int64_t(x.shape.size()))));
        break;
      case 4:
        x = combined(x, weights::Arithmetic(below(3)));
        break;
      case 5:
        x.value = weights::cast(builder, x.value, builder.getF32Type());
        break;
      }
      ASSERT_TRUE(x.value);
      ASSERT_EQ(mlir::cast<mlir::RankedTensorType>(x.value.getType()).getShape(), llvm::ArrayRef(x.shape));
    }
    bool grid = x.shape.size() == 2;
    if (grid) x.value = weights::onGrid(builder, x.value);
    finish(x.value);
    std::vector<float> values = dense();
    ASSERT_EQ(values.size(), x.numbers.size());
    for (size_t i = 0; i < values.size(); ++i)
      ASSERT_EQ(values[i], x.numbers[i]) << "round " << round << " element " << i;
  }
}

TEST_F(NormalFormTest, BlocksAlongRowsOfAMatrixBecomeGroupsOfItsTranspose) {
  begin();
  Twin x = dequantised({70, 24}, type(4, true), /*axis=*/0, /*block=*/32, true);
  Value value = weights::onGrid(builder, weights::transpose(builder, x.value, {1, 0}));
  finish(value);
  ASSERT_TRUE(gridOf(value));
  EXPECT_EQ(gridOf(value).getBits(), 4u);
  EXPECT_EQ(gridOf(value).getGroup(), 32u);
  EXPECT_EQ(gridOf(value).getZero(), weights::ZeroKind::zero_point);
}

TEST_F(NormalFormTest, AScaleAColumnIsAGroupOfAllColumnsAndSignedWithoutZeroIsSymmetric) {
  begin();
  Twin x = dequantised({64, 24}, type(8, false), /*axis=*/1, /*block=*/0, false);
  Value value = weights::onGrid(builder, weights::transpose(builder, x.value, {1, 0}));
  finish(value);
  ASSERT_TRUE(gridOf(value));
  EXPECT_EQ(gridOf(value).getGroup(), 64u);
  EXPECT_EQ(gridOf(value).getZero(), weights::ZeroKind::symmetric);
}

TEST_F(NormalFormTest, CastSubMulIsADequantisation) {
  begin();
  Twin q = integers({24, 64}, type(8, true)), z = integers({24, 1}, type(8, true)), s = floats({24, 1});
  mlir::Type f32 = builder.getF32Type();
  Value centred = weights::arithmetic(builder, weights::Arithmetic::sub, weights::cast(builder, q.value, f32),
                                      weights::cast(builder, z.value, f32));
  Value value = weights::onGrid(builder, weights::arithmetic(builder, weights::Arithmetic::mul, centred, s.value));
  finish(value);
  ASSERT_TRUE(gridOf(value));
  EXPECT_EQ(gridOf(value).getZero(), weights::ZeroKind::zero_point);
  EXPECT_EQ(dense()[65], (q.numbers[65] - z.numbers[1]) * s.numbers[1]);
}

TEST_F(NormalFormTest, AddedMinimaOfBlocksAreAMinimumGrid) {
  begin();
  Twin x = dequantised({24, 2, 32}, type(4, true), /*axis=*/2, /*block=*/32, false), m = floats({24, 2, 1});
  Value sum = weights::arithmetic(builder, weights::Arithmetic::add, x.value, m.value);
  Value value = weights::onGrid(builder, weights::reshape(builder, sum, {24, 64}));
  finish(value);
  ASSERT_TRUE(gridOf(value));
  EXPECT_EQ(gridOf(value).getZero(), weights::ZeroKind::minimum);
  EXPECT_EQ(gridOf(value).getGroup(), 32u);
  auto scale = scaleTypeOf(value, *files);
  ASSERT_TRUE(bool(scale));
  EXPECT_TRUE(scale->isF16());
  std::vector<float> values = dense();
  for (size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], x.numbers[i] + m.numbers[i / 32]);
}

TEST_F(NormalFormTest, BlocksAcrossColumnsHaveNoGrid) {
  begin();
  Twin x = dequantised({64, 24}, type(4, true), /*axis=*/0, /*block=*/32, true);
  EXPECT_EQ(weights::onGrid(builder, x.value), x.value);
}

TEST_F(NormalFormTest, CodesAreUnpackedAndLookedUp) {
  source<uint8_t>("codes", "tensor<3xui8>", {0x12, 0x30, 0x0f});
  parse(R"(weights.recipe @r {
    %c = weights.load @codes : tensor<3xui8>
    %u = weights.unpack %c {bits = 4 : i64, high_first} : (tensor<3xui8>) -> tensor<5xui8>
    %t = weights.constant dense<[0.0, 1.5, 2.5, -3.5]> : tensor<4xf32>
    %v = weights.lookup %t[%u] : (tensor<4xf32>, tensor<5xui8>) -> tensor<5xf32>
    weights.yield %v : tensor<5xf32>
  })");
  EXPECT_EQ(dense(), (std::vector<float>{1.5f, 2.5f, -3.5f, 0.0f, 0.0f}));
}

TEST_F(NormalFormTest, ACodeOutsideOfItsTableIsAnError) {
  source<uint8_t>("codes", "tensor<1xui8>", {9});
  parse(R"(weights.recipe @r {
    %c = weights.load @codes : tensor<1xui8>
    %t = weights.constant dense<[0.0, 1.5]> : tensor<2xf32>
    %v = weights.lookup %t[%c] : (tensor<2xf32>, tensor<1xui8>) -> tensor<1xf32>
    weights.yield %v : tensor<1xf32>
  })");
  auto values = evaluateDense(op(), *files);
  ASSERT_FALSE(bool(values));
  EXPECT_NE(llvm::toString(values.takeError()).find("code 9"), std::string::npos);
}

} // namespace
