// floats → sums of products in half precision over Highway's vectors, each step worked out in single precision and rounded once.
#include "kernels/half_blocks.h"
#include "kernels/half_targets.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/half_emulated.cpp"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace soma::HWY_NAMESPACE {
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
void fill_half_here(HalfKernels&) {}  // no vectors: the reference stays
#else

/// x rounded to half precision, as a float.
HWY_INLINE V to_half(V x) {
  const Floats d;
#if HWY_TARGET == HWY_SSE4  // Highway's own conversion truncates where the processor has none
  const hn::RebindToUnsigned<Floats> du;
  // Added to 2¹³ times the power of two below it, a number loses all bits but the eleven that a half keeps. From 2⁻¹⁴ down the
  // spacing of halves stays the same.
  const V size = hn::Abs(x), bounded = hn::Min(hn::Max(size, hn::Set(d, 0x1p-14f)), hn::Set(d, 0x1p16f));
  const V power = hn::BitCast(d, hn::And(hn::BitCast(du, bounded), hn::Set(du, 0x7f800000)));
  const V anchor = hn::Mul(power, hn::Set(d, 0x1p13f));
  const V rounded = hn::Sub(hn::Add(size, anchor), anchor);
  const V infinite = hn::BitCast(d, hn::Set(du, 0x7f800000));
  return hn::CopySign(hn::IfThenElse(hn::Ge(rounded, hn::Set(d, 0x1p16f)), infinite, rounded), x);
#else
  const hn::Rebind<hwy::float16_t, Floats> dh;
  return hn::PromoteTo(d, hn::DemoteTo(dh, x));
#endif
}

/// half(a·b + c): the product is exact in single precision, and a sum rounded to odd can be rounded again to 11 bits as if for
/// the first time (Boldo & Melquiond 2008, "Emulation of a FMA and correctly rounded sums").
HWY_INLINE V fused(V a, V b, V c) {
  const Floats d;
  const hn::RebindToSigned<Floats> di;
  const V p = hn::Mul(a, b);
  const V s = hn::Add(p, c), t = hn::Sub(s, p);
  const V error = hn::Add(hn::Sub(p, hn::Sub(s, t)), hn::Sub(c, t));  // p + c = s + error (Knuth's TwoSum)
  // To odd: cut off toward zero, then the last bit set.
  const auto bits = hn::BitCast(di, s);
  const auto cut = hn::Add(bits, hn::ShiftRight<31>(hn::Xor(bits, hn::BitCast(di, error))));
  const V odd = hn::BitCast(d, hn::Or(cut, hn::Set(di, 1)));
  return to_half(hn::IfThenElse(hn::Gt(hn::Abs(error), hn::Zero(d)), odd, s));  // the error of an infinite sum is NaN
}

struct Emulated {
  using Left = float;
  using Right = float;
  using Tile = HalfTile<float, float>;
  static constexpr std::int64_t kMostRows = 16, kPanels = 1;
  static std::int64_t rows(std::int64_t) { return kMostRows; }

  static HWY_ATTR void left(const float* x, std::int64_t x_row, std::int64_t rows, std::int64_t cols, float* y,
                            std::int64_t y_row) {
    for (std::int64_t i = 0; i < rows; ++i)
      transform(
          cols, y + i * y_row, [](V v) HWY_ATTR { return to_half(v); }, x + i * x_row);
  }
  static HWY_ATTR void right(const float* x, std::int64_t x_row, std::int64_t rows, float* y) {
    left(x, x_row, rows, kPanel, y, kHalfColumns);
  }

  /// One row of the tile, columns [j, j + kVectors·lanes()).
  template <int kVectors>
  static HWY_ATTR HWY_INLINE void row(const Tile& t, std::int64_t i, std::int64_t j) {
    const Floats d;
    const std::int64_t step = t.by_column ? kHalfRows : 1;
    const float* a = t.a + i * (t.by_column ? 1 : kHalfDepth);
    const float* b = t.b + j;
    float* sums = t.sums + i * kHalfColumns + j;
    for (std::int64_t first = 0; first < t.depth; first += kHalfBlock) {
      V partial[kVectors];
      for (V& p : partial) p = hn::Zero(d);
      for (std::int64_t k = first; k < std::min(first + kHalfBlock, t.depth); ++k, a += step, b += kHalfColumns) {
        const V x = hn::Set(d, *a);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) partial[v] = fused(x, hn::Load(d, b + v * lanes()), partial[v]);
      }
      for (int v = 0; v < kVectors; ++v) {
        float* sum = sums + v * lanes();
        hn::Store(hn::Add(hn::Load(d, sum), partial[v]), d, sum);
      }
    }
  }

  static HWY_ATTR void tile(const Tile& t) {
    const std::int64_t end = panels(t.columns) * kPanel;
    for (std::int64_t i = 0; i < t.rows; ++i) {
      std::int64_t j = 0;
      for (; j + 4 * lanes() <= end; j += 4 * lanes()) row<4>(t, i, j);
      for (; j < end; j += lanes()) row<1>(t, i, j);
    }
  }
};

void fill_half_here(HalfKernels& table) { table.gemm = &half_gemm<Emulated>; }
#endif

}  // namespace soma::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace soma {
void fill_half(std::int64_t target, HalfKernels& table) { SOMA_COMPILED_FOR(target, fill_half_here)(table); }
}  // namespace soma
#endif
