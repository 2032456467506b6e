// Highway's vectors → the loops every family shares: whole vectors first, then a tail that computes the same bits.
// Included once per target, hence the toggled guard.
#if defined(SOMA_LANES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef SOMA_LANES_INL_H
#undef SOMA_LANES_INL_H
#else
#define SOMA_LANES_INL_H
#endif

#include <hwy/highway.h>

#include <cstdint>
#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace soma {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

inline constexpr std::size_t kMaxLanes = 16;
using Floats = hn::CappedTag<float, kMaxLanes>;
using V = hn::Vec<Floats>;

HWY_INLINE std::int64_t lanes() { return static_cast<std::int64_t>(hn::Lanes(Floats())); }

/// The first n < lanes() values; the rest are 0.
HWY_INLINE V load_some(const float* p, std::int64_t n) {
  const Floats d;
#if HWY_MEM_OPS_MIGHT_FAULT
  HWY_ALIGN float padded[kMaxLanes] = {};
  std::memcpy(padded, p, static_cast<std::size_t>(n) * sizeof(float));
  return hn::Load(d, padded);
#else
  return hn::MaskedLoad(hn::FirstN(d, static_cast<std::size_t>(n)), d, p);
#endif
}

HWY_INLINE void store_some(V v, float* p, std::int64_t n) {
  const Floats d;
#if HWY_MEM_OPS_MIGHT_FAULT
  HWY_ALIGN float padded[kMaxLanes];
  hn::Store(v, d, padded);
  std::memcpy(p, padded, static_cast<std::size_t>(n) * sizeof(float));
#else
  hn::BlendedStore(v, hn::FirstN(d, static_cast<std::size_t>(n)), d, p);
#endif
}

/// y[i] = f(x[i]…); y may be one of the inputs.
template <class F, class... X>
HWY_INLINE void transform(std::int64_t n, float* y, const F f, const X*... x) {
  const Floats d;
  std::int64_t i = 0;
  for (; i + lanes() <= n; i += lanes()) hn::StoreU(f(hn::LoadU(d, x + i)...), d, y + i);
  if (i < n) store_some(f(load_some(x + i, n - i)...), y + i, n - i);
}

/// body(d, c) for blocks of channels that cover [c, end) once: as wide as kLanes, then by halves down to one channel.
template <std::size_t kLanes = HWY_MIN(kMaxLanes, HWY_MAX_BYTES / sizeof(float)), class Body>
HWY_INLINE void each_channels(std::int64_t c, std::int64_t end, const Body& body) {
  const hn::CappedTag<float, kLanes> d;
  const auto step = static_cast<std::int64_t>(hn::Lanes(d));
  for (; c + step <= end; c += step) body(d, c);
  if constexpr (kLanes > 1) each_channels<kLanes / 2>(c, end, body);
}

}  // namespace HWY_NAMESPACE
}  // namespace soma
HWY_AFTER_NAMESPACE();

#endif
