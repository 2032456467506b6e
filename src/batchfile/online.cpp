// layers + one sample at a time → outputs, or moved weights: the arithmetic of the Go thesis, in double.
#include "batchfile/online.h"

#include <algorithm>
#include <cmath>

namespace soma {
namespace {

constexpr std::int64_t padded(std::int64_t n) { return (n + 7) / 8 * 8; }
constexpr std::int64_t kRemembered = 1024;  // of steps that a row was left alone: edges of images are seen every few hundred

}  // namespace

double activation(BatchLayer::Kind kind, double x) {
  using enum BatchLayer::Kind;
  switch (kind) {
    case logistic:
      return 1 / (1 + std::exp(-x));
    case tanh:
      return std::tanh(x);
    case relu:
      return x < 0 ? 0 : x;
    case leaky_relu:
      return x < 0 ? 0.01 * x : x;
    case elu:
      return x < 0 ? 0.5 * (std::exp(x) - 1) : x;
    case identity:
    case softmax:
      break;
  }
  return x;
}

double slope(BatchLayer::Kind kind, double y) {
  using enum BatchLayer::Kind;
  switch (kind) {
    case logistic:
    case softmax:
      return (1 - y) * y;
    case tanh:
      return 1 - y * y;
    case relu:
      return y > 0 ? 1 : 0;
    case leaky_relu:
      return y > 0 ? 1 : 0.01;
    case elu:
      return y > 0 ? 1 : y + 0.5;
    case identity:
      break;
  }
  return 1;
}

void softmax(double* x, std::int64_t n) {
  const double largest = *std::max_element(x, x + n);
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += x[i] = std::exp(x[i] - largest);
  for (std::int64_t i = 0; i < n; ++i) x[i] /= sum;
}

Preprocessed preprocessing(BatchSettings::PreProcessing kind, const OnlineSample& sample, std::int64_t inputs) {
  using enum BatchSettings::PreProcessing;
  if (kind == none) return {};
  const bool zeros = sample.count < inputs;
  double most = zeros ? 0 : sample.value[0], least = most;
  for (std::int64_t i = 0; i < sample.count; ++i) {
    most = std::max(most, sample.value[i]);
    least = std::min(least, sample.value[i]);
  }
  if (kind == mean_subtraction) return {(most + least) / 2, 1};
  return {0, most == 0 ? 1 : most};
}

PenaltySteps penalty_steps(const OnlineRules& rules, std::int64_t n) {
  const double change = (rules.penalise ? -2 : 2) * rules.rate * rules.lambda;
  if (n == 0 || change == 0) return {};
  if (n == 1) return {1 + change, change / 2};
  // |w| + ½ grows by the factor 1 + change in each step.
  const double grown = std::expm1(static_cast<double>(n) * std::log1p(change));
  return {1 + grown, grown / 2};
}

double shrunk(const OnlineRules& rules, double w, std::int64_t n) {
  const double each = rules.rate * rules.lambda, keep = 1 - 2 * each;
  if (w == 0 || n == 0 || each == 0) return w;
  const auto once = [&](double x) { return keep * x - std::copysign(each, x); };
  if (keep <= 0) {
    for (; n > 0 && w != 0; --n) w = once(w);
    return w;
  }
  // |w| + ½ shrinks by the factor `keep` until it would pass ½; from then on each step changes the sign, and |w| goes to and fro
  // around each / (1 + keep).
  const double size = std::abs(w), factor = std::log1p(-2 * each);
  const auto whole = static_cast<std::int64_t>(std::min(std::log(0.5 / (size + 0.5)) / factor, 9e15));
  const std::int64_t straight = std::min(n, whole);
  const double rest = static_cast<double>(straight) * factor;
  const double left = std::max(size * std::exp(rest) + std::expm1(rest) / 2, 0.0);
  n -= straight;
  if (n == 0 || left == 0) return std::copysign(left, w);
  const double middle = each / (1 + keep), swing = (left - middle) * std::exp(static_cast<double>(n) * factor);
  return n % 2 == 0 ? std::copysign(middle + swing, w) : -std::copysign(middle - swing, w);
}

OnlineLayout::OnlineLayout(std::vector<BatchLayer> all) : layers(std::move(all)) {
  SOMA_REQUIRE(layers.size() >= 2);
  for (std::size_t i = 0; i + 1 < layers.size(); ++i) {
    const std::int64_t columns = layers[i + 1].neurons;
    const Connection c{layers[i].neurons + 1, columns, padded(columns), size};
    size += c.rows * c.width;
    connections.push_back(c);
  }
}

OnlineNetwork::OnlineNetwork(const OnlineLayout& layout, const OnlineRules& rules, const OnlineKernels& kernels)
    : layout_(layout), rules_(rules), kernels_(kernels), weights_(layout.size) {
  std::int64_t values = 0, most = 0;
  for (const BatchLayer& layer : layout.layers) {
    value_at_.push_back(values);
    most = std::max(most, padded(layer.neurons + 1));
    values += padded(layer.neurons + 1);
  }
  values_ = Block<double>(values);
  deltas_ = Block<double>(values);
  errors_ = Block<double>(most);
  active_.reserve(static_cast<std::size_t>(layout.first_rows()));
  active_row_.reserve(static_cast<std::size_t>(layout.first_rows()));
  seen_.resize(static_cast<std::size_t>(layout.first_rows()));
  for (const Connection& c : layout.connections) {
    auto& rows = rows_.emplace_back(static_cast<std::size_t>(c.rows));
    for (std::int64_t i = 0; i < c.rows; ++i) rows[static_cast<std::size_t>(i)].offset = c.offset + i * c.width;
  }
  for (std::int64_t n = 0; n < kRemembered; ++n) steps_.push_back(penalty_steps(rules, n));
}

/// Fills active_ with the inputs that are not 0 after preprocessing, scaling and the input layer's activation.
void OnlineNetwork::present(const OnlineSample& sample) {
  const BatchLayer& layer = layout_.layers.front();
  const std::int64_t inputs = layer.neurons;
  const auto size = static_cast<double>(inputs + 1);
  const Preprocessed pre = preprocessing(rules_.pre_processing, sample, inputs);
  const auto seen = [&](double x) { return activation(layer.kind, (x - pre.offset) / pre.divisor / size); };
  const Connection& c = layout_.connections.front();
  active_.clear();
  active_row_.clear();
  const auto add = [&](std::int64_t row, double x) {
    active_.push_back({c.offset + row * c.width, x, 1, 0});
    active_row_.push_back(static_cast<std::int32_t>(row));
  };
  const double nothing = seen(0);
  if (nothing == 0 && layer.kind != BatchLayer::Kind::softmax) {
    for (std::int64_t k = 0; k < sample.count; ++k)
      if (const double x = seen(sample.value[k]); x != 0) add(sample.column[k], x);
  } else {
    double* x = values_.data();
    std::fill(x, x + inputs, nothing);
    for (std::int64_t k = 0; k < sample.count; ++k) x[sample.column[k]] = seen(sample.value[k]);
    if (layer.kind == BatchLayer::Kind::softmax) softmax(x, inputs);
    for (std::int64_t row = 0; row < inputs; ++row)
      if (x[row] != 0) add(row, x[row]);
  }
  add(inputs, 1);  // the bias neuron
}

void OnlineNetwork::activate(std::size_t layer) {
  const auto [kind, neurons] = layout_.layers[layer];
  const bool last = layer + 1 == layout_.layers.size();
  const auto size = static_cast<double>(neurons + (last ? 0 : 1));
  double* y = values_.data() + value_at_[layer];
  for (std::int64_t i = 0; i < neurons; ++i) y[i] /= size;
  if (kind == BatchLayer::Kind::softmax)
    softmax(y, neurons);
  else if (kind != BatchLayer::Kind::identity)
    for (std::int64_t i = 0; i < neurons; ++i) y[i] = activation(kind, y[i]);
  if (!last) y[neurons] = 1;
}

/// From the inputs in active_ to the outputs.
void OnlineNetwork::propagate(const double* weights) {
  for (std::size_t l = 0; l < layout_.connections.size(); ++l) {
    const Connection& c = layout_.connections[l];
    double* y = values_.data() + value_at_[l + 1];
    if (l == 0) {
      kernels_.forward(weights, active_.data(), static_cast<std::int64_t>(active_.size()), c.width, y);
    } else {
      const double* x = values_.data() + value_at_[l];
      for (std::int64_t i = 0; i < c.rows; ++i) {
        OnlineRow& row = rows_[l][static_cast<std::size_t>(i)];
        row.x = x[i];
        row.growth = 1;
        row.shift = 0;
      }
      kernels_.forward(weights, rows_[l].data(), c.rows, c.width, y);
    }
    activate(l + 1);
  }
}

const double* OnlineNetwork::forward(const double* weights, const OnlineSample& sample) {
  present(sample);
  propagate(weights);
  return values_.data() + value_at_.back();
}

void OnlineNetwork::train(const OnlineSample& sample) {
  present(sample);
  const Connection& first = layout_.connections.front();
  const auto remembered = [&](std::int64_t n) {
    return n < kRemembered ? steps_[static_cast<std::size_t>(n)] : penalty_steps(rules_, n);
  };
  for (std::size_t k = 0; k < active_.size(); ++k) {
    const std::int64_t missed = step_ - seen_[static_cast<std::size_t>(active_row_[k])];
    if (rules_.penalise) {
      double* w = weights_.data() + active_[k].offset;
      for (std::int64_t j = 0; missed > 0 && j < first.columns; ++j) w[j] = shrunk(rules_, w[j], missed);
      seen_[static_cast<std::size_t>(active_row_[k])] = step_;
    } else {
      const PenaltySteps steps = remembered(missed);
      active_[k].growth = steps.growth;
      active_[k].shift = steps.shift;
    }
  }
  propagate(weights_.data());

  const std::size_t last = layout_.layers.size() - 1;
  const double* y = values_.data() + value_at_[last];
  double* delta = deltas_.data() + value_at_[last];
  for (std::int64_t j = 0; j < layout_.layers[last].neurons; ++j) {
    const double target = sample.targets == 1 && layout_.layers[last].neurons > 1
                              ? (j == static_cast<std::int64_t>(sample.target[0]) ? 1.0 : 0.0)
                              : sample.target[j];
    delta[j] = (y[j] - target) * slope(layout_.layers[last].kind, y[j]);
  }
  const PenaltySteps one = steps_[1];
  for (std::size_t l = layout_.connections.size(); l-- > 1;) {
    const Connection& c = layout_.connections[l];
    for (OnlineRow& row : rows_[l]) {
      row.x *= rules_.rate;
      row.growth = one.growth;
      row.shift = one.shift;
    }
    kernels_.backward(weights_.data(), rows_[l].data(), c.rows, c.width, deltas_.data() + value_at_[l + 1], errors_.data());
    const double* below = values_.data() + value_at_[l];
    double* delta_below = deltas_.data() + value_at_[l];
    for (std::int64_t i = 0; i < layout_.layers[l].neurons; ++i)
      delta_below[i] = errors_.data()[i] * slope(layout_.layers[l].kind, below[i]);
  }
  for (std::size_t k = 0; k < active_.size(); ++k) {
    std::int64_t& seen = seen_[static_cast<std::size_t>(active_row_[k])];
    const PenaltySteps steps = remembered(step_ - seen + 1);
    active_[k].x *= rules_.rate;
    active_[k].growth = steps.growth;
    active_[k].shift = steps.shift;
    seen = step_ + 1;
  }
  kernels_.backward(weights_.data(), active_.data(), static_cast<std::int64_t>(active_.size()), first.width,
                    deltas_.data() + value_at_[1], nullptr);
  ++step_;
}

void OnlineNetwork::settle() {
  const Connection& first = layout_.connections.front();
  for (std::int64_t row = 0; row < first.rows; ++row) {
    std::int64_t& seen = seen_[static_cast<std::size_t>(row)];
    if (seen == step_) continue;
    double* w = weights_.data() + first.offset + row * first.width;
    if (rules_.penalise) {
      for (std::int64_t j = 0; j < first.columns; ++j) w[j] = shrunk(rules_, w[j], step_ - seen);
    } else {
      const PenaltySteps steps = penalty_steps(rules_, step_ - seen);
      kernels_.settle(w, steps.growth, steps.shift, first.width);
    }
    seen = step_;
  }
}

}  // namespace soma
