// Runs the ONNX node suite: every test whose graph import claims must give the expected outputs in the reference
// evaluator, and as a compiled row program where row programs hold its ops and types. Usage: onnx_node_suite SHARED
// [NAME...]; INGOT_SHARED overrides SHARED. Named tests explain themselves.
//
// A graph that import refuses as it stands is tried again with its integer and boolean inputs bound to the test's
// values: axes and the like are inputs in this suite, constants in models.
#include "compiler/import/Import.h"
#include "compiler/reference/Evaluator.h"
#include "compiler/target/CpuTarget.h"
#include "test/onnx/row_program.h"
#include "test/onnx/tensor_file.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/MLIRContext.h"
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <unistd.h>

using namespace mlir;
using namespace ingot;
namespace fs = std::filesystem;
using reference::Array;

namespace {

// The least number of passes of the suite of ONNX 1.22: a claim that is lost fails as loudly as a wrong result.
constexpr int minimumPassed = 1137;
// Of those: compiled with a row an index of the leading axis, and with the whole tensors as one row.
constexpr int minimumRowWise = 740, minimumWholeRow = 300;

enum class Outcome { passed, failed, notClaimed };

struct Result {
  Outcome outcome;
  std::string reason;
  test::RowResult rows = {test::RowOutcome::noCode, "was not tried"};
};

struct Test {
  std::vector<std::optional<Array>> inputs, outputs;
};

std::vector<std::optional<Array>> readTensors(const fs::path &folder, const char *prefix, MLIRContext &context) {
  std::vector<std::optional<Array>> tensors;
  for (int i = 0;; ++i) {
    fs::path file = folder / (prefix + std::to_string(i) + ".pb");
    if (!fs::exists(file)) return tensors;
    tensors.push_back(test::readTensorFile(file.string(), context));
  }
}

// Rounding differs between evaluators by an ulp or two of the type.
double tolerance(Type element) {
  if (element.isBF16()) return 1.6e-2;
  return element.isF16() ? 2e-3 : 1e-3;
}

std::string compare(const Array &got, const Array &expected) {
  if (got.element != expected.element) return "has another element type than expected";
  if (got.shape != expected.shape) return "has another shape than expected";
  for (size_t i = 0; i < got.size(); ++i) {
    if (!got.isReal()) {
      if (got.integers[i] != expected.integers[i])
        return "element " + std::to_string(i) + " is " + std::to_string(got.integers[i]) + ", not " +
               std::to_string(expected.integers[i]);
      continue;
    }
    double a = got.reals[i], b = expected.reals[i];
    bool same =
        a == b || (std::isnan(a) && std::isnan(b)) || std::fabs(a - b) <= 1e-7 + tolerance(got.element) * std::fabs(b);
    if (!same) return "element " + std::to_string(i) + " is " + std::to_string(a) + ", not " + std::to_string(b);
  }
  return "";
}

struct Imported {
  OwningOpRef<ModuleOp> module;
  std::string gap;
};

Imported import(const std::string &model, MLIRContext &context, const ImportOptions &options) {
  DiagnosticSink sink;
  Imported imported;
  imported.module = importOnnx(model, context, options, sink);
  for (const ingot::Diagnostic &diagnostic : sink.all())
    if (imported.gap.empty()) imported.gap = toString(diagnostic);
  return imported;
}

bool isBindable(const Array &array) {
  return !array.isReal() && array.element.getIntOrFloatBitWidth() != 8 && array.size() <= 4096;
}

Result evaluate(ModuleOp module, const std::string &model, const std::vector<std::string> &names, const Test &test,
                const ImportOptions &options) {
  std::vector<Array> arguments;
  for (size_t i = 0; i < names.size() && i < test.inputs.size(); ++i)
    if (!options.bindings.count(names[i]) && test.inputs[i]) arguments.push_back(*test.inputs[i]);
  reference::Evaluator evaluator(module, model);
  std::vector<Array> given = arguments;
  auto results = evaluator.run("main", std::move(arguments));
  if (!results) return {Outcome::failed, evaluator.error()};
  if (test.outputs.empty()) return {Outcome::failed, "the test has no outputs"};
  for (size_t i = 0; i < test.outputs.size(); ++i) {
    if (!test.outputs[i] || i >= results->size()) return {Outcome::failed, "an expected output cannot be read"};
    if (std::string text = compare((*results)[i], *test.outputs[i]); !text.empty())
      return {Outcome::failed, "output " + std::to_string(i) + ": " + text};
  }
  Result result = {Outcome::passed, ""};
  std::vector<Array> expected;
  for (const auto &output : test.outputs) expected.push_back(*output);
  if (__builtin_cpu_supports("avx2")) result.rows = test::runAsRows(module, given, expected, compare);
  return result;
}

Result runTest(const fs::path &folder) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  DialectRegistry registry;
  cpu::registerCpuTarget(registry);
  context.appendDialectRegistry(registry);
  context.loadAllAvailableDialects();
  context.loadDialect<func::FuncDialect>();
  std::string model = (folder / "model.onnx").string();
  Test test = {readTensors(folder / "test_data_set_0", "input_", context),
               readTensors(folder / "test_data_set_0", "output_", context)};
  std::vector<std::string> names = test::graphInputs(model);
  ImportOptions options;
  Imported imported = import(model, context, options);
  if (!imported.module) {
    for (size_t i = 0; i < names.size() && i < test.inputs.size(); ++i)
      if (test.inputs[i] && isBindable(*test.inputs[i])) options.bindings[names[i]] = toElements(*test.inputs[i]);
    if (!options.bindings.empty()) imported = import(model, context, options);
  }
  if (!imported.module) return {Outcome::notClaimed, imported.gap};
  return evaluate(*imported.module, model, names, test, options);
}

fs::path unpack(const fs::path &archive) {
  fs::path folder = fs::temp_directory_path() / ("ingot-onnx-node-" + std::to_string(getpid()));
  fs::create_directories(folder);
  std::string command = "tar -xJf '" + archive.string() + "' -C '" + folder.string() + "'";
  return std::system(command.c_str()) == 0 ? folder : fs::path();
}

struct Counts {
  int passed = 0, failed = 0, notClaimed = 0;
  int rowWise = 0, wholeRow = 0, noCode = 0;
};

void reportRows(const std::string &name, const test::RowResult &rows, bool verbose, Counts &counts) {
  using test::RowOutcome;
  counts.rowWise += rows.outcome == RowOutcome::rowWise;
  counts.wholeRow += rows.outcome == RowOutcome::wholeRow;
  counts.noCode += rows.outcome == RowOutcome::noCode;
  counts.failed += rows.outcome == RowOutcome::failed;
  static constexpr const char *names[] = {"compiled row-wise", "compiled as one row", "not compiled",
                                          "FAILED compiled"};
  if (verbose || rows.outcome == RowOutcome::failed)
    std::printf("%s %s: %s\n", names[int(rows.outcome)], name.c_str(), rows.reason.c_str());
}

void report(const std::string &name, const Result &result, bool verbose, Counts &counts) {
  counts.passed += result.outcome == Outcome::passed;
  counts.notClaimed += result.outcome == Outcome::notClaimed;
  counts.failed += result.outcome == Outcome::failed;
  const char *outcome = result.outcome == Outcome::passed   ? "passed"
                        : result.outcome == Outcome::failed ? "FAILED"
                                                            : "not claimed";
  if (verbose || result.outcome == Outcome::failed)
    std::printf("%s %s: %s\n", outcome, name.c_str(), result.reason.c_str());
  if (result.outcome == Outcome::passed) reportRows(name, result.rows, verbose, counts);
}

} // namespace

int main(int argc, char **argv) {
  const char *given = std::getenv("INGOT_SHARED");
  fs::path shared = given && *given ? given : argc > 1 ? argv[1] : "../shared";
  fs::path archive = shared / "data" / "onnx-node-tests-1.22.0.tar.xz";
  if (shared == "none" || !fs::exists(archive)) {
    std::printf("skipped: the ONNX node suite is not at %s\n", archive.c_str());
    return 77;
  }
  std::set<std::string> wanted(argv + std::min(argc, 2), argv + argc);
  fs::path folder = unpack(archive);
  std::set<fs::path> tests;
  if (!folder.empty())
    for (const auto &entry : fs::directory_iterator(folder / "node"))
      if (wanted.empty() || wanted.count(entry.path().filename())) tests.insert(entry.path());
  Counts counts;
  for (const fs::path &test : tests) report(test.filename(), runTest(test), !wanted.empty(), counts);
  fs::remove_all(folder);
  std::printf(
      "ONNX node suite: %d passed, %d failed, %d not claimed; of those passed %d compiled row-wise, %d compiled as "
      "one row, %d not compiled\n",
      counts.passed, counts.failed, counts.notClaimed, counts.rowWise, counts.wholeRow, counts.noCode);
  if (!wanted.empty()) return counts.failed ? 1 : 0;
  if (counts.passed < minimumPassed) std::printf("FAILED: at least %d must pass\n", minimumPassed);
  bool compiled = counts.rowWise >= minimumRowWise && counts.wholeRow >= minimumWholeRow;
  if (!compiled) std::printf("FAILED: at least %d and %d must be compiled\n", minimumRowWise, minimumWholeRow);
  return counts.failed || counts.passed < minimumPassed || !compiled ? 1 : 0;
}
