// nothing → a directory for files that an experiment needs only while it runs.
#include "lab/scratch_directory.h"

#include <fmt/format.h>

#include <cstdlib>

namespace soma {

Result<ScratchDirectory> ScratchDirectory::create(std::string_view name) {
  std::error_code failed;  // then the pattern is one in the working directory
  std::string pattern = (std::filesystem::temp_directory_path(failed) / fmt::format("soma-{}-XXXXXX", name)).string();
  if (mkdtemp(pattern.data()) == nullptr)
    return Error{Error::Kind::io, fmt::format("{}: wanted a temporary directory, got none; try setting TMPDIR", pattern)};
  return ScratchDirectory(std::filesystem::path(pattern));
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;  // what stays behind lies in a directory for such things
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace soma
