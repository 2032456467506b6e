// arrays → sums, means, norms, extremes and their places, along axes.
// (void) before a call: it is made for the Refusal it throws.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <type_traits>

#include "graph/operator.h"

namespace soma {
namespace {

/// Axes are an attribute in old versions, the second input in new ones; none means all, or none at all where that is asked for.
template <class Axes>
std::vector<std::size_t> reduced_axes(const Site& site, std::size_t rank, bool from_input, Axes&& given) {
  const Shape axes = from_input ? given() : site.integers("axes");
  if (!axes.empty()) return Shaping::axes(axes, rank);
  std::vector<std::size_t> all;
  for (std::size_t d = 0; d < rank && site.integer("noop_with_empty_axes", 0) == 0; ++d) all.push_back(d);
  return all;
}

Shape without(const Shape& x, const std::vector<std::size_t>& axes, bool keep) {
  Shape y;
  for (std::size_t d = 0; d < x.size(); ++d) {
    const bool gone = std::find(axes.begin(), axes.end(), d) != axes.end();
    if (!gone || keep) y.push_back(gone ? 1 : x[d]);
  }
  return y;
}

void reduce_shape(Shaping& site) {
  const auto axes = reduced_axes(site, site.extents(0).size(), site.has(1), [&] { return site.integers_of(1); });
  site.give(0, site.type(0), without(site.extents(0), axes, site.integer("keepdims", 1) != 0));
}

/// Each result from its elements: start, step(sum, x), end(sum, count). Sums of reals are doubles, of whole numbers themselves.
template <class F>
void reduce(Call& call) {
  const Operand &x = call.in[0], &y = call.out[0];
  const auto axes = reduced_axes(call, x.extents.size(), call.has(1), [&] { return call.integers_of(1); });
  Shape inner, strides, own = strides_of(x.extents);
  for (const std::size_t axis : axes) {
    inner.push_back(x.extents[axis]);
    strides.push_back(own[axis]);
  }
  const Shape kept = without(x.extents, axes, true);
  for (const std::size_t axis : axes) own[axis] = 0;
  const std::int64_t count = elements(inner);
  with_number_or_boolean(x.type, [&]<class T>() {
    using Sum = typename F::template Of<T>;
    std::int64_t result = 0;
    each_line<1>(kept, {own}, [&](const auto& at, std::int64_t n, const auto& step) {
      for (std::int64_t i = 0; i < n; ++i) {
        Sum sum = F::template start<T>();
        const T* from = x.as<T>() + at[0] + i * step[0];
        each_line<1>(inner, {strides}, [&](const auto& place, std::int64_t length, const auto& stride) {
          for (std::int64_t k = 0; k < length; ++k) sum = F::step(sum, static_cast<Sum>(from[place[0] + k * stride[0]]));
        });
        y.as<T>()[result++] = static_cast<T>(F::end(sum, static_cast<double>(count)));
      }
    });
  });
}

/// What sums are made of: doubles for reals; whole numbers in 64 bits that wrap.
template <class T>
using Wide = std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t>;

struct AddUp {
  template <class T>
  using Of = Wide<T>;
  template <class T>
  static Of<T> start() {
    return 0;
  }
  template <class S>
  static S step(S sum, S x) {
    return sum + x;
  }
  template <class S>
  static S end(S sum, double) {
    return sum;
  }
};
struct AddSquares : AddUp {
  template <class S>
  static S step(S sum, S x) {
    return sum + x * x;
  }
};
struct Multiply : AddUp {
  template <class T>
  static Of<T> start() {
    return 1;
  }
  template <class S>
  static S step(S sum, S x) {
    return sum * x;
  }
};
/// In double whatever the elements.
struct AddReals {
  template <class T>
  using Of = double;
  template <class T>
  static double start() {
    return 0;
  }
  static double step(double sum, double x) { return sum + x; }
  static double end(double sum, double) { return sum; }
};
struct Average : AddReals {
  static double end(double sum, double count) { return sum / count; }
};
struct AddSizes : AddReals {
  static double step(double sum, double x) { return sum + std::abs(x); }
};
struct Length : AddReals {
  static double step(double sum, double x) { return sum + x * x; }
  static double end(double sum, double) { return std::sqrt(sum); }
};
struct LogOfSum : AddReals {
  static double end(double sum, double) { return std::log(sum); }
};
template <bool largest>
struct Extreme {
  template <class T>
  using Of = T;
  template <class T>
  static T start() {
    using Limits = std::numeric_limits<T>;
    if constexpr (Limits::has_infinity)
      return largest ? -Limits::infinity() : Limits::infinity();
    else
      return largest ? Limits::lowest() : Limits::max();
  }
  template <class S>
  static S step(S best, S x) {
    if constexpr (std::is_floating_point_v<S>)
      if (std::isnan(best)) return best;
    return (largest ? best > x : best < x) ? best : x;
  }
  template <class S>
  static S end(S best, double) {
    return best;
  }
};

/// log Σ e^x, around the greatest so that nothing overflows.
void log_sum_exp(Call& call) {
  Operand &x = call.in[0], &y = call.out[0];
  std::vector<std::byte> greatest(static_cast<std::size_t>(y.size()) * element_bytes(y.type)),
      moved(static_cast<std::size_t>(x.size()) * element_bytes(x.type));
  const Operand result = y, source = x;
  y.data = greatest.data();
  reduce<Extreme<true>>(call);
  const auto axes = reduced_axes(call, x.extents.size(), call.has(1), [&] { return call.integers_of(1); });
  const Shape kept = without(x.extents, axes, true);
  with_real(x.type, [&]<class T>() {
    each_line<3>(x.extents, {strides_of(x.extents), broadcast_strides(kept, x.extents), strides_of(x.extents)},
                 [&](const auto& at, std::int64_t n, const auto& step) {
                   for (std::int64_t i = 0; i < n; ++i) {
                     const T top = reinterpret_cast<const T*>(greatest.data())[at[1] + i * step[1]];
                     reinterpret_cast<T*>(moved.data())[at[2] + i * step[2]] =
                         std::isfinite(top) ? std::exp(source.as<T>()[at[0] + i * step[0]] - top)
                                            : source.as<T>()[at[0] + i * step[0]];
                   }
                 });
  });
  x.data = moved.data();
  y = result;
  reduce<LogOfSum>(call);
  with_real(y.type, [&]<class T>() {
    for (std::int64_t i = 0; i < y.size(); ++i) {
      const T top = reinterpret_cast<const T*>(greatest.data())[i];
      y.as<T>()[i] = std::isfinite(top) ? y.as<T>()[i] + top : top;
    }
  });
}

void place_shape(Shaping& site) {
  const std::size_t axis = Shaping::axis(site.integer("axis", 0), site.extents(0).size());
  if (site.extents(0)[axis] < 1) Site::refuse("an axis with elements", to_string(site.extents(0)));
  site.give(0, ElementType::i64, without(site.extents(0), {axis}, site.integer("keepdims", 1) != 0));
}

template <bool largest>
void place(Call& call) {
  const Shape& x = call.in[0].extents;
  const std::size_t axis = Shaping::axis(call.integer("axis", 0), x.size());
  const bool last = call.integer("select_last_index", 0) != 0;
  const std::int64_t n = x[axis], inner = product(x, axis + 1, x.size());
  with_number(call.in[0].type, [&]<class T>() {
    for (std::int64_t i = 0; i < call.out[0].size(); ++i) {
      const T* from = call.in[0].as<T>() + i / inner * n * inner + i % inner;
      std::int64_t best = 0;
      for (std::int64_t k = 1; k < n; ++k) {
        const T now = from[k * inner], before = from[best * inner];
        if (before != before) break;
        if ((largest ? now > before : now < before) || (last && now == before) || now != now) best = k;
      }
      call.out[0].as<std::int64_t>()[i] = best;
    }
  });
}

void running_shape(Shaping& site) {
  (void)site.in(1);
  same_shape(site);
}

template <bool product_of>
void running(Call& call) {
  const Shape& x = call.in[0].extents;
  const Shape given = call.integers_of(1);
  if (given.size() != 1) Site::refuse("one axis", fmt::format("{}", given.size()));
  const std::size_t axis = Shaping::axis(given[0], x.size());
  const bool exclusive = call.integer("exclusive", 0) != 0, backwards = call.integer("reverse", 0) != 0;
  const std::int64_t n = x[axis], inner = product(x, axis + 1, x.size());
  with_number(call.in[0].type, [&]<class T>() {
    for (std::int64_t i = 0; n > 0 && i < call.in[0].size() / n; ++i) {
      const std::int64_t at = i / inner * n * inner + i % inner;
      Wide<T> sum = product_of ? 1 : 0;
      for (std::int64_t k = 0; k < n; ++k) {
        const std::int64_t here = at + (backwards ? n - 1 - k : k) * inner;
        const Wide<T> before = sum, value = static_cast<Wide<T>>(call.in[0].as<T>()[here]);
        sum = product_of ? sum * value : sum + value;
        call.out[0].as<T>()[here] = static_cast<T>(exclusive ? before : sum);
      }
    }
  });
}

}  // namespace

Rows reduce_operators() {
  return {{"ReduceSum", {1, 11, 13}, kNumbers, reduce_shape, reduce<AddUp>},
          {"ReduceMean", {1, 11, 13, 18}, kNumbers, reduce_shape, reduce<Average>},
          {"ReduceMax", {1, 11, 12, 13, 18, 20}, kNumbers | kBoolean, reduce_shape, reduce<Extreme<true>>},
          {"ReduceMin", {1, 11, 12, 13, 18, 20}, kNumbers | kBoolean, reduce_shape, reduce<Extreme<false>>},
          {"ReduceProd", {1, 11, 13, 18}, kNumbers, reduce_shape, reduce<Multiply>},
          {"ReduceL1", {1, 11, 13, 18}, kNumbers, reduce_shape, reduce<AddSizes>},
          {"ReduceL2", {1, 11, 13, 18}, kNumbers, reduce_shape, reduce<Length>},
          {"ReduceSumSquare", {1, 11, 13, 18}, kNumbers, reduce_shape, reduce<AddSquares>},
          {"ReduceLogSum", {1, 11, 13, 18, 28}, kReal, reduce_shape, reduce<LogOfSum>},
          {"ReduceLogSumExp", {1, 11, 13, 18, 28}, kReal, reduce_shape, log_sum_exp},
          {"ArgMax", {1, 11, 12, 13}, kNumbers, place_shape, place<true>},
          {"ArgMin", {1, 11, 12, 13}, kNumbers, place_shape, place<false>},
          {"CumSum", {11, 14}, kNumbers, running_shape, running<false>},
          {"CumProd", {26}, kNumbers, running_shape, running<true>}};
}

}  // namespace soma
