// Regions of decoder.rows compiled and run, against the reference evaluator in contract mode: equal bits at both
// levels.
#include "compiler/reference/Evaluator.h"
#include "dialects/graph/Graph.h"
#include "test/unit/kernels_rows/RowProgramFixture.h"

using namespace ingot;
using namespace ingot::cpu;
using reference::Array;

namespace {

/// A region: types of its arguments (f32 rows each), what it yields, and its ops.
struct Case {
  const char *name;
  std::vector<std::string> arguments; // "4x16"
  std::string result;                 // "4x16xf32"
  std::string ops;                    // %a0, %a1, ... in, %y out
  float size = 2.0f;                  // of the random elements
};

size_t elements(const std::string &shape) {
  size_t count = 1;
  for (size_t at = 0; at < shape.size();
       at = shape.find('x', at) == shape.npos ? shape.size() : shape.find('x', at) + 1)
    if (isdigit(shape[at])) count *= std::stoul(shape.substr(at));
  return count;
}

class GraphRowTest : public RowProgramTest {
protected:
  void SetUp() override {
    RowProgramTest::SetUp();
    if (!context) return;
    context->loadDialect<graph::GraphDialect>();
  }

  static std::string launchOf(const Case &test) {
    std::string inputs, rows, blocks, result = tensor(elements(test.result));
    for (size_t i = 0; i < test.arguments.size(); ++i) {
      std::string type = tensor(elements(test.arguments[i])), k = std::to_string(i), comma = i ? ", " : "";
      inputs += comma + "%i" + k + " = %x" + k + " : " + type;
      rows += comma + "%i" + k + " : " + type;
      blocks += comma + "%a" + k + ": tensor<" + test.arguments[i] + "xf32>";
    }
    return "%r = decoder.launch @x (" + inputs + ") -> (" + result + ") {\n%o = decoder.rows (" + rows + ") -> (" +
           result + ") {\n^bb0(" + blocks + "):\n" + test.ops + "\ndecoder.yield %y : tensor<" + test.result +
           ">\n}\ndecoder.yield %o : " + result + "\n}";
  }

  void check(const Case &test) {
    SCOPED_TRACE(test.name);
    next();
    std::string arguments;
    for (size_t i = 0; i < test.arguments.size(); ++i)
      arguments += (i ? ", %x" : "%x") + std::to_string(i) + " : " + tensor(elements(test.arguments[i]));
    auto launch = parse("", arguments, launchOf(test));
    if (!compile(launch)) return;
    std::vector<Rows> inputs;
    for (size_t i = 0; i < test.arguments.size(); ++i)
      inputs.push_back(Rows::random(kRows, elements(test.arguments[i]), unsigned(i + 7), test.size));
    size_t columns = elements(test.result);
    Rows y(kRows, columns);
    arguments_of(inputs, y);
    call("k", kRows);
    compare(launch, inputs, y, columns);
  }

private:
  void arguments_of(std::vector<Rows> &inputs, Rows &y) {
    bind(kRows);
    unsigned slot = 0;
    for (Rows &x : inputs) arguments.slot[slot++] = uint64_t(x[0]);
    arguments.slot[slot] = uint64_t(y[0]);
  }

  void compare(decoder::LaunchOp launch, std::vector<Rows> &inputs, Rows &y, size_t columns) {
    decoder::RowsOp rows;
    launch.walk([&](decoder::RowsOp op) { rows = op; });
    std::vector<Array> operands, results;
    mlir::Type f32 = mlir::Float32Type::get(context.get());
    for (Rows &x : inputs) {
      Array array = reference::makeArray(f32, {int64_t(kRows), int64_t(x.cols)});
      for (size_t r = 0; r < kRows; ++r)
        for (size_t c = 0; c < x.cols; ++c) array.reals[r * x.cols + c] = x[r][c];
      operands.push_back(std::move(array));
    }
    reference::Evaluator evaluator(*module, "", reference::Mode::contract);
    ASSERT_TRUE(evaluator.evaluate(rows, operands, results)) << evaluator.error();
    for (size_t r = 0; r < kRows; ++r) {
      std::vector<float> expected(results[0].reals.begin() + r * columns, results[0].reals.begin() + (r + 1) * columns);
      EXPECT_TRUE(sameBits(expected.data(), y[r], columns)) << "row " << r;
    }
  }
};

std::string unaryOp(const std::string &kind, const std::string &type) {
  return "%y = graph.unary " + kind + " %a0 : (tensor<" + type + ">) -> tensor<" + type + ">";
}

TEST_P(GraphRowTest, RealFunctions) {
  for (const char *kind :
       {"neg",   "abs",   "sign",  "reciprocal", "sqrt",     "exp",  "log",  "erf",      "floor", "ceil",
        "round", "sin",   "cos",   "tan",        "asin",     "acos", "atan", "sinh",     "cosh",  "tanh",
        "asinh", "acosh", "atanh", "sigmoid",    "softplus", "relu", "gelu", "gelu_tanh"})
    check({kind, {"3x7"}, "3x7xf32", unaryOp(kind, "3x7xf32")});
}

TEST_P(GraphRowTest, RealPairs) {
  for (const char *kind : {"add", "sub", "mul", "div", "min", "max", "pow"})
    check(
        {kind,
         {"40", "40"},
         "40xf32",
         std::string("%y = graph.binary ") + kind + " %a0, %a1 : (tensor<40xf32>, tensor<40xf32>) -> tensor<40xf32>"});
}

TEST_P(GraphRowTest, BroadcastsEveryWay) {
  auto add = [](const std::string &a, const std::string &b, const std::string &y) {
    return "%y = graph.binary add %a0, %a1 : (tensor<" + a + "xf32>, tensor<" + b + "xf32>) -> tensor<" + y + "xf32>";
  };
  for (auto [a, b, y] : std::vector<std::array<std::string, 3>>{{"4x16", "16", "4x16"},
                                                                {"4x16", "4x1", "4x16"},
                                                                {"4x10", "10", "4x10"},
                                                                {"4x10", "4x1", "4x10"},
                                                                {"3x1", "1x5", "3x5"},
                                                                {"2x3x16", "3x1", "2x3x16"},
                                                                {"2x3x16", "2x1x16", "2x3x16"},
                                                                {"2x3x4", "1", "2x3x4"},
                                                                {"32", "2x1x32", "2x1x32"}})
    check({y.c_str(), {a, b}, y + "xf32", add(a, b, y)});
}

// Numbers cross as floats and are integers inside.
TEST_P(GraphRowTest, Integers) {
  for (const char *type : {"i64", "i32", "ui8", "i8", "ui32"})
    for (const char *kind : {"add", "sub", "mul", "div", "mod", "rem", "min", "max", "bit_and", "bit_xor"}) {
      std::string t = std::string("tensor<37x") + type + ">";
      Case test{kind, {"37", "37"}, "37xf32", ""};
      test.size = 60;
      test.ops = "%p = graph.cast %a0 : (tensor<37xf32>) -> " + t + "\n%q0 = graph.cast %a1 : (tensor<37xf32>) -> " +
                 t + "\n%one = graph.constant dense<3> : " + t + "\n%zero = graph.constant dense<0> : " + t +
                 "\n%none = graph.compare eq %q0, %zero : (" + t + ", " + t + ") -> tensor<37xi1>" +
                 "\n%q = \"graph.select\"(%none, %one, %q0) : (tensor<37xi1>, " + t + ", " + t + ") -> " + t +
                 "\n%r = graph.binary " + kind + " %p, %q : (" + t + ", " + t + ") -> " + t +
                 "\n%y = graph.cast %r : (" + t + ") -> tensor<37xf32>";
      SCOPED_TRACE(type);
      check(test);
    }
}

TEST_P(GraphRowTest, ComparesAndSelects) {
  for (const char *kind : {"eq", "ne", "lt", "le", "gt", "ge"}) {
    std::string ops =
        std::string("%c = graph.compare ") + kind +
        " %a0, %a1 : (tensor<20xf32>, tensor<20xf32>) -> tensor<20xi1>\n"
        "%n = graph.unary logical_not %c : (tensor<20xi1>) -> tensor<20xi1>\n"
        "%y = graph.select %n, %a0, %a1 : (tensor<20xi1>, tensor<20xf32>, tensor<20xf32>) -> tensor<20xf32>";
    check({kind, {"20", "20"}, "20xf32", ops});
  }
}

TEST_P(GraphRowTest, MovesElements) {
  std::vector<Case> cases{
      {"transpose",
       {"3x5x4"},
       "4x3x5xf32",
       "%y = graph.transpose %a0 [2, 0, 1] : (tensor<3x5x4xf32>) -> tensor<4x3x5xf32>"},
      {"expand",
       {"3x1x4"},
       "3x2x4xf32",
       "%s = graph.constant dense<[3, 2, 4]> : tensor<3xi64>\n%y = graph.expand %a0, %s : (tensor<3x1x4xf32>, "
       "tensor<3xi64>) -> tensor<3x2x4xf32>"},
      {"slice",
       {"3x20"},
       "2x5xf32",
       "%s = graph.constant dense<[1, -2]> : tensor<2xi64>\n%e = graph.constant dense<[3, 3]> : tensor<2xi64>\n"
       "%y = graph.slice %a0, %s, %e {axes = array<i64: 0, 1>, steps = array<i64: 1, -3>} : (tensor<3x20xf32>, "
       "tensor<2xi64>, tensor<2xi64>) -> tensor<2x5xf32>"},
      {"concat",
       {"3x5", "3x17"},
       "3x22xf32",
       "%y = graph.concat %a0, %a1 {axis = 1 : i64} : (tensor<3x5xf32>, tensor<3x17xf32>) -> tensor<3x22xf32>"},
  };
  for (const char *mode : {"constant", "reflect", "edge", "wrap"})
    cases.push_back(
        {mode,
         {"3x5"},
         "4x8xf32",
         std::string("%p = graph.constant dense<[1, 2, 0, 1]> : tensor<4xi64>\n%v = graph.constant dense<0.5> : "
                     "tensor<f32>\n%y = graph.pad %a0, %p, %v {axes = array<i64: 0, 1>, mode = ") +
             (std::string(mode) == "constant" ? "#graph<pad_mode constant>"
                                              : "#graph<pad_mode " + std::string(mode) + ">") +
             "} : (tensor<3x5xf32>, tensor<4xi64>, tensor<f32>) -> tensor<4x8xf32>"});
  for (const Case &test : cases) check(test);
}

TEST_P(GraphRowTest, Reductions) {
  for (const char *kind : {"sum", "mean", "max", "min", "prod"})
    for (auto [axes, shape, result] : std::vector<std::array<std::string, 3>>{
             {"[1]", "3x37", "3"}, {"[0]", "5x20", "20"}, {"[0, 2]", "3x4x5", "4"}, {"[0]", "100", ""}}) {
      std::string to = "tensor<" + (result.empty() ? "" : result + "x") + "f32>";
      check({kind,
             {shape},
             (result.empty() ? "f32" : result + "xf32"),
             std::string("%y = graph.reduce ") + kind + " %a0 " + axes + " : (tensor<" + shape + "xf32>) -> " + to,
             1.1f});
    }
}

TEST_P(GraphRowTest, LinesAndProducts) {
  for (const char *axis : {"0", "1"})
    check({"softmax",
           {"6x37"},
           "6x37xf32",
           std::string("%y = graph.softmax %a0 {axis = ") + axis + " : i64} : (tensor<6x37xf32>) -> tensor<6x37xf32>"});
  check({"cumsum",
         {"6x7"},
         "6x7xf32",
         "%y = graph.cumsum %a0 {axis = 0 : i64, exclusive} : (tensor<6x7xf32>) -> tensor<6x7xf32>"});
  check({"cumsum back",
         {"6x7"},
         "6x7xf32",
         "%y = graph.cumsum %a0 {axis = 1 : i64, reverse} : (tensor<6x7xf32>) -> tensor<6x7xf32>"});
  check({"matmul",
         {"2x3x20", "2x20x37"},
         "2x3x37xf32",
         "%y = graph.matmul %a0, %a1 : (tensor<2x3x20xf32>, tensor<2x20x37xf32>) -> tensor<2x3x37xf32>"});
  check({"vector",
         {"20", "3x20x5"},
         "3x5xf32",
         "%y = graph.matmul %a0, %a1 : (tensor<20xf32>, tensor<3x20x5xf32>) -> tensor<3x5xf32>"});
  for (const char *largest : {"true", "false"})
    for (auto [n, k] : {std::pair<size_t, size_t>{20, 4}, {45, 19}, {7, 7}, {32, 3}}) {
      std::string in = "tensor<3x" + std::to_string(n) + "xf32>", out = "tensor<3x" + std::to_string(k) + "x";
      check({"topk",
             {"3x" + std::to_string(n)},
             "3x" + std::to_string(2 * k) + "xf32",
             "%k = graph.constant dense<" + std::to_string(k) + "> : tensor<1xi64>\n%r = graph.unary round %a0 : (" +
                 in + ") -> " + in + "\n%v, %i = graph.topk %r, %k {axis = 1 : i64, largest = " + largest + "} : (" +
                 in + ", tensor<1xi64>) -> (" + out + "f32>, " + out + "i64>)\n%j = graph.cast %i : (" + out +
                 "i64>) -> " + out + "f32>\n%y = graph.concat %v, %j {axis = 1 : i64} : (" + out + "f32>, " + out +
                 "f32>) -> tensor<3x" + std::to_string(2 * k) + "xf32>"});
    }
}

TEST_P(GraphRowTest, IndexedElements) {
  std::string index =
      "%m = graph.constant dense<5> : tensor<2x3xi64>\n%n = graph.cast %a1 : (tensor<2x3xf32>) -> "
      "tensor<2x3xi64>\n%i = graph.binary rem %n, %m : (tensor<2x3xi64>, tensor<2x3xi64>) -> tensor<2x3xi64>\n";
  std::string types = " : (tensor<5x4xf32>, tensor<2x3xi64>";
  check({"gather",
         {"5x4", "2x3"},
         "2x3x4xf32",
         index + "%y = graph.gather %a0, %i {axis = 0 : i64}" + types + ") -> tensor<2x3x4xf32>",
         9});
  check({"gather_elements",
         {"5x4", "2x3"},
         "2x3xf32",
         index + "%y = graph.gather_elements %a0, %i {axis = 0 : i64}" + types + ") -> tensor<2x3xf32>",
         9});
  for (const char *reduction : {"none", "add", "mul", "min", "max"})
    check({"scatter_elements",
           {"5x4", "2x3"},
           "5x4xf32",
           index + "%y = graph.scatter_elements %a0, %i, %a1 {axis = 0 : i64, reduction = #graph<scatter_reduction " +
               reduction + ">}" + types + ", tensor<2x3xf32>) -> tensor<5x4xf32>",
           9});
  std::string tuple =
      "%m = graph.constant dense<4> : tensor<3x2xi64>\n%n = graph.cast %a1 : (tensor<3x2xf32>) -> "
      "tensor<3x2xi64>\n%i = graph.binary rem %n, %m : (tensor<3x2xi64>, tensor<3x2xi64>) -> tensor<3x2xi64>\n";
  check({"gather_nd",
         {"4x4x3", "3x2"},
         "3x3xf32",
         tuple + "%y = graph.gather_nd %a0, %i {batch_dims = 0 : i64} : (tensor<4x4x3xf32>, tensor<3x2xi64>) -> "
                 "tensor<3x3xf32>",
         9});
  check({"scatter_nd",
         {"4x4x3", "3x2", "3x3"},
         "4x4x3xf32",
         tuple + "%y = graph.scatter_nd %a0, %i, %a2 {reduction = #graph<scatter_reduction add>} : (tensor<4x4x3xf32>, "
                 "tensor<3x2xi64>, tensor<3x3xf32>) -> tensor<4x4x3xf32>",
         9});
}

// A chain of several ops: functions fuse, and what is read twice is in memory.
TEST_P(GraphRowTest, RmsNormInPrimitives) {
  check({"rms",
         {"4x20"},
         "4x20xf32",
         "%two = graph.constant dense<2.0> : tensor<f32>\n%eps = graph.constant dense<1.0e-5> : tensor<f32>\n"
         "%p = graph.binary pow %a0, %two : (tensor<4x20xf32>, tensor<f32>) -> tensor<4x20xf32>\n"
         "%m = graph.reduce mean %p [1] {keepdims} : (tensor<4x20xf32>) -> tensor<4x1xf32>\n"
         "%e = graph.binary add %m, %eps : (tensor<4x1xf32>, tensor<f32>) -> tensor<4x1xf32>\n"
         "%s = graph.unary sqrt %e : (tensor<4x1xf32>) -> tensor<4x1xf32>\n"
         "%y = graph.binary div %a0, %s : (tensor<4x20xf32>, tensor<4x1xf32>) -> tensor<4x20xf32>"});
}

TEST_P(GraphRowTest, RefusesIndicesThatReachOutside) {
  next();
  Case test{
      "gather_elements",
      {"2x4", "2x6"},
      "2x6xf32",
      "%i = graph.cast %a1 : (tensor<2x6xf32>) -> tensor<2x6xi64>\n"
      "%y = graph.gather_elements %a0, %i {axis = 0 : i64} : (tensor<2x4xf32>, tensor<2x6xi64>) -> tensor<2x6xf32>"};
  auto launch = parse("", "%x0 : tensor<?x8xf32>, %x1 : tensor<?x12xf32>", launchOf(test));
  ASSERT_TRUE(launch);
  auto frame = LaunchFrame::build(launch);
  ASSERT_TRUE(succeeded(frame));
  std::string message;
  mlir::ScopedDiagnosticHandler handler(context.get(), [&](mlir::Diagnostic &diagnostic) {
    message = diagnostic.str();
    return mlir::success();
  });
  KernelVariant variant;
  variant.kernel = "k";
  EXPECT_TRUE(failed(code->emit(variant, [&](Emitter &e) { return emitRowProgram(e, *frame); })));
  EXPECT_NE(message.find("do not fit"), message.npos) << message;
}

// Weights come whole behind the inputs; positions come from the batch.
TEST_P(GraphRowTest, WeightsAndPositions) {
  next();
  std::string ops = "%n = graph.cast %p : (tensor<1xi32>) -> tensor<1xf32>\n"
                    "%s = graph.binary mul %w, %n : (tensor<2x10xf32>, tensor<1xf32>) -> tensor<2x10xf32>\n"
                    "%y = graph.binary add %a, %s : (tensor<2x10xf32>, tensor<2x10xf32>) -> tensor<2x10xf32>";
  auto launch =
      parse(recipe("g", {2, 10}), "%t : tensor<?xi32>, %q : tensor<?xi32>, %x : " + tensor(20),
            "%r = decoder.launch @x (%i = %x : " + tensor(20) + ", %j = %q : tensor<?xi32>) -> (" + tensor(20) +
                ") {\n%o = decoder.rows (%i : " + tensor(20) + ", %j : tensor<?xi32>) weights (@g) -> (" + tensor(20) +
                ") {\n^bb0(%a: tensor<2x10xf32>, %p: tensor<1xi32>, %w: tensor<2x10xf32>):\n" + ops +
                "\ndecoder.yield %y : tensor<2x10xf32>\n}\ndecoder.yield %o : " + tensor(20) + "\n}");
  if (!compile(launch)) return;
  Rows x = Rows::random(kRows, 20, 1), y(kRows, 20);
  auto weight = randomVector(20, 2);
  std::vector<int32_t> positions;
  for (size_t r = 0; r < kRows; ++r) positions.push_back(int32_t(3 * r + 1));
  batch.position = decltype(batch.position)(positions.data());
  bind(kRows, x[0], weight.data(), y[0]);
  call("k", kRows);
  for (size_t r = 0; r < kRows; ++r)
    for (size_t c = 0; c < 20; ++c) EXPECT_EQ(y[r][c], x[r][c] + weight[c] * float(positions[r])) << r << " " << c;
}

INSTANTIATE_TEST_SUITE_P(Levels, GraphRowTest, testLevels(),
                         [](const auto &info) { return std::string(levelName(info.param)); });

} // namespace
