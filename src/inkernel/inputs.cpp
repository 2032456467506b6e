// preprocessing + the range of the first bytes → the table of each kind of raw value, found with the reference itself.
#include "inkernel/inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>

#include "data/preprocess.h"
#include "kernels/int8.h"

namespace soma::bpf {
namespace {

/// One raw value of every table → what the reference makes of them.
class Reference {
 public:
  Reference(const Preprocess& preprocess, const IntegerProgram& program, std::int64_t tables)
      : preprocess_(preprocess), program_(program), x_(static_cast<std::size_t>(tables)), bytes_(x_.size()) {}

  std::uint8_t of(std::size_t table, float value) {
    std::fill(x_.begin(), x_.end(), value);
    apply_steps(preprocess_.steps, 0, std::ssize(x_), x_.data(), std::ssize(x_));
    reference_int8_kernels().quantize(x_.data(), program_.input_scale, program_.values[0].zero, bytes_.data(), std::ssize(x_));
    return bytes_[table];
  }

 private:
  const Preprocess& preprocess_;
  const IntegerProgram& program_;
  std::vector<float> x_;
  std::vector<std::uint8_t> bytes_;
};

float value_of_key(std::uint32_t key) { return std::bit_cast<float>(key >> 31 != 0 ? key ^ 0x80000000 : ~key); }

/// The least key in [low, high] that becomes v or more; one that no value has when there is none.
std::uint32_t threshold(std::uint32_t low, std::uint32_t high, std::uint32_t none,
                        const std::function<bool(std::uint32_t)>& reached) {
  if (!reached(high)) return none;
  while (low < high) {
    const std::uint32_t middle = low + (high - low) / 2;
    if (reached(middle))
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

}  // namespace

std::uint8_t byte_of(const InputTables& tables, std::int64_t i, std::uint32_t key) {
  const auto first = tables.shorts.begin() + i % tables.tables * 256;
  return static_cast<std::uint8_t>(std::upper_bound(first + 1, first + 256, key) - first - 1);
}

Result<InputTables> input_tables(const Preprocess& preprocess, const Shape& raw, const IntegerProgram& program,
                                 double int16_units) {
  return whole_number_tables(preprocess, raw, program, -32768, 32767, int16_units);
}

Result<InputTables> whole_number_tables(const Preprocess& preprocess, const Shape& raw, const IntegerProgram& program,
                                        std::int64_t least_number, std::int64_t most_number, double units) {
  const std::int64_t size = elements(raw), channels = raw.size() == 3 ? raw[0] : size;
  InputTables all;
  for (const PreprocessStep& step : preprocess.steps) {
    const bool rises = std::all_of(step.divisor.begin(), step.divisor.end(), [](float by) { return by > 0; });
    if (!is_affine(step.kind) || !rises)
      return Error{
          Error::Kind::usage,
          "kernel: wanted preprocessing by fixed numbers (divide, standardise, min_max, mean_subtraction), got a step that "
          "looks at the sample; try soma serve"};
    const std::int64_t numbers = std::ssize(step.divisor);
    all.tables = std::max(all.tables, numbers);
  }
  if (all.tables > 1 && all.tables != channels && all.tables != size)
    return Error{Error::Kind::usage, "kernel: wanted preprocessing per channel or per feature; try soma serve"};
  Reference reference(preprocess, program, all.tables);
  all.identity = true;
  constexpr std::uint32_t kNone = 0xffffffff;
  for (std::size_t t = 0; t < static_cast<std::size_t>(all.tables); ++t) {
    for (int byte = 0; byte < 256; ++byte) {
      all.bytes.push_back(reference.of(t, static_cast<float>(byte)));
      all.identity = all.identity && all.bytes.back() == byte;
    }
    const auto greatest = static_cast<std::uint32_t>(most_number - least_number);
    const auto short_value = [&](std::uint32_t key) {
      return static_cast<float>(static_cast<double>(key + least_number) / units);
    };
    const std::uint32_t least = float_key(-std::numeric_limits<float>::infinity()),
                        most = float_key(std::numeric_limits<float>::infinity());
    all.shorts.push_back(0);
    all.floats.push_back(0);
    for (int v = 1; v < 256; ++v) {
      all.shorts.push_back(
          threshold(0, greatest, greatest + 1, [&](std::uint32_t key) { return reference.of(t, short_value(key)) >= v; }));
      all.floats.push_back(
          threshold(least, most, kNone, [&](std::uint32_t key) { return reference.of(t, value_of_key(key)) >= v; }));
    }
  }
  return all;
}

}  // namespace soma::bpf
