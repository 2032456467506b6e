// the values of a pooling window, one after the other → the greatest and where it was, for every lane of a vector.
// Included once per target, hence the toggled guard.
#if defined(SOMA_BEST_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef SOMA_BEST_INL_H
#undef SOMA_BEST_INL_H
#else
#define SOMA_BEST_INL_H
#endif

#include <hwy/highway.h>

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace soma {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// The maximum so far and where it was; a NaN already found stays.
template <class D, bool kPlace>
struct Best {
  using Places = hn::Rebind<std::int32_t, D>;
  D d;
  hn::Vec<D> value;
  hn::Vec<Places> place;

  HWY_INLINE void meet(hn::Vec<D> here, std::int64_t position) {
    // Not ≤: greater, or one of them is NaN.
    const auto better = hn::And(hn::Not(hn::Le(here, value)), hn::Eq(value, value));
    value = hn::IfThenElse(better, here, value);
    if constexpr (kPlace)
      place = hn::IfThenElse(hn::RebindMask(Places(), better), hn::Set(Places(), static_cast<std::int32_t>(position)), place);
  }
  HWY_INLINE void store(float* y, [[maybe_unused]] std::uint16_t* winner, std::int64_t at) const {
    hn::StoreU(value, d, y + at);
    if constexpr (kPlace) {
      const hn::Rebind<std::uint16_t, D> du;
      hn::StoreU(hn::DemoteTo(du, place), du, winner + at);
    }
  }
  /// Only the first `count` lanes.
  HWY_INLINE void store(float* y, [[maybe_unused]] std::uint16_t* winner, std::int64_t at, std::size_t count) const {
    hn::BlendedStore(value, hn::FirstN(d, count), d, y + at);
    if constexpr (kPlace) {
      const hn::Rebind<std::uint16_t, D> du;
      hn::BlendedStore(hn::DemoteTo(du, place), hn::FirstN(du, count), du, winner + at);
    }
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace soma
HWY_AFTER_NAMESPACE();

#endif
