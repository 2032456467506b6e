// a config → the data of its run: loaded, limited, split, and the preprocessing fitted on the training part.
#include <fmt/format.h>

#include <algorithm>

#include "soma/train.h"

namespace soma {
namespace {

/// The first `limit` samples.
void limit_to(Dataset& data, std::int64_t limit) {
  if (limit <= 0 || limit >= data.count) return;
  const auto kept = static_cast<std::size_t>(limit), numbers = static_cast<std::size_t>(limit * data.sample_size());
  data.count = limit;
  data.labels.resize(kept);
  if (!data.bytes.empty()) data.bytes.resize(numbers);
  if (!data.floats.empty()) data.floats.resize(numbers);
}

}  // namespace

Result<RunData> load_run_data(const Config& config) {
  DataOptions options;
  options.label = config.data.label;
  options.header = config.data.header;
  options.count = config.data.count;
  auto train = load_dataset(config.data.train, options);
  if (!train) return train.error();

  RunData data;
  if (config.data.test.empty()) {
    auto split = split_dataset(*train, config.data.test_fraction, config.train.seed);
    if (!split) return split.error();
    data.train = std::move(split->first);
    data.test = std::move(split->second);
  } else {
    options.count = 0;
    options.class_names = train->class_names;
    options.columns = train->columns;
    if (train->is_image()) options.image_shape = train->shape;
    auto test = load_dataset(config.data.test, options);
    if (!test) return test.error();
    data.train = std::move(*train);
    data.test = std::move(*test);
  }
  limit_to(data.train, config.data.limit);
  if (config.data.validation_fraction > 0) {
    auto split = split_dataset(data.train, config.data.validation_fraction, config.train.seed + 1);
    if (!split) return split.error();
    data.train = std::move(split->first);
    data.validation = std::move(split->second);
  }
  auto preprocess = fit_preprocess(config.preprocess, data.train);
  if (!preprocess) return preprocess.error();
  data.preprocess = std::move(*preprocess);
  return data;
}

}  // namespace soma
