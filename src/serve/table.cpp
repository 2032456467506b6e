// cells of JSON or BYTES tensors, or CSV → rows of floats as a model's columns want them.
#include "serve/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/text.h"
#include "data/samples.h"

namespace soma {

TableText::TableText(const std::vector<Column>& columns, std::pmr::memory_resource* memory) : text_(memory) {
  for (const Column& column : columns) cell(column.name);
  end_row();
}

void TableText::cell(std::string_view text) {
  if (begun_) text_ += ',';
  begun_ = true;
  text_ += '"';
  for (const char c : text) {
    if (c == '"') text_ += '"';
    text_ += c;
  }
  text_ += '"';
}

void TableText::end_row() {
  text_ += '\n';
  begun_ = false;
}

std::size_t memory_to_read_table(std::string_view text) {
  constexpr std::size_t kCell = 24;  // for each character: a cell of two takes 48 bytes while its line is read
  std::size_t longest = 0;
  if (text.find('"') != std::string_view::npos) {
    longest = text.size();  // a line may go on behind a quoted end of line
  } else {
    for (std::string_view rest = text; rest.size() > longest;) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      longest = std::max(longest, end);
      rest.remove_prefix(std::min(rest.size(), end + 1));
    }
  }
  return 4 * text.size() + kCell * longest;
}

Result<void> read_table(std::string_view text, std::string_view who, const DataOptions& options, bool made, http::Budget& budget,
                        Floats& values) {
  const http::Charge charge(budget, memory_to_read_table(text));
  const auto parse = [&] {
    if (!made) return parse_samples(text, who, options);
    DataOptions exact = options;
    exact.header = true;
    exact.delimiter = ",";
    exact.decimal = ".";
    exact.encoding = "utf-8";
    return parse_samples(text, who, exact);
  };
  const Result<Dataset> read = parse();
  if (read) return values.insert(values.end(), read->floats.begin(), read->floats.end()), Result<void>();
  const Error wrong{read.error().kind, one_line(read.error().message)};  // a name in a header may have several lines
  if (!made) return wrong;
  // "who:LINE:COLUMN: what" of a text that nobody wrote: the line is a row and one more, the column says nothing.
  const std::string_view message = wrong.message;
  std::size_t line = 0;
  if (message.starts_with(who) && message.size() > who.size()) {
    const char* begin = message.data() + who.size() + 1;
    const char* end = message.data() + message.size();
    const auto number = std::from_chars(begin, end, line);
    const std::string_view rest(number.ptr, static_cast<std::size_t>(end - number.ptr));
    if (const std::size_t space = rest.find(": "); number.ec == std::errc() && line > 1 && space != std::string_view::npos)
      return Error{Error::Kind::data, fmt::format("{}: row {}: {}", who, line - 1, rest.substr(space + 2))};
  }
  return wrong;
}

}  // namespace soma
