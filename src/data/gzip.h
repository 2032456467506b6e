// file, plain or gzip → its bytes. Trusts no length field.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "core/file.h"
#include "soma/error.h"

namespace soma {

/// The largest file, unpacked, that is read into memory.
inline constexpr std::size_t kUnpackedLimit = std::size_t{1} << 34;

/// From this size on a file that is not packed is mapped, and its samples may stay where they are.
inline constexpr std::size_t kMappedFrom = std::size_t{1} << 26;

/// True when the bytes begin as a gzip member does (RFC 1952).
bool is_gzip(std::string_view bytes);

/// All members of a gzip file, one after the other. Refuses more than `limit` bytes, wrong checksums and trailing garbage.
[[nodiscard]] Result<std::string> gunzip(std::string_view packed, std::string_view origin, std::size_t limit = kUnpackedLimit);

/// The contents of a file, unpacked when it is gzip, whatever its name.
[[nodiscard]] Result<std::string> read_plain_or_gzip(const std::filesystem::path& file);

/// The same, mapped when it is large and not packed.
[[nodiscard]] Result<FileBytes> map_plain_or_gzip(const std::filesystem::path& file);

}  // namespace soma
