// CSV text → Dataset: dialect and header found, columns typed, words indexed, labels named.
#pragma once

#include <string>
#include <string_view>

#include "soma/dataset.h"

namespace soma {

/// Every column but the label's is an input, as far as lay_out_table takes it. A column whose cells are mostly words becomes one
/// with categories (sorted); in any other a word is an error. Cells without a value become NaN. Classes are the label's texts as
/// they stand, sorted, as numbers where all are numbers.
/// With options.columns the columns are those, found by name under a header, by position without one, and a label column may be
/// missing when !options.labelled. With options.image_shape or row_shape rows of as many numbers become images.
[[nodiscard]] Result<Dataset> parse_table(std::string bytes, std::string_view origin, const DataOptions& options);

}  // namespace soma
