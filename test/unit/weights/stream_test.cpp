// Streams: the same bytes for any number of threads, in order, and errors that stop them.
#include "test/unit/weights/model_fixture.h"

using namespace ingot;
using namespace ingot::test;

namespace {

struct StreamTest : ModelFixture {
  // Two recipes of several items each, one of them transposed and quantised.
  void parseTwo() {
    source("a", "tensor<96x1500xf32>", normals(96 * 1500));
    source("b", "tensor<700x40xf32>", normals(700 * 40));
    std::string grid = "tensor<1500x96xf32, #weights.grid<bits = 4, group = 32, zero = symmetric, scale = f16>>";
    parse("weights.recipe @r { %a = weights.load @a : tensor<96x1500xf32>\n"
          "%t = weights.transpose %a [1, 0] : (tensor<96x1500xf32>) -> tensor<1500x96xf32>\n"
          "%q = weights.quantise %t : (tensor<1500x96xf32>) -> " +
          grid + "\n%p = weights.pack %q r16 : (" + grid + ") -> " + grid + "\nweights.yield %p : " + grid +
          " }\n"
          "weights.recipe @s { %b = weights.load @b : tensor<700x40xf32>\n"
          "%p = weights.pack %b r16 : (tensor<700x40xf32>) -> tensor<700x40xf32>\nweights.yield %p : "
          "tensor<700x40xf32> }");
  }

  std::vector<Recipe> both() {
    std::vector<Recipe> recipes;
    for (const char *name : {"r", "s"}) {
      auto recipe = Recipe::build(op(name), *files);
      EXPECT_TRUE(bool(recipe));
      recipes.push_back(std::move(*recipe));
    }
    return recipes;
  }
};

} // namespace

TEST_F(StreamTest, BytesDoNotDependOnThreads) {
  parseTwo();
  std::vector<Recipe> recipes = both();
  ASSERT_GT(recipes[0].itemCount(), 4u);
  std::vector<std::vector<uint8_t>> results;
  for (unsigned jobs : {1u, 2u, 3u, 16u}) {
    std::vector<uint8_t> bytes;
    size_t last = 0;
    llvm::Error error = streamRecipes(recipes, jobs, [&](size_t recipe, llvm::ArrayRef<uint8_t> piece) {
      EXPECT_GE(recipe, last);
      if (recipe != last) EXPECT_EQ(bytes.size(), recipes[0].bytes());
      last = recipe;
      bytes.insert(bytes.end(), piece.begin(), piece.end());
      return llvm::Error::success();
    });
    ASSERT_FALSE(bool(error));
    EXPECT_EQ(bytes.size(), recipes[0].bytes() + recipes[1].bytes());
    results.push_back(std::move(bytes));
  }
  for (const auto &bytes : results) EXPECT_EQ(bytes, results[0]);
}

TEST_F(StreamTest, AnErrorOfTheSinkStopsTheStream) {
  parseTwo();
  std::vector<Recipe> recipes = both();
  size_t calls = 0;
  llvm::Error error = streamRecipes(recipes, 2, [&](size_t, llvm::ArrayRef<uint8_t>) {
    return ++calls == 3 ? llvm::createStringError("enough") : llvm::Error::success();
  });
  EXPECT_EQ(llvm::toString(std::move(error)), "enough");
  EXPECT_EQ(calls, 3u);
}

TEST_F(StreamTest, AFileThatShrinksIsAnError) {
  parseTwo();
  std::vector<Recipe> recipes = both();
  ASSERT_EQ(truncate(path().c_str(), 100000), 0);
  llvm::Error error = streamRecipes(recipes, 2, [](size_t, llvm::ArrayRef<uint8_t>) { return llvm::Error::success(); });
  EXPECT_EQ(llvm::toString(std::move(error)), "weight @r: " + path() + " became shorter while it was read");
}
