// images and the winners of pooling windows → the weight gradient of the convolution below: one position in each window counts.
#include <algorithm>

#include "kernels/kernels.h"
#include "kernels/targets.h"
#include "kernels/unroll.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/winners.cpp"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace soma {
namespace HWY_NAMESPACE {
namespace {

/// Runs of at most one vector of D, written whole: the next run overwrites what is too much.
template <class D>
HWY_INLINE void gather_short(D d, const Patches<float>& p) {
  const auto width = static_cast<std::int64_t>(hn::Lanes(d));
  const auto used = hn::FirstN(d, static_cast<std::size_t>(p.depth));
  const std::int64_t whole = std::clamp<std::int64_t>((p.row - width) / p.depth + 1, 0, p.run_count);  // runs with room behind
  for (std::int64_t i = 0; i < p.count; ++i) {
    float* row = p.rows + i * p.row;
    const float* x = p.x + i * p.step;
    for (std::int64_t r = 0; r < whole; ++r) hn::StoreU(hn::MaskedLoad(used, d, x + p.runs[r]), d, row + r * p.depth);
    for (std::int64_t r = whole; r < p.run_count; ++r)
      hn::BlendedStore(hn::MaskedLoad(used, d, x + p.runs[r]), used, d, row + r * p.depth);
    std::fill(row + p.run_count * p.depth, row + p.row, 0.0f);
  }
}

void gather_patches(const Patches<float>& p) noexcept {
  const Floats d;
#if !HWY_MEM_OPS_MIGHT_FAULT
  if (p.depth <= 4) return gather_short(hn::CappedTag<float, 4>(), p);
  if (p.depth <= 8) return gather_short(hn::CappedTag<float, 8>(), p);
#endif
  const std::int64_t whole = p.depth / lanes() * lanes(), rest = p.depth - whole;
  for (std::int64_t i = 0; i < p.count; ++i) {
    float* row = p.rows + i * p.row;
    for (std::int64_t r = 0; r < p.run_count; ++r, row += p.depth) {
      const float* from = p.x + i * p.step + p.runs[r];
      for (std::int64_t k = 0; k < whole; k += lanes()) hn::StoreU(hn::LoadU(d, from + k), d, row + k);
      if (rest > 0) store_some(load_some(from + whole, rest), row + whole, rest);
    }
    std::fill(row, p.rows + (i + 1) * p.row, 0.0f);
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
#pragma GCC unroll kUnroll
  for (int c = 0; c < kChannels; ++c)
#pragma GCC unroll kUnroll
    for (int v = 0; v < kVectors; ++v) sum[c][v] = hn::LoadU(d, place(c, v));
  const float* dy = g.dy + o;
  const std::uint16_t* winner = g.winner + o;
  const float* window = g.patches + tap;
  for (std::int64_t q = 0; q < g.windows; ++q, dy += g.dy_row, winner += g.dy_row, window += g.window) {
#pragma GCC unroll kUnroll
    for (int c = 0; c < kChannels; ++c) {
      const float* patch = window + g.positions[winner[c]];
      const V gradient = hn::Set(d, dy[c]);
#pragma GCC unroll kUnroll
      for (int v = 0; v < kVectors; ++v) sum[c][v] = hn::MulAdd(gradient, hn::LoadU(d, patch + v * step), sum[c][v]);
    }
  }
#pragma GCC unroll kUnroll
  for (int c = 0; c < kChannels; ++c)
#pragma GCC unroll kUnroll
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
void fill_winners(std::int64_t target, Kernels<float>& table) { SOMA_COMPILED_FOR(target, fill_winners)(table); }
}  // namespace soma
#endif
