// Reading the tables and recovering frequencies.
#include "passes/infer/Rotary.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <cmath>
#include <cstring>
#include <numbers>

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;

//===- the closed form
//---------------------------------------------------------------------------------------------===//

static bool agrees(const FloatTable &cos, const FloatTable &sin, int64_t column, float frequency, double scale) {
  double tolerance = scale * (1.2e-7 + cos.unit / 2);
  for (int64_t p = 0; p < cos.rows; ++p) {
    float angle = float(p) * frequency;
    int64_t at = p * cos.columns + column;
    if (!(std::fabs(std::cos(double(angle)) * scale - cos.values[at]) <= tolerance)) return false;
    if (!(std::fabs(std::sin(double(angle)) * scale - sin.values[at]) <= tolerance)) return false;
  }
  return true;
}

constexpr double Turn = 2 * std::numbers::pi;

/// The phase at position p, with the turns that `slope` tells.
static double phase(const FloatTable &cos, const FloatTable &sin, int64_t column, int64_t p, double slope) {
  double folded =
      std::atan2(double(sin.values[p * cos.columns + column]), double(cos.values[p * cos.columns + column]));
  return folded + std::round((slope * p - folded) / Turn) * Turn;
}

/// The slope of the phase, refined at doubled positions while the previous estimate still tells the turns apart.
static double estimate(const FloatTable &cos, const FloatTable &sin, int64_t column) {
  double slope = phase(cos, sin, column, 1, 0);
  for (int64_t p = 2; p < cos.rows; p *= 2) slope = phase(cos, sin, column, p, slope) / p;
  return slope;
}

/// The least-squares slope through the origin over all positions: what averages the rounding of narrow tables away.
static double fitted(const FloatTable &cos, const FloatTable &sin, int64_t column, double slope) {
  double moment = 0, weight = 0;
  for (int64_t p = 1; p < cos.rows; ++p) {
    moment += p * phase(cos, sin, column, p, slope);
    weight += double(p) * p;
  }
  return moment / weight;
}

/// Squared errors on some rows spread over the table.
static double misfit(const FloatTable &cos, const FloatTable &sin, int64_t column, float frequency, double scale) {
  double sum = 0;
  int64_t stride = std::max<int64_t>(1, cos.rows / 2048);
  for (int64_t p = cos.rows - 1; p > 0; p -= stride) {
    double angle = float(p) * frequency;
    int64_t at = p * cos.columns + column;
    double c = std::cos(angle) * scale - cos.values[at], s = std::sin(angle) * scale - sin.values[at];
    sum += c * c + s * s;
  }
  return sum;
}

/// The neighbour of `centre` that fits best, among those that reproduce the whole table.
static std::optional<float> searched(const FloatTable &cos, const FloatTable &sin, int64_t column, float centre,
                                     double scale) {
  SmallVector<std::pair<double, float>> candidates;
  float up = centre, down = centre;
  for (int step = 0; step < 5; ++step) {
    candidates.push_back({misfit(cos, sin, column, up, scale), up});
    if (step) candidates.push_back({misfit(cos, sin, column, down, scale), down});
    up = std::nextafterf(up, INFINITY), down = std::nextafterf(down, -INFINITY);
  }
  llvm::stable_sort(candidates, llvm::less_first());
  for (auto [error, frequency] : candidates)
    if (agrees(cos, sin, column, frequency, scale)) return frequency;
  return std::nullopt;
}

static std::optional<float> frequency(const FloatTable &cos, const FloatTable &sin, int64_t column, double scale) {
  double slope = estimate(cos, sin, column);
  if (cos.unit > 0) slope = fitted(cos, sin, column, slope); // narrow tables; float32 pins the frequency down already
  return searched(cos, sin, column, float(slope), scale);
}

std::optional<RotaryForm> ingot::infer::recoverRotary(const FloatTable &cos, const FloatTable &sin) {
  if (cos.rows != sin.rows || cos.columns != sin.columns || cos.rows < 2 || cos.columns < 1) return std::nullopt;
  RotaryForm form;
  form.scale = cos.values[0];
  if (!(form.scale > 0) || !std::isfinite(form.scale)) return std::nullopt;
  for (int64_t column = 0; column < cos.columns; ++column) {
    auto found = frequency(cos, sin, column, form.scale);
    if (!found) return std::nullopt;
    form.frequencies.push_back(*found);
  }
  return form;
}

//===- reading
//-----------------------------------------------------------------------------------------------------===//

Attribute RotaryTables::resolve(Attribute table) {
  auto symbol = dyn_cast_or_null<FlatSymbolRefAttr>(table);
  auto recipe = symbol ? module.lookupSymbol<weights::RecipeOp>(symbol.getAttr()) : weights::RecipeOp();
  if (!recipe) return table;
  Operation *made = recipe.getResult().getDefiningOp();
  if (auto load = dyn_cast<weights::LoadOp>(made)) return load.getSourceAttr();
  if (auto constant = dyn_cast<weights::ConstantOp>(made)) return constant.getValue();
  return table;
}

static RankedTensorType typeOf(ModuleOp module, Attribute table) {
  if (auto elements = dyn_cast_or_null<ElementsAttr>(table)) return dyn_cast<RankedTensorType>(elements.getType());
  auto symbol = dyn_cast_or_null<FlatSymbolRefAttr>(table);
  if (!symbol) return {};
  if (auto source = module.lookupSymbol<weights::SourceOp>(symbol.getAttr()))
    return dyn_cast<RankedTensorType>(source.getType());
  auto recipe = module.lookupSymbol<weights::RecipeOp>(symbol.getAttr());
  return recipe ? recipe.getResultType() : RankedTensorType();
}

ArrayRef<int64_t> RotaryTables::fullShape(Attribute table) {
  RankedTensorType type = typeOf(module, resolve(table));
  return type && isa<FloatType>(type.getElementType()) ? type.getShape() : ArrayRef<int64_t>();
}

std::optional<std::pair<int64_t, int64_t>> RotaryTables::shape(Attribute table) {
  ArrayRef<int64_t> shape = fullShape(table);
  while (shape.size() > 2 && shape.front() == 1) shape = shape.drop_front();
  if (shape.size() < 2) return std::nullopt;
  int64_t columns = 1;
  for (int64_t size : shape.drop_front()) columns *= size;
  return std::pair(shape.front(), columns);
}

static float widen(const char *bytes, Type type) {
  if (type.isF32()) {
    float value;
    return std::memcpy(&value, bytes, 4), value;
  }
  uint16_t half;
  std::memcpy(&half, bytes, 2);
  if (type.isF16()) return float(llvm::bit_cast<_Float16>(half));
  return llvm::bit_cast<float>(uint32_t(half) << 16);
}

static FloatTable decode(RankedTensorType type, std::pair<int64_t, int64_t> shape, StringRef bytes) {
  Type element = type.getElementType();
  FloatTable table{shape.first, shape.second, {}, std::ldexp(1.0, element.isF32() ? -23 : element.isF16() ? -10 : -7)};
  size_t count = type.getNumElements(), width = element.getIntOrFloatBitWidth() / 8;
  table.values.resize(count);
  for (size_t k = 0; k < count; ++k) table.values[k] = widen(bytes.data() + k * width, element);
  if (element.isF32()) table.unit = 0; // inside the tolerance already
  return table;
}

std::optional<FloatTable> RotaryTables::readFile(Attribute table) {
  RankedTensorType type = typeOf(module, table);
  auto matrix = shape(table);
  if (!matrix || !type.hasStaticShape() ||
      !(type.getElementType().isF32() || type.getElementType().isF16() || type.getElementType().isBF16()))
    return std::nullopt;
  if (auto dense = dyn_cast<DenseElementsAttr>(table)) {
    if (dense.isSplat()) return std::nullopt; // no rotation at all
    ArrayRef<char> bytes = dense.getRawData();
    return decode(type, *matrix, StringRef(bytes.data(), bytes.size()));
  }
  auto symbol = dyn_cast<FlatSymbolRefAttr>(table);
  auto source = symbol ? module.lookupSymbol<weights::SourceOp>(symbol.getAttr()) : weights::SourceOp();
  if (!source) return std::nullopt;
  llvm::SmallString<128> path(modelFile);
  if (!source.getFile().empty()) {
    llvm::sys::path::remove_filename(path);
    llvm::sys::path::append(path, source.getFile());
  }
  uint64_t length = type.getNumElements() * (type.getElementTypeBitWidth() / 8);
  auto file = llvm::MemoryBuffer::getFileSlice(path, length, source.getOffset());
  if (!file || (*file)->getBufferSize() != length || uint64_t(source.getLength()) != length) {
    problem = ("cannot read the rotary table '" + symbol.getValue() + "' in '" + path + "'").str();
    return std::nullopt;
  }
  return decode(type, *matrix, (*file)->getBuffer());
}

const FloatTable *RotaryTables::read(Attribute table) {
  table = resolve(table);
  auto [place, added] = known.try_emplace(table);
  if (added) place->second = readFile(table);
  return place->second ? &*place->second : nullptr;
}

bool RotaryTables::sameColumn(Attribute a, int64_t columnA, Attribute b, int64_t columnB) {
  a = resolve(a), b = resolve(b);
  if (a == b && columnA == columnB) return true;
  auto key = std::tuple(const_cast<void *>(a.getAsOpaquePointer()), columnA, const_cast<void *>(b.getAsOpaquePointer()),
                        columnB);
  auto [place, added] = compared.try_emplace(key, false);
  if (!added) return place->second;
  if (!read(a) || !read(b)) return place->second = !problem.empty() && shape(a) == shape(b);
  const FloatTable &x = *read(a), &y = *read(b); // both are known by now: the map does not grow
  bool same = x.rows == y.rows && columnA < x.columns && columnB < y.columns;
  for (int64_t row = 0; same && row < x.rows; ++row)
    same = x.values[row * x.columns + columnA] == y.values[row * y.columns + columnB];
  return place->second = same;
}

std::string RotaryTables::takeProblem() {
  if (told || problem.empty()) return {};
  told = true;
  return problem;
}

static FloatTable selected(const FloatTable &table, ArrayRef<int64_t> columns, int64_t first) {
  FloatTable result{table.rows - first, int64_t(columns.size()), {}, table.unit};
  for (int64_t row = first; row < table.rows; ++row)
    for (int64_t column : columns) result.values.push_back(table.values[row * table.columns + column]);
  return result;
}

std::optional<RotaryForm> RotaryTables::recover(Attribute cos, ArrayRef<int64_t> cosColumns, Attribute sin,
                                                ArrayRef<int64_t> sinColumns, int64_t first) {
  if (!read(cos) || !read(sin)) return std::nullopt;
  return recoverRotary(selected(*read(cos), cosColumns, first), selected(*read(sin), sinColumns, first));
}
