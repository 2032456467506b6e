// a training split → fitted steps; raw rows → what the network sees.
#include "data/preprocess.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace soma {
namespace {

std::string_view name_of(PreprocessKind kind) {
  switch (kind) {
    case PreprocessKind::divide:
      return "divide";
    case PreprocessKind::standardise:
      return "standardise";
    case PreprocessKind::min_max:
      return "min_max";
    case PreprocessKind::mean_subtraction:
      return "mean_subtraction";
    case PreprocessKind::midrange:
      return "midrange";
    case PreprocessKind::proportional:
      return "proportional";
    case PreprocessKind::one_hot:
      return "one_hot";
  }
  return "?";
}

/// Running statistics of one number, or of several joined. Sums are of x − shift, so a large mean costs no digits.
struct Moments {
  double shift = 0, sum = 0, squares = 0;
  double low = std::numeric_limits<double>::infinity(), high = -low;
  std::int64_t count = 0;

  void add(double x) {
    if (count++ == 0) shift = x;
    const double d = x - shift;
    sum += d;
    squares += d * d;
    low = std::min(low, x);
    high = std::max(high, x);
  }
  [[nodiscard]] double mean() const { return shift + sum / static_cast<double>(count); }
  [[nodiscard]] double variance() const {
    const auto n = static_cast<double>(count);
    return std::max(0.0, (squares - sum * sum / n) / n);
  }
};

// Chan, Golub, LeVeque 1979: moments of two sets joined, without going back to their values.
Moments joined(const std::vector<Moments>& parts, std::size_t first, std::size_t stride) {
  Moments all;
  double mean = 0, spread = 0, n = 0;
  for (std::size_t i = first; i < parts.size(); i += stride) {
    const auto m = static_cast<double>(parts[i].count);
    const double delta = parts[i].mean() - mean;
    spread += parts[i].variance() * m + delta * delta * n * m / (n + m);
    mean += delta * m / (n + m);
    n += m;
    all.low = std::min(all.low, parts[i].low);
    all.high = std::max(all.high, parts[i].high);
  }
  all.shift = mean;
  all.squares = spread;
  all.count = static_cast<std::int64_t>(n);
  return all;
}

void add_affine(PreprocessStep& step, const Moments& moments) {
  double offset = moments.mean(), divisor = 1;
  if (step.kind == PreprocessKind::standardise) divisor = std::sqrt(moments.variance());
  if (step.kind == PreprocessKind::min_max) {
    offset = moments.low;
    divisor = moments.high - moments.low;
  }
  step.offset.push_back(static_cast<float>(offset));
  const auto rounded = static_cast<float>(divisor);
  step.divisor.push_back(rounded > 0 ? rounded : 1.0F);
}

Error refused(PreprocessKind kind, std::string_view message) {
  return {Error::Kind::usage, fmt::format("preprocess {}: {}", name_of(kind), message)};
}

}  // namespace

bool is_affine(PreprocessKind kind) {
  return kind == PreprocessKind::divide || kind == PreprocessKind::standardise || kind == PreprocessKind::min_max ||
         kind == PreprocessKind::mean_subtraction;
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
      continue;
    }
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
  const std::size_t start = static_cast<std::size_t>(sample) * size;
  if (!dataset.bytes.empty()) {
    const std::uint8_t* x = dataset.bytes.data() + start;
    for (std::size_t i = 0; i < size; ++i) y[i] = static_cast<float>(x[i]);
    return;
  }
  const float* x = dataset.floats.data() + start;
  if (steps.empty() || steps[0].kind != PreprocessKind::one_hot) {
    std::copy(x, x + size, y);
    return;
  }
  for (std::size_t i = 0; i < size; ++i) {
    const std::int32_t categories = steps[0].categories[i];
    if (categories == 0) *y++ = x[i];
    for (std::int32_t c = 0; c < categories; ++c) *y++ = x[i] == static_cast<float>(c) ? 1.0F : 0.0F;
  }
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
  if (preprocess.steps.empty() || preprocess.steps[0].kind != PreprocessKind::one_hot) return raw;
  std::int64_t width = 0;
  for (const std::int32_t categories : preprocess.steps[0].categories) width += std::max(1, categories);
  return {width};
}

Result<Preprocess> fit_preprocess(std::span<const PreprocessSpec> specs, const Dataset& train) {
  if (train.count == 0)
    return Error{Error::Kind::data, fmt::format("{}: wanted samples to fit preprocessing on, got none", train.name)};
  Preprocess fitted;
  const std::int64_t channels = train.is_image() ? train.shape[0] : train.sample_size();
  std::vector<float> row;
  for (std::size_t s = 0; s < specs.size(); ++s) {
    const PreprocessSpec& spec = specs[s];
    PreprocessStep step;
    step.kind = spec.kind;
    if (spec.kind == PreprocessKind::one_hot) {
      if (s != 0) return refused(spec.kind, fmt::format("wanted as the first step, got it as step {}", s + 1));
      if (train.columns.empty()) return refused(spec.kind, "wanted a table with columns, got images; try without it");
      for (const Column& column : train.columns) step.categories.push_back(static_cast<std::int32_t>(column.categories.size()));
    } else if (spec.kind == PreprocessKind::divide) {
      if (!std::isfinite(spec.by) || static_cast<float>(spec.by) == 0)
        return refused(spec.kind, fmt::format("wanted a number other than 0 to divide by, got {}", spec.by));
      step.offset = {0};
      step.divisor = {static_cast<float>(spec.by)};
    } else if (is_affine(spec.kind)) {
      const auto size = static_cast<std::size_t>(elements(preprocessed_shape(fitted, train.shape)));
      std::vector<Moments> moments(size);
      row.resize(size);
      for (std::int64_t i = 0; i < train.count; ++i) {
        raw_row(train, fitted.steps, i, row.data());
        const bool one_hot = !fitted.steps.empty() && fitted.steps[0].kind == PreprocessKind::one_hot;
        apply_steps(fitted.steps, one_hot ? 1 : 0, train.is_image() ? channels : static_cast<std::int64_t>(size), row.data(),
                    static_cast<std::int64_t>(size));
        for (std::size_t f = 0; f < size; ++f) moments[f].add(static_cast<double>(row[f]));
      }
      const bool per_feature = spec.per_feature.value_or(!train.is_image());
      const std::size_t groups = per_feature ? size : train.is_image() ? static_cast<std::size_t>(channels) : 1;
      for (std::size_t g = 0; g < groups; ++g) add_affine(step, joined(moments, g, groups));
    }
    fitted.steps.push_back(std::move(step));
  }
  return fitted;
}

}  // namespace soma
