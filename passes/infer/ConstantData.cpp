// Decoding by element type, whose bytes are little-endian and dense.
#include "passes/infer/ConstantData.h"
#include "dialects/weights/Weights.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <cstring>

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;

static constexpr int64_t MaxElements = int64_t(1) << 26;

template <typename T> static float numberAt(const char *bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return float(value);
}

/// How one element is read; null for types that are no plain numbers.
static float (*decoderOf(Type type))(const char *) {
  if (type.isF32()) return numberAt<float>;
  if (type.isF64()) return numberAt<double>;
  if (type.isF16()) return numberAt<_Float16>;
  if (type.isBF16())
    return [](const char *bytes) {
      uint16_t half;
      std::memcpy(&half, bytes, 2);
      return llvm::bit_cast<float>(uint32_t(half) << 16);
    };
  if (type.isUnsignedInteger(8) || type.isInteger(1)) return numberAt<uint8_t>;
  if (type.isInteger(8)) return numberAt<int8_t>;
  if (type.isInteger(32)) return numberAt<int32_t>;
  if (type.isInteger(64)) return numberAt<int64_t>;
  return nullptr;
}

static size_t widthOf(Type type) { return std::max(type.getIntOrFloatBitWidth() / 8, 1u); }

static std::optional<ConstantData> decode(RankedTensorType type, llvm::StringRef bytes) {
  auto number = decoderOf(type.getElementType());
  size_t width = number ? widthOf(type.getElementType()) : 0, count = type.getNumElements();
  if (!number || bytes.size() != count * width) return std::nullopt;
  ConstantData data{llvm::SmallVector<int64_t, 4>(type.getShape()), std::vector<float>(count)};
  for (size_t k = 0; k < count; ++k) data.values[k] = number(bytes.data() + k * width);
  return data;
}

static std::optional<ConstantData> decode(DenseElementsAttr dense) {
  auto type = cast<RankedTensorType>(dense.getType());
  ConstantData data{llvm::SmallVector<int64_t, 4>(type.getShape()), {}};
  data.values.reserve(type.getNumElements());
  if (type.getElementType().isInteger(1)) { // packed bits
    for (bool value : dense.getValues<bool>()) data.values.push_back(value);
    return data;
  }
  auto number = decoderOf(type.getElementType());
  if (!number) return std::nullopt;
  ArrayRef<char> bytes = dense.getRawData();
  size_t width = widthOf(type.getElementType()), step = dense.isSplat() ? 0 : width;
  for (int64_t k = 0; k < type.getNumElements(); ++k) data.values.push_back(number(bytes.data() + k * step));
  return data;
}

std::optional<ConstantData> ingot::infer::readConstant(ModuleOp module, llvm::StringRef modelFile, Attribute array) {
  auto small = [](RankedTensorType type) {
    return type && type.hasStaticShape() && type.getNumElements() > 0 && type.getNumElements() <= MaxElements;
  };
  if (auto dense = dyn_cast_or_null<DenseElementsAttr>(array))
    return small(dyn_cast<RankedTensorType>(dense.getType())) ? decode(dense) : std::nullopt;
  auto symbol = dyn_cast_or_null<FlatSymbolRefAttr>(array);
  auto source = symbol ? module.lookupSymbol<weights::SourceOp>(symbol.getAttr()) : weights::SourceOp();
  auto type = source ? dyn_cast<RankedTensorType>(source.getType()) : RankedTensorType();
  if (!small(type) || !decoderOf(type.getElementType())) return std::nullopt;
  llvm::SmallString<128> path(modelFile);
  if (!source.getFile().empty()) {
    llvm::sys::path::remove_filename(path);
    llvm::sys::path::append(path, source.getFile());
  }
  uint64_t length = type.getNumElements() * widthOf(type.getElementType());
  if (uint64_t(source.getLength()) != length) return std::nullopt;
  auto file = llvm::MemoryBuffer::getFileSlice(path, length, source.getOffset());
  if (!file || (*file)->getBufferSize() != length) return std::nullopt;
  return decode(type, (*file)->getBuffer());
}
