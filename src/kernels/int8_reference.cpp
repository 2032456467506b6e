// bytes × signed bytes → sums and bytes in plain loops, exactly as int8.h words them.
#include <algorithm>
#include <cmath>

#include "kernels/int8.h"

namespace soma {
namespace {

std::int32_t sum_of(const Int8Product& p, const std::uint8_t* a, std::int64_t column) {
  const std::int8_t* w = p.w + column * 4;
  const std::int64_t tap_size = int8_panels(p.n) * kInt8Panel * 4;
  std::int32_t sum = p.bias[column];
  for (std::int64_t k = 0; k < p.taps; ++k)
    for (std::int64_t b = 0; b < 4; ++b) sum += a[p.tap[k] + b] * w[k * tap_size + b];
  return sum;
}

std::uint8_t requantize(std::int32_t sum, const Requantization& r, std::int64_t column) {
  const std::int32_t shift = r.shift[column];
  const std::int64_t product = std::int64_t{sum} * r.multiplier[column] + (std::int64_t{1} << (shift - 1));
  return static_cast<std::uint8_t>(std::clamp<std::int64_t>(r.zero + (product >> shift), 0, 255));
}

void product(const Int8Product& p) noexcept {
  for (std::int64_t i = 0; i < p.m; ++i)
    for (std::int64_t j = 0; j < p.n; ++j) {
      const std::uint8_t* a = p.a + i * p.a_step;
      std::int32_t sum = sum_of(p, a + p.window[0], j);
      for (std::int64_t window = 1; window < p.windows; ++window) sum = std::max(sum, sum_of(p, a + p.window[window], j));
      if (p.sums != nullptr)
        p.sums[i * p.y_row + j] = sum;
      else
        p.y[i * p.y_row + j] = requantize(sum, p.requantization, j);
    }
}

void quantize(const float* x, float scale, std::int32_t zero, std::uint8_t* y, std::int64_t n) noexcept {
  const float low = static_cast<float>(-zero), high = static_cast<float>(255 - zero);
  for (std::int64_t i = 0; i < n; ++i) {
    const float steps = x[i] / scale;
    const float above = steps > low ? steps : low;  // NaN is not above anything
    y[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(std::nearbyint(above < high ? above : high)) + zero);
  }
}

}  // namespace

const Int8Kernels& reference_int8_kernels() {
  static const Int8Kernels table = {"reference", &product, &quantize};
  return table;
}

void pack_int8(const std::int8_t* w, std::int64_t taps, std::int64_t columns, std::int8_t* packed) noexcept {
  const std::int64_t width = int8_panels(columns) * kInt8Panel;
  for (std::int64_t k = 0; k < taps; ++k)
    for (std::int64_t j = 0; j < width; ++j)
      for (std::int64_t b = 0; b < 4; ++b) *packed++ = j < columns ? w[(j * taps + k) * 4 + b] : std::int8_t{0};
}

}  // namespace soma
