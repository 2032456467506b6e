// a data set's name → the files it lies in, as its directory has them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "soma/dataset.h"

namespace soma {

/// "mnist:test" → {"mnist", "test"}; "iris" → {"iris", ""}.
struct SourceName {
  std::string_view name, split;
};
SourceName split_name(std::string_view source);

/// The known set of that name, or null.
const KnownDataset* known_dataset(std::string_view name);

/// The directories that names are looked for in: those of $SOMA_DATA, ~/.cache/soma, /usr/share.
std::vector<std::filesystem::path> data_directories();

/// Where a fetched set is put: the first directory of $SOMA_DATA that can be written, else ~/.cache/soma; empty without a home.
std::filesystem::path download_directory();

/// The image file of one split of MNIST's four files in a directory, gz or not; empty when any of that split's two is missing.
[[nodiscard]] Result<std::filesystem::path> mnist_images(const std::filesystem::path& directory, std::string_view split);

/// "SOMA_DATA/mnist, ~/.cache/soma/mnist or /usr/share/mnist": where somebody may put a set by hand.
std::string places_for(std::string_view name);

}  // namespace soma
