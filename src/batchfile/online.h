// layers + one sample at a time → outputs, or moved weights: the arithmetic of the Go thesis, in double.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/arena.h"
#include "kernels/online.h"
#include "soma/batchfile.h"

namespace soma {

/// The weights between two layers: a row for each neuron below (the last one is the bias neuron's, if there is one), padded to 8
/// numbers.
struct Connection {
  std::int64_t rows = 0, columns = 0;
  std::int64_t width = 0;   ///< columns, rounded up to a multiple of 8; the padding holds zeros
  std::int64_t offset = 0;  ///< of the first row
};

/// Where the weights of a network lie.
struct OnlineLayout {
  std::vector<BatchLayer> layers;
  std::vector<Connection> connections;
  std::int64_t size = 0;

  bool bias = true;

  explicit OnlineLayout(std::vector<BatchLayer> all, bool with_bias = true);
  [[nodiscard]] std::int64_t first_rows() const { return connections.front().rows; }
  /// Neurons, with the bias neuron where there is one.
  [[nodiscard]] std::int64_t neurons(std::size_t layer) const {
    return layers[layer].neurons + (bias && layer + 1 < layers.size() ? 1 : 0);
  }
};

/// What a step does besides following the error: w −= rate·(δ·x − λ·2w − l1·sgn w), with + for both penalties when `penalise`.
struct OnlineRules {
  BatchSettings::PreProcessing pre_processing = BatchSettings::PreProcessing::none;
  double rate = 1, lambda = 0;
  bool penalise = false;
  std::optional<double> l1 = {};  ///< unset: lambda
  bool cross_entropy = false;     ///< δ of the last layer is y − target: the slope of softmax or logistic cancels
  bool scaled = true;             ///< sums are divided by the size of their layer
  BatchSettings::Optimizer optimizer = BatchSettings::Optimizer::descent;
  double momentum = 0.9, beta2 = 0.999;
  double alpha_dropout = 0;
  std::uint64_t seed = 1;  ///< of dropout

  [[nodiscard]] double sign_penalty() const { return l1.value_or(lambda); }
  [[nodiscard]] bool descends() const { return optimizer == BatchSettings::Optimizer::descent; }
};
OnlineRules rules_of(const BatchSettings& settings);

/// A line of a data file. Borrows.
struct OnlineSample {
  const std::int32_t* column = nullptr;
  const double* value = nullptr;
  std::int64_t count = 0;  ///< of values that are not 0
  const double* target = nullptr;
  std::int64_t targets = 0;  ///< 1: the index of the output that should be 1; else one target per output
};

/// n penalty steps on a weight whose input was 0 all the while, as one map w → growth·w + sgn(w)·shift.
struct PenaltySteps {
  double growth = 1, shift = 0;
};
PenaltySteps penalty_steps(const OnlineRules& rules, std::int64_t n);

/// The same n steps for the sign that shrinks, where w may cross 0 on the way.
double shrunk(const OnlineRules& rules, double w, std::int64_t n);

/// One copy of the weights, trained on one sample after the other. Rows whose input is 0 are left alone, and brought up to date
/// when an input needs them or by settle(). Allocates nothing after construction. Results are those of ReferenceNetwork within
/// rounding. One thread at a time.
class OnlineNetwork {
 public:
  OnlineNetwork(const OnlineLayout& layout, const OnlineRules& rules, const OnlineKernels& kernels);

  [[nodiscard]] double* weights() { return weights_.data(); }

  /// The outputs for a sample, from weights that may be another network's (settled) ones. Valid until the next call.
  const double* forward(const double* weights, const OnlineSample& sample);

  /// `number` tells dropout which sample this is.
  void train(const OnlineSample& sample, std::uint64_t number = 0);

  /// Forgets what momentum or NADAM have gathered: from other weights on.
  void restart();

  /// Does what train() has put off.
  void settle();

 private:
  void present(const OnlineSample& sample);
  void catch_up();
  [[nodiscard]] PenaltySteps remembered(std::int64_t n) const;
  void activate(std::size_t layer);
  void drop(std::size_t layer, std::uint64_t number);
  /// From the inputs in active_ to the outputs; training drops.
  void propagate(const double* weights, const std::uint64_t* number);
  void last_delta(const OnlineSample& sample);
  /// The deltas of `layer` from the errors sent down to it.
  void next_delta(std::size_t layer);
  void descend();
  void move();

  const OnlineLayout& layout_;
  OnlineRules rules_;
  const OnlineKernels& kernels_;
  Block<double> weights_, values_, deltas_, errors_;
  Block<double> slopes_;                      // of hidden layers, dropped neurons' 0: only with dropout
  Block<double> inputs_;                      // with momentum or NADAM: of the first layer, zeros too
  Block<double> moment_, moment2_;            // laid out as the weights
  std::int64_t moves_ = 0;                    // since restart()
  std::vector<std::int64_t> value_at_;        // of each layer, in values_ and deltas_
  std::vector<OnlineRow> active_;             // rows of the first connection whose input is not 0
  std::vector<std::int32_t> active_row_;      // which
  std::vector<std::vector<OnlineRow>> rows_;  // of the other connections: all
  std::vector<std::int64_t> seen_;            // steps that each row of the first connection has made
  std::vector<PenaltySteps> steps_;           // penalty_steps of small n
  std::int64_t step_ = 0;
};

/// f and its slope as the thesis has them: from y = f(x). softmax not here.
double activation(BatchLayer::Kind kind, double x);
double slope(BatchLayer::Kind kind, double y);
void softmax(double* x, std::int64_t n);

/// Alpha dropout of a share p: a left-out neuron becomes `value`, and all of them are a·y + b, so that mean 0 and variance 1 stay
/// (Klambauer, Unterthiner, Mayr, Hochreiter: Self-normalizing neural networks, 2017).
struct OnlineDropout {
  double value, a, b;
  explicit OnlineDropout(double p);
};
bool dropped(const OnlineRules& rules, std::uint64_t number, std::size_t layer, std::int64_t neurons, std::int64_t i);

/// One weight by its gradient g (penalty included), as step number t (1-based) of momentum or NADAM:
/// m = μm + g, w −= rate·m; or, with β₁ = μ (Dozat, Incorporating Nesterov momentum into Adam, 2016, its momentum constant),
/// m = β₁m + (1 − β₁)g, v = β₂v + (1 − β₂)g², w −= rate·(β₁m/(1 − β₁ᵗ⁺¹) + (1 − β₁)g/(1 − β₁ᵗ)) / (√(v/(1 − β₂ᵗ)) + 1e-8).
struct MomentStep {
  double rate, momentum, beta2;
  double from_moment = 1, from_gradient = 0, unbias2 = 1;
  bool nadam;
  MomentStep(const OnlineRules& rules, std::int64_t t);
  void operator()(double g, double& w, double& m, double& v) const;
};

/// What preprocessing does to a sample: x → (x − offset) / divisor.
struct Preprocessed {
  double offset = 0, divisor = 1;
};
Preprocessed preprocessing(BatchSettings::PreProcessing kind, const OnlineSample& sample, std::int64_t inputs);

}  // namespace soma
