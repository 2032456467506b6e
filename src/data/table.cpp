// CSV text → Dataset: header found, columns typed, words indexed, labels named.
#include "data/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cfloat>
#include <charconv>
#include <cmath>
#include <map>
#include <numeric>

#include "core/text.h"
#include "data/csv.h"
#include "data/labels.h"

namespace soma {
namespace {

constexpr std::size_t kNone = static_cast<std::size_t>(-1);

/// What a first pass learns about the file.
struct Survey {
  std::vector<std::string> first;  // cells of the first record
  std::int64_t first_line = 1;
  std::vector<bool> first_is_number;
  std::vector<std::int64_t> numbers, words;  // per column, without the first record
  std::vector<bool> repeats;                 // does the first record's cell occur again below it?
  std::int64_t records = 0;
};

/// Which cell goes where.
struct Layout {
  bool header = false;
  std::vector<std::string> names;   // of every column in the file
  std::vector<std::size_t> source;  // column in the file of each input
  std::size_t label = kNone;        // column in the file, or none
  std::vector<bool> words;          // does this input hold words?
};

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

std::string shown(std::string_view text) {
  return text.empty() ? "an empty cell" : fmt::format("'{}'{}", text.substr(0, 40), text.size() > 40 ? "…" : "");
}

Result<Survey> survey(std::string_view text, std::string_view origin) {
  CsvReader reader(text, origin);
  std::vector<Cell> record;
  Survey s;
  while (true) {
    const Result<bool> more = reader.next(record);
    if (!more) return more.error();
    if (!*more) break;
    const std::size_t fields = record.size();
    if (s.records++ == 0) {
      s.first_line = record[0].line;
      for (const Cell& cell : record) {
        s.first.emplace_back(cell.text);
        s.first_is_number.push_back(parse_number(cell.text).has_value());
      }
      s.numbers.resize(fields);
      s.words.resize(fields);
      s.repeats.resize(fields);
      continue;
    }
    const std::string message = fields == s.first.size()
                                    ? ""
                                    : fmt::format("wanted {} fields as in line {}, got {}", s.first.size(), s.first_line, fields);
    if (fields > s.first.size()) return reader.error_at(record[s.first.size()], message);
    if (fields < s.first.size()) return reader.error_at_end(message);
    for (std::size_t i = 0; i < fields; ++i) {
      const bool number = parse_number(record[i].text).has_value();
      ++(number ? s.numbers : s.words)[i];
      if (!number && record[i].text == s.first[i]) s.repeats[i] = true;
    }
  }
  if (s.records == 0) return Error{Error::Kind::data, fmt::format("{}: wanted rows, got an empty file", origin)};
  return s;
}

// A header has no number in it, and either stands above numbers or says words that never come again. A line of words alone is a
// header without rows, unless it is a sample to be predicted.
bool looks_like_header(const Survey& s, bool labelled) {
  if (std::find(s.first_is_number.begin(), s.first_is_number.end(), true) != s.first_is_number.end()) return false;
  bool above_numbers = false, repeats = false;
  for (std::size_t i = 0; i < s.first.size(); ++i) {
    above_numbers = above_numbers || s.numbers[i] > s.words[i];
    repeats = repeats || s.repeats[i];
  }
  return s.records > 1 ? above_numbers || !repeats : labelled;
}

bool header_names_columns(const Survey& s, const DataOptions& options) {
  return std::any_of(options.columns.begin(), options.columns.end(), [&](const Column& column) {
    return !parse_number(column.name) && std::find(s.first.begin(), s.first.end(), column.name) != s.first.end();
  });
}

std::size_t find_name(const std::vector<std::string>& names, std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  return found == names.end() ? kNone : static_cast<std::size_t>(found - names.begin());
}

Result<std::size_t> label_column(const Layout& layout, const DataOptions& options, std::string_view origin) {
  const std::size_t fields = layout.names.size();
  if (options.label.empty()) return fields - 1;
  if (const std::size_t named = find_name(layout.names, options.label); named != kNone) return named;
  std::int64_t index = 0;
  const char* end = options.label.data() + options.label.size();
  const auto [stop, failure] = std::from_chars(options.label.data(), end, index);
  if (failure != std::errc() || stop != end) {
    if (!layout.header && !options.columns.empty()) return fields - 1;
    return Error{Error::Kind::usage,
                 layout.header
                     ? fmt::format("{}: no label column '{}'{}", origin, options.label, suggestion(options.label, layout.names))
                     : fmt::format("{}: no label column '{}', the file has no header; try an index from 0 to {}", origin,
                                   options.label, fields - 1)};
  }
  const auto count = static_cast<std::int64_t>(fields);
  if (index < -count || index >= count)
    return Error{Error::Kind::usage,
                 fmt::format("{}: wanted a label column from {} to {}, got {}", origin, -count, count - 1, index)};
  return static_cast<std::size_t>(index < 0 ? index + count : index);
}

Result<void> place_known_columns(Layout& layout, const DataOptions& options, std::string_view origin, std::int64_t line) {
  const std::size_t wanted = options.columns.size(), fields = layout.names.size();
  const auto by_name = [&](const Column& column) { return find_name(layout.names, column.name); };
  if (layout.header && std::any_of(options.columns.begin(), options.columns.end(),
                                   [&](const Column& column) { return by_name(column) != kNone; })) {
    for (const Column& column : options.columns) {
      layout.source.push_back(by_name(column));
      if (layout.source.back() == kNone)
        return Error{Error::Kind::data,
                     fmt::format("{}:{}:1: no column '{}'{}", origin, line, column.name, suggestion(column.name, layout.names))};
    }
    return {};
  }
  const std::size_t labels = layout.label == kNone ? 0 : 1;
  if (fields != wanted + labels)
    return Error{Error::Kind::data,
                 fmt::format("{}:{}:1: wanted {} fields{}, got {}", origin, line, wanted + labels,
                             labels == 0 ? fmt::format(" (or {} with a label)", wanted + 1) : " with the label", fields)};
  for (std::size_t i = 0; i < fields; ++i)
    if (i != layout.label) layout.source.push_back(i);
  return {};
}

Result<Layout> lay_out(const Survey& s, const DataOptions& options, std::string_view origin) {
  Layout layout;
  layout.header = options.header.value_or(looks_like_header(s, options.labelled) || header_names_columns(s, options));
  const std::size_t fields = s.first.size();
  if (layout.header) layout.names = s.first;
  for (std::size_t i = 0; !layout.header && i < fields; ++i) layout.names.push_back(std::to_string(i));

  const bool label_shown = !options.columns.empty() && fields == options.columns.size() + 1;
  if (options.labelled || label_shown) {
    const Result<std::size_t> label = label_column(layout, options, origin);
    if (!label && options.labelled) return label.error();
    layout.label = label ? *label : fields - 1;
  }
  if (options.columns.empty()) {
    for (std::size_t i = 0; i < fields; ++i)
      if (i != layout.label) layout.source.push_back(i);
  } else if (Result<void> placed = place_known_columns(layout, options, origin, s.first_line); !placed) {
    return placed.error();
  }
  if (layout.source.empty())
    return Error{Error::Kind::data, fmt::format("{}: wanted at least one input column beside the label, got none", origin)};
  for (std::size_t i = 0; i < layout.source.size(); ++i) {
    const std::size_t c = layout.source[i];
    const std::int64_t first_word = !layout.header && !s.first_is_number[c] ? 1 : 0;
    const std::int64_t first_number = !layout.header && s.first_is_number[c] ? 1 : 0;
    layout.words.push_back(options.columns.empty() ? s.words[c] + first_word > s.numbers[c] + first_number
                                                   : !options.columns[i].categories.empty());
  }
  return layout;
}

// Words in sorted order; numbers, when all are numbers, in numeric order and equal ones as one. new_index[old] is the place.
std::vector<std::string> sorted(const Vocabulary& words, std::vector<std::int32_t>& new_index) {
  new_index.resize(words.index.size());
  std::vector<std::string> names;
  const bool numeric = !words.index.empty() && std::all_of(words.index.begin(), words.index.end(), [](const auto& entry) {
    return parse_number(entry.first).has_value();
  });
  std::map<double, std::vector<std::int32_t>> numbers;
  for (const auto& [word, index] : words.index) {
    if (numeric) {
      numbers[*parse_number(word) + 0.0].push_back(index);  // + 0.0: -0 is 0
    } else {
      new_index[static_cast<std::size_t>(index)] = static_cast<std::int32_t>(names.size());
      names.push_back(word);
    }
  }
  for (const auto& [number, indices] : numbers) {
    for (const std::int32_t index : indices) new_index[static_cast<std::size_t>(index)] = static_cast<std::int32_t>(names.size());
    names.push_back(fmt::format("{}", number));
  }
  return names;
}

Result<std::int32_t> known_class(const CsvReader& reader, const Cell& cell, const std::vector<std::string>& class_names) {
  std::size_t at = find_name(class_names, cell.text);
  if (const auto number = parse_number(cell.text); at == kNone && number)
    at = find_name(class_names, fmt::format("{}", *number + 0.0));
  if (at != kNone) return static_cast<std::int32_t>(at);
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

/// Second pass: cells → values.
class Filler {
 public:
  Filler(const Layout& layout, const DataOptions& options)
      : layout_(layout), options_(options), vocabularies_(layout.source.size()) {}

  Result<void> add(const CsvReader& reader, const std::vector<Cell>& record, Dataset& dataset) {
    for (std::size_t i = 0; i < layout_.source.size(); ++i) {
      const Cell& cell = record[layout_.source[i]];
      const std::string& name = layout_.names[layout_.source[i]];
      if (layout_.words[i]) {
        if (cell.text.empty()) return reader.error_at(cell, fmt::format("column '{}': wanted a word, got an empty cell", name));
        dataset.floats.push_back(static_cast<float>(word(i, cell.text)));
        continue;
      }
      const std::optional<double> number = parse_number(cell.text);
      if (!number || std::abs(*number) > FLT_MAX)
        return reader.error_at(cell, fmt::format("column '{}': wanted a number, got {}", name, shown(cell.text)));
      dataset.floats.push_back(static_cast<float>(*number));
    }
    ++dataset.count;
    if (layout_.label == kNone || !options_.labelled) return {};
    const Cell& cell = record[layout_.label];
    if (cell.text.empty()) return reader.error_at(cell, "wanted a label, got an empty cell");
    if (options_.class_names.empty()) {
      dataset.labels.push_back(classes_.add(cell.text));
      return {};
    }
    const Result<std::int32_t> label = known_class(reader, cell, options_.class_names);
    if (!label) return label.error();
    dataset.labels.push_back(*label);
    return {};
  }

  Result<void> finish(Dataset& dataset, std::string_view origin) {
    const std::size_t features = layout_.source.size();
    dataset.shape = {static_cast<std::int64_t>(features)};
    dataset.columns = options_.columns;
    std::vector<std::int32_t> new_index;
    for (std::size_t i = 0; i < features && options_.columns.empty(); ++i) {
      Column& column = dataset.columns.emplace_back(Column{layout_.names[layout_.source[i]], {}});
      if (!layout_.words[i]) continue;
      column.categories = sorted(vocabularies_[i], new_index);
      for (std::size_t at = i; at < dataset.floats.size(); at += features)
        dataset.floats[at] = static_cast<float>(new_index[static_cast<std::size_t>(dataset.floats[at])]);
    }
    if (layout_.label == kNone || !options_.labelled) return {};
    dataset.label_name = layout_.names[layout_.label];
    dataset.class_names = options_.class_names;
    if (!options_.class_names.empty()) return {};
    dataset.class_names = sorted(classes_, new_index);
    if (const std::string measured = measurement(dataset); !measured.empty())
      return Error{Error::Kind::data,
                   fmt::format("{}: label column '{}': wanted classes, got measurements such as {}; try another "
                               "label column",
                               origin, dataset.label_name, measured)};
    for (std::int32_t& label : dataset.labels) label = new_index[static_cast<std::size_t>(label)];
    return {};
  }

 private:
  std::int32_t word(std::size_t i, std::string_view text) {
    if (options_.columns.empty()) return vocabularies_[i].add(text);
    const std::size_t at = find_name(options_.columns[i].categories, text);
    return at == kNone ? -1 : static_cast<std::int32_t>(at);
  }

  // Fractions of which most come only once are no classes.
  static std::string measurement(const Dataset& dataset) {
    if (static_cast<std::int64_t>(dataset.class_names.size()) * 2 <= dataset.count) return "";
    for (const std::string& name : dataset.class_names)
      if (const auto number = parse_number(name); number && *number != std::floor(*number)) return name;
    return "";
  }

  const Layout& layout_;
  const DataOptions& options_;
  std::vector<Vocabulary> vocabularies_;
  Vocabulary classes_;
};

}  // namespace

Result<Dataset> parse_table(std::string_view text, std::string_view origin, const DataOptions& options) {
  const Result<Survey> surveyed = survey(text, origin);
  if (!surveyed) return surveyed.error();
  const Result<Layout> layout = lay_out(*surveyed, options, origin);
  if (!layout) return layout.error();

  Dataset dataset;
  dataset.floats.reserve(static_cast<std::size_t>(surveyed->records) * layout->source.size());
  CsvReader reader(text, origin);
  Filler filler(*layout, options);
  std::vector<Cell> record;
  for (bool header = layout->header;; header = false) {
    const Result<bool> more = reader.next(record);
    if (!more) return more.error();
    if (!*more) break;
    if (header) continue;
    if (const Result<void> added = filler.add(reader, record, dataset); !added) return added.error();
  }
  if (const Result<void> counted = check_count(dataset.count, origin); !counted) return counted.error();
  if (const Result<void> finished = filler.finish(dataset, origin); !finished) return finished.error();
  if (options.image_shape.size() == 3 && elements(options.image_shape) == dataset.sample_size())
    become_images(dataset, options.image_shape);
  return dataset;
}

}  // namespace soma
