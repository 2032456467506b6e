// a first pass over a table of text → what its header, columns and cells are.
#include "data/table_survey.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>

namespace soma {
namespace {

bool is_blank_or(std::string_view text, std::string_view separators) {
  return !text.empty() && separators.find(text.front()) != std::string_view::npos;
}

/// Takes `digits` digits off the front.
std::optional<int> take_digits(std::string_view& text, std::size_t digits) {
  int value = 0;
  if (text.size() < digits || text.find_first_not_of("0123456789") < digits) return std::nullopt;
  std::from_chars(text.data(), text.data() + digits, value);
  text.remove_prefix(digits);
  return value;
}

bool take_time(std::string_view text, Date& date) {
  if (text.empty()) return true;
  if (!is_blank_or(text, "T ")) return false;
  text.remove_prefix(1);
  const auto hour = take_digits(text, 2);
  if (!hour || *hour > 24 || !is_blank_or(text, ":")) return false;
  text.remove_prefix(1);
  const auto minute = take_digits(text, 2);
  if (!minute || *minute > 59) return false;
  date.hour = *hour + *minute / 60.0;
  if (is_blank_or(text, ":")) {
    text.remove_prefix(1);
    const auto second = take_digits(text, 2);
    if (!second) return false;
    date.hour += *second / 3600.0;
  }
  // Fractions of a second and zones are let be.
  return text.find_first_not_of("0123456789.:+-Z ") == std::string_view::npos;
}

/// Which words of the first record never come again below it.
bool repeats(const Survey& s, std::size_t i) { return s.columns[i].distinct.contains(s.first[i]); }

// pandas writes 0,1,2,… where it has no names, perhaps under an unnamed index.
bool counts_from_zero(const Survey& s, const std::vector<bool>& number) {
  std::size_t next = 0;
  bool unnamed = false;
  for (std::size_t i = 0; i < s.first.size(); ++i) {
    if (number[i]) {
      if (s.first[i] != std::to_string(next++)) return false;
    } else if (s.first[i].empty()) {
      unnamed = true;
    } else if (repeats(s, i)) {
      return false;
    }
  }
  return next >= 3 || (next == 2 && unnamed);
}

/// Whether a row of words says nothing but categories and classes that are known: then it is a row like the others.
bool says_known_words(const Survey& s, char decimal, const DataOptions& options) {
  return std::all_of(s.first.begin(), s.first.end(), [&](const std::string& cell) {
    const auto knows = [&](const std::vector<std::string>& words) {
      return std::find(words.begin(), words.end(), cell) != words.end();
    };
    return parse_number(cell, decimal) || is_missing(cell, options.missing) || knows(options.class_names) ||
           std::any_of(options.columns.begin(), options.columns.end(),
                       [&](const Column& column) { return knows(column.categories); });
  });
}

// A header has no number in it, and either stands above numbers or says words that never come again; or it names a label. A line
// of words alone is a header without rows, unless it is a sample to be predicted. Where the columns are known by their names a
// line that holds none of them is a row, whatever numbers it has, and one of unknown words alone is a header of another table.
bool looks_like_header(const Survey& s, char decimal, const DataOptions& options) {
  std::vector<bool> number;
  std::size_t words = 0;
  bool above_numbers = false, again = false, names_label = false;
  for (std::size_t i = 0; i < s.first.size(); ++i) {
    number.push_back(parse_number(s.first[i], decimal).has_value());
    const ColumnSurvey& column = s.columns[i];
    if (number[i]) continue;
    if (is_missing(s.first[i], options.missing)) {
      again = again || s.first[i].empty() || column.numbers() > 0;
      continue;
    }
    ++words;
    above_numbers = above_numbers || column.numbers() + column.missing > column.words + column.dates;
    again = again || repeats(s, i);
    names_label = names_label || (label_rank(s.first[i]) >= 0 && !repeats(s, i) && s.records > 1);
  }
  const bool named = std::any_of(options.columns.begin(), options.columns.end(), [&](const Column& column) {
    return !parse_number(column.name) && std::find(s.first.begin(), s.first.end(), source_name(column)) != s.first.end();
  });
  if (named) return true;
  const bool no_number = std::find(number.begin(), number.end(), true) == number.end();
  if (have_names(options.columns) && !no_number) return false;
  if (!options.columns.empty() && says_known_words(s, decimal, options)) return false;
  if (names_label || (s.records > 1 && counts_from_zero(s, number))) return true;
  if (!no_number) return s.records > 1 && words * 2 >= s.first.size() && above_numbers && !again && s.first.size() > 2;
  return s.records > 1 ? above_numbers || !again : options.labelled && words > 0;
}

}  // namespace

std::string source_name(const Column& column) {
  return column.date.empty() ? column.name : column.name.substr(0, column.name.rfind('.'));
}

std::vector<Column> source_columns(const std::vector<Column>& columns) {
  std::vector<Column> sources;
  for (const Column& column : columns) {
    std::string name = source_name(column);
    if (!column.date.empty() && !sources.empty() && !sources.back().date.empty() && sources.back().name == name) continue;
    sources.push_back({std::move(name), column.categories, column.date, column.origin});
  }
  return sources;
}

bool have_names(const std::vector<Column>& columns) {
  return std::any_of(columns.begin(), columns.end(), [](const Column& column) { return !parse_number(column.name); });
}

int label_rank(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  static constexpr std::array<std::string_view, 4> kNames = {"label", "class", "target", "y"};
  const auto found = std::find(kNames.begin(), kNames.end(), lower);
  return found == kNames.end() ? -1 : static_cast<int>(found - kNames.begin());
}

bool is_missing(std::string_view text, const std::vector<std::string>& words) {
  static constexpr std::array<std::string_view, 12> kWords = {"",    "NA",  "N/A",  "n/a",  "na",   "NaN",
                                                              "nan", "NAN", "null", "NULL", "Null", "?"};
  return std::find(kWords.begin(), kWords.end(), text) != kWords.end() ||
         std::find(words.begin(), words.end(), text) != words.end();
}

std::optional<Date> parse_date(std::string_view text) {
  if (text.size() < 8) return std::nullopt;
  Date date;
  const bool year_first = text.size() >= 10 && is_blank_or(text.substr(4), "-/");
  const char between = year_first ? text[4] : text[2];
  const auto part = [&](std::size_t digits, int& value) {
    const auto taken = take_digits(text, digits);
    value = taken.value_or(0);
    return taken.has_value();
  };
  const auto skip = [&] {
    const bool there = !text.empty() && text[0] == between;
    text.remove_prefix(there ? 1 : 0);
    return there;
  };
  if (!year_first && between != '.' && between != '/') return std::nullopt;
  const bool read = year_first ? part(4, date.year) && skip() && part(2, date.month) && skip() && part(2, date.day)
                               : part(2, date.day) && skip() && part(2, date.month) && skip() && part(4, date.year);
  if (!read) return std::nullopt;
  if (!year_first && between == '/') std::swap(date.day, date.month);  // 03/31/2024 is American
  if (date.month < 1 || date.month > 12 || date.day < 1 || date.day > 31) return std::nullopt;
  return take_time(text, date) ? std::optional(date) : std::nullopt;
}

void ColumnSurvey::add(std::string_view text, char decimal, const std::vector<std::string>& missing_words) {
  const bool first = cells() == 0;
  const auto number = parse_number(text, decimal);
  counts = counts && number && number->form == NumberForm::plain && (first || number->value == last + 1);
  rises = rises && number && number->form == NumberForm::plain && (first || number->value > last);
  if (is_missing(text, missing_words)) {
    ++missing;
  } else if (number) {
    low = numbers() == 0 ? number->value : std::min(low, number->value);
    high = numbers() == 0 ? number->value : std::max(high, number->value);
    last = number->value;
    whole = whole && last == std::floor(last);
    ++(number->form == NumberForm::plain ? plain : number->form == NumberForm::grouped ? grouped : percent);
  } else {
    ++(parse_date(text) ? dates : words);
    if (distinct.size() < kMostDistinct && !distinct.contains(text)) distinct.emplace(text);
  }
}

void ColumnSurvey::add_above(std::string_view text, char decimal, const std::vector<std::string>& missing_words) {
  ColumnSurvey all;
  all.add(text, decimal, missing_words);
  const double first = all.last;
  all.counts = all.counts && counts && (cells() == 0 || first + static_cast<double>(cells()) == last);
  all.last = cells() == 0 ? first : last;
  if (numbers() > 0) {
    all.low = all.numbers() > 0 ? std::min(all.low, low) : low;
    all.high = all.numbers() > 0 ? std::max(all.high, high) : high;
  }
  all.whole = all.whole && whole;
  all.plain += plain;
  all.grouped += grouped;
  all.percent += percent;
  all.dates += dates;
  all.words += words;
  all.missing += missing;
  all.distinct.merge(distinct);
  *this = std::move(all);
}

Result<Survey> survey_table(std::string_view text, std::string_view origin, const Dialect& dialect, const DataOptions& options) {
  CsvReader reader(text, origin, dialect);
  std::vector<Cell> record;
  Survey s;
  while (true) {
    const Result<bool> more = reader.next(record);
    if (!more) return more.error();
    if (!*more) break;
    const std::size_t fields = record.size();
    if (s.records++ == 0) {
      s.first_line = record[0].line;
      for (const Cell& cell : record) s.first.emplace_back(cell.text);
      s.columns.resize(fields);
      continue;
    }
    const std::string message =
        fields == s.first.size()
            ? ""
            : fmt::format("wanted {} fields as in line {}, got {}{}", s.first.size(), s.first_line, fields,
                          dialect.separator == ',' ? "" : fmt::format(" between {}", separator_words(dialect.separator)));
    if (fields > s.first.size()) return reader.error_at(record[s.first.size()], message);
    if (fields < s.first.size()) return reader.error_at_end(message);
    for (std::size_t i = 0; i < fields; ++i) s.columns[i].add(record[i].text, dialect.decimal, options.missing);
  }
  s.comments = reader.comments();
  if (s.records == 0) return Error{Error::Kind::data, fmt::format("{}: wanted rows, got an empty file", origin)};
  s.header = options.header.value_or(looks_like_header(s, dialect.decimal, options));
  if (s.header) return s;
  for (std::size_t i = 0; i < s.first.size(); ++i)  // a row as the others
    s.columns[i].add_above(s.first[i], dialect.decimal, options.missing);
  return s;
}

}  // namespace soma
