// a directory with one sub-directory of PNG and JPEG files per class → Dataset.
#pragma once

#include <filesystem>

#include "soma/dataset.h"

namespace soma {

/// Classes are the sub-directories in sorted order (or options.class_names), samples the files in sorted order. All are brought
/// to options.image_shape, or else to the shape of the first.
[[nodiscard]] Result<Dataset> load_image_folder(const std::filesystem::path& directory, const DataOptions& options);

}  // namespace soma
