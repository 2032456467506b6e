// bytes → the members of a ZIP archive, stored or deflated. Trusts no length field.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "soma/error.h"

namespace soma {

/// A member as the archive's directory has it; `packed` borrows the archive's bytes.
struct ZipMember {
  std::string name;
  std::string_view packed;
  std::size_t size = 0;     ///< unpacked
  std::uint32_t check = 0;  ///< CRC-32 of what is unpacked
  bool deflated = false;
};

/// True when the bytes begin as an archive with members does.
bool is_zip(std::string_view bytes);

/// The directory of an archive (APPNOTE.TXT 6.3.10, with its 64-bit sizes). Refuses encrypted members, other methods than stored
/// and deflated, and members that lie outside of the archive.
[[nodiscard]] Result<std::vector<ZipMember>> parse_zip(std::string_view archive, std::string_view origin);

/// A member unpacked and checked. Refuses more than `limit` bytes.
[[nodiscard]] Result<std::string> unpack(const ZipMember& member, std::string_view origin, std::size_t limit);

}  // namespace soma
