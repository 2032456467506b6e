// outputs + labels → loss, hits, and the gradient that backward starts from.
#include "nn/loss.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace soma {
namespace {

double class_weight(const LossConfig& config, std::int32_t label) {
  return config.class_weights.empty() ? 1 : config.class_weights[static_cast<std::size_t>(label)];
}

/// What output j should be for a sample of class `label`.
double target(const LossConfig& config, std::int32_t label, std::int64_t j) {
  if (!config.codes.empty()) return config.codes[static_cast<std::size_t>(label)];
  return j == label ? 1 : 0;
}

// −Σ_c t_c·w_c·log p_c, p = softmax(y). With W = Σ_c t_c·w_c the gradient is W·p − t·w.
template <class T>
double cross_entropy(const LossConfig& config, const T* y, std::int32_t label, std::int64_t outputs, double scale, T* dy) {
  const T largest = *std::max_element(y, y + outputs);
  double sum = 0;
  for (std::int64_t j = 0; j < outputs; ++j) sum += std::exp(static_cast<double>(y[j] - largest));
  const double log_sum = std::log(sum), smooth = config.label_smoothing / static_cast<double>(outputs);
  double loss = 0, weight = 0;
  for (std::int64_t j = 0; j < outputs; ++j) {
    const double t =
        (smooth + (j == label ? 1 - config.label_smoothing : 0)) * class_weight(config, static_cast<std::int32_t>(j));
    weight += t;
    if (t != 0) loss -= t * (static_cast<double>(y[j] - largest) - log_sum);
  }
  if (dy != nullptr)
    for (std::int64_t j = 0; j < outputs; ++j) {
      const double t =
          (smooth + (j == label ? 1 - config.label_smoothing : 0)) * class_weight(config, static_cast<std::int32_t>(j));
      dy[j] = static_cast<T>(scale * (weight * std::exp(static_cast<double>(y[j] - largest) - log_sum) - t));
    }
  return loss;
}

template <class T>
double quadratic(const LossConfig& config, const T* y, std::int32_t label, std::int64_t outputs, double scale, T* dy) {
  double loss = 0;
  for (std::int64_t j = 0; j < outputs; ++j) {
    const double error = static_cast<double>(y[j]) - target(config, label, j);
    loss += error * error;
    if (dy != nullptr) dy[j] = static_cast<T>(scale * 2 * error / static_cast<double>(outputs));
  }
  return loss / static_cast<double>(outputs);
}

// max(y, 0) − y·t + log(1 + e^−|y|): stable for every y.
template <class T>
double binary_cross_entropy(const LossConfig& config, const T* y, std::int32_t label, std::int64_t outputs, double scale, T* dy) {
  double loss = 0;
  for (std::int64_t j = 0; j < outputs; ++j) {
    const double x = static_cast<double>(y[j]), t = target(config, label, j);
    loss += std::max(x, 0.0) - x * t + std::log1p(std::exp(-std::abs(x)));
    if (dy != nullptr) dy[j] = static_cast<T>(scale * (1 / (1 + std::exp(-x)) - t) / static_cast<double>(outputs));
  }
  return loss / static_cast<double>(outputs);
}

template <class T>
double nll(const LossConfig& config, const T* y, std::int32_t label, std::int64_t outputs, double scale, T* dy) {
  const double weight = class_weight(config, label);
  if (dy != nullptr)
    for (std::int64_t j = 0; j < outputs; ++j) dy[j] = j == label ? static_cast<T>(-scale * weight) : T(0);
  return -weight * static_cast<double>(y[label]);
}

}  // namespace

template <class T>
LossSum loss_and_gradient(const LossConfig& config, const T* y, const std::int32_t* labels, std::int64_t rows,
                          std::int64_t outputs, T* dy, LossOf of) {
  LossSum sum;
  const bool weighted = config.kind == LossConfig::Kind::cross_entropy || config.kind == LossConfig::Kind::nll;
  for (std::int64_t i = 0; i < rows; ++i) sum.weight += weighted ? class_weight(config, labels[i]) : 1;
  const double scale = of == LossOf::sum ? 1 : sum.weight > 0 ? 1 / sum.weight : 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    const T* row = y + i * outputs;
    T* gradient = dy != nullptr ? dy + i * outputs : nullptr;
    sum.correct += predicted_class(config, row, outputs) == labels[i] ? 1 : 0;
    switch (config.kind) {
      case LossConfig::Kind::cross_entropy:
        sum.loss += cross_entropy(config, row, labels[i], outputs, scale, gradient);
        break;
      case LossConfig::Kind::quadratic:
        sum.loss += quadratic(config, row, labels[i], outputs, scale, gradient);
        break;
      case LossConfig::Kind::binary_cross_entropy:
        sum.loss += binary_cross_entropy(config, row, labels[i], outputs, scale, gradient);
        break;
      case LossConfig::Kind::nll:
        sum.loss += nll(config, row, labels[i], outputs, scale, gradient);
        break;
    }
  }
  return sum;
}

template <class T>
std::int32_t predicted_class(const LossConfig& config, const T* y, std::int64_t outputs) {
  if (config.codes.empty()) return static_cast<std::int32_t>(std::max_element(y, y + outputs) - y);
  // Codes are targets of a sigmoid for binary cross-entropy, of the output itself otherwise.
  const double x = static_cast<double>(y[0]);
  const double value = config.kind == LossConfig::Kind::binary_cross_entropy ? 1 / (1 + std::exp(-x)) : x;
  std::size_t best = 0;
  for (std::size_t c = 1; c < config.codes.size(); ++c)
    if (std::abs(value - config.codes[c]) < std::abs(value - config.codes[best])) best = c;
  return static_cast<std::int32_t>(best);
}

Result<void> check_loss(const LossConfig& config, std::int64_t outputs, std::int64_t classes) {
  const auto fail = [](std::string message) { return Error{Error::Kind::usage, std::move(message)}; };
  const bool from_classes = config.kind == LossConfig::Kind::cross_entropy || config.kind == LossConfig::Kind::nll;
  if (!config.codes.empty()) {
    if (from_classes) return fail("loss: codes want kind 'quadratic' or 'binary_cross_entropy'");
    if (static_cast<std::int64_t>(config.codes.size()) != classes)
      return fail(fmt::format("loss: wanted one code for each of the {} classes, got {}", classes, config.codes.size()));
    if (outputs != 1) return fail(fmt::format("loss: codes want a network with 1 output, got {}", outputs));
    return {};
  }
  if (outputs != classes)
    return fail(fmt::format("network: wanted {} outputs, one for each class of the data, got {}; try out = \"classes\"", classes,
                            outputs));
  if (!config.class_weights.empty() && static_cast<std::int64_t>(config.class_weights.size()) != classes)
    return fail(fmt::format("loss: wanted {} class_weights, one for each class, got {}", classes, config.class_weights.size()));
  return {};
}

template LossSum loss_and_gradient(const LossConfig&, const float*, const std::int32_t*, std::int64_t, std::int64_t, float*,
                                   LossOf);
template LossSum loss_and_gradient(const LossConfig&, const double*, const std::int32_t*, std::int64_t, std::int64_t, double*,
                                   LossOf);
template std::int32_t predicted_class(const LossConfig&, const float*, std::int64_t);
template std::int32_t predicted_class(const LossConfig&, const double*, std::int64_t);

}  // namespace soma
