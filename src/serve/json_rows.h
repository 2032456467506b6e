// JSON → rows for a model: an object with a value for each column, a list of numbers, or a list of such.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "serve/budget.h"
#include "serve/table.h"
#include "serve/tensor_data.h"
#include "soma/error.h"

namespace soma {

/// {"season":"autumn","temp":18}, a list of those, [1,2,3], or a list of those. With columns, rows go to `cells`, a missing value
/// and null as an empty cell; a key that is no column is an error. Without, `numbers` gets what the lists hold, however nested. A
/// number beyond float32 is an error.
[[nodiscard]] Result<void> parse_json_rows(std::string_view text, std::string_view who, const std::vector<Column>& columns,
                                           http::Budget& budget, Floats& numbers, TableText& cells);

}  // namespace soma
