// integer labels from a file → Dataset::labels and class names, checked.
#include "data/labels.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace soma {

// More classes than this is a file of something else.
constexpr std::int64_t kMostClasses = 65536;

std::vector<std::string> number_names(std::int64_t count) {
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < count; ++i) names.push_back(std::to_string(i));
  return names;
}

Result<void> check_count(std::int64_t count, std::string_view origin) {
  if (count <= 0) return Error{Error::Kind::data, fmt::format("{}: wanted at least one sample, got none", origin)};
  if (count > std::numeric_limits<std::int32_t>::max())
    return Error{Error::Kind::data, fmt::format("{}: wanted fewer than 2³¹ samples, got {}", origin, count)};
  return {};
}

Result<void> set_labels(Dataset& dataset, std::span<const std::int64_t> labels, std::string_view origin,
                        const std::vector<std::string>& class_names) {
  if (static_cast<std::int64_t>(labels.size()) != dataset.count)
    return Error{Error::Kind::data,
                 fmt::format("{}: wanted {} labels, one per sample, got {}", origin, dataset.count, labels.size())};
  const std::int64_t largest = labels.empty() ? 0 : *std::max_element(labels.begin(), labels.end());
  const std::int64_t classes =
      class_names.empty() ? std::min(largest, kMostClasses - 1) + 1 : static_cast<std::int64_t>(class_names.size());
  dataset.labels.resize(labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0 || labels[i] >= classes)
      return Error{Error::Kind::data, fmt::format("{}: sample {}: wanted a label from 0 to {}, got {}", origin, i,
                                                  std::max<std::int64_t>(classes, 1) - 1, labels[i])};
    dataset.labels[i] = static_cast<std::int32_t>(labels[i]);
  }
  dataset.class_names = class_names.empty() ? number_names(classes) : class_names;
  return {};
}

}  // namespace soma
