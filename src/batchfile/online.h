// layers + one sample at a time → outputs, or moved weights: the arithmetic of the Go thesis, in double.
#pragma once

#include <cstdint>
#include <vector>

#include "core/arena.h"
#include "kernels/online.h"
#include "soma/batchfile.h"

namespace soma {

/// The weights between two layers: a row for each neuron below (the last one is the bias neuron's), padded to 8 numbers.
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

  explicit OnlineLayout(std::vector<BatchLayer> all);
  [[nodiscard]] std::int64_t first_rows() const { return connections.front().rows; }
};

/// What a step does besides following the error: w −= rate·(δ·x − λ·(2w + sgn w)), with + λ when `penalise`.
struct OnlineRules {
  BatchSettings::PreProcessing pre_processing = BatchSettings::PreProcessing::none;
  double rate = 1, lambda = 0;
  bool penalise = false;
};

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

  void train(const OnlineSample& sample);

  /// Does what train() has put off.
  void settle();

 private:
  void present(const OnlineSample& sample);
  void activate(std::size_t layer);
  void propagate(const double* weights);

  const OnlineLayout& layout_;
  OnlineRules rules_;
  const OnlineKernels& kernels_;
  Block<double> weights_, values_, deltas_, errors_;
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

/// What preprocessing does to a sample: x → (x − offset) / divisor.
struct Preprocessed {
  double offset = 0, divisor = 1;
};
Preprocessed preprocessing(BatchSettings::PreProcessing kind, const OnlineSample& sample, std::int64_t inputs);

}  // namespace soma
