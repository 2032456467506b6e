// the first lines of a table → how it is written: separator, quote, decimal sign.
#include "data/dialect.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <vector>

namespace soma {
namespace {

constexpr std::array<char, 5> kSeparators = {',', ';', '\t', '|', ' '};
constexpr std::size_t kLines = 4096, kBytes = std::size_t{1} << 20;  // looked at, not more

bool blank(char c) { return c == ' ' || c == '\t'; }
bool digit(char c) { return c >= '0' && c <= '9'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

/// Whole lines of the beginning; a line end between quotes ends no line.
std::vector<std::string_view> first_lines(std::string_view text, char quote) {
  std::vector<std::string_view> lines;
  bool quoted = false;
  std::size_t start = 0;
  for (std::size_t at = 0; at <= text.size() && lines.size() < kLines && start < kBytes; ++at) {
    if (at < text.size() && text[at] == quote) quoted = !quoted;
    if (at < text.size() && (text[at] != '\n' || quoted)) continue;
    std::string_view line = text.substr(start, at - start);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!trimmed(line).empty()) lines.push_back(line);
    start = at + 1;
  }
  return lines;
}

std::vector<std::string_view> cut(std::string_view line, char separator, char quote) {
  std::vector<std::string_view> fields;
  if (separator == ' ') line = trimmed(line);
  bool quoted = false;
  std::size_t start = 0;
  for (std::size_t at = 0; at <= line.size(); ++at) {
    if (at < line.size() && line[at] == quote) quoted = !quoted;
    const bool ends = at == line.size() || (!quoted && (separator == ' ' ? blank(line[at]) : line[at] == separator));
    if (!ends) continue;
    const std::string_view field = trimmed(line.substr(start, at - start));
    if (separator != ' ' || !field.empty()) fields.push_back(field);
    start = at + 1;
  }
  return fields;
}

/// A separator tried on the first lines.
struct Trial {
  std::size_t fields = 0;  ///< of every line; 0 where they differ
  double numbers = 0;      ///< share of cells that are numbers
};

// Lines that begin with '#' may be comments: the others decide.
Trial try_out(const std::vector<std::string_view>& lines, char separator, char quote) {
  Trial trial;
  std::size_t cells = 0, numbers = 0;
  for (const std::string_view line : lines) {
    if (line.front() == '#') continue;
    const auto fields = cut(line, separator, quote);
    if (trial.fields == 0) trial.fields = fields.size();
    if (fields.size() != trial.fields) return {};
    cells += fields.size();
    for (const std::string_view field : fields)
      numbers += parse_number(field, '.') || (separator != ',' && parse_number(field, ',')) ? 1 : 0;
  }
  trial.numbers = cells > 0 ? static_cast<double>(numbers) / static_cast<double>(cells) : 0;
  return trial;
}

char find_quote(std::string_view text) {
  const std::string_view head = text.substr(0, std::min(text.size(), kBytes));
  if (head.find('"') != std::string_view::npos) return '"';
  // 'a','b': single quotes that open and close cells, in most lines.
  const auto lines = first_lines(text, '"');
  std::size_t with = 0;
  for (const std::string_view line : lines)
    for (const char separator : {',', ';', '\t'}) {
      const auto fields = cut(line, separator, '\'');
      const auto quoted = [](std::string_view field) {
        return field.size() >= 2 && field.front() == '\'' && field.back() == '\'';
      };
      if (fields.size() > 1 && std::any_of(fields.begin(), fields.end(), quoted)) {
        ++with;
        break;
      }
    }
  return with * 2 > lines.size() ? '\'' : '"';
}

char find_separator(const std::vector<std::string_view>& lines, char quote) {
  char best = 0;
  double most = -1;
  const std::string_view first = lines.front();
  const bool others = first.find_first_of(",;\t|") != std::string_view::npos;
  for (const char separator : kSeparators) {
    if (separator == ' ' && others) continue;
    const Trial trial = try_out(lines, separator, quote);
    if (trial.fields < 2 || trial.numbers <= most) continue;
    best = separator;
    most = trial.numbers;
  }
  if (best != 0) return best;
  // No separator cuts all lines alike: the reader will say which line is wrong. The commonest of the first line it is.
  if (first.find(',') != std::string_view::npos) return ',';
  for (const char separator : {';', '\t', '|'})
    if (first.find(separator) != std::string_view::npos) return separator;
  return cut(first, ' ', quote).size() > 1 && lines.size() > 1 && cut(lines[1], ' ', quote).size() > 1 ? ' ' : ',';
}

// A comma is the decimal sign where it cannot be one between thousands; 1,300 alone is decimal only between semicolons, as
// the countries that write it so write them. Between commas it stands in quotes.
char find_decimal(const std::vector<std::string_view>& lines, char separator, char quote) {
  std::size_t points = 0, commas = 0, thousands = 0;
  for (const std::string_view line : lines)
    for (std::string_view field : cut(line, separator, quote)) {
      if (field.size() >= 2 && field.front() == quote && field.back() == quote) field = field.substr(1, field.size() - 2);
      const auto point = parse_number(field, '.'), comma = parse_number(field, ',');
      if (point && point->form == NumberForm::grouped)
        ++thousands;
      else if (comma && field.find(',') != std::string_view::npos)
        ++commas;
      else if (point && field.find('.') != std::string_view::npos && !(comma && comma->form == NumberForm::grouped))
        ++points;
    }
  if (points > 0) return '.';
  return commas > 0 || (thousands > 0 && separator == ';') ? ',' : '.';
}

// 1,300 or 12,345,678.9 or 1 300: groups of three behind the first, decimals behind the last.
std::optional<std::string> without_groups(std::string_view text, char decimal) {
  static constexpr std::array<std::string_view, 6> kMarks = {",", ".", " ", "'", "\u00a0", "\u202f"};
  const auto mark = std::find_if(kMarks.begin(), kMarks.end(), [&](std::string_view each) {
    return each.front() != decimal && text.find(each) != std::string_view::npos;
  });
  const std::size_t first = text.find_first_of("0123456789");
  if (mark == kMarks.end() || first > 1) return std::nullopt;
  std::string plain(text.substr(0, first));
  std::string_view whole = text.substr(first, std::min(text.find(decimal), text.size()) - first);
  const std::string_view fraction = text.substr(first + whole.size());
  std::size_t run = 0;
  bool grouped = false;
  for (; !whole.empty(); whole.remove_prefix(digit(whole.front()) ? 1 : mark->size())) {
    if (digit(whole.front())) {
      ++run;
      plain += whole.front();
    } else {
      if (!whole.starts_with(*mark) || (grouped ? run != 3 : run < 1 || run > 3)) return std::nullopt;
      grouped = true;
      run = 0;
    }
  }
  if (!grouped || run != 3) return std::nullopt;
  return plain.append(fraction);
}

}  // namespace

std::optional<double> parse_number(std::string_view text) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  double value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size()) return std::nullopt;
  if (failure == std::errc::result_out_of_range) {
    // from_chars does not say which way: a number that is too small has a negative exponent or begins with zeros.
    const std::size_t exponent = text.find_first_of("eE");
    const bool small = exponent != std::string_view::npos
                           ? text[exponent + 1] == '-'
                           : std::min(text.find_first_of("123456789"), text.size()) > text.find('.');
    return small ? std::optional(0.0) : std::nullopt;
  }
  if (failure != std::errc() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<WrittenNumber> parse_number(std::string_view text, char decimal) {
  WrittenNumber number;
  if (text.size() > 1 && text.back() == '%') {
    text = trimmed(text.substr(0, text.size() - 1));
    number.form = NumberForm::percent;
  }
  if (decimal == '.')
    if (const auto plain = parse_number(text)) {
      number.value = *plain;
      return number;
    }
  std::string copy(text);
  if (const auto joined = without_groups(text, decimal)) {
    copy = *joined;
    if (number.form == NumberForm::plain) number.form = NumberForm::grouped;
  } else if (decimal == '.' || (decimal == ',' && text.find('.') != std::string_view::npos)) {
    return std::nullopt;
  }
  std::replace(copy.begin(), copy.end(), ',', '.');
  const auto plain = parse_number(copy);
  if (!plain) return std::nullopt;
  number.value = *plain;
  return number;
}

std::string_view separator_words(char separator) {
  switch (separator) {
    case ';':
      return "semicolons";
    case '\t':
      return "tabs";
    case '|':
      return "bars";
    case ' ':
      return "blanks";
    default:
      return "commas";
  }
}

Result<Dialect> find_dialect(std::string_view text, std::string_view origin, const DataOptions& options) {
  Dialect dialect;
  std::string_view rest = text;
  if (rest.starts_with("sep=") && rest.size() > 5 && (rest[5] == '\n' || rest[5] == '\r')) {  // Excel's hint
    dialect.separator = rest[4];
    dialect.start = rest.find('\n') + 1;
    rest.remove_prefix(dialect.start);
  }
  dialect.quote = find_quote(rest);
  const auto lines = first_lines(rest, dialect.quote);
  if (lines.empty()) return Error{Error::Kind::data, fmt::format("{}: wanted rows, got an empty file", origin)};
  if (!options.delimiter.empty())
    dialect.separator = options.delimiter == "tab" || options.delimiter == "\\t" ? '\t'
                        : options.delimiter == "space"                           ? ' '
                                                                                 : options.delimiter[0];
  else if (dialect.start == 0)
    dialect.separator = find_separator(lines, dialect.quote);
  dialect.decimal = options.decimal.empty() ? find_decimal(lines, dialect.separator, dialect.quote) : options.decimal[0];
  const auto fields = [&](std::string_view line) { return cut(line, dialect.separator, dialect.quote).size(); };
  const auto data = std::find_if(lines.begin(), lines.end(), [](std::string_view line) { return line.front() != '#'; });
  if (data != lines.end()) dialect.fields = fields(*data);
  // "# x y label", as numpy.savetxt writes a header.
  const std::string_view first = lines.front();
  if (data == lines.begin() + 1 && fields(first.substr(1)) == dialect.fields)
    dialect.start += static_cast<std::size_t>(first.data() - rest.data()) + 1;
  return dialect;
}

}  // namespace soma
