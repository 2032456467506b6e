// images and the winners of pooling windows → the weight gradient of the convolution below: one position in each window counts.
#include <algorithm>

#include "kernels/kernels.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/winners.cpp"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace soma {
namespace HWY_NAMESPACE {
namespace {

// Each run is written in whole vectors: the next one overwrites what is too much, and beyond the last there are zeros.
void gather_patches(const Patches<float>& p) noexcept {
  const Floats d;
  for (std::int64_t i = 0; i < p.count; ++i) {
    float* const row = p.rows + i * p.row;
    std::int64_t at = 0;
    for (std::int64_t r = 0; r < p.run_count; ++r, at += p.depth) {
      const float* from = p.x + i * p.step + p.runs[r];
      for (std::int64_t k = 0; k < p.depth; k += lanes()) {
        const V v = p.depth - k >= lanes() ? hn::LoadU(d, from + k) : load_some(from + k, p.depth - k);
        if (p.row - at - k >= lanes())
          hn::StoreU(v, d, row + at + k);
        else
          store_some(v, row + at + k, p.row - at - k);
      }
    }
    const std::int64_t written = std::min(p.row, at - p.depth + (p.depth + lanes() - 1) / lanes() * lanes());
    std::fill(row + written, row + p.row, 0.0f);
  }
}

constexpr bool kManyRegisters = HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM_A64;
constexpr int kSums = kManyRegisters ? 28 : 12;  // they leave room for the factors

/// Channels [o, o + kChannels) and kVectors vectors of taps from `tap`: the sums stay in registers for all windows.
template <int kVectors, int kChannels>
HWY_ATTR HWY_NOINLINE void block(const WinnerGradient<float>& g, std::int64_t o, std::int64_t tap) {
  const Floats d;
  const std::int64_t step = lanes();
  const auto place = [&](int c, int v) {
    const std::int64_t t = tap + v * step;
    return g.dw + t / kPanel * g.dw_panel + (o + c) * kPanel + t % kPanel;
  };
  V sum[kChannels][kVectors];
#pragma GCC unroll 32
  for (int c = 0; c < kChannels; ++c)
#pragma GCC unroll 32
    for (int v = 0; v < kVectors; ++v) sum[c][v] = hn::LoadU(d, place(c, v));
  const float* dy = g.dy + o;
  const std::uint16_t* winner = g.winner + o;
  const float* window = g.patches + tap;
  for (std::int64_t q = 0; q < g.windows; ++q, dy += g.dy_row, winner += g.dy_row, window += g.window) {
#pragma GCC unroll 32
    for (int c = 0; c < kChannels; ++c) {
      const float* patch = window + g.positions[winner[c]];
      const V gradient = hn::Set(d, dy[c]);
#pragma GCC unroll 32
      for (int v = 0; v < kVectors; ++v) sum[c][v] = hn::MulAdd(gradient, hn::LoadU(d, patch + v * step), sum[c][v]);
    }
  }
#pragma GCC unroll 32
  for (int c = 0; c < kChannels; ++c)
#pragma GCC unroll 32
    for (int v = 0; v < kVectors; ++v) hn::StoreU(sum[c][v], d, place(c, v));
}

template <int kVectors>
HWY_ATTR void all_channels(const WinnerGradient<float>& g, std::int64_t tap) {
  constexpr int kChannels = HWY_MAX(1, HWY_MIN(8, kSums / kVectors));
  std::int64_t o = 0;
  for (; o + kChannels <= g.channels; o += kChannels) block<kVectors, kChannels>(g, o, tap);
  for (; o < g.channels; ++o) block<kVectors, 1>(g, o, tap);
}

HWY_ATTR void winner_gradient(const WinnerGradient<float>& g) noexcept {
  constexpr int kWide = kSums / 2, kHalf = kWide / 2;  // 14 and 7 vectors, or 6 and 3
  const std::int64_t step = lanes();
  for (std::int64_t tap = 0; tap < g.taps;) {
    const std::int64_t left = (g.taps - tap) / step;
    if (left >= kWide) {
      all_channels<kWide>(g, tap);
      tap += kWide * step;
    } else if (left >= kHalf) {
      all_channels<kHalf>(g, tap);
      tap += kHalf * step;
    } else if (left >= 2) {
      all_channels<2>(g, tap);
      tap += 2 * step;
    } else {
      all_channels<1>(g, tap);
      tap += step;
    }
  }
}

}  // namespace

void fill_winners(Kernels<float>& table) {
  table.gather_patches = gather_patches;
  table.winner_gradient = winner_gradient;
}

}  // namespace HWY_NAMESPACE
}  // namespace soma
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace soma {
HWY_EXPORT(fill_winners);
void fill_winners(Kernels<float>& table) { HWY_DYNAMIC_DISPATCH(fill_winners)(table); }
}  // namespace soma
#endif
