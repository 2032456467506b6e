// a type's name + memory in either byte order → numbers of one kind: what IDX and NPY files hold.
#include "data/number_types.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>

namespace soma {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are read as little-endian memory");

/// Half precision (IEEE 754 binary16), of which nothing is wanted but its value.
struct Half {
  std::uint16_t bits;
};

double value(Half half) {
  const int exponent = half.bits >> 10 & 31, fraction = half.bits & 1023;
  const double size = exponent == 0    ? std::ldexp(fraction, -24)
                      : exponent == 31 ? (fraction == 0 ? HUGE_VAL : std::nan(""))
                                       : std::ldexp(fraction + 1024, exponent - 25);
  return (half.bits & 0x8000) != 0 ? -size : size;
}

template <class T>
T value(T number) {
  return number;
}

template <class T, class To>
void convert(const char* from, std::size_t count, bool swapped, To* to) noexcept {
  for (std::size_t i = 0; i < count; ++i, from += sizeof(T)) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, from, sizeof(T));
    if (swapped) std::reverse(bytes, bytes + sizeof(T));
    to[i] = static_cast<To>(value(std::bit_cast<T>(bytes)));
  }
}

template <class T>
constexpr NumberType type_of(std::string_view name) {
  NumberType type{name, sizeof(T), convert<T, float>, convert<T, double>};
  if constexpr (std::is_integral_v<T>) type.integers = convert<T, std::int64_t>;
  return type;
}

constexpr std::array kTypes = {type_of<std::uint8_t>("b1"),  type_of<std::uint8_t>("u1"),  type_of<std::int8_t>("i1"),
                               type_of<std::uint16_t>("u2"), type_of<std::int16_t>("i2"),  type_of<std::uint32_t>("u4"),
                               type_of<std::int32_t>("i4"),  type_of<std::uint64_t>("u8"), type_of<std::int64_t>("i8"),
                               type_of<Half>("f2"),          type_of<float>("f4"),         type_of<double>("f8")};

}  // namespace

const NumberType* number_type(std::string_view name) {
  const auto found = std::find_if(kTypes.begin(), kTypes.end(), [&](const NumberType& type) { return type.name == name; });
  return found == kTypes.end() ? nullptr : &*found;
}

}  // namespace soma
