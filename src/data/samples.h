// bytes of one PNG, JPEG, CSV or NPY → samples without labels, as a model wants them.
#pragma once

#include <string_view>

#include "soma/dataset.h"
#include "soma/error.h"

namespace soma {

/// What load_samples does for a file, for bytes that are in memory already; errors begin with `origin`.
[[nodiscard]] Result<Dataset> parse_samples(std::string_view bytes, std::string_view origin, const DataOptions& options);

}  // namespace soma
