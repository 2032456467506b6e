// bytes ↔ a file: read whole, or replaced so that a kill at any moment leaves the old or the new one.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "soma/error.h"

namespace soma {

/// The whole file. Errors name the file and the system's reason. Refuses directories and more than `limit` bytes.
[[nodiscard]] Result<std::string> read_file(const std::filesystem::path& file, std::size_t limit = std::size_t{1} << 33);

/// Replaces `file` by the chunks, one after the other: temporary file in the same directory, write, fsync, rename, fsync of the
/// directory. On failure (full disk, no permission) the temporary file is removed and the old file is untouched.
[[nodiscard]] Result<void> write_file(const std::filesystem::path& file, std::span<const std::span<const std::byte>> chunks);
[[nodiscard]] Result<void> write_file(const std::filesystem::path& file, std::string_view contents);

/// Makes the directory and its parents.
[[nodiscard]] Result<void> make_directory(const std::filesystem::path& directory);

}  // namespace soma
