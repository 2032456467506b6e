// text → records of cells, each with its place: RFC 4180 in any dialect, strict about quotes, friendly about line ends.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "data/dialect.h"
#include "soma/error.h"

namespace soma {

/// One field. Unquoted fields lose the blanks around them; quoted fields are exact.
struct Cell {
  std::string_view text;
  bool quoted = false;
  std::int64_t line = 0, column = 0;  ///< 1-based place of the first character, columns in bytes
};

/// Reads one record after the other from text it borrows. Lines end in LF or CRLF; empty lines and a byte-order mark are skipped,
/// and so are lines that begin with '#' and have another number of fields than dialect.fields.
class CsvReader {
 public:
  CsvReader(std::string_view text, std::string_view origin, const Dialect& dialect = {});

  /// The next record into `record`; false at the end. Views stay valid until the next call.
  /// Fails on an open quote, on characters after a closing quote, on a quote inside an unquoted field and on a zero byte.
  [[nodiscard]] Result<bool> next(std::vector<Cell>& record);

  /// "FILE:LINE:COLUMN: message".
  [[nodiscard]] Error error_at(std::int64_t line, std::int64_t column, std::string_view message) const;
  [[nodiscard]] Error error_at(const Cell& cell, std::string_view message) const;

  /// Lines left out as comments so far.
  [[nodiscard]] std::int64_t comments() const { return comments_; }

  /// Where the last record ended.
  [[nodiscard]] Error error_at_end(std::string_view message) const;

 private:
  Result<bool> record_of(std::vector<Cell>& record);
  Result<Cell> quoted_cell();
  Result<Cell> plain_cell();
  [[nodiscard]] std::int64_t column() const { return static_cast<std::int64_t>(at_ - line_start_) + 1; }

  std::string_view text_, origin_;
  Dialect dialect_;
  std::int64_t comments_ = 0;
  std::size_t at_ = 0, line_start_ = 0;
  std::int64_t line_ = 1, end_line_ = 1, end_column_ = 1;
  std::deque<std::string> unescaped_;  // the fields of this record in which "" stood for "
};

}  // namespace soma
