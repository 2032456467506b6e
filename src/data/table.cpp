// CSV text → Dataset: dialect and header found, columns typed, words indexed, labels named.
#include "data/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cfloat>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "core/text.h"
#include "data/encoding.h"
#include "data/labels.h"
#include "data/table_layout.h"

namespace soma {
namespace {

constexpr std::int64_t kFewRows = 16;  // too few to say that labels are none

/// Words in first-seen order, each with its index.
struct Vocabulary {
  std::map<std::string, std::int32_t, std::less<>> index;

  std::int32_t add(std::string_view word) {
    const auto found = index.find(word);
    if (found != index.end()) return found->second;
    const auto next = static_cast<std::int32_t>(index.size());
    index.emplace(word, next);
    return next;
  }
};

std::string shown(std::string_view text) { return text.empty() ? "an empty cell" : fmt::format("'{}'", one_line(text, 40)); }

/// "3.0" → "3"; other texts stay.
std::string_view without_zero_fraction(std::string_view text) {
  const std::size_t point = text.find('.');
  const bool whole = point != std::string_view::npos && point > 0 && point + 1 < text.size() &&
                     text.find_first_not_of('0', point + 1) == std::string_view::npos &&
                     text.find_first_not_of("+-0123456789") == point;
  return whole ? text.substr(0, point) : text;
}

// Words in sorted order, in numeric order when all are numbers. new_index[old] is the place.
std::vector<std::string> sorted(const Vocabulary& words, char decimal, std::vector<std::int32_t>& new_index) {
  struct Entry {
    double number = 0;
    std::string_view text;
    std::int32_t index = 0;
  };
  std::vector<Entry> entries;
  bool numeric = true;
  for (const auto& [word, index] : words.index) {
    const auto number = parse_number(word, decimal);
    numeric = numeric && number;
    entries.push_back({number ? number->value : 0, word, index});
  }
  std::stable_sort(entries.begin(), entries.end(), [&](const Entry& a, const Entry& b) {
    return numeric && a.number != b.number ? a.number < b.number : a.text < b.text;
  });
  new_index.resize(entries.size());
  std::vector<std::string> names;
  for (const Entry& entry : entries) {
    new_index[static_cast<std::size_t>(entry.index)] = static_cast<std::int32_t>(names.size());
    names.emplace_back(entry.text);
  }
  return names;
}

Result<std::int32_t> known_class(const CsvReader& reader, const Cell& cell, const std::vector<std::string>& class_names) {
  std::size_t at = find_name(class_names, cell.text);
  const std::string_view whole = without_zero_fraction(cell.text);
  for (std::size_t i = 0; at == kNoColumn && i < class_names.size(); ++i)
    if (without_zero_fraction(class_names[i]) == whole) at = i;
  if (at != kNoColumn) return static_cast<std::int32_t>(at);
  const std::span<const std::string> few(class_names.data(), std::min<std::size_t>(class_names.size(), 10));
  return reader.error_at(
      cell, fmt::format("label {}: wanted {}{}", shown(cell.text), one_of(few), class_names.size() > few.size() ? ", …" : ""));
}

// Rows of whole numbers from 0 to 255 become bytes: a quarter of the memory, and what the image files give.
void become_images(Dataset& dataset, const Shape& image) {
  dataset.shape = image;
  dataset.columns.clear();
  if (!std::all_of(dataset.floats.begin(), dataset.floats.end(),
                   [](float x) { return x >= 0 && x <= 255 && x == std::floor(x); }))
    return;
  dataset.bytes.assign(dataset.floats.begin(), dataset.floats.end());
  dataset.floats = {};
}

double date_part(const Date& date, std::string_view part) {
  if (part == "year") return date.year;
  if (part == "month") return date.month;
  if (part == "hour") return date.hour;
  // Sakamoto's day of the week, counted from Monday.
  static constexpr std::array<int, 12> kShift = {0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4};
  const int year = date.month < 3 ? date.year - 1 : date.year;
  return (year + year / 4 - year / 100 + year / 400 + kShift[static_cast<std::size_t>(date.month - 1)] + date.day + 6) % 7;
}

/// Second pass: cells → values.
class Filler {
 public:
  Filler(const TableLayout& layout, const DataOptions& options, char decimal)
      : layout_(layout), options_(options), decimal_(decimal), vocabularies_(layout.inputs.size()) {}

  Result<void> add(const CsvReader& reader, const std::vector<Cell>& record, Dataset& dataset) {
    for (std::size_t i = 0; i < layout_.inputs.size(); ++i) {
      const Result<float> value = input(reader, record[layout_.inputs[i].source], i);
      if (!value) return value.error();
      dataset.floats.push_back(*value);
    }
    ++dataset.count;
    if (!options_.labelled) return label_left_out(reader, record);
    for (const std::size_t column : layout_.targets) {
      const Result<float> value = number(reader, record[column], layout_.names[column]);
      if (!value) return value.error();
      dataset.targets.push_back(*value);
    }
    if (layout_.weights != kNoColumn) {
      const Cell& cell = record[layout_.weights];
      const Result<float> value = number(reader, cell, layout_.names[layout_.weights]);
      if (!value) return value.error();
      if (*value < 0) return reader.error_at(cell, fmt::format("wanted a weight of 0 or more, got {}", *value));
      dataset.weights.push_back(*value);
    }
    if (layout_.group != kNoColumn) dataset.groups.push_back(groups_.add(record[layout_.group].text));
    return layout_.label != kNoColumn ? label(reader, record[layout_.label], dataset) : Result<void>();
  }

  Result<void> finish(Dataset& dataset, std::string_view origin) {
    const std::size_t features = layout_.inputs.size();
    dataset.shape = {static_cast<std::int64_t>(features)};
    dataset.columns = options_.columns;
    std::vector<std::int32_t> new_index;
    for (std::size_t i = 0; i < features && options_.columns.empty(); ++i) {
      const TableInput& from = layout_.inputs[i];
      const std::string& name = layout_.names[from.source];
      Column& column =
          dataset.columns.emplace_back(Column{from.date.empty() ? name : name + "." + from.date, {}, from.date, from.origin});
      if (!from.words) continue;
      column.categories = sorted(vocabularies_[i], decimal_, new_index);
      for (std::size_t at = i; at < dataset.floats.size(); at += features)
        if (!std::isnan(dataset.floats[at]))
          dataset.floats[at] = static_cast<float>(new_index[static_cast<std::size_t>(dataset.floats[at])]);
    }
    for (const auto& [column, cells] : unknown_)
      dataset.notes.push_back(fmt::format("column '{}': {} of {} cells hold words that training never showed, such as '{}'",
                                          options_.columns[column].name, cells.count, dataset.count, cells.example));
    if (!options_.labelled) return {};
    dataset.task = layout_.task;
    for (const std::size_t column : layout_.targets) dataset.target_names.push_back(layout_.names[column]);
    if (const Result<void> sound = check_targets(dataset, origin); !sound) return sound;
    if (layout_.label == kNoColumn) {
      if (layout_.targets.size() == 1) dataset.label_name = dataset.target_names.front();
      return {};
    }
    dataset.label_name = layout_.names[layout_.label];
    dataset.class_names = options_.class_names;
    if (!options_.class_names.empty()) return {};
    join_whole_numbers(dataset);
    dataset.class_names = sorted(classes_, decimal_, new_index);
    for (std::int32_t& label : dataset.labels) label = new_index[static_cast<std::size_t>(label)];
    if (dataset.task != Task::classes || options_.task) return {};
    become_values(dataset);
    if (dataset.count < kFewRows || std::ssize(dataset.class_names) * 2 <= dataset.count) return {};
    return Error{Error::Kind::data,
                 fmt::format("{}: label '{}': wanted classes, got {} different words in {} rows; try --label NAME, or "
                             "--set data.task=classes",
                             origin, dataset.label_name, dataset.class_names.size(), dataset.count)};
  }

 private:
  Error wanted(const CsvReader& reader, const Cell& cell, const std::string& column, std::string_view what) const {
    return reader.error_at(cell, fmt::format("column '{}': wanted a {}, got {}", column, what, shown(cell.text)));
  }

  Result<float> input(const CsvReader& reader, const Cell& cell, std::size_t i) {
    const TableInput& from = layout_.inputs[i];
    const std::string& name = layout_.names[from.source];
    if (is_missing(cell.text, options_.missing) || (!from.words && cell.text == "-")) {
      if (!options_.missing_cells) return wanted(reader, cell, name, from.words ? "word" : "number");
      return std::numeric_limits<float>::quiet_NaN();
    }
    if (!from.date.empty()) {
      const auto date = parse_date(cell.text);
      if (!date) return wanted(reader, cell, name, "date such as 2024-03-31");
      return static_cast<float>(date_part(*date, from.date));
    }
    if (from.words) return static_cast<float>(word(i, cell.text));
    const Result<float> value = number(reader, cell, name, from.origin);
    // A word among numbers often stands for none of them.
    const bool word = !value && options_.columns.empty() && !cell.text.empty() && (cell.text[0] < '0' || cell.text[0] > '9');
    if (!word) return value;
    return Error{value.error().kind, fmt::format("{}; --set 'data.missing=[\"{}\"]' where it stands for no value",
                                                 value.error().message, one_line(cell.text, 40))};
  }

  Result<float> number(const CsvReader& reader, const Cell& cell, const std::string& column, double origin = 0) const {
    const auto written = parse_number(cell.text, decimal_);
    if (!written || std::abs(written->value - origin) > FLT_MAX) return wanted(reader, cell, column, "number");
    return static_cast<float>(written->value - origin);
  }

  /// A further cell that nobody named is a label, or the row has another meaning than it seems.
  Result<void> label_left_out(const CsvReader& reader, const std::vector<Cell>& record) const {
    if (!layout_.by_position || layout_.label == kNoColumn || options_.class_names.empty()) return {};
    const Cell& cell = record[layout_.label];
    if (is_missing(cell.text, options_.missing)) return {};
    const Result<std::int32_t> known = known_class(reader, cell, options_.class_names);
    return known ? Result<void>() : known.error();
  }

  Result<void> label(const CsvReader& reader, const Cell& cell, Dataset& dataset) {
    if (is_missing(cell.text, options_.missing))
      return reader.error_at(cell, fmt::format("column '{}': wanted a label, got {}; try leaving such rows out",
                                               layout_.names[layout_.label], shown(cell.text)));
    if (options_.class_names.empty()) {
      dataset.labels.push_back(classes_.add(cell.text));
      return {};
    }
    const Result<std::int32_t> known = known_class(reader, cell, options_.class_names);
    if (!known) return known.error();
    dataset.labels.push_back(*known);
    return {};
  }

  static Result<void> check_targets(const Dataset& dataset, std::string_view origin) {
    if (dataset.task != Task::labels) return {};
    for (std::size_t i = 0; i < dataset.targets.size(); ++i)
      if (dataset.targets[i] != 0 && dataset.targets[i] != 1)
        return Error{Error::Kind::data, fmt::format("{}: column '{}': wanted 0 or 1 for a label, got {}", origin,
                                                    dataset.target_names[i % dataset.target_names.size()], dataset.targets[i])};
    return {};
  }

  std::int32_t word(std::size_t i, std::string_view text) {
    if (options_.columns.empty()) return vocabularies_[i].add(text);
    const std::size_t at = find_name(options_.columns[i].categories, text);
    if (at != kNoColumn) return static_cast<std::int32_t>(at);
    Unknown& cells = unknown_[i];
    if (cells.count++ == 0) cells.example = one_line(text, 40);
    return -1;
  }

  // Some programs write 3, others 3.0: where both stand in one file they are one class.
  void join_whole_numbers(Dataset& dataset) {
    std::vector<std::int32_t> place(classes_.index.size(), -1);
    Vocabulary joined;
    std::size_t both = 0;
    for (const auto& [text, index] : classes_.index) {
      const std::string whole(without_zero_fraction(text));
      const bool joins = whole != text && classes_.index.contains(whole);
      both += joins ? 1 : 0;
      place[static_cast<std::size_t>(index)] = joined.add(joins ? whole : text);
    }
    if (both == 0) return;
    for (std::int32_t& label : dataset.labels) label = place[static_cast<std::size_t>(label)];
    classes_ = std::move(joined);
    dataset.notes.push_back(fmt::format("label '{}': 1 and 1.0 are one class", dataset.label_name));
  }

  // Numbers that measure something: a fraction, or more different ones than anybody makes classes of. A number that is written
  // in two ways (1.1 and 1.10, 1234 and 01234) is a name.
  void become_values(Dataset& dataset) const {
    std::vector<double> values;
    std::set<double> different;
    std::string fraction;
    for (const std::string& name : dataset.class_names) {
      const auto number = parse_number(name, decimal_);
      if (!number || std::abs(number->value) >= 0x1p53 || !different.insert(number->value).second) return;
      values.push_back(number->value);
      if (number->value != std::floor(number->value)) fraction = name;
    }
    const auto many = static_cast<double>(values.size());
    if (fraction.empty() && many <= std::max(20.0, std::sqrt(static_cast<double>(dataset.count)))) return;
    dataset.notes.push_back(fmt::format("{}: {} in {} rows: a number to predict; for classes say --set data.task=classes",
                                        dataset.label_name,
                                        fraction.empty() ? fmt::format("{} different whole numbers", values.size())
                                                         : fmt::format("fractions such as {}", fraction),
                                        dataset.count));
    for (const std::int32_t label : dataset.labels)
      dataset.targets.push_back(static_cast<float>(values[static_cast<std::size_t>(label)]));
    dataset.labels.clear();
    dataset.class_names.clear();
    dataset.target_names = {dataset.label_name};
    dataset.task = Task::values;
  }

  struct Unknown {
    std::int64_t count = 0;
    std::string example;
  };

  const TableLayout& layout_;
  const DataOptions& options_;
  char decimal_;
  std::map<std::size_t, Unknown> unknown_;  // by input column
  std::vector<Vocabulary> vocabularies_;
  Vocabulary classes_, groups_;
};

void describe(const Dialect& dialect, const DecodedText& decoded, const Survey& survey, Dataset& dataset) {
  std::string how;
  const auto say = [&](std::string_view what) { how += (how.empty() ? "" : ", ") + std::string(what); };
  if (decoded.encoding != "utf-8") say(decoded.encoding == "latin-1" ? "Latin-1" : "UTF-16");
  if (dialect.separator != ',') say(fmt::format("{} between cells", separator_words(dialect.separator)));
  if (dialect.decimal == ',') say("decimal commas");
  if (dialect.quote != '"') say("single quotes");
  if (survey.comments > 0) say(fmt::format("{} comment line{} left out", survey.comments, survey.comments == 1 ? "" : "s"));
  if (survey.header && parse_number(survey.first.back())) say("a first line of numbers taken as names");
  if (!how.empty()) dataset.notes.push_back("read as " + how);
}

}  // namespace

Result<Dataset> parse_table(std::string bytes, std::string_view origin, const DataOptions& options) {
  const Result<DecodedText> decoded = decode_text(std::move(bytes), origin, options.encoding);
  if (!decoded) return decoded.error();
  const std::string_view text = decoded->text;
  const Result<Dialect> dialect = find_dialect(text, origin, options);
  if (!dialect) return dialect.error();
  const Result<Survey> surveyed = survey_table(text, origin, *dialect, options);
  if (!surveyed) return surveyed.error();
  const Result<TableLayout> layout = lay_out_table(*surveyed, options, origin);
  if (!layout) return layout.error();

  Dataset dataset;
  describe(*dialect, *decoded, *surveyed, dataset);
  dataset.notes.insert(dataset.notes.end(), layout->notes.begin(), layout->notes.end());
  dataset.floats.reserve(static_cast<std::size_t>(surveyed->records) * layout->inputs.size());
  CsvReader reader(text, origin, *dialect);
  Filler filler(*layout, options, dialect->decimal);
  std::vector<Cell> record;
  for (bool header = surveyed->header;; header = false) {
    const Result<bool> more = reader.next(record);
    if (!more) return more.error();
    if (!*more) break;
    if (header) continue;
    if (const Result<void> added = filler.add(reader, record, dataset); !added) return added.error();
  }
  if (const Result<void> counted = check_count(dataset.count, origin); !counted) return counted.error();
  if (const Result<void> finished = filler.finish(dataset, origin); !finished) return finished.error();
  for (const Shape& shape : {options.image_shape, options.row_shape})
    if (shape.size() == 3 && !dataset.is_image() && elements(shape) == dataset.sample_size()) become_images(dataset, shape);
  return dataset;
}

}  // namespace soma
