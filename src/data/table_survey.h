// a first pass over a table of text → what its header, columns and cells are.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "data/csv.h"
#include "soma/dataset.h"

namespace soma {

/// Whether a cell stands for no value: empty, NA, NaN, null, ?, one of `words`; as an input also "-".
bool is_missing(std::string_view text, const std::vector<std::string>& words);

/// The name of a column as the file has it: "when" for the input "when.year".
std::string source_name(const Column& column);

/// The columns of the file that these come from: one, with `date` set, for all parts of a date.
std::vector<Column> source_columns(const std::vector<Column>& columns);

/// Whether somebody named them: those of a table without a header are called "0", "1", ….
bool have_names(const std::vector<Column>& columns);

/// How much a column's name says that it is the label: 0 for label, 1 for class, 2 for target, 3 for y, in capitals or not; −1
/// for every other name.
int label_rank(std::string_view name);

/// 2024-03-31 or 2024/03/31, with or without a time behind it, or 31.03.2024.
struct Date {
  int year = 0, month = 0, day = 0;
  double hour = 0;
};
std::optional<Date> parse_date(std::string_view text);

/// What the cells of one column are.
struct ColumnSurvey {
  std::int64_t plain = 0, grouped = 0, percent = 0, dates = 0, words = 0, missing = 0;
  std::set<std::string, std::less<>> distinct;  ///< words, at most kMostDistinct of them
  double low = 0, high = 0;                     ///< of the numbers
  double last = 0;
  bool whole = true;   ///< no number has a fraction
  bool counts = true;  ///< every cell is a number, one more than the cell above it
  bool rises = true;   ///< every cell is a number, more than the cell above it

  static constexpr std::size_t kMostDistinct = 70'000;

  void add(std::string_view text, char decimal, const std::vector<std::string>& missing_words);
  /// The same for a cell that stands above all others.
  void add_above(std::string_view text, char decimal, const std::vector<std::string>& missing_words);
  [[nodiscard]] std::int64_t numbers() const { return plain + grouped + percent; }
  [[nodiscard]] std::int64_t cells() const { return numbers() + dates + words + missing; }
  [[nodiscard]] bool empty() const { return cells() > 0 && missing == cells(); }
};

/// What a first pass learns about the file.
struct Survey {
  std::vector<std::string> first;  ///< cells of the first record
  std::int64_t first_line = 1;
  bool header = false;
  std::vector<ColumnSurvey> columns;  ///< of the records, without the header
  std::int64_t records = 0;           ///< the header among them
  std::int64_t comments = 0;
};

/// Fails on records of different lengths. `header` is as options say, or as the cells look.
[[nodiscard]] Result<Survey> survey_table(std::string_view text, std::string_view origin, const Dialect& dialect,
                                          const DataOptions& options);

}  // namespace soma
