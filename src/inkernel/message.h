// a sample ↔ the message that asks for its class, and the answer: docs/in-kernel.md has the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "soma/error.h"
#include "soma/kernel.h"

namespace soma::message {

/// Offsets of the header, little-endian throughout.
inline constexpr std::int64_t kMagic = 0, kVersion = 4, kKind = 5, kType = 6, kFlags = 7, kId = 8, kModel = 16, kCount = 20,
                              kClass = 22, kPosition = 24, kSums = 32, kHeader = 40;
inline constexpr std::uint32_t kMagicWord = 0x616d6f73;                              // "soma"
inline constexpr std::uint8_t kFormat = 1, kQuestion = 1, kAnswer = 2, kStream = 1;  // the last in kFlags

inline constexpr std::int64_t bytes_of(ValueType type) { return type == ValueType::byte ? 1 : type == ValueType::int16 ? 2 : 4; }

/// Whole words: what a checksum covers behind the header.
inline constexpr std::int64_t value_bytes(ValueType type, std::int64_t count) { return (bytes_of(type) * count + 3) / 4 * 4; }

/// A well-formed question, as the program in the kernel takes it; `values` looks into the payload.
struct Question {
  ValueType type = ValueType::byte;
  std::uint64_t id = 0;
  std::uint32_t model = 0;  ///< 0: any
  std::int64_t count = 0;
  std::optional<std::uint64_t> position;  ///< of a stream: of the first value
  std::span<const std::uint8_t> values;
};
/// Fails on everything that the program in the kernel passes on.
[[nodiscard]] Result<Question> read_question(std::span<const std::uint8_t> payload);
std::vector<std::uint8_t> make_answer(const KernelAnswer& answer);

/// Fletcher's two sums over the 32-bit words of `covered`, each folded into 32 bits.
std::uint64_t checksum(std::span<const std::uint8_t> header, std::span<const std::uint8_t> values);

}  // namespace soma::message
