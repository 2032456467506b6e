// text → records of cells, each with its place: RFC 4180 in any dialect, strict about quotes, friendly about line ends.
#include "data/csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace soma {
namespace {

bool blank(char c) { return c == ' ' || c == '\t'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

CsvReader::CsvReader(std::string_view text, std::string_view origin, const Dialect& dialect)
    : text_(text), origin_(origin), dialect_(dialect) {
  if (text_.starts_with("\xef\xbb\xbf")) text_.remove_prefix(3);
  at_ = line_start_ = std::min(dialect.start, text_.size());
  line_ = 1 + std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(at_), '\n');
}

Error CsvReader::error_at(std::int64_t line, std::int64_t column, std::string_view message) const {
  return {Error::Kind::data, fmt::format("{}:{}:{}: {}", origin_, line, column, message)};
}

Error CsvReader::error_at(const Cell& cell, std::string_view message) const { return error_at(cell.line, cell.column, message); }

Error CsvReader::error_at_end(std::string_view message) const { return error_at(end_line_, end_column_, message); }

Result<Cell> CsvReader::quoted_cell() {
  Cell cell{{}, true, line_, column()};
  const std::size_t start = ++at_;
  std::string* copy = nullptr;
  for (std::size_t from = start;;) {
    const std::size_t quote = text_.find(dialect_.quote, at_);
    for (std::size_t newline = text_.find('\n', at_); newline < quote && newline != std::string_view::npos;
         newline = text_.find('\n', newline + 1)) {
      ++line_;
      line_start_ = newline + 1;
    }
    if (quote == std::string_view::npos) return error_at(cell, "wanted a closing quote, got the end of the file");
    at_ = quote + 1;
    const bool doubled = at_ < text_.size() && text_[at_] == dialect_.quote;
    if (doubled && copy == nullptr) copy = &unescaped_.emplace_back();
    if (copy != nullptr) copy->append(text_.substr(from, quote + (doubled ? 1 : 0) - from));
    if (!doubled) {
      cell.text = copy != nullptr ? std::string_view(*copy) : text_.substr(start, quote - start);
      return cell;
    }
    from = ++at_;
  }
}

Result<Cell> CsvReader::plain_cell() {
  Cell cell{{}, false, line_, column()};
  const char quote = dialect_.quote == '"' ? '"' : '\n', other_blank = dialect_.separator == ' ' ? '\t' : '\n';
  const std::array stops = {dialect_.separator, '\n', '\0', quote, other_blank};
  const std::size_t start = at_;
  const std::size_t stop = std::min(text_.find_first_of(std::string_view(stops.data(), stops.size()), at_), text_.size());
  if (stop < text_.size() && text_[stop] == '"')
    return error_at(line_, column() + static_cast<std::int64_t>(stop - start),
                    "a quote inside a field; try to quote the whole field");
  if (stop < text_.size() && text_[stop] == '\0')
    return error_at(line_, column() + static_cast<std::int64_t>(stop - start), "wanted text, got a zero byte");
  at_ = stop;
  std::size_t end = stop;
  if (end > start && text_[end - 1] == '\r') --end;
  const std::string_view raw = text_.substr(start, end - start);
  cell.text = trimmed(raw);
  cell.column += cell.text.empty() ? 0 : cell.text.data() - raw.data();
  return cell;
}

Result<bool> CsvReader::next(std::vector<Cell>& record) {
  while (true) {
    Result<bool> more = record_of(record);
    if (!more || !*more) return more;
    const bool comment =
        !record[0].quoted && record[0].text.starts_with('#') && dialect_.fields > 0 && record.size() != dialect_.fields;
    if (!comment) return true;
    ++comments_;
  }
}

Result<bool> CsvReader::record_of(std::vector<Cell>& record) {
  record.clear();
  unescaped_.clear();
  const bool blanks = dialect_.separator == ' ';
  const auto ends_line = [&] { return text_[at_] == '\n' || text_.substr(at_).starts_with("\r\n"); };
  const auto skip_blanks = [&](bool carriage) {
    while (at_ < text_.size() && ((blank(text_[at_]) && (blanks || text_[at_] != dialect_.separator)) ||
                                  (carriage && text_.substr(at_).starts_with("\r\n"))))
      ++at_;
  };
  while (true) {
    if (blanks) skip_blanks(false);
    if (at_ >= text_.size() || !ends_line()) break;
    at_ += text_[at_] == '\n' ? 1 : 2;
    ++line_;
    line_start_ = at_;
  }
  if (at_ >= text_.size()) return false;
  while (true) {
    const std::size_t look = at_;
    skip_blanks(false);
    const bool quoted = at_ < text_.size() && text_[at_] == dialect_.quote;
    if (!quoted) at_ = look;
    Result<Cell> cell = quoted ? quoted_cell() : plain_cell();
    if (!cell) return cell.error();
    record.push_back(*cell);
    const std::size_t behind = at_;
    skip_blanks(true);
    end_line_ = line_;
    end_column_ = column();
    if (at_ >= text_.size()) return true;
    if (text_[at_] == '\n') break;
    if (blanks && at_ > behind) continue;
    if (text_[at_] != dialect_.separator)
      return error_at_end(dialect_.separator == ','
                              ? "wanted a comma or the end of the line after the closing quote"
                              : fmt::format("wanted {} between cells, or the end of the line after the closing quote",
                                            separator_words(dialect_.separator)));
    ++at_;
  }
  ++at_;
  ++line_;
  line_start_ = at_;
  return true;
}

}  // namespace soma
