// Dataset + Preprocess + seed → rows of floats in the order of an epoch.
#include <algorithm>
#include <numeric>
#include <utility>

#include "core/random.h"
#include "data/augment.h"
#include "data/preprocess.h"
#include "soma/dataset.h"

namespace soma {
namespace {

void require_fitting(const Preprocess& preprocess, const Dataset& dataset) {
  const std::int64_t size = elements(preprocessed_shape(preprocess, dataset.shape));
  const std::int64_t channels = dataset.is_image() ? dataset.shape[0] : size;
  for (const PreprocessStep& step : preprocess.steps) {
    const auto numbers = static_cast<std::int64_t>(step.divisor.size());
    SOMA_REQUIRE(step.offset.size() == step.divisor.size());
    SOMA_REQUIRE(!is_affine(step.kind) || numbers == 1 || numbers == channels || numbers == size);
    SOMA_REQUIRE((step.categories.empty() && step.fill.empty()) || !dataset.is_image());
  }
}

}  // namespace

Batches::Batches(const Dataset& dataset, Preprocess preprocess, Augment augment, std::uint64_t seed, bool shuffle)
    : dataset_(&dataset), preprocess_(std::move(preprocess)), augment_(augment), seed_(seed), shuffle_(shuffle) {
  const auto values = static_cast<std::size_t>(dataset.count * dataset.sample_size());
  SOMA_REQUIRE(dataset.mapped || dataset.bytes.size() == values || dataset.floats.size() == values);
  SOMA_REQUIRE(dataset.targets.size() == static_cast<std::size_t>(dataset.count) * dataset.target_names.size());
  SOMA_REQUIRE(dataset.weights.empty() || static_cast<std::int64_t>(dataset.weights.size()) == dataset.count);
  SOMA_REQUIRE(dataset.labels.empty() || static_cast<std::int64_t>(dataset.labels.size()) == dataset.count);
  require_fitting(preprocess_, dataset);
  if (!shuffle || !dataset.is_image()) augment_ = {};
  SOMA_REQUIRE(!distorts(augment_) || !dataset.mapped || dataset.has_bytes());
  row_size_ = elements(preprocessed_shape(preprocess_, dataset.shape));
  order_.resize(static_cast<std::size_t>(dataset.count));
  std::iota(order_.begin(), order_.end(), 0);
  if (dataset.has_bytes()) byte_table_ = byte_table(preprocess_.steps, dataset.is_image() ? dataset.shape[0] : 1);
  begin_epoch(0);
}

std::int64_t Batches::count() const { return dataset_->count; }

std::int64_t Batches::row_size() const { return row_size_; }

void Batches::begin_epoch(std::int64_t epoch) {
  epoch_ = epoch;
  if (!shuffle_) return;
  std::iota(order_.begin(), order_.end(), 0);
  const std::uint32_t numbers = stream(Stream::shuffle, static_cast<std::uint64_t>(epoch));
  for (std::size_t i = order_.size(); i > 1; --i)  // Fisher & Yates
    std::swap(order_[i - 1], order_[random_below(i, seed_, numbers, i)]);
}

void Batches::fill(std::int64_t first, std::int64_t rows, float* x, const TargetRows& targets) const noexcept {
  const Dataset& data = *dataset_;
  const std::int64_t raw_size = data.sample_size();
  const std::int64_t channels = data.is_image() ? data.shape[0] : row_size_;
  const bool distorted = distorts(augment_);
  const std::size_t width = data.target_names.size();
  TargetRows rest = targets;
  for (std::int64_t p = first; p < first + rows; ++p, x += row_size_) {
    const std::int32_t sample = order_[static_cast<std::size_t>(p)];
    if (rest.labels != nullptr) *rest.labels++ = data.labels.empty() ? 0 : data.labels[static_cast<std::size_t>(sample)];
    if (rest.weights != nullptr) *rest.weights++ = data.weights.empty() ? 1 : data.weights[static_cast<std::size_t>(sample)];
    if (rest.values != nullptr)
      rest.values = std::copy_n(data.targets.data() + static_cast<std::size_t>(sample) * width, width, rest.values);
    if (!distorted && !byte_table_.empty()) {
      const std::uint8_t* bytes = data.bytes_at(sample);
      const float* table = byte_table_.data();
      const std::int64_t tables = std::ssize(byte_table_) / 256;
      for (std::int64_t i = 0; i < raw_size && tables == 1; ++i) x[i] = table[bytes[i]];
      for (std::int64_t i = 0; i < raw_size && tables != 1; i += tables)
        for (std::int64_t c = 0; c < tables; ++c) x[i + c] = table[c * 256 + bytes[i + c]];
      continue;
    }
    if (!distorted)
      raw_row(data, preprocess_.steps, sample, x);
    else if (data.has_bytes())
      distort(data.bytes_at(sample), data.shape, augment_, seed_, epoch_, p, x);
    else
      distort(data.floats.data() + sample * raw_size, data.shape, augment_, seed_, epoch_, p, x);
    apply_steps(preprocess_.steps, 0, channels, x, row_size_);
  }
}

}  // namespace soma
