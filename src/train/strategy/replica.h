// some samples → their gradient or the parameters it moves: one worker with activations and gradients of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "train/run_state.h"

namespace soma {

/// A network of its own on one thread. Borrows the run's data; several may work at once.
class Replica {
 public:
  /// For batches of up to `rows` samples.
  Replica(const RunState& run, std::int64_t rows);

  Net<float>& net() { return net_; }

  /// Samples [first, first + rows) of the epoch: loss into sum, gradient of their mean loss or its sum
  /// into net(). `pass` tells dropout which batch this is. False when the loss is not finite.
  bool gradient(const RunState& run, std::int64_t first, std::int64_t rows, std::int64_t pass, LossOf of);

  /// Moves net()'s parameters by the gradient, as optimizer step number `step` (0-based).
  void update(const RunState& run, std::int64_t step);

  LossSum sum;                  ///< of the samples since somebody set it to {}
  bool finite = true;           ///< false once a loss was not
  std::int64_t samples = 0;     ///< those of sum
  std::int64_t steps = 0;       ///< updates since somebody set it to 0
  OptimizerState optimizer;     ///< moves on with every update
  Block<float> state0, state1;  ///< optimizer arrays, laid out as the trained parameters
  double rate = 0;              ///< of the last update

 private:
  Team alone_{1};
  Net<float> net_;
  TargetBuffer targets_;
};

std::vector<std::unique_ptr<Replica>> make_replicas(const RunState& run, std::int64_t rows);

/// The error of a step whose loss is not finite.
Error not_finite(const RunState& run);

}  // namespace soma
