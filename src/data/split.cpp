// Dataset + fraction + seed → two Datasets with the same class proportions.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/random.h"
#include "soma/dataset.h"

namespace soma {
namespace {

Dataset picked(const Dataset& dataset, const std::vector<std::size_t>& samples) {
  Dataset part;
  part.name = dataset.name;
  part.shape = dataset.shape;
  part.class_names = dataset.class_names;
  part.columns = dataset.columns;
  part.label_name = dataset.label_name;
  part.task = dataset.task;
  part.target_names = dataset.target_names;
  part.notes = dataset.notes;
  part.count = std::ssize(samples);
  const auto size = static_cast<std::size_t>(dataset.sample_size());
  const auto append = [&](const auto& from, auto& to, std::size_t width) {
    if (from.empty()) return;
    to.reserve(samples.size() * width);
    for (const std::size_t sample : samples) {
      const auto start = from.begin() + static_cast<std::ptrdiff_t>(sample * width);
      to.insert(to.end(), start, start + static_cast<std::ptrdiff_t>(width));
    }
  };
  if (dataset.mapped) {
    part.mapped = dataset.mapped;
    for (const std::size_t sample : samples)
      part.rows.push_back(dataset.rows.empty() ? static_cast<std::int32_t>(sample) : dataset.rows[sample]);
  }
  append(dataset.bytes, part.bytes, size);
  append(dataset.floats, part.floats, size);
  append(dataset.labels, part.labels, 1);
  append(dataset.targets, part.targets, dataset.target_names.size());
  append(dataset.weights, part.weights, 1);
  append(dataset.groups, part.groups, 1);
  return part;
}

// How many of each class go to the second part: fraction·members rounded down, the rest to the largest remainders.
std::vector<std::size_t> shares(const std::vector<std::vector<std::size_t>>& members, double fraction, std::size_t total) {
  std::vector<std::size_t> share;
  std::vector<double> remainder;
  std::size_t given = 0;
  for (const auto& class_members : members) {
    const double exact = fraction * static_cast<double>(class_members.size());
    share.push_back(static_cast<std::size_t>(exact));
    remainder.push_back(exact - std::floor(exact));
    given += share.back();
  }
  std::vector<std::size_t> order(members.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return remainder[a] > remainder[b]; });
  for (std::size_t i = 0; i < order.size() && given < total; ++i) {
    const std::size_t c = order[i];
    if (share[c] >= members[c].size()) continue;
    ++share[c];
    ++given;
  }
  return share;
}

// Whole groups in random order, as long as they bring the second part nearer to `total` samples.
Result<Split> split_groups(const Dataset& dataset, std::size_t total, std::uint64_t seed) {
  const auto groups = static_cast<std::size_t>(*std::max_element(dataset.groups.begin(), dataset.groups.end())) + 1;
  std::vector<std::vector<std::size_t>> members(groups);
  for (std::size_t i = 0; i < dataset.groups.size(); ++i) members[static_cast<std::size_t>(dataset.groups[i])].push_back(i);
  for (std::size_t i = groups; i > 1; --i) std::swap(members[i - 1], members[random_below(i, seed, stream(Stream::split), i)]);
  std::vector<std::size_t> first, second;
  for (const auto& group : members) {
    const std::size_t now = second.size(), then = now + group.size();
    const bool nearer = then <= total || (now < total && then - total < total - now);
    auto& part = nearer ? second : first;
    part.insert(part.end(), group.begin(), group.end());
  }
  if (first.empty() || second.empty())
    return Error{Error::Kind::data, fmt::format("{}: wanted groups on both sides of the split, got {} group{} that cannot be cut",
                                                dataset.name, groups, groups == 1 ? "" : "s")};
  std::sort(first.begin(), first.end());
  std::sort(second.begin(), second.end());
  return Split{picked(dataset, first), picked(dataset, second)};
}

}  // namespace

Result<Split> split_dataset(const Dataset& dataset, double fraction, std::uint64_t seed, const SplitOptions& options) {
  if (!(fraction > 0 && fraction < 1))
    return Error{Error::Kind::usage, fmt::format("split: wanted a fraction between 0 and 1, got {}", fraction)};
  SOMA_REQUIRE(dataset.labels.empty() || std::ssize(dataset.labels) == dataset.count);
  const auto total = static_cast<std::size_t>(std::llround(fraction * static_cast<double>(dataset.count)));
  if (total == 0 || static_cast<std::int64_t>(total) >= dataset.count)
    return Error{Error::Kind::data, fmt::format("{}: wanted samples on both sides of the split, got {} samples and fraction {}",
                                                dataset.name, dataset.count, fraction)};
  std::vector<std::size_t> order(static_cast<std::size_t>(dataset.count));
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (!options.shuffle) {
    const auto cut = order.end() - static_cast<std::ptrdiff_t>(total);
    return Split{picked(dataset, {order.begin(), cut}), picked(dataset, {cut, order.end()})};
  }
  if (!dataset.groups.empty()) return split_groups(dataset, total, seed);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random_below(i, seed, stream(Stream::split), i)]);

  std::vector<std::vector<std::size_t>> members(std::max<std::size_t>(dataset.class_names.size(), 1));
  for (const std::size_t sample : order)
    members[dataset.labels.empty() ? 0 : static_cast<std::size_t>(dataset.labels[sample])].push_back(sample);
  const std::vector<std::size_t> share = shares(members, fraction, total);
  std::vector<std::size_t> first, second;
  for (std::size_t c = 0; c < members.size(); ++c)
    for (std::size_t i = 0; i < members[c].size(); ++i) (i < share[c] ? second : first).push_back(members[c][i]);
  std::sort(first.begin(), first.end());
  std::sort(second.begin(), second.end());
  return Split{picked(dataset, first), picked(dataset, second)};
}

}  // namespace soma
