// arrays of samples and of what is to be said of them → Dataset.
#pragma once

#include <filesystem>
#include <string_view>

#include "data/gzip.h"
#include "data/npy.h"
#include "soma/dataset.h"
#include "soma/error.h"

namespace soma {

/// Samples [n, f], [n, h, w], [n, h, w, c] or [n, c, h, w], as a model or config of images has them; rows of as many numbers
/// become images. Where the shape alone has to tell, channels come first when they are at most 4 and the last axis is longer, and
/// a note says so; where even that does not tell, the error says what to add.
[[nodiscard]] Result<Dataset> dataset_of(NpyArray samples, std::string_view origin, const DataOptions& options);

/// The same from the bytes of an NPY file. From `mapped_from` bytes on samples that lie as they are wanted stay there, as long as
/// somebody holds the data set or a part of it.
[[nodiscard]] Result<Dataset> dataset_of(const FileBytes& file, std::string_view origin, const DataOptions& options,
                                         std::size_t mapped_from = kMappedFrom);

/// Targets [n], [n, 1] or [n, m] of a data set: classes where they are whole numbers, words, or hold one 1 in every row; other
/// zeros and ones are labels, anything else values, unless options.task says. `names` are classes' or targets'.
[[nodiscard]] Result<void> set_targets(Dataset& dataset, NpyArray targets, std::string_view origin, const DataOptions& options,
                                       const std::vector<std::string>& names);

/// An NPY file with targets from FILE.labels.npy beside it, or y_train.npy beside X_train.npy; class names from FILE.classes.txt,
/// a line each.
[[nodiscard]] Result<Dataset> load_npy(const std::filesystem::path& file, const FileBytes& contents, const DataOptions& options);

/// The same without labels; one sample alone, [f], [h, w], [h, w, c] or [c, h, w], is taken when it has options' image shape or
/// columns.
[[nodiscard]] Result<Dataset> npy_samples(std::string_view bytes, std::string_view origin, const DataOptions& options);

}  // namespace soma
