// floats → sums of products in half precision in plain loops, exactly as half.h words them.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/half.h"

namespace soma {
namespace {

/// half(a·b + c) of numbers in half precision. In double the product is exact, and so is the sum unless the product is below
/// 2⁻²⁹ of it, which cannot carry it across the middle between two halves. So there is one rounding.
double fused(double a, double b, double c) { return rounded_to_half(a * b + c); }

void gemm(const Gemm<float>& g) noexcept {
  for (std::int64_t i = 0; i < g.m; ++i)
    for (std::int64_t j = 0; j < g.n; ++j) {
      const float* b = g.b + j / kPanel * g.b_panel + j % kPanel;
      float& c = g.c[j / kPanel * g.c_panel + i * g.c_row + j % kPanel];
      float sum = g.accumulate ? c : g.bias != nullptr ? g.bias[j] : 0.0f;
      const std::int64_t products = g.segments * g.depth;
      for (std::int64_t first = 0; first < products; first += kHalfBlock) {
        double partial = 0;
        for (std::int64_t r = first; r < std::min(first + kHalfBlock, products); ++r) {
          const float* a = g.a + i * g.a_row + (g.a_segments != nullptr ? g.a_segments[r / g.depth] : 0);
          partial = fused(rounded_to_half(a[r % g.depth * g.a_col]), rounded_to_half(b[r * g.b_row]), partial);
        }
        sum += static_cast<float>(partial);
      }
      c = sum;
    }
}

}  // namespace

double rounded_to_half(double x) noexcept {
  if (!std::isfinite(x) || x == 0) return x;
  const double unit = std::ldexp(1, std::max(std::ilogb(x), -14) - 10);  // what the last of 11 bits is worth
  const double rounded = std::nearbyint(x / unit) * unit;
  return std::abs(rounded) < 65536 ? rounded : std::copysign(std::numeric_limits<double>::infinity(), x);
}

const HalfKernels& reference_half_kernels() {
  static const HalfKernels table = {"reference", false, &gemm};
  return table;
}

}  // namespace soma
