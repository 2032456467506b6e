// rows of weights, one sample → sums and moved rows: vectors run along a row, so inputs that are 0 cost nothing.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/online.cpp"
#include <hwy/foreach_target.h>
// (must come first)
#include <hwy/highway.h>

#include "kernels/online.h"
#include "kernels/targets.h"

HWY_BEFORE_NAMESPACE();
namespace soma {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using Doubles = hn::CappedTag<double, 8>;
using D = hn::Vec<Doubles>;

HWY_INLINE std::int64_t double_lanes() { return static_cast<std::int64_t>(hn::Lanes(Doubles())); }

HWY_INLINE D settled(D w, D growth, D shift) {
  const Doubles d;
  const D signed_shift = hn::IfThenElseZero(hn::Ne(w, hn::Zero(d)), hn::Xor(shift, hn::And(w, hn::SignBit(d))));
  return hn::MulAdd(w, growth, signed_shift);
}

/// kVectors accumulators stay in registers while all rows pass by.
template <int kVectors>
HWY_INLINE void forward_block(const double* w, const OnlineRow* rows, std::int64_t count, double* y) {
  const Doubles d;
  const std::int64_t lanes = double_lanes();
  D sum[kVectors];
  for (D& s : sum) s = hn::Zero(d);
  for (std::int64_t i = 0; i < count; ++i) {
    const double* row = w + rows[i].offset;
    const D x = hn::Set(d, rows[i].x), growth = hn::Set(d, rows[i].growth), shift = hn::Set(d, rows[i].shift);
    for (int v = 0; v < kVectors; ++v) sum[v] = hn::MulAdd(x, settled(hn::LoadU(d, row + v * lanes), growth, shift), sum[v]);
  }
  for (int v = 0; v < kVectors; ++v) hn::StoreU(sum[v], d, y + v * lanes);
}

void forward(const double* w, const OnlineRow* rows, std::int64_t count, std::int64_t width, double* y) noexcept {
  const std::int64_t lanes = double_lanes();
  std::int64_t j = 0;
  for (; j + 8 * lanes <= width; j += 8 * lanes) forward_block<8>(w + j, rows, count, y + j);
  for (; j + 4 * lanes <= width; j += 4 * lanes) forward_block<4>(w + j, rows, count, y + j);
  for (; j + 2 * lanes <= width; j += 2 * lanes) forward_block<2>(w + j, rows, count, y + j);
  for (; j < width; j += lanes) forward_block<1>(w + j, rows, count, y + j);
}

template <bool kError>
HWY_INLINE void backward_as(double* w, const OnlineRow* rows, std::int64_t count, std::int64_t width, const double* delta,
                            double* error) {
  const Doubles d;
  for (std::int64_t i = 0; i < count; ++i) {
    double* row = w + rows[i].offset;
    const D x = hn::Set(d, rows[i].x), growth = hn::Set(d, rows[i].growth), shift = hn::Set(d, rows[i].shift);
    D sum = hn::Zero(d);
    for (std::int64_t j = 0; j < width; j += double_lanes()) {
      const D old = hn::LoadU(d, row + j), dy = hn::LoadU(d, delta + j);
      if constexpr (kError) sum = hn::MulAdd(dy, old, sum);
      hn::StoreU(hn::NegMulAdd(x, dy, settled(old, growth, shift)), d, row + j);
    }
    if constexpr (kError) error[i] = hn::GetLane(hn::SumOfLanes(d, sum));
  }
}

void backward(double* w, const OnlineRow* rows, std::int64_t count, std::int64_t width, const double* delta,
              double* error) noexcept {
  if (error != nullptr)
    backward_as<true>(w, rows, count, width, delta, error);
  else
    backward_as<false>(w, rows, count, width, delta, nullptr);
}

void settle(double* w, double growth, double shift, std::int64_t n) noexcept {
  const Doubles d;
  for (std::int64_t j = 0; j < n; j += double_lanes())
    hn::StoreU(settled(hn::LoadU(d, w + j), hn::Set(d, growth), hn::Set(d, shift)), d, w + j);
}

void merge(double* main, const double* own, const double* start, double factor, std::int64_t n) noexcept {
  const Doubles d;
  for (std::int64_t j = 0; j < n; j += double_lanes()) {
    const D moved = hn::Sub(hn::LoadU(d, own + j), hn::LoadU(d, start + j));
    hn::StoreU(hn::MulAdd(moved, hn::Set(d, factor), hn::LoadU(d, main + j)), d, main + j);
  }
}

}  // namespace

void fill_online(OnlineKernels& table) { table = {table.target, forward, backward, settle, merge}; }

}  // namespace HWY_NAMESPACE
}  // namespace soma
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace soma {
void fill_online(std::int64_t target, OnlineKernels& table) { SOMA_COMPILED_FOR(target, fill_online)(table); }
}  // namespace soma
#endif
