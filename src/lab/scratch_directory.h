// nothing → a directory for files that an experiment needs only while it runs.
#pragma once

#include <filesystem>
#include <string_view>
#include <utility>

#include "soma/error.h"

namespace soma {

/// Made under the system's place for temporary files; removed at the end with all that is in it.
class ScratchDirectory {
 public:
  [[nodiscard]] static Result<ScratchDirectory> create(std::string_view name);
  ScratchDirectory(ScratchDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ScratchDirectory& operator=(ScratchDirectory&&) = delete;
  ~ScratchDirectory();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  explicit ScratchDirectory(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

}  // namespace soma
