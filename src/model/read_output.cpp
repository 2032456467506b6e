// one row of network outputs → class and probabilities, as the loss was defined in training.
#include <algorithm>
#include <cmath>

#include "soma/model.h"

namespace soma {
namespace {

std::int32_t largest(std::span<const float> y) {
  return static_cast<std::int32_t>(std::max_element(y.begin(), y.end()) - y.begin());
}

double sigmoid(double y) { return 1 / (1 + std::exp(-y)); }

/// log Σ e^y without overflow.
double log_sum_exp(std::span<const float> y) {
  const double most = *std::max_element(y.begin(), y.end());
  double sum = 0;
  for (const float each : y) sum += std::exp(each - most);
  return most + std::log(sum);
}

}  // namespace

bool gives_probabilities(const LossConfig& loss, const NetworkSpec& network) {
  if (!loss.codes.empty()) return false;
  if (loss.kind != LossConfig::Kind::quadratic) return true;
  if (network.nodes.empty()) return false;
  const auto* softmax = std::get_if<Softmax>(&network.nodes.back().layer);
  return softmax != nullptr && !softmax->log;
}

void read_output(const LossConfig& loss, std::span<const float> y, Prediction& prediction) {
  SOMA_REQUIRE(!y.empty());
  prediction.probabilities.assign(y.begin(), y.end());
  if (!loss.codes.empty()) {
    SOMA_REQUIRE(y.size() == 1);
    const double value = loss.kind == LossConfig::Kind::binary_cross_entropy ? sigmoid(y[0]) : static_cast<double>(y[0]);
    const auto distance = [&](double code) { return std::abs(code - value); };
    const auto nearest =
        std::min_element(loss.codes.begin(), loss.codes.end(), [&](double a, double b) { return distance(a) < distance(b); });
    prediction.label = static_cast<std::int32_t>(nearest - loss.codes.begin());
    return;
  }
  prediction.label = largest(y);
  switch (loss.kind) {
    case LossConfig::Kind::cross_entropy: {
      const double total = log_sum_exp(y);
      for (float& each : prediction.probabilities) each = static_cast<float>(std::exp(each - total));
      return;
    }
    case LossConfig::Kind::nll:
      for (float& each : prediction.probabilities) each = std::exp(each);
      return;
    case LossConfig::Kind::binary_cross_entropy:
      for (float& each : prediction.probabilities) each = static_cast<float>(sigmoid(each));
      return;
    case LossConfig::Kind::quadratic:
    case LossConfig::Kind::absolute:
    case LossConfig::Kind::huber:
    case LossConfig::Kind::quantile:
    case LossConfig::Kind::automatic:
      return;
  }
}

void read_output(const Model& model, std::span<const float> y, Prediction& prediction) {
  if (model.task == Task::classes) return read_output(model.loss, y, prediction);
  prediction.label = 0;
  prediction.probabilities.clear();
  prediction.values.clear();
  auto& answer = model.task == Task::labels ? prediction.probabilities : prediction.values;
  answer.assign(y.begin(), y.end());
  if (model.loss.kind == LossConfig::Kind::binary_cross_entropy)
    for (float& each : answer) each = static_cast<float>(sigmoid(each));
}

}  // namespace soma
