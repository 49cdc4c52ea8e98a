#include "compiler/weights/element.h"

#include "compiler/weights/float16.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

namespace ingot {
namespace {

struct Half {
  uint16_t bits;
};
struct Bfloat {
  uint16_t bits;
};

template <typename T>
inline constexpr bool isFloating = std::is_same_v<T, Half> || std::is_same_v<T, Bfloat> || std::is_floating_point_v<T>;

template <typename T> float toFloat(T value) {
  if constexpr (std::is_same_v<T, Half>)
    return floatFromHalf(value.bits);
  else if constexpr (std::is_same_v<T, Bfloat>)
    return floatFromBfloat(value.bits);
  else
    return float(value);
}

template <typename T> T fromFloat(float value) {
  if constexpr (std::is_same_v<T, Half>)
    return {halfFromFloat(value)};
  else if constexpr (std::is_same_v<T, Bfloat>)
    return {bfloatFromFloat(value)};
  else if constexpr (std::is_floating_point_v<T>)
    return T(value);
  else {
    if (std::isnan(value)) return 0;
    if (value <= float(std::numeric_limits<T>::min())) return std::numeric_limits<T>::min();
    if (value >= float(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
    return T(value);
  }
}

template <typename From, typename To> void convert(const void *from, void *to, size_t count) {
  const char *source = static_cast<const char *>(from);
  char *target = static_cast<char *>(to);
  for (size_t i = 0; i < count; ++i) {
    From value;
    std::memcpy(&value, source + i * sizeof(From), sizeof(From));
    To result;
    if constexpr (!isFloating<From> && !isFloating<To>)
      result = To(value);
    else if constexpr (std::is_same_v<From, To>)
      result = value;
    else
      result = fromFloat<To>(toFloat(value));
    std::memcpy(target + i * sizeof(To), &result, sizeof(To));
  }
}

// Calls f with a value of the C++ type behind `element`.
template <typename F> decltype(auto) dispatch(Element element, F &&f) {
  switch (element) {
  case Element::f32:
    return f(float());
  case Element::f16:
    return f(Half());
  case Element::bf16:
    return f(Bfloat());
  case Element::f64:
    return f(double());
  case Element::i8:
    return f(int8_t());
  case Element::u8:
    return f(uint8_t());
  case Element::i16:
    return f(int16_t());
  case Element::u16:
    return f(uint16_t());
  case Element::i32:
    return f(int32_t());
  case Element::u32:
    return f(uint32_t());
  case Element::i64:
    return f(int64_t());
  case Element::u64:
    return f(uint64_t());
  }
  __builtin_unreachable();
}

} // namespace

size_t elementBytes(Element element) {
  return dispatch(element, [](auto value) { return sizeof(value); });
}

bool isFloat(Element element) {
  return dispatch(element, [](auto value) { return isFloating<decltype(value)>; });
}

void convertElements(Element fromType, const void *from, Element toType, void *to, size_t count) {
  if (fromType == toType) {
    if (count) std::memcpy(to, from, count * elementBytes(fromType));
    return;
  }
  dispatch(fromType, [&](auto source) {
    dispatch(toType, [&](auto target) { convert<decltype(source), decltype(target)>(from, to, count); });
  });
}

} // namespace ingot
