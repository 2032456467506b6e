// bytes × signed bytes → sums and bytes over Highway's vectors, in pairs of 16-bit products that cannot overflow.
#include "kernels/int8.h"

#include <algorithm>
#include <cstring>

#include "kernels/int8_targets.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/int8.cpp"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace soma::HWY_NAMESPACE {
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
void fill_here(Int8Kernels&) {}  // no vectors: the reference stays
#else
namespace hn = hwy::HWY_NAMESPACE;

using Sums = hn::CappedTag<std::int32_t, kInt8Panel>;
using V = hn::Vec<Sums>;
using Bytes = hn::Rebind<std::uint8_t, Sums>;
using Shorts = hn::Repartition<std::int16_t, Sums>;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(Sums()));
constexpr int kVectors = static_cast<int>(kInt8Panel) / kLanes;  // in a panel
constexpr int kRows = kVectors >= 4 ? 2 : 4;                     // of a tile: sums, weights and inputs fit 16 registers

HWY_INLINE HWY_ATTR std::int32_t four_bytes(const std::uint8_t* a) {
  std::int32_t bytes = 0;
  std::memcpy(&bytes, a, sizeof bytes);
  return bytes;
}

/// The sums of M rows for one panel, bias included: to[m·16 + lane].
template <int M>
HWY_ATTR HWY_NOINLINE void tile(const Int8Product& p, const std::uint8_t* const* rows, std::int64_t panel, std::int32_t* to) {
  const Sums d;
  const Shorts d16;
  const hn::Repartition<std::uint32_t, Sums> du;
  V even[M][kVectors], odd[M][kVectors];
  for (int v = 0; v < kVectors; ++v) {
    const V bias = hn::LoadU(d, p.bias + panel * kInt8Panel + v * kLanes);
    for (int m = 0; m < M; ++m) {
      even[m][v] = hn::Zero(d);
      odd[m][v] = hn::Zero(d);
    }
    for (int m = 0; m < M; ++m) hn::StoreU(bias, d, to + m * kInt8Panel + v * kLanes);
  }
  const std::int64_t tap_size = int8_panels(p.n) * kInt8Panel * 4;
  const std::int8_t* w = p.w + panel * kInt8Panel * 4;
  for (std::int64_t k = 0; k < p.taps; ++k, w += tap_size) {
    hn::Vec<Shorts> w02[kVectors], w13[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      const auto all = hn::BitCast(d16, hn::LoadU(hn::Repartition<std::int8_t, Sums>(), w + v * kLanes * 4));
      w02[v] = hn::ShiftRight<8>(hn::ShiftLeft<8>(all));
      w13[v] = hn::ShiftRight<8>(all);
    }
    for (int m = 0; m < M; ++m) {
      const auto x = hn::Set(du, static_cast<std::uint32_t>(four_bytes(rows[m] + p.tap[k])));
      const auto low = hn::Set(du, 0x00ff00ffU);
      const auto x02 = hn::BitCast(d16, hn::And(x, low)), x13 = hn::BitCast(d16, hn::And(hn::ShiftRight<8>(x), low));
      for (int v = 0; v < kVectors; ++v) {
        even[m][v] = hn::ReorderWidenMulAccumulate(d, x02, w02[v], even[m][v], odd[m][v]);
        even[m][v] = hn::ReorderWidenMulAccumulate(d, x13, w13[v], even[m][v], odd[m][v]);
      }
    }
  }
  for (int m = 0; m < M; ++m)
    for (int v = 0; v < kVectors; ++v) {
      std::int32_t* at = to + m * kInt8Panel + v * kLanes;
      hn::StoreU(hn::Add(hn::LoadU(d, at), hn::RearrangeToOddPlusEven(even[m][v], odd[m][v])), d, at);
    }
}

/// Even and odd lanes as 64-bit products, rounded, shifted, and put back side by side: the low halves are the whole result,
/// because the factor is below 1.
HWY_INLINE HWY_ATTR V requantized(V sum, const Requantization& r, std::int64_t column) {
  const Sums d;
  const hn::Repartition<std::int64_t, Sums> wide;
  const auto one = hn::Set(wide, 1);
  const auto multiplier = hn::LoadU(d, r.multiplier + column), shift = hn::LoadU(d, r.shift + column);
  const auto scaled = [&](auto x, auto by, auto bits)
                          HWY_ATTR { return hn::Shr(hn::Add(hn::MulEven(x, by), hn::Shl(one, hn::Sub(bits, one))), bits); };
  const auto odd = [&](V x) HWY_ATTR { return hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(wide, x))); };
  const auto low = hn::Set(wide, 0xffffffff);
  const auto shift_wide = hn::BitCast(wide, shift);
  const auto evens = scaled(sum, multiplier, hn::And(shift_wide, low));
  const auto odds = scaled(odd(sum), odd(multiplier), hn::ShiftRight<32>(shift_wide));
  const auto both = hn::Or(hn::And(evens, low), hn::ShiftLeft<32>(odds));
  const V q = hn::Add(hn::BitCast(d, both), hn::Set(d, r.zero));
  return hn::Min(hn::Max(q, hn::Zero(d)), hn::Set(d, 255));
}

/// The largest of `windows` rows of sums → row i of the result, the panel's columns that exist.
HWY_ATTR void finish(const Int8Product& p, std::int64_t i, std::int64_t panel, const std::int32_t* sums) {
  const Sums d;
  const std::int64_t column = panel * kInt8Panel, columns = std::min(kInt8Panel, p.n - column);
  HWY_ALIGN std::int32_t result[kInt8Panel];
  HWY_ALIGN std::uint8_t bytes[kInt8Panel];
  for (int v = 0; v < kVectors; ++v) {
    V best = hn::LoadU(d, sums + v * kLanes);
    for (std::int64_t window = 1; window < p.windows; ++window)
      best = hn::Max(best, hn::LoadU(d, sums + window * kInt8Panel + v * kLanes));
    if (p.sums != nullptr)
      hn::Store(best, d, result + v * kLanes);
    else
      hn::StoreU(hn::DemoteTo(Bytes(), requantized(best, p.requantization, column + v * kLanes)), Bytes(), bytes + v * kLanes);
  }
  if (p.sums != nullptr)
    std::memcpy(p.sums + i * p.y_row + column, result, static_cast<std::size_t>(columns) * sizeof *result);
  else
    std::memcpy(p.y + i * p.y_row + column, bytes, static_cast<std::size_t>(columns));
}

template <int M = kRows>
HWY_ATTR void some_rows(const Int8Product& p, std::int64_t count, const std::uint8_t* const* rows, std::int64_t panel,
                        std::int32_t* to) {
  if (count == M) return tile<M>(p, rows, panel, to);
  if constexpr (M > 1) some_rows<M - 1>(p, count, rows, panel, to);
}

HWY_ATTR void product(const Int8Product& p) noexcept {
  const std::int64_t step = std::max<std::int64_t>(1, kMostWindows / p.windows);
  const std::uint8_t* rows[kMostWindows];
  HWY_ALIGN std::int32_t sums[kMostWindows * kInt8Panel];
  for (std::int64_t first = 0; first < p.m; first += step) {
    const std::int64_t pixels = std::min(step, p.m - first), count = pixels * p.windows;
    for (std::int64_t r = 0; r < count; ++r) rows[r] = p.a + (first + r / p.windows) * p.a_step + p.window[r % p.windows];
    for (std::int64_t panel = 0; panel < int8_panels(p.n); ++panel) {
      for (std::int64_t r = 0; r < count; r += kRows)
        some_rows(p, std::min<std::int64_t>(kRows, count - r), rows + r, panel, sums + r * kInt8Panel);
      for (std::int64_t i = 0; i < pixels; ++i) finish(p, first + i, panel, sums + i * p.windows * kInt8Panel);
    }
  }
}

HWY_ATTR void quantize(const float* x, float scale, std::int32_t zero, std::uint8_t* y, std::int64_t n) noexcept {
  const hn::Rebind<float, Sums> df;
  const Sums d;
  const auto low = hn::Set(df, static_cast<float>(-zero)), high = hn::Set(df, static_cast<float>(255 - zero));
  const auto by = hn::Set(df, scale);
  HWY_ALIGN float in[kLanes] = {};
  HWY_ALIGN std::uint8_t out[kLanes];
  for (std::int64_t i = 0; i < n; i += kLanes) {
    const std::int64_t count = std::min<std::int64_t>(kLanes, n - i);
    if (count < kLanes) std::memcpy(in, x + i, static_cast<std::size_t>(count) * sizeof *in);
    const auto steps = hn::Div(hn::LoadU(df, count < kLanes ? in : x + i), by);
    const auto above = hn::IfThenElse(hn::Gt(steps, low), steps, low);
    const auto within = hn::IfThenElse(hn::Lt(above, high), above, high);
    const V q = hn::Add(hn::NearestInt(within), hn::Set(d, zero));
    hn::StoreU(hn::DemoteTo(Bytes(), q), Bytes(), count == kLanes ? y + i : out);
    if (count < kLanes) std::memcpy(y + i, out, static_cast<std::size_t>(count));
  }
}

void fill_here(Int8Kernels& table) {
  table.product = &product;
  table.quantize = &quantize;
}
#endif

}  // namespace soma::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace soma {
void fill_int8(std::int64_t target, Int8Kernels& table) { SOMA_COMPILED_FOR(target, fill_here)(table); }
}  // namespace soma
#endif
