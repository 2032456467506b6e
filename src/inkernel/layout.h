// an IntegerProgram + what its inputs become → where everything lies for bytecode: the model's image, and the scratch of one run.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "inkernel/message.h"
#include "integer/program.h"

namespace soma::bpf {

/// What raw values become, found with the reference itself. `tables` of them: one for all values, one per channel, or one each;
/// value i is read by table i mod tables.
struct InputTables {
  std::int64_t tables = 1;
  std::vector<std::uint8_t> bytes;    ///< [tables, 256]
  std::vector<std::uint32_t> shorts;  ///< [tables, 256]: threshold v is the least key that becomes v or more; key = value + 2^15
  std::vector<std::uint32_t> floats;  ///< the same, over keys that order floats as float_key does
  bool identity = false;              ///< each byte stays what it is
};

/// Orders floats as numbers, −∞ first.
std::uint32_t float_key(float value);

/// 30 inputs in ten words of three: 255 · 127 · 30 < 2^20, so no lane of a sum can run over, whatever the weights are.
inline constexpr std::int64_t kGroupsInBlock = 10;

/// A product as bytecode walks it: rows four at a time, inputs three to a word, words in blocks of equal size.
struct ProductLayout {
  std::size_t x = 0, y = 0;  ///< values
  std::int64_t rows = 0;
  std::int64_t blocks = 1, groups = 0;         ///< groups in each block
  std::int64_t weights = 0;                    ///< in the image: [quads][blocks][groups][rows of the quad] words
  std::int64_t parameters = 0;                 ///< in the image: kRowBytes for each row
  std::vector<std::int64_t> taps;              ///< of one window, as offsets from its first byte; empty: x as it lies
  std::int64_t out_h = 1, out_w = 1;           ///< after pooling
  std::int64_t row_step = 0, column_step = 0;  ///< bytes of x from one output to the next
  std::int64_t windows = 1, windows_w = 1, window_row = 0, window_column = 0;  ///< pooled: the greatest of so many sums
  bool last = false;
};

/// A pool that no product took along.
struct PoolLayout {
  std::size_t x = 0, y = 0;
  std::int64_t size_h = 1, size_w = 1, row_step = 0, column_step = 0;
};

/// One value in the scratch, with a margin for the padding of whoever reads it.
struct ValueLayout {
  std::int64_t h = 1, w = 1, c = 1, margin_h = 0, margin_w = 0;
  std::int64_t at = 0;
  bool filled = false;    ///< has a margin, so it is filled before it is written
  std::int64_t fill = 0;  ///< in the image: eight bytes of what the margin holds
  [[nodiscard]] std::int64_t row() const { return (w + 2 * margin_w) * c; }
  [[nodiscard]] std::int64_t size() const { return (h + 2 * margin_h) * row(); }
  [[nodiscard]] std::int64_t inside() const { return at + margin_h * row() + margin_w * c; }
};

/// A row's numbers in the image: bias (64 bits), multiplier (32), shift and zero (16), half of 2^shift (64); of a last row bias,
/// then the significand and the exponent of its scale (32).
inline constexpr std::int64_t kRowBytes = 24;
inline constexpr std::int64_t kBias = 0, kMultiplier = 8, kShift = 12, kZero = 14, kHalf = 16, kSignificand = 8, kExponent = 12;

/// Every image begins with whose it is: the model's tag (32 bits), a hash of the bytecode that reads it (64), its multiply-adds
/// (64), its name and a 0.
inline constexpr std::int64_t kTag = 0, kCodeHash = 8, kProducts = 16, kName = 24, kNameBytes = 64,
                              kImageHead = kName + kNameBytes;

/// Two models with equal layouts run on the same bytecode: only their images differ.
struct Layout {
  std::vector<ValueLayout> values;
  std::vector<std::variant<ProductLayout, PoolLayout>> steps;
  std::int64_t inputs = 0, outputs = 0, tables = 1;
  bool identity = false;
  // In the image.
  std::int64_t byte_tables = 0, short_tables = 0, float_tables = 0, image = 0;
  // In the scratch.
  std::int64_t raw = 0;  ///< the values of a question
  std::int64_t packed = 0, sums = 0, greatest = 0, best = 0,
               scratch = 0;  // sums: in the end the outputs, a float in each 8 bytes
  std::int64_t stream = 0;   ///< where packets are answered: a number, then a window as the map of streams has it
};

/// What is kept of a stream: how many values there were, the tag of the model that made bytes of them, the bytes of the last
/// ones, and 8 that whole words may touch.
inline constexpr std::int64_t kStreamNext = 0, kStreamTag = 8, kStreamWindow = 16, kStreamKeyBytes = 24;
inline constexpr std::int64_t stream_bytes(std::int64_t inputs) { return kStreamWindow + (inputs + 7) / 8 * 8 + 8; }

/// In every scratch: counters of loops; where packets are answered also two sums, the frame as it came (at 2 mod 16, so that an
/// IP header is aligned), the message.
inline constexpr std::int64_t kCounters = 0, kMessageSums = 48, kFrame = 66, kMessage = 1216,
                              kValues = kMessage + message::kHeader;

struct Prepared {
  Layout layout;
  std::vector<std::uint8_t> image;
};

/// Fails, naming what is too large, on networks that have no room in a kernel program.
[[nodiscard]] Result<Prepared> prepare(const IntegerProgram& program, const InputTables& tables, std::uint32_t tag,
                                       std::int64_t raw = kValues);

}  // namespace soma::bpf
