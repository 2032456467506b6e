// a directory with one sub-directory of PNG and JPEG files per class → Dataset.
#pragma once

#include <filesystem>

#include "soma/dataset.h"

namespace soma {

/// Classes are the sub-directories in sorted order, as numbers where all are numbers (or options.class_names); samples the files
/// in and below them in sorted order. All are brought to options.image_shape, or else to options.size or the commonest size. What
/// is left out is counted in the notes.
[[nodiscard]] Result<Dataset> load_image_folder(const std::filesystem::path& directory, const DataOptions& options);

/// DIR/train where a folder holds that and a part for tests; empty otherwise. `test`: that part instead.
[[nodiscard]] Result<std::filesystem::path> part_of_folder(const std::filesystem::path& directory, bool test);

}  // namespace soma
