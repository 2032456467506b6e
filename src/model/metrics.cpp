// what a model said of samples + what is true → the figures that judge it, as scikit-learn works them out.
#include "model/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace soma {
namespace {

constexpr std::size_t kBins = 15;
constexpr std::size_t kMostRanked = 100;  // classes: each wants its scores sorted
constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

void add(std::vector<Metric>& metrics, const char* name, double value) {
  if (std::isfinite(value)) metrics.push_back({name, value});
}

double mean(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

std::vector<std::size_t> descending(std::span<const float> scores) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  return order;
}

/// Column `at` of [n, width].
std::vector<float> column(std::span<const float> values, std::size_t width, std::size_t at) {
  std::vector<float> picked;
  for (std::size_t i = at; i < values.size(); i += width) picked.push_back(values[i]);
  return picked;
}

double f1(std::int64_t right, std::int64_t named, std::int64_t samples) {
  return named + samples > 0 ? 2 * static_cast<double>(right) / static_cast<double>(named + samples) : 0;
}

/// Confidence against accuracy, bin by bin.
class Calibration {
 public:
  void add(double confidence, bool right) {
    const auto bin = std::min(static_cast<std::size_t>(std::max(std::ceil(confidence * kBins) - 1, 0.0)), kBins - 1);
    ++counts_[bin];
    gaps_[bin] += (right ? 1 : 0) - confidence;
  }
  [[nodiscard]] double error() const {
    double all = 0, gap = 0;
    for (std::size_t bin = 0; bin < kBins; ++bin) {
      all += counts_[bin];
      gap += std::abs(gaps_[bin]);
    }
    return gap / all;
  }

 private:
  double counts_[kBins] = {}, gaps_[kBins] = {};
};

double minus_log(double probability) {
  // As scikit-learn clips float32 probabilities.
  constexpr double kLeast = 1.1920929e-07;
  return -std::log(std::clamp(probability, kLeast, 1 - kLeast));
}

}  // namespace

double roc_auc(std::span<const float> scores, const std::vector<bool>& holds) {
  const auto order = descending(scores);
  double area = 0, seen = 0, not_seen = 0;
  for (std::size_t i = 0; i < order.size();) {
    double hold = 0, not_hold = 0;
    const float score = scores[order[i]];
    for (; i < order.size() && scores[order[i]] == score; ++i) ++(holds[order[i]] ? hold : not_hold);
    area += not_hold * (seen + hold / 2);
    seen += hold;
    not_seen += not_hold;
  }
  return seen > 0 && not_seen > 0 ? area / (seen * not_seen) : kNothing;
}

double average_precision(std::span<const float> scores, const std::vector<bool>& holds) {
  const auto order = descending(scores);
  const auto all = static_cast<double>(std::count(holds.begin(), holds.end(), true));
  double sum = 0, seen = 0;
  for (std::size_t i = 0; i < order.size();) {
    double hold = 0;
    const float score = scores[order[i]];
    for (; i < order.size() && scores[order[i]] == score; ++i) hold += holds[order[i]] ? 1 : 0;
    seen += hold;
    sum += hold / all * seen / static_cast<double>(i);
  }
  return all > 0 ? sum : kNothing;
}

std::vector<Metric> class_metrics(std::span<const std::int32_t> labels, std::span<const std::int32_t> given,
                                  std::span<const float> scores, std::size_t classes, bool probabilities) {
  std::vector<std::int64_t> samples(classes), named(classes), right(classes);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto label = static_cast<std::size_t>(labels[i]), answer = static_cast<std::size_t>(given[i]);
    ++samples[label];
    ++named[answer];
    right[label] += label == answer ? 1 : 0;
  }
  std::vector<double> recalls, f1s;
  for (std::size_t c = 0; c < classes; ++c) {
    if (samples[c] > 0) recalls.push_back(static_cast<double>(right[c]) / static_cast<double>(samples[c]));
    if (samples[c] + named[c] > 0) f1s.push_back(f1(right[c], named[c], samples[c]));
  }
  const auto n = static_cast<double>(labels.size());
  std::vector<Metric> metrics;
  add(metrics, "accuracy", static_cast<double>(std::accumulate(right.begin(), right.end(), std::int64_t{0})) / n);
  add(metrics, "balanced_accuracy", mean(recalls));
  add(metrics, "macro_f1", mean(f1s));
  if (scores.empty()) return metrics;

  if (probabilities) {
    double loss = 0;
    Calibration calibration;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const auto row = scores.subspan(i * classes, classes);
      loss += minus_log(static_cast<double>(row[static_cast<std::size_t>(labels[i])]));
      calibration.add(static_cast<double>(row[static_cast<std::size_t>(given[i])]), labels[i] == given[i]);
    }
    add(metrics, "log_loss", loss / n);
    add(metrics, "calibration_error", calibration.error());
  }
  if (classes > kMostRanked) return metrics;
  std::vector<double> areas, precisions;
  for (std::size_t c = classes == 2 ? 1 : 0; c < classes; ++c) {  // of two classes the second is the one to be found
    std::vector<bool> holds;
    for (const std::int32_t label : labels) holds.push_back(static_cast<std::size_t>(label) == c);
    const std::vector<float> score = column(scores, classes, c);
    areas.push_back(roc_auc(score, holds));
    precisions.push_back(average_precision(score, holds));
  }
  add(metrics, "roc_auc", mean(areas));
  add(metrics, "average_precision", mean(precisions));
  return metrics;
}

std::vector<Metric> label_metrics(std::span<const float> truth, std::span<const float> probabilities,
                                  const std::vector<std::string>& names, std::vector<LabelMetrics>& each) {
  const std::size_t width = names.size(), n = truth.size() / width;
  std::int64_t all_right = 0;
  Calibration calibration;
  for (std::size_t i = 0; i < n; ++i) {
    bool right = true;
    for (std::size_t j = i * width; j < (i + 1) * width; ++j) {
      const bool hit = (probabilities[j] >= 0.5F) == (truth[j] >= 0.5F);
      right = right && hit;
      const auto p = static_cast<double>(probabilities[j]);
      calibration.add(std::max(p, 1 - p), hit);
    }
    all_right += right ? 1 : 0;
  }
  std::vector<double> f1s, areas, precisions, losses;
  for (std::size_t j = 0; j < width; ++j) {
    const std::vector<float> t = column(truth, width, j), p = column(probabilities, width, j);
    std::vector<bool> holds;
    std::int64_t hits = 0, samples = 0, named = 0, found = 0;
    double loss = 0;
    for (std::size_t i = 0; i < n; ++i) {
      holds.push_back(t[i] >= 0.5F);
      const bool says = p[i] >= 0.5F;
      hits += says == holds[i] ? 1 : 0;
      samples += holds[i] ? 1 : 0;
      named += says ? 1 : 0;
      found += says && holds[i] ? 1 : 0;
      loss += minus_log(holds[i] ? static_cast<double>(p[i]) : 1 - static_cast<double>(p[i]));
    }
    const auto count = static_cast<double>(n);
    f1s.push_back(f1(found, named, samples));
    areas.push_back(roc_auc(p, holds));
    precisions.push_back(average_precision(p, holds));
    losses.push_back(loss / count);
    LabelMetrics label{names[j], {}};
    add(label.metrics, "accuracy", static_cast<double>(hits) / count);
    add(label.metrics, "macro_f1", f1s.back());
    add(label.metrics, "log_loss", losses.back());
    add(label.metrics, "roc_auc", areas.back());
    add(label.metrics, "average_precision", precisions.back());
    each.push_back(std::move(label));
  }
  std::vector<Metric> metrics;
  add(metrics, "accuracy", static_cast<double>(all_right) / static_cast<double>(n));
  add(metrics, "macro_f1", mean(f1s));
  add(metrics, "log_loss", mean(losses));
  add(metrics, "calibration_error", calibration.error());
  add(metrics, "roc_auc", mean(areas));
  add(metrics, "average_precision", mean(precisions));
  return metrics;
}

std::vector<Metric> value_metrics(std::span<const float> truth, std::span<const float> answers, double quantile,
                                  const std::vector<std::string>& names, std::vector<LabelMetrics>& each) {
  const std::size_t width = names.size();
  const auto n = static_cast<double>(truth.size() / width);
  std::vector<double> maes, rmses, r2s, pinballs;
  for (std::size_t j = 0; j < width; ++j) {
    double sum = 0, absolute = 0, square = 0, pinball = 0, spread = 0;
    for (std::size_t i = j; i < truth.size(); i += width) sum += static_cast<double>(truth[i]);
    for (std::size_t i = j; i < truth.size(); i += width) {
      const double t = static_cast<double>(truth[i]), off = t - static_cast<double>(answers[i]);
      absolute += std::abs(off);
      square += off * off;
      pinball += std::max(quantile * off, (quantile - 1) * off);
      spread += (t - sum / n) * (t - sum / n);
    }
    maes.push_back(absolute / n);
    rmses.push_back(std::sqrt(square / n));
    r2s.push_back(spread > 0 ? 1 - square / spread : kNothing);
    pinballs.push_back(pinball / n);
    if (width == 1) continue;
    LabelMetrics value{names[j], {}};
    add(value.metrics, "mae", maes.back());
    add(value.metrics, "rmse", rmses.back());
    add(value.metrics, "r2", r2s.back());
    add(value.metrics, "pinball", pinballs.back());
    each.push_back(std::move(value));
  }
  std::vector<Metric> metrics;
  add(metrics, "mae", mean(maes));
  add(metrics, "rmse", mean(rmses));
  add(metrics, "r2", mean(r2s));
  add(metrics, "pinball", mean(pinballs));
  return metrics;
}

}  // namespace soma
