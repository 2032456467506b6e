// raw rows → what the network sees, one sample at a time.
#include "data/preprocess.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace soma {
namespace {

// In place: a row only grows, so what is widened from the back never overwrites what is still to be read.
void apply_column_steps(const std::vector<PreprocessStep>& steps, std::size_t size, float* y) noexcept {
  for (const PreprocessStep& step : steps) {
    if (step.kind == PreprocessKind::impute) {
      for (std::size_t i = 0; i < step.indicators.size(); ++i)
        y[size + i] = std::isnan(y[static_cast<std::size_t>(step.indicators[i])]) ? 1.0F : 0.0F;
      for (std::size_t i = 0; i < size; ++i)
        if (std::isnan(y[i])) y[i] = step.fill[i];
      size += step.indicators.size();
    }
    if (step.kind != PreprocessKind::one_hot) continue;
    std::size_t end = 0;
    for (const std::int32_t categories : step.categories) end += static_cast<std::size_t>(std::max(categories, 1));
    const std::size_t wide = end;
    for (std::size_t i = size; i-- > 0;) {
      const float value = y[i];
      const std::int32_t categories = step.categories[i];
      if (categories == 0) y[--end] = value;
      for (std::int32_t c = categories; c-- > 0;) y[--end] = value == static_cast<float>(c) ? 1.0F : 0.0F;
    }
    size = wide;
  }
}

}  // namespace

bool is_affine(PreprocessKind kind) {
  return kind == PreprocessKind::divide || kind == PreprocessKind::standardise || kind == PreprocessKind::min_max ||
         kind == PreprocessKind::mean_subtraction || kind == PreprocessKind::robust;
}

bool is_of_columns(PreprocessKind kind) {
  return kind == PreprocessKind::one_hot || kind == PreprocessKind::impute || kind == PreprocessKind::ordinal ||
         kind == PreprocessKind::date;
}

void apply_steps(const std::vector<PreprocessStep>& steps, std::size_t first, std::int64_t channels, float* y,
                 std::int64_t size) noexcept {
  for (std::size_t s = first; s < steps.size(); ++s) {
    const PreprocessStep& step = steps[s];
    if (is_affine(step.kind)) {
      const auto numbers = static_cast<std::int64_t>(step.divisor.size());
      if (numbers == 1) {
        const float offset = step.offset[0], divisor = step.divisor[0];
        for (std::int64_t i = 0; i < size; ++i) y[i] = (y[i] - offset) / divisor;
      } else {
        const float *offset = step.offset.data(), *divisor = step.divisor.data();
        const std::int64_t period = numbers == size ? size : channels;
        for (std::int64_t row = 0; row < size; row += period)
          for (std::int64_t i = 0; i < period; ++i) y[row + i] = (y[row + i] - offset[i]) / divisor[i];
      }
      for (std::int64_t i = 0; i < size && step.kind == PreprocessKind::robust; ++i)
        y[i] = y[i] / std::sqrt(y[i] / 3 * (y[i] / 3) + 1);
      continue;
    }
    if (is_of_columns(step.kind)) continue;
    const auto [low, high] = std::minmax_element(y, y + size);
    const float middle = (*high + *low) / 2, top = *high;
    if (step.kind == PreprocessKind::midrange)
      for (std::int64_t i = 0; i < size; ++i) y[i] -= middle;
    if (step.kind == PreprocessKind::proportional && top != 0)
      for (std::int64_t i = 0; i < size; ++i) y[i] /= top;
  }
}

void raw_row(const Dataset& dataset, const std::vector<PreprocessStep>& steps, std::int64_t sample, float* y) noexcept {
  const auto size = static_cast<std::size_t>(dataset.sample_size());
  dataset.copy_floats(sample, y);
  if (!dataset.has_bytes()) apply_column_steps(steps, size, y);
}

std::vector<float> byte_table(const std::vector<PreprocessStep>& steps, std::int64_t channels) {
  for (const PreprocessStep& step : steps) {
    const auto numbers = static_cast<std::int64_t>(step.divisor.size());
    if (!is_affine(step.kind) || (numbers != 1 && numbers != channels)) return {};
  }
  std::vector<float> table;
  std::vector<float> pixel(static_cast<std::size_t>(channels));
  table.resize(pixel.size() * 256);
  for (std::size_t byte = 0; byte < 256; ++byte) {
    std::fill(pixel.begin(), pixel.end(), static_cast<float>(byte));
    apply_steps(steps, 0, channels, pixel.data(), channels);
    for (std::size_t c = 0; c < pixel.size(); ++c) table[c * 256 + byte] = pixel[c];
  }
  return table;
}

Shape preprocessed_shape(const Preprocess& preprocess, const Shape& raw) {
  Shape shape = raw;
  for (const PreprocessStep& step : preprocess.steps) {
    if (step.kind == PreprocessKind::impute) shape[0] += std::ssize(step.indicators);
    if (step.kind != PreprocessKind::one_hot) continue;
    shape = {0};
    for (const std::int32_t categories : step.categories) shape[0] += std::max(1, categories);
  }
  return shape;
}

}  // namespace soma
