// Type numbers are TensorProto.DataType's; 17 and up are newer than the onnx.proto that we build with.
#include "compiler/import/ElementTypes.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

Type ingot::elementType(MLIRContext &context, int32_t onnxType) {
  auto integer = [&](unsigned bits) -> Type { return IntegerType::get(&context, bits); };
  auto natural = [&](unsigned bits) -> Type { return IntegerType::get(&context, bits, IntegerType::Unsigned); };
  switch (onnxType) {
  case 1:
    return Float32Type::get(&context);
  case 2:
    return natural(8);
  case 3:
    return integer(8);
  case 4:
    return natural(16);
  case 5:
    return integer(16);
  case 6:
    return integer(32);
  case 7:
    return integer(64);
  case 9:
    return integer(1);
  case 10:
    return Float16Type::get(&context);
  case 11:
    return Float64Type::get(&context);
  case 12:
    return natural(32);
  case 13:
    return natural(64);
  case 16:
    return BFloat16Type::get(&context);
  case 21:
    return natural(4);
  case 22:
    return integer(4);
  default:
    return {};
  }
}

std::string ingot::elementTypeName(int32_t onnxType) {
  static constexpr const char *names[] = {"undefined",      "float",    "uint8",        "int8",           "uint16",
                                          "int16",          "int32",    "int64",        "string",         "bool",
                                          "float16",        "double",   "uint32",       "uint64",         "complex64",
                                          "complex128",     "bfloat16", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2",
                                          "float8e5m2fnuz", "uint4",    "int4",         "float4e2m1"};
  if (onnxType >= 0 && size_t(onnxType) < std::size(names)) return names[onnxType];
  return "type " + std::to_string(onnxType);
}

unsigned ingot::storageBits(Type element) { return element.isInteger(1) ? 8 : element.getIntOrFloatBitWidth(); }

RankedTensorType ingot::checkedTensorType(ArrayRef<int64_t> dims, Type element) {
  uint64_t bits = storageBits(element);
  for (int64_t dim : dims) {
    if (dim == ShapedType::kDynamic) continue;
    if (dim < 0) return {};
    // A zero dim must not hide the others' overflow: products of any subset are taken later.
    bool overflowed = false;
    bits = llvm::SaturatingMultiply(bits, uint64_t(std::max<int64_t>(dim, 1)), &overflowed);
    if (overflowed || bits > uint64_t(1) << 62) return {};
  }
  return RankedTensorType::get(dims, element);
}

uint64_t ingot::storageBytes(RankedTensorType type) {
  return (uint64_t(type.getNumElements()) * storageBits(type.getElementType()) + 7) / 8;
}
