// an IntegerProgram → ExecutorPlan: where the bytes lie, which steps are one, and the weights as the kernels read them.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "core/arena.h"
#include "integer/program.h"
#include "kernels/int8.h"

namespace soma {

/// One sample's bytes between two steps, channels last, with a margin of zeros (the byte that means 0) for the padding of the
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

/// Bytes of the input that lie one after the other for one output and get whole taps of four: `count` of them, `length` long.
struct TapRuns {
  std::int64_t count = 1, length = 0, across = 1;  ///< across: in a row of the kernel
  [[nodiscard]] std::int64_t taps() const { return (length + 3) / 4; }
};

/// A product with bias, max-pool and rounding.
struct ProductStep {
  std::size_t x = 0, y = 0;  ///< values; y of the last step is not used
  bool flat = false;         ///< one output place and no margin: a row per sample, all samples in one product
  bool last = false;         ///< leaves sums
  std::int64_t out = 0, taps = 0;
  std::int64_t rows = 1, columns = 1;         ///< of its output, after pooling
  std::int64_t row_step = 0, pixel_step = 0;  ///< bytes of x from one output row or pixel to the next
  TapRuns runs;
  std::vector<std::int32_t> window, tap;
  Block<std::int8_t> weights;
  std::vector<std::int32_t> bias, multiplier, shift;  ///< whole panels
};

/// Max-pooling that its convolution could not take along: windows that overlap or have padding.
struct BytePoolStep {
  std::size_t x = 0, y = 0;
  Pool pool;
};

using ExecutorStep = std::variant<ProductStep, BytePoolStep>;

/// Read only once it is made: any number of executors share one.
struct ExecutorPlan {
  std::vector<ByteValue> values;  ///< values[0] is the network's input
  std::vector<ExecutorStep> steps;
  std::int64_t arena = 0;  ///< bytes for kInt8Rows samples
  IntegerProgram program;  ///< its weights taken out: `steps` has them
};

/// Samples that one thread takes through the network together: enough for a linear layer to read its weights once for all.
inline constexpr std::int64_t kInt8Rows = 12;

[[nodiscard]] Result<ExecutorPlan> make_executor_plan(IntegerProgram program);

/// The program a plan was made of, weights included.
IntegerProgram program_of(const ExecutorPlan& plan);

}  // namespace soma
