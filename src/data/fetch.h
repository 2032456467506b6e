// a set's files by name and SHA-256 + mirrors → those files in a directory, each whole or not there.
#pragma once

#include <filesystem>
#include <functional>
#include <string_view>
#include <vector>

#include "soma/error.h"

namespace soma {

struct RemoteFile {
  std::string_view name, sha256;
};

struct RemoteSet {
  std::string_view name;
  std::vector<std::string_view> mirrors;  ///< tried in this order, unless $SOMA_MIRROR names another
  std::vector<RemoteFile> files;
};

/// What fetch_dataset() does for one of the sets it knows.
[[nodiscard]] Result<std::filesystem::path> fetch(const RemoteSet& set, const std::function<void(std::string_view)>& progress);

}  // namespace soma
