// an int8 Model → Int8Plan: the steps of a pass, where the bytes lie, and the weights as the kernels read them.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "core/arena.h"
#include "kernels/int8.h"
#include "model/int8_chain.h"

namespace soma {

/// One sample's bytes between two layers, channels last, with a margin of zeros (the byte that means 0) for the padding of the
/// convolution that reads it. The margin is written once; whoever fills the value writes inside it.
struct ByteValue {
  std::int64_t h = 1, w = 1, c = 1, margin_h = 0, margin_w = 0;
  std::int64_t offset = 0;  ///< of the first sample, in a member's arena
  std::int64_t step = 0;    ///< from one sample to the next
  std::int32_t zero = 0;

  [[nodiscard]] std::int64_t row() const { return (w + 2 * margin_w) * c; }
  [[nodiscard]] std::int64_t size() const { return (h + 2 * margin_h) * row(); }
  [[nodiscard]] std::int64_t inside() const { return margin_h * row() + margin_w * c; }
};

/// conv2d or linear with bias, relu, max-pool and rounding.
struct ProductStep {
  std::size_t x = 0, y = 0;  ///< values; y of the last step is not used
  bool flat = false;         ///< linear: a row per sample, all samples in one product
  bool last = false;         ///< leaves sums
  std::int64_t out = 0, taps = 0;
  std::int64_t rows = 0, columns = 0;         ///< of its output, after pooling
  std::int64_t row_step = 0, pixel_step = 0;  ///< bytes of x from one output row or pixel to the next
  std::vector<std::int32_t> window, tap;
  Block<std::int8_t> weights;
  std::vector<std::int32_t> bias, multiplier, shift;
};

/// Max-pooling that its convolution could not take along: windows that overlap or have padding.
struct BytePoolStep {
  std::size_t x = 0, y = 0;
  Pool pool;
};

using Int8Step = std::variant<ProductStep, BytePoolStep>;

struct Int8Plan {
  std::vector<ByteValue> values;  ///< values[0] is the network's input
  std::vector<Int8Step> steps;
  float input_scale = 1;
  std::vector<float> output_scales;  ///< real number = sum · scale
  std::vector<Layer> tail;           ///< in real numbers, on the outputs
  std::int64_t inputs = 0, outputs = 0;
  std::int64_t arena = 0;  ///< bytes for kInt8Rows samples
};

/// Samples that one thread takes through the network together: enough for a linear layer to read its weights once for all.
inline constexpr std::int64_t kInt8Rows = 12;

[[nodiscard]] Result<Int8Plan> make_int8_plan(const Model& model);

}  // namespace soma
