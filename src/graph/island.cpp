// steps of a program that are layers of soma's → one step that walks a plan.
#include "graph/island.h"

#include <algorithm>

namespace soma {
namespace {

/// [channels, pixels] of images that lie otherwise than networks have them.
Shape turning(const Shape& sample, bool last) {
  if (sample.size() != 3 || last || sample[0] == 1 || sample[1] * sample[2] == 1) return {};
  return {sample[0], sample[1] * sample[2]};
}

/// Each of `count` matrices [rows, columns] → [columns, rows].
void turn(const float* x, std::int64_t count, std::int64_t rows, std::int64_t columns, float* y) {
  for (std::int64_t n = 0; n < count; ++n, x += rows * columns, y += rows * columns)
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < columns; ++c) y[c * rows + r] = x[r * columns + c];
}

}  // namespace

Island::Island(Network network, std::int64_t batch, bool input_last, bool output_last)
    : network_(std::move(network)),
      batch_(batch),
      input_(turning(network_.resolved().spec.input, input_last)),
      output_(turning(network_.resolved().shapes.back(), output_last)) {
  if (!input_.empty()) x_.resize(static_cast<std::size_t>(batch * network_.input_size()));
  if (!output_.empty()) y_.resize(static_cast<std::size_t>(batch * network_.output_size()));
}

void Island::run(const float* x, float* y, std::int64_t samples) {
  const std::int64_t in = network_.input_size(), out = network_.output_size();
  for (std::int64_t first = 0; first < samples; first += batch_) {
    const std::int64_t rows = std::min(batch_, samples - first);
    const float* from = x + first * in;
    float* to = y + first * out;
    if (!input_.empty()) {
      turn(from, rows, input_[0], input_[1], x_.data());
      from = x_.data();
    }
    network_.forward(from, output_.empty() ? to : y_.data(), rows);
    if (!output_.empty()) turn(y_.data(), rows, output_[1], output_[0], to);
  }
}

}  // namespace soma
