// CSV text → Dataset: header found, columns typed, words indexed, labels named.
#pragma once

#include <string_view>

#include "soma/dataset.h"

namespace soma {

/// Every column but the label's is an input. A column whose cells are mostly words becomes one with categories (sorted); in any
/// other a word is an error. Classes are sorted too, as numbers where all are numbers.
/// With options.columns the columns are those, found by name under a header, by position without one, and a label column may be
/// missing when !options.labelled. With options.image_shape rows of as many numbers become images.
[[nodiscard]] Result<Dataset> parse_table(std::string_view text, std::string_view origin, const DataOptions& options);

}  // namespace soma
