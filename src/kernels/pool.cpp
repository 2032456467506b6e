// images, channels last → pooled images and back: vectors run over channels, so every window position is one load.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pool.cpp"
#include <hwy/foreach_target.h>
// (must come first)
#include <hwy/highway.h>

#include <algorithm>

#include "kernels/best-inl.h"
#include "kernels/lanes-inl.h"
#include "kernels/targets.h"

HWY_BEFORE_NAMESPACE();
namespace soma {
namespace HWY_NAMESPACE {
namespace {

// The part of one window that lies inside the image: rows [u0, u1) × columns [v0, v1) of the window.
struct Window {
  std::int64_t out, in;  // offsets of channel 0: of the output, and of the window's (possibly absent) first position
  std::int64_t u0, u1, v0, v1;
};

HWY_INLINE Window window_at(const PoolShape& s, std::int64_t i, std::int64_t j) {
  const std::int64_t row = i * s.stride_h - s.padding_h, col = j * s.stride_w - s.padding_w;
  return {(i * s.out_w + j) * s.c,       (row * s.w + col) * s.c,         std::max<std::int64_t>(0, -row),
          std::min(s.size_h, s.h - row), std::max<std::int64_t>(0, -col), std::min(s.size_w, s.w - col)};
}

// No input under two windows: gradients can be written instead of added.
HWY_INLINE bool disjoint(const PoolShape& s) { return s.stride_h >= s.size_h && s.stride_w >= s.size_w; }

/// kSquare: windows are 2×2 and lie inside the image.
template <bool kPlace, bool kSquare>
struct MaxPool {
  const PoolShape& s;
  const Window& at;
  const float* x;
  float* y;
  std::uint16_t* winner;

  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t c) const {
    const auto load = [&](std::int64_t u, std::int64_t v) HWY_ATTR { return hn::LoadU(d, x + at.in + (u * s.w + v) * s.c + c); };
    const std::int64_t u0 = kSquare ? 0 : at.u0, v0 = kSquare ? 0 : at.v0, width = kSquare ? 2 : s.size_w;
    Best<D, kPlace> best{d, load(u0, v0), hn::Set(hn::Rebind<std::int32_t, D>(), static_cast<std::int32_t>(u0 * width + v0))};
    if constexpr (kSquare) {
      best.meet(load(0, 1), 1);
      best.meet(load(1, 0), 2);
      best.meet(load(1, 1), 3);
    } else {
      for (std::int64_t u = u0; u < at.u1; ++u)
        for (std::int64_t v = v0 + (u == u0 ? 1 : 0); v < at.v1; ++v) best.meet(load(u, v), u * width + v);
    }
    best.store(y, winner, at.out + c);
  }
};

template <bool kAdd>
struct MaxPoolBackward {
  const PoolShape& s;
  const Window& at;
  const float* dy;
  const std::uint16_t* winner;
  float* dx;

  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t c) const {
    const hn::Rebind<std::int32_t, D> di;
    const hn::Rebind<std::uint16_t, D> du;
    const auto place = hn::PromoteTo(di, hn::LoadU(du, winner + at.out + c));
    const auto gradient = hn::LoadU(d, dy + at.out + c);
    for (std::int64_t u = at.u0; u < at.u1; ++u)
      for (std::int64_t v = at.v0; v < at.v1; ++v) {
        float* to = dx + at.in + (u * s.w + v) * s.c + c;
        const auto won = hn::RebindMask(d, hn::Eq(place, hn::Set(di, static_cast<std::int32_t>(u * s.size_w + v))));
        const auto before = kAdd ? hn::LoadU(d, to) : hn::Zero(d);
        hn::StoreU(hn::Add(before, hn::IfThenElseZero(won, gradient)), d, to);
      }
  }
};

struct AveragePool {
  const PoolShape& s;
  const Window& at;
  const float* x;
  float* y;

  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t c) const {
    auto sum = hn::Zero(d);
    for (std::int64_t u = at.u0; u < at.u1; ++u)
      for (std::int64_t v = at.v0; v < at.v1; ++v) sum = hn::Add(sum, hn::LoadU(d, x + at.in + (u * s.w + v) * s.c + c));
    hn::StoreU(hn::Div(sum, hn::Set(d, static_cast<float>(s.size_h * s.size_w))), d, y + at.out + c);
  }
};

template <bool kAdd>
struct AveragePoolBackward {
  const PoolShape& s;
  const Window& at;
  const float* dy;
  float* dx;

  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t c) const {
    const auto share = hn::Div(hn::LoadU(d, dy + at.out + c), hn::Set(d, static_cast<float>(s.size_h * s.size_w)));
    for (std::int64_t u = at.u0; u < at.u1; ++u)
      for (std::int64_t v = at.v0; v < at.v1; ++v) {
        float* to = dx + at.in + (u * s.w + v) * s.c + c;
        hn::StoreU(hn::Add(kAdd ? hn::LoadU(d, to) : hn::Zero(d), share), d, to);
      }
  }
};

// Body{s, window, pointers…} at every output, in row order.
template <class Body, class... Pointers>
HWY_INLINE void each_window(const PoolShape& s, Pointers... pointers) {
  for (std::int64_t i = 0; i < s.out_h; ++i)
    for (std::int64_t j = 0; j < s.out_w; ++j) {
      const Window at = window_at(s, i, j);
      each_channels(0, s.c, Body{s, at, pointers...});
    }
}

// Zeros where nothing will be written: everywhere if windows overlap, else only if some inputs lie under no window.
HWY_INLINE void clear(const PoolShape& s, float* dx) {
  const bool covered = disjoint(s) && s.stride_h == s.size_h && s.stride_w == s.size_w && s.padding_h == 0 && s.padding_w == 0 &&
                       s.out_h * s.size_h == s.h && s.out_w * s.size_w == s.w;
  if (!covered) std::fill_n(dx, s.h * s.w * s.c, 0.0f);
}

template <bool kPlace>
HWY_INLINE void max_pool_with(const PoolShape& s, const float* x, float* y, std::uint16_t* winner) {
  const bool inside = s.padding_h == 0 && s.padding_w == 0 && (s.out_h - 1) * s.stride_h + s.size_h <= s.h &&
                      (s.out_w - 1) * s.stride_w + s.size_w <= s.w;
  if (inside && s.size_h == 2 && s.size_w == 2)
    each_window<MaxPool<kPlace, true>>(s, x, y, winner);
  else
    each_window<MaxPool<kPlace, false>>(s, x, y, winner);
}

void max_pool(const PoolShape& s, const float* x, float* y, std::uint16_t* winner) noexcept {
  if (winner == nullptr)
    max_pool_with<false>(s, x, y, winner);
  else
    max_pool_with<true>(s, x, y, winner);
}

void max_pool_backward(const PoolShape& s, const float* dy, const std::uint16_t* winner, float* dx) noexcept {
  clear(s, dx);
  if (disjoint(s))
    each_window<MaxPoolBackward<false>>(s, dy, winner, dx);
  else
    each_window<MaxPoolBackward<true>>(s, dy, winner, dx);
}

void average_pool(const PoolShape& s, const float* x, float* y) noexcept { each_window<AveragePool>(s, x, y); }

void average_pool_backward(const PoolShape& s, const float* dy, float* dx) noexcept {
  clear(s, dx);
  if (disjoint(s))
    each_window<AveragePoolBackward<false>>(s, dy, dx);
  else
    each_window<AveragePoolBackward<true>>(s, dy, dx);
}

}  // namespace

void fill_pool(Kernels<float>& table) {
  table.max_pool = max_pool;
  table.max_pool_backward = max_pool_backward;
  table.average_pool = average_pool;
  table.average_pool_backward = average_pool_backward;
}

}  // namespace HWY_NAMESPACE
}  // namespace soma
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace soma {
void fill_pool(std::int64_t target, Kernels<float>& table) { SOMA_COMPILED_FOR(target, fill_pool)(table); }
}  // namespace soma
#endif
