// the survey of a table → which of its columns are inputs, which is the label, and what a person should know about it.
#include "data/table_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/text.h"

namespace soma {
namespace {

// Words of which nearly every row has another say nothing that would be true of the next row.
constexpr std::int64_t kFewRows = 16;
constexpr double kNearlyAll = 0.9;

Error data_error(std::string message) { return {Error::Kind::data, std::move(message)}; }

Result<void> check_names(const Survey& s, std::string_view origin) {
  for (std::size_t i = 0; s.header && i < s.first.size(); ++i)
    for (std::size_t j = 0; j < i && !s.first[i].empty(); ++j)
      if (s.first[i] == s.first[j])
        return data_error(fmt::format("{}:{}:1: wanted different names, got '{}' for columns {} and {}; try renaming one", origin,
                                      s.first_line, s.first[i], j + 1, i + 1));
  return {};
}

/// The label column when nobody names it: the one called label, class, target or y, else the last. Beside an x, y is a
/// coordinate.
std::size_t usual_label(const Survey& s) {
  const bool plane = find_name(s.first, "x") != kNoColumn || find_name(s.first, "X") != kNoColumn;
  const auto rank_of = [&](std::size_t column) {
    const int rank = label_rank(s.first[column]);
    return plane && rank == 3 && column + 1 < s.first.size() ? -1 : rank;
  };
  std::size_t best = s.first.size() - 1;
  for (std::size_t i = 0; s.header && i < s.first.size(); ++i)
    if (rank_of(i) >= 0 && (rank_of(best) < 0 || rank_of(i) < rank_of(best))) best = i;
  return best;
}

/// The column somebody names, or gives by its index.
Result<std::size_t> named_column(const Survey& s, const TableLayout& layout, const std::string& name, std::string_view what,
                                 std::string_view origin) {
  const std::size_t fields = layout.names.size();
  if (const std::size_t named = find_name(layout.names, name); named != kNoColumn) return named;
  std::int64_t index = 0;
  const char* end = name.data() + name.size();
  const auto [stop, failure] = std::from_chars(name.data(), end, index);
  if (failure != std::errc() || stop != end)
    return Error{Error::Kind::usage,
                 s.header ? fmt::format("{}: no {} column '{}'{}", origin, what, name, suggestion(name, layout.names))
                          : fmt::format("{}: no {} column '{}', the file has no header; try an index from 0 to {}", origin, what,
                                        name, fields - 1)};
  const auto count = static_cast<std::int64_t>(fields);
  if (index < -count || index >= count)
    return Error{Error::Kind::usage,
                 fmt::format("{}: wanted a {} column from {} to {}, got {}", origin, what, -count, count - 1, index)};
  return static_cast<std::size_t>(index < 0 ? index + count : index);
}

bool zeros_and_ones(const ColumnSurvey& column) {
  return column.cells() == column.plain && column.low >= 0 && column.high <= 1 && column.whole;
}

/// The columns of targets: classes or one value in `label`, everything else in `targets`.
Result<void> place_targets(const Survey& s, TableLayout& layout, const DataOptions& options, std::string_view origin) {
  const std::size_t fields = layout.names.size();
  layout.task = options.task.value_or(Task::classes);
  const bool known = !options.columns.empty();
  for (const std::string& name : options.labels) {
    const auto column = named_column(s, layout, name, "label", origin);
    if (!column) return column.error();
    layout.targets.push_back(*column);
  }
  if (!layout.targets.empty()) {
    const bool all = std::all_of(layout.targets.begin(), layout.targets.end(),
                                 [&](std::size_t column) { return zeros_and_ones(s.columns[column]); });
    if (!options.task) layout.task = all ? Task::labels : Task::values;
    if (layout.task == Task::classes || layout.task == Task::reconstruct)
      return Error{Error::Kind::usage,
                   fmt::format("{}: wanted one label column for this data.task, got {}", origin, options.labels.size())};
    return {};
  }
  if (layout.task == Task::reconstruct) {  // a label only judges the scores
    const std::size_t usual = usual_label(s);
    if (!options.label.empty()) {
      const auto column = named_column(s, layout, options.label, "label", origin);
      if (!column) return column.error();
      layout.label = *column;
    } else if (s.header && label_rank(s.first[usual]) >= 0) {
      layout.label = usual;
    }
    return {};
  }
  std::size_t label = usual_label(s);
  if (!options.label.empty()) {
    const auto column = named_column(s, layout, options.label, "label", origin);
    if (!column && (s.header || !known)) return column.error();
    label = column ? *column : fields - 1;
  }
  if (layout.task == Task::classes)
    layout.label = label;
  else
    layout.targets = {label};
  return {};
}

/// Nobody said what the label is, the last column measures something, and one column says which of a few words: perhaps that.
void point_at_words(const Survey& s, TableLayout& layout, const DataOptions& options) {
  if (!options.label.empty() || options.task || !options.columns.empty() || layout.label == kNoColumn) return;
  const ColumnSurvey& last = s.columns[layout.label];
  const bool measures = last.words + last.dates == 0 && (!last.whole || last.high - last.low > 20);
  if (!measures || (s.header && label_rank(s.first[layout.label]) >= 0)) return;
  const auto says_which = [](const ColumnSurvey& column) {
    return column.words == column.cells() && column.cells() >= kFewRows && std::ssize(column.distinct) * 4 <= column.cells();
  };
  if (std::count_if(s.columns.begin(), s.columns.end(), says_which) != 1) return;
  const auto found = std::find_if(s.columns.begin(), s.columns.end(), says_which);
  layout.notes.push_back(fmt::format("'{}' is learned because it stands last; for classes say --label {}",
                                     layout.names[layout.label],
                                     layout.names[static_cast<std::size_t>(found - s.columns.begin())]));
}

bool is_input(const TableLayout& layout, std::size_t column) {
  return column != layout.label && column != layout.weights && column != layout.group &&
         std::find(layout.targets.begin(), layout.targets.end(), column) == layout.targets.end();
}

Result<void> place_known_columns(const Survey& s, TableLayout& layout, const DataOptions& options, std::string_view origin) {
  const std::size_t fields = layout.names.size();
  const auto by_name = [&](const Column& column) { return find_name(layout.names, source_name(column)); };
  const auto add = [&](std::size_t source, const Column& column) {
    layout.inputs.push_back({source, !column.categories.empty(), column.date, column.origin});
  };
  if (s.header && std::any_of(options.columns.begin(), options.columns.end(),
                              [&](const Column& column) { return by_name(column) != kNoColumn; })) {
    for (const Column& column : options.columns) {
      add(by_name(column), column);
      if (layout.inputs.back().source == kNoColumn)
        return data_error(fmt::format("{}:{}:1: no column '{}'{}", origin, s.first_line, source_name(column),
                                      suggestion(source_name(column), layout.names)));
    }
    return {};
  }
  if (s.header && have_names(options.columns))
    return data_error(fmt::format("{}:{}:1: no column '{}'{}", origin, s.first_line, source_name(options.columns[0]),
                                  suggestion(source_name(options.columns[0]), layout.names)));
  std::vector<std::size_t> inputs;
  for (std::size_t i = 0; i < fields; ++i)
    if (is_input(layout, i)) inputs.push_back(i);
  const std::vector<Column> known = source_columns(options.columns);
  const std::size_t wanted = known.size();
  const std::size_t labels = fields - inputs.size();
  if (inputs.size() != wanted)
    return data_error(fmt::format("{}:{}:1: wanted {} fields{}, got {}", origin, s.first_line, wanted + labels,
                                  labels > 0 ? " with the label"
                                  : options.task.value_or(Task::classes) == Task::classes
                                      ? fmt::format(" (or {} with a label)", wanted + 1)
                                      : "",
                                  fields));
  for (std::size_t i = 0; i < wanted && !s.header; ++i) layout.names[inputs[i]] = known[i].name;
  layout.by_position = true;
  std::size_t next = 0;
  for (std::size_t i = 0; i < options.columns.size(); ++i) {
    if (i > 0 && source_name(options.columns[i]) != source_name(options.columns[i - 1])) ++next;
    add(inputs[next], options.columns[i]);
  }
  return {};
}

/// Fractions under one word again and again: numbers, and the word stands for none.
bool says_one_word(const ColumnSurvey& column) {
  return column.distinct.size() == 1 && column.dates == 0 && column.numbers() > 2 && !column.whole;
}

bool holds_words(const ColumnSurvey& column) { return column.words + column.dates > column.numbers() && !says_one_word(column); }

bool holds_dates(const ColumnSurvey& column) { return column.dates > column.words + column.numbers(); }

/// Why a column should not be an input; "" when it may be one.
std::string reason_against(const ColumnSurvey& column, const std::string& name, bool named, bool dates) {
  if (column.empty()) return fmt::format("column '{}' is empty: left out", name);
  if (!named && column.counts && column.cells() > 1)
    return fmt::format("column '{}' has no name and numbers the rows: left out", name);
  if (holds_dates(column))
    return dates ? ""
                 : fmt::format(
                       "column '{}' holds dates: left out; {{ kind = \"date\" }} as the first step of preprocess makes numbers "
                       "of them",
                       name);
  const auto different = static_cast<double>(column.distinct.size());
  if (column.words > column.numbers() && column.cells() >= kFewRows &&
      different >= kNearlyAll * static_cast<double>(column.words) && column.words * 2 > column.cells())
    return fmt::format("column '{}' holds {} different words in {} rows: left out; --set 'data.columns=[…]' names what to read",
                       name, column.distinct.size(), column.cells());
  return "";
}

/// Where a column has to be counted from, so that its values do not become one float; 0 for most.
double far_origin(const ColumnSurvey& column) {
  const double largest = std::max(std::abs(column.low), std::abs(column.high)), spread = column.high - column.low;
  return column.words == 0 && spread > 0 && largest * 0x1p-23 > spread * 0x1p-16 ? column.low : 0;
}

Result<void> choose_columns(const Survey& s, TableLayout& layout, const DataOptions& options, std::string_view origin) {
  for (const auto* list : {&options.only, &options.ignore})
    for (const std::string& name : *list)
      if (find_name(layout.names, name) == kNoColumn)
        return Error{Error::Kind::usage, fmt::format("{}: no column '{}'{}", origin, name, suggestion(name, layout.names))};
  for (std::size_t i = 0; i < layout.names.size(); ++i) {
    const std::string& name = layout.names[i];
    const ColumnSurvey& column = s.columns[i];
    const bool asked_for = find_name(options.only, name) != kNoColumn;
    if (!is_input(layout, i) || find_name(options.ignore, name) != kNoColumn || (!options.only.empty() && !asked_for)) continue;
    const std::string reason = reason_against(column, name, !s.header || !s.first[i].empty(), options.dates);
    if (!reason.empty() && !asked_for) {
      layout.notes.push_back(reason);
      continue;
    }
    if (options.dates && holds_dates(column)) {
      for (const char* part : {"year", "month", "weekday", "hour"}) layout.inputs.push_back({i, false, part, 0});
      continue;
    }
    if (column.numbers() > column.words + column.dates && column.percent > 0 && column.percent < column.numbers())
      return data_error(fmt::format("{}: column '{}': wanted cells written alike, got {} with % and {} without", origin, name,
                                    column.percent, column.numbers() - column.percent));
    const bool rows = column.counts && column.cells() >= kFewRows && (column.low == 0 || column.low == 1) && s.header;
    if (rows && !asked_for)
      layout.notes.push_back(fmt::format("column '{0}' counts the rows; --set 'data.ignore=[\"{0}\"]' leaves it out", name));
    const bool numbered = column.rises && column.whole && !column.counts && column.cells() >= kFewRows && s.header;
    if (numbered && !asked_for)
      layout.notes.push_back(fmt::format(
          "column '{0}' rises from row to row, as numbers of rows do; --set 'data.ignore=[\"{0}\"]' leaves it out", name));
    if (column.grouped > 0 && column.words + column.dates == 0)
      layout.notes.push_back(fmt::format("column '{}': marks between thousands left out", name));
    if (column.percent > 0 && column.words + column.dates == 0)
      layout.notes.push_back(fmt::format("column '{}': 5% is read as 5", name));
    const double origin_of = far_origin(column);
    if (origin_of != 0)
      layout.notes.push_back(fmt::format("column '{}' is counted from {:.17g}, so that near values stay apart", name, origin_of));
    if (holds_words(column) && column.numbers() > 0)
      layout.notes.push_back(
          fmt::format("column '{0}': {1} number{2} among {3} words, read as words too; --set 'data.missing=[\"{4}\"]' where "
                      "'{4}' says nothing",
                      name, column.numbers(), column.numbers() == 1 ? "" : "s", column.words + column.dates,
                      one_line(*column.distinct.begin(), 40)));
    layout.inputs.push_back({i, holds_words(column), {}, origin_of});
  }
  return {};
}

}  // namespace

std::size_t find_name(const std::vector<std::string>& names, std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  return found == names.end() ? kNoColumn : static_cast<std::size_t>(found - names.begin());
}

Result<TableLayout> lay_out_table(const Survey& s, const DataOptions& options, std::string_view origin) {
  TableLayout layout;
  if (Result<void> unique = check_names(s, origin); !unique) return unique.error();
  const std::size_t fields = s.first.size();
  for (std::size_t i = 0; i < fields; ++i)
    layout.names.push_back(s.header && !s.first[i].empty() ? s.first[i] : std::to_string(i));

  const std::size_t with_label = source_columns(options.columns).size() + std::max<std::size_t>(options.labels.size(), 1);
  const bool label_shown = !options.columns.empty() && (s.header ? fields >= with_label : fields == with_label);
  if (options.labelled) {
    if (const Result<void> placed = place_targets(s, layout, options, origin); !placed) return placed.error();
    point_at_words(s, layout, options);
  } else if (label_shown) {
    TableLayout with_targets = layout;
    if (place_targets(s, with_targets, options, origin)) layout = std::move(with_targets);
  }
  const auto place = [&](const std::string& name, std::string_view what, std::size_t& column) -> Result<void> {
    if (name.empty() || !options.labelled) return {};
    const auto found = named_column(s, layout, name, what, origin);
    if (!found) return found.error();
    column = *found;
    return {};
  };
  if (const Result<void> placed = place(options.weights, "weights", layout.weights); !placed) return placed.error();
  if (const Result<void> placed = place(options.group, "group", layout.group); !placed) return placed.error();
  const Result<void> placed =
      options.columns.empty() ? choose_columns(s, layout, options, origin) : place_known_columns(s, layout, options, origin);
  if (!placed) return placed.error();
  if (layout.inputs.empty())
    return data_error(fmt::format("{}: wanted at least one input column beside the label, got none{}", origin,
                                  !layout.notes.empty() ? "; " + layout.notes.front()
                                  : fields == 1 ? ", for nothing parts its cells; --set 'data.delimiter=\":\"' says what does"
                                                : ""));
  return layout;
}

}  // namespace soma
