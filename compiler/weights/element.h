// Element types of tensors in memory, and conversions between them. Sub-byte types are unpacked to i8/u8 when read.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ingot {

enum class Element : uint8_t { f32, f16, bf16, f64, i8, u8, i16, u16, i32, u32, i64, u64 };

size_t elementBytes(Element element);
bool isFloat(Element element);

/// Converts `count` elements; `from` and `to` do not overlap. Float to float rounds to nearest even (f64 by way of
/// f32), integer to float rounds once to f32, float to integer truncates and saturates (NaN: 0), integer to integer
/// wraps.
void convertElements(Element fromType, const void *from, Element toType, void *to, size_t count);

} // namespace ingot
