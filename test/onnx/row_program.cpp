// Whether a graph is row-wise is asked of the reference: its ops on every row alone must give the expected outputs.
#include "test/onnx/row_program.h"
#include "compiler/kernels/cpu/LaunchKernels.h"
#include "compiler/reference/Evaluator.h"
#include "dialects/graph/Graph.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/IRMapping.h"
#include <cstring>
#include <sys/mman.h>

using namespace mlir;
using namespace ingot;
using namespace ingot::test;
using reference::Array;

namespace {

using Arrays = std::vector<Array>;

/// The same numbers in the type that a region has: f32 for all floats.
Array inside(const Array &array) {
  if (!array.isReal()) return array;
  Array copy = array;
  copy.element = Float32Type::get(array.element.getContext());
  for (double &x : copy.reals) x = reference::roundTo(copy.element, x);
  return copy;
}

bool isPlain(Type element) {
  if (auto integer = dyn_cast<IntegerType>(element)) return integer.getWidth() >= 8 || integer.getWidth() == 1;
  return element.isF16() || element.isBF16() || element.isF32() || element.isF64();
}

/// Integers cross a border as f32: exact below 2^24.
bool crosses(const Array &array) {
  if (!isPlain(array.element) || array.size() == 0) return false;
  return array.isReal() || llvm::all_of(array.integers, [](int64_t x) { return std::abs(x) < (1 << 24); });
}

/// Index `t` of the leading axis, which stays with size 1.
Array rowOf(const Array &array, size_t t) {
  reference::Shape shape = array.shape;
  size_t count = array.size() / size_t(shape[0]);
  shape[0] = 1;
  Array row = reference::makeArray(array.element, shape);
  if (array.isReal())
    std::copy_n(array.reals.begin() + t * count, count, row.reals.begin());
  else
    std::copy_n(array.integers.begin() + t * count, count, row.integers.begin());
  return row;
}

/// The ops of @main in a region on one row of the inputs in `rows`; all others are constants of the region.
class Wrapped {
public:
  /// `length`: size of the leading axis that rows are cut along; 0 for whole tensors as one row.
  Wrapped(func::FuncOp main, const Arrays &arguments, std::vector<bool> rows, int64_t length)
      : main(main), arguments(arguments), rows(std::move(rows)), length(length), builder(main.getContext()),
        evaluator(main->getParentOfType<ModuleOp>(), "") {}

  /// Clones the ops with the shapes they have on the first row. False: some op does not work on a row.
  bool build();
  /// The outputs, row by row, by the reference. False: an evaluation failed.
  bool evaluate(Arrays &outputs);
  /// decoder.launch { decoder.rows { the region } } in a function of a new module. Call once.
  decoder::LaunchOp launch(OwningOpRef<ModuleOp> &module);

  size_t rowCount() const { return length ? size_t(length) : 1; }
  Array input(size_t i, size_t t) const { return length ? rowOf(arguments[i], t) : arguments[i]; }
  const std::vector<bool> &isRow() const { return rows; }

private:
  bool cloneOp(Operation &op, IRMapping &mapping, DenseMap<Value, Array> &values);
  Value constant(const Array &array) {
    auto elements = reference::toElements(array);
    return builder.create<graph::ConstantOp>(main.getLoc(), elements.getType(), elements);
  }
  Value asFloat(Value value) {
    auto type = cast<RankedTensorType>(value.getType());
    if (type.getElementType().isF32()) return value;
    return builder.create<graph::CastOp>(main.getLoc(), type.clone(builder.getF32Type()), value);
  }

  func::FuncOp main;
  const Arrays &arguments;
  std::vector<bool> rows;
  int64_t length;
  OpBuilder builder;
  reference::Evaluator evaluator;
  Region body;
  SmallVector<Value> yields; // before the cast to f32
};

RankedTensorType typeOf(const Array &array) { return RankedTensorType::get(array.shape, array.element); }

bool Wrapped::cloneOp(Operation &op, IRMapping &mapping, DenseMap<Value, Array> &values) {
  if (!isa<graph::GraphDialect>(op.getDialect()) || op.getNumRegions() || isa<graph::WeightOp>(op)) return false;
  Operation *made = builder.clone(op, mapping);
  if (auto literal = dyn_cast<graph::ConstantOp>(made)) {
    auto dense = dyn_cast<DenseElementsAttr>(literal.getValue());
    if (!dense || !isPlain(dense.getElementType())) return false;
    Array array = inside(reference::fromElements(dense));
    // The leading axis of a shape is the rows': one here.
    bool isShape = llvm::any_of(op.getUses(), [](OpOperand &use) {
      return isa<graph::ReshapeOp, graph::ExpandOp>(use.getOwner()) && use.getOperandNumber() == 1;
    });
    if (length && isShape && array.size() && array.integers[0] == length) array.integers[0] = 1;
    literal.setValueAttr(reference::toElements(array));
    literal.getResult().setType(typeOf(array));
    values[op.getResult(0)] = array;
    return true;
  }
  Arrays operands, results;
  for (Value operand : op.getOperands()) operands.push_back(values.lookup(operand));
  for (Value result : made->getResults()) { // of any shape until it is known
    auto type = cast<RankedTensorType>(result.getType());
    Type element = isa<FloatType>(type.getElementType()) ? builder.getF32Type() : type.getElementType();
    if (!isPlain(type.getElementType())) return false;
    result.setType(RankedTensorType::get(SmallVector<int64_t>(type.getRank(), ShapedType::kDynamic), element));
  }
  reference::Evaluator single(main->getParentOfType<ModuleOp>(), "");
  if (!single.evaluate(made, operands, results)) return false;
  for (auto [from, result, array] : llvm::zip(op.getResults(), made->getResults(), results)) {
    if (array.size() == 0) return false;
    result.setType(typeOf(array));
    values[from] = std::move(array);
  }
  return true;
}

bool Wrapped::build() {
  builder.setInsertionPointToEnd(&body.emplaceBlock());
  IRMapping mapping;
  DenseMap<Value, Array> values;
  for (auto [i, argument] : llvm::enumerate(main.getArguments())) {
    if (!isPlain(arguments[i].element)) return false;
    Array value = inside(rows[i] ? input(i, 0) : arguments[i]);
    if (rows[i]) {
      auto type = typeOf(value);
      Value row = body.addArgument(type.clone(builder.getF32Type()), main.getLoc());
      if (type.getElementType() != builder.getF32Type()) row = builder.create<graph::CastOp>(main.getLoc(), type, row);
      mapping.map(argument, row);
    } else {
      mapping.map(argument, constant(value));
    }
    values[argument] = value;
  }
  Block &block = main.getBody().front();
  for (Operation &op : block.without_terminator())
    if (!cloneOp(op, mapping, values)) return false;
  for (Value result : block.getTerminator()->getOperands()) yields.push_back(mapping.lookup(result));
  SmallVector<Value> floats;
  for (Value value : yields) floats.push_back(asFloat(value));
  builder.create<decoder::YieldOp>(main.getLoc(), floats);
  return true;
}

/// Rows under each other: [1, n] each, or whole tensors.
void append(Array &all, const Array &row, bool first) {
  if (first) {
    all = row;
    return;
  }
  all.shape[0] += 1;
  all.reals.insert(all.reals.end(), row.reals.begin(), row.reals.end());
  all.integers.insert(all.integers.end(), row.integers.begin(), row.integers.end());
}

bool Wrapped::evaluate(Arrays &outputs) {
  outputs.resize(yields.size());
  for (size_t t = 0; t < rowCount(); ++t) {
    Arrays row, results;
    for (size_t i = 0; i < arguments.size(); ++i)
      if (rows[i]) {
        Array value = inside(input(i, t));
        Array real = reference::makeArray(builder.getF32Type(), value.shape);
        for (size_t k = 0; k < value.size(); ++k) real.reals[k] = value.number(k);
        row.push_back(std::move(real));
      }
    if (!evaluator.runRegion(body.front(), std::move(row), results)) return false;
    for (auto [k, result] : llvm::enumerate(results)) {
      if (length && (result.shape.empty() || result.shape[0] != 1)) return false;
      append(outputs[k], result, t == 0);
    }
  }
  return true;
}

decoder::LaunchOp Wrapped::launch(OwningOpRef<ModuleOp> &module) {
  Location loc = main.getLoc();
  module = ModuleOp::create(loc);
  OpBuilder b = OpBuilder::atBlockEnd(module->getBody());
  auto rowsOf = [&](Type type) {
    return RankedTensorType::get({ShapedType::kDynamic, cast<RankedTensorType>(type).getNumElements()}, b.getF32Type());
  };
  SmallVector<Type> inputs, results;
  for (Type type : body.getArgumentTypes()) inputs.push_back(rowsOf(type));
  for (Value value : yields) results.push_back(rowsOf(value.getType()));
  auto function = b.create<func::FuncOp>(loc, "body", b.getFunctionType(inputs, {}));
  Block *entry = function.addEntryBlock();
  b.setInsertionPointToEnd(entry);
  auto launch = b.create<decoder::LaunchOp>(loc, results, "test", entry->getArguments(), decoder::NumAttr());
  b.create<func::ReturnOp>(loc);
  Block *block = b.createBlock(&launch.getBody());
  for (Type type : inputs) block->addArgument(type, loc);
  auto rowsOp = b.create<decoder::RowsOp>(loc, results, block->getArguments(), b.getArrayAttr({}));
  rowsOp.getBody().takeBody(body);
  b.create<decoder::YieldOp>(loc, rowsOp.getResults());
  return launch;
}

//===- compiled code ----------------------------------------------------------------------------------------------===//

/// Pages that can be executed.
class Pages {
public:
  explicit Pages(const std::vector<uint8_t> &bytes) : size(bytes.size()) {
    memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    std::memcpy(memory, bytes.data(), size);
    mprotect(memory, size, PROT_READ | PROT_EXEC);
  }
  ~Pages() { munmap(memory, size); }
  Pages(const Pages &) = delete;
  ingot_kernel at(uint64_t offset) const {
    return reinterpret_cast<ingot_kernel>(static_cast<char *>(memory) + offset);
  }

private:
  void *memory;
  size_t size;
};

/// Rows of f32 as buffers hold them: a stride of whole 64 bytes; NaN where nothing was put.
struct Buffer {
  size_t columns, stride;
  std::vector<float> data;
  Buffer(size_t rows, size_t columns)
      : columns(columns), stride((columns + 15) / 16 * 16), data((rows + 1) * stride, NAN) {}
  float *row(size_t t) { return data.data() + t * stride; }
};

struct Arguments {
  const ingot_batch *batch = nullptr;
  uint64_t rows = 0;
  uint64_t slot[32] = {};
};

/// Runs the compiled region on all rows. An error's text, or empty.
std::string run(Wrapped &wrapped, const Arrays &arguments, const Arrays &expected, Arrays &outputs) {
  OwningOpRef<ModuleOp> module;
  decoder::LaunchOp launch = wrapped.launch(module);
  MLIRContext *context = launch.getContext();
  std::string problem;
  ScopedDiagnosticHandler handler(context, [&](mlir::Diagnostic &diagnostic) {
    problem += diagnostic.str() + " ";
    return success();
  });
  OwningOpRef<ModuleOp> code = ModuleOp::create(launch.getLoc());
  cpu::CpuKernels kernels({{cpu::CpuLevel::v3, *code}});
  auto generated = kernels.generate(launch);
  if (failed(generated)) return problem;
  auto blob = cpu::compileCpu(*code, cpu::CpuLevel::v3, {});
  if (failed(blob)) return "FAILED to compile: " + problem;
  Pages pages(blob->bytes);

  size_t count = wrapped.rowCount();
  std::vector<Buffer> buffers;
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (!wrapped.isRow()[i]) continue;
    Buffer &x = buffers.emplace_back(count, arguments[i].size() / count);
    for (size_t t = 0; t < count; ++t)
      for (size_t c = 0; c < x.columns; ++c) x.row(t)[c] = float(arguments[i].number(t * x.columns + c));
  }
  size_t firstResult = buffers.size();
  for (const Array &output : expected) buffers.emplace_back(count, output.size() / count);
  Arguments block;
  if (buffers.size() > std::size(block.slot)) return "has more inputs than the test's arguments block";
  block.rows = count;
  for (auto [i, buffer] : llvm::enumerate(buffers)) block.slot[i] = uint64_t(buffer.row(0));
  const KernelVariant &variant = generated->main[0];
  std::vector<uint8_t> scratch(variant.scratchBytes + 64);
  void *aligned = reinterpret_cast<void *>((uint64_t(scratch.data()) + 63) / 64 * 64);
  if (pages.at(blob->entry.lookup(variant.kernel))(reinterpret_cast<ingot_args *>(&block), 0, count, aligned))
    return "FAILED: the kernel answers an error";
  for (auto [k, output] : llvm::enumerate(expected)) {
    Buffer &y = buffers[firstResult + k];
    Array got = reference::makeArray(output.element, output.shape);
    for (size_t i = 0; i < got.size(); ++i) {
      float value = y.row(i / y.columns)[i % y.columns];
      if (got.isReal())
        got.reals[i] = value;
      else
        got.integers[i] = std::isfinite(value) ? int64_t(value) : INT64_MIN;
    }
    outputs.push_back(std::move(got));
  }
  return "";
}

/// Numbers that crossed as f32.
Array asIntegers(const Array &reals, Type element) {
  Array numbers = reference::makeArray(element, reals.shape);
  for (size_t i = 0; i < reals.size(); ++i)
    numbers.integers[i] = std::isfinite(reals.reals[i]) ? int64_t(reals.reals[i]) : INT64_MIN;
  return numbers;
}

/// What differs, for outputs whose values are those of the expected types.
std::string difference(const Arrays &got, const Arrays &expected, const Compare &compare) {
  if (got.size() < expected.size()) return "has fewer outputs than expected";
  for (size_t k = 0; k < expected.size(); ++k) {
    Array same = got[k];
    if (same.isReal() && expected[k].isReal()) same.element = expected[k].element;
    if (same.isReal() && !expected[k].isReal()) same = asIntegers(same, expected[k].element);
    if (std::string text = compare(same, expected[k]); !text.empty())
      return "output " + std::to_string(k) + ": " + text;
  }
  return "";
}

} // namespace

static RowResult attempt(func::FuncOp main, const Arrays &arguments, const Arrays &expected, std::vector<bool> rows,
                         int64_t length, const Compare &compare) {
  Wrapped wrapped(main, arguments, std::move(rows), length);
  RowOutcome good = length ? RowOutcome::rowWise : RowOutcome::wholeRow;
  Arrays outputs;
  if (!wrapped.build()) return {RowOutcome::noCode, "an op does not work on rows"};
  if (!wrapped.evaluate(outputs) || !difference(outputs, expected, compare).empty())
    return {RowOutcome::noCode, "is not row-wise"};
  outputs.clear();
  std::string problem = run(wrapped, arguments, expected, outputs);
  if (!problem.empty())
    return {StringRef(problem).starts_with("FAILED") ? RowOutcome::failed : RowOutcome::noCode, problem};
  std::string text = difference(outputs, expected, compare);
  return {text.empty() ? good : RowOutcome::failed, text};
}

RowResult ingot::test::runAsRows(ModuleOp module, const Arrays &arguments, const Arrays &expected,
                                 const Compare &compare) {
  auto main = module.lookupSymbol<func::FuncOp>("main");
  if (!main || expected.empty() || main.getNumArguments() != arguments.size())
    return {RowOutcome::noCode, "has no plain @main"};
  if (!llvm::all_of(expected, crosses)) return {RowOutcome::noCode, "has outputs that do not cross as f32"};
  // Rows along the leading axis: which inputs have it is tried, all of them first.
  int64_t length = expected[0].shape.empty() ? 0 : expected[0].shape[0];
  std::vector<size_t> candidates;
  for (size_t i = 0; i < arguments.size(); ++i)
    if (!arguments[i].shape.empty() && arguments[i].shape[0] == length && crosses(arguments[i]))
      candidates.push_back(i);
  bool sameLength = llvm::all_of(expected, [&](const Array &x) { return !x.shape.empty() && x.shape[0] == length; });
  if (length > 1 && sameLength && candidates.size() <= 4)
    for (unsigned mask = (1u << candidates.size()) - 1; mask; --mask) {
      std::vector<bool> rows(arguments.size(), false);
      for (size_t k = 0; k < candidates.size(); ++k) rows[candidates[k]] = mask >> k & 1;
      RowResult result = attempt(main, arguments, expected, rows, length, compare);
      if (result.outcome != RowOutcome::noCode) return result;
    }
  std::vector<bool> rows;
  for (const Array &argument : arguments) rows.push_back(crosses(argument));
  if (llvm::none_of(rows, [](bool row) { return row; }))
    return {RowOutcome::noCode, "has no input that crosses as f32"};
  return attempt(main, arguments, expected, rows, 0, compare);
}
