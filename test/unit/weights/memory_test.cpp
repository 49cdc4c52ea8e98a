// Memory does not grow with the model: a sparse source of 300 MB is streamed within 60 MB of resident memory.
#include "test/unit/weights/model_fixture.h"

#include <dlfcn.h>
#include <fstream>
#include <sys/resource.h>

using namespace ingot;
using namespace ingot::test;

namespace {

struct MemoryTest : ModelFixture {};

// The process's high-water mark, reset to what it uses now.
void resetPeak() { std::ofstream("/proc/self/clear_refs") << "5"; }

long statusKilobytes(const std::string &field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind(field + ":", 0) == 0) return std::stol(line.substr(field.size() + 1));
  return -1;
}

} // namespace

TEST_F(MemoryTest, StreamsASourceLargerThanItsBudget) {
  if (dlsym(RTLD_DEFAULT, "__asan_init")) GTEST_SKIP() << "the sanitizer's allocator keeps freed memory";
  std::string grid = "tensor<18750x4000xf32, #weights.grid<bits = 4, group = 32, zero = symmetric, scale = f16>>";
  parse("weights.source @a {file = \"model.data\", offset = 0, length = 300000000} : tensor<4000x18750xf32>\n"
        "weights.recipe @r { %a = weights.load @a : tensor<4000x18750xf32>\n"
        "%t = weights.transpose %a [1, 0] : (tensor<4000x18750xf32>) -> tensor<18750x4000xf32>\n"
        "%q = weights.quantise %t : (tensor<18750x4000xf32>) -> " +
        grid + "\n%p = weights.pack %q r16 : (" + grid + ") -> " + grid + "\nweights.yield %p : " + grid + " }");
  std::string large = folder + "/model.data";
  std::ofstream(large).close();
  ASSERT_EQ(truncate(large.c_str(), 300000000), 0);

  auto recipe = Recipe::build(op(), *files);
  ASSERT_TRUE(bool(recipe));
  resetPeak();
  long before = statusKilobytes("VmRSS");
  uint64_t total = 0;
  llvm::Error error = streamRecipes(*recipe, 2, [&](size_t, llvm::ArrayRef<uint8_t> piece) {
    total += piece.size();
    return llvm::Error::success();
  });
  ASSERT_FALSE(bool(error));
  EXPECT_EQ(total, recipe->bytes());
  EXPECT_LT(statusKilobytes("VmHWM") - before, 60 << 10);
}
