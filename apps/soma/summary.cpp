// the data of a run → what was understood of it, in a few lines.
#include "summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "table.h"

namespace soma::app {
namespace {

constexpr std::size_t kMostLines = 8, kMostClasses = 6;

std::string inputs(const Dataset& data) {
  if (data.columns.empty()) return fmt::format("{} of {}", data.is_image() ? "pictures" : "numbers", to_string(data.shape));
  std::size_t words = 0, dates = 0;
  for (const Column& column : data.columns) {
    words += column.categories.empty() ? 0 : 1;
    dates += column.date.empty() ? 0 : 1;
  }
  std::string text = fmt::format("{} columns", data.columns.size());
  if (words > 0) text += fmt::format(", {} of words", words);
  if (dates > 0) text += fmt::format(", {} of dates", dates);
  return text;
}

std::string classes(const RunData& data) {
  std::vector<std::int64_t> counts(data.train.class_names.size());
  const auto add = [&](const Dataset& part) {
    for (const std::int32_t label : part.labels) ++counts[static_cast<std::size_t>(label)];
  };
  add(data.train);
  add(data.test);
  if (data.validation) add(*data.validation);
  std::string text = fmt::format("{} classes: ", counts.size());
  for (std::size_t c = 0; c < std::min(counts.size(), kMostClasses); ++c)
    text += fmt::format("{}{} {}", c > 0 ? ", " : "", data.train.class_names[c], grouped(counts[c]));
  return counts.size() > kMostClasses ? text + ", …" : text;
}

std::string targets(const RunData& data) {
  const Dataset& train = data.train;
  const std::string name = train.label_name.empty() ? "label" : fmt::format("label '{}'", train.label_name);
  switch (train.task) {
    case Task::classes:
      return fmt::format("{}: {}", name, classes(data));
    case Task::values:
      return fmt::format("{} number{} to predict: {}", train.target_names.size(), train.target_names.size() == 1 ? "" : "s",
                         fmt::join(train.target_names, ", "));
    case Task::labels:
      return fmt::format("{} labels, each yes or no: {}", train.target_names.size(), fmt::join(train.target_names, ", "));
    case Task::reconstruct:
      return "each sample is to be given back; what is given back badly is unusual";
  }
  return "";
}

}  // namespace

std::vector<std::string> summary(const RunData& data) {
  const Dataset* validation = data.validation ? &*data.validation : nullptr;
  std::int64_t rows = data.train.count;
  std::string beside;
  for (const auto& [part, use] : {std::pair(&data.test, "measured"), {validation, "validated"}}) {
    if (part == nullptr || part->count == 0) continue;
    if (part->name == data.train.name)
      rows += part->count;
    else
      beside += fmt::format("; {} on {}: {} rows", use, part->name, grouped(part->count));
  }
  std::vector<std::string> lines = {
      fmt::format("data: {}: {} rows, {}{}", data.train.name, grouped(rows), inputs(data.train), beside), targets(data)};
  std::string words;
  const bool numbered = std::none_of(data.preprocess.steps.begin(), data.preprocess.steps.end(),
                                     [](const PreprocessStep& step) { return step.kind == PreprocessKind::one_hot; });
  for (const Column& column : data.train.columns)
    if (numbered && !column.categories.empty() && words.size() < 60) words += (words.empty() ? "" : ", ") + column.name;
  if (!words.empty())
    lines.push_back(
        fmt::format("words as numbers in their order: {}; {{ kind = \"one_hot\" }} in preprocess makes columns of them", words));
  for (const PreprocessStep& step : data.preprocess.steps)
    if (step.kind == PreprocessKind::impute)
      lines.push_back(
          fmt::format("cells without a value are filled{}",
                      step.indicators.empty() ? "" : fmt::format(", with {} columns that tell where", step.indicators.size())));
  lines.insert(lines.end(), data.notes.begin(), data.notes.end());
  if (lines.size() > kMostLines) {
    const std::size_t more = lines.size() - kMostLines + 1;
    lines.resize(kMostLines - 1);
    lines.push_back(fmt::format("… and {} more; soma data info says them all", more));
  }
  return lines;
}

}  // namespace soma::app
