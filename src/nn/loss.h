// outputs + labels → loss, hits, and the gradient that backward starts from.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "core/team.h"
#include "soma/config.h"
#include "soma/error.h"

namespace soma {

/// Sums over some samples; loss / weight is the mean.
struct LossSum {
  double loss = 0, weight = 0;
  std::int64_t correct = 0;

  /// 0 where every sample weighs 0.
  [[nodiscard]] double mean() const { return weight > 0 ? loss / weight : 0; }

  LossSum& operator+=(const LossSum& other) {
    loss += other.loss;
    weight += other.weight;
    correct += other.correct;
    return *this;
  }
};

/// What the gradient is of: the mean loss of some rows, or their weighted sum, for whoever knows only part of a batch.
enum class LossOf { mean, sum };

/// What a loss compares outputs with: classes, or one number per output; and how much each row counts.
struct LossTargets {
  const std::int32_t* labels = nullptr;  ///< [rows]; null where values are given
  const float* values = nullptr;         ///< [rows, outputs]
  const float* weights = nullptr;        ///< [rows]; null = 1 each

  LossTargets(const std::int32_t* classes) : labels(classes) {}
  LossTargets(const std::int32_t* classes, const float* numbers, const float* row_weights)
      : labels(classes), values(numbers), weights(row_weights) {}
};

/// The loss of config.h over y [rows, outputs]; config.kind is not automatic. LossSum::correct counts rows whose class is right;
/// against values, rows whose every label is, for binary cross-entropy alone. When dy [rows, outputs] is given it receives the
/// gradient of the mean loss of these rows, or of its sum; where all rows weigh 0 there is no mean, and its gradient is 0.
/// Serial, in row order, sums in double; allocates nothing. Probabilities are worked out in T.
///
/// Sources of the formulas: cross-entropy p − t with t = (1 − s)·one_hot + s/classes, class weights as PyTorch's
/// CrossEntropyLoss; quadratic 2(y − t)/outputs; binary cross-entropy σ(y) − t over outputs; nll −weight at the label.
template <class T>
LossSum loss_and_gradient(const LossConfig& config, const T* y, const LossTargets& targets, std::int64_t rows,
                          std::int64_t outputs, T* dy, LossOf of = LossOf::mean);

/// The class an output row stands for: the first largest output, or the nearest code.
template <class T>
std::int32_t predicted_class(const LossConfig& config, const T* y, std::int64_t outputs);

/// What a sample's loss is with no label smoothing, class weights or penalties.
double sample_loss(const LossConfig& config, std::span<const float> y, std::int32_t label);
double sample_loss(const LossConfig& config, std::span<const float> y, std::span<const float> values);

/// One sample as the network reads it, channels last → as it is asked to give it back: a flat output lists an image's channels
/// first, as flatten does. Both hold elements(input) numbers and do not overlap.
void as_own_target(const Shape& input, const Shape& output, const float* x, float* values);

/// The loss that a task asks for when nobody names one; any other loss that does not serve the task is refused by name.
[[nodiscard]] Result<LossConfig> loss_for(const LossConfig& config, Task task);

/// One output per value or label.
[[nodiscard]] Result<void> check_outputs(Task task, std::int64_t outputs, std::int64_t targets);

/// Outputs and loss of task classes fit: one output per class, or one output when there are codes; as many codes and class
/// weights as classes.
[[nodiscard]] Result<void> check_loss(const LossConfig& config, std::int64_t outputs, std::int64_t classes);

}  // namespace soma
