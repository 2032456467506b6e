// a config → the data of its run: loaded, limited, split, and the preprocessing fitted on the training part.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/text.h"
#include "soma/train.h"
#include "train/units.h"

namespace soma {
namespace {

Error refused(std::string message) { return {Error::Kind::data, std::move(message)}; }

/// The first `limit` samples.
void limit_to(Dataset& data, std::int64_t limit) {
  if (limit <= 0 || limit >= data.count) return;
  const auto kept = static_cast<std::size_t>(limit);
  const auto shorten = [&](auto& values, std::size_t each) {
    if (!values.empty()) values.resize(kept * each);
  };
  const auto size = static_cast<std::size_t>(data.sample_size());
  shorten(data.labels, 1);
  shorten(data.targets, data.target_names.size());
  shorten(data.weights, 1);
  shorten(data.groups, 1);
  shorten(data.rows, 1);
  shorten(data.bytes, size);
  shorten(data.floats, size);
  data.count = limit;
}

DataOptions options_of(const Config& config) {
  const DataConfig& data = config.data;
  DataOptions options;
  options.label = data.label;
  options.labels = data.labels;
  options.task = data.task;
  options.group = data.group;
  options.weights = data.weights;
  options.header = data.header;
  options.delimiter = data.delimiter;
  options.decimal = data.decimal;
  options.encoding = data.encoding;
  options.only = data.columns;
  options.ignore = data.ignore;
  options.missing = data.missing;
  options.size = data.size;
  options.color = data.color;
  options.fit = data.fit;
  options.skip_bad = data.skip_bad;
  options.transpose = data.transpose;
  options.count = data.count;
  if (config.network.input.size() == 3) options.row_shape = config.network.input;
  options.dates = std::any_of(config.preprocess.begin(), config.preprocess.end(),
                              [](const PreprocessSpec& step) { return step.kind == PreprocessKind::date; });
  return options;
}

/// More data of the kind `first` is.
Result<Dataset> load_beside(const std::string& source, const Dataset& first, DataOptions options) {
  options.count = 0;
  options.class_names = first.class_names;
  options.columns = first.columns;
  options.task = first.task;
  if (first.is_image()) options.image_shape = first.shape;
  return load_dataset(source, options);
}

/// Cells without a value are filled, or refused with the line that fills them.
Result<void> check_missing(const Config& config, const RunData& data) {
  const bool filled = std::any_of(config.preprocess.begin(), config.preprocess.end(),
                                  [](const PreprocessSpec& step) { return step.kind == PreprocessKind::impute; });
  if (filled || data.train.columns.empty()) return {};
  std::vector<std::int64_t> gaps(data.train.columns.size());
  const auto count_gaps = [&gaps](const Dataset& part) {
    for (std::size_t i = 0; i < part.floats.size(); ++i) gaps[i % gaps.size()] += std::isnan(part.floats[i]) ? 1 : 0;
  };
  count_gaps(data.train);
  count_gaps(data.test);
  if (data.validation) count_gaps(*data.validation);
  std::string columns;
  std::int64_t cells = 0, listed = 0;
  for (std::size_t c = 0; c < gaps.size(); ++c) {
    if (gaps[c] == 0) continue;
    cells += gaps[c];
    if (++listed <= 5) columns += fmt::format("{}{} ({})", columns.empty() ? "" : ", ", data.train.columns[c].name, gaps[c]);
  }
  if (cells == 0) return {};
  if (listed > 5) columns += ", …";
  return refused(
      fmt::format("{}: wanted a value in every cell, got {} without in {}; try this as the first step of preprocess:\n"
                  "{{ kind = \"impute\", with = \"median\", indicator = true }}",
                  data.train.name, cells, columns));
}

/// Pixels that are divided already would become next to nothing, without a word.
Result<void> check_divide(const Config& config, const Dataset& train) {
  if (config.preprocess.empty()) return {};
  const PreprocessSpec& first = config.preprocess.front();
  if (first.kind != PreprocessKind::divide || !(std::abs(first.by) > 1)) return {};
  float largest = 0;
  std::vector<float> sample(static_cast<std::size_t>(train.sample_size()));
  for (std::int64_t i = 0; i < train.count && largest <= 1; ++i) {
    train.copy_floats(i, sample.data());
    for (const float x : sample) largest = std::isnan(x) ? largest : std::max(largest, std::abs(x));
  }
  if (largest > 1) return {};
  return refused(
      fmt::format("{}: wanted values to divide by {:g}, got none above {:g}: they are divided already; try --set "
                  "preprocess=[]",
                  train.name, first.by, static_cast<double>(largest)));
}

Result<void> check_classes(const Dataset& train) {
  if (train.task != Task::classes) return {};
  const bool several =
      std::any_of(train.labels.begin(), train.labels.end(), [&](std::int32_t label) { return label != train.labels.front(); });
  if (several) return {};
  const auto only =
      train.labels.empty() ? std::string("none") : train.class_names[static_cast<std::size_t>(train.labels.front())];
  return refused(fmt::format("{}: wanted samples of at least two classes to train on, got '{}' alone{}", train.name,
                             one_line(only, 40),
                             train.label_name.empty() ? "" : fmt::format(" in column '{}'; try --label NAME", train.label_name)));
}

/// Samples that are all the same (pictures that were white on transparent, a table of one row repeated) teach nothing.
Result<void> check_different(const Dataset& train) {
  if (train.count < 2) return {};
  std::vector<float> first(static_cast<std::size_t>(train.sample_size())), other(first.size());
  train.copy_floats(0, first.data());
  for (std::int64_t i = 1; i < train.count; ++i) {
    train.copy_floats(i, other.data());
    if (first != other) return {};
  }
  return refused(fmt::format("{}: wanted samples that differ, got {} that are all alike{}", train.name, train.count,
                             train.is_image() ? "; transparent places count as white" : ""));
}

Result<void> check_augment(const Config& config, const Dataset& train) {
  if (config.augment == Augment{} || train.is_image()) return {};
  return Error{Error::Kind::usage,
               fmt::format("augment: wanted images to distort, got a table from {}; try --set augment={{}}", train.name)};
}

/// What a model keeps has to be UTF-8; names that are not are found now rather than after the last epoch.
Result<void> check_names(const Config& config, const Dataset& train) {
  const auto bad = [](const std::string& name) { return !is_utf8(name); };
  const auto refuse = [&](std::string_view what, std::string_view name) {
    return refused(fmt::format("{}: wanted {} in UTF-8, got '{}'; try renaming it", train.name, what, printable(name)));
  };
  for (const std::string* source : {&config.data.train, &config.data.test, &config.data.validation})
    if (bad(*source))
      return Error{Error::Kind::usage,
                   fmt::format("data: wanted a path in UTF-8, got '{}'; try renaming it", printable(*source))};
  for (const std::string& name : train.class_names)
    if (bad(name)) return refuse("class names", name);
  for (const Column& column : train.columns) {
    if (bad(column.name)) return refuse("column names", column.name);
    for (const std::string& word : column.categories)
      if (bad(word)) return refuse(fmt::format("the words of column '{}'", column.name), word);
  }
  return bad(train.label_name) ? refuse("the label's name", train.label_name) : Result<void>();
}

/// What was said of a part and not of the training part.
void add_notes(RunData& data, const Dataset& part, std::string_view name) {
  const auto& said = data.train.notes;
  for (const std::string& note : part.notes)
    if (std::find(said.begin(), said.end(), note) == said.end()) data.notes.push_back(fmt::format("{}: {}", name, note));
}

}  // namespace

Result<RunData> load_run_data(const Config& config) {
  RunData data;
  if (const auto named = check_names(config, {}); !named) return named.error();
  const DataOptions options = options_of(config);
  auto train = load_dataset(config.data.train, options);
  if (!train) return train.error();
  if (const auto named = check_names(config, *train); !named) return named.error();

  std::string held_out = config.data.test;
  if (held_out.empty()) {
    const auto beside = test_part_of(config.data.train);
    if (!beside) return beside.error();
    held_out = beside->value_or("");
  }
  const SplitOptions how{.shuffle = config.data.shuffle};
  if (!held_out.empty()) {
    auto test = load_beside(held_out, *train, options);
    if (!test) return test.error();
    data.train = std::move(*train);
    data.test = std::move(*test);
  } else if (config.data.test_fraction > 0) {
    auto split = split_dataset(*train, config.data.test_fraction, config.train.seed, how);
    if (!split) return split.error();
    data.train = std::move(split->first);
    data.test = std::move(split->second);
  } else {
    data.train = std::move(*train);
  }
  limit_to(data.train, config.data.limit);
  if (!config.data.validation.empty()) {
    auto validation = load_beside(config.data.validation, data.train, options);
    if (!validation) return validation.error();
    data.validation = std::move(*validation);
  } else if (config.data.validation_fraction > 0) {
    auto split = split_dataset(data.train, config.data.validation_fraction, config.train.seed + 1, how);
    if (!split) return split.error();
    data.train = std::move(split->first);
    data.validation = std::move(split->second);
  }
  for (const auto& checked : {check_classes(data.train), check_different(data.train), check_augment(config, data.train),
                              check_divide(config, data.train), check_missing(config, data)})
    if (!checked) return checked.error();
  if (config.augment != Augment{} && !data.train.has_bytes()) data.train = in_memory(std::move(data.train));
  auto preprocess = fit_preprocess(config.preprocess, data.train);
  if (!preprocess) return preprocess.error();
  data.preprocess = std::move(*preprocess);
  standardise_values(data);
  data.notes = data.train.notes;
  add_notes(data, data.test, "test");
  if (data.validation) add_notes(data, *data.validation, "validation");
  return data;
}

}  // namespace soma
