// a mapped file → its samples, one at a time: sets too large to hold in memory.
#include "data/mapped.h"

#include <fmt/format.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <utility>
#include <vector>

namespace soma {
namespace {

/// Which sample of its file the i-th is.
std::int64_t place(const Dataset& dataset, std::int64_t i) {
  return dataset.rows.empty() ? i : dataset.rows[static_cast<std::size_t>(i)];
}

std::size_t start(const Dataset& dataset, std::int64_t i) { return static_cast<std::size_t>(i * dataset.sample_size()); }

}  // namespace

Result<void> MappedSamples::check_finite(std::string_view origin) const {
  if (bytes_ || type_->integers != nullptr) return {};
  constexpr std::size_t kBlock = 4096;
  std::vector<double> block(kBlock);
  const std::size_t count = values_.size() / type_->size;
  for (std::size_t at = 0; at < count; at += kBlock) {
    const std::size_t some = std::min(kBlock, count - at);
    type_->doubles(values_.data() + at * type_->size, some, swapped_, block.data());
    for (std::size_t i = 0; i < some; ++i)
      if (!(std::abs(block[i]) <= static_cast<double>(FLT_MAX)))
        return Error{Error::Kind::data, fmt::format("{}: value {}: wanted a finite number, got {}", origin, at + i, block[i])};
  }
  return {};
}

bool Dataset::has_bytes() const { return mapped ? mapped->bytes() : !bytes.empty(); }

const std::uint8_t* Dataset::bytes_at(std::int64_t i) const noexcept {
  return mapped ? mapped->bytes_at(place(*this, i)) : bytes.data() + start(*this, i);
}

void Dataset::copy_floats(std::int64_t i, float* to) const noexcept {
  if (mapped && !mapped->bytes()) return mapped->copy_floats(place(*this, i), to);
  if (has_bytes())
    std::copy_n(bytes_at(i), sample_size(), to);
  else
    std::copy_n(floats.data() + start(*this, i), sample_size(), to);
}

Result<void> Dataset::unchanged() const { return mapped ? mapped->unchanged() : Result<void>(); }

Dataset in_memory(Dataset dataset) {
  if (!dataset.mapped) return dataset;
  const auto size = static_cast<std::size_t>(dataset.sample_size()), values = static_cast<std::size_t>(dataset.count) * size;
  if (dataset.has_bytes())
    dataset.bytes.reserve(values);
  else
    dataset.floats.resize(values);
  for (std::int64_t i = 0; i < dataset.count; ++i) {
    if (dataset.mapped->bytes())
      dataset.bytes.insert(dataset.bytes.end(), dataset.bytes_at(i), dataset.bytes_at(i) + size);
    else
      dataset.copy_floats(i, dataset.floats.data() + start(dataset, i));
  }
  dataset.mapped.reset();
  dataset.rows.clear();
  return dataset;
}

}  // namespace soma
