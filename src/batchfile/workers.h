// weights + lines of a data file → weights after an epoch, or how many lines are right: one worker, or several on copies.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "batchfile/online.h"
#include "batchfile/samples.h"
#include "core/team.h"

namespace soma {

/// Called now and then with the lines done so far; false gives the pass up.
using GoOn = std::function<bool(std::int64_t lines)>;

/// `settings.parallel` networks that take turns on the threads of a team. What comes out depends on the number of workers, never
/// on the number of threads.
class Workers {
 public:
  /// threads 0 = one per worker, at most one per core.
  Workers(const OnlineLayout& layout, const BatchSettings& settings, const OnlineKernels& kernels, int threads);

  /// One epoch over the lines in this order. Each round every worker trains a copy on the next worker_batch lines; the copies'
  /// differences are added up in worker order. Momentum and NADAM begin anew with every copy, and with one worker once an epoch.
  /// `epoch` (0-based) tells dropout which one this is. False when given up: then `weights` are of no use.
  bool train(std::vector<double>& weights, const Samples& samples, std::span<const std::int32_t> order, const GoOn& go_on,
             std::int64_t epoch = 0);

  struct Score {
    std::int64_t correct = 0, incorrect = 0;
    double error = 0;  ///< Σ over lines of Σ (target − output)² / 2
  };
  /// One target column: a line is correct when the largest output is its. Several: each output within 5 % of its target is.
  std::optional<Score> test(const std::vector<double>& weights, const Samples& samples, const GoOn& go_on);

 private:
  void merge(std::vector<double>& weights, std::int64_t active);

  const OnlineLayout& layout_;
  BatchSettings settings_;
  const OnlineKernels& kernels_;
  Team team_;
  std::vector<std::unique_ptr<OnlineNetwork>> networks_;
  std::vector<double> start_;
};

OnlineSample sample_of(const Samples& samples, std::int64_t i);

}  // namespace soma
