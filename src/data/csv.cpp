// text → records of cells, each with its place: RFC 4180, strict about quotes, friendly about line ends.
#include "data/csv.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

namespace soma {
namespace {

bool blank(char c) { return c == ' ' || c == '\t'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

CsvReader::CsvReader(std::string_view text, std::string_view origin) : text_(text), origin_(origin) {
  if (text_.starts_with("\xef\xbb\xbf")) text_.remove_prefix(3);
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
    const std::size_t quote = text_.find('"', at_);
    for (std::size_t newline = text_.find('\n', at_); newline < quote && newline != std::string_view::npos;
         newline = text_.find('\n', newline + 1)) {
      ++line_;
      line_start_ = newline + 1;
    }
    if (quote == std::string_view::npos) return error_at(cell, "wanted a closing quote, got the end of the file");
    at_ = quote + 1;
    const bool doubled = at_ < text_.size() && text_[at_] == '"';
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
  const std::size_t start = at_, stop = std::min(text_.find_first_of(std::string_view(",\n\"\0", 4), at_), text_.size());
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
  record.clear();
  unescaped_.clear();
  while (at_ < text_.size() && (text_[at_] == '\n' || text_.substr(at_).starts_with("\r\n"))) {
    at_ += text_[at_] == '\n' ? 1 : 2;
    ++line_;
    line_start_ = at_;
  }
  if (at_ >= text_.size()) return false;
  while (true) {
    std::size_t look = at_;
    while (look < text_.size() && blank(text_[look])) ++look;
    const bool quoted = look < text_.size() && text_[look] == '"';
    if (quoted) at_ = look;
    Result<Cell> cell = quoted ? quoted_cell() : plain_cell();
    if (!cell) return cell.error();
    record.push_back(*cell);
    while (at_ < text_.size() && (blank(text_[at_]) || text_.substr(at_).starts_with("\r\n"))) ++at_;
    end_line_ = line_;
    end_column_ = column();
    if (at_ >= text_.size()) return true;
    if (text_[at_] == '\n') break;
    if (text_[at_] != ',') return error_at_end("wanted a comma or the end of the line after the closing quote");
    ++at_;
  }
  ++at_;
  ++line_;
  line_start_ = at_;
  return true;
}

std::optional<double> parse_number(std::string_view text) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  double value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

}  // namespace soma
