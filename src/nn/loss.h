// outputs + labels → loss, hits, and the gradient that backward starts from.
#pragma once

#include <cstdint>
#include <span>

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

/// The loss of config.h over y [rows, outputs] with labels [rows]. When dy [rows, outputs] is given it receives the gradient of
/// the mean loss of these rows, or of its sum; where the labels of all rows weigh 0 there is no mean, and its gradient is 0.
/// Serial, in row order, sums in double; allocates nothing. Probabilities are worked out in T.
///
/// Sources of the formulas: cross-entropy p − t with t = (1 − s)·one_hot + s/classes, class weights as PyTorch's
/// CrossEntropyLoss; quadratic 2(y − t)/outputs; binary cross-entropy σ(y) − t over outputs; nll −weight at the label.
template <class T>
LossSum loss_and_gradient(const LossConfig& config, const T* y, const std::int32_t* labels, std::int64_t rows,
                          std::int64_t outputs, T* dy, LossOf of = LossOf::mean);

/// The class an output row stands for: the first largest output, or the nearest code.
template <class T>
std::int32_t predicted_class(const LossConfig& config, const T* y, std::int64_t outputs);

/// Outputs and loss fit: one output per class, or one output when there are codes; as many codes and class weights as classes.
[[nodiscard]] Result<void> check_loss(const LossConfig& config, std::int64_t outputs, std::int64_t classes);

}  // namespace soma
