// bytes → a TFRecord: length, payload, and the checksums its readers look at.
#include "report/record.h"

#include <array>

namespace soma::report {
namespace {

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1U) != 0 ? crc >> 1U ^ 0x82F63B78U : crc >> 1U;
    table[i] = crc;
  }
  return table;
}

template <class Number>
void append(std::string& text, Number number) {
  for (std::size_t i = 0; i < sizeof(Number); ++i) text += static_cast<char>(number >> (8 * i) & 0xFFU);
}

/// A CRC over bytes that hold a CRC says little: rotated and shifted it does.
std::uint32_t masked(std::uint32_t crc) { return (crc >> 15U | crc << 17U) + 0xA282EAD8U; }

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  static constexpr auto table = make_table();
  std::uint32_t crc = ~0U;
  for (const char c : bytes) crc = crc >> 8U ^ table[(crc ^ static_cast<unsigned char>(c)) & 0xFFU];
  return ~crc;
}

std::string record(std::string_view payload) {
  std::string text;
  append(text, std::uint64_t{payload.size()});
  append(text, masked(crc32c(text)));
  text += payload;
  append(text, masked(crc32c(payload)));
  return text;
}

}  // namespace soma::report
