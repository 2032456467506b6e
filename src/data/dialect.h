// the first lines of a table → how it is written: separator, quote, decimal sign.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "soma/dataset.h"
#include "soma/error.h"

namespace soma {

/// How a table of text is written.
struct Dialect {
  char separator = ',';  ///< ' ' stands for any run of blanks
  char quote = '"';
  char decimal = '.';
  std::size_t fields = 0;  ///< of a record; lines that begin with '#' and have another number are comments. 0 = unknown
  std::size_t start = 0;   ///< where the table begins: behind a line sep=;
  bool operator==(const Dialect&) const = default;
};

/// Found from the first lines; options.delimiter and options.decimal overrule. Of the separators that cut every line into the
/// same number of fields, more than one, it is the one that leaves the most numbers.
[[nodiscard]] Result<Dialect> find_dialect(std::string_view text, std::string_view origin, const DataOptions& options);

/// "tabs", "semicolons": a separator as a person says it.
std::string_view separator_words(char separator);

/// How a number was written. Grouped: 1,300 (or 1.300 beside a decimal comma), 1 300, 1'300.
enum class NumberForm { plain, grouped, percent };
struct WrittenNumber {
  double value = 0;
  NumberForm form = NumberForm::plain;
};

/// The number a cell holds: finite, nothing else beside it; what is too small for a double is 0. 5% is 5. nan, inf and 0x10 are
/// words.
std::optional<WrittenNumber> parse_number(std::string_view text, char decimal);

/// The same for plain numbers with a point.
std::optional<double> parse_number(std::string_view text);

}  // namespace soma
