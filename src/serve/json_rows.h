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

/// {"season":"autumn","temp":18}, a list of those, ["autumn",18], or a list of those → `cells`, a missing value and null as an
/// empty one. A key that is no column, a row without an end, a number where the column holds words and one beyond float32 are
/// errors.
[[nodiscard]] Result<void> parse_json_rows(std::string_view text, std::string_view who, const std::vector<Column>& columns,
                                           http::Budget& budget, TableText& cells);

/// Lists of numbers → `numbers`, row-major. They are nested as samples of `shape` are, or one sample is a flat list, or (of one
/// channel) rows and columns; or it is a list of such. A number beyond float32 is an error.
[[nodiscard]] Result<void> parse_json_numbers(std::string_view text, std::string_view who, const Shape& shape,
                                              http::Budget& budget, Floats& numbers);

}  // namespace soma
