// rows of an epoch → the floats of their samples and what the loss compares outputs with.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/loss.h"
#include "soma/dataset.h"

namespace soma {

/// The targets of one batch. Allocates only when it is made.
class TargetBuffer {
 public:
  /// For batches of up to `rows` samples of `data`, seen by the network as `input` and answered with `output`.
  TargetBuffer(const Dataset& data, const Shape& input, const Shape& output, std::int64_t rows);

  /// Rows [first, first + rows) of the epoch become rows [at, at + rows) of x and of this. Several threads may fill other rows.
  void fill(const Batches& batches, std::int64_t first, std::int64_t rows, float* x, std::int64_t at);

  [[nodiscard]] LossTargets targets() const {
    return {labels_.empty() ? nullptr : labels_.data(), values_.empty() ? nullptr : values_.data(),
            weights_.empty() ? nullptr : weights_.data()};
  }

 private:
  std::vector<std::int32_t> labels_;
  std::vector<float> values_, weights_;
  std::int64_t width_ = 0;  // values of a row
  Shape input_, output_;
  bool itself_ = false;
};

}  // namespace soma
