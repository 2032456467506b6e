// (seed, stream, index) → numbers: Philox4x32-10, a pure function that any thread may ask in any order.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

namespace soma {

/// Streams keep uses of one seed apart. A stream may be offset by an epoch or layer number.
enum class Stream : std::uint32_t {
  weights = 0x10000000,
  shuffle = 0x20000000,
  augment = 0x30000000,
  dropout = 0x40000000,
  digits = 0x50000000,
  split = 0x60000000,
  test = 0x70000000
};

inline constexpr std::uint32_t stream(Stream use, std::uint64_t offset = 0) {
  return static_cast<std::uint32_t>(use) + static_cast<std::uint32_t>(offset & 0x0fffffff);
}

/// Four 32-bit numbers. Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as 1, 2, 3 (SC11).
inline std::array<std::uint32_t, 4> philox(std::uint64_t seed, std::uint32_t stream, std::uint64_t index) noexcept {
  std::uint32_t key0 = static_cast<std::uint32_t>(seed), key1 = static_cast<std::uint32_t>(seed >> 32);
  std::array<std::uint32_t, 4> x = {static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32), stream, 0};
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * x[0], b = std::uint64_t{0xCD9E8D57} * x[2];
    x = {static_cast<std::uint32_t>(b >> 32) ^ x[1] ^ key0, static_cast<std::uint32_t>(b),
         static_cast<std::uint32_t>(a >> 32) ^ x[3] ^ key1, static_cast<std::uint32_t>(a)};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return x;
}

inline std::uint32_t random_u32(std::uint64_t seed, std::uint32_t stream, std::uint64_t index) noexcept {
  return philox(seed, stream, index)[0];
}

/// [0, 1) with 24 bits.
inline double random_unit(std::uint64_t seed, std::uint32_t stream, std::uint64_t index) noexcept {
  return (random_u32(seed, stream, index) >> 8) * 0x1p-24;
}

/// [0, bound), bound ≤ 2³²; bias below 2⁻³² · bound (Lemire's multiply-shift).
inline std::uint64_t random_below(std::uint64_t bound, std::uint64_t seed, std::uint32_t stream, std::uint64_t index) noexcept {
  const auto x = philox(seed, stream, index);
  return (x[1] * bound + ((x[0] * bound) >> 32)) >> 32;  // the top 64 of 128 bits; no sum overflows while bound ≤ 2³²
}

/// Standard normal (Box & Muller).
inline double random_normal(std::uint64_t seed, std::uint32_t stream, std::uint64_t index) noexcept {
  const auto x = philox(seed, stream, index);
  const double u = (x[0] + 1.0) * 0x1p-32, v = x[1] * 0x1p-32;
  return std::sqrt(-2 * std::log(u)) * std::cos(6.283185307179586 * v);
}

}  // namespace soma
