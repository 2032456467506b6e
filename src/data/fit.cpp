// a training split → fitted preprocessing steps, each on the output of those before it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "data/dialect.h"
#include "data/preprocess.h"
#include "soma/words.h"

namespace soma {
namespace {

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
  return {Error::Kind::usage, fmt::format("preprocess {}: {}", word(kind), message)};
}

/// Calls use(row) for every training sample as the steps so far leave it.
template <class Use>
void each_row(const Preprocess& fitted, const Dataset& train, Use&& use) {
  const std::int64_t size = elements(preprocessed_shape(fitted, train.shape));
  std::vector<float> row(static_cast<std::size_t>(size));
  for (std::int64_t i = 0; i < train.count; ++i) {
    raw_row(train, fitted.steps, i, row.data());
    apply_steps(fitted.steps, 0, train.is_image() ? train.shape[0] : size, row.data(), size);
    use(std::span<const float>(row));
  }
}

void fit_moments(PreprocessStep& step, const PreprocessSpec& spec, const Preprocess& fitted, const Dataset& train) {
  const auto size = static_cast<std::size_t>(elements(preprocessed_shape(fitted, train.shape)));
  std::vector<Moments> moments(size);
  each_row(fitted, train, [&](std::span<const float> row) {
    for (std::size_t f = 0; f < size; ++f) moments[f].add(static_cast<double>(row[f]));
  });
  const bool per_feature = spec.per_feature.value_or(!train.is_image());
  const std::size_t groups = per_feature ? size : train.is_image() ? static_cast<std::size_t>(train.shape[0]) : 1;
  for (std::size_t g = 0; g < groups; ++g) add_affine(step, joined(moments, g, groups));
}

/// The value below which `share` of the sorted numbers lie, between the two nearest, as NumPy's percentile has it.
double at_share(const std::vector<float>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<std::size_t>(place), high = std::min(low + 1, sorted.size() - 1);
  const auto a = static_cast<double>(sorted[low]), b = static_cast<double>(sorted[high]);
  return a + (b - a) * (place - std::floor(place));
}

// RealMLP's robust scaling (Holzmüller, Grinsztajn, Steinwart 2024): quartiles a distance of 1 apart; where they are equal the
// whole range is 2 wide.
void fit_robust(PreprocessStep& step, const Preprocess& fitted, const Dataset& train) {
  const auto size = static_cast<std::size_t>(elements(preprocessed_shape(fitted, train.shape)));
  std::vector<std::vector<float>> columns(size);
  each_row(fitted, train, [&](std::span<const float> row) {
    for (std::size_t f = 0; f < size; ++f) columns[f].push_back(row[f]);
  });
  for (std::vector<float>& column : columns) {
    std::sort(column.begin(), column.end());
    double divisor = at_share(column, 0.75) - at_share(column, 0.25);
    if (divisor == 0) divisor = (static_cast<double>(column.back()) - static_cast<double>(column.front())) / 2;
    step.offset.push_back(static_cast<float>(at_share(column, 0.5)));
    const auto rounded = static_cast<float>(divisor);
    step.divisor.push_back(rounded > 0 ? rounded : 1.0F);
  }
}

/// What fills the gaps of one column: the values that are there, sorted.
float fill_of(const std::vector<float>& sorted, std::string_view with) {
  if (with == "median") return static_cast<float>(at_share(sorted, 0.5));
  if (with == "mean") {
    double sum = 0;
    for (const float x : sorted) sum += static_cast<double>(x);
    return static_cast<float>(sum / static_cast<double>(sorted.size()));
  }
  float best = sorted.front();
  std::ptrdiff_t most = 0;
  for (auto at = sorted.begin(); at != sorted.end();) {
    const auto next = std::upper_bound(at, sorted.end(), *at);
    if (next - at > most) best = *at;
    most = std::max(most, next - at);
    at = next;
  }
  return best;
}

Result<void> fit_impute(PreprocessStep& step, const PreprocessSpec& spec, const Dataset& train) {
  if (train.mapped) return fit_impute(step, spec, in_memory(train));  // column by column is no order to read a file in
  const auto size = static_cast<std::size_t>(train.sample_size());
  std::vector<float> present;
  for (std::size_t f = 0; f < size; ++f) {
    present.clear();
    for (std::size_t at = f; at < train.floats.size(); at += size)
      if (!std::isnan(train.floats[at])) present.push_back(train.floats[at]);
    if (present.size() < static_cast<std::size_t>(train.count) && spec.indicator)
      step.indicators.push_back(static_cast<std::int32_t>(f));
    const auto number = parse_number(spec.with);
    const bool words = !train.columns[f].categories.empty();
    if (number && !words) {
      step.fill.push_back(static_cast<float>(*number));
      continue;
    }
    if (present.empty())
      return refused(step.kind, fmt::format("wanted a value to learn from in column '{}', got none in the training part; try "
                                            "--set 'data.ignore=[\"{}\"]'",
                                            train.columns[f].name, train.columns[f].name));
    std::sort(present.begin(), present.end());
    step.fill.push_back(fill_of(present, words ? "most_frequent" : spec.with));
  }
  return {};
}

}  // namespace

Result<Preprocess> fit_preprocess(std::span<const PreprocessSpec> specs, const Dataset& train) {
  if (train.count == 0)
    return Error{Error::Kind::data, fmt::format("{}: wanted samples to fit preprocessing on, got none", train.name)};
  Preprocess fitted;
  bool widened = false, others = false;
  for (std::size_t s = 0; s < specs.size(); ++s) {
    const PreprocessSpec& spec = specs[s];
    PreprocessStep step;
    step.kind = spec.kind;
    if (is_of_columns(spec.kind)) {
      if (train.columns.empty()) return refused(spec.kind, "wanted a table with columns, got images; try without it");
      if (others || (widened && spec.kind == PreprocessKind::impute))
        return refused(spec.kind, fmt::format("wanted before the steps of numbers, got it as step {}", s + 1));
    }
    others = others || !is_of_columns(spec.kind);
    switch (spec.kind) {
      case PreprocessKind::date:
      case PreprocessKind::ordinal:
        continue;  // what reading has done already
      case PreprocessKind::impute:
        if (const Result<void> fit = fit_impute(step, spec, train); !fit) return fit.error();
        widened = true;
        break;
      case PreprocessKind::one_hot:
        for (const Column& column : train.columns) step.categories.push_back(static_cast<std::int32_t>(column.categories.size()));
        step.categories.resize(static_cast<std::size_t>(elements(preprocessed_shape(fitted, train.shape))));
        widened = true;
        break;
      case PreprocessKind::divide:
        if (!std::isfinite(spec.by) || static_cast<float>(spec.by) == 0)
          return refused(spec.kind, fmt::format("wanted a number other than 0 to divide by, got {}", spec.by));
        step.offset = {0};
        step.divisor = {static_cast<float>(spec.by)};
        break;
      case PreprocessKind::standardise:
      case PreprocessKind::min_max:
      case PreprocessKind::mean_subtraction:
        fit_moments(step, spec, fitted, train);
        break;
      case PreprocessKind::robust:
        if (train.is_image()) return refused(spec.kind, "wanted a table, got images; try standardise");
        fit_robust(step, fitted, train);
        break;
      case PreprocessKind::midrange:
      case PreprocessKind::proportional:
        break;
    }
    fitted.steps.push_back(std::move(step));
  }
  return fitted;
}

}  // namespace soma
