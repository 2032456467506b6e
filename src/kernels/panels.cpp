// matrices in rows or panels → the same transposed.
#include <algorithm>

#include "kernels/kernels.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/panels.cpp"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "kernels/tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace soma::HWY_NAMESPACE {
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
void fill_panels_here(Kernels<float>&) {}  // no vectors: the reference stays
#else
namespace {

/// x[0..3], then the four numbers 4, 8 and 12 rows below: as many as a vector holds.
template <class D>
HWY_ATTR HWY_INLINE hn::Vec<D> load_blocks(D d, const float* x, std::int64_t row) {
  if constexpr (hn::MaxLanes(D()) == 4) {
    return hn::LoadU(d, x);
  } else {
    const hn::Half<D> half;
    const std::int64_t rows = static_cast<std::int64_t>(hn::MaxLanes(half));
    return hn::Combine(d, load_blocks(half, x + rows * row, row), load_blocks(half, x, row));
  }
}

/// Four columns of 16 rows of x → four rows of 16 numbers: 4×4 transpositions side by side in the blocks of a vector.
HWY_ATTR HWY_INLINE void transpose_16x4(const float* x, std::int64_t x_row, float* y, std::int64_t y_row) {
  const Wide d;
  const hn::RepartitionToWide<Wide> pairs;
  for (int v = 0; v < kVectors; ++v, x += kLanes * x_row, y += kLanes) {
    const V r0 = load_blocks(d, x, x_row), r1 = load_blocks(d, x + x_row, x_row), r2 = load_blocks(d, x + 2 * x_row, x_row),
            r3 = load_blocks(d, x + 3 * x_row, x_row);
    const auto a = hn::BitCast(pairs, hn::InterleaveLower(d, r0, r1)), b = hn::BitCast(pairs, hn::InterleaveLower(d, r2, r3));
    const auto e = hn::BitCast(pairs, hn::InterleaveUpper(d, r0, r1)), f = hn::BitCast(pairs, hn::InterleaveUpper(d, r2, r3));
    hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, a, b)), d, y);
    hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, a, b)), d, y + y_row);
    hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, e, f)), d, y + 2 * y_row);
    hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, e, f)), d, y + 3 * y_row);
  }
}

HWY_ATTR void transpose(const Transpose<float>& t) noexcept {
  for (std::int64_t i = 0; i < t.rows; i += kPanel)
    for (std::int64_t j = 0; j < t.cols; j += 4) {
      const float* from = t.x + j / kPanel * t.x_panel + i * t.x_row + j % kPanel;
      float* to = t.y + i / kPanel * t.y_panel + j * t.y_row;
      const std::int64_t rows = std::min(kPanel, t.rows - i), cols = std::min<std::int64_t>(4, t.cols - j);
      if (rows == kPanel && cols == 4) {
        transpose_16x4(from, t.x_row, to, t.y_row);
      } else {
        for (std::int64_t jj = 0; jj < cols; ++jj)
          for (std::int64_t ii = 0; ii < (t.fill ? kPanel : rows); ++ii)
            to[jj * t.y_row + ii] = ii < rows ? from[ii * t.x_row + jj] : 0.0f;
      }
    }
}

}  // namespace

void fill_panels_here(Kernels<float>& table) { table.transpose = &transpose; }
#endif

}  // namespace soma::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace soma {
void fill_panels(std::int64_t target, Kernels<float>& table) { SOMA_COMPILED_FOR(target, fill_panels_here)(table); }
}  // namespace soma
#endif
