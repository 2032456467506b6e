// rows of an epoch → the floats of their samples and what the loss compares outputs with.
#include "train/target_buffer.h"

namespace soma {

TargetBuffer::TargetBuffer(const Dataset& data, const Shape& input, const Shape& output, std::int64_t rows)
    : input_(input), output_(output), itself_(data.task == Task::reconstruct) {
  const auto count = static_cast<std::size_t>(rows);
  if (data.task == Task::classes) {
    labels_.resize(count);
  } else {
    width_ = itself_ ? elements(input) : std::ssize(data.target_names);
    values_.resize(count * static_cast<std::size_t>(width_));
  }
  if (!data.weights.empty()) weights_.resize(count);
}

void TargetBuffer::fill(const Batches& batches, std::int64_t first, std::int64_t rows, float* x, std::int64_t at) {
  x += at * batches.row_size();
  float* values = values_.data() + at * width_;
  batches.fill(first, rows, x,
               TargetRows{labels_.empty() ? nullptr : labels_.data() + at, itself_ || values_.empty() ? nullptr : values,
                          weights_.empty() ? nullptr : weights_.data() + at});
  if (!itself_) return;
  for (std::int64_t row = 0; row < rows; ++row, x += width_, values += width_) as_own_target(input_, output_, x, values);
}

}  // namespace soma
