// 16 bits ↔ float: the two half-precision formats that files hold.
#pragma once

#include <bit>
#include <cstdint>

namespace soma {

/// IEEE 754 binary16 and bfloat16, rounded to nearest, ties to even. NaN stays NaN.
[[nodiscard]] float from_half(std::uint16_t bits);
[[nodiscard]] std::uint16_t to_half(float value);
[[nodiscard]] inline float from_bfloat(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }
[[nodiscard]] std::uint16_t to_bfloat(float value);

}  // namespace soma
