// layers + one sample at a time → outputs, or moved weights: the arithmetic of the Go thesis, in double.
#include "batchfile/online.h"

#include <algorithm>
#include <cmath>

namespace soma {
namespace {

constexpr std::int64_t padded(std::int64_t n) { return (n + 7) / 8 * 8; }
constexpr std::int64_t kRemembered = 1024;  // of steps that a row was left alone: edges of images are seen every few hundred

}  // namespace

OnlineLayout::OnlineLayout(std::vector<BatchLayer> all, bool with_bias) : layers(std::move(all)), bias(with_bias) {
  SOMA_REQUIRE(layers.size() >= 2);
  for (std::size_t i = 0; i + 1 < layers.size(); ++i) {
    const std::int64_t columns = layers[i + 1].neurons;
    const Connection c{neurons(i), columns, padded(columns), size};
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
  if (rules.alpha_dropout > 0) slopes_ = Block<double>(values);
  if (!rules.descends()) {
    inputs_ = Block<double>(layout.first_rows());
    moment_ = Block<double>(layout.size);
    if (rules.optimizer == BatchSettings::Optimizer::nadam) moment2_ = Block<double>(layout.size);
  }
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
  const double size = rules_.scaled ? static_cast<double>(layout_.neurons(0)) : 1;
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
  if (layout_.bias) add(inputs, 1);
}

void OnlineNetwork::activate(std::size_t layer) {
  const auto [kind, neurons] = layout_.layers[layer];
  const std::int64_t all = layout_.neurons(layer);
  double* y = values_.data() + value_at_[layer];
  if (rules_.scaled)
    for (std::int64_t i = 0; i < neurons; ++i) y[i] /= static_cast<double>(all);
  if (kind == BatchLayer::Kind::softmax)
    softmax(y, neurons);
  else if (kind != BatchLayer::Kind::identity)
    for (std::int64_t i = 0; i < neurons; ++i) y[i] = activation(kind, y[i]);
  if (all > neurons) y[neurons] = 1;
}

/// Leaves some neurons of a hidden layer out, and keeps the slopes of what is left.
void OnlineNetwork::drop(std::size_t layer, std::uint64_t number) {
  const auto [kind, neurons] = layout_.layers[layer];
  const OnlineDropout dropout(rules_.alpha_dropout);
  double *y = values_.data() + value_at_[layer], *f = slopes_.data() + value_at_[layer];
  for (std::int64_t i = 0; i < neurons; ++i) {
    const bool out = dropped(rules_, number, layer, neurons, i);
    f[i] = out ? 0 : dropout.a * slope(kind, y[i]);
    y[i] = dropout.a * (out ? dropout.value : y[i]) + dropout.b;
  }
}

void OnlineNetwork::propagate(const double* weights, const std::uint64_t* number) {
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
    if (number != nullptr && rules_.alpha_dropout > 0 && l + 1 < layout_.connections.size()) drop(l + 1, *number);
  }
}

const double* OnlineNetwork::forward(const double* weights, const OnlineSample& sample) {
  present(sample);
  propagate(weights, nullptr);
  return values_.data() + value_at_.back();
}

/// Penalty steps that the rows of active_ have missed: done, or left to the kernel that reads them.
void OnlineNetwork::catch_up() {
  const Connection& first = layout_.connections.front();
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
}

PenaltySteps OnlineNetwork::remembered(std::int64_t n) const {
  return n < kRemembered ? steps_[static_cast<std::size_t>(n)] : penalty_steps(rules_, n);
}

void OnlineNetwork::last_delta(const OnlineSample& sample) {
  const std::size_t last = layout_.layers.size() - 1;
  const auto [kind, neurons] = layout_.layers[last];
  const double* y = values_.data() + value_at_[last];
  double* delta = deltas_.data() + value_at_[last];
  for (std::int64_t j = 0; j < neurons; ++j) {
    const double target =
        sample.targets == 1 && neurons > 1 ? (j == static_cast<std::int64_t>(sample.target[0]) ? 1.0 : 0.0) : sample.target[j];
    delta[j] = (y[j] - target) * (rules_.cross_entropy ? 1 : slope(kind, y[j]));
  }
}

void OnlineNetwork::next_delta(std::size_t layer) {
  const auto [kind, neurons] = layout_.layers[layer];
  const double *y = values_.data() + value_at_[layer], *f = slopes_.data() + value_at_[layer];
  double* delta = deltas_.data() + value_at_[layer];
  for (std::int64_t i = 0; i < neurons; ++i) delta[i] = errors_.data()[i] * (rules_.alpha_dropout > 0 ? f[i] : slope(kind, y[i]));
}

void OnlineNetwork::train(const OnlineSample& sample, std::uint64_t number) {
  present(sample);
  if (rules_.descends()) catch_up();
  propagate(weights_.data(), &number);
  last_delta(sample);
  if (rules_.descends())
    descend();
  else
    move();
}

void OnlineNetwork::descend() {
  const PenaltySteps one = steps_[1];
  for (std::size_t l = layout_.connections.size(); l-- > 1;) {
    const Connection& c = layout_.connections[l];
    for (OnlineRow& row : rows_[l]) {
      row.x *= rules_.rate;
      row.growth = one.growth;
      row.shift = one.shift;
    }
    kernels_.backward(weights_.data(), rows_[l].data(), c.rows, c.width, deltas_.data() + value_at_[l + 1], errors_.data());
    next_delta(l);
  }
  for (std::size_t k = 0; k < active_.size(); ++k) {
    std::int64_t& seen = seen_[static_cast<std::size_t>(active_row_[k])];
    const PenaltySteps steps = remembered(step_ - seen + 1);
    active_[k].x *= rules_.rate;
    active_[k].growth = steps.growth;
    active_[k].shift = steps.shift;
    seen = step_ + 1;
  }
  kernels_.backward(weights_.data(), active_.data(), static_cast<std::int64_t>(active_.size()), layout_.connections.front().width,
                    deltas_.data() + value_at_[1], nullptr);
  ++step_;
}

// A moment outlives the input it came from: every weight moves in every step, and nothing is put off.
void OnlineNetwork::move() {
  const MomentStep step(rules_, ++moves_);
  const double sign = rules_.penalise ? 1 : -1, l1 = sign * rules_.sign_penalty(), l2 = sign * 2 * rules_.lambda;
  for (std::size_t l = layout_.connections.size(); l-- > 0;) {
    const Connection& c = layout_.connections[l];
    const double *x = values_.data() + value_at_[l], *delta = deltas_.data() + value_at_[l + 1];
    if (l > 0) {
      for (OnlineRow& row : rows_[l]) row.x = 0;  // errors with the old weights, which stay
      kernels_.backward(weights_.data(), rows_[l].data(), c.rows, c.width, delta, errors_.data());
    } else {
      std::fill_n(inputs_.data(), c.rows, 0.0);
      for (std::size_t k = 0; k < active_.size(); ++k) inputs_.data()[active_row_[k]] = active_[k].x;
      x = inputs_.data();
    }
    double none = 0;
    for (std::int64_t i = 0; i < c.rows; ++i)
      for (std::int64_t j = 0; j < c.columns; ++j) {
        const std::int64_t at = c.offset + i * c.width + j;
        double& w = weights_.data()[at];
        step(delta[j] * x[i] + l2 * w +
                 (w > 0   ? l1
                  : w < 0 ? -l1
                          : 0),
             w, moment_.data()[at], step.nadam ? moment2_.data()[at] : none);
      }
    if (l > 0) next_delta(l);
  }
}

void OnlineNetwork::restart() {
  moves_ = 0;
  std::fill_n(moment_.data(), moment_.size(), 0.0);
  std::fill_n(moment2_.data(), moment2_.size(), 0.0);
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
