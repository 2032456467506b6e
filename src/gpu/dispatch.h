// nothing but data → what the GPU does in a step: which shader, its constants, how many workgroups, which ranges. Knows no
// Vulkan.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace soma::gpu {

/// One for each file of src/gpu/shaders.
#define SOMA_SHADERS(X)  \
  X(convolution)         \
  X(convolution_back)    \
  X(convolution_weights) \
  X(dropout)             \
  X(elementwise)         \
  X(gather)              \
  X(gemm)                \
  X(head)                \
  X(loss) X(move) X(norm_apply) X(norm_sums) X(pool) X(rows_back) X(rows_forward) X(softmax) X(square_sum) X(sum_pieces) X(update)

enum class Shader : std::uint8_t {
#define SOMA_NAME(name) name,
  SOMA_SHADERS(SOMA_NAME)
#undef SOMA_NAME
};
std::string_view name_of(Shader shader);

/// Buffers on the GPU. The first four are laid out as the plan's parameters.
enum class Arena : std::uint8_t {
  parameters,
  gradients,
  state0,
  state1,
  work,        ///< values, their gradients, pieces of sums, masks, winners
  start,       ///< [0] position of a recording's first sample, [1], [2] number of its first pass, low and high
  numbers,     ///< kUpdateNumbers floats a step
  records,     ///< kRecordNumbers floats a step: loss, weight, hits
  order,       ///< of the epoch's samples
  samples,     ///< as they lie: bytes or floats
  targets,     ///< of each sample: its label or a float for each output; and its weight, where rows count differently
  table,       ///< what each byte becomes
  loss_table,  ///< class weights or codes
};
inline constexpr std::size_t kArenas = 13;
inline constexpr std::int64_t kUpdateNumbers = 20, kRecordNumbers = 4;

/// Size of a range that reaches to the end of its arena.
inline constexpr std::int64_t kWhole = std::int64_t{1} << 40;

/// Part of an arena, in numbers of four bytes. `offset` is a multiple of 64. Size 0: the shader does not look at this binding.
struct Range {
  Arena arena = Arena::work;
  std::int64_t offset = 0, size = 0;
  bool writes = false;
  std::int32_t weave = 0;  ///< above 0: writers with the same number each write their own places of the range, and do not meet
  std::int64_t guard = 0;  ///< numbers behind it that are nobody's, bound with it: there a write beyond it can be seen
};

/// Workgroups along an axis: ⌈(fixed + per_row·rows) / share⌉ for a batch of `rows` samples.
struct Axis {
  std::int64_t fixed = 1, per_row = 0, share = 1;
  [[nodiscard]] std::int64_t groups(std::int64_t rows) const { return (fixed + per_row * rows + share - 1) / share; }
};

/// A shader's run. Range i is what the shader binds as i; constants[i] is its specialization constant i, the first the number of
/// threads of a workgroup; floats as their bits. Steps and rows of a recording are the same in every dispatch (push constants).
struct Dispatch {
  Shader shader = Shader::gather;
  std::vector<std::uint32_t> constants;
  std::array<Axis, 3> grid;
  std::vector<Range> ranges;
};

}  // namespace soma::gpu
