// bytes ↔ a file: read whole, or replaced so that a kill at any moment leaves the old or the new one.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "soma/error.h"
#include "soma/file.h"

namespace soma {

/// The whole file. Errors name the file and the system's reason. Refuses directories and more than `limit` bytes.
[[nodiscard]] Result<std::string> read_file(const std::filesystem::path& file, std::size_t limit = std::size_t{1} << 33);

class FileMapping;

/// A file's bytes, and what keeps them. Copies share them.
struct FileBytes {
  std::shared_ptr<const void> owner;
  std::string_view bytes;
  const FileMapping* mapping = nullptr;  ///< within `owner` when the file is mapped; null = the bytes are a copy

  /// Fails when the file was written to after it was mapped, by its name. That of a copy is nobody's business.
  [[nodiscard]] Result<void> unchanged() const;
};

/// The whole file, mapped where the system can do that and read otherwise: for files that are too large to be copied. Whoever
/// cuts a mapped file short has those who read there get a SIGBUS.
[[nodiscard]] Result<FileBytes> map_file(const std::filesystem::path& file);

/// Replaces `file` by the chunks, one after the other: temporary file in the same directory, write, fsync, rename, fsync of the
/// directory. On failure (full disk, no permission) the temporary file is removed and the old file is untouched. A symbolic link
/// is followed; a file that was there hands on its mode and owner. What is no file (a terminal, a pipe, a device) is written to.
[[nodiscard]] Result<void> write_file(const std::filesystem::path& file, std::span<const std::span<const std::byte>> chunks);
[[nodiscard]] Result<void> write_file(const std::filesystem::path& file, std::string_view contents);

/// Removes what write_file(file) leaves behind when it is killed. Only for who alone writes there: others' files look the same.
[[nodiscard]] Result<void> remove_leftovers(const std::filesystem::path& file);

/// So that a power cut does not undo what was made, renamed or removed in it.
[[nodiscard]] Result<void> sync_directory(const std::filesystem::path& directory);

}  // namespace soma
