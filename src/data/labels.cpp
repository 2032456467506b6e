// integer labels from a file → Dataset::labels and class names, checked.
#include "data/labels.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>

#include "core/number.h"

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
  std::map<std::int64_t, std::int32_t> places;
  if (class_names.empty()) {
    for (const std::int64_t label : labels) places.emplace(label, 0);
    if (std::ssize(places) > kMostClasses)
      return Error{Error::Kind::data,
                   fmt::format("{}: wanted labels, at most {} different ones, got {}", origin, kMostClasses, places.size())};
    for (auto& [label, place] : places) {
      place = static_cast<std::int32_t>(dataset.class_names.size());
      dataset.class_names.push_back(std::to_string(label));
    }
  } else {
    dataset.class_names = class_names;
    const bool numbered = std::all_of(class_names.begin(), class_names.end(), [](const std::string& name) {
      return !name.empty() && name.find_first_not_of("-0123456789") == std::string::npos;
    });
    for (std::size_t i = 0; i < class_names.size(); ++i)
      places.emplace(
          numbered ? whole_number(class_names[i]).value_or(static_cast<std::int64_t>(i)) : static_cast<std::int64_t>(i),
          static_cast<std::int32_t>(i));
  }
  dataset.labels.resize(labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto found = places.find(labels[i]);
    if (found == places.end())
      return Error{Error::Kind::data, fmt::format("{}: sample {}: wanted a label from {} to {}, got {}", origin, i,
                                                  places.begin()->first, places.rbegin()->first, labels[i])};
    dataset.labels[i] = found->second;
  }
  return {};
}

}  // namespace soma
