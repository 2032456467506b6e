// cells of JSON or BYTES tensors, or CSV → rows of floats as a model's columns want them.
#pragma once

#include <memory_resource>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "serve/budget.h"
#include "serve/tensor_data.h"
#include "soma/dataset.h"

namespace soma {

/// Cells put together as the CSV that says the same, so that whatever a table's reader does with words, unknown words and empty
/// cells is done here too. The first line names the columns.
class TableText {
 public:
  TableText(const std::vector<Column>& columns, std::pmr::memory_resource* memory);
  /// The next cell of the row, exactly so.
  void cell(std::string_view text);
  void end_row();
  [[nodiscard]] std::string_view view() const { return text_; }

 private:
  std::pmr::string text_;
  bool begun_ = false;
};

/// Appends all rows to `values`, NaN for a cell without a value where `options` lets it be; errors begin with `who` and name row
/// and column. `made`: the text is a TableText's, whose first line does not count. What reading takes is counted in `budget`
/// meanwhile.
[[nodiscard]] Result<void> read_table(std::string_view text, std::string_view who, const DataOptions& options, bool made,
                                      http::Budget& budget, Floats& values);

/// At most what the reader of a table takes beside the text itself, in bytes.
std::size_t memory_to_read_table(std::string_view text);

}  // namespace soma
