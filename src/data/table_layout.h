// the survey of a table → which of its columns are inputs, which is the label, and what a person should know about it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "data/table_survey.h"

namespace soma {

inline constexpr std::size_t kNoColumn = static_cast<std::size_t>(-1);

/// Where an input comes from, and how its cells are read.
struct TableInput {
  std::size_t source = 0;  ///< column in the file
  bool words = false;
  std::string date = {};  ///< as Column has it
  double origin = 0;      ///< as Column has it
};

/// Which cell goes where. Columns are those of the file, kNoColumn where there is none.
struct TableLayout {
  std::vector<std::string> names;  ///< of every column in the file
  std::vector<TableInput> inputs;
  std::size_t label = kNoColumn;          ///< classes, or what may yet turn out to be values
  std::vector<std::size_t> targets = {};  ///< values or several labels
  Task task = Task::classes;
  std::size_t weights = kNoColumn, group = kNoColumn;
  bool by_position = false;             ///< nothing in the file names the columns that are known
  std::vector<std::string> notes = {};  ///< what was decided and left out
};

std::size_t find_name(const std::vector<std::string>& names, std::string_view name);

/// Without options.columns a column is left out when it is empty, an unnamed row number, dates, or as many words as rows, unless
/// options.only names it. Fails on a name twice, on names that are not there, and on cells of one column that disagree.
[[nodiscard]] Result<TableLayout> lay_out_table(const Survey& survey, const DataOptions& options, std::string_view origin);

}  // namespace soma
