// Dataset → CSV with a header, and a table of whole numbers → images of bytes: the way between IDX and CSV.
#include <fmt/format.h>

#include <cmath>

#include "core/file.h"
#include "soma/dataset.h"

namespace soma {

namespace {

/// A cell as RFC 4180 writes it: quoted where it holds a comma, a quote, a line end, or blanks that would be dropped.
std::string cell(const std::string& text) {
  const bool plain = text.find_first_of(",\"\r\n") == std::string::npos && !text.starts_with(' ') && !text.ends_with(' ');
  if (plain) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + '"';
}

std::string input_cell(const Dataset& dataset, std::size_t at, std::size_t column) {
  if (dataset.floats.empty()) return fmt::format_int(static_cast<unsigned>(dataset.bytes[at])).str();
  const float value = dataset.floats[at];
  if (std::isnan(value)) return "";
  if (column >= dataset.columns.size()) return fmt::format("{}", value);
  const Column& from = dataset.columns[column];
  if (from.categories.empty())
    return from.origin == 0 ? fmt::format("{}", value) : fmt::format("{:.17g}", static_cast<double>(value) + from.origin);
  const auto word = static_cast<std::size_t>(value);
  return value >= 0 && word < from.categories.size() ? cell(from.categories[word]) : "";
}

}  // namespace

Result<void> write_csv(const Dataset& dataset, const std::filesystem::path& file) {
  if (dataset.mapped) return write_csv(in_memory(dataset), file);
  const auto size = static_cast<std::size_t>(dataset.sample_size()), width = dataset.target_names.size();
  // A name of its own is found in the last column, "label" wherever it is; files for batch jobs have it first.
  const bool last = !dataset.columns.empty() && (width > 0 || dataset.label_name != std::to_string(size));
  std::vector<std::string> targets = dataset.target_names;
  if (!dataset.labels.empty()) targets.assign(1, last && !dataset.label_name.empty() ? dataset.label_name : "label");
  std::string text;
  const auto line = [&](auto&& target, auto&& input) {
    std::string before, after;
    for (std::size_t i = 0; i < targets.size(); ++i) (last ? after : before) += last ? "," + target(i) : target(i) + ",";
    text += before;
    for (std::size_t i = 0; i < size; ++i) text += (i > 0 ? "," : "") + input(i);
    text += after + '\n';
  };
  line([&](std::size_t i) { return cell(targets[i]); },
       [&](std::size_t i) { return dataset.columns.empty() ? fmt::format("pixel{}", i) : cell(dataset.columns[i].name); });
  for (std::size_t row = 0; row < static_cast<std::size_t>(dataset.count); ++row)
    line(
        [&](std::size_t i) {
          return dataset.labels.empty() ? fmt::format("{}", dataset.targets[row * width + i])
                                        : cell(dataset.class_names[static_cast<std::size_t>(dataset.labels[row])]);
        },
        [&](std::size_t i) { return input_cell(dataset, row * size + i, i); });
  return write_file(file, text);
}

Result<Dataset> as_images(const Dataset& table) {
  if (table.mapped) return as_images(in_memory(table));
  if (!table.floats.empty() || table.bytes.empty()) {
    Dataset images = table;
    const std::int64_t size = table.sample_size();
    const auto side = static_cast<std::int64_t>(std::lround(std::sqrt(static_cast<double>(size))));
    images.shape = side * side == size ? Shape{1, side, side} : Shape{1, 1, size};
    images.floats.clear();
    images.columns.clear();
    images.bytes.reserve(table.floats.size());
    for (std::size_t i = 0; i < table.floats.size(); ++i) {
      const float x = table.floats[i];
      if (!(x >= 0 && x <= 255) || x != std::floor(x))
        return Error{Error::Kind::data,
                     fmt::format("{}: sample {}: wanted whole numbers from 0 to 255, got {}; IDX images hold bytes", table.name,
                                 static_cast<std::int64_t>(i) / size + 1, x)};
      images.bytes.push_back(static_cast<std::uint8_t>(x));
    }
    return images;
  }
  return table;
}

}  // namespace soma
