// element types → their sizes, names and numbers in ONNX, and C++ code for each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/half_float.h"
#include "soma/graph.h"

namespace soma {

/// In memory; 0 for strings.
[[nodiscard]] std::size_t element_bytes(ElementType type);
[[nodiscard]] std::optional<ElementType> element_type(std::int32_t onnx);

/// Sets of types, one bit each.
using TypeSet = std::uint32_t;
[[nodiscard]] constexpr TypeSet bit(ElementType type) { return TypeSet{1} << static_cast<int>(type); }
inline constexpr TypeSet kReal = bit(ElementType::f32) | bit(ElementType::f64) | bit(ElementType::f16) | bit(ElementType::bf16);
inline constexpr TypeSet kSigned = bit(ElementType::i8) | bit(ElementType::i16) | bit(ElementType::i32) | bit(ElementType::i64);
inline constexpr TypeSet kUnsigned = bit(ElementType::u8) | bit(ElementType::u16) | bit(ElementType::u32) | bit(ElementType::u64);
inline constexpr TypeSet kWhole = kSigned | kUnsigned;
inline constexpr TypeSet kNumbers = kReal | kWhole;
inline constexpr TypeSet kBoolean = bit(ElementType::boolean);
inline constexpr TypeSet kBytes = bit(ElementType::i8) | bit(ElementType::u8);
inline constexpr TypeSet kAny = kNumbers | kBoolean | bit(ElementType::string);

template <class T>
inline constexpr ElementType kTypeOf = ElementType::string;
template <>
inline constexpr ElementType kTypeOf<float> = ElementType::f32;
template <>
inline constexpr ElementType kTypeOf<double> = ElementType::f64;
template <>
inline constexpr ElementType kTypeOf<std::int8_t> = ElementType::i8;
template <>
inline constexpr ElementType kTypeOf<std::int16_t> = ElementType::i16;
template <>
inline constexpr ElementType kTypeOf<std::int32_t> = ElementType::i32;
template <>
inline constexpr ElementType kTypeOf<std::int64_t> = ElementType::i64;
template <>
inline constexpr ElementType kTypeOf<std::uint8_t> = ElementType::u8;
template <>
inline constexpr ElementType kTypeOf<std::uint16_t> = ElementType::u16;
template <>
inline constexpr ElementType kTypeOf<std::uint32_t> = ElementType::u32;
template <>
inline constexpr ElementType kTypeOf<std::uint64_t> = ElementType::u64;
template <>
inline constexpr ElementType kTypeOf<bool> = ElementType::boolean;

/// Calls f.operator()<T>() for the one of Ts that `type` is; whether there was one.
template <class... Ts, class F>
bool with_type(ElementType type, F&& f) {
  return ((kTypeOf<Ts> == type && (f.template operator()<Ts>(), true)) || ...);
}
template <class F>
bool with_real(ElementType type, F&& f) {
  return with_type<float, double>(type, f);
}
template <class F>
bool with_number(ElementType type, F&& f) {
  return with_type<float, double, std::int8_t, std::int16_t, std::int32_t, std::int64_t, std::uint8_t, std::uint16_t,
                   std::uint32_t, std::uint64_t>(type, f);
}
template <class F>
bool with_number_or_boolean(ElementType type, F&& f) {
  return with_number(type, f) || with_type<bool>(type, f);
}

/// Calls f.operator()<T>() with a T of the same size: for code that moves elements and never looks at them.
template <class F>
void with_storage(ElementType type, F&& f) {
  switch (element_bytes(type)) {
    case 1:
      return f.template operator()<std::uint8_t>();
    case 2:
      return f.template operator()<std::uint16_t>();
    case 4:
      return f.template operator()<std::uint32_t>();
    case 8:
      return f.template operator()<std::uint64_t>();
    default:
      return f.template operator()<std::string>();
  }
}

}  // namespace soma
