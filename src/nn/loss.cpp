// outputs + labels → loss, hits, and the gradient that backward starts from.
#include "nn/loss.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "soma/words.h"

namespace soma {
namespace {

double class_weight(const LossConfig& config, std::int32_t label) {
  return config.class_weights.empty() ? 1 : config.class_weights[static_cast<std::size_t>(label)];
}

/// What the outputs of one sample should be: those of its class, or numbers of its own.
struct Wanted {
  const LossConfig& config;
  std::int32_t label = 0;
  const float* values = nullptr;

  double operator[](std::int64_t j) const {
    if (values != nullptr) return static_cast<double>(values[j]);
    if (!config.codes.empty()) return config.codes[static_cast<std::size_t>(label)];
    return j == label ? 1 : 0;
  }
};

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

// Losses that are a sum over outputs. `each` gives an output's loss and derivative.
template <class T, class Each>
double mean_over_outputs(const T* y, const Wanted& wanted, std::int64_t outputs, double scale, T* dy, Each each) {
  double loss = 0;
  for (std::int64_t j = 0; j < outputs; ++j) {
    double slope = 0;
    loss += each(static_cast<double>(y[j]), wanted[j], slope);
    if (dy != nullptr) dy[j] = static_cast<T>(scale * slope / static_cast<double>(outputs));
  }
  return loss / static_cast<double>(outputs);
}

template <class T>
double elementwise(const LossConfig& config, const T* y, const Wanted& wanted, std::int64_t outputs, double scale, T* dy) {
  using Kind = LossConfig::Kind;
  switch (config.kind) {
    case Kind::binary_cross_entropy:  // max(y, 0) − y·t + log(1 + e^−|y|): stable for every y
      return mean_over_outputs(y, wanted, outputs, scale, dy, [](double x, double t, double& slope) {
        slope = 1 / (1 + std::exp(-x)) - t;
        return std::max(x, 0.0) - x * t + std::log1p(std::exp(-std::abs(x)));
      });
    case Kind::absolute:
      return mean_over_outputs(y, wanted, outputs, scale, dy, [](double x, double t, double& slope) {
        slope = x > t ? 1 : x < t ? -1 : 0;
        return std::abs(x - t);
      });
    case Kind::huber:
      return mean_over_outputs(y, wanted, outputs, scale, dy, [&config](double x, double t, double& slope) {
        const double error = x - t, delta = config.delta;
        slope = std::clamp(error, -delta, delta);
        return std::abs(error) <= delta ? error * error / 2 : delta * (std::abs(error) - delta / 2);
      });
    case Kind::quantile:
      return mean_over_outputs(y, wanted, outputs, scale, dy, [&config](double x, double t, double& slope) {
        slope = x > t ? 1 - config.quantile : x < t ? -config.quantile : 0;
        return slope * (x - t);
      });
    default:
      return mean_over_outputs(y, wanted, outputs, scale, dy, [](double x, double t, double& slope) {
        const double error = x - t;
        slope = 2 * error;
        return error * error;
      });
  }
}

template <class T>
double nll(const LossConfig& config, const T* y, std::int32_t label, std::int64_t outputs, double scale, T* dy) {
  const double weight = class_weight(config, label);
  if (dy != nullptr)
    for (std::int64_t j = 0; j < outputs; ++j) dy[j] = j == label ? static_cast<T>(-scale * weight) : T(0);
  return -weight * static_cast<double>(y[label]);
}

// Every label right: its logit is on the side its target is on.
template <class T>
bool all_hold(const LossConfig& config, const T* y, const float* values, std::int64_t outputs) {
  if (config.kind != LossConfig::Kind::binary_cross_entropy) return false;
  for (std::int64_t j = 0; j < outputs; ++j)
    if ((y[j] >= 0) != (values[j] >= 0.5F)) return false;
  return true;
}

}  // namespace

template <class T>
LossSum loss_and_gradient(const LossConfig& config, const T* y, const LossTargets& targets, std::int64_t rows,
                          std::int64_t outputs, T* dy, LossOf of) {
  using Kind = LossConfig::Kind;
  SOMA_REQUIRE(config.kind != Kind::automatic);
  LossSum sum;
  const bool of_classes = config.kind == Kind::cross_entropy || config.kind == Kind::nll;
  const auto row_weight = [&](std::int64_t i) {
    return targets.weights != nullptr ? static_cast<double>(targets.weights[i]) : 1;
  };
  for (std::int64_t i = 0; i < rows; ++i)
    sum.weight += row_weight(i) * (of_classes ? class_weight(config, targets.labels[i]) : 1);
  for (std::int64_t i = 0; i < rows; ++i) {
    const T* row = y + i * outputs;
    T* gradient = dy != nullptr ? dy + i * outputs : nullptr;
    const double weight = row_weight(i);
    // Nothing counts: no gradient, rather than 0/0.
    const double scale = of == LossOf::sum ? weight : sum.weight > 0 ? weight / sum.weight : 0;
    const Wanted wanted{config, targets.labels != nullptr ? targets.labels[i] : 0,
                        targets.values != nullptr ? targets.values + i * outputs : nullptr};
    sum.correct += (wanted.values != nullptr ? all_hold(config, row, wanted.values, outputs)
                                             : predicted_class(config, row, outputs) == wanted.label)
                       ? 1
                       : 0;
    if (config.kind == Kind::cross_entropy)
      sum.loss += weight * cross_entropy(config, row, wanted.label, outputs, scale, gradient);
    else if (config.kind == Kind::nll)
      sum.loss += weight * nll(config, row, wanted.label, outputs, scale, gradient);
    else
      sum.loss += weight * elementwise(config, row, wanted, outputs, scale, gradient);
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

double sample_loss(const LossConfig& config, std::span<const float> y, std::int32_t label) {
  LossConfig plain = config;
  plain.label_smoothing = 0;
  plain.class_weights.clear();
  return loss_and_gradient<float>(plain, y.data(), &label, 1, static_cast<std::int64_t>(y.size()), nullptr).loss;
}

double sample_loss(const LossConfig& config, std::span<const float> y, std::span<const float> values) {
  SOMA_REQUIRE(values.size() == y.size());
  return loss_and_gradient<float>(config, y.data(), {nullptr, values.data(), nullptr}, 1, static_cast<std::int64_t>(y.size()),
                                  nullptr)
      .loss;
}

void as_own_target(const Shape& input, const Shape& output, const float* x, float* values) {
  const std::int64_t channels = input.size() == 3 && output.size() == 1 ? input[0] : 1, places = elements(input) / channels;
  for (std::int64_t c = 0; c < channels; ++c)
    for (std::int64_t p = 0; p < places; ++p) *values++ = x[p * channels + c];
}

Result<LossConfig> loss_for(const LossConfig& config, Task task) {
  using Kind = LossConfig::Kind;
  LossConfig loss = config;
  if (loss.kind == Kind::automatic)
    loss.kind = task == Task::classes  ? (loss.codes.empty() ? Kind::cross_entropy : Kind::quadratic)
                : task == Task::labels ? Kind::binary_cross_entropy
                                       : Kind::quadratic;
  const auto fail = [&](std::string_view wanted) {
    return Error{Error::Kind::usage,
                 fmt::format("loss.kind: wanted {} for data.task = \"{}\", got \"{}\"", wanted, word(task), word(loss.kind))};
  };
  const bool from_classes = loss.kind == Kind::cross_entropy || loss.kind == Kind::nll;
  const bool of_values = loss.kind == Kind::absolute || loss.kind == Kind::huber || loss.kind == Kind::quantile;
  if (task == Task::classes && of_values) return fail("cross_entropy, nll, quadratic or binary_cross_entropy");
  if (task == Task::labels && loss.kind != Kind::binary_cross_entropy && loss.kind != Kind::quadratic)
    return fail("binary_cross_entropy or quadratic");
  if (task == Task::values && (from_classes || loss.kind == Kind::binary_cross_entropy))
    return fail("quadratic, absolute, huber or quantile");
  if (task == Task::reconstruct && from_classes) return fail("quadratic, absolute, huber, quantile or binary_cross_entropy");
  if (task != Task::classes && (!loss.codes.empty() || !loss.class_weights.empty() || loss.balanced))
    return Error{Error::Kind::usage,
                 fmt::format("loss: codes and class_weights want classes, got data.task = \"{}\"", word(task))};
  return loss;
}

Result<void> check_outputs(Task task, std::int64_t outputs, std::int64_t targets) {
  if (outputs == targets) return {};
  return Error{Error::Kind::usage,
               fmt::format("network: wanted {} outputs, one for each {}, got {}; try out = \"targets\"", targets,
                           task == Task::values   ? "value"
                           : task == Task::labels ? "label"
                                                  : "number of a sample",
                           outputs)};
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

template LossSum loss_and_gradient(const LossConfig&, const float*, const LossTargets&, std::int64_t, std::int64_t, float*,
                                   LossOf);
template LossSum loss_and_gradient(const LossConfig&, const double*, const LossTargets&, std::int64_t, std::int64_t, double*,
                                   LossOf);
template std::int32_t predicted_class(const LossConfig&, const float*, std::int64_t);
template std::int32_t predicted_class(const LossConfig&, const double*, std::int64_t);

}  // namespace soma
